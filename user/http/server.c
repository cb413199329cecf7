// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "http/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/abstract.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "system/threads.h"
#include "system/log.h"

enum {
	CONNECTIONS_MAX = 56,
	CONNECTIONS_CROWDED = 40,     /* from here on each new connection replaces another */
	CONNECTION_MEMORY = 8 * 1024, /* for a request's head and the answer's */
	CONNECTION_MS = 10 * 1000,    /* from accept to the last byte of the answer: what Prometheus waits */
	YOUNG_MS = 1000,              /* who has come so lately gives way last */
	SWEEP_MS = 500,               /* so often connections are looked at whose time may be over */
	STREAMS_MAX = 8,
	STREAM_MS = 60 * 60 * 1000, /* a browser comes again by itself */
	STREAM_BLOCK = 64 * 1024,
	BACKLOG = 512,     /* wait to be accepted */
	NETWORK_BYTES = 8, /* of an IPv6 address */
	ADDRESS_MAX = INET6_ADDRSTRLEN + sizeof("[]:65535"),
};

/* A connection to a client. */
struct peer {
	int descriptor;           /* -1: the place is free */
	bool asked;               /* its request is complete */
	bool streams;             /* its answer has no end */
	bool ended;               /* shut down: the library will close it */
	uint64_t since_ms;        /* on CLOCK_MONOTONIC */
	uint64_t number;          /* in the order of arrival */
	struct http_guard *guard; /* as of the start; NULL: no guard */
};

/* A request, from its first line until it is answered. */
struct request {
	struct basic_auth_job job; /* the first member: a pointer to the job is one to the request */
	struct MHD_Connection *connection;
	struct http_guard *guard; /* held while a password is checked */
	bool checked;
};

/* An answer without an end. */
struct stream {
	struct http *http;
	struct MHD_Connection *connection; /* NULL: the place is free */
	http_stream read;
	void *context;
	uint64_t position;
	bool suspended;
};

struct http {
	struct MHD_Daemon *daemon;
	struct basic_auth_checker *checker; /* NULL: no password is needed */
	pthread_mutex_t lock;
	struct http_guard *guard; /* under the lock: for connections to come */
	http_handler handler;
	void *context;
	pthread_t thread;
	bool running;
	int stop; /* eventfd: the thread shall end */
	uint64_t arrivals;
	uint64_t departures;
	struct peer peer[CONNECTIONS_MAX];
	struct stream stream[STREAMS_MAX];
};

static uint64_t clock_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000ull + time.tv_nsec / 1000000;
}

static struct http_guard *current_guard(struct http *http)
{
	struct http_guard *guard;

	pthread_mutex_lock(&http->lock);
	guard = http_guard_hold(http->guard);
	pthread_mutex_unlock(&http->lock);
	return guard;
}

void http_set_guard(struct http *http, struct http_guard *guard)
{
	struct http_guard *before;

	pthread_mutex_lock(&http->lock);
	before = http->guard;
	http->guard = http_guard_hold(guard);
	pthread_mutex_unlock(&http->lock);
	http_guard_release(before);
}

/* The library sees the end at once and closes the socket itself. */
static void peer_end(struct peer *peer)
{
	shutdown(peer->descriptor, SHUT_RDWR);
	peer->ended = true;
}

static bool peer_is_open(const struct peer *peer)
{
	return peer->descriptor >= 0 && !peer->ended;
}

/* The order of giving way: old connections, connections without a request, earlier connections. */
static bool gives_way_before(const struct peer *one, const struct peer *other, uint64_t now_ms)
{
	bool one_young = now_ms - one->since_ms < YOUNG_MS, other_young = now_ms - other->since_ms < YOUNG_MS;

	if (one_young != other_young)
		return other_young;
	if (one->asked != other->asked)
		return !one->asked;
	return one->number < other->number;
}

/* A connection has come. If connections are crowded, another connection gives way. */
static void make_room(struct http *http, const struct peer *newest)
{
	struct peer *chosen = NULL;
	uint64_t now_ms = clock_ms();
	int open = 0;

	for (int index = 0; index < CONNECTIONS_MAX; index++) {
		struct peer *peer = &http->peer[index];

		if (!peer_is_open(peer))
			continue;
		open++;
		if (peer != newest && (!chosen || gives_way_before(peer, chosen, now_ms)))
			chosen = peer;
	}
	if (chosen && open > CONNECTIONS_CROWDED)
		peer_end(chosen);
}

