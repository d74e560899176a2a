/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the host program told PAM, copied: libpam's own strings vanish when an item is set. */
#ifndef PAM_MTLS_ITEMS_H
#define PAM_MTLS_ITEMS_H

#include <stdbool.h>

#include <security/pam_modules.h>

#include "pam_mtls/prompt.h"

/* Owned strings; NULL: not set, or not fit to be sent (too long, control characters). */
struct items {
	char *service;
	char *user; /* as it stands, fit or not */
	char *tty, *rhost, *ruser;
	bool has_rhost; /* set at all, fit or not */
	struct prompt prompt;
};

/* 0, -ENOMEM, or MTLS_E_SYNTAX for a service name that cannot be sent. */
int items_read(pam_handle_t *pamh, int flags, struct items *ret);
void items_done(struct items *items);

/*
 * Asks for the name of the account, by pam_get_user(), and keeps it in @items. 0, -ENOMEM, -EIO
 * where nobody can be asked, MTLS_E_NOTFOUND for an empty answer.
 */
int items_ask_user(pam_handle_t *pamh, struct items *items);

#endif
