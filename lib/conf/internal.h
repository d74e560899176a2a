/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of lib/conf share: entries between parsing and applying. */
#ifndef MTLS_CONF_INTERNAL_H
#define MTLS_CONF_INTERNAL_H

#include <stddef.h>

#include "lib/base/err.h"
#include "lib/conf/conf.h"

/* One key as it was given. */
struct conf_entry {
	const struct mtls_conf_section *section; /* NULL: outside of sections */
	const struct mtls_conf_item *item;
	char *title; /* NULL outside of sections */
	char **values;
	unsigned int line; /* 0: a module argument */
};

/* A section that is there, with or without keys. */
struct conf_title {
	const struct mtls_conf_section *section;
	char *title;
};

/* A file and the arguments, syntax checked, values not yet. Owned parts. */
struct conf_doc {
	struct conf_entry *entries;
	size_t entry_count;
	struct conf_title *titles;
	size_t title_count;
};

void conf_doc_done(struct conf_doc *doc);

/*
 * The entry for @item that a file has given, NULL if there is none. conf_doc_add() appends one
 * without values; NULL when memory is short.
 */
struct conf_entry *conf_doc_find(const struct conf_doc *doc,
				 const struct mtls_conf_section *section, const char *title,
				 const struct mtls_conf_item *item);
struct conf_entry *conf_doc_add(struct conf_doc *doc, const struct mtls_conf_section *section,
				const char *title, const struct mtls_conf_item *item,
				unsigned int line);

bool conf_is_list(enum mtls_conf_type type);

/*
 * guard.c: checks the raw text and writes what libConfuse may see to @ret_text (malloc'ed): the
 * same lines without comments. MTLS_E_CONFIG with "FILE:LINE: ...".
 */
int conf_guard(const struct mtls_conf_source *source, char **ret_text, struct mtls_diag *diag);

/* file.c: text to entries, by libConfuse. */
int conf_parse_text(const struct mtls_conf_table *table, const char *name, const char *text,
		    struct conf_doc *doc, struct mtls_diag *diag);

/* args.c: module arguments to entries. */
int conf_parse_args(const struct mtls_conf_table *table, const struct mtls_conf_source *source,
		    struct conf_doc *doc, struct mtls_diag *diag);
/* "a,b,c" to @ret_values; an empty text is an empty list. 0 or -ENOMEM. */
int conf_split_list(const char *text, char ***ret_values);

/*
 * value.c: stores @values in the field of @item below @base, releasing what was there. Returns 0,
 * -ENOMEM, or MTLS_E_CONFIG; then *@ret_bad is the value at fault (borrowed).
 */
int conf_store(const struct mtls_conf_item *item, char *const *values, void *base,
	       const char **ret_bad);
void conf_release_field(const struct mtls_conf_item *item, void *base);

/* conf.c: file and arguments to entries in the zeroed @doc, and into the zeroed @settings. */
int conf_load_doc(const struct mtls_conf_table *table, const struct mtls_conf_source *source,
		  struct conf_doc *doc, void *settings, struct mtls_diag *diag);

#endif
