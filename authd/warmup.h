/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Everything that libraries do once, lazily, with files or unusual system calls, done before the
 * sandbox closes: time zone, random generators, JSON hash seed, and one whole mutual handshake with
 * a key of its own.
 */
#ifndef AUTHD_WARMUP_H
#define AUTHD_WARMUP_H

#include "lib/base/err.h"

/* 0 or an error with @diag. */
int warmup_run(struct mtls_diag *diag);

#endif
