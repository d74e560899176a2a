/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lines of passwd, group, subuid, subgid, login.defs and sysusers.d: what they hold and what they
 * let tools hand out. Root writes these files, but persons choose parts of them (gecos), packages
 * others. A name counts even where the rest of its line makes no sense. Pure but for memory.
 */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/acctdb/local_impl.h"
#include "lib/base/str.h"

#define BLANKS " \t\r\v\f"

int local_each_line(struct mtls_local *local, char *data, size_t len, local_line_fn *each)
{
	char *end = data + len;

	*end = '\0';
	for (char *line = data; line < end;) {
		char *stop = memchr(line, '\n', (size_t)(end - line));
		if (!stop)
			stop = end;
		*stop = '\0';
		/* A NUL before that ends the line, as it does for everybody else. */
		int r = each(local, line);
		if (r < 0)
			return r;
		line = stop + 1;
	}
	return 0;
}

/* Digits alone, decimal. False if there is something else, or too much. */
static bool read_number(const char *text, size_t len, uint64_t *ret)
{
	uint64_t value = 0;

	if (len == 0)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9' || value > UINT32_MAX)
			return false;
		value = 10 * value + (uint64_t)(text[i] - '0');
	}
	*ret = value;
	return true;
}

/* The field behind @cursor and its length; *cursor then stands behind the next colon, or is NULL.
 */
static const char *next_field(const char **cursor, size_t *ret_len)
{
	return mtls_split_next(cursor, ':', ret_len);
}

static int line_entry(struct local_holding *h, const char *line)
{
	const char *cursor = line + strspn(line, BLANKS);
	size_t name_len, len;
	uint64_t id;

	const char *name = next_field(&cursor, &name_len);
	if (!name || name_len == 0 || name[0] == '#')
		return 0;
	int r = local_add_name(&h->names, name, name_len);
	if (r < 0)
		return r;
	(void)next_field(&cursor, &len);
	const char *text = next_field(&cursor, &len);
	if (!text || !read_number(text, len, &id) || id > UINT32_MAX)
		return 0;
	return local_add_range(&h->ids, id, id);
}

int local_line_passwd(struct mtls_local *local, char *line)
{
	return line_entry(&local->users, line);
}

int local_line_group(struct mtls_local *local, char *line)
{
	return line_entry(&local->groups, line);
}

static int line_subordinate(struct local_holding *h, const char *line)
{
	const char *cursor = line;
	size_t len, count_len;
	uint64_t first, count;

	const char *owner = next_field(&cursor, &len);
	if (!owner || owner[0] == '#')
		return 0;
	const char *text = next_field(&cursor, &len);
	if (!text || !read_number(text, len, &first) || first > UINT32_MAX)
		return 0;
	text = next_field(&cursor, &count_len);
	if (!text)
		return 0;
	/* Blanks or words behind the number are not the number; what is too large ends at the top.
	 */
	size_t digits = strspn(text, "0123456789");
	if (!read_number(text, digits < count_len ? digits : count_len, &count))
		count = digits ? UINT32_MAX : 0;
	return count ? local_add_range(&h->ids, first, first + count - 1) : 0;
}

int local_line_subuid(struct mtls_local *local, char *line)
{
	return line_subordinate(&local->users, line);
}

int local_line_subgid(struct mtls_local *local, char *line)
{
	return line_subordinate(&local->groups, line);
}

/* The keys of login.defs, and what useradd(8), groupadd(8) and newusers(8) do without them. */
static const struct {
	const char *min, *max;
	uint32_t def_min, def_max; /* 0: one below the lowest that persons get */
	bool groups;
} limits[LOCAL_LIMITS] = {
	{ "UID_MIN", "UID_MAX", 1000, 60000, false },
	{ "GID_MIN", "GID_MAX", 1000, 60000, true },
	{ "SYS_UID_MIN", "SYS_UID_MAX", 101, 0, false },
	{ "SYS_GID_MIN", "SYS_GID_MAX", 101, 0, true },
	{ "SUB_UID_MIN", "SUB_UID_MAX", 100000, 600100000, false },
	{ "SUB_GID_MIN", "SUB_GID_MAX", 100000, 600100000, true },
};

/* As those programs read it: decimal, 0x or a leading 0; another text means the default. */
static bool read_limit(const char *text, uint32_t *ret)
{
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	unsigned long long value = strtoull(text, &end, 0);
	if (errno || *end || value > UINT32_MAX)
		return false;
	*ret = (uint32_t)value;
	return true;
}

