/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Command lines of signers. Pure but for malloc; any thread. */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/str.h"
#include "signer/command.h"
#include "signer/start.h"

/* Bounds how long a person may look at a prompt; a signer ends with its socket anyway. */
#define LIFETIME "600"

static const struct {
	const char *program;
	const char *name; /* argv[0] */
} programs[MTLS_SOURCES] = {
	[MTLS_SOURCE_FILE] = { MTLS_SIGNER_PATH, "mtls-signer" },
	[MTLS_SOURCE_PKCS11] = { MTLS_SIGNER_TOKEN, "mtls-signer-token" },
	[MTLS_SOURCE_P11_KIT] = { MTLS_SIGNER_TOKEN, "mtls-signer-token" },
	[MTLS_SOURCE_AGENT] = { MTLS_SIGNER_AGENT, "mtls-signer-agent" },
};

const char *signer_command_program(enum mtls_source_kind kind)
{
	return programs[kind].program;
}

const char *signer_command_name(enum mtls_source_kind kind)
{
	return programs[kind].name;
}

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

/* An option whose value is two texts together. */
static void add_joined(struct args *args, const char *option, const char *first, const char *second)
{
	_cleanup_free_ char *value = NULL;

	if (args->rc == 0 && asprintf(&value, "%s%s", first, second) < 0) {
		value = NULL;
		args->rc = -ENOMEM;
	}
	if (args->rc == 0)
		add_option(args, option, value);
}

static void add_uris(struct args *args, const struct signer_command *command)
{
	if (command->uri)
		add_option(args, "--uri", command->uri);
	else if (command->settings)
		add_list(args, "--uri", command->settings->pkcs11_uri);
}

/* Modules look for their files below HOME, and where root says; a signer has no environment. */
static void add_modules(struct args *args, const struct signer_command *command)
{
	const struct mtls_settings_pam *settings = command->settings;

	if (settings)
		add_list(args, "--module", settings->pkcs11_modules);
	if (command->home)
		add_joined(args, "--env", "HOME=", command->home);
	if (settings)
		add_list(args, "--env", settings->pkcs11_environment);
	add_uris(args, command);
}

static void add_forwarded(struct args *args, const struct signer_command *command)
{
	const struct mtls_settings_pam *settings = command->settings;
	char usual[64]; /* where p11-kit(8) listens by itself */

	add_option(args, "--module",
		   settings && settings->p11_kit_client ? settings->p11_kit_client
							: MTLS_P11_KIT_CLIENT);
	(void)snprintf(usual, sizeof(usual), "unix:path=/run/user/%u/p11-kit/pkcs11",
		       (unsigned int)command->uid);
	add_option(args, "--address", command->address ? command->address : usual);
	add_uris(args, command);
}

static void add_agent(struct args *args, const struct signer_command *command)
{
	if (command->address)
		add_option(args, "--socket", command->address);
	else if (args->rc == 0)
		args->rc = -EINVAL;
}

int signer_command_argv(const struct signer_command *command, char ***ret)
{
	static void (*const add_own[MTLS_SOURCES])(struct args * args,
						   const struct signer_command *command) = {
		[MTLS_SOURCE_PKCS11] = add_modules,
		[MTLS_SOURCE_P11_KIT] = add_forwarded,
		[MTLS_SOURCE_AGENT] = add_agent,
	};
	struct args args = { NULL, 0 };

	add(&args, programs[command->kind].name);
	add_option(&args, "--source", mtls_source_word(command->kind));
	add_option(&args, "--lifetime", LIFETIME);
	add_option(&args, "--certs", MTLS_SIGNER_CERTS);
	add_list(&args, "--file", command->files);
	if (command->folder && command->home)
		add_joined(&args, "--dir", command->home, SIGNER_HOME_FOLDER);
	if (add_own[command->kind])
		add_own[command->kind](&args, command);
	if (args.rc < 0)
		mtls_strv_free(args.argv);
	else
		*ret = args.argv;
	return args.rc;
}
