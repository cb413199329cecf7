// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "handshake/event_id.h"

static char *write_hexadecimal(char *text, uint64_t number)
{
	static const char digits[] = "0123456789abcdef";

	for (int shift = 60; shift >= 0; shift -= 4)
		*text++ = digits[number >> shift & 15];
	return text;
}

void event_id_next(struct event_ids *ids, char id[EVENT_ID_MAX])
{
	id = write_hexadecimal(id, ids->run);
	id = write_hexadecimal(id, ++ids->last);
	*id = '\0';
}
