// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Captures with packets dropped, repeated, put in another order and cut short: each byte that is left is still a true
 * one, so what is said of a handshake may get less, never different. With bits flipped and files damaged anything may be
 * said (a type byte may become another one), but nothing may be read that is not there, and nothing kept.
 *
 * Reads the project's captures, and those beside the repository where there are any. The seed is fixed: MUTATION_SEED
 * gives another.
 */
#include "capture/capture.h"
#include "tracking/tracker.h"
#include "capture/pcapng.h"

#include "message_bytes.h"

#include <errno.h>
#include <ftw.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <sys/resource.h>

enum {
	PACKETS_MAX = 20000,
	FILES_MAX = 1024,
	FILE_BYTES_MAX = 400 * 1024, /* larger captures take too long for every day */
	TOLD_MAX = 4096,
	ROUNDS = 8,
	MEMORY_MB_MAX = 700, /* with what the sanitizers need for themselves */
};

const char *__asan_default_options(void);

/* freed memory is not kept for long: what is measured is what is held */
const char *__asan_default_options(void)
{
	return "quarantine_size_mb=16";
}

struct frame {
	int datalink;
	uint32_t captured;
	uint32_t length;
	uint8_t *bytes;
};

/* A capture in memory: the frames belong to it, the order is that of a mutation. */
struct frames {
	struct frame frame[PACKETS_MAX];
	size_t count;
};

/* What was said of a handshake. */
struct told {
	struct endpoint client;
	struct endpoint server;
	struct verdict verdict;
};

struct all_told {
	struct told told[TOLD_MAX];
	size_t count;
};

enum mutation {
	DROP,
	REPEAT,
	REORDER,
	CUT,
	BEGIN_LATE,
	END_EARLY,
	HONEST, /* those before it leave true bytes */
	FLIP = HONEST,
	MUTATIONS,
};

static const char *const mutation_names[] = {"dropped",    "repeated",    "reordered", "cut short",
                                             "begun late", "ended early", "flipped"};

/* xorshift64: small, and the same everywhere */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static uint64_t one_of(uint64_t *state, uint64_t count)
{
	return (next_random(state) >> 11) % count;
}

/* Files ------------------------------------------------------------------------------------------------------------- */

static void add_frame(struct frames *frames, int datalink, const uint8_t *bytes, uint32_t captured, uint32_t length)
{
	struct frame *frame = &frames->frame[frames->count];

	if (frames->count == PACKETS_MAX)
		return;
	frame->datalink = datalink;
	frame->captured = captured;
	frame->length = length;
	frame->bytes = malloc(captured + 1);
	assert_non_null(frame->bytes);
	memcpy(frame->bytes, bytes, captured);
	frames->count++;
}

static void load_pcapng(struct frames *frames, FILE *stream)
{
	struct pcapng *pcapng = pcapng_new(stream);
	struct pcapng_packet packet;

	assert_non_null(pcapng);
	while (pcapng_next(pcapng, &packet) == 1)
		add_frame(frames, packet.datalink, packet.bytes, packet.captured, packet.length);
	pcapng_free(pcapng);
	fclose(stream);
}

static void load_pcap(struct frames *frames, FILE *stream)
{
	char error[PCAP_ERRBUF_SIZE];
	pcap_t *pcap = pcap_fopen_offline(stream, error);
	struct pcap_pkthdr *header;
	const u_char *bytes;

	if (!pcap) {
		fclose(stream);
		return;
	}
	while (pcap_next_ex(pcap, &header, &bytes) == 1)
		add_frame(frames, pcap_datalink(pcap), bytes, header->caplen, header->len);
	pcap_close(pcap);
}

static void load(struct frames *frames, const char *path)
{
	FILE *stream = fopen(path, "rb");
	int first;

	frames->count = 0;
	assert_non_null(stream);
	first = ungetc(getc(stream), stream);
	if (first == 0x0a)
		load_pcapng(frames, stream);
	else
		load_pcap(frames, stream);
}

static void unload(struct frames *frames)
{
	while (frames->count)
		free(frames->frame[--frames->count].bytes);
}

