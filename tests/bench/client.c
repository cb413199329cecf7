// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * client - full TLS handshakes with a server on the loopback device.
 *
 *     client handshakes PORT VERSION WARM-UP SECONDS [CERTIFICATE KEY]
 *         one after the other; prints handshakes and nanoseconds after the warm-up, then handshakes and nanoseconds of
 *         this process's CPU time with it
 *     client hold PORT VERSION COUNT
 *         COUNT established connections at once, until the next line on standard input
 */
#include "peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/resource.h>
#include <sys/socket.h>

enum {
	HELD_MAX = 10000,
	DESCRIPTORS_SPARE = 64,
};

struct client {
	SSL_CTX *context;
	struct sockaddr_in server;
};

static void client_begin(struct client *client, const char *port, const char *version)
{
	int number = !strcmp(version, "1.2") ? TLS1_2_VERSION : TLS1_3_VERSION;

	client->context = SSL_CTX_new(TLS_client_method());
	if (!client->context || !SSL_CTX_set_min_proto_version(client->context, number) ||
	    !SSL_CTX_set_max_proto_version(client->context, number))
		peer_die("TLS version");
	client->server.sin_family = AF_INET;
	client->server.sin_port = htons(peer_number(port, UINT16_MAX));
	client->server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
}

static SSL *client_connect(const struct client *client)
{
	int descriptor = socket(AF_INET, SOCK_STREAM, 0);
	SSL *ssl = SSL_new(client->context);

	if (descriptor < 0 || connect(descriptor, (const struct sockaddr *)&client->server, sizeof(client->server)))
		peer_die("connect");
	if (!ssl || !SSL_set_fd(ssl, descriptor) || SSL_connect(ssl) != 1)
		peer_die("handshake");
	return ssl;
}

/* In TLS 1.3 the client is done before the server is: wait for the server's end, or part of its work is not counted. */
static void client_close(SSL *ssl)
{
	int descriptor = SSL_get_fd(ssl);
	char bytes[4096];

	SSL_shutdown(ssl);
	while (read(descriptor, bytes, sizeof(bytes)) > 0)
		;
	SSL_free(ssl);
	close(descriptor);
}

static uint64_t client_handshakes_until(const struct client *client, uint64_t end_ns)
{
	uint64_t count;

	for (count = 0; peer_clock_ns(CLOCK_MONOTONIC) < end_ns; count++)
		client_close(client_connect(client));
	return count;
}

static void client_handshakes(const struct client *client, uint64_t warm_up_ns, uint64_t length_ns)
{
	uint64_t cpu_ns, start_ns, warm, count;

	peer_ready();
	cpu_ns = peer_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	warm = client_handshakes_until(client, peer_clock_ns(CLOCK_MONOTONIC) + warm_up_ns);
	start_ns = peer_clock_ns(CLOCK_MONOTONIC);
	count = client_handshakes_until(client, start_ns + length_ns);
	printf("%llu %llu %llu %llu\n", (unsigned long long)count,
	       (unsigned long long)(peer_clock_ns(CLOCK_MONOTONIC) - start_ns), (unsigned long long)(warm + count),
	       (unsigned long long)(peer_clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_ns));
}

static void client_hold(const struct client *client, unsigned long count)
{
	struct rlimit limit = {count + DESCRIPTORS_SPARE, count + DESCRIPTORS_SPARE};
	SSL **held = calloc(count, sizeof(*held));

	if (!held || setrlimit(RLIMIT_NOFILE, &limit))
		peer_die("hold");
	for (unsigned long i = 0; i < count; i++)
		held[i] = client_connect(client);
	peer_ready();
	for (unsigned long i = 0; i < count; i++)
		client_close(held[i]);
	free(held);
}

int main(int argc, char **argv)
{
	struct client client = {};

	if (argc == 5 && !strcmp(argv[1], "hold")) {
		client_begin(&client, argv[2], argv[3]);
		client_hold(&client, peer_number(argv[4], HELD_MAX));
	} else if ((argc == 6 || argc == 8) && !strcmp(argv[1], "handshakes")) {
		client_begin(&client, argv[2], argv[3]);
		if (argc == 8 && (SSL_CTX_use_certificate_file(client.context, argv[6], SSL_FILETYPE_PEM) != 1 ||
		                  SSL_CTX_use_PrivateKey_file(client.context, argv[7], SSL_FILETYPE_PEM) != 1))
			peer_die(argv[6]);
		client_handshakes(&client, peer_seconds_ns(argv[4]), peer_seconds_ns(argv[5]));
	} else {
		fprintf(stderr, "usage: client handshakes PORT VERSION WARM-UP SECONDS [CERTIFICATE KEY]\n"
		                "       client hold PORT VERSION COUNT\n");
		return EXIT_FAILURE;
	}
	SSL_CTX_free(client.context);
	return EXIT_SUCCESS;
}
