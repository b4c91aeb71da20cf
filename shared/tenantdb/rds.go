package tenantdb

import (
	"crypto/tls"
	"crypto/x509"
	_ "embed"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// rdsAuthorities sign the certificates of RDS clusters and instances, and are in no operating
// system's roots. A proxy's certificate is public.
//
//go:embed rds.pem
var rdsAuthorities []byte

// rdsDomain is where the names of clusters, instances and proxies end. These authorities are
// trusted for no other name.
const rdsDomain = ".rds.amazonaws.com"

// TrustRDS makes a connection that checks certificates (sslmode=verify-full or verify-ca) trust
// Amazon's authorities beside the system's roots, when its host lies in Amazon's domain for
// databases. A sslrootcert in the URL stands as it is.
func TrustRDS(c *pgconn.Config) error {
	return trust(c, rdsAuthorities, x509.SystemCertPool)
}

func trust(c *pgconn.Config, authorities []byte, system func() (*x509.CertPool, error)) error {
	var roots *x509.CertPool
	secured := []*tls.Config{secure(c.Host, c.TLSConfig)}
	for _, f := range c.Fallbacks {
		secured = append(secured, secure(f.Host, f.TLSConfig))
	}
	for _, t := range secured {
		if t == nil {
			continue
		}
		if roots == nil {
			var err error
			if roots, err = system(); err != nil {
				return fmt.Errorf("read the system's certificate authorities: %w", err)
			}
			if !roots.AppendCertsFromPEM(authorities) {
				return errors.New("there is no certificate authority in the bundle for RDS")
			}
		}
		t.RootCAs = roots
	}
	return nil
}

// secure returns the TLS settings of a connection to RDS that would be checked against the system's
// roots, and nil for any other.
func secure(host string, t *tls.Config) *tls.Config {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if t == nil || t.RootCAs != nil || !strings.HasSuffix(host, rdsDomain) {
		return nil
	}
	return t
}