static void write_block(FILE *out, uint32_t type, const void *header, size_t header_length, const void *body,
                        uint32_t body_length)
{
	static const uint8_t padding[4];
	uint32_t padded = (body_length + 3) & ~3u;
	uint32_t length = 12 + header_length + padded;

	fwrite(&type, 4, 1, out);
	fwrite(&length, 4, 1, out);
	fwrite(header, header_length, 1, out);
	if (body_length)
		fwrite(body, 1, body_length, out);
	fwrite(padding, 1, padded - body_length, out);
	fwrite(&length, 4, 1, out);
}

/* Write frames as pcapng, a millisecond apart: a packet's time is its place. One interface for each. */
static void write_frames(FILE *out, const struct frames *frames)
{
	const uint32_t section[] = {0x1a2b3c4d, 1, 0xffffffff, 0xffffffff};
	const uint64_t start = 1700000000000000;
	size_t i;

	for (i = 0; i < frames->count; i++) {
		const struct frame *frame = &frames->frame[i];
		const uint32_t interface[] = {frame->datalink, 0};
		uint64_t stamp = start + i * 1000;
		const uint32_t packet[] = {0, stamp >> 32, stamp, frame->captured, frame->length};

		if (i == 0 || frame->datalink != frames->frame[i - 1].datalink) {
			write_block(out, 0x0a0d0d0a, section, sizeof(section), NULL, 0);
			write_block(out, 1, interface, sizeof(interface), NULL, 0);
		}
		write_block(out, 6, packet, sizeof(packet), frame->bytes, frame->captured);
	}
	assert_int_equal(fflush(out), 0);
}

/* Reading ----------------------------------------------------------------------------------------------------------- */

static void report(const struct handshake *handshake, void *context)
{
	struct all_told *all = context;

	if (all->count == TOLD_MAX)
		return;
	all->told[all->count].client = handshake->client;
	all->told[all->count].server = handshake->server;
	all->told[all->count].verdict = handshake->verdict;
	all->count++;
}

static bool take(const struct event *event, void *context)
{
	return tracker_event(context, event);
}

static void read_capture(FILE *file, struct all_told *all)
{
	const struct tracker_limits limits = {.connections = 10000, .handshake_timeout_ns = 60000000000};
	struct tracker *table = tracker_new(&limits, report, all);
	struct capture *capture;
	char path[64];
	int more;

	assert_non_null(table);
	all->count = 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fileno(file));
	if (capture_open(&capture, path, take, table) == 0) {
		do {
			more = capture_read(capture, 64);
			tracker_time(table, capture_time(capture));
		} while (more > 0);
		tracker_finish(table);
		capture_close(capture);
	}
	tracker_free(table);
}

static FILE *memory_file(void)
{
	FILE *file = fdopen(memfd_create("capture", 0), "w+b");

	assert_non_null(file);
	return file;
}

static void read_frames(const struct frames *frames, struct all_told *all)
{
	FILE *file = memory_file();

	write_frames(file, frames);
	if (frames->count)
		read_capture(file, all);
	else
		all->count = 0;
	fclose(file);
}

/* Mutations: of the frames alone, which stay those of the capture. --------------------------------------------------- */

static void drop(struct frames *mutated, const struct frames *frames, uint64_t *random)
{
	size_t i;

	for (i = 0; i < frames->count; i++)
		if (one_of(random, 8))
			mutated->frame[mutated->count++] = frames->frame[i];
}

static void repeat(struct frames *mutated, const struct frames *frames, uint64_t *random)
{
	size_t i;

	for (i = 0; i < frames->count && mutated->count + 2 <= PACKETS_MAX; i++) {
		mutated->frame[mutated->count++] = frames->frame[i];
		if (one_of(random, 4) == 0)
			mutated->frame[mutated->count++] = frames->frame[i - one_of(random, i < 8 ? i + 1 : 8)];
	}
}

/* Each packet comes up to seven places early or late. */
static void reorder(struct frames *mutated, const struct frames *frames, uint64_t *random)
{
	struct frame frame;
	size_t i, other;

	*mutated = *frames;
	for (i = 0; i < mutated->count; i++) {
		other = i + one_of(random, 8);
		if (other >= mutated->count)
			continue;
		frame = mutated->frame[i];
		mutated->frame[i] = mutated->frame[other];
		mutated->frame[other] = frame;
	}
}

