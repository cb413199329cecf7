// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * transfer - two processes and one connection over the loopback device, with or without TLS.
 *
 *     transfer plain|1.2|1.3 bulk|echo SECONDS CERTIFICATE KEY
 *
 * bulk: one side sends as much as it can; prints bytes, nanoseconds, and nanoseconds of CPU time of both processes.
 * Each has a CPU of its own where there are two. echo: requests and answers of 64 bytes, one at a time; prints how
 * many, the median of nanoseconds that one took, and the CPU time of both. Both are on one CPU: what is measured is the
 * way through the kernel, not how long another CPU takes to wake up.
 */
#include "peer.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum {
	BULK_BYTES = 64 * 1024,
	ECHO_BYTES = 64,
	SAMPLES_MAX = 1024 * 1024,
};

struct channel {
	int descriptor;
	SSL *ssl; /* NULL: plain TCP */
};

static bool channel_write(const struct channel *channel, const void *bytes, size_t length)
{
	if (channel->ssl)
		return SSL_write(channel->ssl, bytes, length) == (int)length;
	return write(channel->descriptor, bytes, length) == (ssize_t)length;
}

/* Returns how many bytes, 0 at the end. */
static size_t channel_read(const struct channel *channel, void *bytes, size_t length)
{
	ssize_t count;

	count = channel->ssl ? SSL_read(channel->ssl, bytes, length) : read(channel->descriptor, bytes, length);
	return count > 0 ? count : 0;
}

static bool channel_read_all(const struct channel *channel, void *bytes, size_t length)
{
	size_t done = 0, count;

	while (done < length && (count = channel_read(channel, (char *)bytes + done, length - done)))
		done += count;
	return done == length;
}

static void channel_end(const struct channel *channel)
{
	if (channel->ssl)
		SSL_shutdown(channel->ssl);
	shutdown(channel->descriptor, SHUT_WR);
}

static void channel_start_tls(struct channel *channel, SSL_CTX *context, bool server)
{
	channel->ssl = SSL_new(context);
	if (!channel->ssl || !SSL_set_fd(channel->ssl, channel->descriptor) ||
	    (server ? SSL_accept(channel->ssl) : SSL_connect(channel->ssl)) != 1)
		peer_die("handshake");
}

/* The nth of the CPUs that this process may use, or the last one. */
static void stay_on_cpu(int nth)
{
	cpu_set_t allowed, one;

	sched_getaffinity(0, sizeof(allowed), &allowed);
	CPU_ZERO(&one);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &allowed))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		if (nth-- == 0)
			break;
	}
	sched_setaffinity(0, sizeof(one), &one);
}

static void bulk_receive(const struct channel *channel)
{
	static char bytes[BULK_BYTES];

	while (channel_read(channel, bytes, sizeof(bytes)))
		;
}

static void echo_answer(const struct channel *channel)
{
	char bytes[ECHO_BYTES];

	while (channel_read_all(channel, bytes, sizeof(bytes)) && channel_write(channel, bytes, sizeof(bytes)))
		;
}

/* Returns the bytes sent when all of them have arrived. */
static uint64_t bulk_send(const struct channel *channel, uint64_t length_ns, uint64_t *took_ns)
{
	static char bytes[BULK_BYTES];
	uint64_t start_ns = peer_clock_ns(CLOCK_MONOTONIC);
	uint64_t sent = 0;

	while (peer_clock_ns(CLOCK_MONOTONIC) < start_ns + length_ns) {
		if (!channel_write(channel, bytes, sizeof(bytes)))
			peer_die("send");
		sent += sizeof(bytes);
	}
	channel_end(channel);
	bulk_receive(channel);
	*took_ns = peer_clock_ns(CLOCK_MONOTONIC) - start_ns;
	return sent;
}

static int compare_samples(const void *one, const void *other)
{
	uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;

	return a < b ? -1 : a > b;
}

/* Returns how many were answered. */
static uint64_t echo_ask(const struct channel *channel, uint64_t length_ns, uint64_t *median_ns)
{
	uint64_t start_ns = peer_clock_ns(CLOCK_MONOTONIC), now_ns = start_ns;
	uint32_t *samples = calloc(SAMPLES_MAX, sizeof(*samples));
	char bytes[ECHO_BYTES] = {};
	uint64_t count;

	if (!samples)
		peer_die("samples");
	for (count = 0; count < SAMPLES_MAX && now_ns < start_ns + length_ns; count++) {
		uint64_t asked_ns = now_ns;

		if (!channel_write(channel, bytes, sizeof(bytes)) || !channel_read_all(channel, bytes, sizeof(bytes)))
			peer_die("echo");
		now_ns = peer_clock_ns(CLOCK_MONOTONIC);
		samples[count] = now_ns - asked_ns;
	}
	qsort(samples, count, sizeof(*samples), compare_samples);
	*median_ns = samples[count / 2];
	free(samples);
	return count;
}

