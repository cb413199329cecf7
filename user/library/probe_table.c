// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "library/probe_table.h"

const struct library_kind_row library_kind_rows[LIBRARY_KINDS] = {
#define KIND(NAME, name, file) [LIBRARY_##NAME] = {#name, file},
	LIBRARY_KIND_TABLE(KIND)
#undef KIND
};

const struct probe_row probe_rows[PROBES] = {
#define PROBE(NAME, name, KIND, place, function) [PROBE_##NAME] = {#name, function, LIBRARY_##KIND, PROBE_AT_##place},
	LIBRARY_PROBE_TABLE(PROBE)
#undef PROBE
};
