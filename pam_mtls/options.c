/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Options: the table itself is lib/settings/pam_mtls.c. Here stands only what is the module's own:
 * which file, and the kernel's word.
 */
#include <config.h>

#include <string.h>

#include "lib/base/file.h"
#include "pam_mtls/options.h"

#define CMDLINE_PATH "/proc/cmdline"
#define CMDLINE_MAX  65536

int options_args(int argc, const char **argv, struct options_args *ret, struct mtls_diag *diag)
{
	static const char key[] = "config=";
	struct options_args args = { .config = NULL };
	for (int i = 0; i < argc; i++) {
		if (!argv || !argv[i])
			return mtls_diag_set(diag, MTLS_E_CONFIG, "argument %d is missing", i + 1);
		if (args.argc >= OPTIONS_ARGS_MAX)
			return mtls_diag_set(diag, MTLS_E_CONFIG, "more than %d arguments",
					     OPTIONS_ARGS_MAX);
		if (strncmp(argv[i], key, sizeof(key) - 1) != 0) {
			args.argv[args.argc++] = argv[i];
			continue;
		}
		if (args.config)
			return mtls_diag_set(diag, MTLS_E_CONFIG,
					     "argument '%s': a second config=", argv[i]);
		args.config = argv[i] + sizeof(key) - 1;
		if (args.config[0] != '/')
			return mtls_diag_set(diag, MTLS_E_CONFIG,
					     "argument '%s': expected an absolute path", argv[i]);
	}
	if (!args.config)
		args.config = MTLS_PAM_CONF;
	*ret = args;
	return 0;
}

int options_load(const char *service, int argc, const char **argv, struct mtls_settings_pam **ret,
		 struct mtls_diag *diag)
{
	struct options_args args;
	int rc = options_args(argc, argv, &args, diag);
	if (rc < 0)
		return rc;
	return mtls_settings_pam_load(args.config, service, args.argc, args.argv, ret, diag);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool options_has_word(const char *text, const char *word)
{
	size_t word_len = strlen(word);
	while (*text) {
		while (is_blank(*text))
			text++;
		const char *start = text;
		bool quoted = false;
		while (*text && (quoted || !is_blank(*text)))
			quoted ^= *text++ == '"';
		if ((size_t)(text - start) == word_len && memcmp(start, word, word_len) == 0)
			return word_len > 0;
	}
	return false;
}

bool options_off(void)
{
	static const struct mtls_file_trust root = { .owner = 0 };
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(CMDLINE_MAX);
	if (mtls_file_read(CMDLINE_PATH, &root, &text, NULL) < 0)
		return false;
	const char *words = mtls_buf_cstr(&text);
	return words && options_has_word(words, "mtls=off");
}
