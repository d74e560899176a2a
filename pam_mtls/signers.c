/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Starting the signers: who they become and what they may look at. The host's thread; owns the
 * processes.
 */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/base/str.h"
#include "pam_mtls/signers.h"
#include "signer/command.h"

static int start_one(const struct person_source *source, bool change_user,
		     const struct mtls_settings_pam *settings, struct signer_process *ret,
		     struct mtls_diag *diag)
{
	_cleanup_(mtls_strv_freep) char **argv = NULL;
	_cleanup_free_ gid_t *groups = NULL;
	size_t group_count = 0;
	const struct signer_command command = {
		.kind = source->kind,
		.settings = settings,
		.uid = source->user->uid,
		.home = source->user->home,
		.folder = source->home,
		.files = source->files,
		.address = source->address,
	};
	int rc = signer_command_argv(&command, &argv);
	if (rc == 0 && change_user)
		rc = user_groups(source->user, &groups, &group_count);
	if (rc < 0)
		return mtls_diag_set(diag, rc, "starting %s as '%s': %s",
				     signer_command_name(source->kind), source->user->name,
				     mtls_strerror(rc));
	const struct signer_start start = {
		.program = signer_command_program(source->kind),
		.identity = { .uid = change_user ? source->user->uid : getuid(),
			      .gid = change_user ? source->user->gid : getgid(),
			      .groups = groups,
			      .group_count = group_count },
		.argv = (const char *const *)argv,
	};
	return signer_start(&start, ret, diag);
}

int signers_start(struct signers *signers, const struct person *person, size_t first, size_t count,
		  const struct mtls_settings_pam *settings, struct mtls_diag *diag)
{
	for (size_t i = first; i < first + count; i++) {
		struct signer_process process = SIGNER_PROCESS_NONE;
		int rc = start_one(&person->sources[i], person->change_user, settings, &process,
				   diag);
		if (rc < 0)
			return rc;
		signers->processes[signers->count] = process;
		signers->secret_required[signers->count] = person->sources[i].secret_required;
		signers->count++;
	}
	return 0;
}

int signers_connect(struct signers *signers, const struct half_ops *half)
{
	signers->half = half;
	for (size_t i = 0; i < signers->count; i++) {
		signers->clients[i] = half->signer_client_new(signers->processes[i].fd);
		if (!signers->clients[i])
			return -ENOMEM;
		signers->processes[i].fd = -1; /* the client's now */
	}
	return 0;
}

void signers_done(struct signers *signers)
{
	for (size_t i = 0; i < signers->count; i++) {
		if (signers->clients[i])
			signers->half->signer_client_free(signers->clients[i]);
		signer_stop(&signers->processes[i]);
	}
	*signers = (struct signers){ .count = 0 };
}
