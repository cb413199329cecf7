// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

// Go's crypto/tls as servers and as clients, many handshakes in one process: as python_peer.py, which says what is read and
// told.
package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"time"
)

const patience = 5 * time.Second

var asks = map[string]tls.ClientAuthType{
	"never":    tls.NoClientCert,
	"optional": tls.RequestClientCert,
	"required": tls.RequireAndVerifyClientCert,
}

var versions = map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}

type job struct {
	Version, Standard, Asks, Authority, Certificate, Key, Name string
	Port, Visits                                               int
}

type seen struct {
	Certificate bool   `json:"certificate"`
	Resumed     bool   `json:"resumed"`
	Suite       string `json:"suite"`
}

type said struct {
	Answer string `json:"answer,omitempty"`
	Error  string `json:"error,omitempty"`
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(1)
	}
}

// limits leaves the suites of TLS 1.3 to both sides: Go does not let them be chosen.
func limits(job job) *tls.Config {
	config := &tls.Config{MinVersion: versions[job.Version], MaxVersion: versions[job.Version]}
	for _, suite := range tls.CipherSuites() {
		if suite.Name == job.Standard {
			config.CipherSuites = []uint16{suite.ID}
		}
	}
	text, err := os.ReadFile(job.Authority)
	fail(err)
	config.RootCAs = x509.NewCertPool()
	config.RootCAs.AppendCertsFromPEM(text)
	config.ClientCAs = config.RootCAs
	if job.Certificate != "" {
		pair, err := tls.LoadX509KeyPair(job.Certificate, job.Key)
		fail(err)
		config.Certificates = []tls.Certificate{pair}
		// whatever authorities the server names
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	return config
}

func answer(raw net.Conn, config *tls.Config) {
	defer raw.Close()
	raw.SetDeadline(time.Now().Add(patience))
	peer := tls.Server(raw, config)
	if _, err := peer.Read(make([]byte, 1000)); err != nil {
		return
	}
	state := peer.ConnectionState()
	text, err := json.Marshal(seen{len(state.PeerCertificates) > 0, state.DidResume, tls.CipherSuiteName(state.CipherSuite)})
	fail(err)
	fmt.Fprintf(peer, "HTTP/1.0 200 OK\r\n\r\n%s\n", text)
	peer.CloseWrite()
	io.Copy(io.Discard, peer)
}

func listen(address string, job job) int {
	config := limits(job)
	config.ClientAuth = asks[job.Asks]
	listener, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	fail(err)
	go func() {
		for {
			raw, err := listener.Accept()
			fail(err)
			go answer(raw, config)
		}
	}()
	return listener.Addr().(*net.TCPAddr).Port
}

func visitOnce(address string, port int, config *tls.Config) said {
	raw, err := net.DialTimeout("tcp", fmt.Sprintf("%s:%d", address, port), patience)
	fail(err)
	defer raw.Close()
	raw.SetDeadline(time.Now().Add(patience))
	peer := tls.Client(raw, config)
	if _, err := io.WriteString(peer, "GET / HTTP/1.0\r\n\r\n"); err != nil {
		return said{Error: err.Error()}
	}
	text, err := io.ReadAll(peer)
	if len(text) == 0 {
		return said{Error: fmt.Sprint(err)}
	}
	peer.Close()
	return said{Answer: string(text)}
}

func visit(address string, job job) []said {
	config := limits(job)
	config.ServerName = job.Name
	config.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	var all []said
	for len(all) < job.Visits {
		all = append(all, visitOnce(address, job.Port, config))
	}
	return all
}

// work makes of a line that was read the one that is told.
func work(mode, address string, line []byte) any {
	if mode == "client" {
		var one job
		fail(json.Unmarshal(line, &one))
		return visit(address, one)
	}
	var jobs []job
	fail(json.Unmarshal(line, &jobs))
	var ports []int
	for _, each := range jobs {
		ports = append(ports, listen(address, each))
	}
	return ports
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		text, err := json.Marshal(work(os.Args[1], os.Args[2], lines.Bytes()))
		fail(err)
		fmt.Printf("%s\n", text)
	}
}