static void cut(struct frames *mutated, const struct frames *frames, uint64_t *random)
{
	size_t i;

	*mutated = *frames;
	for (i = 0; i < mutated->count; i++)
		if (one_of(random, 8) == 0)
			mutated->frame[i].captured = one_of(random, mutated->frame[i].captured + 1);
}

static void begin_late(struct frames *mutated, const struct frames *frames, uint64_t *random)
{
	size_t i;

	for (i = one_of(random, frames->count); i < frames->count; i++)
		mutated->frame[mutated->count++] = frames->frame[i];
}

static void end_early(struct frames *mutated, const struct frames *frames, uint64_t *random)
{
	*mutated = *frames;
	mutated->count = one_of(random, frames->count + 1);
}

/* Flips bits in place: the frames are the mutation's to spoil. */
static void flip(struct frames *mutated, const struct frames *frames, uint64_t *random)
{
	struct frame *frame;
	size_t i;

	*mutated = *frames;
	for (i = 0; i < mutated->count; i++) {
		frame = &mutated->frame[i];
		if (frame->captured && one_of(random, 4) == 0)
			frame->bytes[one_of(random, frame->captured)] ^= 1 << one_of(random, 8);
	}
}

static void mutate(enum mutation mutation, struct frames *mutated, const struct frames *frames, uint64_t *random)
{
	static void (*const mutations[])(struct frames *, const struct frames *, uint64_t *) = {
		[DROP] = drop,           [REPEAT] = repeat, [REORDER] = reorder, [CUT] = cut, [BEGIN_LATE] = begin_late,
		[END_EARLY] = end_early, [FLIP] = flip,
	};

	mutated->count = 0;
	mutations[mutation](mutated, frames, random);
}

/* What may be said ---------------------------------------------------------------------------------------------------- */

static bool same_endpoint(const struct endpoint *left, const struct endpoint *right)
{
	return left->port == right->port && memcmp(left->address, right->address, sizeof(left->address)) == 0;
}

/*
 * Less than before, or the same: what is known of the request and the answer is not different. Where nothing was known
 * before (the capture itself has holes) another order of the same packets may tell more.
 */
static bool says_no_other(const struct verdict *now, const struct verdict *before)
{
	if (before->client_auth == CLIENT_AUTH_UNKNOWN && before->requested == NOT_KNOWN)
		return true;
	if (now->requested != NOT_KNOWN && now->requested != before->requested)
		return false;
	if (now->answer != ANSWER_NOT_KNOWN && now->answer != ANSWER_NONE && now->answer != before->answer)
		return false;
	if (now->client_auth == before->client_auth || now->client_auth == CLIENT_AUTH_UNKNOWN)
		return true;
	/* the end was seen, and what came before it may not have been */
	return now->client_auth == CLIENT_AUTH_UNANSWERED || now->client_auth == CLIENT_AUTH_FAILED_BEFORE_REQUEST;
}

/* Whether what is told agrees with what one of the handshakes between the two was before. */
static bool agrees(const struct told *told, const struct all_told *before)
{
	bool any = false;
	size_t i;

	for (i = 0; i < before->count; i++) {
		const struct told *other = &before->told[i];
		bool same =
			same_endpoint(&told->client, &other->client) && same_endpoint(&told->server, &other->server);

		if (same && says_no_other(&told->verdict, &other->verdict))
			return true;
		any = any || same;
	}
	/* a hello that only shows where a bigger one was lost (TLS in TLS) makes no claim */
	return !any && told->verdict.client_auth == CLIENT_AUTH_UNKNOWN;
}

struct run {
	struct frames frames;
	struct frames mutated;
	struct all_told before;
	struct all_told now;
	uint64_t random;
	FILE *nowhere;
	size_t files;
	size_t contradictions;
	size_t compared;
};

static void compare(struct run *run, const char *path, enum mutation mutation)
{
	size_t i;

	for (i = 0; i < run->now.count; i++) {
		const struct told *told = &run->now.told[i];

		run->compared++;
		if (agrees(told, &run->before))
			continue;
		run->contradictions++;
		print_error("%s, %s: port %u to %u: client_auth %u, requested %u, answer %u; before it was", path,
		            mutation_names[mutation], told->client.port, told->server.port, told->verdict.client_auth,
		            told->verdict.requested, told->verdict.answer);
		for (size_t j = 0; j < run->before.count; j++)
			if (same_endpoint(&run->before.told[j].client, &told->client))
				print_error(" %u, %u, %u", run->before.told[j].verdict.client_auth,
				            run->before.told[j].verdict.requested, run->before.told[j].verdict.answer);
		print_error("\n");
	}
}

