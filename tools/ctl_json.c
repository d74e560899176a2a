/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON of daemons' answers, and the one place where results are printed. One thread. */
#include <config.h>

#include <stdint.h>
#include <stdio.h>

#include "lib/base/cleanup.h"
#include "lib/base/str.h"
#include "tools/ctl_common.h"
#include "tools/ctl_json.h"

static json_t *json_of_value(const char *name, const char *value)
{
	static const char *const numbers[] = {
		"bindings",   "gid",       "former-uid", "uid",      "connections", "generation",
		"groups",     "line",      "next-gid",   "next-uid", "next-update", "not-after",
		"pid",        "published", "restarts",   "slot",     "started",     "time",
		"tombstones", "users",     "value",
	};
	uint64_t number;

	for (size_t i = 0; i < MTLS_COUNT(numbers); i++)
		if (mtls_streq(name, numbers[i]) && mtls_parse_u64(value, &number) == 0 &&
		    number <= INT64_MAX)
			return json_integer((json_int_t)number);
	return json_string(value);
}

json_t *ctl_json_fields(const struct mtls_control_fields *fields)
{
	json_t *object = json_object();

	for (size_t i = 0; object && i < fields->count; i++) {
		const struct mtls_control_field *field = &fields->field[i];
		if (json_object_set_new(object, field->name,
					json_of_value(field->name, field->value)) < 0) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

json_t *ctl_json_items(const struct ctl_daemon *daemon, const char *kind)
{
	json_t *array = json_array();
	const struct mtls_control_fields *fields;

	for (size_t at = 0; array && (fields = ctl_daemon_item(daemon, kind, &at));)
		if (json_array_append_new(array, ctl_json_fields(fields)) < 0) {
			json_decref(array);
			return NULL;
		}
	return array;
}

/* The JSON writer escapes everything but DEL, which stands within texts only. */
static int write_escaped(const char *text, size_t len, void *out)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] == 0x7f ? fputs("\\u007f", out) < 0 : fputc(text[i], out) == EOF)
			return -1;
	return 0;
}

int ctl_json_write(const json_t *value, size_t flags, FILE *out)
{
	return json_dump_callback(value, write_escaped, out, flags | JSON_ENSURE_ASCII);
}

int ctl_json_print(json_t *value)
{
	if (!value)
		return ctl_fail(CTL_FAILED, "out of memory");
	(void)ctl_json_write(value, JSON_INDENT(2), stdout);
	(void)putchar('\n');
	json_decref(value);
	ctl_result_printed();
	return CTL_OK;
}
