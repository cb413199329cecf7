/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* plaintext - connections to a service known to speak TLS that begin with other bytes. */
#ifndef PLAINTEXT_BPF_H
#define PLAINTEXT_BPF_H

#include "bpf/shared/service_set.h"
#include "hook/emit.bpf.h"

/* Written by userspace; an empty set costs one load. */
struct service_set services;

/* Whether one end of the connection is a service known to speak TLS. */
static __always_inline int ends_are_of_service(const struct ends *ends, __u8 family)
{
	struct service_key service = {.port = ends->local_port, .family = family};

	__builtin_memcpy(service.address, ends->local_address, sizeof(service.address));
	if (service_set_has(&flow_key, &services, &service))
		return 1;
	service.port = ends->remote_port;
	__builtin_memcpy(service.address, ends->remote_address, sizeof(service.address));
	if (service_set_has(&flow_key, &services, &service))
		return 1;
	__builtin_memset(service.address, 0, sizeof(service.address));
	service.family = 0;
	if (service_set_has(&flow_key, &services, &service))
		return 1;
	service.port = ends->local_port;
	return service_set_has(&flow_key, &services, &service);
}

/* Whether the connection of the packet at hand has a service at one end. Asked once. */
__noinline int connection_is_of_service(struct __sk_buff *skb, __u32 where)
{
	struct packet packet = {};
	struct ends ends;

	if (!packet_at_hand(skb, where, &packet))
		return 0;
	ends_of(skb, &packet, where_index(where), &ends);
	return ends_are_of_service(&ends, packet.family);
}

/* Tell the first bytes of the packet at hand. */
__noinline int connection_tell_plaintext(struct __sk_buff *skb, __u32 where)
{
	struct bytes_at at = {.kind = EVENT_PLAINTEXT};
	struct packet packet = {};
	struct sight sight;

	if (!packet_at_hand(skb, where, &packet) || !packet.payload_length ||
	    !sight_take(&sight, skb, connection_of_packet(skb, where, &packet), where))
		return 0;
	at.position = packet.sequence;
	at.offset = packet.payload_offset;
	at.length = packet.payload_length < EVENT_PLAINTEXT_MAX ? packet.payload_length : EVENT_PLAINTEXT_MAX;
	emit_bytes(&sight, &at);
	return 0;
}

/*
 * Call after the walk of the current packet. If the connection has no ClientHello and no beginning of a ClientHello
 * yet, and one end is a service known to speak TLS, report the first bytes. The functions do not call each other: the
 * stack is short.
 */
static __always_inline void connection_look_for_plaintext(const struct sight *sight)
{
	struct connection *connection = sight->connection;
	const struct tls_walk *walk = &sight->direction->walk;

	if (!services.count || connection->plaintext || connection->hello || walk->flags & TLS_WALK_CANDIDATE ||
	    !walk->searched)
		return;
	connection->plaintext = 1;
	if (!connection_is_of_service(sight->skb, sight->where))
		return;
	emit_open(sight);
	connection_tell_plaintext(sight->skb, sight->where);
}

#endif /* PLAINTEXT_BPF_H */
