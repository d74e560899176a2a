/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which uids and gids an owned account may have: a window, and numbers refused always. */
#ifndef MTLS_NAME_ID_H
#define MTLS_NAME_ID_H

#include <stdbool.h>
#include <stdint.h>

#define MTLS_ID_WINDOW_MIN 2000200001U
#define MTLS_ID_WINDOW_MAX 2147352575U

struct mtls_id_window {
	uint32_t min; /* both ends belong to the window */
	uint32_t max;
};

/* Refused whatever the window says: 0-999, 60001-60577, 61184-65519, 65534, 65535, >= 2^31. */
bool mtls_id_reserved(uint32_t id);

/* In the window and not reserved. */
bool mtls_id_allowed(const struct mtls_id_window *window, uint32_t id);

#define MTLS_ID_FOREIGN_MAX 8

/* The window, and what the administrator admits outside of it by explicit ranges. */
struct mtls_id_rules {
	struct mtls_id_window window; /* new ids come from here only */
	struct mtls_id_window foreign[MTLS_ID_FOREIGN_MAX];
	uint32_t foreign_count;
};

/* In the window or a foreign range, and not reserved. */
bool mtls_id_admitted(const struct mtls_id_rules *rules, uint32_t id);

#endif
