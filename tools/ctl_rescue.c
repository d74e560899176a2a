/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mtlsctl rescue new|list|remove: one-time codes for pam_mtls_rescue(8). The codes exist in the
 * memory of `new` and on the paper that they are written on, nowhere else. One thread.
 */
#include <config.h>

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "lib/base/str.h"
#include "lib/rescue/store.h"
#include "tools/ctl_action.h"
#include "tools/ctl_common.h"
#include "tools/ctl_json.h"
#include "tools/ctl_term.h"

#define CMD           "rescue"
#define COUNT_DEFAULT 10
#define LOCK_MS       30000

static const char about[] =
	"Rescue codes are the way in when certificate login is broken: each works once, at a\n"
	"console of this machine, without a daemon, a CA or a clock. See pam_mtls_rescue(8).";

struct options {
	const char *count, *user;
	bool any_output, json;
};

static const struct ctl_option new_options[] = {
	CTL_OPTION(struct options, count, "count", "N", "how many codes, 1 to 100 (10)"),
	CTL_OPTION(struct options, user, "user", "USER,...", "whose codes they are (root)"),
	CTL_OPTION(struct options, any_output, "any-output", NULL,
		   "print the codes although standard output is no terminal"),
	CTL_OPTION(struct options, json, "json", NULL, "one object instead of lines"),
	{ 0 },
};
static const struct ctl_option list_options[] = {
	CTL_OPTION(struct options, json, "json", NULL, "one object instead of lines"),
	{ 0 },
};
static const struct ctl_option no_options[] = {
	{ 0 },
};

/* The codes of a set that is being made. */
struct codes {
	struct mtls_rescue_code code[MTLS_RESCUE_CODES_MAX];
};

static void forget(struct codes *codes)
{
	explicit_bzero(codes, sizeof(*codes));
}

static int fail(const struct mtls_diag *diag, int r)
{
	return ctl_error(CMD, "%s", mtls_diag_text(diag, r));
}

/* A typing error would make codes that nobody can use. */
static int check_users(const struct ctl_action *action, const char *users)
{
	char name[MTLS_RESCUE_USERS_MAX];
	size_t len;

	if (!mtls_rescue_users_valid(users))
		return ctl_action_usage(action, "--user: expected names with ',' between them");
	for (const char *part; (part = mtls_split_next(&users, ',', &len));) {
		memcpy(name, part, len);
		name[len] = '\0';
		if (!getpwnam(name))
			return ctl_error(CMD, "there is no account '%s'", name);
	}
	return CTL_OK;
}

/* --- printing --- */

static json_t *json_of_users(const char *users)
{
	json_t *list = json_array();
	size_t len;

	for (const char *name; list && (name = mtls_split_next(&users, ',', &len));)
		if (json_array_append_new(list, json_stringn(name, len)) < 0) {
			json_decref(list);
			return NULL;
		}
	return list;
}

static int print_codes_json(const struct codes *codes, const struct mtls_rescue_set *set,
			    size_t replaced)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < set->count; i++) {
		struct mtls_rescue_shown shown;
		mtls_rescue_code_show(&codes->code[i], &shown);
		json_t *item =
			json_pack("{s:I, s:s}", "number", (json_int_t)i + 1, "code", shown.text);
		explicit_bzero(&shown, sizeof(shown));
		if (json_array_append_new(list, item) < 0) {
			json_decref(list);
			list = NULL;
		}
	}
	return ctl_json_print(json_pack("{s:o, s:o, s:I}", "codes", list, "users",
					json_of_users(set->users), "replaced_unused",
					(json_int_t)replaced));
}

static void print_codes_text(const struct codes *codes, const struct mtls_rescue_set *set)
{
	char host[65] = "";

	(void)gethostname(host, sizeof(host) - 1);
	(void)printf(
		"Rescue codes of %s, for %s: each works once, at a console of the machine.\n\n",
		*host ? host : "this machine", set->users);
	for (size_t i = 0; i < set->count; i++) {
		struct mtls_rescue_shown shown;
		mtls_rescue_code_show(&codes->code[i], &shown);
		(void)printf("  %3zu   %s%s%s\n", i + 1, ctl_style(stdout, CTL_STYLE_TITLE),
			     shown.text, ctl_style(stdout, CTL_STYLE_PLAIN));
		explicit_bzero(&shown, sizeof(shown));
	}
	(void)printf(
		"\nWrite them down or print them now, and put them into a safe: they are never "
		"shown again.\n");
}

