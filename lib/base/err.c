/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Error codes and their texts. Pure; any thread. */
#include <config.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/err.h"

static const struct {
	int code;
	const char *text;
} texts[] = {
#define MTLS_ERR_TEXT(name, number, text) { MTLS_E_##name, text },
	MTLS_ERRORS(MTLS_ERR_TEXT)
#undef MTLS_ERR_TEXT
};

const char *mtls_strerror(int err)
{
	static _Thread_local char unknown[40];

	if (err >= 0)
		return "success";
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i].code == err)
			return texts[i].text;
	const char *text = strerrordesc_np(-err);
	if (text)
		return text;
	(void)snprintf(unknown, sizeof(unknown), "error %d", err);
	return unknown;
}

/* What a cut left of a character of UTF-8: what becomes JSON must be whole. */
static void drop_half_character(char *text)
{
	size_t len = strlen(text), rest = 0;

	while (rest < 3 && rest < len && ((unsigned char)text[len - 1 - rest] & 0xc0) == 0x80)
		rest++;
	if (rest == len)
		return;
	unsigned char first = (unsigned char)text[len - 1 - rest];
	size_t want = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : first >= 0xc0;
	if (rest < want)
		text[len - 1 - rest] = '\0';
}

int mtls_diag_set(struct mtls_diag *diag, int err, const char *fmt, ...)
{
	if (!diag)
		return err;
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(diag->text, sizeof(diag->text), fmt, ap);
	va_end(ap);
	if (n < 0)
		diag->text[0] = '\0';
	else if ((size_t)n >= sizeof(diag->text))
		drop_half_character(diag->text);
	for (char *p = diag->text; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	return err;
}

const char *mtls_diag_text(const struct mtls_diag *diag, int err)
{
	return diag && diag->text[0] ? diag->text : mtls_strerror(err);
}

int mtls_diag_set_file(struct mtls_diag *diag, int err, const char *path)
{
	if (!diag)
		return err;
	const struct mtls_diag inner = *diag;
	return mtls_diag_set(diag, err, "'%s': %s", path, mtls_diag_text(&inner, err));
}
