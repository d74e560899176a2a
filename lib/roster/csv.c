/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Users as comma-separated values (RFC 4180), as spreadsheets and staff offices give them. The
 * header names the columns. What spreadsheets do otherwise (';' or tabs, UTF-16, line breaks in
 * fields) gets words of its own, because the person at the other end did not choose it.
 */
#include <config.h>

#include <string.h>

#include "lib/base/err.h"
#include "lib/roster/roster_impl.h"

#define COLUMNS "name, uid, gid, gecos, home, shell, groups"

static const struct mtls_roster_span nothing = { 0 };

struct csv {
	struct mtls_roster_text text;
	struct mtls_buf decoded;        /* the fields of this line, without quotes */
	struct mtls_roster_list fields; /* point into it */
	const struct column *columns[8];
	size_t column_count;
	struct mtls_roster_draft draft;
	struct mtls_roster *roster;
};

typedef int column_fn(struct csv *csv, struct mtls_roster_span value);

static int set_name(struct csv *csv, struct mtls_roster_span value)
{
	csv->draft.fields[MTLS_ROSTER_NAME] = value;
	return 0;
}

static int set_uid(struct csv *csv, struct mtls_roster_span value)
{
	return value.len ? mtls_roster_parse_id(&csv->text.place, "the uid", value, &csv->draft.uid)
			 : 0;
}

static int set_gid(struct csv *csv, struct mtls_roster_span value)
{
	return value.len ? mtls_roster_parse_id(&csv->text.place, "the gid", value, &csv->draft.gid)
			 : 0;
}

static int set_gecos(struct csv *csv, struct mtls_roster_span value)
{
	csv->draft.fields[MTLS_ROSTER_GECOS] = value.len ? value : nothing;
	return 0;
}

static int set_home(struct csv *csv, struct mtls_roster_span value)
{
	csv->draft.fields[MTLS_ROSTER_HOME] = value.len ? value : nothing;
	return 0;
}

static int set_shell(struct csv *csv, struct mtls_roster_span value)
{
	csv->draft.fields[MTLS_ROSTER_SHELL] = value.len ? value : nothing;
	return 0;
}

static int set_groups(struct csv *csv, struct mtls_roster_span value)
{
	size_t start = 0;

	for (size_t i = 0; i <= value.len; i++) {
		if (i < value.len && value.data[i] != ';' && value.data[i] != ' ')
			continue;
		struct mtls_roster_span item = { value.data + start, i - start };
		int r = item.len ? mtls_roster_list_add(&csv->text.place, &csv->draft.list, item)
				 : 0;
		if (r < 0)
			return r;
		start = i + 1;
	}
	return 0;
}

static const struct column {
	const char *name;
	column_fn *set;
} columns[] = {
	{ "name", set_name },     { "uid", set_uid },   { "gid", set_gid },
	{ "gecos", set_gecos },   { "home", set_home }, { "shell", set_shell },
	{ "groups", set_groups },
};

/* A quoted field that begins at @at of @line: decoded; @at is behind the closing quote. */
static int read_quoted(struct csv *csv, struct mtls_roster_span line, size_t *at)
{
	size_t i = *at + 1;

	for (; i < line.len; i++) {
		if (line.data[i] == '"') {
			if (i + 1 >= line.len || line.data[i + 1] != '"')
				break;
			i++;
		}
		csv->decoded.data[csv->decoded.len++] = (uint8_t)line.data[i];
	}
	if (i >= line.len)
		return mtls_roster_wrong(
			&csv->text.place, "a quote that is not closed on its line", nothing,
			"'\"' at the field's end: fields have no line breaks here");
	i++;
	if (i < line.len && line.data[i] != ',')
		return mtls_roster_wrong(
			&csv->text.place, "text behind a closing quote:",
			(struct mtls_roster_span){ line.data + i, line.len - i },
			"',' or the line's end (a quote inside of quotes is written twice)");
	*at = i;
	return 0;
}

static int read_plain(struct csv *csv, struct mtls_roster_span line, size_t *at)
{
	const char *start = line.data + *at;
	const char *comma = memchr(start, ',', line.len - *at);
	struct mtls_roster_span field = { start, comma ? (size_t)(comma - start) : line.len - *at };

	if (memchr(field.data, '"', field.len))
		return mtls_roster_wrong(&csv->text.place, "a quote inside of the field", field,
					 "the whole field in quotes, and that quote written twice");
	memcpy(csv->decoded.data + csv->decoded.len, field.data, field.len);
	csv->decoded.len += field.len;
	*at += field.len;
	return 0;
}

/* Decoded fields are never longer than their line, so @decoded does not move while it fills. */
static int split(struct csv *csv, struct mtls_roster_span line)
{
	mtls_buf_reset(&csv->decoded);
	csv->fields.count = 0;
	if (mtls_buf_reserve(&csv->decoded, line.len) < 0)
		return mtls_roster_nomem(&csv->text.place);
	for (size_t at = 0;; at++) {
		size_t start = csv->decoded.len;
		bool quoted = at < line.len && line.data[at] == '"';
		int r = quoted ? read_quoted(csv, line, &at) : read_plain(csv, line, &at);
		if (r >= 0)
			r = mtls_roster_list_add(
				&csv->text.place, &csv->fields,
				(struct mtls_roster_span){ (char *)csv->decoded.data + start,
							   csv->decoded.len - start });
		if (r < 0 || at >= line.len)
			return r;
	}
}

