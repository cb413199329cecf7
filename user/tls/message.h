/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * message - the bodies of the four handshake messages that mtlsnoop reads.
 *
 * Input is a message body (without its four-byte header) from the network: hostile, and possibly cut short at a bound.
 * Each parser returns 0, or -EBADMSG if the bytes are not the message: fields read before the error stay in the result,
 * the rest is zero. A hello cut exactly before its extensions looks like a hello without extensions: the caller knows
 * the full length. Text keeps the bytes sent, NUL-terminated (a NUL sent becomes '?'); reports escape the text. Text
 * beyond its bound ends in "...". Nothing stays allocated; no I/O.
 */
#ifndef TLS_MESSAGE_H
#define TLS_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum message_bounds {
	MESSAGE_SERVER_NAME_MAX = 255, /* a host name, RFC 1035 section 2.3.4 */
	MESSAGE_PROTOCOL_MAX = 255,    /* ProtocolName, RFC 7301 section 3.1 */
	MESSAGE_RANDOM = 32,
	MESSAGE_SESSION_ID_MAX = 32,
	MESSAGE_CERTIFICATE_TYPES_MAX = 16,
	MESSAGE_SIGNATURE_ALGORITHMS_MAX = 64,
	MESSAGE_AUTHORITIES_MAX = 32, /* CA names kept; all are counted */
	MESSAGE_NAME_MAX = 512,       /* a distinguished name as text, RFC 4514 */
	/* In DER. A longer certificate is not read into fields: hostile certificates cost CPU as the length squared. */
	MESSAGE_NAME_ENCODED_MAX = 1024,
	MESSAGE_CERTIFICATE_ENCODED_MAX = 16384,
	MESSAGE_SHA256 = 32,
	MESSAGE_SERIAL_MAX = 64,            /* bytes of a serial number kept; RFC 5280 section 4.1.2.2 allows 20 */
	MESSAGE_ALTERNATIVE_NAMES_MAX = 16, /* subjectAltName entries kept; all are counted */
	MESSAGE_ALTERNATIVE_NAME_MAX = 256,
	MESSAGE_KEY_PURPOSES_MAX = 8, /* extended key usages kept; all are counted */
	MESSAGE_KEY_PURPOSE_MAX = 64, /* "clientAuth", or an OID in dotted form */
	MESSAGE_ALGORITHM_MAX = 32,
	MESSAGE_CHAIN_MAX = 8,        /* fingerprints kept of a chain; all certificates are counted */
	MESSAGE_VERIFY_DATA_MAX = 64, /* Finished: 12 bytes, SSL 3.0 36, TLS 1.3 a hash (RFC 8446 section 4.4.4) */
};

/* RFC 5246 section 7.4.1.2, RFC 8446 section 4.1.2 */
struct client_hello {
	uint16_t legacy_version;
	uint16_t highest_version; /* in supported_versions (GREASE left out), else legacy_version; 0: unknown */
	uint8_t random[MESSAGE_RANDOM];
	uint8_t session_id_length;
	uint8_t session_id[MESSAGE_SESSION_ID_MAX];
	uint16_t cipher_suites;                        /* how many were offered */
	char server_name[MESSAGE_SERVER_NAME_MAX + 1]; /* RFC 6066 section 3; "" where not sent */
	char protocol[MESSAGE_PROTOCOL_MAX + 1];       /* the first offered, RFC 7301; "": no offer */
	bool session_ticket;                           /* a non-empty ticket, RFC 5077 section 3.2 */
	bool pre_shared_key;                           /* RFC 8446 section 4.2.11 */
	uint32_t external_keys;      /* bit n: the identity n has the ticket age 0, so identifies an external key */
	bool early_data;             /* RFC 8446 section 4.2.10 */
	bool post_handshake_auth;    /* RFC 8446 section 4.2.6 */
	uint8_t renegotiated_length; /* RFC 5746 section 3.2; 0 in a connection's first handshake */
	uint8_t renegotiated[MESSAGE_VERIFY_DATA_MAX]; /* the client's Finished of the previous handshake */
	bool channel_id;                               /* draft-balfanz-tls-channelid */
	bool more_messages; /* an extension that allows messages unknown to RFC 8446 in the flight */
};

