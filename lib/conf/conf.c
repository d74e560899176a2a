/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Defaults, file, chosen section, arguments: entries into settings. Pure but for the file. */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/file.h"
#include "lib/base/str.h"
#include "lib/conf/internal.h"

int mtls_conf_read(const char *path, bool optional, struct mtls_buf *buf, struct mtls_diag *diag)
{
	const struct mtls_file_trust trust = { .owner = 0 };

	int r = mtls_file_read(path, &trust, buf, diag);
	if (r == -ENOENT && optional)
		return 0;
	return r < 0 ? r : 1;
}

static void release_items(const struct mtls_conf_item *items, size_t count, void *base)
{
	for (size_t i = 0; i < count; i++)
		conf_release_field(&items[i], base);
}

static void release_array(const struct mtls_conf_section *section, void *settings)
{
	char *elements;
	size_t count;

	memcpy(&elements, (char *)settings + section->array_offset, sizeof(elements));
	memcpy(&count, (char *)settings + section->count_offset, sizeof(count));
	for (size_t i = 0; i < count; i++) {
		char *element = elements + i * section->element_size;
		char *title;
		memcpy(&title, element + section->title_offset, sizeof(title));
		free(title);
		release_items(section->items, section->item_count, element);
	}
	free(elements);
}

void mtls_conf_release(const struct mtls_conf_table *table, void *settings)
{
	release_items(table->items, table->item_count, settings);
	for (size_t i = 0; i < table->section_count; i++) {
		const struct mtls_conf_section *section = &table->sections[i];
		if (section->element_size)
			release_array(section, settings);
		else
			release_items(section->items, section->item_count, settings);
	}
	memset(settings, 0, table->size);
}

static int bad_value(const struct mtls_conf_source *source, const struct conf_entry *entry,
		     const char *bad, struct mtls_diag *diag)
{
	char expected[256];

	mtls_conf_describe(entry->item, expected, sizeof(expected));
	if (!entry->line)
		return mtls_diag_set(diag, MTLS_E_CONFIG,
				     "argument '%s': found '%.100s', expected %s", entry->item->key,
				     bad, expected);
	return mtls_diag_set(diag, MTLS_E_CONFIG, "%s:%u: found '%.100s' for '%s', expected %s",
			     source->name, entry->line, bad, entry->item->key, expected);
}

static int store_entry(const struct mtls_conf_source *source, const struct conf_entry *entry,
		       void *base, struct mtls_diag *diag)
{
	const char *bad = "";

	int r = conf_store(entry->item, entry->values, base, &bad);
	if (r == MTLS_E_CONFIG)
		return bad_value(source, entry, bad, diag);
	return r < 0 ? mtls_diag_set(diag, r, "%s: out of memory", source->name) : 0;
}

static int store_default(const struct mtls_conf_item *item, void *base)
{
	if (!item->def)
		return 0;
	_cleanup_(mtls_strv_freep) char **values = NULL;
	int r = conf_is_list(item->type) ? conf_split_list(item->def, &values)
					 : mtls_strv_add(&values, item->def);
	const char *bad;
	r = r < 0 ? r : conf_store(item, values, base, &bad);
	/* A default that its own type refuses is a bug of the table; the tests load each table. */
	return r == MTLS_E_CONFIG ? MTLS_E_BUG : r;
}

