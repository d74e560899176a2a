/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How often codes may be tried: TRIES_BURST in a row, then one every TRIES_REFILL_MS. Counted for
 * the machine, not for the terminal or the account.
 *
 * The clock is the time since the machine was started (CLOCK_BOOTTIME): it neither jumps nor knows
 * the date. The count lives where a restart clears it, and restarting takes longer than waiting.
 */
#ifndef PAM_MTLS_RESCUE_TRIES_H
#define PAM_MTLS_RESCUE_TRIES_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"

#define TRIES_FOLDER    MTLS_RUNDIR "-rescue"
#define TRIES_BURST     5
#define TRIES_REFILL_MS 60000

/* Milliseconds since the machine was started. */
uint64_t tries_now_ms(void);

/*
 * Takes one try at @now_ms, counted in @folder, which is made if it is not there; with @peek it is
 * only asked whether there is one. The caller holds the lock of the codes. 0: go on;
 * MTLS_E_LIMIT: none left for @ret_wait_s seconds; anything else: it cannot be counted, so do not
 * go on. A count that cannot be understood counts as used up.
 */
int tries_take(const char *folder, uint64_t now_ms, bool peek, uint32_t *ret_wait_s,
	       struct mtls_diag *diag);

#endif
