package tenantdb

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// authority is a root with the certificates that it signs.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{certificate, key}
}

func (a authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.certificate.Raw})
}

func (a authority) sign(t *testing.T, host string, until time.Time) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: []string{host},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		NotBefore:   time.Now().Add(-2 * time.Hour), NotAfter: until,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// secured is a server that does TLS as Postgres does and lets anybody in.
func secured(t *testing.T, certificate tls.Certificate) net.Addr {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer connection.Close()
				letIn(connection, certificate)
			}()
		}
	}()
	return listener.Addr()
}

func letIn(connection net.Conn, certificate tls.Certificate) {
	if _, err := pgproto3.NewBackend(connection, connection).ReceiveStartupMessage(); err != nil {
		return
	}
	if _, err := connection.Write([]byte("S")); err != nil {
		return
	}
	inside := tls.Server(connection, &tls.Config{Certificates: []tls.Certificate{certificate}})
	backend := pgproto3.NewBackend(inside, inside)
	if _, err := backend.ReceiveStartupMessage(); err != nil {
		return
	}
	backend.Send(&pgproto3.AuthenticationOk{})
	backend.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	if backend.Flush() == nil {
		_, _ = backend.Receive() // until the client says goodbye
	}
}

func TestCertificatesOfRDS(t *testing.T) {
	t.Parallel()
	rds, public, foreign := newAuthority(t, "rds"), newAuthority(t, "public"),
		newAuthority(t, "foreign")
	const cluster = "house.cluster-c0ffee.eu-central-1.rds.amazonaws.com"
	const proxy = "house.proxy-c0ffee.eu-central-1.rds.amazonaws.com"
	file := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(file, public.pem(), 0o600); err != nil {
		t.Fatal(err)
	}
	valid, past := time.Now().Add(time.Hour), time.Now().Add(-time.Hour)
	for name, tc := range map[string]struct {
		host        string
		certificate tls.Certificate
		options     string
		trusted     bool
	}{
		"a cluster": {cluster, rds.sign(t, cluster, valid), "verify-full",
			true},
		"a cluster in capitals": {strings.ToUpper(cluster), rds.sign(t, cluster, valid),
			"verify-full", true},
		"a cluster, authority alone": {cluster, rds.sign(t, "another.example.com", valid),
			"verify-ca", true},
		"a proxy": {proxy,
			public.sign(t, "*.proxy-c0ffee.eu-central-1.rds.amazonaws.com", valid), "verify-full",
			true},
		"a host elsewhere": {"db.example.com", public.sign(t, "db.example.com", valid),
			"verify-full", true},
		"a wrong host": {cluster, rds.sign(t, proxy, valid), "verify-full", false},
		"an unknown authority": {cluster, foreign.sign(t, cluster, valid), "verify-full",
			false},
		"an unknown authority, alone": {cluster, foreign.sign(t, cluster, valid), "verify-ca",
			false},
		"an expired certificate": {cluster, rds.sign(t, cluster, past), "verify-full",
			false},
		"RDS for a host elsewhere": {"db.example.com", rds.sign(t, "db.example.com", valid),
			"verify-full", false},
		"RDS for a name like Amazon's": {"x.rds.amazonaws.com.example",
			rds.sign(t, "x.rds.amazonaws.com.example", valid), "verify-full", false},
		"RDS for a name that ends like": {"evilrds.amazonaws.com",
			rds.sign(t, "evilrds.amazonaws.com", valid), "verify-full", false},
		"RDS where the URL names roots": {cluster, rds.sign(t, cluster, valid),
			"verify-full&sslrootcert=" + file, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := secured(t, tc.certificate)
			config, err := pgconn.ParseConfig("postgres://satchel_file_api_http@" + tc.host +
				"/satchel?sslmode=" + tc.options)
			if err != nil {
				t.Fatal(err)
			}
			config.LookupFunc = func(context.Context, string) ([]string,
				error) {
				return []string{"127.0.0.1"}, nil
			}
			config.DialFunc = func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, address.String())
			}
			err = trust(config, rds.pem(), func() (*x509.CertPool, error) {
				roots := x509.NewCertPool()
				roots.AddCert(public.certificate)
				return roots, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			// a host elsewhere has the system's roots, which no test can change
			if tc.host == "db.example.com" {
				if config.TLSConfig.RootCAs != nil {
					t.Error("another host's authorities were touched")
				}
				config.TLSConfig.RootCAs = x509.NewCertPool()
				config.TLSConfig.RootCAs.AddCert(public.certificate)
			}
			connection, err := pgconn.ConnectConfig(t.Context(), config)
			if err == nil {
				connection.Close(t.Context())
			}
			if (err == nil) != tc.trusted {
				t.Errorf("trusted %t, want %t (%v)", err == nil, tc.trusted, err)
			}
			if verification := (*tls.CertificateVerificationError)(nil); err != nil &&
				!errors.As(err, &verification) && !strings.Contains(err.Error(), "x509") {
				t.Errorf("it failed for another reason: %v", err)
			}
		})
	}
}

func TestAuthoritiesOfRDSAreAmazons(t *testing.T) {
	t.Parallel()
	n := 0
	for rest := rdsAuthorities; ; n++ {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatalf("certificate %d: %v", n, err)
		}
		organization := strings.Join(certificate.Subject.Organization, "")
		if organization != "Amazon Web Services, Inc." || !certificate.IsCA {
			t.Errorf("certificate %d is %s, which is no authority of Amazon's", n,
				certificate.Subject)
		}
	}
	if n < 30 {
		t.Errorf("there are %d authorities, want two or more for each region", n)
	}
}

// Both ways to a database ask for the bundle: the pool here, and the migrations with TrustRDS.
func TestTheBundleIsTrusted(t *testing.T) {
	t.Parallel()
	config, err := pgconn.ParseConfig(
		"postgres://x@house.cluster-c0ffee.eu-central-1.rds.amazonaws.com/satchel?sslmode=verify-full")
	if err != nil {
		t.Fatal(err)
	}
	if err := TrustRDS(config); err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(rdsAuthorities)
	root, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := root.Verify(x509.VerifyOptions{Roots: config.TLSConfig.RootCAs,
		CurrentTime: root.NotBefore.Add(time.Hour)}); err != nil {
		t.Errorf("an authority of the bundle is not trusted: %v", err)
	}
}