/* RFC 5246 section 7.4.1.3, RFC 8446 section 4.1.3 */
struct server_hello {
	/*
	 * Negotiated: supported_versions, else legacy_version; 0: unknown. TLS 1.3 calls itself 1.2 in legacy_version,
	 * so legacy_version proves nothing if the rest could not be read. All drafts of TLS 1.3 are 0x0304.
	 */
	uint16_t version;
	uint8_t random[MESSAGE_RANDOM];
	uint8_t session_id_length;
	uint8_t session_id[MESSAGE_SESSION_ID_MAX];
	uint16_t cipher_suite;
	char protocol[MESSAGE_PROTOCOL_MAX + 1]; /* chosen, if in cleartext (TLS 1.2 and older) */
	bool hello_retry_request;                /* RFC 8446 section 4.1.3: the random says so */
	bool pre_shared_key;                     /* TLS 1.3: the handshake resumes a session or uses an external key */
	uint16_t selected_identity;              /* among the client's identities, if pre_shared_key */
};

/* RFC 5246 section 7.4.4, RFC 8446 section 4.3.2 */
struct certificate_request {
	uint8_t certificate_types; /* number sent, of which at most the bound are kept */
	uint8_t certificate_type[MESSAGE_CERTIFICATE_TYPES_MAX];
	uint16_t signature_algorithms;
	uint16_t signature_algorithm[MESSAGE_SIGNATURE_ALGORITHMS_MAX];
	uint16_t authorities;
	char authority[MESSAGE_AUTHORITIES_MAX][MESSAGE_NAME_MAX]; /* RFC 4514 text; "": no name in DER */
};

/* A Certificate of the client or the server: RFC 5246 section 7.4.6, RFC 8446 section 4.4.2 */
struct certificate {
	uint16_t certificates; /* 0: the client has no certificate; after -EBADMSG 0 proves nothing */
	bool leaf_parsed; /* the first certificate is within its bound, and the X.509 library filled the fields below */
	bool sha256_known; /* the first certificate was complete: sha256 is set, even for unreadable contents */
	char subject
		[MESSAGE_NAME_MAX]; /* RFC 4514 text; "" is a name too: subjectAltName alone, RFC 5280 section 4.1.2.6 */
	char issuer[MESSAGE_NAME_MAX];
	int64_t not_before;             /* seconds since the epoch */
	int64_t not_after;              /* seconds since the epoch */
	uint8_t sha256[MESSAGE_SHA256]; /* of the certificate in DER */
	char serial[2 * MESSAGE_SERIAL_MAX +
	            1];             /* upper-case hexadecimal, leading zeros as in DER; "" where not read */
	uint16_t alternative_names; /* number of subjectAltName entries: DNS, IP, mail, URI */
	char alternative_name[MESSAGE_ALTERNATIVE_NAMES_MAX]
			     [MESSAGE_ALTERNATIVE_NAME_MAX]; /* as text, without the kind */
	char key_algorithm[MESSAGE_ALGORITHM_MAX];           /* "RSA", "EC", "Ed25519"; "" where not read */
	uint16_t key_size;                                   /* bits */
	char signature_algorithm[MESSAGE_ALGORITHM_MAX];     /* "ECDSA-SHA256", as GnuTLS names it */
	bool has_key_purposes;                               /* has an extendedKeyUsage extension */
	uint16_t key_purposes;
	char key_purpose[MESSAGE_KEY_PURPOSES_MAX][MESSAGE_KEY_PURPOSE_MAX];
	bool is_ca;            /* basicConstraints */
	uint8_t chain_sha256s; /* how many of the chain's fingerprints follow, the leaf's first */
	uint8_t chain_sha256[MESSAGE_CHAIN_MAX][MESSAGE_SHA256];
	char chain_end_subject[MESSAGE_NAME_MAX]; /* of the last certificate sent */
	char chain_end_issuer[MESSAGE_NAME_MAX];  /* equal to the subject: the chain ends in a root */
};

int message_parse_client_hello(const uint8_t *body, size_t length, struct client_hello *hello);

/* An SSL 2.0 compatible ClientHello carries no extensions: only version is set. */
void message_set_ssl2_client_hello(uint16_t version, struct client_hello *hello);

/* Whether the server accepted a pre-shared key of no session. hello is the answer to the ClientHello offer. */
bool message_uses_external_key(const struct client_hello *offer, const struct server_hello *hello);

int message_parse_server_hello(const uint8_t *body, size_t length, struct server_hello *hello);

/*
 * version, the negotiated ProtocolVersion (DTLS: 0xfeff, 0xfefd), decides between the layouts. The layout of TLS 1.3
 * never comes from the wire, only from a TLS library.
 */
int message_parse_certificate_request(const uint8_t *body, size_t length, uint16_t version,
                                      struct certificate_request *request);
int message_parse_certificate(const uint8_t *body, size_t length, uint16_t version, struct certificate *certificate);

#endif /* TLS_MESSAGE_H */
