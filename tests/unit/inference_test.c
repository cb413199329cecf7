// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The record lengths are those that stacks sent where they say so, or put together from RFC 8446: a record is the messages,
 * one byte of type and the tag.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "handshake/inference.h"

enum {
	AES_128_GCM_SHA256 = 0x1301,
	AES_256_GCM_SHA384 = 0x1302,
	CHACHA20_POLY1305_SHA256 = 0x1303,
	AES_128_CCM_SHA256 = 0x1304,
	AES_128_CCM_8_SHA256 = 0x1305,
};

struct vector {
	const char *name;
	uint16_t suite;
	uint16_t server[HANDSHAKE_RECORDS_MAX]; /* the server's flight */
	uint16_t client[HANDSHAKE_RECORDS_MAX]; /* the client's flight, and what comes behind it */
	uint16_t reply[HANDSHAKE_RECORDS_MAX];  /* the server's records behind those of the client */
	uint8_t replied_after;                  /* so many of them; 0: all */
	uint8_t expected_flight;
	uint8_t expected_reply;
	bool expected_open;
	bool pre_shared_key;
	bool more_messages;
	bool client_closed_first;
	uint8_t client_closed_after;
};

static const struct vector vectors[] = {
	{
		.name = "not requested: OpenSSL 3.0, two tickets",
		.suite = AES_256_GCM_SHA384,
		.server = {23, 815, 281, 69},
		.client = {69},
		.reply = {250, 250},
		.expected_flight = FLIGHT_FINISHED,
		.expected_reply = REPLY_WENT_ON,
	},
	{
		.name = "requested, client has none: OpenSSL 3.0",
		.suite = AES_256_GCM_SHA384,
		.server = {23, 62, 815, 281, 69},
		.client = {25, 69},
		.reply = {250},
		.expected_flight = FLIGHT_EMPTY,
		.expected_reply = REPLY_WENT_ON,
	},
	{
		.name = "requested, client answers: OpenSSL 3.0",
		.suite = AES_256_GCM_SHA384,
		.server = {23, 62, 815, 281, 69},
		.client = {811, 281, 69},
		.reply = {1000},
		.expected_flight = FLIGHT_CERTIFICATE,
		.expected_reply = REPLY_WENT_ON,
	},
	{
		.name = "required, client has none, its request follows: an alert",
		.suite = AES_256_GCM_SHA384,
		.server = {23, 89, 1498, 281, 69},
		.client = {25, 69, 96},
		.reply = {19},
		.expected_flight = FLIGHT_EMPTY,
		.expected_reply = REPLY_ALERT,
	},
	{
		.name = "SHA-256: Finished is 16 bytes shorter",
		.suite = CHACHA20_POLY1305_SHA256,
		.client = {53},
		.expected_flight = FLIGHT_FINISHED,
	},
	{
		.name = "SHA-256: no Finished is a byte longer",
		.suite = AES_128_GCM_SHA256,
		.client = {54},
		.expected_flight = FLIGHT_UNCLEAR,
	},
	{
		.name = "CCM: a tag of 16 bytes",
		.suite = AES_128_CCM_SHA256,
		.client = {25, 53},
		.expected_flight = FLIGHT_EMPTY,
	},
	{
		.name = "CCM_8: a tag of 8 bytes",
		.suite = AES_128_CCM_8_SHA256,
		.client = {17, 45},
		.reply = {11},
		.expected_flight = FLIGHT_EMPTY,
		.expected_reply = REPLY_ALERT,
	},
	{
		.name = "CCM_8: not requested",
		.suite = AES_128_CCM_8_SHA256,
		.client = {45},
		.expected_flight = FLIGHT_FINISHED,
	},
	{
		.name = "empty Certificate and Finished in one record",
		.suite = AES_256_GCM_SHA384,
		.client = {77},
		.expected_flight = FLIGHT_EMPTY,
	},
	{
		.name = "a long record, then Finished: an empty Certificate may be padded so",
		.suite = AES_128_GCM_SHA256,
		.client = {1075, 53},
		.expected_flight = FLIGHT_UNCLEAR,
	},
	{
		.name = "empty Certificate padded to 300 bytes beside a server that asks: asked, and no more is known",
		.suite = AES_256_GCM_SHA384,
		.server = {23, 62, 815, 281, 69},
		.client = {300, 69, 23},
		.reply = {250},
		.expected_flight = FLIGHT_ANSWER,
		.expected_reply = REPLY_WENT_ON,
	},
	{
		.name = "empty Certificate padded to a Finished's length beside a server that asks: asked",
		.suite = AES_256_GCM_SHA384,
		.server = {23, 62, 815, 281, 69},
		.client = {69, 69, 23},
		.reply = {250},
		.expected_flight = FLIGHT_UNCLEAR,
		.expected_reply = REPLY_WENT_ON,
	},
	{
		.name = "the same, before the second record",
		.suite = AES_256_GCM_SHA384,
		.server = {23, 62, 815, 281, 69},
		.client = {69},
		.expected_flight = FLIGHT_ANSWER,
	},
	{
		.name = "Finished padded to an empty answer's length beside a server that does not ask: nothing is "
			"known",
		.suite = AES_256_GCM_SHA384,
		.server = {23, 815, 281, 69},
		.client = {77, 23},
		.reply = {250},
		.expected_flight = FLIGHT_UNCLEAR,
		.expected_reply = REPLY_WENT_ON,
	},
	{
		.name = "a flight of three records beside a server that does not ask: nothing is known",
		.suite = AES_256_GCM_SHA384,
		.server = {23, 815, 281, 69},
		.client = {811, 281, 69},
		.expected_flight = FLIGHT_UNCLEAR,
	},
	{
		.name = "a Certificate cut into records of 69 bytes: GnuTLS with a record size limit",
		.suite = AES_256_GCM_SHA384,
		.server = {23, 66, 815, 281, 69},
		.client = {69, 69, 69, 69, 69, 40, 69, 69, 45, 69},
		.expected_flight = FLIGHT_UNCLEAR,
	},
	{
		.name = "a Certificate cut into records of an empty answer's length",
		.suite = AES_256_GCM_SHA384,
		.client = {77, 77, 77, 77, 60, 77, 77, 20, 69},
		.expected_flight = FLIGHT_UNCLEAR,
	},
	{
		.name = "Finished, the server goes on, and data of the same length: nothing was cut",
		.suite = AES_256_GCM_SHA384,
		.server = {23, 815, 281, 69},
		.client = {69, 69},
		.reply = {250},
		.replied_after = 1,
		.expected_flight = FLIGHT_FINISHED,
		.expected_reply = REPLY_WENT_ON,
	},
	{
		.name = "a Certificate of the server in two records is no request",
		.suite = AES_256_GCM_SHA384,
		.server = {23, 16401, 900, 281, 69},
		.client = {69},
		.expected_flight = FLIGHT_FINISHED,
	},
	{
		.name = "ALPS: the client's EncryptedExtensions and Finished in one record",
		.suite = AES_128_GCM_SHA256,
		.server = {712},
		.client = {63, 117},
		.more_messages = true,
		.expected_flight = FLIGHT_FINISHED,
	},
	{
		.name = "ALPS: the client's EncryptedExtensions, an empty Certificate and Finished in one record",
		.suite = AES_256_GCM_SHA384,
		.server = {712},
		.client = {87, 117},
		.more_messages = true,
		.expected_flight = FLIGHT_EMPTY,
	},
	{
		.name = "ALPS offered, and no room for it in the server's EncryptedExtensions: a browser's certificate",
		.suite = AES_128_GCM_SHA256,
		.server = {23, 62, 815, 281, 53},
		.client = {1645, 117},
		.more_messages = true,
		.expected_flight = FLIGHT_CERTIFICATE,
	},
	{
		.name = "ALPS offered, and room for it: asked all the same",
		.suite = AES_128_GCM_SHA256,
		.server = {60, 62, 815, 281, 53},
		.client = {1645, 117},
		.more_messages = true,
		.expected_flight = FLIGHT_ANSWER,
	},
	{
		.name = "a Certificate of two records",
		.suite = AES_128_GCM_SHA256,
		.client = {16401, 3000, 281, 53},
		.expected_flight = FLIGHT_CERTIFICATE,
	},
	{
		.name = "all in one record: padding could look so",
		.suite = AES_128_GCM_SHA256,
		.server = {712},
		.client = {645},
		.reply = {200, 100},
		.expected_flight = FLIGHT_UNCLEAR,
		.expected_reply = REPLY_WENT_ON,
		.expected_open = true,
	},
	{
		.name = "all in one record, data behind it: the client does not pad",
		.suite = AES_128_GCM_SHA256,
		.server = {712},
		.client = {645, 117},
		.reply = {200, 100},
		.expected_flight = FLIGHT_CERTIFICATE,
		.expected_reply = REPLY_WENT_ON,
	},
	{
		.name = "all in one record of a length that somebody may pad a handshake to",
		.suite = AES_128_GCM_SHA256,
		.server = {712},
		.client = {512 + 16, 117},
		.expected_flight = FLIGHT_UNCLEAR,
	},
	{
		.name = "the same in decimal",
		.suite = AES_128_GCM_SHA256,
		.server = {712},
		.client = {250 + 16, 117},
		.expected_flight = FLIGHT_UNCLEAR,
	},
	{
		.name = "all records of a client are padded to a block of 601 bytes",
		.suite = AES_128_GCM_SHA256,
		.server = {712},
		.client = {601 + 16, 2 * 601 + 16, 601 + 16},
		.expected_flight = FLIGHT_UNCLEAR,
	},
	{
		.name = "one byte less than a Certificate, CertificateVerify and Finished have",
		.suite = AES_128_GCM_SHA256,
		.server = {712},
		.client = {181, 117},
		.expected_flight = FLIGHT_UNCLEAR,
	},
	{
		.name = "a browser that may put a message of its own before Finished",
		.suite = AES_128_GCM_SHA256,
		.server = {712},
		.client = {189, 117},
		.more_messages = true,
		.expected_flight = FLIGHT_UNCLEAR,
	},
	{
		.name = "the same browser, which has not",
		.suite = AES_128_GCM_SHA256,
		.server = {712},
		.client = {53, 117},
		.more_messages = true,
		.expected_flight = FLIGHT_FINISHED,
	},
	{
		.name = "RFC 8448 section 3: simple 1-RTT",
		.suite = AES_128_GCM_SHA256,
		.server = {674},
		.client = {53, 67},
		.reply = {222, 67},
		.expected_flight = FLIGHT_FINISHED,
		.expected_reply = REPLY_WENT_ON,
	},
	{
		.name = "RFC 8448 section 4: resumed, EndOfEarlyData before Finished (its early data came before "
			"ServerHello)",
		.suite = AES_128_GCM_SHA256,
		.pre_shared_key = true,
		.server = {97},
		.client = {21, 53, 67},
		.reply = {67, 19},
		.expected_flight = FLIGHT_FINISHED,
		.expected_reply = REPLY_WENT_ON,
	},
	{
		.name = "RFC 8448 section 5, behind the HelloRetryRequest",
		.suite = AES_128_GCM_SHA256,
		.server = {662},
		.client = {53, 19},
		.reply = {19},
		.expected_flight = FLIGHT_FINISHED,
		.expected_reply = REPLY_PARTING,
	},
	{
		.name = "RFC 8448 section 6: client authentication, each flight in one record; the client's "
			"close_notify",
		.suite = AES_128_GCM_SHA256,
		.server = {534},
		.client = {640, 19},
		.reply = {19},
		.expected_flight = FLIGHT_CERTIFICATE,
		.expected_reply = REPLY_PARTING,
	},
	{
		.name = "RFC 8448 section 6, as long as the client has said no more",
		.suite = AES_128_GCM_SHA256,
		.server = {534},
		.client = {640},
		.expected_flight = FLIGHT_UNCLEAR,
		.expected_open = true,
	},
	{
		.name = "RFC 8448 section 7: compatibility mode",
		.suite = AES_128_GCM_SHA256,
		.server = {674},
		.client = {53, 19},
		.reply = {19},
		.expected_flight = FLIGHT_FINISHED,
		.expected_reply = REPLY_PARTING,
	},
	{
		.name = "a server whose padding does not show: one record may be an alert",
		.suite = AES_256_GCM_SHA384,
		.server = {256, 1792, 512, 256, 272},
		.client = {25, 69},
		.reply = {272},
		.expected_flight = FLIGHT_EMPTY,
		.expected_reply = REPLY_PARTING,
	},
	{
		.name = "all in one record, data behind it: what is padded to a block has its multiples alone",
		.suite = AES_128_GCM_SHA256,
		.server = {23, 62, 815, 281, 53},
		.client = {1645, 117},
		.expected_flight = FLIGHT_CERTIFICATE,
	},
	{
		.name = "padded to 256 bytes: asked, but an empty answer looks like any",
		.suite = AES_256_GCM_SHA384,
		.server = {23, 62, 815, 281, 69},
		.client = {272, 272, 528},
		.expected_flight = FLIGHT_ANSWER,
	},
	{
		.name = "all in one record, and the server's flight has one for CertificateRequest: asked",
		.suite = AES_128_GCM_SHA256,
		.server = {23, 62, 815, 281, 53},
		.client = {645},
		.reply = {200},
		.expected_flight = FLIGHT_CERTIFICATE_ONLY,
		.expected_reply = REPLY_WENT_ON,
		.expected_open = true,
	},
	{
		.name = "the same of a length that somebody may pad to: asked, and no more is known",
		.suite = AES_128_GCM_SHA256,
		.server = {23, 62, 815, 281, 53},
		.client = {512 + 16},
		.reply = {200},
		.expected_flight = FLIGHT_ANSWER,
		.expected_reply = REPLY_WENT_ON,
		.expected_open = true,
	},
	{
		.name = "padded to 512 bytes: Finished, then data",
		.suite = AES_256_GCM_SHA384,
		.server = {23, 815, 281, 69},
		.client = {528, 528, 528},
		.reply = {250},
		.expected_flight = FLIGHT_UNCLEAR,
		.expected_reply = REPLY_WENT_ON,
	},
	{
		.name = "something short that is no message of a flight",
		.suite = AES_256_GCM_SHA384,
		.client = {30, 69},
		.expected_flight = FLIGHT_UNCLEAR,
	},
	{
		.name = "an empty Certificate, and nothing behind it yet",
		.suite = AES_256_GCM_SHA384,
		.client = {25},
		.expected_flight = FLIGHT_EMPTY_ONLY,
	},
	{
		.name = "an empty Certificate, and then no Finished",
		.suite = AES_256_GCM_SHA384,
		.client = {25, 70},
		.expected_flight = FLIGHT_UNCLEAR,
	},
	{
		.name = "an alert instead of a flight: the client refuses the server's certificate",
		.suite = AES_256_GCM_SHA384,
		.server = {23, 815, 281, 69},
		.client = {19},
		.expected_flight = FLIGHT_ALERT,
	},
	{
		.name = "a record of an alert's length that data follows is none",
		.suite = AES_256_GCM_SHA384,
		.server = {23, 62, 815, 281, 69},
		.client = {25, 69},
		.reply = {19, 250},
		.expected_flight = FLIGHT_EMPTY,
		.expected_reply = REPLY_WENT_ON,
	},
	{
		.name = "GnuTLS refuses a certificate with two alerts",
		.suite = AES_256_GCM_SHA384,
		.server = {23, 66, 815, 281, 69},
		.client = {811, 281, 69},
		.reply = {19, 19},
		.expected_flight = FLIGHT_CERTIFICATE,
		.expected_reply = REPLY_ALERT,
	},
	{
		.name = "a server's flight of more records than are looked at: its answer is not seen",
		.suite = AES_256_GCM_SHA384,
		.server = {64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
                           64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64},
		.client = {811, 281, 69},
		.expected_flight = FLIGHT_CERTIFICATE,
		.expected_reply = REPLY_UNSEEN,
	},
	{
		.name = "the client says close_notify: the server's may be the answer to it",
		.suite = AES_256_GCM_SHA384,
		.client = {25, 69, 19},
		.reply = {19},
		.expected_flight = FLIGHT_EMPTY,
		.expected_reply = REPLY_PARTING,
	},
	{
		.name = "the client says close_notify, the server's ticket comes all the same",
		.suite = AES_256_GCM_SHA384,
		.client = {25, 69, 19},
		.reply = {250, 19},
		.expected_flight = FLIGHT_EMPTY,
		.expected_reply = REPLY_WENT_ON,
	},
	{
		.name = "the client says close_notify when it has read the server's alert: GnuTLS in curl",
		.suite = AES_256_GCM_SHA384,
		.server = {49, 62, 1693, 281, 69},
		.client = {871, 281, 69, 80, 19},
		.reply = {19},
		.replied_after = 4,
		.expected_flight = FLIGHT_CERTIFICATE,
		.expected_reply = REPLY_ALERT,
	},
	{
		.name = "the client's close_notify before the first of the server's alerts, another behind",
		.suite = AES_256_GCM_SHA384,
		.server = {49, 62, 1693, 281, 69},
		.client = {871, 281, 69, 19, 19},
		.reply = {19},
		.replied_after = 4,
		.expected_flight = FLIGHT_CERTIFICATE,
		.expected_reply = REPLY_PARTING,
	},
	{
		.name = "the client's FIN came before the server's last word",
		.suite = AES_256_GCM_SHA384,
		.client = {25, 69},
		.reply = {19},
		.client_closed_first = true,
		.expected_flight = FLIGHT_EMPTY,
		.expected_reply = REPLY_PARTING,
	},
	{
		.name = "GnuTLS refuses with two alerts, and the client's FIN comes between them",
		.suite = AES_256_GCM_SHA384,
		.server = {23, 110, 896, 281, 69},
		.client = {871, 281, 69, 35},
		.reply = {19, 19},
		.client_closed_first = true,
		.client_closed_after = 6,
		.expected_flight = FLIGHT_CERTIFICATE,
		.expected_reply = REPLY_ALERT,
	},
	{
		.name = "resumed, with early data and EndOfEarlyData before Finished",
		.suite = AES_256_GCM_SHA384,
		.pre_shared_key = true,
		.server = {23, 69},
		.client = {300, 21, 69},
		.reply = {250},
		.expected_flight = FLIGHT_FINISHED,
		.expected_reply = REPLY_WENT_ON,
	},
	{
		.name = "JSSE pads by 16 bytes: not requested",
		.suite = AES_256_GCM_SHA384,
		.server = {23, 1498, 281, 69},
		.client = {85},
		.reply = {39},
		.expected_flight = FLIGHT_FINISHED,
		.expected_reply = REPLY_WENT_ON,
	},
	{
		.name = "JSSE, not requested, then data of lengths that a flight has elsewhere",
		.suite = AES_256_GCM_SHA384,
		.server = {23, 1498, 281, 69},
		.client = {85, 300, 69},
		.expected_flight = FLIGHT_FINISHED,
	},
	{
		.name = "JSSE: requested, client has none; OpenSSL refuses",
		.suite = AES_256_GCM_SHA384,
		.server = {23, 89, 1498, 281, 69},
		.client = {41, 85},
		.reply = {19},
		.expected_flight = FLIGHT_EMPTY,
		.expected_reply = REPLY_ALERT,
	},
	{
		.name = "JSSE: requested, client answers",
		.suite = AES_256_GCM_SHA384,
		.server = {23, 89, 1498, 281, 69},
		.client = {748, 297, 85},
		.reply = {39},
		.expected_flight = FLIGHT_CERTIFICATE,
		.expected_reply = REPLY_WENT_ON,
	},
	{
		.name = "JSSE: a Certificate, which OpenSSL refuses before CertificateVerify is there",
		.suite = AES_256_GCM_SHA384,
		.server = {23, 89, 1498, 281, 69},
		.client = {887},
		.reply = {19},
		.expected_flight = FLIGHT_CERTIFICATE_ONLY,
		.expected_reply = REPLY_ALERT,
		.expected_open = true,
	},
	{
		.name = "the same, and JSSE goes on before it has read that",
		.suite = AES_256_GCM_SHA384,
		.server = {23, 89, 1498, 281, 69},
		.client = {887, 297, 85},
		.reply = {19},
		.replied_after = 1,
		.expected_flight = FLIGHT_CERTIFICATE,
		.expected_reply = REPLY_ALERT,
	},
	{
		.name = "JSSE: a Certificate of a length that somebody may pad to",
		.suite = AES_256_GCM_SHA384,
		.server = {23, 89, 1498, 281, 69},
		.client = {896 + 16},
		.reply = {19},
		.expected_flight = FLIGHT_ANSWER,
		.expected_reply = REPLY_ALERT,
		.expected_open = true,
	},
	{
		.name = "JSSE: an empty Certificate, which is refused before Finished is there",
		.suite = AES_256_GCM_SHA384,
		.server = {65, 160, 912, 297, 85},
		.client = {41, 85},
		.reply = {35},
		.replied_after = 1,
		.expected_flight = FLIGHT_EMPTY,
		.expected_reply = REPLY_ALERT,
	},
	{
		.name = "the same, and the client closes when it has read that",
		.suite = AES_256_GCM_SHA384,
		.server = {65, 160, 912, 297, 85},
		.client = {41, 85},
		.reply = {35},
		.replied_after = 1,
		.client_closed_first = true,
		.client_closed_after = 6,
		.expected_flight = FLIGHT_EMPTY,
		.expected_reply = REPLY_ALERT,
	},
	{
		.name = "a client that closed before the alert came",
		.suite = AES_256_GCM_SHA384,
		.server = {65, 160, 912, 297, 85},
		.client = {41, 85},
		.reply = {35},
		.replied_after = 1,
		.client_closed_first = true,
		.client_closed_after = 5,
		.expected_flight = FLIGHT_EMPTY,
		.expected_reply = REPLY_PARTING,
	},
	{
		.name = "what the server says in the middle of the client's flight, and is no alert, answers nothing",
		.suite = AES_256_GCM_SHA384,
		.server = {65, 160, 912, 297, 85},
		.client = {41, 85},
		.reply = {250},
		.replied_after = 1,
		.expected_flight = FLIGHT_EMPTY,
		.expected_reply = REPLY_NONE,
	},
	{
		.name = "an alert's length in the middle of it, and data behind that: it was none",
		.suite = AES_256_GCM_SHA384,
		.server = {65, 160, 912, 297, 85},
		.client = {41, 85},
		.reply = {35, 250},
		.replied_after = 1,
		.expected_flight = FLIGHT_EMPTY,
		.expected_reply = REPLY_NONE,
	},
	{
		.name = "JSSE cannot sign, and says so: the server's alert may answer that",
		.suite = AES_256_GCM_SHA384,
		.server = {23, 89, 1498, 281, 69},
		.client = {887, 35},
		.reply = {19},
		.expected_flight = FLIGHT_CERTIFICATE,
		.expected_reply = REPLY_PARTING,
	},
	{
		.name = "another client that cannot",
		.suite = AES_256_GCM_SHA384,
		.server = {23, 89, 1498, 281, 69},
		.client = {871, 19},
		.reply = {19},
		.expected_flight = FLIGHT_CERTIFICATE,
		.expected_reply = REPLY_PARTING,
	},
	{
		.name = "a server that pads like JSSE: its alert is longer",
		.suite = AES_128_GCM_SHA256,
		.server = {39, 78, 831, 297, 69},
		.client = {25, 53},
		.reply = {35},
		.expected_flight = FLIGHT_EMPTY,
		.expected_reply = REPLY_ALERT,
	},
	{
		.name = "a server that does not pad: the same length is data",
		.suite = AES_128_GCM_SHA256,
		.server = {23, 62, 815, 281, 53},
		.client = {25, 53},
		.reply = {35},
		.expected_flight = FLIGHT_EMPTY,
		.expected_reply = REPLY_WENT_ON,
	},
	{
		.name = "SSLEngine: the server's flight in one record, and its alert",
		.suite = AES_128_GCM_SHA256,
		.server = {1400},
		.client = {25, 53},
		.reply = {35},
		.expected_flight = FLIGHT_EMPTY,
		.expected_reply = REPLY_ALERT,
	},
	{
		.name = "a server whose padding does not show: a record of another length may be a padded alert",
		.suite = AES_128_GCM_SHA256,
		.server = {1400},
		.client = {25, 53},
		.reply = {36},
		.expected_flight = FLIGHT_EMPTY,
		.expected_reply = REPLY_PARTING,
	},
	{
		.name = "data behind what may be a padded Finished: records in no order of a Certificate",
		.suite = AES_256_GCM_SHA384,
		.server = {23, 815, 281, 69},
		.client = {528, 300, 900, 400, 69},
		.expected_flight = FLIGHT_UNCLEAR,
	},
	{
		.name = "a suite of which nothing is known",
		.suite = 0x13ff,
		.client = {69},
		.expected_flight = FLIGHT_NONE,
	},
};

