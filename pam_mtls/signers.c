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

#define LIFETIME "600" /* bounds how long a person may look at a prompt */

static const struct {
	const char *program;
	const char *name; /* argv[0] */
} programs[MTLS_SOURCES] = {
	[MTLS_SOURCE_FILE] = { MTLS_SIGNER_PATH, "mtls-signer" },
	[MTLS_SOURCE_PKCS11] = { MTLS_SIGNER_TOKEN, "mtls-signer-token" },
	[MTLS_SOURCE_P11_KIT] = { MTLS_SIGNER_TOKEN, "mtls-signer-token" },
	[MTLS_SOURCE_AGENT] = { MTLS_SIGNER_AGENT, "mtls-signer-agent" },
};

/* Arguments as they are added; the first failure stays. */
struct args {
	char **argv; /* owned */
	int rc;
};

static void add(struct args *args, const char *text)
{
	if (args->rc == 0)
		args->rc = mtls_strv_add(&args->argv, text);
}

static void add_option(struct args *args, const char *option, const char *value)
{
	add(args, option);
	add(args, value);
}

static void add_list(struct args *args, const char *option, char *const *values)
{
	for (; values && *values; values++)
		add_option(args, option, *values);
}

static void add_home(struct args *args, const struct user *user)
{
	_cleanup_free_ char *dir = NULL;

	if (asprintf(&dir, "%s" HOME_SUFFIX, user->home) < 0) {
		dir = NULL;
		args->rc = -ENOMEM;
		return;
	}
	add_option(args, "--dir", dir);
}

/* Modules look for their files below it, and the signer has no environment. */
static void add_environment(struct args *args, const struct user *user,
			    const struct mtls_settings_pam *settings)
{
	_cleanup_free_ char *home = NULL;

	if (user->home && asprintf(&home, "HOME=%s", user->home) < 0) {
		home = NULL;
		args->rc = -ENOMEM;
		return;
	}
	if (home)
		add_option(args, "--env", home);
	add_list(args, "--env", settings->pkcs11_environment);
}

static void add_address(struct args *args, const struct person_source *source)
{
	_cleanup_free_ char *usual = NULL;

	if (source->address) {
		add_option(args, "--address", source->address);
		return;
	}
	/* Where p11-kit(8) listens by itself. */
	if (asprintf(&usual, "unix:path=/run/user/%u/p11-kit/pkcs11",
		     (unsigned int)source->user->uid) < 0) {
		usual = NULL;
		args->rc = -ENOMEM;
		return;
	}
	add_option(args, "--address", usual);
}

/* { "mtls-signer", "--source", ... }; the signer ends with its socket, whatever its lifetime. */
static int build_argv(const struct person_source *source, const struct mtls_settings_pam *settings,
		      char ***ret)
{
	struct args args = { NULL, 0 };

	add(&args, programs[source->kind].name);
	add_option(&args, "--source", mtls_source_word(source->kind));
	add_option(&args, "--lifetime", LIFETIME);
	add_option(&args, "--certs", MTLS_SIGNER_CERTS);
	add_list(&args, "--file", source->files);
	if (source->home)
		add_home(&args, source->user);
	switch (source->kind) {
	case MTLS_SOURCE_PKCS11:
		add_list(&args, "--module", settings->pkcs11_modules);
		add_environment(&args, source->user, settings);
		add_list(&args, "--uri", settings->pkcs11_uri);
		break;
	case MTLS_SOURCE_P11_KIT:
		add_option(&args, "--module",
			   settings->p11_kit_client ? settings->p11_kit_client
						    : MTLS_P11_KIT_CLIENT);
		add_address(&args, source);
		add_list(&args, "--uri", settings->pkcs11_uri);
		break;
	case MTLS_SOURCE_AGENT:
		add_option(&args, "--socket", source->address);
		break;
	case MTLS_SOURCE_FILE:
	case MTLS_SOURCES:
	default:
		break;
	}
	if (args.rc < 0)
		mtls_strv_free(args.argv);
	else
		*ret = args.argv;
	return args.rc;
}

static int start_one(const struct person_source *source, bool change_user,
		     const struct mtls_settings_pam *settings, struct signer_process *ret,
		     struct mtls_diag *diag)
{
	_cleanup_(mtls_strv_freep) char **argv = NULL;
	_cleanup_free_ gid_t *groups = NULL;
	size_t group_count = 0;
	int rc = build_argv(source, settings, &argv);
	if (rc == 0 && change_user)
		rc = user_groups(source->user, &groups, &group_count);
	if (rc < 0)
		return mtls_diag_set(diag, rc, "starting %s as '%s': %s",
				     programs[source->kind].name, source->user->name,
				     mtls_strerror(rc));
	const struct signer_start start = {
		.program = programs[source->kind].program,
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