/* The library's own time limit restarts with each byte, so a client that drips bytes would never reach the limit. */
static void end_overdue(struct http *http)
{
	uint64_t now_ms = clock_ms();

	for (int index = 0; index < CONNECTIONS_MAX; index++) {
		struct peer *peer = &http->peer[index];

		if (peer_is_open(peer) && now_ms - peer->since_ms > (peer->streams ? STREAM_MS : CONNECTION_MS))
			peer_end(peer);
	}
}

/* The library makes sessions without a certificate. A session that gets no certificate here fails in the handshake. */
static void peer_protect(struct peer *peer, struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info;

	if (!http_guard_has_tls(peer->guard))
		return;
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	if (!info || http_guard_protect(peer->guard, info->tls_session))
		peer_end(peer);
}

static void peer_begin(struct http *http, struct MHD_Connection *connection, void **socket_context)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	/* the library has as many connections at most: a place is free */
	for (int index = 0; info && index < CONNECTIONS_MAX; index++) {
		struct peer *peer = &http->peer[index];

		if (peer->descriptor >= 0)
			continue;
		*peer = (struct peer){.descriptor = info->connect_fd,
		                      .since_ms = clock_ms(),
		                      .number = http->arrivals++,
		                      .guard = current_guard(http)};
		*socket_context = peer;
		peer_protect(peer, connection);
		make_room(http, peer);
		return;
	}
}

static void connection_changed(void *context, struct MHD_Connection *connection, void **socket_context,
                               enum MHD_ConnectionNotificationCode code)
{
	struct peer *peer = *socket_context;
	struct http *http = context;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		peer_begin(http, connection, socket_context);
		return;
	}
	http->departures++;
	if (!peer)
		return;
	peer->descriptor = -1;
	http_guard_release(peer->guard);
	peer->guard = NULL;
}

/* Nothing of the page comes from elsewhere, nothing of it is shown elsewhere, and no script but its own runs. */
static void add_headers(struct MHD_Response *response, const struct http_answer *answer)
{
	static const char policy[] = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
				     "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->content_type);
	/* the place is free again after the answer */
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	MHD_add_response_header(response, "Content-Security-Policy", policy);
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
	if (answer->disposition)
		MHD_add_response_header(response, "Content-Disposition", answer->disposition);
	if (answer->status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	if (answer->status == MHD_HTTP_UNAUTHORIZED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE,
		                        "Basic realm=\"mtlsnoop\", charset=\"UTF-8\"");
}

static ssize_t read_stream(void *context, uint64_t offset, char *bytes, size_t size)
{
	struct stream *stream = context;
	size_t length = stream->read(stream->context, &stream->position, bytes, size);

	(void)offset;
	if (length)
		return length;
	/* the thread looks again in half a second */
	stream->suspended = true;
	MHD_suspend_connection(stream->connection);
	return 0;
}

static void end_stream(void *context)
{
	struct stream *stream = context;

	stream->connection = NULL;
}

/* NULL: there are as many as there may be. */
static struct MHD_Response *make_stream(struct http *http, struct MHD_Connection *connection,
                                        struct http_answer *answer)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	for (int index = 0; index < STREAMS_MAX; index++) {
		struct stream *stream = &http->stream[index];

		if (stream->connection)
			continue;
		*stream = (struct stream){.http = http,
		                          .connection = connection,
		                          .read = answer->stream,
		                          .context = answer->stream_context,
		                          .position = answer->stream_position};
		if (info && info->socket_context)
			((struct peer *)info->socket_context)->streams = true;
		return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, read_stream, stream,
		                                         end_stream);
	}
	return NULL;
}

static void resume_streams(struct http *http)
{
	for (int index = 0; index < STREAMS_MAX; index++) {
		struct stream *stream = &http->stream[index];

		if (!stream->connection || !stream->suspended)
			continue;
		stream->suspended = false;
		MHD_resume_connection(stream->connection);
	}
}

static enum MHD_Result respond(struct MHD_Connection *connection, struct http_answer *answer)
{
	enum MHD_ResponseMemoryMode mode = answer->body ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT;
	char *body = answer->constant ? (char *)answer->constant : answer->body;
	struct MHD_Response *response;
	enum MHD_Result result;