/* Returns behind the last that was added. */
static const uint16_t *add_records(struct handshake_records *records, const uint16_t *lengths, uint8_t count,
                                   uint8_t after)
{
	int index;

	for (index = 0; index < count && lengths[index]; index++) {
		assert_in_range(records->count, 0, HANDSHAKE_RECORDS_MAX - 1);
		records->length[records->count] = lengths[index];
		records->after[records->count++] = after;
	}
	return lengths + index;
}

static struct handshake_facts facts_of(const struct vector *vector)
{
	struct handshake_facts facts = {
		.client_hello = true,
		.server_hello = true,
		.version_1_3 = true,
		.cipher_suite = vector->suite,
		.pre_shared_key = vector->pre_shared_key,
		.more_messages = vector->more_messages,
		.client_closed_first = vector->client_closed_first,
		.client_closed_after = vector->client_closed_after,
	};
	struct handshake_records *client = &facts.client_records, *server = &facts.server_records;
	uint8_t first = vector->replied_after ?: HANDSHAKE_RECORDS_MAX;
	const uint16_t *rest;

	add_records(server, vector->server, HANDSHAKE_RECORDS_MAX, 0);
	rest = add_records(client, vector->client, first, server->count);
	add_records(server, vector->reply, HANDSHAKE_RECORDS_MAX, client->count);
	add_records(client, rest, HANDSHAKE_RECORDS_MAX - client->count, server->count);
	return facts;
}

