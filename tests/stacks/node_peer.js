// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Node's tls as servers and as clients, many handshakes in one process: as python_peer.py, which says what is read and told.
"use strict";
const fs = require("fs");
const readline = require("readline");
const tls = require("tls");

const [mode, address] = process.argv.slice(2);

function limits(job) {
	return {
		minVersion: "TLSv" + job.version,
		maxVersion: "TLSv" + job.version,
		ciphers: job.suite,
		ca: fs.readFileSync(job.authority),
		...(job.certificate && { cert: fs.readFileSync(job.certificate), key: fs.readFileSync(job.key) }),
	};
}

function listen(job, told) {
	const asks = { requestCert: job.asks !== "never", rejectUnauthorized: job.asks === "required" };
	const server = tls.createServer({ ...limits(job), ...asks }, (peer) => {
		peer.on("error", () => peer.destroy());
		peer.once("data", () => {
			const certificate = Boolean((peer.getPeerCertificate() || {}).raw);
			peer.write(JSON.stringify({ certificate, resumed: peer.isSessionReused() }) + "\n");
		});
	});
	server.on("tlsClientError", () => {});
	server.listen(0, address, () => told(server.address().port));
}

function visitOnce(job, name, session, done) {
	let said = { error: "closed" };
	let next;
	const peer = tls.connect({ host: address, port: job.port, servername: name, session, timeout: 5000, ...limits(job) });
	peer.on("session", (one) => (next = one));
	peer.on("secureConnect", () => peer.write("x"));
	peer.on("data", (line) => {
		said = { ...JSON.parse(line), suite: peer.getCipher().name };
		setTimeout(() => peer.end(), 5);
	});
	peer.on("error", (error) => (said = { error: error.message }));
	peer.on("timeout", () => peer.destroy());
	peer.on("close", () => done(said, next));
}

function visit(job, said, session) {
	if (said.length === job.names.length) {
		console.log(JSON.stringify(said));
		return;
	}
	visitOnce(job, job.names[said.length], session, (one, next) => visit(job, [...said, one], next));
}

const ports = [];
readline.createInterface({ input: process.stdin }).on("line", (line) => {
	const read = JSON.parse(line);
	if (mode === "client") {
		visit(read, []);
		return;
	}
	read.forEach((job, index) => listen(job, (port) => {
		ports[index] = port;
		if (Object.keys(ports).length === read.length)
			console.log(JSON.stringify(ports));
	}));
});
