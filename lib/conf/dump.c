/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every key, its value and where it comes from, in the grammar of the file. */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/conf/internal.h"

static void dump_values(const struct mtls_conf_item *item, char *const *values,
			struct mtls_buf *out)
{
	bool list = conf_is_list(item->type);

	(void)mtls_buf_append_str(out, list ? "{ " : "");
	for (size_t i = 0; values && values[i]; i++) {
		(void)mtls_buf_append_str(out, i ? ", \"" : "\"");
		for (const char *p = values[i]; *p; p++) {
			if (*p == '"' || *p == '\\')
				(void)mtls_buf_append_byte(out, '\\');
			(void)mtls_buf_append_byte(out, (uint8_t)*p);
		}
		(void)mtls_buf_append_byte(out, '"');
	}
	(void)mtls_buf_append_str(out, list ? " }" : "");
}

static const struct conf_entry *find_arg(const struct conf_doc *doc,
					 const struct mtls_conf_item *item)
{
	for (size_t i = 0; i < doc->entry_count; i++)
		if (!doc->entries[i].line && doc->entries[i].item == item)
			return &doc->entries[i];
	return NULL;
}

static int dump_item(const struct mtls_conf_source *source, const struct conf_doc *doc,
		     const struct mtls_conf_section *section, const char *title,
		     const struct mtls_conf_item *item, struct mtls_buf *out)
{
	const struct conf_entry *entry = find_arg(doc, item);
	_cleanup_(mtls_strv_freep) char **values = NULL;
	const char *indent = section ? "\t" : "";

	if (!entry)
		entry = conf_doc_find(doc, section, title, item);
	if (!entry && (!item->def || !*item->def))
		return mtls_buf_printf(out, "%s# %s is not set # default\n", indent, item->key);
	int r = 0;
	if (!entry)
		r = conf_is_list(item->type) ? conf_split_list(item->def, &values)
					     : mtls_strv_add(&values, item->def);
	if (r < 0)
		return r;
	(void)mtls_buf_printf(out, "%s%s = ", indent, item->key);
	dump_values(item, entry ? entry->values : values, out);
	if (!entry)
		return mtls_buf_append_str(out, " # default\n");
	if (!entry->line)
		return mtls_buf_append_str(out, " # argument\n");
	return mtls_buf_printf(out, " # %s:%u\n", source->name, entry->line);
}

static int dump_section(const struct mtls_conf_source *source, const struct conf_doc *doc,
			const struct mtls_conf_section *section, const char *title,
			struct mtls_buf *out)
{
	int r = mtls_buf_printf(out, "%s %s {\n", section->name, title);
	for (size_t i = 0; r >= 0 && i < section->item_count; i++)
		r = dump_item(source, doc, section, title, &section->items[i], out);
	return r < 0 ? r : mtls_buf_append_str(out, "}\n");
}

static int dump_sections(const struct mtls_conf_table *table, const struct mtls_conf_source *source,
			 const struct conf_doc *doc, struct mtls_buf *out)
{
	for (size_t i = 0; i < table->section_count; i++) {
		const struct mtls_conf_section *section = &table->sections[i];
		int r = 0;
		if (!section->element_size && source->title)
			r = dump_section(source, doc, section, source->title, out);
		for (size_t j = 0; r >= 0 && j < doc->title_count; j++)
			if (doc->titles[j].section == section && section->element_size)
				r = dump_section(source, doc, section, doc->titles[j].title, out);
		if (r < 0)
			return r;
	}
	return 0;
}

int mtls_conf_dump(const struct mtls_conf_table *table, const struct mtls_conf_source *source,
		   struct mtls_buf *out, struct mtls_diag *diag)
{
	_cleanup_(conf_doc_done) struct conf_doc doc = { 0 };
	_cleanup_free_ void *settings = calloc(1, table->size);
	if (!settings)
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	int r = conf_load_doc(table, source, &doc, settings, diag);
	if (r < 0)
		return r;
	mtls_conf_release(table, settings);
	for (size_t i = 0; r >= 0 && i < table->item_count; i++)
		r = dump_item(source, &doc, NULL, NULL, &table->items[i], out);
	if (r >= 0)
		r = dump_sections(table, source, &doc, out);
	return r < 0 ? mtls_diag_set(diag, r, "%s", mtls_strerror(r)) : 0;
}
