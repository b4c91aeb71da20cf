package issuer

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// key is a private key with the name under which its public half is published.
type key struct {
	id      string
	private crypto.Signer
}

// public is the key as a JWK (RFC 7517, RFC 7518 section 6).
func (k key) public() map[string]string {
	encode := base64.RawURLEncoding.EncodeToString
	jwk := map[string]string{"use": "sig", "kid": k.id}
	switch public := k.private.Public().(type) {
	case *ecdsa.PublicKey:
		// 0x04, then X and Y of 32 bytes: a P-256 key always has this form
		point, _ := public.Bytes()
		jwk["kty"], jwk["alg"], jwk["crv"] = "EC", "ES256", "P-256"
		jwk["x"], jwk["y"] = encode(point[1:33]), encode(point[33:])
	case *rsa.PublicKey:
		jwk["kty"], jwk["alg"] = "RSA", "RS256"
		jwk["n"], jwk["e"] = encode(public.N.Bytes()),
			encode([]byte{byte(public.E >> 16), byte(public.E >> 8), byte(public.E)})
	}
	return jwk
}

// open reads a PKCS #8 key, or makes it and writes it so that no half of it is ever there.
func open(path string, generate func() (crypto.Signer, error)) (key, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		if text, err = create(path, generate); err != nil {
			return key{}, fmt.Errorf("make key %s: %w", filepath.Base(path), err)
		}
	}
	if err != nil {
		return key{}, fmt.Errorf("read key: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return key{}, fmt.Errorf("read key %s: it is not PEM", path)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return key{}, fmt.Errorf("read key %s: %w", path, err)
	}
	signer, ok := parsed.(crypto.Signer)
	if !ok {
		return key{}, fmt.Errorf("read key %s: it does not sign", path)
	}
	public, err := x509.MarshalPKIXPublicKey(signer.Public())
	if err != nil {
		return key{}, fmt.Errorf("read key %s: %w", path, err)
	}
	sum := sha256.Sum256(public)
	return key{id: base64.RawURLEncoding.EncodeToString(sum[:12]), private: signer}, nil
}

func create(path string, generate func() (crypto.Signer, error)) ([]byte, error) {
	private, err := generate()
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return nil, err
	}
	return text, os.Rename(path+".new", path)
}
