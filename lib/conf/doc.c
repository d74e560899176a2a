/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The list of keys that were given, before their values are looked at. */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/conf/internal.h"

void conf_doc_done(struct conf_doc *doc)
{
	for (size_t i = 0; i < doc->entry_count; i++) {
		free(doc->entries[i].title);
		mtls_strv_free(doc->entries[i].values);
	}
	for (size_t i = 0; i < doc->title_count; i++)
		free(doc->titles[i].title);
	free(doc->entries);
	free(doc->titles);
	*doc = (struct conf_doc){ 0 };
}

/* Both outside of sections, or the same title. */
static bool same_title(const char *a, const char *b)
{
	return (!a && !b) || mtls_streq(a, b);
}

struct conf_entry *conf_doc_find(const struct conf_doc *doc,
				 const struct mtls_conf_section *section, const char *title,
				 const struct mtls_conf_item *item)
{
	for (size_t i = 0; i < doc->entry_count; i++) {
		struct conf_entry *entry = &doc->entries[i];
		if (entry->section == section && entry->item == item && entry->line &&
		    same_title(entry->title, title))
			return entry;
	}
	return NULL;
}

struct conf_entry *conf_doc_add(struct conf_doc *doc, const struct mtls_conf_section *section,
				const char *title, const struct mtls_conf_item *item,
				unsigned int line)
{
	struct conf_entry *grown = reallocarray(doc->entries, doc->entry_count + 1, sizeof(*grown));
	if (!grown)
		return NULL;
	doc->entries = grown;
	char *copy = title ? strdup(title) : NULL;
	if (title && !copy)
		return NULL;
	struct conf_entry *entry = &grown[doc->entry_count++];
	*entry = (struct conf_entry){
		.section = section, .item = item, .title = copy, .line = line
	};
	return entry;
}

bool conf_is_list(enum mtls_conf_type type)
{
	return type == MTLS_CONF_STRINGS || type == MTLS_CONF_PATHS;
}