/* --- new --- */

static int make_codes(struct codes *codes, struct mtls_rescue_set *set, size_t count,
		      struct mtls_diag *diag)
{
	time_t now = time(NULL);
	int r = mtls_rescue_setting_new(&set->setting, diag);

	ctl_progress("hashing %zu codes", count);
	set->made_at = now > 0 ? (uint64_t)now : 0;
	for (size_t i = 0; r == 0 && i < count; i++) {
		r = mtls_rescue_code_new(&codes->code[i]);
		if (r == 0)
			r = mtls_rescue_hash(&codes->code[i], &set->setting, &set->entry[i].hash,
					     diag);
		set->count = i + 1;
	}
	return r;
}

/* How many codes of the set in place nobody has used; a set that cannot be read has none. */
static size_t unused_before(void)
{
	_cleanup_(mtls_rescue_set_freep) struct mtls_rescue_set *old = NULL;

	return mtls_rescue_load(MTLS_RESCUE_FOLDER, &old, NULL) < 0 ? 0
								    : mtls_rescue_set_unused(old);
}

static int lock_folder(int *ret_fd, struct mtls_diag *diag)
{
	int r = mtls_folder_make(MTLS_SYSCONFDIR, 0755);
	if (r < 0)
		return mtls_diag_set(diag, r, "cannot make '%s': %s", MTLS_SYSCONFDIR,
				     mtls_strerror(r));
	r = mtls_rescue_folder_make(MTLS_RESCUE_FOLDER, diag);
	return r < 0 ? r : mtls_rescue_lock(MTLS_RESCUE_FOLDER, LOCK_MS, ret_fd, diag);
}

/*
 * Printed first, then in force: who cannot read the new codes keeps the old ones. In the other
 * order a full disk behind standard output would cost both.
 */
static int print_and_replace(const struct codes *codes, const struct mtls_rescue_set *set,
			     bool json)
{
	_cleanup_close_ int held = -1;
	struct mtls_diag diag = { 0 };
	int r = lock_folder(&held, &diag);
	if (r < 0)
		return fail(&diag, r);
	size_t replaced = unused_before();
	if (json && print_codes_json(codes, set, replaced) != CTL_OK)
		return CTL_FAILED;
	if (!json)
		print_codes_text(codes, set);
	if (fflush(stdout) < 0 || ferror(stdout))
		return ctl_error(CMD, "the codes cannot be printed; nothing was changed");
	r = mtls_rescue_save(MTLS_RESCUE_FOLDER, set, &diag);
	if (r < 0)
		return ctl_error(CMD, "these codes do NOT work, and those before still do: %s",
				 mtls_diag_text(&diag, r));
	if (json)
		return CTL_OK;
	(void)printf("They work from now on.");
	if (replaced)
		(void)printf(" Those before do not any more; %zu of them %s left.", replaced,
			     replaced == 1 ? "was" : "were");
	(void)putchar('\n');
	return CTL_OK;
}

static int run_new(const struct ctl_action *action, int argc, char **argv)
{
	_cleanup_(mtls_rescue_set_freep) struct mtls_rescue_set *set = calloc(1, sizeof(*set));
	_cleanup_(forget) struct codes codes = { 0 };
	struct options o = { .user = NULL };
	struct mtls_diag diag = { 0 };
	uint32_t count = COUNT_DEFAULT;
	char **args;
	int arg_count;

	int code = ctl_action_parse(action, argc, argv, &o, &args, &arg_count);
	if (!code)
		code = ctl_action_number(action, "count", o.count, 1, MTLS_RESCUE_CODES_MAX,
					 &count);
	if (!code)
		code = check_users(action, o.user ? o.user : "root");
	if (code)
		return code;
	if (!set)
		return ctl_error(CMD, "out of memory");
	if (!o.any_output && !isatty(STDOUT_FILENO))
		return ctl_error(CMD, "standard output is no terminal, and the codes would be in a "
				      "file or a pipe; --any-output if that is meant");
	(void)mtls_strcopy(set->users, sizeof(set->users), o.user ? o.user : "root");
	int r = make_codes(&codes, set, count, &diag);
	if (r < 0)
		return fail(&diag, r);
	return print_and_replace(&codes, set, o.json);
}

