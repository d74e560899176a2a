/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Signers that list. Root follows nobody into a folder, and loads no driver of cards. */
#include <config.h>

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/cleanup.h"
#include "lib/base/str.h"
#include "signer/command.h"
#include "tools/ctl_explain_keys.h"

#define GROUPS_MAX 4096
#define LIST_MS    10000

static int open_source(struct explain_keys *keys, const struct passwd *pw,
		       const struct mtls_settings_pam *settings, enum mtls_source_kind kind,
		       struct mtls_diag *diag)
{
	_cleanup_free_ gid_t *groups = calloc(GROUPS_MAX, sizeof(*groups));
	_cleanup_(mtls_strv_freep) char **argv = NULL;
	int count = GROUPS_MAX;

	const struct signer_command command = {
		.kind = kind,
		.settings = settings,
		.uid = pw->pw_uid,
		.home = pw->pw_dir,
		.folder = true,
	};
	int r = groups ? signer_command_argv(&command, &argv) : -ENOMEM;
	if (r < 0)
		return mtls_diag_set(diag, r, "%s", mtls_strerror(r));
	if (getgrouplist(pw->pw_name, pw->pw_gid, groups, &count) < 0)
		return mtls_diag_set(diag, MTLS_E_LIMIT, "'%s' is in too many groups", pw->pw_name);
	const struct signer_start start = {
		.program = signer_command_program(kind),
		.identity = { .uid = pw->pw_uid,
			      .gid = pw->pw_gid,
			      .groups = groups,
			      .group_count = (size_t)count },
		.argv = (const char *const *)argv,
	};
	__typeof__(&keys->source[0]) source = &keys->source[keys->sources];
	source->kind = kind;
	source->process = (struct signer_process)SIGNER_PROCESS_NONE;
	r = signer_start(&start, &source->process, diag);
	if (r < 0)
		return r;
	keys->sources++;
	source->client = signer_client_new(MTLS_TAKE_FD(source->process.fd));
	if (!source->client)
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	source->reason = signer_client_list(source->client, LIST_MS, &source->detail);
	return 0;
}

int explain_keys_open(struct explain_keys *keys, const struct passwd *pw,
		      const struct mtls_settings_pam *settings, struct mtls_diag *diag)
{
	const char *const files[] = { "file", NULL };
	const char *const *words =
		settings && settings->sources ? (const char *const *)settings->sources : files;
	int r = 0;

	for (; *words && r >= 0 && keys->sources < EXPLAIN_KEYS_SOURCES; words++) {
		int kind = mtls_source_from_word(*words);
		if (kind == MTLS_SOURCE_FILE ||
		    (kind == MTLS_SOURCE_PKCS11 && settings && settings->pkcs11_modules))
			r = open_source(keys, pw, settings, (enum mtls_source_kind)kind, diag);
	}
	return r;
}

void explain_keys_done(struct explain_keys *keys)
{
	for (size_t i = 0; i < keys->sources; i++) {
		signer_client_free(keys->source[i].client);
		signer_stop(&keys->source[i].process);
	}
	keys->sources = 0;
}

static size_t count_of(const struct explain_keys *keys, size_t source)
{
	return keys->source[source].reason == MTLS_REASON_ALLOWED
		       ? signer_client_count(keys->source[source].client)
		       : 0;
}

size_t explain_keys_count(const struct explain_keys *keys)
{
	size_t count = 0;

	for (size_t i = 0; i < keys->sources; i++)
		count += count_of(keys, i);
	return count;
}

const struct mtls_signer_credential *explain_keys_at(const struct explain_keys *keys, size_t index)
{
	for (size_t i = 0; i < keys->sources; i++) {
		const size_t count = count_of(keys, i);
		if (index < count)
			return signer_client_credential(keys->source[i].client, index);
		index -= count;
	}
	return NULL;
}