static int store_defaults(const struct mtls_conf_item *items, size_t count, void *base)
{
	for (size_t i = 0; i < count; i++) {
		int r = store_default(&items[i], base);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The keys that the file gives in one section (or in none) into @base. */
static int store_group(const struct mtls_conf_source *source, const struct conf_doc *doc,
		       const struct mtls_conf_section *section, const char *title, void *base,
		       struct mtls_diag *diag)
{
	for (size_t i = 0; i < doc->entry_count; i++) {
		const struct conf_entry *entry = &doc->entries[i];
		bool mine = entry->section == section &&
			    ((!title && !entry->title) || mtls_streq(title, entry->title));
		if (!mine || !entry->line)
			continue;
		int r = store_entry(source, entry, base, diag);
		if (r < 0)
			return r;
	}
	return 0;
}

static int check_required(const struct mtls_conf_source *source, const struct mtls_conf_item *items,
			  size_t count, const char *where, const void *base, struct mtls_diag *diag)
{
	for (size_t i = 0; i < count; i++) {
		void *pointer;
		if (!items[i].required)
			continue;
		/* Only keys with a pointer can be required: numbers and words have defaults. */
		memcpy(&pointer, (const char *)base + items[i].offset, sizeof(pointer));
		if (!pointer)
			return mtls_diag_set(
				diag, MTLS_E_CONFIG, "%s: found no '%s'%s%s, expected '%s = ...'",
				source->name, items[i].key, where ? " in section " : "",
				where ? where : "", items[i].key);
	}
	return 0;
}

/* Sections that belong to the settings: the chosen one counts, the others are only checked. */
static int apply_chosen(const struct mtls_conf_table *table, const struct mtls_conf_source *source,
			const struct conf_doc *doc, const struct conf_title *title, void *settings,
			struct mtls_diag *diag)
{
	if (mtls_streq(title->title, source->title))
		return store_group(source, doc, title->section, title->title, settings, diag);
	_cleanup_free_ void *scratch = calloc(1, table->size);
	if (!scratch)
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	int r = store_group(source, doc, title->section, title->title, scratch, diag);
	release_items(title->section->items, title->section->item_count, scratch);
	return r;
}

/* A new element at the end of the section's array; it counts from now on, so it is released. */
static char *grow_array(const struct mtls_conf_section *section, void *settings)
{
	char *elements;
	size_t count;

	memcpy(&elements, (char *)settings + section->array_offset, sizeof(elements));
	memcpy(&count, (char *)settings + section->count_offset, sizeof(count));
	char *grown = reallocarray(elements, count + 1, section->element_size);
	if (!grown)
		return NULL;
	memcpy((char *)settings + section->array_offset, &grown, sizeof(grown));
	char *element = grown + count * section->element_size;
	memset(element, 0, section->element_size);
	count++;
	memcpy((char *)settings + section->count_offset, &count, sizeof(count));
	return element;
}

static int apply_element(const struct mtls_conf_source *source, const struct conf_doc *doc,
			 const struct conf_title *title, void *settings, struct mtls_diag *diag)
{
	const struct mtls_conf_section *section = title->section;
	char *element = grow_array(section, settings);
	char *copy = element ? strdup(title->title) : NULL;

	if (!copy)
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	memcpy(element + section->title_offset, &copy, sizeof(copy));
	int r = store_defaults(section->items, section->item_count, element);
	if (r < 0)
		return mtls_diag_set(diag, r, "%s", mtls_strerror(r));
	r = store_group(source, doc, section, title->title, element, diag);
	if (r < 0)
		return r;
	return check_required(source, section->items, section->item_count, title->title, element,
			      diag);
}

static int apply_sections(const struct mtls_conf_table *table,
			  const struct mtls_conf_source *source, const struct conf_doc *doc,
			  void *settings, struct mtls_diag *diag)
{
	for (size_t i = 0; i < doc->title_count; i++) {
		const struct conf_title *title = &doc->titles[i];
		int r = title->section->element_size
				? apply_element(source, doc, title, settings, diag)
				: apply_chosen(table, source, doc, title, settings, diag);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < table->section_count; i++) {
		const struct mtls_conf_section *section = &table->sections[i];
		size_t count = 0;
		if (section->element_size)
			memcpy(&count, (char *)settings + section->count_offset, sizeof(count));
		if (count < section->min_count)
			return mtls_diag_set(
				diag, MTLS_E_CONFIG,
				"%s: found no section '%s', expected '%s NAME { ... }'",
				source->name, section->name, section->name);
	}
	return 0;
}

static int apply_args(const struct mtls_conf_source *source, const struct conf_doc *doc,
		      void *settings, struct mtls_diag *diag)
{
	for (size_t i = 0; i < doc->entry_count; i++) {
		if (doc->entries[i].line)
			continue;
		int r = store_entry(source, &doc->entries[i], settings, diag);
		if (r < 0)
			return r;
	}
	return 0;
}

static int apply_defaults(const struct mtls_conf_table *table, void *settings)
{
	int r = store_defaults(table->items, table->item_count, settings);
	for (size_t i = 0; r >= 0 && i < table->section_count; i++) {
		const struct mtls_conf_section *section = &table->sections[i];
		if (!section->element_size)
			r = store_defaults(section->items, section->item_count, settings);
	}
	return r;
}

static int apply(const struct mtls_conf_table *table, const struct mtls_conf_source *source,
		 const struct conf_doc *doc, void *settings, struct mtls_diag *diag)
{
	int r = apply_defaults(table, settings);
	if (r < 0)
		return mtls_diag_set(diag, r, "%s", mtls_strerror(r));
	r = store_group(source, doc, NULL, NULL, settings, diag);
	if (r >= 0)
		r = apply_sections(table, source, doc, settings, diag);
	if (r >= 0)
		r = apply_args(source, doc, settings, diag);
	if (r >= 0)
		r = check_required(source, table->items, table->item_count, NULL, settings, diag);
	return r;
}

static int gather(const struct mtls_conf_table *table, const struct mtls_conf_source *source,
		  struct conf_doc *doc, struct mtls_diag *diag)
{
	if (source->data) {
		_cleanup_free_ char *text = NULL;
		int r = conf_guard(source, &text, diag);
		if (r >= 0)
			r = conf_parse_text(table, source->name, text, doc, diag);
		if (r < 0)
			return r;
	}
	return conf_parse_args(table, source, doc, diag);
}

int conf_load_doc(const struct mtls_conf_table *table, const struct mtls_conf_source *source,
		  struct conf_doc *doc, void *settings, struct mtls_diag *diag)
{
	int r = gather(table, source, doc, diag);
	if (r >= 0)
		r = apply(table, source, doc, settings, diag);
	if (r < 0)
		mtls_conf_release(table, settings);
	return r;
}

int mtls_conf_parse_buffer(const struct mtls_conf_table *table,
			   const struct mtls_conf_source *source, void *settings,
			   struct mtls_diag *diag)
{
	_cleanup_(conf_doc_done) struct conf_doc doc = { 0 };

	return conf_load_doc(table, source, &doc, settings, diag);
}
