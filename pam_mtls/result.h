/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Entry point x situation -> PAM code: one table, which is also a test. A situation is a
 * enum mtls_reason or one of the pseudo situations below.
 *
 * The codes that a person can bring about at will (empty passphrase, no certificate) are
 * PAM_AUTHINFO_UNAVAIL, so a stack in which the certificate is a *required* factor must not ignore
 * that code; pam_mtls(8) says so.
 */
#ifndef PAM_MTLS_RESULT_H
#define PAM_MTLS_RESULT_H

#include "lib/wire/reason.h"

enum result_entry {
	RESULT_AUTHENTICATE,
	RESULT_SETCRED,
	RESULT_ACCT_MGMT,
	RESULT_OPEN_SESSION,
	RESULT_CLOSE_SESSION,
	RESULT_CHAUTHTOK,
	RESULT_ENTRIES,
};

enum result_situation {
	RESULT_OFF = -1,       /* the kernel command line says mtls=off */
	RESULT_NOT_OURS = -2,  /* no successful authenticate of ours in this transaction */
	RESULT_NO_MEMORY = -3, /* memory is short */
	RESULT_FAULT = -4,     /* something that must not happen */
};

/* The PAM code. A situation without a row denies. */
int result_to_pam(enum result_entry entry, int situation);

/* The token for the log, the text for the person (English; see words.h). Never NULL. */
const char *result_token(int situation);
const char *result_text(int situation);

#endif
