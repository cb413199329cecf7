// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sink/table.h"

#include "system/escape.h"

#include <string.h>
#include <time.h>

enum {
	MS_WIDTH = 8,
	RESULT_WIDTH = 28, /* room for the longest verdict without a cause */
	SAME_START_NS = 1000000000,
	WHERE_WORD_MAX = 40,
	CONTAINER_DIGITS = 12, /* as other programs show an id */
	CUT_MIN = 10,          /* columns that a cell needs which is cut */
	CUT_MARK = 3,
};

/* Width of each column without the space after it, in the order of the line. SERVER and CLIENT hold any IPv4 address and port. */
static const struct {
	const char *heading;
	size_t width;
	uint8_t importance; /* 0: always there */
} columns[COLUMNS] = {
	[COLUMN_TIME] = {"TIME", 8, 0},
	[COLUMN_ROLE] = {"ROLE", 8, 2},
	[COLUMN_SERVER] = {"SERVER", 21, 0},
	[COLUMN_CLIENT] = {"CLIENT", 21, 0},
	[COLUMN_SNI] = {"SNI", TABLE_SNI_WIDTH, 6},
	[COLUMN_VERSION] = {"VERSION", 8, 3},
	[COLUMN_ASKED] = {"ASKED", 5, 7},
	[COLUMN_ANSWER] = {"ANSWER", 11, 8},
	[COLUMN_RESULT] = {"RESULT", RESULT_WIDTH, 0},
	[COLUMN_MS] = {"MS", MS_WIDTH, 5},
	[COLUMN_PROCESS] = {"PROCESS", 15, 1},
	[COLUMN_WHERE] = {"WHERE", 16, 4},
};

static size_t width_of(const struct table_layout *layout)
{
	size_t width = 0;

	for (int column = 0; column < COLUMNS; column++)
		if (layout->shown[column])
			width += columns[column].width + (width > 0);
	return width;
}

void table_layout(struct table_layout *layout, size_t width, bool color)
{
	size_t start = 0;

	*layout = (struct table_layout){.width = width, .color = color};
	for (uint8_t importance = 0; importance <= COLUMNS; importance++)
		for (int column = 0; column < COLUMNS; column++) {
			if (columns[column].importance != importance)
				continue;
			layout->shown[column] = true;
			if (width && importance && width_of(layout) > width)
				layout->shown[column] = false;
		}
	for (int column = 0; column < COLUMNS; column++) {
		if (!layout->shown[column])
			continue;
		layout->start[column] = start;
		start += columns[column].width + 1;
	}
}

/* Print the cells; a cell that is too long moves those after it only as far as it must, and a cell without room goes. */
static void print_cells(FILE *out, const struct table_layout *layout, const char *const cells[COLUMNS],
                        const char *color)
{
	size_t used = 0;

	for (int column = 0; column < COLUMNS; column++) {
		size_t length = strlen(cells[column]), start = layout->start[column], padding;
		const bool colored = color && column == COLUMN_RESULT;
		const char *cut = "";

		if (!layout->shown[column] || !length)
			continue;
		if (column == COLUMN_MS && length < MS_WIDTH)
			start += MS_WIDTH - length;
		padding = start > used ? start - used : used > 0;
		if (layout->width && used + padding + length > layout->width) {
			if (column < COLUMN_RESULT || column == COLUMN_MS || used + padding + CUT_MIN > layout->width)
				continue;
			length = layout->width - used - padding - CUT_MARK;
			cut = "...";
		}
		fprintf(out, "%*s%s%.*s%s%s", (int)padding, "", colored ? color : "", (int)length, cells[column], cut,
		        colored ? "\x1b[0m" : "");
		used += padding + length + strlen(cut);
	}
	fputc('\n', out);
}

void table_heading(FILE *out, const struct table_layout *layout)
{
	const char *headings[COLUMNS];

	for (int column = 0; column < COLUMNS; column++)
		headings[column] = columns[column].heading;
	if (layout->color)
		fputs("\x1b[1m", out);
	print_cells(out, layout, headings, NULL);
	if (layout->color)
		fputs("\x1b[0m", out);
}

/* Local date; "" where the C library has none. */
static void describe_date(char text[TABLE_DATE_MAX], uint64_t realtime_ns)
{
	const time_t seconds = realtime_ns / NANOSECONDS_PER_SECOND;
	struct tm local;

	if (!localtime_r(&seconds, &local) || !strftime(text, TABLE_DATE_MAX, "%F", &local))
		*text = '\0';
}

/* "nginx/2960": the process chooses its name itself. "" where not known. */
static void describe_process(char text[TABLE_PROCESS_MAX], const struct handshake *handshake)
{
	const struct process *process = handshake->process.id ? &handshake->process : &handshake->owner;
	char name[PROCESS_NAME_MAX + 1];

	*text = '\0';
	if (!process->id)
		return;
	escape_word(name, PROCESS_NAME_MAX, *process->name ? process->name : "?");
	snprintf(text, TABLE_PROCESS_MAX, "%s/%u", name, process->id);
}

