/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * option_values - read the values of options: numbers, times, sizes, ports, addresses. Pure, but for the names of ports.
 *
 * Every function reads the whole text or fails: trailing characters, signs and numbers out of range are errors. Each
 * function returns 0 and sets its result; or -EINVAL (not such a value) or -ERANGE (outside the bounds), and sets nothing.
 */
#ifndef OPTION_VALUES_H
#define OPTION_VALUES_H

#include <stdint.h>
#include <sys/socket.h>

enum option_value_bounds {
	OPTION_SECONDS_MAX = 1000000000, /* some 30 years: as nanoseconds far below the limit of 64 bits */
};

/* The ports from first to last, both included; host byte order. */
struct port_range {
	uint16_t first;
	uint16_t last;
};

/* A decimal number from minimum to maximum, both included. */
int option_number(const char *text, uint64_t minimum, uint64_t maximum, uint64_t *value);

/*
 * A time: "10", "0.5", ".3" (seconds), or with one of the units ns, us, ms, s, m (minutes), h, d (days): "10m", "1.5h".
 * More than 0 ns, at most OPTION_SECONDS_MAX seconds.
 */
int option_time(const char *text, uint64_t *nanoseconds);

/* A size in bytes, or with one of the units K, M, G (powers of 1024), from minimum to maximum. */
int option_size(const char *text, uint64_t minimum, uint64_t maximum, uint64_t *bytes);

/* Ports: "443", "8000-8100", "https". Names are those of /etc/services; a few names of TLS services are built in. */
int option_ports(const char *text, struct port_range *range);

/*
 * An address and a port to listen on: "192.0.2.1:9813", "[::1]:9813". Without an address (":9813", "9813") the address is
 * 127.0.0.1. The address is numeric, because the meaning of a name can change.
 */
int option_address(const char *text, struct sockaddr_storage *address);

#endif /* OPTION_VALUES_H */
