/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Types: text to a field of the settings, and back out of memory. One row a type. Pure. */
#include <config.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/conf/internal.h"

static const struct {
	const char *suffix;
	uint32_t ms;
} duration_units[] = { { "ms", 1 }, { "min", 60000 }, { "s", 1000 } };

static const struct {
	const char *word;
	bool value;
} bool_words[] = {
	{ "yes", true },    { "no", false }, { "true", true },
	{ "false", false }, { "on", true },  { "off", false },
};

static int to_bool(const struct mtls_conf_item *item, const char *value, void *field)
{
	for (const struct mtls_conf_word *w = item->words; w && w->word; w++)
		if (mtls_streq(value, w->word)) {
			bool set = w->value != 0;
			memcpy(field, &set, sizeof(set));
			return 0;
		}
	if (item->words)
		return MTLS_E_CONFIG;
	for (size_t i = 0; i < MTLS_COUNT(bool_words); i++)
		if (mtls_streq(value, bool_words[i].word)) {
			memcpy(field, &bool_words[i].value, sizeof(bool));
			return 0;
		}
	return MTLS_E_CONFIG;
}

static int store_in_range(const struct mtls_conf_item *item, uint64_t number, void *field)
{
	if (number < item->min || number > item->max)
		return MTLS_E_CONFIG;
	uint32_t narrow = (uint32_t)number;
	memcpy(field, &narrow, sizeof(narrow));
	return 0;
}

static int to_u32(const struct mtls_conf_item *item, const char *value, void *field)
{
	uint32_t number;

	if (mtls_parse_u32(value, &number) < 0)
		return MTLS_E_CONFIG;
	return store_in_range(item, number, field);
}

static int to_duration(const struct mtls_conf_item *item, const char *value, void *field)
{
	char digits[12];
	uint32_t number;
	size_t len = strspn(value, "0123456789");

	if (len >= sizeof(digits))
		return MTLS_E_CONFIG;
	memcpy(digits, value, len);
	digits[len] = '\0';
	if (mtls_parse_u32(digits, &number) < 0)
		return MTLS_E_CONFIG;
	for (size_t i = 0; i < MTLS_COUNT(duration_units); i++)
		if (mtls_streq(value + len, duration_units[i].suffix))
			return store_in_range(item, (uint64_t)number * duration_units[i].ms, field);
	return MTLS_E_CONFIG;
}

static int to_word(const struct mtls_conf_item *item, const char *value, void *field)
{
	for (const struct mtls_conf_word *w = item->words; w->word; w++)
		if (mtls_streq(value, w->word)) {
			memcpy(field, &w->value, sizeof(w->value));
			return 0;
		}
	return MTLS_E_CONFIG;
}

static bool text_valid(const char *value)
{
	size_t len = strlen(value);

	/* As in files: nobody shall think that a variable is replaced. */
	return len > 0 && len <= MTLS_CONF_VALUE_MAX && !strstr(value, "${") &&
	       mtls_utf8_valid((const uint8_t *)value, len) &&
	       !mtls_has_control((const uint8_t *)value, len);
}

static bool path_valid(const char *value)
{
	size_t len = strlen(value);

	if (value[0] != '/' || len < 2 || len >= PATH_MAX || value[len - 1] == '/')
		return false;
	if (strstr(value, "//") || strstr(value, "/../") || strstr(value, "/./"))
		return false;
	const char *last = strrchr(value, '/');
	return !mtls_streq(last, "/..") && !mtls_streq(last, "/.");
}

static bool string_valid(const struct mtls_conf_item *item, const char *value)
{
	bool path = item->type == MTLS_CONF_PATH || item->type == MTLS_CONF_PATHS;

	return text_valid(value) && (!path || path_valid(value)) &&
	       (!item->valid || item->valid(value));
}

static int to_string(const struct mtls_conf_item *item, const char *value, void *field)
{
	if (!string_valid(item, value))
		return MTLS_E_CONFIG;
	char *copy = strdup(value);
	if (!copy)
		return -ENOMEM;
	memcpy(field, &copy, sizeof(copy));
	return 0;
}

typedef int convert_fn(const struct mtls_conf_item *item, const char *value, void *field);
static convert_fn *const converters[] = {
	[MTLS_CONF_BOOL] = to_bool,         [MTLS_CONF_U32] = to_u32,
	[MTLS_CONF_DURATION] = to_duration, [MTLS_CONF_STRING] = to_string,
	[MTLS_CONF_PATH] = to_string,       [MTLS_CONF_WORD] = to_word,
};

void conf_release_field(const struct mtls_conf_item *item, void *base)
{
	void *field = (char *)base + item->offset;
	void *pointer = NULL;

	if (item->type == MTLS_CONF_BOOL || item->type == MTLS_CONF_U32 ||
	    item->type == MTLS_CONF_DURATION || item->type == MTLS_CONF_WORD)
		return;
	memcpy(&pointer, field, sizeof(pointer));
	if (conf_is_list(item->type))
		mtls_strv_free(pointer);
	else
		free(pointer);
	pointer = NULL;
	memcpy(field, &pointer, sizeof(pointer));
}

static int store_list(const struct mtls_conf_item *item, char *const *values, void *base,
		      const char **ret_bad)
{
	_cleanup_(mtls_strv_freep) char **copy = calloc(1, sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	for (size_t i = 0; values[i]; i++) {
		if (!string_valid(item, values[i])) {
			*ret_bad = values[i];
			return MTLS_E_CONFIG;
		}
		if (mtls_strv_add(&copy, values[i]) < 0)
			return -ENOMEM;
	}
	conf_release_field(item, base);
	memcpy((char *)base + item->offset, &copy, sizeof(copy));
	copy = NULL;
	return 0;
}

int conf_store(const struct mtls_conf_item *item, char *const *values, void *base,
	       const char **ret_bad)
{
	if (conf_is_list(item->type))
		return store_list(item, values, base, ret_bad);
	conf_release_field(item, base);
	*ret_bad = values[0];
	return converters[item->type](item, values[0], (char *)base + item->offset);
}

static void describe_words(const struct mtls_conf_item *item, char *out, size_t size)
{
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(256);

	for (const struct mtls_conf_word *w = item->words; w->word; w++)
		(void)mtls_buf_printf(&text, "%s%s", w == item->words ? "" : " or ", w->word);
	const char *str = mtls_buf_cstr(&text);
	(void)snprintf(out, size, "%s", str ? str : "a known word");
}

static void describe_duration(const struct mtls_conf_item *item, char *out, size_t size)
{
	(void)snprintf(out, size,
		       "a time with its unit, such as 500ms, 5s or 2min, from %ums to %ums",
		       item->min, item->max);
}

void mtls_conf_describe(const struct mtls_conf_item *item, char *out, size_t size)
{
	const char *text = item->expected;

	if (item->words) {
		describe_words(item, out, size);
		return;
	}
	if (item->type == MTLS_CONF_DURATION) {
		describe_duration(item, out, size);
		return;
	}
	if (item->type == MTLS_CONF_U32) {
		(void)snprintf(out, size, "a number from %u to %u", item->min, item->max);
		return;
	}
	if (item->type == MTLS_CONF_BOOL)
		text = "yes or no";
	else if (!text && (item->type == MTLS_CONF_PATH || item->type == MTLS_CONF_PATHS))
		text = "an absolute path without '..' and '//'";
	(void)snprintf(out, size, "%s", text ? text : "text without control characters");
}
