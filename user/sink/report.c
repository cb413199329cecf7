// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "sink/report.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <time.h>

const char *report_role_name(uint8_t role)
{
	switch (role) {
	case ROLE_SERVER:
		return "server";
	case ROLE_CLIENT:
		return "client";
	default:
		return "observer";
	}
}

const char *report_side_name(uint8_t side)
{
	return side == FROM_CLIENT ? "client" : "server";
}

uint8_t report_trusted(const struct verification *verification)
{
	if (!verification->known)
		return NOT_KNOWN;
	return verification->result == FAILURE_NONE ? KNOWN_YES : KNOWN_NO;
}

bool report_has_ender(const struct handshake_facts *facts)
{
	return facts->end == END_ALERT || facts->end == END_FIN || facts->end == END_RST || facts->end == END_NOT_TLS;
}

uint8_t report_failure_by(const struct handshake *handshake)
{
	const struct handshake_facts *facts = &handshake->facts;
	const struct failure *failure = &handshake->failure;

	if (failure->reason == FAILURE_NONE || !report_has_ender(facts) || failure->by != facts->ended_by)
		return FAILURE_BY_NOBODY;
	return failure->by;
}

bool report_address(char text[REPORT_ADDRESS_MAX], const struct endpoint *endpoint, uint8_t family)
{
	if (family != 4 && family != 6)
		return false;
	return inet_ntop(family == 4 ? AF_INET : AF_INET6, endpoint->address, text, REPORT_ADDRESS_MAX) != NULL;
}

bool report_time(char text[REPORT_TIME_MAX], int64_t seconds)
{
	const time_t time = seconds;
	struct tm utc;

	/* four digits of year are all that X.509 can say (RFC 5280 section 4.1.2.5) */
	if (!gmtime_r(&time, &utc) || utc.tm_year < -1900 || utc.tm_year > 9999 - 1900)
		return false;
	/* strftime() does not fill small years with zeros; the remainders show the compiler that the text fits */
	snprintf(text, REPORT_TIME_MAX, "%04u-%02u-%02uT%02u:%02u:%02u", (utc.tm_year + 1900U) % 10000,
	         (utc.tm_mon + 1U) % 100, utc.tm_mday % 100U, utc.tm_hour % 100U, utc.tm_min % 100U, utc.tm_sec % 100U);
	return true;
}

void report_sha256(char text[2 * MESSAGE_SHA256 + 1], const uint8_t sha256[MESSAGE_SHA256])
{
	static const char digits[] = "0123456789ABCDEF";
	size_t i;

	for (i = 0; i < MESSAGE_SHA256; i++) {
		text[2 * i] = digits[sha256[i] >> 4];
		text[2 * i + 1] = digits[sha256[i] & 15];
	}
	text[2 * MESSAGE_SHA256] = '\0';
}
