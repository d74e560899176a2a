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
#include "tools/ctl_explain_keys.h"

#define GROUPS_MAX  4096
#define HOME_SUFFIX "/.config/mtls"
#define LIST_MS     10000

static int add(char ***argv, const char *option, const char *value)
{
	int r = mtls_strv_add(argv, option);

	return r < 0 || !value ? r : mtls_strv_add(argv, value);
}

static int build_argv(const char *home, const struct mtls_settings_pam *settings,
		      enum mtls_source_kind kind, char ***ret)
{
	const bool is_card = kind == MTLS_SOURCE_PKCS11;
	_cleanup_(mtls_strv_freep) char **argv = NULL;
	char folder[PATH_MAX], env[PATH_MAX];

	(void)snprintf(env, sizeof(env), "HOME=%s", home); /* is shorter than folder */
	const int n = snprintf(folder, sizeof(folder), "%s" HOME_SUFFIX, home);
	int r = n < 0 || (size_t)n >= sizeof(folder) ? -ENAMETOOLONG : 0;
	if (r >= 0)
		r = add(&argv, is_card ? "mtls-signer-token" : "mtls-signer", NULL);
	if (r >= 0)
		r = add(&argv, "--source", mtls_source_word(kind));
	if (r >= 0)
		r = add(&argv, "--dir", folder);
	if (r >= 0)
		r = add(&argv, "--certs", MTLS_SIGNER_CERTS);
	if (r >= 0 && is_card)
		r = add(&argv, "--env", env);
	for (char **text = settings ? settings->pkcs11_environment : NULL; is_card && text && *text;
	     text++)
		r = r < 0 ? r : add(&argv, "--env", *text);
	for (char **path = settings ? settings->pkcs11_modules : NULL; is_card && path && *path;
	     path++)
		r = r < 0 ? r : add(&argv, "--module", *path);
	for (char **uri = settings ? settings->pkcs11_uri : NULL; is_card && uri && *uri; uri++)
		r = r < 0 ? r : add(&argv, "--uri", *uri);
	if (r >= 0)
		*ret = MTLS_TAKE(argv);
	return r;
}

static int open_source(struct explain_keys *keys, const struct passwd *pw,
		       const struct mtls_settings_pam *settings, enum mtls_source_kind kind,
		       struct mtls_diag *diag)
{
	_cleanup_free_ gid_t *groups = calloc(GROUPS_MAX, sizeof(*groups));
	_cleanup_(mtls_strv_freep) char **argv = NULL;
	int count = GROUPS_MAX;

	int r = groups ? build_argv(pw->pw_dir, settings, kind, &argv) : -ENOMEM;
	if (r < 0)
		return mtls_diag_set(diag, r, "%s", mtls_strerror(r));
	if (getgrouplist(pw->pw_name, pw->pw_gid, groups, &count) < 0)
		return mtls_diag_set(diag, MTLS_E_LIMIT, "'%s' is in too many groups", pw->pw_name);
	const struct signer_start start = {
		.program = kind == MTLS_SOURCE_PKCS11 ? MTLS_SIGNER_TOKEN : MTLS_SIGNER_PATH,
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