	if (!body) {
		answer->status = MHD_HTTP_INTERNAL_SERVER_ERROR;
		answer->length = 0;
	}
	response = MHD_create_response_from_buffer(answer->length, body, mode);
	if (!response) {
		free(answer->body);
		return MHD_NO;
	}
	add_headers(response, answer);
	result = MHD_queue_response(connection, answer->status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result respond_with_stream(struct http *http, struct MHD_Connection *connection,
                                           struct http_answer *answer)
{
	struct MHD_Response *response = make_stream(http, connection, answer);
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	add_headers(response, answer);
	result = MHD_queue_response(connection, answer->status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned status, const char *text)
{
	struct http_answer answer = {.status = status,
	                             .content_type = "text/plain; charset=utf-8",
	                             .body = strdup(text),
	                             .length = strlen(text)};

	return respond(connection, &answer);
}

static void free_secret(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	MHD_free(text);
}

static void request_forget_password(struct request *request)
{
	free_secret(request->job.name);
	free_secret(request->job.password);
	request->job.name = NULL;
	request->job.password = NULL;
}

/* In the checker's thread, or, where the password is not checked, in the server's. */
static void password_checked(struct basic_auth_job *job)
{
	struct request *request = (struct request *)job;

	request->checked = true;
	MHD_resume_connection(request->connection);
}

enum admission {
	ADMITTED,
	TURNED_AWAY,
	NOT_NOW,    /* too many passwords wait: known clients need a free connection */
	TO_BE_SEEN, /* the connection is suspended until the password is checked */
};

/* The client's address: an IPv4 address, or the /64 of an IPv6 address, because a single host can own a /64. */
static void set_source(uint8_t source[BASIC_AUTH_SOURCE], struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr_in6 *ipv6;
	const struct sockaddr_in *ipv4;

	memset(source, 0, BASIC_AUTH_SOURCE);
	if (!info || !info->client_addr)
		return;
	ipv6 = (const void *)info->client_addr;
	ipv4 = (const void *)info->client_addr;
	source[0] = info->client_addr->sa_family;
	if (info->client_addr->sa_family == AF_INET)
		memcpy(source + 1, &ipv4->sin_addr, sizeof(ipv4->sin_addr));
	else if (info->client_addr->sa_family == AF_INET6)
		memcpy(source + 1, &ipv6->sin6_addr, NETWORK_BYTES);
}

static enum admission admit_password(struct http *http, struct request *request)
{
	struct basic_auth_job *job = &request->job;

	job->name = MHD_basic_auth_get_username_password(request->connection, &job->password);
	if (!job->name || !job->password || !http->checker)
		return TURNED_AWAY;
	job->users = http_guard_users(request->guard);
	if (basic_auth_is_known(job->users, job->name, job->password))
		return ADMITTED;
	job->done = password_checked;
	set_source(job->source, request->connection);
	/* before the job can be done: the other thread resumes the connection */
	MHD_suspend_connection(request->connection);
	if (!basic_auth_checker_add(http->checker, job)) {
		job->turned_away = true;
		password_checked(job);
	}
	return TO_BE_SEEN;
}

static enum admission admit(struct http *http, struct request *request)
{
	if (request->checked)
		return request->job.turned_away ? NOT_NOW : request->job.right ? ADMITTED : TURNED_AWAY;
	request->guard = current_guard(http);
	return http_guard_users(request->guard) ? admit_password(http, request) : ADMITTED;
}

static void request_end(void *context, struct MHD_Connection *connection, void **request_context,
                        enum MHD_RequestTerminationCode code)
{
	struct request *request = *request_context;

	(void)context;
	(void)connection;
	(void)code;
	if (!request)
		return;
	request_forget_password(request);
	http_guard_release(request->guard);
	free(request);
	*request_context = NULL;
}

static struct request *request_begin(struct MHD_Connection *connection)
{
	struct request *request = calloc(1, sizeof(*request));

	if (request)
		request->connection = connection;
	return request;
}

static enum MHD_Result answer_request(struct http *http, struct MHD_Connection *connection, const char *url,
                                      const char *method, bool identified)
{
	const struct http_request request = {
		.path = url,
		.accept = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT),
		.host = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST),
		.identified = identified,
		.connection = connection};
	struct http_answer answer = {};

	if (strcmp(method, MHD_HTTP_METHOD_GET) && strcmp(method, MHD_HTTP_METHOD_HEAD))
		return refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "Only GET and HEAD are allowed here.\n");
	http->handler(&request, &answer, http->context);
	if (answer.stream && !strcmp(method, MHD_HTTP_METHOD_GET))
		return respond_with_stream(http, connection, &answer);
	return respond(connection, &answer);
}

