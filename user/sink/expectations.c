// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sink/expectations.h"

#include "handshake/policy.h"
#include "system/log.h"

#include <inttypes.h>
#include <stddef.h>

/* The entry of a line; NULL: there are too many lines. */
static struct expectations_line *find_line(struct expectations *expectations, const struct policy_judgement *judgement)
{
	struct expectations_line *line = expectations->line, *end = line + expectations->lines;

	for (; line < end; line++)
		if (line->line == judgement->line && line->expectation == judgement->expectation)
			return line;
	if (expectations->lines == EXPECTATIONS_LINES_MAX)
		return NULL;
	expectations->lines++;
	line->line = judgement->line;
	line->expectation = judgement->expectation;
	return line;
}

static int take(void *state, const struct handshake *handshake)
{
	const struct policy_judgement *judgement = &handshake->policy;
	struct expectations *expectations = state;
	struct expectations_line *line;

	if (judgement->expectation == POLICY_NOTHING || judgement->result >= POLICY_RESULTS)
		return 0;
	expectations->results[judgement->result]++;
	if (judgement->result != POLICY_BROKEN || judgement->breach >= POLICY_BREACHES)
		return 0;
	line = find_line(expectations, judgement);
	if (line)
		line->broken[judgement->breach]++;
	else
		expectations->other_lines++;
	return 0;
}

struct sink expectations_sink(struct expectations *expectations)
{
	static const struct sink_class class = {.name = "expectations", .take = take};

	return (struct sink){.class = &class, .state = expectations, .needs = SINK_NEEDS_UNFILTERED};
}

bool expectations_are_broken(const struct expectations *expectations)
{
	return expectations->results[POLICY_BROKEN];
}

void expectations_summarize(const struct expectations *expectations, const char *path)
{
	log_notice("%s: %" PRIu64 " handshakes as expected, %" PRIu64 " broke an expectation, %" PRIu64
	           " cannot be judged",
	           path, expectations->results[POLICY_KEPT], expectations->results[POLICY_BROKEN],
	           expectations->results[POLICY_UNJUDGED]);
	for (uint32_t index = 0; index < expectations->lines; index++) {
		const struct expectations_line *line = &expectations->line[index];

		for (uint8_t breach = 0; breach < POLICY_BREACHES; breach++)
			if (line->broken[breach])
				log_notice("%s, line %u: %s: broken by %" PRIu64 " handshakes (%s)", path, line->line,
				           policy_expectation_name(line->expectation), line->broken[breach],
				           policy_breach_name(breach) ?: "other");
	}
	if (expectations->other_lines)
		log_notice("%s: %" PRIu64 " more handshakes broke the expectations of further lines", path,
		           expectations->other_lines);
}
