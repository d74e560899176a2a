/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * passwd(5) and group(5): a line an entry, fields separated by ':', exactly as many as there are.
 * What the C library forgives (missing fields, blanks, NIS lines) is an error here: who wrote it
 * meant something that we would not do.
 */
#include <config.h>

#include <string.h>

#include "lib/base/err.h"
#include "lib/roster/roster_impl.h"

#define PASSWD_FIELDS 7
#define GROUP_FIELDS  4
#define FIELDS_MAX    PASSWD_FIELDS

typedef int entry_fn(const struct mtls_roster_place *place, const struct mtls_roster_span *fields,
		     struct mtls_roster_draft *draft, struct mtls_roster *roster);

struct syntax {
	size_t field_count;
	const char *expected;
	entry_fn *entry;
};

/* The part of @line before @separator; @line is advanced, its data is NULL after the last part. */
static struct mtls_roster_span cut(struct mtls_roster_span *line, char separator)
{
	const char *end = memchr(line->data, separator, line->len);
	struct mtls_roster_span part = { line->data, end ? (size_t)(end - line->data) : line->len };

	*line = end ? (struct mtls_roster_span){ end + 1, line->len - part.len - 1 }
		    : (struct mtls_roster_span){ 0 };
	return part;
}

static int split(const struct mtls_roster_place *place, const struct syntax *syntax,
		 struct mtls_roster_span line, struct mtls_roster_span fields[FIELDS_MAX])
{
	struct mtls_roster_span rest = line;
	size_t count = 0;

	while (rest.data && count < syntax->field_count)
		fields[count++] = cut(&rest, ':');
	if (rest.data || count < syntax->field_count)
		return mtls_roster_wrong(place, rest.data ? "more fields in" : "fewer fields in",
					 line, syntax->expected);
	return 0;
}

static int read_user(const struct mtls_roster_place *place, const struct mtls_roster_span *fields,
		     struct mtls_roster_draft *draft, struct mtls_roster *roster)
{
	draft->fields[MTLS_ROSTER_NAME] = fields[0];
	draft->fields[MTLS_ROSTER_GECOS] = fields[4];
	draft->fields[MTLS_ROSTER_HOME] = fields[5];
	draft->fields[MTLS_ROSTER_SHELL] = fields[6];
	mtls_roster_count_hash(roster, fields[1]);
	int r = mtls_roster_parse_id(place, "the uid", fields[2], &draft->uid);
	if (r >= 0)
		r = mtls_roster_parse_id(place, "the gid", fields[3], &draft->gid);
	return r < 0 ? r : mtls_roster_put_user(place, draft, roster);
}

static int read_group(const struct mtls_roster_place *place, const struct mtls_roster_span *fields,
		      struct mtls_roster_draft *draft, struct mtls_roster *roster)
{
	struct mtls_roster_span members = fields[3];

	draft->fields[MTLS_ROSTER_NAME] = fields[0];
	mtls_roster_count_hash(roster, fields[1]);
	int r = mtls_roster_parse_id(place, "the gid", fields[2], &draft->gid);
	while (r >= 0 && fields[3].len && members.data)
		r = mtls_roster_list_add(place, &draft->list, cut(&members, ','));
	return r < 0 ? r : mtls_roster_put_group(place, draft, roster);
}

static int read_line(const struct mtls_roster_place *place, const struct syntax *syntax,
		     struct mtls_roster_span line, struct mtls_roster_draft *draft,
		     struct mtls_roster *roster)
{
	struct mtls_roster_span fields[FIELDS_MAX] = { 0 };

	if (line.data[0] == '+' || line.data[0] == '-')
		return mtls_roster_wrong(place, "the NIS line", line,
					 "accounts only: nothing is asked of NIS");
	int r = split(place, syntax, line, fields);
	if (r < 0)
		return r;
	draft->list.count = 0; /* its memory serves all lines */
	return syntax->entry(place, fields, draft, roster);
}

static int read_text(const struct syntax *syntax, struct mtls_roster_text *text,
		     struct mtls_roster *roster)
{
	struct mtls_roster_draft draft = { 0 };
	struct mtls_roster_span line;
	int r;

	while ((r = mtls_roster_next_line(text, &line)) > 0) {
		r = read_line(&text->place, syntax, line, &draft, roster);
		if (r < 0)
			break;
	}
	mtls_roster_list_done(&draft.list);
	return r;
}

int mtls_roster_passwd(const char *file, const uint8_t *text, size_t len,
		       struct mtls_roster *roster, struct mtls_diag *diag)
{
	static const struct syntax syntax = { PASSWD_FIELDS,
					      "seven: name:password:uid:gid:gecos:home:shell",
					      read_user };
	struct mtls_roster_text reader = {
		.place = { file, 0, diag },
		.data = (const char *)text,
		.len = len,
	};
	return read_text(&syntax, &reader, roster);
}

int mtls_roster_group(const char *file, const uint8_t *text, size_t len, struct mtls_roster *roster,
		      struct mtls_diag *diag)
{
	static const struct syntax syntax = { GROUP_FIELDS, "four: name:password:gid:member,member",
					      read_group };
	struct mtls_roster_text reader = {
		.place = { file, 0, diag },
		.data = (const char *)text,
		.len = len,
	};
	return read_text(&syntax, &reader, roster);
}