/* --- list --- */

static void print_time(const char *before, uint64_t time_s)
{
	char text[32] = "?";
	time_t t = (time_t)time_s;
	struct tm tm;

	if (gmtime_r(&t, &tm))
		(void)strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", &tm);
	(void)printf("%s%s", before, text);
}

static void print_list(const struct mtls_rescue_set *set)
{
	(void)printf("%zu of %zu codes left, for %s", mtls_rescue_set_unused(set), set->count,
		     set->users);
	print_time(", made ", set->made_at);
	(void)putchar('\n');
	for (size_t i = 0; i < set->count; i++) {
		(void)printf("  %3zu   %s", i + 1, set->entry[i].used ? "used" : "unused");
		if (set->entry[i].used)
			print_time(" ", set->entry[i].used_at);
		(void)putchar('\n');
	}
}

static int print_list_json(const struct mtls_rescue_set *set)
{
	json_t *list = json_array();

	for (size_t i = 0; set && list && i < set->count; i++) {
		const struct mtls_rescue_entry *entry = &set->entry[i];
		json_t *item = json_pack("{s:I, s:b}", "number", (json_int_t)i + 1, "used",
					 (int)entry->used);
		if (entry->used)
			(void)json_object_set_new(item, "used_at",
						  json_integer((json_int_t)entry->used_at));
		if (json_array_append_new(list, item) < 0)
			return ctl_error(CMD, "out of memory");
	}
	if (!set)
		return ctl_json_print(
			json_pack("{s:o, s:I}", "codes", list, "unused", (json_int_t)0));
	return ctl_json_print(json_pack("{s:o, s:I, s:o, s:I}", "codes", list, "unused",
					(json_int_t)mtls_rescue_set_unused(set), "users",
					json_of_users(set->users), "made_at",
					(json_int_t)set->made_at));
}

static int run_list(const struct ctl_action *action, int argc, char **argv)
{
	_cleanup_(mtls_rescue_set_freep) struct mtls_rescue_set *set = NULL;
	struct mtls_diag diag = { 0 };
	struct options o = { .json = false };
	char **args;
	int count;

	int code = ctl_action_parse(action, argc, argv, &o, &args, &count);
	if (code)
		return code;
	int r = mtls_rescue_load(MTLS_RESCUE_FOLDER, &set, &diag);
	if (r < 0 && r != -ENOENT)
		return fail(&diag, r);
	if (o.json)
		return print_list_json(set);
	if (set)
		print_list(set);
	else
		(void)printf("no rescue codes; 'mtlsctl rescue new' makes some\n");
	return CTL_OK;
}

/* --- remove --- */

static int run_remove(const struct ctl_action *action, int argc, char **argv)
{
	_cleanup_close_ int held = -1;
	struct mtls_diag diag = { 0 };
	struct options o = { .json = false };
	char **args;
	int count;

	int code = ctl_action_parse(action, argc, argv, &o, &args, &count);
	if (code)
		return code;
	int r = mtls_rescue_lock(MTLS_RESCUE_FOLDER, LOCK_MS, &held, &diag);
	size_t unused = r == 0 ? unused_before() : 0;
	if (r == 0)
		r = mtls_rescue_remove(MTLS_RESCUE_FOLDER, &diag);
	if (r == -ENOENT) {
		(void)printf("there are no rescue codes\n");
		return CTL_OK;
	}
	if (r < 0)
		return fail(&diag, r);
	(void)printf("removed; %zu unused %s from now on\n", unused,
		     unused == 1 ? "code does not work" : "codes do not work");
	return CTL_OK;
}

/* clang-format off */
static const struct ctl_action actions[] = {
	{ CMD, "new", "", "Makes a new set of codes in the place of the old one, and shows them once", 0, 0, new_options, run_new },
	{ CMD, "list", "", "Lists which codes are used and which are left, without the codes", 0, 0, list_options, run_list },
	{ CMD, "remove", "", "Removes the codes: none works any more", 0, 0, no_options, run_remove },
};
/* clang-format on */

const struct ctl_command ctl_rescue = {
	.name = CMD,
	.help = "one-time codes for a console, when all else is broken",
	.about = about,
	.actions = actions,
	.count = MTLS_COUNT(actions),
};
