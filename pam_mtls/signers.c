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

#define HOME_SUFFIX "/.config/mtls"

/*
 * { "mtls-signer", ..., "--dir", DIR } or with "--file", PATH for each file. The lifetime bounds
 * how long a person may look at a passphrase prompt; the signer ends with its socket anyway.
 */
static int build_argv(const struct person_source *source, char ***ret)
{
	static const char *const fixed[] = { "mtls-signer",    "--source", "file",
					     "--lifetime",     "600",      "--certs",
					     MTLS_SIGNER_CERTS };
	_cleanup_(mtls_strv_freep) char **argv = NULL;
	int rc = 0;
	for (size_t i = 0; i < MTLS_COUNT(fixed) && rc == 0; i++)
		rc = mtls_strv_add(&argv, fixed[i]);
	for (char *const *file = source->files; rc == 0 && file && *file; file++) {
		rc = mtls_strv_add(&argv, "--file");
		if (rc == 0)
			rc = mtls_strv_add(&argv, *file);
	}
	if (rc == 0 && !source->files) {
		_cleanup_free_ char *dir = NULL;
		if (asprintf(&dir, "%s" HOME_SUFFIX, source->user->home) < 0) {
			dir = NULL;
			rc = -ENOMEM;
		}
		if (rc == 0)
			rc = mtls_strv_add(&argv, "--dir");
		if (rc == 0)
			rc = mtls_strv_add(&argv, dir);
	}
	if (rc == 0)
		*ret = MTLS_TAKE(argv);
	return rc;
}

static int start_one(const struct person_source *source, bool change_user, const char *program,
		     struct signer_process *ret, struct mtls_diag *diag)
{
	_cleanup_(mtls_strv_freep) char **argv = NULL;
	_cleanup_free_ gid_t *groups = NULL;
	size_t group_count = 0;
	int rc = build_argv(source, &argv);
	if (rc == 0 && change_user)
		rc = user_groups(source->user, &groups, &group_count);
	if (rc < 0)
		return mtls_diag_set(diag, rc, "starting mtls-signer as '%s': %s",
				     source->user->name, mtls_strerror(rc));
	const struct signer_start start = {
		.program = program,
		.identity = { .uid = change_user ? source->user->uid : getuid(),
			      .gid = change_user ? source->user->gid : getgid(),
			      .groups = groups,
			      .group_count = group_count },
		.argv = (const char *const *)argv,
	};
	return signer_start(&start, ret, diag);
}

int signers_start(struct signers *signers, const struct person *person, const char *program,
		  struct mtls_diag *diag)
{
	for (size_t i = 0; i < person->source_count; i++) {
		struct signer_process process = SIGNER_PROCESS_NONE;
		int rc = start_one(&person->sources[i], person->change_user, program, &process,
				   diag);
		if (rc < 0)
			return rc;
		signers->processes[signers->count] = process;
		signers->secret_required[signers->count] =
			person->presence_required || person->sources[i].secret_required;
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
