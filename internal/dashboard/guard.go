package dashboard

import (
	"crypto/rand"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// policy lets the page use what this server has, and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// cookie keeps the token in the browser.
const cookie = "graft-dashboard"

// NewToken is a random token: 130 bits.
func NewToken() string { return rand.Text() }

// guard answers only those who may ask. Another web page in the same browser may not: its
// requests carry its own name, also where that was made to lead to this machine (DNS
// rebinding), and no change is taken from it.
func guard(token string, next http.Handler) http.Handler {
	same := http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		if token == "" {
			if !loopback(r.Host) {
				http.Error(w, "this dashboard answers to localhost only; graft dashboard --listen ADDRESS serves others, with a token", http.StatusForbidden)
				return
			}
		} else if !admit(w, r, token) {
			return
		}
		same.ServeHTTP(w, r)
	})
}

// loopback reports whether a Host header names this machine's loopback interface.
func loopback(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")
	if strings.EqualFold(name, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.Unmap().IsLoopback()
}

// admit lets in who has the token: in the address once, which makes it a cookie, else there or
// in the Authorization header. It has answered where it returns false.
func admit(w http.ResponseWriter, r *http.Request, token string) bool {
	right := func(given string) bool { return subtle.ConstantTimeCompare([]byte(given), []byte(token)) == 1 }
	if given := r.URL.Query().Get("token"); given != "" && right(given) && r.Method == http.MethodGet {
		http.SetCookie(w, &http.Cookie{Name: cookie, Value: token, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
		http.Redirect(w, r, r.URL.Path, http.StatusSeeOther) // the address keeps no secret
		return false
	}
	if c, err := r.Cookie(cookie); err == nil && right(c.Value) {
		return true
	}
	if given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok && right(given) {
		return true
	}
	w.Header().Set("WWW-Authenticate", "Bearer")
	http.Error(w, "this dashboard asks for its token: open the whole address that graft printed", http.StatusUnauthorized)
	return false
}
