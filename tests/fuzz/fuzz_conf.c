/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Configuration: the first byte chooses the table, the rest is the file; behind a NUL byte stand
 * module arguments, one a line. What was accepted is dumped, and the dump must be accepted too and
 * dump the same.
 */
#include <config.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/settings/accountd.h"
#include "lib/settings/authd.h"
#include "lib/settings/pam_mtls.h"
#include "lib/settings/settings.h"

#define ARGS_MAX 16
#define DUMP_MAX (4 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int parse(int kind, const struct mtls_conf_source *source)
{
	_cleanup_(mtls_settings_pam_freep) struct mtls_settings_pam *pam = NULL;
	_cleanup_(mtls_settings_authd_freep) struct mtls_settings_authd *authd = NULL;
	_cleanup_(mtls_settings_accountd_freep) struct mtls_settings_accountd *accountd = NULL;
	struct mtls_diag diag = { 0 };
	int r;

	if (kind == 0)
		r = mtls_settings_pam_parse(source, &pam, &diag);
	else if (kind == 1)
		r = mtls_settings_authd_parse(source, &authd, &diag);
	else
		r = mtls_settings_accountd_parse(source, &accountd, &diag);
	/* A refusal has its sentence; a success has its settings. */
	if (r < 0 && !diag.text[0])
		abort();
	if (r >= 0 && !pam && !authd && !accountd)
		abort();
	return r;
}

/* Lines without '# default', '# F:1': two dumps differ in their sources. */
static void strip_sources(struct mtls_buf *buf)
{
	size_t out = 0;
	const char *text = mtls_buf_cstr(buf);

	if (!text)
		abort();
	for (size_t in = 0; in < buf->len;) {
		size_t len = strcspn(text + in, "\n");
		size_t keep = len;
		while (keep && text[in + keep - 1] != '#')
			keep--;
		memmove(buf->data + out, text + in, keep);
		out += keep;
		in += len + 1;
	}
	buf->len = out;
}

static void check_dump(int kind, const struct mtls_conf_source *source)
{
	const struct mtls_conf_table *table = mtls_settings_table((size_t)kind);
	_cleanup_buf_ struct mtls_buf first = MTLS_BUF(DUMP_MAX);
	_cleanup_buf_ struct mtls_buf second = MTLS_BUF(DUMP_MAX);

	if (mtls_conf_dump(table, source, &first, NULL) < 0)
		abort();
	const struct mtls_conf_source again = {
		.name = "F", .data = first.data, .len = first.len, .title = source->title
	};
	/* Quoting may make a long file longer than a file may be. */
	if (first.len > MTLS_CONF_FILE_MAX)
		return;
	if (mtls_conf_dump(table, &again, &second, NULL) < 0)
		abort();
	strip_sources(&first);
	strip_sources(&second);
	if (first.len != second.len || memcmp(first.data, second.data, first.len) != 0)
		abort();
}

static int split_args(char *text, const char *args[ARGS_MAX])
{
	int count = 0;
	char *rest = NULL;

	for (char *arg = strtok_r(text, "\n", &rest); arg && count < ARGS_MAX;
	     arg = strtok_r(NULL, "\n", &rest))
		args[count++] = arg;
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *args[ARGS_MAX];

	if (size < 1)
		return 0;
	int kind = data[0] % 3;
	const uint8_t *file = data + 1;
	const uint8_t *nul = memchr(file, '\0', size - 1);
	_cleanup_free_ char *text = NULL;
	struct mtls_conf_source source = {
		.name = "F",
		.data = file,
		.len = nul ? (size_t)(nul - file) : size - 1,
		.title = "sudo",
	};
	if (nul) {
		text = strndup((const char *)nul + 1, (size_t)(data + size - nul - 1));
		if (!text)
			return 0;
		source.argc = split_args(text, args);
		source.argv = args;
	}
	/* A NUL in the file itself: once with, once without. */
	if (nul && (data[0] & 0x80)) {
		source.len = size - 1;
		source.argc = 0;
	}
	if (parse(kind, &source) >= 0)
		check_dump(kind, &source);
	return 0;
}
