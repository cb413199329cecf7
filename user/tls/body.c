// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tls/body.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void body_begin(struct body *body, uint8_t type, uint32_t length)
{
	body->type = type;
	body->length = length;
	body->have = 0;
}

/* Memory grows with the received bytes, not with the claim of a hostile header. */
static int body_reserve(struct body *body, uint32_t needed)
{
	uint32_t capacity = body->capacity ?: 512;
	uint8_t *data;

	if (needed <= body->capacity)
		return 0;
	while (capacity < needed)
		capacity *= 2;
	data = realloc(body->data, capacity);
	if (!data)
		return -ENOMEM;
	body->data = data;
	body->capacity = capacity;
	return 0;
}

int body_add(struct body *body, uint32_t position, const uint8_t *data, size_t length)
{
	uint32_t limit = body->length < BODY_MAX ? body->length : BODY_MAX;
	uint32_t known, count;
	int error;

	if (position > body->have)
		return -ENODATA;
	known = body->have - position;
	if (length <= known)
		return 0;
	length -= known;
	count = length < limit - body->have ? length : limit - body->have;
	error = body_reserve(body, body->have + count);
	if (error)
		return error;
	if (count)
		memcpy(body->data + body->have, data + known, count);
	body->have += count;
	return count < length ? -EMSGSIZE : 0;
}

bool body_complete(const struct body *body)
{
	return body->have == body->length;
}

void body_release(struct body *body)
{
	free(body->data);
	*body = (struct body){};
}
