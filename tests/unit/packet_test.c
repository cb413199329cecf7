// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "capture/packet.h"

#include "frame.h"

#include <pcap/dlt.h>

enum {
	TCP_HEADER = 32,
	TCP_ENOUGH = 14, /* up to the flags */
	DLT_OF_NOTHING = 9999,
};

/* A frame that carries the segment; where its TCP header begins is the same in all: behind what make_ put before it. */
struct carried {
	const char *name;
	int datalink;
	int family;
	void (*make)(struct message_bytes *frame);
};

static void make_ethernet(struct message_bytes *frame)
{
	put_ethernet(frame, 0x0800);
	put_ipv4_tcp(frame);
}

static void make_ethernet_6(struct message_bytes *frame)
{
	put_ethernet(frame, 0x86dd);
	put_ipv6_tcp(frame);
}

static void make_vlan(struct message_bytes *frame)
{
	put_ethernet(frame, 0x8100);
	put_vlan(frame, 5, 0x0800);
	put_ipv4_tcp(frame);
}

static void make_qinq(struct message_bytes *frame)
{
	put_ethernet(frame, 0x88a8);
	put_vlan(frame, 100, 0x8100);
	put_vlan(frame, 5, 0x86dd);
	put_ipv6_tcp(frame);
}

static void make_qinq_old(struct message_bytes *frame)
{
	put_ethernet(frame, 0x9100);
	put_vlan(frame, 100, 0x8100);
	put_vlan(frame, 5, 0x0800);
	put_ipv4_tcp(frame);
}

static void make_mpls(struct message_bytes *frame)
{
	put_ethernet(frame, 0x8847);
	put_hex(frame, "0006404000072140"); /* labels 100 and 114; the bottom of the stack is the second */
	put_ipv4_tcp(frame);
}

static void make_mpls_6(struct message_bytes *frame)
{
	put_ethernet(frame, 0x8847);
	put_hex(frame, "00064140");
	put_ipv6_tcp(frame);
}

static void make_pppoe(struct message_bytes *frame)
{
	size_t length;

	put_ethernet(frame, 0x8864);
	put_hex(frame, "11000001");
	length = vector_begin(frame, 2);
	put_number(frame, 2, 0x0021);
	put_ipv4_tcp(frame);
	vector_end(frame, 2, length);
}

static void make_snap(struct message_bytes *frame)
{
	put_ethernet(frame, 100);
	put_hex(frame, "aaaa030000000800");
	put_ipv4_tcp(frame);
}

static void make_cooked(struct message_bytes *frame)
{
	put_hex(frame, "000000010006020000000001"
	               "0000"
	               "0800");
	put_ipv4_tcp(frame);
}

static void make_cooked_2(struct message_bytes *frame)
{
	put_hex(frame, "86dd0000"
	               "00000002"
	               "0001"
	               "00"
	               "06"
	               "0200000000010000");
	put_ipv6_tcp(frame);
}

static void make_null_little(struct message_bytes *frame)
{
	put_hex(frame, "02000000");
	put_ipv4_tcp(frame);
}

static void make_null_darwin(struct message_bytes *frame)
{
	put_hex(frame, "1e000000");
	put_ipv6_tcp(frame);
}

static void make_loop(struct message_bytes *frame)
{
	put_hex(frame, "00000018");
	put_ipv6_tcp(frame);
}

static void make_ppp(struct message_bytes *frame)
{
	put_hex(frame, "ff030057");
	put_ipv6_tcp(frame);
}

static void make_ppp_compressed(struct message_bytes *frame)
{
	put_hex(frame, "21");
	put_ipv4_tcp(frame);
}

static void make_ipv4_options(struct message_bytes *frame)
{
	size_t at = ipv4_begin(frame, IPPROTO_TCP, FRAME_IPV4_SOURCE, FRAME_IPV4_DESTINATION, 1, 0x4000);

	frame->data[at] = 0x47;
	put_hex(frame, "9404000001010101");
	put_tcp(frame);
	ipv4_end(frame, at);
}

static void make_ipv6_extensions(struct message_bytes *frame)
{
	size_t at = ipv6_begin(frame, IPPROTO_HOPOPTS);

	put_hex(frame, "3c00010400000000"); /* hop by hop */
	put_hex(frame, "2b01"
	               "010c000000000000000000000000"); /* destination options, 16 bytes */
	put_hex(frame, "3300000000000000");             /* routing */
	put_hex(frame, "2c0400000000000100000001"
	               "000000000000000000000000"); /* authentication, 24 bytes */
	put_hex(frame, "0600000000000007");         /* one fragment that is the whole packet */
	put_tcp(frame);
	ipv6_end(frame, at);
}

