/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* `mtlsctl try`, run as a person by root: whether what was just made lets the person in. */
#ifndef MTLS_TOOLS_CTL_TRIAL_H
#define MTLS_TOOLS_CTL_TRIAL_H

#include <jansson.h>

#include "tools/ctl_person.h"

enum ctl_trial_verdict {
	CTL_TRIAL_NONE, /* there is nobody to ask: mtls-authd does not answer, no pam_mtls.conf */
	CTL_TRIAL_ALLOWED,
	CTL_TRIAL_REFUSED,
};

struct ctl_trial {
	enum ctl_trial_verdict verdict;
	struct mtls_diag text; /* why, with what to do */
	json_t *json;          /* what `try --json` printed; owned; NULL: nothing */
};

struct ctl_trial_plan {
	const char *dir, *service;
	const char *key_file; /* as the person sees it; NULL: what is in ~/.config/mtls */
	/* Or a key elsewhere: a word of `sources`; its URI; where its agent listens. NULL: none. */
	const char *source, *uri, *socket;
};

/* 0, or a negative error: it could not be run. */
int ctl_trial_run(const struct ctl_person *person, const struct ctl_trial_plan *plan,
		  const struct mtls_buf *secret, struct ctl_trial *ret, struct mtls_diag *diag);
void ctl_trial_done(struct ctl_trial *trial);

#endif
