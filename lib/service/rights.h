/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Giving up rights. Single-threaded processes only: the calls are per thread in the kernel. */
#ifndef MTLS_SERVICE_RIGHTS_H
#define MTLS_SERVICE_RIGHTS_H

#include <sys/types.h>

#include "lib/base/err.h"

/*
 * For good, and checked: @uid and @gid without supplementary groups, no capability, none by exec
 * either, no new privileges, not dumpable. With @uid 0 that is a uid without powers beyond owning
 * root's files. The parent-death signal is lost. 0, -errno, MTLS_E_BUG.
 */
int mtls_rights_give_up(uid_t uid, gid_t gid, struct mtls_diag *diag);

#endif