static void make_gre(struct message_bytes *frame)
{
	size_t at = ipv4_begin(frame, IPPROTO_GRE, "c0000201", "c0000202", 1, 0);

	put_hex(frame, "00000800");
	put_ipv4_tcp(frame);
	ipv4_end(frame, at);
}

static void make_gre_ethernet(struct message_bytes *frame)
{
	size_t at = ipv6_begin(frame, IPPROTO_GRE);

	put_hex(frame, "b0006558"
	               "00000000"
	               "00000001"
	               "00000002"); /* checksum, key and sequence */
	make_vlan(frame);
	ipv6_end(frame, at);
}

static void make_pptp(struct message_bytes *frame)
{
	size_t at = ipv4_begin(frame, IPPROTO_GRE, "c0000201", "c0000202", 1, 0);

	put_hex(frame, "3081880b"
	               "00000001"
	               "00000001"
	               "00000002"); /* version 1: key, sequence, acknowledgement */
	make_ppp_compressed(frame);
	ipv4_end(frame, at);
}

static void make_4_in_4(struct message_bytes *frame)
{
	size_t at = ipv4_begin(frame, IPPROTO_IPIP, "c0000201", "c0000202", 1, 0);

	put_ipv4_tcp(frame);
	ipv4_end(frame, at);
}

static void make_6_in_4(struct message_bytes *frame)
{
	size_t at = ipv4_begin(frame, IPPROTO_IPV6, "c0000201", "c0000202", 1, 0);

	put_ipv6_tcp(frame);
	ipv4_end(frame, at);
}

static void make_4_in_6(struct message_bytes *frame)
{
	size_t at = ipv6_begin(frame, IPPROTO_IPIP);

	put_ipv4_tcp(frame);
	ipv6_end(frame, at);
}

static void make_6_in_6(struct message_bytes *frame)
{
	size_t at = ipv6_begin(frame, IPPROTO_IPV6);

	put_ipv6_tcp(frame);
	ipv6_end(frame, at);
}

static void put_udp_tunnel(struct message_bytes *frame, uint16_t port, const char *header,
                           void (*inner)(struct message_bytes *))
{
	size_t at = ipv4_begin(frame, IPPROTO_UDP, "c0000201", "c0000202", 1, 0);
	size_t udp = udp_begin(frame, port);

	put_hex(frame, header);
	inner(frame);
	udp_end(frame, udp);
	ipv4_end(frame, at);
}

static void make_vxlan(struct message_bytes *frame)
{
	put_udp_tunnel(frame, 4789, "0800000000002a00", make_vlan);
}

static void make_vxlan_linux(struct message_bytes *frame)
{
	put_udp_tunnel(frame, 8472, "0800000000002a00", make_ethernet_6);
}

static void make_geneve(struct message_bytes *frame)
{
	put_udp_tunnel(frame, 6081,
	               "0240655800002a00"
	               "0102800100000000",
	               make_ethernet);
}

static void make_geneve_ip(struct message_bytes *frame)
{
	put_udp_tunnel(frame, 6081, "0000080000002a00", put_ipv4_tcp);
}

static void make_gtp(struct message_bytes *frame)
{
	put_udp_tunnel(frame, 2152,
	               "34ff000000000001"
	               "00000085"
	               "01100900",
	               put_ipv4_tcp);
}

static void make_frame_padding(struct message_bytes *frame)
{
	make_ethernet(frame);
	put_hex(frame, "a5a5a5a5a5a5");
}

/* A packet that says it is longer than the PPPoE frame around it: padding below that was counted in. */
static void put_ethernet_ipv4(struct message_bytes *frame)
{
	put_ethernet(frame, 0x0800);
	put_ipv4_tcp(frame);
}

static void make_erspan_1(struct message_bytes *frame)
{
	size_t at = ipv4_begin(frame, IPPROTO_GRE, "c0000201", "c0000202", 1, 0);

	put_hex(frame, "000088be");
	put_ethernet_ipv4(frame);
	ipv4_end(frame, at);
}

static void make_erspan_2(struct message_bytes *frame)
{
	size_t at = ipv4_begin(frame, IPPROTO_GRE, "c0000201", "c0000202", 1, 0);

	put_hex(frame, "100088be"
	               "00000007"
	               "10050c0100000000");
	put_ethernet_ipv4(frame);
	ipv4_end(frame, at);
}