static void test_vectors(void **state)
{
	(void)state;
	for (size_t index = 0; index < sizeof(vectors) / sizeof(*vectors); index++) {
		struct handshake_facts facts = facts_of(&vectors[index]);
		struct inference inference = inference_of(&facts);

		if (inference.flight != vectors[index].expected_flight ||
		    inference.reply != vectors[index].expected_reply || inference.open != vectors[index].expected_open)
			fail_msg("%s: flight %u, reply %u, open %u; expected %u, %u, %u", vectors[index].name,
			         inference.flight, inference.reply, inference.open, vectors[index].expected_flight,
			         vectors[index].expected_reply, vectors[index].expected_open);
	}
}

/*
 * One record of any length, beside a server whose flight is in one record: only the lengths that RFC 8446 fixes say anything.
 */
static void test_every_single_length(void **state)
{
	(void)state;
	for (uint32_t length = 1; length <= 16384 + 256; length++) {
		struct vector vector = {.suite = AES_256_GCM_SHA384, .server = {1190}, .client = {length}};
		struct handshake_facts facts = facts_of(&vector);
		uint8_t expected = FLIGHT_UNCLEAR;

		switch (length) {
		case 2 + 17:
		case 2 + 16 + 17:
			expected = FLIGHT_ALERT;
			break;
		case 4 + 4 + 17:
		case 4 + 4 + 16 + 17:
			expected = FLIGHT_EMPTY_ONLY;
			break;
		case 4 + 48 + 17:
		case 4 + 48 + 16 + 17:
			expected = FLIGHT_FINISHED;
			break;
		case 4 + 4 + 4 + 48 + 17:
		case 4 + 4 + 4 + 48 + 16 + 17:
			expected = FLIGHT_EMPTY;
			break;
		}
		if (inference_of(&facts).flight != expected)
			fail_msg("length %u: flight %u, expected %u", length, inference_of(&facts).flight, expected);
	}
}

