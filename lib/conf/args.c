/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Module arguments to entries: `key=value`, a yes/no key also alone, lists separated by commas. */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/conf/internal.h"

int conf_split_list(const char *text, char ***ret_values)
{
	_cleanup_(mtls_strv_freep) char **values = calloc(1, sizeof(*values));
	if (!values)
		return -ENOMEM;
	const char *cursor = *text ? text : NULL;
	size_t len;
	for (const char *item; (item = mtls_split_next(&cursor, ',', &len));) {
		_cleanup_free_ char *copy = strndup(item, len);
		if (!copy || mtls_strv_add(&values, copy) < 0)
			return -ENOMEM;
	}
	*ret_values = MTLS_TAKE(values);
	return 0;
}

static const struct mtls_conf_item *find_key(const struct mtls_conf_item *items, size_t count,
					     const char *arg, size_t key_len)
{
	for (size_t i = 0; i < count; i++)
		if (strlen(items[i].key) == key_len && memcmp(items[i].key, arg, key_len) == 0)
			return &items[i];
	return NULL;
}

/* A key of the settings themselves, outside of sections or in a section chosen by title. */
static const struct mtls_conf_item *find_item(const struct mtls_conf_table *table, const char *arg,
					      size_t key_len,
					      const struct mtls_conf_section **ret_section)
{
	const struct mtls_conf_item *item = find_key(table->items, table->item_count, arg, key_len);
	*ret_section = NULL;
	for (size_t i = 0; !item && i < table->section_count; i++) {
		const struct mtls_conf_section *section = &table->sections[i];
		if (section->element_size)
			continue;
		item = find_key(section->items, section->item_count, arg, key_len);
		*ret_section = section;
	}
	return item;
}

static int set_values(const struct mtls_conf_item *item, const char *value, char ***ret_values)
{
	if (conf_is_list(item->type))
		return conf_split_list(value, ret_values);
	return mtls_strv_add(ret_values, value);
}

static int parse_arg(const struct mtls_conf_table *table, const char *arg, struct conf_doc *doc,
		     struct mtls_diag *diag)
{
	size_t key_len = strcspn(arg, "=");
	const struct mtls_conf_section *section;
	const struct mtls_conf_item *item = find_item(table, arg, key_len, &section);

	if (!item)
		return mtls_diag_set(diag, MTLS_E_CONFIG,
				     "argument '%.100s': found an unknown key, expected one of %s",
				     arg, table->name);
	const char *value = arg[key_len] ? arg + key_len + 1 : NULL;
	if (!value && item->type != MTLS_CONF_BOOL)
		return mtls_diag_set(diag, MTLS_E_CONFIG,
				     "argument '%s': found no value, expected %s=VALUE", arg,
				     item->key);
	for (size_t i = 0; i < doc->entry_count; i++)
		if (!doc->entries[i].line && doc->entries[i].item == item)
			return mtls_diag_set(
				diag, MTLS_E_CONFIG,
				"argument '%.100s': found '%s' again, expected it once", arg,
				item->key);
	struct conf_entry *entry = conf_doc_add(doc, section, NULL, item, 0);
	if (!entry || set_values(item, value ? value : "yes", &entry->values) < 0)
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	if (!mtls_strv_count(entry->values))
		return mtls_diag_set(diag, MTLS_E_CONFIG,
				     "argument '%s': found an empty list, expected values", arg);
	if (mtls_strv_count(entry->values) > MTLS_CONF_LIST_MAX)
		return mtls_diag_set(diag, MTLS_E_CONFIG,
				     "argument '%s': found a long list, expected at most %d values",
				     item->key, MTLS_CONF_LIST_MAX);
	return 0;
}

int conf_parse_args(const struct mtls_conf_table *table, const struct mtls_conf_source *source,
		    struct conf_doc *doc, struct mtls_diag *diag)
{
	for (int i = 0; i < source->argc; i++) {
		int r = parse_arg(table, source->argv[i], doc, diag);
		if (r < 0)
			return r;
	}
	return 0;
}