static void make_erspan_3(struct message_bytes *frame)
{
	size_t at = ipv4_begin(frame, IPPROTO_GRE, "c0000201", "c0000202", 1, 0);

	put_hex(frame, "100022eb"
	               "00000007"
	               "20050c010000000700000000");
	put_ethernet_ipv4(frame);
	ipv4_end(frame, at);
}

static void make_erspan_3_ip(struct message_bytes *frame)
{
	size_t at = ipv4_begin(frame, IPPROTO_GRE, "c0000201", "c0000202", 1, 0);

	put_hex(frame, "100022eb"
	               "00000007"
	               "20050c010000000700000801" /* the frame's type is 2, and a header follows */
	               "0102030405060708");
	put_ipv4_tcp(frame);
	ipv4_end(frame, at);
}

static void make_tzsp(struct message_bytes *frame)
{
	size_t at = ipv4_begin(frame, IPPROTO_UDP, "c0000201", "c0000202", 1, 0);
	size_t datagram = udp_begin(frame, 37008);

	put_hex(frame, "01000001"
	               "00"
	               "0a02beef"
	               "01"); /* padding, a tag of two bytes, the end */
	put_ethernet_ipv4(frame);
	udp_end(frame, datagram);
	ipv4_end(frame, at);
}

static void make_metadata(struct message_bytes *frame)
{
	put_ethernet(frame, 0x8909);
	put_hex(frame, "01010001000a0800");
	put_ipv4_tcp(frame);
}

/* A packet header, a prefix of three bytes and its padding, then the packet. */
static void make_nflog(struct message_bytes *frame)
{
	put_hex(frame, "02000005"
	               "0800010008000000"
	               "07000a0061620000");
	put_hex(frame, "c8000900");
	put_ipv4_tcp(frame);
}

static void make_nflog_big_endian(struct message_bytes *frame)
{
	put_hex(frame, "0a000005"
	               "0008000186dd0000"
	               "00c80009");
	put_ipv6_tcp(frame);
}

static void make_padding_counted(struct message_bytes *frame)
{
	make_pppoe(frame);
	set_number_16(frame, 14 + 8 + 2, frame->length - 14 - 8 + 6);
	put_zeros(frame, 6);
}

static const struct carried carried[] = {
	{"Ethernet", DLT_EN10MB, 4, make_ethernet},
	{"Ethernet, IPv6", DLT_EN10MB, 6, make_ethernet_6},
	{"VLAN", DLT_EN10MB, 4, make_vlan},
	{"QinQ", DLT_EN10MB, 6, make_qinq},
	{"QinQ before the standard", DLT_EN10MB, 4, make_qinq_old},
	{"MPLS", DLT_EN10MB, 4, make_mpls},
	{"MPLS, IPv6", DLT_EN10MB, 6, make_mpls_6},
	{"PPPoE", DLT_EN10MB, 4, make_pppoe},
	{"SNAP", DLT_EN10MB, 4, make_snap},
	{"Linux cooked", DLT_LINUX_SLL, 4, make_cooked},
	{"Linux cooked 2", DLT_LINUX_SLL2, 6, make_cooked_2},
	{"BSD loopback", DLT_NULL, 4, make_null_little},
	{"BSD loopback, Darwin", DLT_NULL, 6, make_null_darwin},
	{"OpenBSD loopback", DLT_LOOP, 6, make_loop},
	{"PPP", DLT_PPP, 6, make_ppp},
	{"PPP, compressed", DLT_PPP, 4, make_ppp_compressed},
	{"raw IPv4", DLT_RAW, 4, put_ipv4_tcp},
	{"raw IPv6", DLT_RAW, 6, put_ipv6_tcp},
	{"IPv4", DLT_IPV4, 4, put_ipv4_tcp},
	{"IPv6", DLT_IPV6, 6, put_ipv6_tcp},
	{"IPv4 options", DLT_RAW, 4, make_ipv4_options},
	{"IPv6 extension headers", DLT_RAW, 6, make_ipv6_extensions},
	{"GRE", DLT_RAW, 4, make_gre},
	{"GRE with options, Ethernet", DLT_RAW, 4, make_gre_ethernet},
	{"PPTP", DLT_RAW, 4, make_pptp},
	{"IPv4 in IPv4", DLT_RAW, 4, make_4_in_4},
	{"IPv6 in IPv4", DLT_RAW, 6, make_6_in_4},
	{"IPv4 in IPv6", DLT_RAW, 4, make_4_in_6},
	{"IPv6 in IPv6", DLT_RAW, 6, make_6_in_6},
	{"VXLAN", DLT_RAW, 4, make_vxlan},
	{"VXLAN on Linux's port", DLT_RAW, 6, make_vxlan_linux},
	{"GENEVE", DLT_RAW, 4, make_geneve},
	{"GENEVE, IP", DLT_RAW, 4, make_geneve_ip},
	{"GTP with an extension", DLT_RAW, 4, make_gtp},
	{"ERSPAN I", DLT_RAW, 4, make_erspan_1},
	{"ERSPAN II", DLT_RAW, 4, make_erspan_2},
	{"ERSPAN III", DLT_RAW, 4, make_erspan_3},
	{"ERSPAN III, platform header, IP", DLT_RAW, 4, make_erspan_3_ip},
	{"TZSP", DLT_RAW, 4, make_tzsp},
	{"Cisco MetaData", DLT_EN10MB, 4, make_metadata},
	{"NFLOG", DLT_NFLOG, 4, make_nflog},
	{"NFLOG, captured by a big-endian host", DLT_NFLOG, 6, make_nflog_big_endian},
	{"padding of the frame", DLT_EN10MB, 4, make_frame_padding},
	{"padding counted in", DLT_EN10MB, 4, make_padding_counted},
};

