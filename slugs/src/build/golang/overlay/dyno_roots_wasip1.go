// The certificates that a program trusts, for package crypto/x509 of GOOS=wasip1: `dyno build` adds a file with those of the
// machine that builds.

//go:build wasip1

package x509

func init() {
	certFiles = append(certFiles, "/.dyno/certificates.pem")
}
