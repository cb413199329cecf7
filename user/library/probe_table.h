/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * probe_table - the kinds of TLS libraries and the probes in them: one row each. A further library costs its own file (the
 * function library_NAME_read()), its row, its probes' rows, their BPF programs and a test.
 */
#ifndef LIBRARY_PROBE_TABLE_H
#define LIBRARY_PROBE_TABLE_H

#include <stdint.h>

/*
 * KIND(NAME, name, file): the name in the metrics and of library_name_read(); how the library's files begin in the host's
 * own directories ("": the library is no shared file).
 */
#define LIBRARY_KIND_TABLE(KIND)                                                                                       \
	KIND(OPENSSL, openssl, "libssl")                                                                               \
	KIND(GNUTLS, gnutls, "libgnutls")                                                                              \
	KIND(GO, go, "")

/*
 * PROBE(NAME, name, KIND, place, function): mtlsnoop_name is the BPF program and name its label in the metrics. `function`
 * is the function to find in files of this kind; place says how its address is known:
 *   RELOCATION  the file calls a function of another file: the calls, or the stub that they go through
 *   EXPORT      the file exports the function
 *   RETURN      the same, and the probe is hit when the function returns
 *   METHOD      Go's own table of functions has it
 */
#define LIBRARY_PROBE_TABLE(PROBE)                                                                                     \
	PROBE(DIGEST, digest, OPENSSL, RELOCATION, "EVP_DigestUpdate")                                                 \
	/* the function that calls it, and the call whose result is kept in an SSL: openssl_causes.h */                \
	PROBE(OPENSSL_FATAL, openssl_fatal, OPENSSL, RELOCATION, "ERR_vset_error")                                     \
	PROBE(OPENSSL_VERIFY, openssl_verify, OPENSSL, RELOCATION, "X509_STORE_CTX_get_error")                         \
	PROBE(GNUTLS_APPEND, gnutls_append, GNUTLS, EXPORT, "gnutls_buffer_append_data")                               \
	PROBE(GNUTLS_ALERT_SEND, gnutls_alert_send, GNUTLS, EXPORT, "gnutls_alert_send")                               \
	PROBE(GNUTLS_ALERT_GET, gnutls_alert_get, GNUTLS, EXPORT, "gnutls_alert_get")                                  \
	PROBE(GNUTLS_VERIFY, gnutls_verify, GNUTLS, EXPORT, "gnutls_certificate_verify_peers")                         \
	PROBE(GNUTLS_VERIFIED, gnutls_verified, GNUTLS, RETURN, "gnutls_certificate_verify_peers")                     \
	/* Go until 1.20: the receiver of unmarshal(data) is the message */                                            \
	PROBE(GO_RECEIVED, go_received, GO, METHOD, "unmarshal")                                                       \
	PROBE(GO_SENT, go_sent, GO, METHOD, "writeRecordLocked")                                                       \
	/* Go from 1.21 on: the receiver is the connection */                                                          \
	PROBE(GO_CONNECTION_RECEIVED, go_connection_received, GO, METHOD, "unmarshalHandshakeMessage")                 \
	PROBE(GO_CONNECTION_SENT, go_connection_sent, GO, METHOD, "writeRecordLocked")                                 \
	/* alerts that end a handshake, until 1.20 and later */                                                        \
	PROBE(GO_ALERT, go_alert, GO, METHOD, "sendAlert")                                                             \
	PROBE(GO_CONNECTION_ALERT, go_connection_alert, GO, METHOD, "sendAlert")

enum library_kind {
#define KIND(NAME, name, file) LIBRARY_##NAME,
	LIBRARY_KIND_TABLE(KIND)
#undef KIND
	LIBRARY_KINDS,
};

enum probe {
#define PROBE(NAME, name, KIND, place, function) PROBE_##NAME,
	LIBRARY_PROBE_TABLE(PROBE)
#undef PROBE
	PROBES,
};

enum probe_place {
	PROBE_AT_RELOCATION,
	PROBE_AT_EXPORT,
	PROBE_AT_RETURN,
	PROBE_AT_METHOD,
};

struct library_kind_row {
	const char *name;
	const char *file;
};

struct probe_row {
	const char *name;
	const char *function;
	uint8_t kind;  /* enum library_kind */
	uint8_t place; /* enum probe_place */
};

extern const struct library_kind_row library_kind_rows[LIBRARY_KINDS];
extern const struct probe_row probe_rows[PROBES];

#endif /* LIBRARY_PROBE_TABLE_H */