/* The file itself damaged: bytes changed anywhere, and its end missing. */
static void damage_file(struct run *run)
{
	FILE *file = memory_file();
	FILE *errors = stderr;
	long length;
	int i;

	write_frames(file, &run->frames);
	length = ftell(file);
	for (i = 0; i < 1 + length / 4096; i++) {
		fseek(file, one_of(&run->random, length), SEEK_SET);
		fputc(one_of(&run->random, 256), file);
	}
	fflush(file);
	assert_int_equal(ftruncate(fileno(file), length - one_of(&run->random, length / 4 + 1)), 0);
	/* what a damaged file makes the reader say is of no interest here */
	stderr = run->nowhere;
	read_capture(file, &run->now);
	stderr = errors;
	fclose(file);
}

static void mutate_file(struct run *run, const char *path)
{
	enum mutation mutation;
	int round;

	load(&run->frames, path);
	read_frames(&run->frames, &run->before);
	for (round = 0; round < ROUNDS && run->frames.count; round++) {
		for (mutation = DROP; mutation < HONEST; mutation++) {
			mutate(mutation, &run->mutated, &run->frames, &run->random);
			read_frames(&run->mutated, &run->now);
			compare(run, path, mutation);
		}
	}
	if (run->frames.count) {
		damage_file(run);
		mutate(FLIP, &run->mutated, &run->frames, &run->random);
		read_frames(&run->mutated, &run->now);
	}
	unload(&run->frames);
	run->files++;
}

static char *files[FILES_MAX];
static size_t files_count;

static int add_file(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void)walk;
	if (type == FTW_F && strstr(path, "cap") && status->st_size <= FILE_BYTES_MAX && files_count < FILES_MAX)
		files[files_count++] = strdup(path);
	return 0;
}

static int by_name(const void *left, const void *right)
{
	return strcmp(*(char *const *)left, *(char *const *)right);
}

/* The captures under a directory that lies beside the program, in an order that is always the same. */
static void find_files(const char *directory)
{
	char path[4096];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);

	assert_in_range(length, 1, sizeof(path) - 1);
	path[length] = '\0';
	*strrchr(path, '/') = '\0';
	strncat(path, directory, sizeof(path) - strlen(path) - 1);
	files_count = 0;
	nftw(path, add_file, 16, FTW_PHYS);
	qsort(files, files_count, sizeof(files[0]), by_name);
}

static void mutate_all(const char *directory, size_t files_least)
{
	struct run *run = calloc(1, sizeof(*run));
	const char *seed = getenv("MUTATION_SEED");
	struct rusage usage;
	size_t contradictions, i;

	assert_non_null(run);
	run->nowhere = fopen("/dev/null", "w");
	assert_non_null(run->nowhere);
	run->random = seed ? strtoull(seed, NULL, 0) | 1 : 0x9e3779b97f4a7c15;
	find_files(directory);
	if (files_count < files_least) {
		for (i = 0; i < files_count; i++)
			free(files[i]);
		fclose(run->nowhere);
		free(run);
		skip();
	}
	for (i = 0; i < files_count; i++) {
		mutate_file(run, files[i]);
		free(files[i]);
	}
	getrusage(RUSAGE_SELF, &usage);
	print_message("%zu captures, %zu handshakes compared, %ld MB at most\n", run->files, run->compared,
	              usage.ru_maxrss / 1024);
	contradictions = run->contradictions;
	assert_true(run->compared > run->files);
	assert_true(usage.ru_maxrss / 1024 < MEMORY_MB_MAX);
	fclose(run->nowhere);
	free(run);
	expect_number(directory, "contradictions", contradictions, 0);
}

static void own_captures(void **state)
{
	(void)state;
	mutate_all("/../../../tests/captures/own", 1);
}

static void other_captures(void **state)
{
	(void)state;
	mutate_all("/../../../../shared/captures", 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_captures),
		cmocka_unit_test(other_captures),
	};

	return cmocka_run_group_tests_name("mutation", tests, NULL, NULL);
}
