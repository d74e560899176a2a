/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mtlsctl account status: what mtls-accountd says about itself, for people, scripts (--json) and
 * monitors (the exit code). What it does not say counts as trouble. One thread.
 */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/str.h"
#include "tools/ctl_account.h"
#include "tools/ctl_accounts.h"
#include "tools/ctl_json.h"

struct options {
	bool json;
};

const struct ctl_option ctl_account_status_options[] = {
	CTL_OPTION(struct options, json, "json", NULL, "one object instead of lines"),
	{ 0 },
};

struct report {
	json_t *root; /* every item, as strings and arrays of objects */
	bool out_of_memory;
	bool has_status; /* the daemon spoke of itself */
	bool attention;
};

/* --- what needs attention --- */

static bool status_is_bad(const struct mtls_control_fields *f)
{
	return !mtls_streq(ctl_field(f, "publisher"), "running") || mtls_control_get(f, "error") ||
	       !mtls_streq(mtls_control_get(f, "generation"), mtls_control_get(f, "published"));
}

static bool source_is_bad(const struct mtls_control_fields *f)
{
	return mtls_control_get(f, "error") || mtls_streq(ctl_field(f, "state"), "broken");
}

static bool always_bad(const struct mtls_control_fields *f)
{
	(void)f;
	return true;
}

/* --- lines --- */

static void print_status(const struct mtls_control_fields *f)
{
	const char *error = mtls_control_get(f, "error");

	(void)printf("store       %s\n", ctl_field(f, "store"));
	(void)printf("publisher   %s\n", ctl_field(f, "publisher"));
	(void)printf("generation  %s, published %s\n", ctl_field(f, "generation"),
		     ctl_field(f, "published"));
	(void)printf("holds       %s users, %s groups, %s bindings, %s numbers never used again\n",
		     ctl_field(f, "users"), ctl_field(f, "groups"), ctl_field(f, "bindings"),
		     ctl_field(f, "tombstones"));
	(void)printf("next        uid %s, gid %s\n", ctl_field(f, "next-uid"),
		     ctl_field(f, "next-gid"));
	if (error)
		(void)printf("error       %s\n", error);
}

static void print_source(const struct mtls_control_fields *f)
{
	const char *error = mtls_control_get(f, "error");

	(void)printf("source      %s: %s, %s users, %s groups%s%s\n", ctl_field(f, "name"),
		     ctl_field(f, "state"), ctl_field(f, "users"), ctl_field(f, "groups"),
		     error ? "; " : "", error ? error : "");
}

static void print_conflict(const struct mtls_control_fields *f)
{
	(void)printf("conflict    %s:%s: %s\n", ctl_field(f, "source"), ctl_field(f, "line"),
		     ctl_field(f, "text"));
}

static void print_dropped(const struct mtls_control_fields *f)
{
	(void)printf("dropped     %s\n", ctl_field(f, "text"));
}

/* Other kinds are a newer daemon's: passed over. */
static const struct kind {
	const char *name, *list; /* in JSON; NULL: the object itself */
	bool (*is_bad)(const struct mtls_control_fields *);
	void (*print)(const struct mtls_control_fields *);
} kinds[] = {
	{ "status", NULL, status_is_bad, print_status },
	{ "source", "sources", source_is_bad, print_source },
	{ "conflict", "conflicts", always_bad, print_conflict },
	{ "dropped", "dropped", always_bad, print_dropped },
};

static const struct kind *find_kind(const char *name)
{
	for (size_t i = 0; i < MTLS_COUNT(kinds); i++)
		if (mtls_streq(kinds[i].name, name))
			return &kinds[i];
	return NULL;
}

static int keep(json_t *root, const struct kind *kind, const struct mtls_control_fields *fields)
{
	json_t *object = ctl_json_fields(fields);

	if (kind->list)
		return json_array_append_new(json_object_get(root, kind->list), object);
	int r = object ? json_object_update(root, object) : -1;
	json_decref(object);
	return r;
}

static void take_item(void *ctx, const struct mtls_control_item *item)
{
	struct report *report = ctx;
	const struct kind *kind = find_kind(item->kind);

	if (!kind)
		return;
	report->attention |= kind->is_bad(&item->fields);
	report->has_status |= kind->list == NULL;
	if (!report->root)
		kind->print(&item->fields);
	else if (keep(report->root, kind, &item->fields) < 0)
		report->out_of_memory = true;
}

static json_t *new_root(void)
{
	json_t *root = json_object();

	for (size_t i = 0; root && i < MTLS_COUNT(kinds); i++)
		if (kinds[i].list && json_object_set_new(root, kinds[i].list, json_array()) < 0) {
			json_decref(root);
			return NULL;
		}
	return root;
}

static int print_json(const struct report *report)
{
	json_t *attention = json_boolean(report->attention);

	if (report->out_of_memory || json_object_set_new(report->root, "attention", attention) < 0)
		return ctl_accounts_fail(CTL_FAILED, "out of memory");
	return ctl_json_print(json_incref(report->root));
}

int ctl_account_status(const struct ctl_action *action, int argc, char **argv)
{
	_cleanup_(ctl_accounts_done) struct ctl_accounts accounts = { 0 };
	_cleanup_(ctl_message_done) struct ctl_message message = { 0 };
	_cleanup_(mtls_msg_freep) struct mtls_msg *end = NULL;
	struct options o = { 0 };
	struct report report = { 0 };
	char **args;
	int count;

	int code = ctl_action_parse(action, argc, argv, &o, &args, &count);
	if (!code)
		code = ctl_accounts_connect(&accounts, CTL_PATIENCE_MS);
	if (code)
		return code;
	if (o.json) {
		report.root = new_root();
		if (!report.root)
			return ctl_accounts_fail(CTL_FAILED, "out of memory");
	}
	ctl_message_init(&message, MTLS_MSG_CONTROL_REQUEST, MTLS_ACCT_VERB_STATUS);
	code = ctl_ask(&accounts, &message, take_item, &report, &end);
	if (!code)
		code = ctl_end(end);
	if (!code && !report.has_status)
		code = ctl_accounts_fail(CTL_FAILED, "mtls-accountd did not say how it is");
	if (!code && report.root)
		code = print_json(&report);
	json_decref(report.root);
	return code ? code : report.attention ? CTL_FAILED : CTL_OK;
}
