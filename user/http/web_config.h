/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * web_config - the file of --web-config: TLS and users of the metrics service, in the format of Prometheus' own
 * exporters (the exporter-toolkit's web configuration). Unsupported and unknown keys are errors: nobody shall believe
 * in an absent protection. Pure: the caller reads this file and the files named inside.
 */
#ifndef HTTP_WEB_CONFIG_H
#define HTTP_WEB_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum web_config_bounds {
	WEB_USERS_MAX = 64,
	WEB_USER_MAX = 64,      /* bytes of a name */
	WEB_HASH_LENGTH = 60,   /* of bcrypt: $2b$10$ and 53 more */
	WEB_HASH_COST_MAX = 14, /* 2^14 rounds take a second, 2^31 rounds take days */
	WEB_GROUPS_MAX = 4,
	WEB_REASON_MAX = 160,
};

/* Whether clients are asked for a certificate, in the names of Go's crypto/tls. */
enum web_client_auth {
	WEB_NO_CLIENT_CERT,
	WEB_REQUEST_CLIENT_CERT,            /* ask; whatever comes is taken */
	WEB_REQUIRE_ANY_CLIENT_CERT,        /* any certificate, required */
	WEB_VERIFY_CLIENT_CERT_IF_GIVEN,    /* ask; a certificate must be valid */
	WEB_REQUIRE_AND_VERIFY_CLIENT_CERT, /* a valid certificate is required */
};

enum web_version {
	WEB_TLS_1_0,
	WEB_TLS_1_1,
	WEB_TLS_1_2,
	WEB_TLS_1_3,
	WEB_VERSIONS,
};

struct web_user {
	char name[WEB_USER_MAX + 1]; /* zeroes after its end, so two can be compared whole */
	char hash[WEB_HASH_LENGTH + 1];
};

struct web_config {
	bool tls;
	char *certificate_file; /* these three are relative to the directory of the file; NULL if absent */
	char *key_file;
	char *client_authorities_file;
	uint8_t client_auth; /* enum web_client_auth */
	uint8_t min_version; /* enum web_version */
	uint8_t max_version;
	bool client_precedence;            /* prefer_server_cipher_suites: false */
	uint32_t groups;                   /* 0: the library's default */
	const char *group[WEB_GROUPS_MAX]; /* in GnuTLS's words */
	uint32_t users;                    /* 0: no password is needed */
	struct web_user user[WEB_USERS_MAX];
};

struct web_config_error {
	uint32_t line; /* from 1 */
	char reason[WEB_REASON_MAX];
};

/* Read text, that of the file path. Returns 0; -EINVAL, with error filled in; or -ENOMEM. */
int web_config_parse(struct web_config **config, const char *path, const char *text, size_t length,
                     struct web_config_error *error);

/* The same, with a message on standard error where it cannot be read. */
int web_config_read(struct web_config **config, const char *path, const char *text, size_t length);

void web_config_free(struct web_config *config);

#endif /* HTTP_WEB_CONFIG_H */
