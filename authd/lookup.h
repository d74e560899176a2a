/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The lookup process: answers one query at a time through NSS. It runs as the daemon's user in a
 * fresh image of this program, so it holds no key and no certificate; it may hang, then it is
 * killed.
 */
#ifndef AUTHD_LOOKUP_H
#define AUTHD_LOOKUP_H

#include <sys/types.h>

#include "lib/mapping/query.h"

/*
 * The sentinel key: service x509 answers it exactly when its snapshot is readable. The same text
 * stands in lib/acctdb, which the daemon does not link.
 */
#define LOOKUP_PROBE "probe:"

/*
 * Serves queries of @kind from the socket on standard input until its other end is closed.
 * @supervisor: the process whose end is ours too. Returns an exit code.
 */
int lookup_run(enum mtls_lookup_kind kind, pid_t supervisor);

/*
 * The services of database @database ("passwd") in the text of an nsswitch.conf, without x509 and
 * what stands in brackets behind it. 1 and @out when x509 was there, 0 when there is nothing to
 * change, MTLS_E_LIMIT. Pure.
 */
int lookup_order_without_x509(const char *nsswitch, const char *database, char *out, size_t size);

#endif