static void expect_headers(const char *name, const struct packet *packet, int family)
{
	size_t address = family == 4 ? 4 : 16;

	expect_number(name, "kind", packet->kind, PACKET_TCP);
	expect_number(name, "family", packet->family, family);
	expect_hex(name, "source", packet->source, address, family == 4 ? FRAME_IPV4_SOURCE : FRAME_IPV6_SOURCE);
	expect_hex(name, "destination", packet->destination, address,
	           family == 4 ? FRAME_IPV4_DESTINATION : FRAME_IPV6_DESTINATION);
	expect_number(name, "source port", packet->source_port, FRAME_SOURCE_PORT);
	expect_number(name, "destination port", packet->destination_port, FRAME_DESTINATION_PORT);
	expect_number(name, "sequence", packet->sequence, FRAME_SEQUENCE);
	expect_number(name, "acknowledgement", packet->acknowledgement, FRAME_ACKNOWLEDGEMENT);
	expect_number(name, "flags", packet->tcp_flags, PACKET_ACK);
	expect_number(name, "payload's length", packet->length, strlen(FRAME_PAYLOAD));
}

/* Where the payload is in the frame. */
static size_t payload_at(const struct message_bytes *frame)
{
	const uint8_t *found = memmem(frame->data, frame->length, FRAME_PAYLOAD, strlen(FRAME_PAYLOAD));

	assert_non_null(found);
	return found - frame->data;
}

static void every_carrier_gives_the_segment(void **state)
{
	struct message_bytes frame;
	struct packet packet;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(carried) / sizeof(carried[0]); i++) {
		frame.length = 0;
		carried[i].make(&frame);
		packet_parse(carried[i].datalink, frame.data, frame.length, frame.length, &packet);
		expect_headers(carried[i].name, &packet, carried[i].family);
		expect_number(carried[i].name, "bytes captured", packet.captured, strlen(FRAME_PAYLOAD));
		expect_number(carried[i].name, "payload's place", packet.payload - frame.data, payload_at(&frame));
	}
}

/* A capture cut short anywhere: the segment with what is there of its payload, or nothing; never a byte too many. */
static void cut_short_anywhere(void **state)
{
	struct message_bytes frame;
	struct guarded_bytes cut;
	struct packet packet;
	size_t i, length, payload, kept;

	(void)state;
	for (i = 0; i < sizeof(carried) / sizeof(carried[0]); i++) {
		frame.length = 0;
		carried[i].make(&frame);
		payload = payload_at(&frame);
		for (length = 0; length < frame.length; length++) {
			cut = guarded_copy(frame.data, length);
			packet_parse(carried[i].datalink, cut.data, length, frame.length, &packet);
			if (length < payload - TCP_HEADER + TCP_ENOUGH) {
				expect_number(carried[i].name, "kind where cut", packet.kind, PACKET_LEFT_OUT);
				expect_number(carried[i].name, "left out", packet.left_out, LEFT_OUT_CUT);
			} else {
				kept = length < payload ? 0 : length - payload;
				if (kept > strlen(FRAME_PAYLOAD))
					kept = strlen(FRAME_PAYLOAD);
				expect_headers(carried[i].name, &packet, carried[i].family);
				expect_number(carried[i].name, "bytes captured where cut", packet.captured, kept);
			}
			guarded_free(&cut);
		}
	}
}

