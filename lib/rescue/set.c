/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The file of a set: a strict reader and its writer. Pure. */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/name/account.h"
#include "lib/rescue/set.h"

#define MAGIC     "mtls-rescue"
#define FORMAT    "1"
#define WORD_MAX  MTLS_RESCUE_USERS_MAX /* bytes of a word, with its NUL */
#define WORDS_MAX 4

void mtls_rescue_set_free(struct mtls_rescue_set *set)
{
	free(set);
}

static bool is_listed(const char *users, const char *name, size_t len)
{
	size_t part_len;
	for (const char *part; (part = mtls_split_next(&users, ',', &part_len));)
		if (part_len == len && memcmp(part, name, len) == 0)
			return true;
	return false;
}

bool mtls_rescue_users_valid(const char *users)
{
	const char *cursor = users;
	size_t len, count = 0;
	if (strlen(users) >= MTLS_RESCUE_USERS_MAX)
		return false;
	for (const char *name; (name = mtls_split_next(&cursor, ',', &len)); count++) {
		if (!mtls_account_name_valid(name, len) || (cursor && is_listed(cursor, name, len)))
			return false;
	}
	return count > 0;
}

/* --- reading --- */

struct reader {
	const char *at, *end;
	size_t line;
	char word[WORDS_MAX][WORD_MAX]; /* of the current line */
	size_t words;
	struct mtls_diag *diag;
};

static int damaged(struct reader *reader, const char *what)
{
	return mtls_diag_set(reader->diag, MTLS_E_CORRUPT, "line %zu: expected %s", reader->line,
			     what);
}

/* Words with exactly one space between them and a newline behind the last. */
static int next_line(struct reader *reader)
{
	reader->line++;
	reader->words = 0;
	const char *newline = memchr(reader->at, '\n', (size_t)(reader->end - reader->at));
	if (!newline)
		return damaged(reader, "a line");
	for (const char *p = reader->at; p <= newline; reader->words++) {
		size_t len = 0;
		while (p[len] != ' ' && p[len] != '\n')
			len++;
		if (len == 0 || len >= WORD_MAX || reader->words >= WORDS_MAX ||
		    memchr(p, '\0', len))
			return damaged(reader, "words");
		memcpy(reader->word[reader->words], p, len);
		reader->word[reader->words][len] = '\0';
		p += len + 1;
	}
	reader->at = newline + 1;
	return 0;
}

/* The next line, which has to be @name and @count words after it. */
static int expect(struct reader *reader, const char *name, size_t count)
{
	int r = next_line(reader);
	if (r < 0)
		return r;
	return mtls_streq(reader->word[0], name) && reader->words == count + 1
		       ? 0
		       : damaged(reader, name);
}

static int read_hash(struct reader *reader, const char *word, struct mtls_rescue_hash *ret)
{
	if (!mtls_rescue_hash_valid(word, strlen(word)))
		return damaged(reader, "a hash of yescrypt or SHA-512");
	return mtls_strcopy(ret->text, sizeof(ret->text), word);
}

static int read_head(struct reader *reader, struct mtls_rescue_set *set)
{
	int r = expect(reader, MAGIC, 1);
	if (r < 0)
		return r;
	if (!mtls_streq(reader->word[1], FORMAT))
		return mtls_diag_set(reader->diag, MTLS_E_VERSION,
				     "version '%.16s' is not supported", reader->word[1]);
	r = expect(reader, "made", 1);
	if (r == 0 && mtls_parse_u64(reader->word[1], &set->made_at) < 0)
		r = damaged(reader, "a time");
	if (r == 0)
		r = expect(reader, "users", 1);
	if (r == 0 && !mtls_rescue_users_valid(reader->word[1]))
		r = damaged(reader, "names of accounts");
	if (r == 0)
		r = mtls_strcopy(set->users, sizeof(set->users), reader->word[1]);
	if (r == 0)
		r = expect(reader, "setting", 1);
	return r == 0 ? read_hash(reader, reader->word[1], &set->setting) : r;
}

