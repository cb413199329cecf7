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

function listen(job) {
	const asks = { requestCert: job.asks !== "never", rejectUnauthorized: job.asks === "required" };
	const server = tls.createServer({ ...limits(job), ...asks }, (peer) => {
		peer.on("error", () => peer.destroy());
		peer.once("data", () => {
			const certificate = Boolean((peer.getPeerCertificate() || {}).raw);
			const seen = { certificate, resumed: peer.isSessionReused(), suite: peer.getCipher().name };
			peer.end("HTTP/1.0 200 OK\r\n\r\n" + JSON.stringify(seen) + "\n");
		});
	});
	server.on("tlsClientError", () => {});
	return new Promise((listening) => server.listen(0, address, () => listening(server.address().port)));
}

function visitOnce(job, session) {
	let answer = "";
	let error = "closed";
	let next;
	const peer = tls.connect({ host: address, port: job.port, servername: job.name, session, timeout: 5000, ...limits(job) });
	peer.on("session", (one) => (next = one));
	peer.on("secureConnect", () => peer.write("GET / HTTP/1.0\r\n\r\n"));
	peer.on("data", (text) => (answer += text));
	peer.on("error", (one) => (error = one.message));
	peer.on("timeout", () => peer.destroy());
	return new Promise((done) => peer.on("close", () => done([answer ? { answer } : { error }, next])));
}

async function visit(job) {
	const said = [];
	let one, session;
	while (said.length < job.visits) {
		[one, session] = await visitOnce(job, session);
		said.push(one);
	}
	return said;
}

async function main() {
	for await (const line of readline.createInterface({ input: process.stdin })) {
		const read = JSON.parse(line);
		console.log(JSON.stringify(await (mode === "client" ? visit(read) : Promise.all(read.map(listen)))));
	}
}

main();