/* The same where the frame itself says that it is no longer. */
static void chopped_anywhere(void **state)
{
	struct message_bytes frame;
	struct guarded_bytes cut;
	struct packet packet;
	size_t i, length;

	(void)state;
	for (i = 0; i < sizeof(carried) / sizeof(carried[0]); i++) {
		frame.length = 0;
		carried[i].make(&frame);
		for (length = 0; length < frame.length; length++) {
			cut = guarded_copy(frame.data, length);
			packet_parse(carried[i].datalink, cut.data, length, length, &packet);
			/* the datagram around a tunnel's header that is not whole may be any datagram */
			if (packet.kind == PACKET_TCP || packet.kind == PACKET_UDP) {
				assert_in_range(packet.captured, 0, packet.length);
				assert_true(packet.payload + packet.captured <= cut.data + length);
			} else {
				expect_number(carried[i].name, "kind where chopped", packet.kind, PACKET_LEFT_OUT);
			}
			guarded_free(&cut);
		}
	}
}

struct refused {
	const char *name;
	int datalink;
	const char *hex;
	enum packet_left_out left_out;
};

#define ETHERNET               "020000000001020000000002"
#define IPV4(length, protocol) "4500" length "0001000040" protocol "0000" FRAME_IPV4_SOURCE FRAME_IPV4_DESTINATION

static const struct refused refused[] = {
	{"unknown link type", DLT_OF_NOTHING, "00", LEFT_OUT_LINK_TYPE},
	{"ARP", DLT_EN10MB, ETHERNET "08060001", LEFT_OUT_NOT_IP},
	{"spanning tree", DLT_EN10MB, ETHERNET "00264242030000000000", LEFT_OUT_NOT_IP},
	{"MACsec", DLT_EN10MB, ETHERNET "88e500000000", LEFT_OUT_ENCRYPTED},
	{"netlink", DLT_LINUX_SLL,
         "00040338000000000000000000000000"
         "45",
         LEFT_OUT_NOT_IP},
	{"loopback of no family", DLT_NULL, "63000000", LEFT_OUT_NOT_IP},
	{"PPPoE of another version", DLT_EN10MB, ETHERNET "8864210000010002002145", LEFT_OUT_MALFORMED},
	{"PPPoE longer than its frame", DLT_EN10MB, ETHERNET "8864110000010100002145", LEFT_OUT_MALFORMED},
	{"PPP control", DLT_PPP, "ff03c021", LEFT_OUT_NOT_IP},
	{"MPLS pseudowire", DLT_EN10MB,
         ETHERNET "8847"
                  "00064140"
                  "00000000",
         LEFT_OUT_TUNNEL},
	{"IPv4 of version 5", DLT_IPV4, "5500001400010000400600000a0102030a040506", LEFT_OUT_MALFORMED},
	{"IPv4 header of 16 bytes", DLT_IPV4, "4400001400010000400600000a0102030a040506", LEFT_OUT_MALFORMED},
	{"IPv4 shorter than its header", DLT_IPV4, "4500001300010000400600000a0102030a040506", LEFT_OUT_MALFORMED},
	{"ICMP", DLT_RAW, IPV4("001c", "01") "0800000000000000", LEFT_OUT_NOT_TCP},
	{"ESP", DLT_RAW, IPV4("001c", "32") "0000000100000001", LEFT_OUT_ENCRYPTED},
	{"TCP header of 16 bytes", DLT_RAW, IPV4("0028", "06") "c82201bb00000001000000024010000000000000",
         LEFT_OUT_MALFORMED},
	{"TCP header longer than the packet", DLT_RAW, IPV4("0028", "06") "c82201bb00000001000000026010000000000000",
         LEFT_OUT_MALFORMED},
	{"UDP shorter than its header", DLT_RAW, IPV4("001c", "11") "9c4001bb00070000", LEFT_OUT_MALFORMED},
	{"GRE with routing", DLT_RAW, IPV4("0018", "2f") "40000800", LEFT_OUT_TUNNEL},
	{"GRE of version 2", DLT_RAW, IPV4("0018", "2f") "00020800", LEFT_OUT_TUNNEL},
	{"PPTP acknowledgement", DLT_RAW, IPV4("0020", "2f") "2081880b0000000100000001", LEFT_OUT_NOT_TCP},
	{"GTP extension of no length", DLT_RAW, IPV4("0028", "11") "9c4008680014000034ff000000000001000000c0",
         LEFT_OUT_MALFORMED},
};