struct transfer {
	SSL_CTX *context; /* NULL: plain TCP */
	bool bulk;
	uint64_t length_ns;
	int listener;
	struct sockaddr_in address;
	uint64_t *server_cpu_ns; /* shared by both processes */
};

static void transfer_prepare(struct transfer *transfer, char **argv)
{
	socklen_t length = sizeof(transfer->address);
	int version;

	transfer->bulk = !strcmp(argv[2], "bulk");
	transfer->length_ns = peer_seconds_ns(argv[3]);
	if (strcmp(argv[1], "plain")) {
		transfer->context = SSL_CTX_new(TLS_method());
		version = strcmp(argv[1], "1.2") ? TLS1_3_VERSION : TLS1_2_VERSION;
		if (!transfer->context || !SSL_CTX_set_min_proto_version(transfer->context, version) ||
		    !SSL_CTX_set_max_proto_version(transfer->context, version) ||
		    SSL_CTX_use_certificate_file(transfer->context, argv[4], SSL_FILETYPE_PEM) != 1 ||
		    SSL_CTX_use_PrivateKey_file(transfer->context, argv[5], SSL_FILETYPE_PEM) != 1)
			peer_die(argv[4]);
	}
	transfer->address.sin_family = AF_INET;
	transfer->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	transfer->listener = socket(AF_INET, SOCK_STREAM, 0);
	if (transfer->listener < 0 || bind(transfer->listener, (struct sockaddr *)&transfer->address, length) ||
	    listen(transfer->listener, 1) ||
	    getsockname(transfer->listener, (struct sockaddr *)&transfer->address, &length))
		peer_die("listen");
	transfer->server_cpu_ns =
		mmap(NULL, sizeof(*transfer->server_cpu_ns), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (transfer->server_cpu_ns == MAP_FAILED)
		peer_die("mmap");
}

/* Both directions carry data before anything is measured: whoever looks at connections knows this one by then. */
static void transfer_serve(const struct transfer *transfer)
{
	struct channel channel = {.descriptor = accept(transfer->listener, NULL, NULL)};
	char bytes[ECHO_BYTES];
	int on = 1;

	if (channel.descriptor < 0)
		peer_die("accept");
	setsockopt(channel.descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	stay_on_cpu(transfer->bulk);
	if (transfer->context)
		channel_start_tls(&channel, transfer->context, true);
	if (!channel_read_all(&channel, bytes, sizeof(bytes)) || !channel_write(&channel, bytes, sizeof(bytes)))
		peer_die("first echo");
	*transfer->server_cpu_ns = peer_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	if (transfer->bulk)
		bulk_receive(&channel);
	else
		echo_answer(&channel);
	*transfer->server_cpu_ns = peer_clock_ns(CLOCK_PROCESS_CPUTIME_ID) - *transfer->server_cpu_ns;
	channel_end(&channel);
}

static void transfer_ask(const struct transfer *transfer, pid_t server)
{
	struct channel channel = {.descriptor = socket(AF_INET, SOCK_STREAM, 0)};
	char bytes[ECHO_BYTES] = {};
	uint64_t count, measured_ns, cpu_ns;
	int on = 1;

	if (channel.descriptor < 0 ||
	    connect(channel.descriptor, (const struct sockaddr *)&transfer->address, sizeof(transfer->address)))
		peer_die("connect");
	setsockopt(channel.descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	stay_on_cpu(0);
	if (transfer->context)
		channel_start_tls(&channel, transfer->context, false);
	if (!channel_write(&channel, bytes, sizeof(bytes)) || !channel_read_all(&channel, bytes, sizeof(bytes)))
		peer_die("first echo");
	peer_ready();
	cpu_ns = peer_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	count = transfer->bulk ? bulk_send(&channel, transfer->length_ns, &measured_ns)
	                       : echo_ask(&channel, transfer->length_ns, &measured_ns);
	cpu_ns = peer_clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_ns;
	channel_end(&channel);
	if (waitpid(server, NULL, 0) < 0)
		peer_die("wait");
	printf("%llu %llu %llu\n", (unsigned long long)count, (unsigned long long)measured_ns,
	       (unsigned long long)(cpu_ns + *transfer->server_cpu_ns));
}

int main(int argc, char **argv)
{
	struct transfer transfer = {};
	pid_t server;

	if (argc != 6) {
		fprintf(stderr, "usage: transfer plain|1.2|1.3 bulk|echo SECONDS CERTIFICATE KEY\n");
		return EXIT_FAILURE;
	}
	transfer_prepare(&transfer, argv);
	signal(SIGPIPE, SIG_IGN);
	server = fork();
	if (server < 0)
		peer_die("fork");
	if (server == 0)
		transfer_serve(&transfer);
	else
		transfer_ask(&transfer, server);
	return EXIT_SUCCESS;
}
