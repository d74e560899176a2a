/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The reader of service files. Pure. */
#include <config.h>

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "lib/base/str.h"
#include "lib/pamstack/pamstack.h"

static const char *const types[MTLS_STACK_TYPES] = {
	[MTLS_STACK_AUTH] = "auth",
	[MTLS_STACK_ACCOUNT] = "account",
	[MTLS_STACK_PASSWORD] = "password",
	[MTLS_STACK_SESSION] = "session",
};

const char *mtls_stack_type_name(enum mtls_stack_type type)
{
	return types[type];
}

void mtls_stack_free(struct mtls_stack *stack)
{
	if (!stack)
		return;
	for (size_t i = 0; i < stack->count; i++)
		mtls_strv_free(stack->lines[i].words);
	free(stack->lines);
	free(stack->text);
	free(stack);
}

bool mtls_stack_service_valid(const char *service)
{
	size_t len = strlen(service);

	return len > 0 && len <= MTLS_STACK_SERVICE_MAX && service[0] != '.' &&
	       strspn(service, "abcdefghijklmnopqrstuvwxyz0123456789._-") == len;
}

bool mtls_stack_is_module(const char *target, const char *name)
{
	const char *slash = target ? strrchr(target, '/') : NULL;

	return mtls_streq(slash ? slash + 1 : target, name);
}

/* --- one line --- */

/* What libpam makes of the bytes before it looks for words. */
struct logical {
	char text[MTLS_STACK_LINE_MAX + 1];
	size_t len;
	bool continued; /* the last physical line ends in a backslash */
	unsigned int parts;
};

static bool blank(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] != ' ' && text[i] != '\t')
			return false;
	return true;
}

/* Adds one physical line, its newline dropped. */
static int add_part(struct logical *line, const char *text, size_t len)
{
	const char *hash = memchr(text, '#', len);
	size_t used = hash ? (size_t)(hash - text) : len;

	/* libpam goes on to look for the rest of a continued line behind such a one. */
	if (line->continued && blank(text, used))
		return MTLS_E_SYNTAX;
	while (used && (text[used - 1] == ' ' || text[used - 1] == '\t'))
		used--;
	line->continued = used && text[used - 1] == '\\';
	if (line->continued)
		used--;
	/* The comment counts too: libpam has it in its buffer. */
	if (len > MTLS_STACK_LINE_MAX || used + 1 > MTLS_STACK_LINE_MAX - line->len)
		return MTLS_E_LIMIT;
	memcpy(line->text + line->len, text, used);
	line->len += used;
	if (line->continued)
		line->text[line->len++] = ' ';
	line->text[line->len] = '\0';
	line->parts++;
	return 0;
}

/*
 * The next word, NUL-terminated in place; one in brackets without them, "\]" in it being "]".
 * @ret_open is the bracket that it had. NULL at the end; MTLS_E_SYNTAX for a bracket left open.
 */
static int next_word(char **cursor, char **ret, bool *ret_open)
{
	char *p = *cursor + strspn(*cursor, " \t");
	char *out = p;

	*ret = *p ? p : NULL;
	*ret_open = *p == '[';
	if (!*p)
		return 0;
	if (*p != '[') {
		p += strcspn(p, " \t");
		*cursor = *p ? p + 1 : p;
		*p = '\0';
		return 0;
	}
	for (p++; *p && *p != ']'; p++) {
		if (p[0] == '\\' && p[1] == ']')
			p++;
		*out++ = *p;
	}
	if (!*p)
		return MTLS_E_SYNTAX;
	*cursor = p + 1;
	*out = '\0';
	return 0;
}

static int add_word(struct mtls_stack_line *line, const char *word, bool bracket)
{
	char text[MTLS_STACK_LINE_MAX + 3];

	if (!bracket)
		return mtls_strv_add(&line->words, word);
	text[0] = '[';
	(void)mtls_strcopy(text + 1, sizeof(text) - 2, word);
	size_t len = strlen(text);
	text[len] = ']';
	text[len + 1] = '\0';
	return mtls_strv_add(&line->words, text);
}

static int split_words(struct mtls_stack_line *line, char *text)
{
	size_t count = 0;
	char *word;
	bool bracket;

	for (;;) {
		int r = next_word(&text, &word, &bracket);
		if (r < 0 || !word)
			return r;
		if (count == MTLS_STACK_WORDS_MAX)
			return MTLS_E_LIMIT;
		/* The control keeps its brackets, so that it cannot be taken for a word. */
		r = add_word(line, word, bracket && count == 1);
		if (r < 0)
			return r;
		count++;
	}
}

static int read_type(const char *word, enum mtls_stack_type *ret)
{
	if (*word == '-') /* not logged when the module is missing; nothing else: ARCHITECTURE.md */
		word++;
	for (size_t i = 0; i < MTLS_COUNT(types); i++) {
		if (strcasecmp(word, types[i]) == 0) {
			*ret = (enum mtls_stack_type)i;
			return 0;
		}
	}
	return MTLS_E_SYNTAX;
}

static bool known_control(const char *control)
{
	static const char *const words[] = { "required", "requisite", "sufficient", "optional" };

	for (size_t i = 0; i < MTLS_COUNT(words); i++)
		if (strcasecmp(control, words[i]) == 0)
			return true;
	return control[0] == '[';
}