static int hexadecimal(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	digit |= 0x20;
	return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* RFC 3986 section 2.1, and '+' for a space as forms write it. NUL ends a text, so that %00 is no escape here. */
static bool unescape(const char *from, char *to, size_t size)
{
	size_t used = 0;

	for (; *from; from++) {
		int high = *from == '%' ? hexadecimal(from[1]) : -1;
		int low = high >= 0 ? hexadecimal(from[2]) : -1;

		if (used + 1 >= size)
			return false;
		if (low >= 0 && (high || low)) {
			to[used++] = high << 4 | low;
			from += 2;
		} else {
			to[used++] = *from == '+' ? ' ' : *from;
		}
	}
	to[used] = '\0';
	return true;
}

bool http_argument(const struct http_request *request, const char *name, char *text, size_t size)
{
	const char *value =
		MHD_lookup_connection_value((struct MHD_Connection *)request->connection, MHD_GET_ARGUMENT_KIND, name);

	return value && unescape(value, text, size);
}

/* Called with the head of a request, with each piece of its body, behind all of it, and once a password was checked. */
static enum MHD_Result take_request(void *context, struct MHD_Connection *connection, const char *url,
                                    const char *method, const char *version, const char *body, size_t *body_length,
                                    void **request_context)
{
	const union MHD_ConnectionInfo *info;
	struct http *http = context;
	enum admission admission;
	bool identified;

	(void)version;
	(void)body;
	if (!*request_context) {
		*request_context = request_begin(connection);
		return *request_context ? MHD_YES : MHD_NO;
	}
	if (*body_length) {
		*body_length = 0;
		return MHD_YES;
	}
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	if (info && info->socket_context)
		((struct peer *)info->socket_context)->asked = true;
	admission = admit(http, *request_context);
	if (admission == TO_BE_SEEN)
		return MHD_YES;
	request_forget_password(*request_context);
	if (admission == NOT_NOW)
		return refuse(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "Too many passwords wait to be checked.\n");
	if (admission == TURNED_AWAY)
		return refuse(connection, MHD_HTTP_UNAUTHORIZED, "Unauthorized\n");
	identified = http_guard_identifies(((struct request *)*request_context)->guard);
	return answer_request(http, connection, url, method, identified);
}

/* Paths are compared without unescaping: no path of this server needs an escape. */
static size_t leave_escaped(void *context, struct MHD_Connection *connection, char *text)
{
	(void)context;
	(void)connection;
	return strlen(text);
}

static const char *address_text(char text[ADDRESS_MAX], const struct sockaddr_storage *address)
{
	const struct sockaddr_in6 *ipv6 = (const void *)address;
	const struct sockaddr_in *ipv4 = (const void *)address;
	char number[INET6_ADDRSTRLEN] = "?";

	if (address->ss_family == AF_INET6) {
		inet_ntop(AF_INET6, &ipv6->sin6_addr, number, sizeof(number));
		snprintf(text, ADDRESS_MAX, "[%s]:%u", number, ntohs(ipv6->sin6_port));
	} else {
		inet_ntop(AF_INET, &ipv4->sin_addr, number, sizeof(number));
		snprintf(text, ADDRESS_MAX, "%s:%u", number, ntohs(ipv4->sin_port));
	}
	return text;
}

static const char *listen_advice(int error)
{
	switch (error) {
	case EADDRINUSE:
		return "another program has that port: choose one with --metrics=ADDR:PORT";
	case EADDRNOTAVAIL:
		return "no interface of this host has that address";
	case EACCES:
		return "a port below 1024 needs CAP_NET_BIND_SERVICE";
	default:
		return "choose another with --metrics=ADDR:PORT";
	}
}

/* A socket that listens, or -errno after a message. */
static int listen_on(const struct sockaddr_storage *address)
{
	socklen_t size = address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
	const int on = 1;
	char text[ADDRESS_MAX];
	int descriptor, error;

	descriptor = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (descriptor >= 0) {
		setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		if (!bind(descriptor, (const struct sockaddr *)address, size) && !listen(descriptor, BACKLOG))
			return descriptor;
	}
	error = errno;
	log_error("cannot listen on %s for --metrics: %s; %s", address_text(text, address), strerror(error),
	          listen_advice(error));
	if (descriptor >= 0)
		close(descriptor);
	return -error;
}

/* Each session gets a certificate at the start of the connection. The library demands a callback for a default: none. */
static int no_certificate(gnutls_session_t session, const gnutls_datum_t *authorities, int authorities_count,
                          const gnutls_pk_algorithm_t *algorithms, int algorithms_count, gnutls_pcert_st **certificate,
                          unsigned *certificates, gnutls_privkey_t *key)
{
	(void)session;
	(void)authorities;
	(void)authorities_count;
	(void)algorithms;
	(void)algorithms_count;
	*certificate = NULL;
	*certificates = 0;
	*key = NULL;
	return -1;
}

/* Takes over the listening socket. */
static struct MHD_Daemon *start_daemon(struct http *http, int descriptor)
{
	bool has_tls = http_guard_has_tls(http->guard);

	return MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | (has_tls ? MHD_USE_TLS : 0), 0, NULL, NULL,
	                        take_request, http, MHD_OPTION_LISTEN_SOCKET, descriptor, MHD_OPTION_CONNECTION_LIMIT,
	                        (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
	                        (size_t)CONNECTION_MEMORY, MHD_OPTION_NOTIFY_CONNECTION, connection_changed, http,
	                        MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL, MHD_OPTION_NOTIFY_COMPLETED,
	                        request_end, NULL, MHD_OPTION_HTTPS_CERT_CALLBACK, no_certificate, MHD_OPTION_END);
}

int http_open(struct http **result, const struct sockaddr_storage *address, struct http_guard *guard,
              http_handler handler, void *context)
{
	struct http *http = calloc(1, sizeof(*http));
	int descriptor = -1;
	int error = 0;

	if (!http) {
		log_out_of_memory();
		return -ENOMEM;
	}
	http->handler = handler;
	http->context = context;
	http->guard = http_guard_hold(guard);
	pthread_mutex_init(&http->lock, NULL);
	for (int index = 0; index < CONNECTIONS_MAX; index++)
		http->peer[index].descriptor = -1;
	http->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (http->stop < 0) {
		error = -errno;
		log_error("cannot make an eventfd: %s", strerror(-error));
		goto cleanup;
	}
	descriptor = listen_on(address);
	if (descriptor < 0) {
		error = descriptor;
		goto cleanup;
	}
	http->daemon = start_daemon(http, descriptor);
	if (!http->daemon) {
		close(descriptor);
		log_error("cannot start the HTTP server for --metrics");
		error = -ENOMEM;
		goto cleanup;
	}
	*result = http;
	return 0;
cleanup:
	http_close(http);
	return error;
}

/* The time to wait: for the library's pending work, for a sweep if there are connections, otherwise without end. */
static int wait_ms(const struct http *http)
{
	MHD_UNSIGNED_LONG_LONG milliseconds;
	int limit = -1;

	for (int index = 0; index < CONNECTIONS_MAX; index++)
		if (http->peer[index].descriptor >= 0)
			limit = SWEEP_MS;
	if (MHD_get_timeout(http->daemon, &milliseconds) == MHD_YES && (limit < 0 || milliseconds < (unsigned)limit))
		return milliseconds;
	return limit;
}

/* A full library listens again only after a further call, and no event would cause the call. */
static void run(struct http *http)
{
	uint64_t departures;

	do {
		departures = http->departures;
		MHD_run(http->daemon);
	} while (departures != http->departures);
}

static void *serve(void *context)
{
	struct http *http = context;
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	struct pollfd wanted[] = {{.fd = info->epoll_fd, .events = POLLIN}, {.fd = http->stop, .events = POLLIN}};

	while (!wanted[1].revents) {
		if (poll(wanted, 2, wait_ms(http)) < 0 && errno != EINTR)
			break;
		end_overdue(http);
		resume_streams(http);
		run(http);
	}
	return NULL;
}

int http_start(struct http *http)
{
	int error;

	/* whoever has a guard may have users behind a reload */
	if (http->guard) {
		http->checker = basic_auth_checker_start();
		if (!http->checker)
			return -ENOMEM;
	}
	error = threads_start(&http->thread, "answers for --metrics", serve, http);
	http->running = !error;
	return error;
}

void http_close(struct http *http)
{
	if (!http)
		return;
	if (http->running && !eventfd_write(http->stop, 1))
		pthread_join(http->thread, NULL);
	/* no connection may be suspended when the library ends */
	basic_auth_checker_stop(http->checker);
	resume_streams(http);
	if (http->daemon)
		MHD_stop_daemon(http->daemon);
	if (http->stop >= 0)
		close(http->stop);
	http_guard_release(http->guard);
	pthread_mutex_destroy(&http->lock);
	free(http);
}
