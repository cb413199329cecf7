/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* phase - the state of a connection, and its changes: one table of transitions. Pure. */
#ifndef TRACKING_PHASE_H
#define TRACKING_PHASE_H

#include <stdint.h>

enum phase {
	PHASE_HANDSHAKE,  /* the handshake has to begin, or to go on */
	PHASE_UNANSWERED, /* DTLS: no server has taken up the handshake */
	PHASE_LAST_WORD,  /* one side is done; the other side may still speak */
	PHASE_DOUBTED,    /* the remote end ended the handshake in a segment that TCP may refuse */
	PHASE_OVER,       /* the handshake has ended */
	PHASE_LIBRARY,    /* the handshake has ended; the TLS library at this end may still report */
	PHASE_FOLLOWED,   /* the handshake is reported; the connection may renegotiate */
	PHASE_OVERDUE,    /* the handshake took longer than the time-out, and may still go on */
	PHASES,
};

/* What happens to a connection. */
enum happening {
	HAPPENING_BEGINS,      /* a handshake begins inside the established connection */
	HAPPENING_ANSWERED,    /* the server takes up the handshake */
	HAPPENING_WAITS,       /* only the server's reaction to the client's flight is open */
	HAPPENING_GOES_ON,     /* more than that is open, and neither side has closed */
	HAPPENING_ONE_CLOSED,  /* a FIN by one side */
	HAPPENING_END_DOUBTED, /* an end that TCP may refuse */
	HAPPENING_ENDS,
	HAPPENING_TIMES_OUT,
	HAPPENING_STAYS_SILENT, /* the server has not reacted to the client's answer, and may still refuse it */
	HAPPENING_LIBRARY_OWES, /* the handshake has ended, and a library owes its last word */
	HAPPENING_REPORTED,     /* the record is out, and the connection lives on */
	HAPPENINGS,
};

/* The phase that follows. */
enum phase phase_after(enum phase phase, enum happening happening);

/* Nanoseconds without an event after which a connection in this phase is due; UINT64_MAX: never. */
uint64_t phase_time_to_live(enum phase phase, uint64_t handshake_timeout_ns);

#endif /* TRACKING_PHASE_H */