static int classify(struct mtls_stack_line *line)
{
	size_t count = mtls_strv_count(line->words);

	if (count == 0)
		return 0;
	if (mtls_streq(line->words[0], "@include")) {
		line->kind = MTLS_STACK_AT_INCLUDE;
		line->target = line->words[1];
		return count == 2 ? 0 : MTLS_E_SYNTAX;
	}
	if (count < 3 || read_type(line->words[0], &line->type) < 0)
		return MTLS_E_SYNTAX;
	line->target = line->words[2];
	line->args = line->words + 3;
	if (strcasecmp(line->words[1], "include") == 0)
		line->kind = MTLS_STACK_INCLUDE;
	else if (strcasecmp(line->words[1], "substack") == 0)
		line->kind = MTLS_STACK_SUBSTACK;
	else
		line->kind = MTLS_STACK_CALL;
	line->control = line->words[1];
	return line->kind != MTLS_STACK_CALL || known_control(line->control) ? 0 : MTLS_E_SYNTAX;
}

/* --- the file --- */

static int add_line(struct mtls_stack *stack, const struct mtls_stack_line *line)
{
	if (stack->count == MTLS_STACK_LINES_MAX)
		return MTLS_E_LIMIT;
	struct mtls_stack_line *grown =
		reallocarray(stack->lines, stack->count + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	stack->lines = grown;
	stack->lines[stack->count++] = *line;
	return 0;
}

/* Takes physical lines from @*at on until one is not continued. */
static int read_line(const struct mtls_stack *stack, size_t *at, struct logical *logical)
{
	*logical = (struct logical){ .len = 0 };
	do {
		const char *start = stack->text + *at;
		size_t left = stack->len - *at;
		const char *end = memchr(start, '\n', left);
		size_t len = end ? (size_t)(end - start) : left;
		int r = add_part(logical, start, len);
		if (r < 0)
			return r;
		*at += end ? len + 1 : len;
	} while (logical->continued && *at < stack->len);
	/* A last line that is to be continued is a file that was cut. */
	return logical->continued ? MTLS_E_SYNTAX : 0;
}

static int parse(struct mtls_stack *stack, unsigned int *number)
{
	struct logical logical;

	for (size_t at = 0; at < stack->len;) {
		struct mtls_stack_line line = { .start = at, .number = *number };
		int r = read_line(stack, &at, &logical);
		if (r < 0)
			return r;
		line.len = at - line.start;
		r = split_words(&line, logical.text);
		if (r >= 0)
			r = classify(&line);
		if (r >= 0)
			r = add_line(stack, &line);
		if (r < 0) {
			mtls_strv_free(line.words);
			return r;
		}
		*number += logical.parts;
	}
	return 0;
}

/* NUL would hide what stands behind it; a carriage return becomes part of a module's name. */
static bool has_odd_byte(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (((unsigned char)text[i] < ' ' && text[i] != '\t' && text[i] != '\n') ||
		    text[i] == 0x7f)
			return true;
	return false;
}

int mtls_stack_parse(const void *text, size_t len, struct mtls_stack **ret, struct mtls_diag *diag)
{
	if (len > MTLS_STACK_FILE_MAX)
		return mtls_diag_set(diag, MTLS_E_LIMIT, "over %d bytes", MTLS_STACK_FILE_MAX);
	if (has_odd_byte(text, len))
		return mtls_diag_set(diag, MTLS_E_SYNTAX, "there are control characters in it");
	_cleanup_(mtls_stack_freep) struct mtls_stack *stack = calloc(1, sizeof(*stack));
	if (stack)
		stack->text = strndup(text, len);
	if (!stack || !stack->text)
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	stack->len = len;
	unsigned int number = 1;
	int r = parse(stack, &number);
	if (r < 0)
		return mtls_diag_set(diag, r, "line %u: %s", number,
				     r == MTLS_E_LIMIT ? "longer than libpam reads"
				     : r == -ENOMEM    ? "out of memory"
						       : "not as pam.d(5) has it");
	*ret = MTLS_TAKE(stack);
	return 0;
}

/* --- controls --- */

/* The next word in brackets; libpam takes blanks around '=', and no value is called like an action.
 */
static const char *next_action(const char **cursor, size_t *ret_len)
{
	*cursor += strspn(*cursor, " \t[]=");
	const char *word = *cursor;
	*ret_len = strcspn(word, " \t[]=");
	*cursor += *ret_len;
	return *ret_len ? word : NULL;
}

unsigned int mtls_stack_jump(const struct mtls_stack_line *line)
{
	unsigned int most = 0;
	size_t len;

	if (line->kind != MTLS_STACK_CALL || line->control[0] != '[')
		return 0;
	const char *cursor = line->control;
	for (const char *action; (action = next_action(&cursor, &len));) {
		unsigned int number = 0;
		for (size_t i = 0; i < len && action[i] >= '0' && action[i] <= '9'; i++)
			if (number <= MTLS_STACK_LINES_MAX)
				number = number * 10 + (unsigned int)(action[i] - '0');
		most = number > most ? number : most;
	}
	return most;
}

bool mtls_stack_may_admit(const struct mtls_stack_line *line)
{
	size_t len;

	if (line->kind != MTLS_STACK_CALL)
		return line->kind != MTLS_STACK_EMPTY;
	if (line->control[0] != '[')
		return strcasecmp(line->control, "sufficient") == 0;
	const char *cursor = line->control;
	for (const char *action; (action = next_action(&cursor, &len));)
		if (len == 4 && strncasecmp(action, "done", 4) == 0)
			return true;
	return false;
}