/* "code NUMBER -|TIME HASH", in the current line. */
static int read_code(struct reader *reader, struct mtls_rescue_set *set)
{
	uint32_t number;
	if (set->count >= MTLS_RESCUE_CODES_MAX)
		return damaged(reader, "the end");
	struct mtls_rescue_entry *entry = &set->entry[set->count];
	if (reader->words != 4 || mtls_parse_u32(reader->word[1], &number) < 0 ||
	    number != set->count + 1)
		return damaged(reader, "the next code");
	entry->used = !mtls_streq(reader->word[2], "-");
	if (entry->used && mtls_parse_u64(reader->word[2], &entry->used_at) < 0)
		return damaged(reader, "a time or '-'");
	set->count++;
	return read_hash(reader, reader->word[3], &entry->hash);
}

static int read_codes(struct reader *reader, struct mtls_rescue_set *set)
{
	for (;;) {
		int r = next_line(reader);
		if (r == 0 && !mtls_streq(reader->word[0], "code"))
			break;
		if (r == 0)
			r = read_code(reader, set);
		if (r < 0)
			return r;
	}
	uint32_t count;
	if (!mtls_streq(reader->word[0], "end") || reader->words != 2 ||
	    mtls_parse_u32(reader->word[1], &count) < 0 || count != set->count || count == 0)
		return damaged(reader, "the end, with the number of codes");
	return reader->at == reader->end ? 0 : damaged(reader, "nothing behind the end");
}

int mtls_rescue_set_parse(const uint8_t *data, size_t len, struct mtls_rescue_set **ret,
			  struct mtls_diag *diag)
{
	_cleanup_(mtls_rescue_set_freep) struct mtls_rescue_set *set = calloc(1, sizeof(*set));
	_cleanup_free_ struct reader *reader = calloc(1, sizeof(*reader));
	if (!set || !reader)
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	if (len > MTLS_RESCUE_FILE_MAX)
		return mtls_diag_set(diag, MTLS_E_LIMIT, "longer than %d bytes",
				     MTLS_RESCUE_FILE_MAX);
	reader->at = (const char *)data;
	reader->end = reader->at + len;
	reader->diag = diag;
	int r = len > 0 ? read_head(reader, set) : damaged(reader, MAGIC);
	if (r == 0)
		r = read_codes(reader, set);
	if (r == 0)
		*ret = MTLS_TAKE(set);
	return r;
}

/* --- writing --- */

int mtls_rescue_set_format(const struct mtls_rescue_set *set, struct mtls_buf *out)
{
	(void)mtls_buf_printf(out, MAGIC " " FORMAT "\nmade %" PRIu64 "\nusers %s\nsetting %s\n",
			      set->made_at, set->users, set->setting.text);
	for (size_t i = 0; i < set->count; i++) {
		const struct mtls_rescue_entry *entry = &set->entry[i];
		(void)mtls_buf_printf(out, "code %zu ", i + 1);
		if (entry->used)
			(void)mtls_buf_printf(out, "%" PRIu64, entry->used_at);
		else
			(void)mtls_buf_append_str(out, "-");
		(void)mtls_buf_printf(out, " %s\n", entry->hash.text);
	}
	return mtls_buf_printf(out, "end %zu\n", set->count);
}

/* --- questions --- */

bool mtls_rescue_set_has_user(const struct mtls_rescue_set *set, const char *user)
{
	return is_listed(set->users, user, strlen(user));
}

size_t mtls_rescue_set_unused(const struct mtls_rescue_set *set)
{
	size_t unused = 0;
	for (size_t i = 0; i < set->count; i++)
		unused += !set->entry[i].used;
	return unused;
}

int mtls_rescue_set_find(const struct mtls_rescue_set *set, const struct mtls_rescue_hash *hash)
{
	int found = -1;
	for (size_t i = 0; i < set->count; i++) {
		bool equal = mtls_rescue_hash_equal(&set->entry[i].hash, hash);
		found = equal ? (int)i : found;
	}
	return found;
}
