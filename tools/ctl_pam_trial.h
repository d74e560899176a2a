/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A stack tried on libpam before it is put in place: a copy of it in a private folder beside links
 * to all other service files, a conversation, nobody entered. In a child process, which has the
 * person's real user id and root's effective one, as sudo and su have.
 */
#ifndef MTLS_TOOLS_CTL_PAM_TRIAL_H
#define MTLS_TOOLS_CTL_PAM_TRIAL_H

#include "lib/base/buf.h"
#include "lib/base/err.h"

struct ctl_pam_trial {
	const char *service;
	const struct mtls_buf *text;
	const char *user; /* PAM_USER */
	const char *tty;  /* PAM_TTY, or NULL */
	uid_t uid;        /* the person */
	gid_t gid;
	/* The passphrase that the first question gets; NULL: the first question ends the trial. */
	const struct mtls_buf *secret;
};

enum ctl_pam_trial_end {
	CTL_PAM_TRIAL_BROKEN,  /* libpam does not take the file, or the trial did not end */
	CTL_PAM_TRIAL_DENIED,  /* without a question */
	CTL_PAM_TRIAL_ASKED,   /* something is asked that the trial does not answer */
	CTL_PAM_TRIAL_ENTERED, /* authenticate and account have let the person in */
};

/*
 * No failed password is counted against anybody: where the trial is asked for one, its process
 * ends at that question. @ret_said has what the modules said, or what is wrong.
 */
enum ctl_pam_trial_end ctl_pam_trial_run(const struct ctl_pam_trial *trial,
					 struct mtls_diag *ret_said);

#endif