/* The pod, or else the container, or else the unit; "" where not known. */
static void describe_where(char text[TABLE_WHERE_MAX], const struct handshake *handshake)
{
	const struct attribution *attribution = handshake->attribution;
	const char *container = attribution && *attribution->container ? attribution->container : handshake->container;
	char word[ATTRIBUTION_NAMESPACE_MAX + ATTRIBUTION_POD_MAX + 2] = "", *suffix;

	if (attribution && *attribution->pod)
		snprintf(word, sizeof(word), "%s/%s", attribution->pod_namespace, attribution->pod);
	else if (*container)
		snprintf(word, sizeof(word), "%.*s", CONTAINER_DIGITS, container);
	else if (attribution && *attribution->unit)
		snprintf(word, sizeof(word), "%s", attribution->unit);
	suffix = strstr(word, ".service");
	if (suffix && !suffix[strlen(".service")])
		*suffix = '\0';
	escape_word(text, WHERE_WORD_MAX, word);
}

void table_row(struct table_row *row, const struct handshake *handshake)
{
	memset(row, 0, sizeof(*row));
	row->role = handshake->role;
	row->client_auth = handshake->verdict.client_auth;
	row->evidence = handshake->verdict.evidence;
	row->failure = handshake->failure.reason;
	row->family = handshake->family;
	row->transport = handshake->transport;
	row->has_random = handshake->facts.client_hello && !handshake->facts.renegotiation;
	memcpy(row->random, handshake->client_hello.random, sizeof(row->random));
	row->server_end = handshake->server;
	row->client_end = handshake->client;
	row->has_nat = handshake->has_nat;
	row->nat = handshake->nat;
	row->start_ns = handshake->start_ns;
	row->breach = handshake->policy.expectation != POLICY_NOTHING && handshake->policy.result == POLICY_BROKEN;
	row->untrusted = report_trusted(&handshake->verification[FROM_CLIENT]) == KNOWN_NO;
	describe_date(row->date, handshake->start_realtime_ns);
	describe_clock(row->time, handshake->start_realtime_ns);
	describe_endpoint(row->server, &handshake->server, handshake->family);
	describe_endpoint(row->client, &handshake->client, handshake->family);
	describe_server_name(row->sni, TABLE_SNI_WIDTH, handshake);
	snprintf(row->version, sizeof(row->version), "%s", describe_version(handshake->version));
	snprintf(row->asked, sizeof(row->asked), "%s", describe_known(handshake->verdict.requested));
	snprintf(row->answer, sizeof(row->answer), "%s", describe_answer(handshake->verdict.answer));
	describe_result(row->result, handshake);
	describe_duration(row->ms, handshake);
	describe_process(row->process, handshake);
	describe_where(row->where, handshake);
}

static bool is_same_end(const struct endpoint *one, const struct endpoint *other, uint8_t family)
{
	return one->port == other->port && !memcmp(one->address, other->address, family == 4 ? 4 : 16);
}

/* The client dialled an address that this host translates: the server's socket has the other one. */
static bool is_same_server(const struct table_row *one, const struct table_row *other)
{
	return is_same_end(&one->server_end, &other->server_end, one->family) ||
	       (one->has_nat && is_same_end(&one->nat, &other->server_end, one->family)) ||
	       (other->has_nat && is_same_end(&other->nat, &one->server_end, one->family));
}

static bool start_together(const struct table_row *one, const struct table_row *other)
{
	uint64_t apart =
		one->start_ns > other->start_ns ? one->start_ns - other->start_ns : other->start_ns - one->start_ns;

	return apart < SAME_START_NS;
}

bool table_row_matches(const struct table_row *one, const struct table_row *other)
{
	if (one->both || other->both || one->role == other->role || one->role == ROLE_OBSERVER ||
	    other->role == ROLE_OBSERVER)
		return false;
	if (one->family != other->family || one->transport != other->transport || one->has_random != other->has_random)
		return false;
	if (one->has_random && memcmp(one->random, other->random, sizeof(one->random)))
		return false;
	return is_same_end(&one->client_end, &other->client_end, one->family) && is_same_server(one, other) &&
	       start_together(one, other);
}

/* The order of evidence: what was read before what follows from lengths. */
static uint8_t weakness(const struct table_row *row)
{
	static const uint8_t order[EVIDENCES] = {
		[EVIDENCE_LIBRARY] = 0, [EVIDENCE_DECRYPTED] = 1, [EVIDENCE_CLEARTEXT] = 2, [EVIDENCE_INFERRED] = 3};

	if (row->client_auth == CLIENT_AUTH_UNKNOWN)
		return EVIDENCES;
	return row->evidence < EVIDENCES ? order[row->evidence] : EVIDENCES;
}

