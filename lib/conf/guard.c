/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A look at the raw text before libConfuse sees it. Its lexer substitutes ${VARIABLES} from the
 * environment, silently drops characters that it does not know (`tty*` without quotes becomes
 * `tty`), accepts a section that is never closed, cuts strings at \x00, keeps its state in globals
 * after an unterminated string, and writes behind its buffer for some comments. A setuid program
 * reads these files, so all of that is refused or removed here, and what is left means the same to
 * a reader and to the lexer.
 *
 * Pure; one pass over bytes.
 */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/conf/internal.h"

struct guard {
	const struct mtls_conf_source *source;
	struct mtls_diag *diag;
	const char *in; /* the whole text, NUL-terminated */
	char *out;      /* as long as the text; what libConfuse gets */
	size_t pos;
	unsigned int line;
	unsigned int depth;       /* open braces */
	unsigned int opened_line; /* of the last brace that was opened */
	/* The last two tokens: 'w' a word, '"' a string, else the character; 0 none. */
	char last;
	char before;
};

static int refuse(struct guard *g, const char *found, const char *expected)
{
	return mtls_diag_set(g->diag, MTLS_E_CONFIG, "%s:%u: found %s, expected %s",
			     g->source->name, g->line, found, expected);
}

static void token(struct guard *g, char kind)
{
	g->before = g->last;
	g->last = kind;
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("_-.:@/[]?", c));
}

static int comment(struct guard *g)
{
	size_t len = strcspn(g->in + g->pos, "\n");
	memset(g->out + g->pos, ' ', len);
	g->pos += len;
	return 0;
}

/* A quoted string: one line, no escapes but of the backslash and the quote. */
static int string(struct guard *g)
{
	char quote = g->in[g->pos];
	size_t start = g->pos++;

	for (; g->in[g->pos] != quote; g->pos++) {
		const char *p = g->in + g->pos;
		if (!p[0] || p[0] == '\n')
			return refuse(g, "the end of the line in a string", "a closing quote");
		if (p[0] == '$' && p[1] == '{')
			return refuse(g, "'${'", "no variable: the environment is not read");
		if (p[0] != '\\')
			continue;
		if (p[1] == '\\' || p[1] == quote)
			g->pos++;
		else if (quote == '"')
			return refuse(g, "a backslash", "\\\\ or \\\" in double quotes");
		else if (!p[1] || p[1] == '\n')
			return refuse(g, "the end of the line in a string", "a closing quote");
	}
	g->pos++;
	if (g->pos - start > MTLS_CONF_VALUE_MAX)
		return refuse(g, "a very long value", "at most 4094 bytes");
	memcpy(g->out + start, g->in + start, g->pos - start);
	token(g, '"');
	return 0;
}

static int word(struct guard *g)
{
	size_t start = g->pos;

	while (is_word(g->in[g->pos])) {
		if (g->in[g->pos] == '/' && g->in[g->pos + 1] == '/')
			return refuse(g, "'//'", "'#' before a comment, or quotes");
		g->pos++;
	}
	if (g->pos - start > MTLS_CONF_VALUE_MAX)
		return refuse(g, "a very long word", "at most 4096 bytes");
	memcpy(g->out + start, g->in + start, g->pos - start);
	token(g, 'w');
	return 0;
}

static int punctuation(struct guard *g, char c)
{
	if (c == '=' && g->last != 'w')
		return refuse(g, "'='", "a key before it, without quotes");
	if (c == '{') {
		g->depth++;
		g->opened_line = g->line;
	}
	if (c == '}') {
		if (!g->depth)
			return refuse(g, "'}'", "a '{' before it");
		g->depth--;
		if (g->last == '{' && g->before == '=')
			return refuse(g, "an empty list", "at least one value");
	}
	token(g, c);
	g->out[g->pos++] = c;
	return 0;
}

static int step(struct guard *g)
{
	char c = g->in[g->pos];

	if (c == '\n')
		g->line++;
	if (c == '\n' || c == ' ' || c == '\t') {
		g->out[g->pos++] = c;
		return 0;
	}
	if (c == '#')
		return comment(g);
	if (c == '"' || c == '\'')
		return string(g);
	if (strchr("={},", c))
		return punctuation(g, c);
	if (is_word(c))
		return word(g);
	if (c == '$' && g->in[g->pos + 1] == '{')
		return refuse(g, "'${'", "no variable: the environment is not read");
	const char found[] = { '\'', c, '\'', '\0' };
	return refuse(g, (unsigned char)c < 0x80 ? found : "a letter outside ASCII",
		      "quotes around such a value");
}

/* NUL, control characters, bytes that are not UTF-8: nowhere, not even in comments. */
static int check_bytes(struct guard *g)
{
	const uint8_t *data = g->source->data;
	size_t len = g->source->len;

	for (size_t start = 0; start < len; start++) {
		const uint8_t *end = memchr(data + start, '\n', len - start);
		size_t n = end ? (size_t)(end - data) - start : len - start;
		if (!mtls_utf8_valid(data + start, n))
			return refuse(g, "bytes that are not UTF-8", "UTF-8 text");
		for (size_t i = 0; i < n; i++)
			if (data[start + i] != '\t' && mtls_has_control(data + start + i, 1))
				return refuse(g, "a control character", "text");
		start += n;
		g->line++;
	}
	g->line = 1;
	return 0;
}

static int run(struct guard *g)
{
	int r = check_bytes(g);
	while (r >= 0 && g->in[g->pos])
		r = step(g);
	if (r < 0)
		return r;
	if (g->depth) {
		g->line = g->opened_line;
		return refuse(g, "a '{' that is never closed", "'}'");
	}
	return 0;
}

int conf_guard(const struct mtls_conf_source *source, char **ret_text, struct mtls_diag *diag)
{
	if (source->len > MTLS_CONF_FILE_MAX)
		return mtls_diag_set(diag, MTLS_E_CONFIG,
				     "%s: found %zu bytes, expected at most %d", source->name,
				     source->len, MTLS_CONF_FILE_MAX);
	_cleanup_free_ char *in = malloc(source->len + 1);
	/* One byte more: libConfuse's fmemopen() wants at least one. */
	_cleanup_free_ char *out = calloc(1, source->len + 2);
	if (!in || !out)
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	if (source->len)
		memcpy(in, source->data, source->len);
	in[source->len] = '\0';

	struct guard g = { .source = source, .diag = diag, .in = in, .out = out, .line = 1 };
	int r = run(&g);
	if (r < 0)
		return r;
	out[source->len] = '\n';
	*ret_text = MTLS_TAKE(out);
	return 0;
}
