/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which services use pam_mtls, and in which state `mtlsctl enable` has left them. One thread. */
#include <config.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/str.h"
#include "tools/ctl_enable.h"
#include "tools/ctl_pam_dir.h"
#include "tools/ctl_status_services.h"
#include "tools/ctl_term.h"
#include "tools/ctl_text.h"

static bool uses_module(const char *service)
{
	_cleanup_(mtls_stack_freep) struct mtls_stack *stack = NULL;

	if (ctl_pam_load(NULL, service, &stack, NULL) < 0)
		return false;
	for (size_t i = 0; i < stack->count; i++)
		if (stack->lines[i].kind == MTLS_STACK_CALL &&
		    mtls_stack_is_module(stack->lines[i].target, MTLS_STACK_MODULE))
			return true;
	return false;
}

static json_t *find(json_t *array, const char *service)
{
	json_t *row;
	size_t i;

	json_array_foreach(array, i,
			   row) if (mtls_streq(json_string_value(json_object_get(row, "service")),
					       service)) return row;
	return NULL;
}

static int note_service(json_t *array, const char *service)
{
	json_t *row = find(array, service);

	if (row)
		return json_object_set_new(row, "uses", json_true());
	return json_array_append_new(array, json_pack("{s:s, s:b}", "service", service, "uses", 1));
}

static int note_files(json_t *array)
{
	struct dirent **list = NULL;
	int count = scandir(CTL_PAM_DIR, &list, NULL, alphasort);
	int r = 0;

	for (int i = 0; i < count; i++) {
		if (r == 0 && list[i]->d_name[0] != '.' && uses_module(list[i]->d_name))
			r = note_service(array, list[i]->d_name);
		free(list[i]);
	}
	free(list);
	return r;
}

static const char *text_of(const json_t *row, const char *name)
{
	const char *text = json_string_value(json_object_get(row, name));

	return text ? text : "";
}

static void judge(struct check *check, const json_t *row)
{
	const char *phase = text_of(row, "phase"), *file = text_of(row, "file");
	const char *service = text_of(row, "service");
	json_int_t left_s = json_integer_value(json_object_get(row, "left_s"));

	if (mtls_streq(phase, "damaged"))
		check_add(check, CHECK_ERROR, "pam",
			  "mtlsctl disable of that service, which takes its lines out",
			  "what is known of the enabled service '%s' cannot be read: %s", service,
			  text_of(row, "note"));
	if (mtls_streq(phase, "pending") && left_s == 0)
		check_add(check, CHECK_ERROR, "pam",
			  "mtlsctl enable --restore-expired, which says what hinders it",
			  "service '%s' was not confirmed in time, and has not gone back yet",
			  service);
	if (mtls_streq(phase, "pending") && left_s > 0)
		check_add(check, CHECK_WARNING, "pam",
			  "from a second session, if it works there: mtlsctl confirm",
			  "service '%s' goes back to what it was in %lld s, unless it is confirmed",
			  service, (long long)left_s);
	if (mtls_streq(phase, "confirmed") && !json_is_true(json_object_get(row, "uses")))
		check_add(check, CHECK_WARNING, "pam",
			  "mtlsctl disable, then mtlsctl enable, of that service",
			  "service '%s' was enabled, but its file does not use pam_mtls any more "
			  "(%s)",
			  service, file);
}

json_t *status_services(struct check *check)
{
	json_t *array = ctl_enable_states();
	json_t *row;
	size_t i;

	if (array && note_files(array) < 0) {
		json_decref(array);
		return NULL;
	}
	json_array_foreach(array, i, row)
	{
		if (!json_object_get(row, "uses"))
			(void)json_object_set_new(row, "uses", json_false());
		judge(check, row);
	}
	return array;
}

void status_service_print(const json_t *row, int64_t now)
{
	const char *phase = text_of(row, "phase");
	bool uses = json_is_true(json_object_get(row, "uses"));
	struct ctl_text span;

	(void)printf("  %-13s ", text_of(row, "service"));
	if (!*phase) {
		(void)printf("written by hand\n");
		return;
	}
	if (mtls_streq(phase, "damaged")) {
		(void)printf("enabled, but what is known of it cannot be read\n");
		return;
	}
	(void)printf("%s, %s%s%s %s ago, %s\n", text_of(row, "kind"),
		     ctl_style(stdout, uses ? CTL_STYLE_GOOD : CTL_STYLE_WARNING), phase,
		     ctl_style(stdout, CTL_STYLE_PLAIN),
		     ctl_text_span(&span, now - json_integer_value(json_object_get(row, "since"))),
		     text_of(row, "file"));
}
