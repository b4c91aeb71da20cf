package gateway

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
)

// guard keeps strangers' pages away from what signs in anybody: a page may point its own name at
// 127.0.0.1 and be of the same origin then (DNS rebinding), and may send a form anywhere. Pages of
// this machine, whatever their port, are let in, and may read the answer.
func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLoopback(r.Host) {
			message(w, http.StatusForbidden, "this is for 127.0.0.1 and localhost alone, not for "+
				r.Host)
			return
		}
		w.Header().Add("Vary", "Origin")
		if origin := r.Header.Get("Origin"); origin != "" {
			page, err := url.Parse(origin)
			if err != nil || !isLoopback(page.Host) {
				message(w, http.StatusForbidden, "this is for pages of this machine alone")
				return
			}
			w.Header().Set("Access-Control-Allow-Origin", origin)
		}
		if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
			w.Header().Set("Access-Control-Allow-Methods", "GET, POST")
			w.Header().Set("Access-Control-Allow-Headers", "Content-Type")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isLoopback reports whether a host, with a port or without, can only be this machine. No name but
// localhost is asked for: what a name means is for others to say.
func isLoopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if host == "localhost" {
		return true
	}
	address, err := netip.ParseAddr(host)
	if err != nil && len(host) > 2 && host[0] == '[' {
		address, err = netip.ParseAddr(host[1 : len(host)-1])
	}
	return err == nil && address.Unmap().IsLoopback()
}
