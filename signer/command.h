/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The command line of a signer: which program serves a source, and what it is told. One place for
 * all who start signers (pam_mtls, mtlsctl), so that what is tried is what a login does. Links
 * libc, lib/base and lib/settings only: it is part of the thin module.
 */
#ifndef MTLS_SIGNER_COMMAND_H
#define MTLS_SIGNER_COMMAND_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/settings/pam_mtls.h"

#define SIGNER_HOME_FOLDER "/.config/mtls" /* of a person, below the home */

/* All borrowed. */
struct signer_command {
	enum mtls_source_kind kind;
	const struct mtls_settings_pam *settings; /* modules, their environment, URIs; NULL: none */
	uid_t uid;                                /* whom the signer will be */
	const char *home;    /* theirs, where modules find their files; NULL: unknown */
	bool folder;         /* SIGNER_HOME_FOLDER is looked into */
	char *const *files;  /* FILE: key files; NULL: none */
	const char *uri;     /* instead of those of the settings; NULL: those */
	const char *address; /* AGENT: the socket's path, never NULL; P11_KIT: an address, NULL: the
				usual one of @uid */
};

/* The program of a source, and its name. Never NULL. */
const char *signer_command_program(enum mtls_source_kind kind);
const char *signer_command_name(enum mtls_source_kind kind);

/*
 * { "mtls-signer", "--source", ... }; @ret is NULL-terminated, malloc'ed, and freed by
 * mtls_strv_free(). 0, -ENOMEM, or -EINVAL: an agent without an address.
 */
int signer_command_argv(const struct signer_command *command, char ***ret);

#endif