int local_line_defs(struct mtls_local *local, char *line)
{
	char *key = line + strspn(line, BLANKS);
	size_t len = strcspn(key, BLANKS);

	if (!key[len] || key[0] == '#')
		return 0;
	key[len] = '\0';
	char *value = key + len + 1;
	value += strspn(value, BLANKS "\"");
	value[strcspn(value, "\"")] = '\0';
	for (size_t n = strlen(value); n > 0 && strchr(BLANKS, value[n - 1]); n--)
		value[n - 1] = '\0';
	for (size_t i = 0; i < LOCAL_LIMITS; i++) {
		struct local_limits *l = &local->limits[i];
		if (strcmp(key, limits[i].min) == 0)
			l->min_set = read_limit(value, &l->min);
		if (strcmp(key, limits[i].max) == 0)
			l->max_set = read_limit(value, &l->max);
	}
	return 0;
}

int local_defs_end(struct mtls_local *local)
{
	for (size_t i = 0; i < LOCAL_LIMITS; i++) {
		struct local_limits *l = &local->limits[i];
		struct local_holding *h = limits[i].groups ? &local->groups : &local->users;
		if (!l->min_set)
			l->min = limits[i].def_min;
		if (!l->max_set) /* rows 0 and 1 come first: their lowest is known */
			l->max = limits[i].def_max ? limits[i].def_max
						   : local->limits[limits[i].groups].min - 1;
		/* Upside down, the programs refuse to give any. */
		int r = l->min <= l->max ? local_add_range(&h->allocated, l->min, l->max) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

/* The next word of a line of sysusers.d, unquoted in place; NULL behind the last one. */
static char *next_word(char **cursor)
{
	char *from = *cursor + strspn(*cursor, BLANKS), *word = from, *to = from;
	char quote = '\0';

	if (!*from)
		return NULL;
	for (; *from && (quote || !strchr(BLANKS, *from)); from++) {
		if (*from == quote)
			quote = '\0';
		else if (!quote && (*from == '"' || *from == '\''))
			quote = *from;
		else {
			if (*from == '\\' && from[1])
				from++;
			*to++ = *from;
		}
	}
	*cursor = *from ? from + 1 : from;
	*to = '\0';
	return word;
}

/* A name with a specifier is one that only systemd-sysusers(8) can know. */
static int hold_name(struct local_holding *h, const char *name)
{
	if (!*name || *name == '-' || strchr(name, '%'))
		return 0;
	return local_add_name(&h->names, name, strlen(name));
}

static int hold_id(struct local_holding *h, const char *text, size_t len)
{
	uint64_t id;

	if (!read_number(text, len, &id) || id > UINT32_MAX)
		return 0; /* "-", a path, a name, a specifier */
	return local_add_range(&h->ids, id, id);
}

/* u NAME UID, UID:GID or UID:GROUP: without a group it makes one of its name and number. */
static int sysusers_user(struct mtls_local *local, const char *name, const char *id)
{
	const char *colon = strchr(id, ':');
	size_t len = colon ? (size_t)(colon - id) : strlen(id);

	int r = hold_name(&local->users, name);
	if (r >= 0)
		r = hold_name(&local->groups, name);
	if (r >= 0)
		r = hold_id(&local->users, id, len);
	if (r >= 0)
		r = colon ? hold_id(&local->groups, colon + 1, strlen(colon + 1))
			  : hold_id(&local->groups, id, len);
	return r;
}

static int sysusers_group(struct mtls_local *local, const char *name, const char *id)
{
	int r = hold_name(&local->groups, name);
	return r < 0 ? r : hold_id(&local->groups, id, strlen(id));
}

/* m USER GROUP makes both where they are missing. */
static int sysusers_member(struct mtls_local *local, const char *name, const char *id)
{
	int r = hold_name(&local->users, name);
	return r < 0 ? r : hold_name(&local->groups, id);
}

/* r - FIRST-LAST: what numbers are taken from. */
static int sysusers_pool(struct mtls_local *local, const char *name, const char *id)
{
	const char *dash = strchr(id, '-');
	uint64_t first, last;

	(void)name;
	if (!read_number(id, dash ? (size_t)(dash - id) : strlen(id), &first))
		return 0;
	if (!dash)
		last = first;
	else if (!read_number(dash + 1, strlen(dash + 1), &last))
		return 0;
	if (first > last)
		return 0;
	int r = local_add_range(&local->users.allocated, first, last);
	return r < 0 ? r : local_add_range(&local->groups.allocated, first, last);
}

int local_line_sysusers(struct mtls_local *local, char *line)
{
	static const struct {
		char type;
		int (*take)(struct mtls_local *local, const char *name, const char *id);
	} rows[] = {
		{ 'u', sysusers_user },
		{ 'g', sysusers_group },
		{ 'm', sysusers_member },
		{ 'r', sysusers_pool },
	};
	char *cursor = line;

	const char *type = next_word(&cursor);
	if (!type || type[0] == '#' || type[0] == ';')
		return 0;
	const char *name = next_word(&cursor);
	if (!name)
		return 0;
	const char *id = next_word(&cursor);
	/* Marks may stand behind a type, such as u! for a locked account; another may come. */
	for (size_t i = 0; i < MTLS_COUNT(rows); i++)
		if (type[0] == rows[i].type)
			return rows[i].take(local, name, id ? id : "-");
	return 0;
}
