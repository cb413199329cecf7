// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

// Peer speaks TLS as programs in Go do, with nothing but crypto/tls.
//
// usage: peer serve ADDRESS ASK CERTIFICATE KEY AUTHORITY
//
//	peer visit
//
// It serves until it is ended; ASK is never, optional (any certificate will do) or required (a good one). As a client it reads
// lines "ADDRESS NAME VERSION CERTIFICATE KEY" (- for none) and answers each with a line.
package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"
)

const patience = 10 * time.Second

var asks = map[string]tls.ClientAuthType{
	"never":    tls.NoClientCert,
	"optional": tls.RequestClientCert,
	"required": tls.RequireAndVerifyClientCert,
}

var versions = map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
}

func loadPair(certificate, key string) []tls.Certificate {
	if certificate == "-" {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(certificate, key)
	fail(err)
	return []tls.Certificate{pair}
}

// answer says how the handshake ended. The server speaks first: a client that had spoken would be reset instead of told.
func answer(connection net.Conn, config *tls.Config) {
	defer connection.Close()
	connection.SetDeadline(time.Now().Add(patience))
	peer := tls.Server(connection, config)
	err := peer.Handshake()
	fmt.Println(peer.ConnectionState().ServerName, err)
	if err == nil {
		peer.Write([]byte("hello\n"))
		io.Copy(io.Discard, peer)
		peer.Close()
	}
}

func serve(address, ask, certificate, key, authority string) {
	text, err := os.ReadFile(authority)
	fail(err)
	authorities := x509.NewCertPool()
	authorities.AppendCertsFromPEM(text)
	config := &tls.Config{
		Certificates: loadPair(certificate, key),
		ClientAuth:   asks[ask],
		ClientCAs:    authorities,
		MinVersion:   tls.VersionTLS12,
	}
	listener, err := net.Listen("tcp", address)
	fail(err)
	for {
		connection, err := listener.Accept()
		fail(err)
		go answer(connection, config)
	}
}

// visit waits for the server's line: in TLS 1.3 a refusal comes only then.
func visit(address, name, version, certificate, key string) error {
	config := &tls.Config{
		ServerName:         name,
		InsecureSkipVerify: true,
		MinVersion:         versions[version],
		MaxVersion:         versions[version],
		// whatever authorities the server names
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair := loadPair(certificate, key)
			if pair == nil {
				return &tls.Certificate{}, nil
			}
			return &pair[0], nil
		},
	}
	raw, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return err
	}
	// where it is refused it leaves without a word: an alert of its own would look like the server's
	defer raw.Close()
	raw.SetDeadline(time.Now().Add(patience))
	connection := tls.Client(raw, config)
	if err := connection.Handshake(); err != nil {
		return err
	}
	if _, err := bufio.NewReader(connection).ReadString('\n'); err != nil {
		return err
	}
	return connection.Close()
}

func main() {
	if len(os.Args) == 7 && os.Args[1] == "serve" {
		serve(os.Args[2], os.Args[3], os.Args[4], os.Args[5], os.Args[6])
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if word := strings.Fields(lines.Text()); len(word) == 5 {
			fmt.Println(visit(word[0], word[1], word[2], word[3], word[4]))
		}
	}
}
