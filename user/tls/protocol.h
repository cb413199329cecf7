/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * protocol - numbers of the TLS protocol that more than one module needs. HandshakeType and ContentType are in
 * bpf/shared/tls_walk.h.
 */
#ifndef TLS_PROTOCOL_H
#define TLS_PROTOCOL_H

/* ProtocolVersion. DTLS counts down (RFC 6347 section 4.1). */
enum protocol_version {
	VERSION_SSL_2_0 = 0x0002,
	VERSION_SSL_3_0 = 0x0300,
	VERSION_TLS_1_0 = 0x0301,
	VERSION_TLS_1_1 = 0x0302,
	VERSION_TLS_1_2 = 0x0303,
	VERSION_TLS_1_3 = 0x0304,
	VERSION_DTLS_BEFORE_1_0 = 0x0100, /* OpenSSL's, before RFC 4347 */
	VERSION_DTLS_1_0 = 0xfeff,
	VERSION_DTLS_1_2 = 0xfefd,
	VERSION_DTLS_1_3 = 0xfefc,
};

/* AlertDescription, RFC 8446 section 6 */
enum protocol_alert {
	ALERT_CLOSE_NOTIFY = 0,
	ALERT_NO_CERTIFICATE = 41, /* RFC 6101 section 5.4.2 */
};

enum protocol_lengths {
	MESSAGE_HEADER_LENGTH = 4,  /* HandshakeType and length: RFC 8446 section 4 */
	EMPTY_CERTIFICATE_LIST = 3, /* a list of no certificates is its length alone: RFC 5246 section 7.4.6 */
};

#endif /* TLS_PROTOCOL_H */