static void what_is_left_out(void **state)
{
	struct message_bytes bytes;
	struct guarded_bytes frame;
	struct packet packet;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		bytes.length = 0;
		put_hex(&bytes, refused[i].hex);
		frame = guarded_copy(bytes.data, bytes.length);
		packet_parse(refused[i].datalink, frame.data, frame.length, frame.length, &packet);
		expect_number(refused[i].name, "kind", packet.kind, PACKET_LEFT_OUT);
		expect_text(refused[i].name, "left out", packet_left_out_name(packet.left_out),
		            packet_left_out_name(refused[i].left_out));
		guarded_free(&frame);
	}
}

/* Headers within headers for ever. */
static void too_many_layers(void **state)
{
	struct message_bytes frame = {.length = 0};
	struct packet packet;
	int i;

	(void)state;
	put_ethernet(&frame, 0x8100);
	for (i = 0; i < PACKET_LAYERS_MAX; i++)
		put_vlan(&frame, 5, 0x8100);
	put_vlan(&frame, 5, 0x0800);
	put_ipv4_tcp(&frame);
	packet_parse(DLT_EN10MB, frame.data, frame.length, frame.length, &packet);
	expect_number("VLAN tags", "kind", packet.kind, PACKET_LEFT_OUT);
	expect_number("VLAN tags", "left out", packet.left_out, LEFT_OUT_LAYERS);
}

/* A datagram to a tunnel's port that is no tunnel's is a datagram. */
static void tunnel_ports_are_not_enough(void **state)
{
	static const uint16_t ports[] = {4789, 8472, 6081, 2152};
	static const char dtls[] = "16fefd0000000000000000";
	struct message_bytes frame;
	struct packet packet;
	size_t i, at, udp;

	(void)state;
	for (i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		frame.length = 0;
		at = ipv4_begin(&frame, IPPROTO_UDP, FRAME_IPV4_SOURCE, FRAME_IPV4_DESTINATION, 1, 0);
		udp = udp_begin(&frame, ports[i]);
		put_hex(&frame, dtls);
		udp_end(&frame, udp);
		ipv4_end(&frame, at);
		packet_parse(DLT_RAW, frame.data, frame.length, frame.length, &packet);
		expect_number("datagram", "kind", packet.kind, PACKET_UDP);
		expect_number("datagram", "destination port", packet.destination_port, ports[i]);
		expect_number("datagram", "length", packet.length, strlen(dtls) / 2);
	}
}

/* A segment that a device is still to divide: IPv4 has no total length yet. */
static void total_length_of_zero(void **state)
{
	struct message_bytes frame = {.length = 0};
	struct packet packet;

	(void)state;
	put_ipv4_tcp(&frame);
	set_number_16(&frame, 2, 0);
	packet_parse(DLT_RAW, frame.data, frame.length, frame.length, &packet);
	expect_headers("total length 0", &packet, 4);
}

static void flags_of_tcp(void **state)
{
	static const uint8_t flags[] = {PACKET_FIN, PACKET_SYN, PACKET_RST, PACKET_ACK, PACKET_SYN | PACKET_ACK,
	                                PACKET_URG};
	struct message_bytes frame;
	struct packet packet;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(flags); i++) {
		frame.length = 0;
		put_ipv4_tcp(&frame);
		frame.data[20 + 13] = flags[i] | 0xc8; /* with PSH, ECE and CWR, which do not matter */
		packet_parse(DLT_RAW, frame.data, frame.length, frame.length, &packet);
		expect_number("TCP", "flags", packet.tcp_flags, flags[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_carrier_gives_the_segment),
		cmocka_unit_test(cut_short_anywhere),
		cmocka_unit_test(chopped_anywhere),
		cmocka_unit_test(what_is_left_out),
		cmocka_unit_test(too_many_layers),
		cmocka_unit_test(tunnel_ports_are_not_enough),
		cmocka_unit_test(total_length_of_zero),
		cmocka_unit_test(flags_of_tcp),
	};

	return cmocka_run_group_tests_name("packet", tests, NULL, NULL);
}
