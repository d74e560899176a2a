/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The signers of one login: started from a person's sources, spoken to through the half, ended. */
#ifndef PAM_MTLS_SIGNERS_H
#define PAM_MTLS_SIGNERS_H

#include "pam_mtls/half.h"
#include "pam_mtls/person.h"
#include "signer/start.h"

struct signers {
	struct signer_process processes[PERSON_SOURCES_MAX];
	struct signer_client *clients[PERSON_SOURCES_MAX]; /* owned; by signers_connect() */
	bool secret_required[PERSON_SOURCES_MAX];
	size_t count;
	const struct half_ops *half; /* set by signers_connect() */
};

/*
 * Starts one signer for each of @count sources of @person from @first on; they load while the
 * caller goes on. 0 or -errno; what was started by then is ended by signers_done() all the same.
 */
int signers_start(struct signers *signers, const struct person *person, size_t first, size_t count,
		  const struct mtls_settings_pam *settings, struct mtls_diag *diag);

/* Makes clients of the sockets. 0 or -ENOMEM. */
int signers_connect(struct signers *signers, const struct half_ops *half);

/* Closes, ends, reaps. The struct is empty and usable again. */
void signers_done(struct signers *signers);

#endif