static void merge_results(struct table_row *row, const struct table_row *server, const struct table_row *client)
{
	const struct table_row *known = weakness(client) < weakness(server) ? client : server;
	const bool agree = server->client_auth == client->client_auth &&
	                   (server->failure == client->failure || server->failure == FAILURE_NONE ||
	                    client->failure == FAILURE_NONE);
	char result[TABLE_BOTH_RESULT_MAX];

	/* a cause that one end knows holds for both */
	if (agree && known->failure == FAILURE_NONE && (known == server ? client : server)->failure != FAILURE_NONE)
		known = known == server ? client : server;
	if (agree)
		snprintf(result, sizeof(result), "%s", known->result);
	else
		snprintf(result, sizeof(result), "%.*s; the client's end: %.*s", RESULT_TEXT_MAX - 24, server->result,
		         RESULT_TEXT_MAX - 1, client->result);
	row->client_auth = agree ? known->client_auth : server->client_auth;
	memcpy(row->result, result, sizeof(row->result));
}

void table_row_merge(struct table_row *row, const struct table_row *other)
{
	const struct table_row one = *row;
	const struct table_row *server = one.role == ROLE_SERVER ? &one : other;
	const struct table_row *client = one.role == ROLE_SERVER ? other : &one;

	*row = *server;
	row->both = true;
	row->breach = server->breach || client->breach;
	row->untrusted = server->untrusted || client->untrusted;
	merge_results(row, server, client);
	snprintf(row->process, sizeof(row->process), "%.29s -> %.29s", *client->process ? client->process : "?",
	         *server->process ? server->process : "?");
	if (strcmp(client->where, server->where))
		snprintf(row->where, sizeof(row->where), "%.28s -> %.28s", *client->where ? client->where : "?",
		         *server->where ? server->where : "?");
	/* the ends measure on their own: the client's time has both ways in it */
	memcpy(row->ms, client->ms, sizeof(row->ms));
	if (!strcmp(row->version, "-"))
		memcpy(row->version, client->version, sizeof(row->version));
}

static const char *color_of(const struct table_row *row)
{
	static const char red[] = "\x1b[31m", yellow[] = "\x1b[33m", green[] = "\x1b[32m";

	if (row->breach || row->untrusted)
		return red;
	switch (row->client_auth) {
	case CLIENT_AUTH_PRESENTED:
		return green;
	case CLIENT_AUTH_REJECTED_CERTIFICATE:
	case CLIENT_AUTH_REJECTED_WITHOUT_CERTIFICATE:
	case CLIENT_AUTH_FAILED_BEFORE_REQUEST:
	case CLIENT_AUTH_NOT_TLS:
		return red;
	case CLIENT_AUTH_DECLINED:
	case CLIENT_AUTH_UNANSWERED:
	case CLIENT_AUTH_UNKNOWN:
		return yellow;
	default:
		return NULL;
	}
}

/* In a bounded table an address that is too long keeps its end, and its column. */
static void fit(const struct table_layout *layout, int column, char *text)
{
	char word[ENDPOINT_TEXT_MAX];

	if (!layout->width || strlen(text) <= columns[column].width)
		return;
	escape_word(word, columns[column].width, text);
	strcpy(text, word);
}

/* Without the column ROLE the arrow says which end of the connection the process is. */
static void point(const struct table_layout *layout, const struct table_row *row, char process[TABLE_PROCESS_MAX + 4])
{
	if (layout->shown[COLUMN_ROLE] || row->both || !*row->process || row->role == ROLE_OBSERVER)
		snprintf(process, TABLE_PROCESS_MAX + 4, "%s", row->process);
	else
		snprintf(process, TABLE_PROCESS_MAX + 4, row->role == ROLE_SERVER ? "-> %s" : "%s ->", row->process);
}

void table_row_print(FILE *out, const struct table_layout *layout, const struct table_row *row)
{
	char server[ENDPOINT_TEXT_MAX], client[ENDPOINT_TEXT_MAX], process[TABLE_PROCESS_MAX + 4];
	const char *const cells[COLUMNS] = {
		[COLUMN_TIME] = row->time,     [COLUMN_ROLE] = row->both ? "both" : report_role_name(row->role),
		[COLUMN_SERVER] = server,      [COLUMN_CLIENT] = client,
		[COLUMN_SNI] = row->sni,       [COLUMN_VERSION] = row->version,
		[COLUMN_ASKED] = row->asked,   [COLUMN_ANSWER] = row->answer,
		[COLUMN_RESULT] = row->result, [COLUMN_MS] = row->ms,
		[COLUMN_PROCESS] = process,    [COLUMN_WHERE] = row->where,
	};

	memcpy(server, row->server, sizeof(server));
	memcpy(client, row->client, sizeof(client));
	fit(layout, COLUMN_SERVER, server);
	fit(layout, COLUMN_CLIENT, client);
	point(layout, row, process);
	print_cells(out, layout, cells, layout->color ? color_of(row) : NULL);
}

void text_header(FILE *out)
{
	struct table_layout layout;

	table_layout(&layout, 0, false);
	table_heading(out, &layout);
}

void text_line(FILE *out, const struct handshake *handshake)
{
	struct table_layout layout;
	struct table_row row;

	table_layout(&layout, 0, false);
	table_row(&row, handshake);
	table_row_print(out, &layout, &row);
}