/* The same beside a server's flight that requests: what is long enough to be an answer is one. */
static void test_every_answer(void **state)
{
	(void)state;
	for (uint32_t length = 78; length <= 16384 + 256; length++) {
		struct vector vector = {
			.suite = AES_256_GCM_SHA384, .server = {23, 62, 815, 281, 69}, .client = {length}};
		struct handshake_facts facts = facts_of(&vector);
		bool is_block = (length - 16) % 64 == 0 || (length - 16) % 50 == 0;
		uint8_t expected = is_block ? FLIGHT_ANSWER : FLIGHT_CERTIFICATE_ONLY;

		/* the shortest that has a Certificate, a CertificateVerify and a Finished: else an answer with padding */
		if (length < 198)
			expected = FLIGHT_ANSWER;
		if (length == 4 + 4 + 4 + 48 + 16 + 17)
			expected = FLIGHT_EMPTY;
		if (inference_of(&facts).flight != expected)
			fail_msg("length %u: flight %u, expected %u", length, inference_of(&facts).flight, expected);
	}
}

/* Who refused: the server, by its alert or by leaving, and not a client that leaves, nor a silence. */
static void test_refused(void **state)
{
	static const struct {
		uint8_t reply, end, by;
		bool expected;
	} cases[] = {
		{REPLY_ALERT, END_FIN, FROM_SERVER, true},       {REPLY_ALERT, END_FIN, FROM_CLIENT, true},
		{REPLY_ALERT, END_RST, FROM_CLIENT, true},       {REPLY_ALERT, END_COMPLETED, FROM_CLIENT, false},
		{REPLY_ALERT, END_NONE, FROM_CLIENT, false},     {REPLY_ALERT, END_TIMEOUT, FROM_CLIENT, false},
		{REPLY_NONE, END_FIN, FROM_SERVER, true},        {REPLY_NONE, END_RST, FROM_SERVER, true},
		{REPLY_NONE, END_FIN, FROM_CLIENT, false},       {REPLY_NONE, END_RST, FROM_CLIENT, false},
		{REPLY_NONE, END_COMPLETED, FROM_SERVER, false}, {REPLY_NONE, END_NONE, FROM_SERVER, false},
		{REPLY_WENT_ON, END_FIN, FROM_SERVER, false},    {REPLY_PARTING, END_FIN, FROM_SERVER, false},
		{REPLY_UNSEEN, END_FIN, FROM_SERVER, false},
	};

	(void)state;
	for (size_t index = 0; index < sizeof(cases) / sizeof(*cases); index++) {
		const struct handshake_facts facts = {.end = cases[index].end, .ended_by = cases[index].by};
		const struct inference inference = {.flight = FLIGHT_CERTIFICATE, .reply = cases[index].reply};

		if (inference_refused(&facts, &inference) != cases[index].expected)
			fail_msg("reply %u, end %u by %u: expected %u", inference.reply, facts.end, facts.ended_by,
			         cases[index].expected);
	}
}

/* Hostile counts: every number of records that the facts can hold, of lengths that look like the end of a flight. */
static void test_full_records(void **state)
{
	struct handshake_facts facts = {.version_1_3 = true, .cipher_suite = AES_128_GCM_SHA256};

	(void)state;
	for (uint8_t client = 0; client <= HANDSHAKE_RECORDS_MAX; client++) {
		for (uint8_t server = 0; server <= HANDSHAKE_RECORDS_MAX; server++) {
			facts.client_records.count = client;
			facts.server_records.count = server;
			for (int index = 0; index < HANDSHAKE_RECORDS_MAX; index++) {
				facts.client_records.length[index] = index % 2 ? 53 : 200;
				facts.client_records.after[index] = server;
				facts.server_records.length[index] = 19;
			}
			assert_in_range(inference_of(&facts).flight, FLIGHT_NONE, FLIGHT_UNCLEAR);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),      cmocka_unit_test(test_every_single_length),
		cmocka_unit_test(test_every_answer), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_full_records),
	};

	return cmocka_run_group_tests_name("inference", tests, NULL, NULL);
}