static bool span_is(struct mtls_roster_span span, const char *text)
{
	return span.len == strlen(text) && memcmp(span.data, text, span.len) == 0;
}

static int add_column(struct csv *csv, struct mtls_roster_span title)
{
	const struct mtls_roster_place *place = &csv->text.place;

	for (size_t i = 0; i < csv->column_count; i++)
		if (span_is(title, csv->columns[i]->name))
			return mtls_roster_wrong(place, "the column", title, "it once, not twice");
	for (size_t i = 0; i < MTLS_COUNT(columns); i++)
		if (span_is(title, columns[i].name)) {
			csv->columns[csv->column_count++] = &columns[i];
			return 0;
		}
	return mtls_roster_wrong(place, "the column", title, "columns out of " COLUMNS);
}

static int read_header(struct csv *csv, struct mtls_roster_span line)
{
	const struct mtls_roster_place *place = &csv->text.place;

	if (!memchr(line.data, ',', line.len)) {
		if (memchr(line.data, ';', line.len))
			return mtls_roster_wrong(place, "';' between the columns", nothing,
						 "',' (spreadsheets: save as CSV with commas)");
		if (memchr(line.data, '\t', line.len))
			return mtls_roster_wrong(place, "tabs between the columns", nothing,
						 "',' (spreadsheets: save as CSV with commas)");
	}
	int r = split(csv, line);
	for (size_t i = 0; r >= 0 && i < csv->fields.count; i++)
		r = add_column(csv, csv->fields.items[i]);
	if (r < 0)
		return r;
	for (size_t i = 0; i < csv->column_count; i++)
		if (csv->columns[i]->set == set_name)
			return 0;
	return mtls_roster_wrong(place, "no column 'name'", nothing, "columns out of " COLUMNS);
}

static int read_line(struct csv *csv, struct mtls_roster_span line)
{
	struct mtls_roster_list list = csv->draft.list;

	int r = split(csv, line);
	if (r < 0)
		return r;
	if (csv->fields.count != csv->column_count)
		return mtls_diag_set(csv->text.place.diag, MTLS_E_SYNTAX,
				     "%s:%u: found %zu fields, expected %zu as in the header",
				     csv->text.place.file, csv->text.place.line, csv->fields.count,
				     csv->column_count);
	list.count = 0; /* its memory serves all lines */
	csv->draft = (struct mtls_roster_draft){
		.list = list,
		.uid = MTLS_ROSTER_NO_ID,
		.gid = MTLS_ROSTER_NO_ID,
	};
	for (size_t i = 0; r >= 0 && i < csv->column_count; i++)
		r = csv->columns[i]->set(csv, csv->fields.items[i]);
	return r < 0 ? r : mtls_roster_put_user(&csv->text.place, &csv->draft, csv->roster);
}

static int read_text(struct csv *csv)
{
	struct mtls_roster_span line;

	int r = mtls_roster_next_line(&csv->text, &line);
	if (r == 0) {
		csv->text.place.line = 1;
		return mtls_roster_wrong(&csv->text.place, "nothing", nothing,
					 "a header line with columns out of " COLUMNS);
	}
	if (r > 0)
		r = read_header(csv, line);
	while (r >= 0 && (r = mtls_roster_next_line(&csv->text, &line)) > 0)
		r = read_line(csv, line);
	return r;
}

/* Byte order marks: UTF-8's is passed over, UTF-16's (also a spreadsheet's "CSV") is named. */
static int pass_mark(struct csv *csv)
{
	static const char utf8[] = "\xef\xbb\xbf";
	struct mtls_roster_text *text = &csv->text;

	if (text->len >= 3 && memcmp(text->data, utf8, 3) == 0)
		text->at = 3;
	if (text->len < 2 ||
	    (memcmp(text->data, "\xff\xfe", 2) != 0 && memcmp(text->data, "\xfe\xff", 2) != 0))
		return 0;
	text->place.line = 1;
	return mtls_roster_wrong(&text->place, "UTF-16", nothing,
				 "UTF-8 (spreadsheets: save as CSV UTF-8)");
}

int mtls_roster_csv(const char *file, const uint8_t *text, size_t len, struct mtls_roster *roster,
		    struct mtls_diag *diag)
{
	struct csv csv = {
		.text = { .place = { file, 0, diag },
			  .data = (const char *)text,
			  .len = len,
			  .csv = true },
		.decoded = MTLS_BUF(MTLS_ROSTER_LINE_MAX),
		.roster = roster,
	};

	int r = pass_mark(&csv);
	if (r >= 0)
		r = read_text(&csv);
	mtls_buf_done(&csv.decoded);
	mtls_roster_list_done(&csv.fields);
	mtls_roster_list_done(&csv.draft.list);
	return r;
}
