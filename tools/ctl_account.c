/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mtlsctl account add|remove|list: the accounts that libnss_mtls shows to every process. */
#include <config.h>

#include <getopt.h>
#include <grp.h>
#include <inttypes.h>
#include <jansson.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/str.h"
#include "tools/ctl_accounts.h"

static const char usage[] =
	"Usage: mtlsctl account add NAME [--uid N] [--gecos TEXT] [--home FOLDER] [--shell PATH]\n"
	"                               [--groups A,B] [--dry-run]\n"
	"       mtlsctl account remove NAME [--dry-run]\n"
	"       mtlsctl account list [--json]\n"
	"\n"
	"Accounts of pam-mtls, with a private group each. Ids are never used a second time.\n"
	"'remove' takes the name of a further group too.\n"
	"  --uid N       this id (in id_min..id_max of accountd.conf) instead of the next free "
	"one\n"
	"  --groups A,B  further groups of pam-mtls; one that does not exist is made\n"
	"  --dry-run     all checks, but change nothing\n";

struct add_options {
	struct mtls_acctset_spec spec;
	const char *groups;
	bool dry_run;
};

enum { OPT_UID = 256, OPT_GECOS, OPT_HOME, OPT_SHELL, OPT_GROUPS, OPT_DRY_RUN, OPT_JSON };

static const struct option add_long[] = {
	{ "uid", required_argument, NULL, OPT_UID },
	{ "gecos", required_argument, NULL, OPT_GECOS },
	{ "home", required_argument, NULL, OPT_HOME },
	{ "shell", required_argument, NULL, OPT_SHELL },
	{ "groups", required_argument, NULL, OPT_GROUPS },
	{ "dry-run", no_argument, NULL, OPT_DRY_RUN },
	{ 0 },
};

static const struct option remove_long[] = {
	{ "dry-run", no_argument, NULL, OPT_DRY_RUN },
	{ 0 },
};

static const struct option list_long[] = {
	{ "json", no_argument, NULL, OPT_JSON },
	{ 0 },
};

static int wrong_usage(void)
{
	(void)fputs(usage, stderr);
	return CTL_USAGE;
}

static int parse_add(int argc, char **argv, struct add_options *o)
{
	optind = 0;
	for (int c; (c = getopt_long(argc, argv, "", add_long, NULL)) != -1;) {
		switch (c) {
		case OPT_UID:
			if (mtls_parse_u32(optarg, &o->spec.uid) < 0 || !o->spec.uid)
				return ctl_accounts_fail(CTL_USAGE, "--uid: '%s' is not a uid",
							 optarg);
			break;
		case OPT_GECOS:
			o->spec.gecos = optarg;
			break;
		case OPT_HOME:
			o->spec.home = optarg;
			break;
		case OPT_SHELL:
			o->spec.shell = optarg;
			break;
		case OPT_GROUPS:
			o->groups = optarg;
			break;
		case OPT_DRY_RUN:
			o->dry_run = true;
			break;
		default:
			return wrong_usage();
		}
	}
	if (optind != argc - 1)
		return wrong_usage();
	o->spec.name = argv[optind];
	return CTL_OK;
}

/* Other sources (LDAP, SSSD, systemd) are asked too: two accounts of one name or id are one. */
static int check_sources(const struct ctl_accounts *accounts, const struct add_options *o)
{
	uint32_t uid;
	const char *name = o->spec.name;
	if (ctl_accounts_foreign_user(accounts, name, &uid))
		return ctl_accounts_fail(CTL_FAILED,
					 "an account '%s' (uid %" PRIu32
					 ") exists already in another source; to log in to it by "
					 "certificate: mtlsctl bind add %s ...",
					 name, uid, name);
	if (!mtls_acctset_group(accounts->set, name) && getgrnam(name))
		return ctl_accounts_fail(CTL_FAILED,
					 "a group '%s' exists already in another source", name);
	return CTL_OK;
}

static int check_id(uint32_t id)
{
	if (getpwuid(id) || getgrgid(id))
		return ctl_accounts_fail(CTL_FAILED,
					 "the id %" PRIu32 " belongs to an account or group of "
					 "another source: choose another with --uid",
					 id);
	return CTL_OK;
}

static int join_group(struct ctl_accounts *accounts, const char *group, const char *user)
{
	struct mtls_diag diag = { "" };
	uint32_t gid;
	int r = 0;
	if (!mtls_acctset_group(accounts->set, group)) {
		if (getgrnam(group))
			return ctl_accounts_fail(CTL_FAILED,
						 "the group '%s' belongs to another source: an "
						 "account of pam-mtls can only join its own groups",
						 group);
		r = mtls_acctset_add_group(accounts->set, group, &gid, &diag);
	}
	if (r >= 0)
		r = mtls_acctset_add_member(accounts->set, group, user, &diag);
	if (r < 0)
		return ctl_accounts_fail(CTL_FAILED, "%s", mtls_diag_text(&diag, r));
	return CTL_OK;
}

static int join_groups(struct ctl_accounts *accounts, const char *groups, const char *user)
{
	size_t len;
	const char *cursor = groups;
	for (const char *item; (item = mtls_split_next(&cursor, ',', &len));) {
		_cleanup_free_ char *group = strndup(item, len);
		if (!group)
			return ctl_accounts_fail(CTL_FAILED, "out of memory");
		int code = join_group(accounts, group, user);
		if (code)
			return code;
	}
	return CTL_OK;
}

static void say_former(const struct ctl_accounts *accounts, const char *name)
{
	uint32_t uid;
	if (mtls_acctset_former_user(accounts->set, name, &uid))
		(void)fprintf(stderr,
			      "mtlsctl: note: a removed account was called '%s' (uid %" PRIu32
			      "); its files do not belong to the new one\n",
			      name, uid);
}

static int add_account(struct ctl_accounts *accounts, struct add_options *o, uint32_t *ret_uid)
{
	struct mtls_diag diag = { "" };
	_cleanup_free_ char *home = NULL;
	if (!o->spec.shell)
		o->spec.shell = accounts->settings->shell;
	if (!o->spec.home) {
		if (asprintf(&home, "%s/%s", accounts->settings->home_base, o->spec.name) < 0) {
			home = NULL;
			return ctl_accounts_fail(CTL_FAILED, "out of memory");
		}
		o->spec.home = home;
	}
	/* Our own rules first: they name what is wrong with the name or the fields. */
	int r = mtls_acctset_add_user(accounts->set, &o->spec, ret_uid, &diag);
	o->spec.home = home ? NULL : o->spec.home;
	if (r < 0)
		return ctl_accounts_fail(CTL_FAILED, "%s", mtls_diag_text(&diag, r));
	if (access(o->spec.shell, X_OK) < 0)
		(void)fprintf(stderr, "mtlsctl: note: the shell '%s' cannot be executed here\n",
			      o->spec.shell);
	return CTL_OK;
}

static int run_add(int argc, char **argv)
{
	_cleanup_(ctl_accounts_done) struct ctl_accounts accounts = { 0 };
	struct add_options o = { 0 };
	uint32_t uid = 0;
	int code = parse_add(argc, argv, &o);
	if (!code)
		code = ctl_accounts_change(&accounts);
	if (code)
		return code;
	bool known = mtls_acctset_user(accounts.set, o.spec.name);
	if (!known && mtls_account_name_ownable(o.spec.name, strlen(o.spec.name)))
		code = check_sources(&accounts, &o);
	if (!code)
		code = add_account(&accounts, &o, &uid);
	if (!code)
		code = check_id(uid);
	if (!code && o.groups)
		code = join_groups(&accounts, o.groups, o.spec.name);
	if (!code)
		code = ctl_accounts_commit(&accounts, o.dry_run);
	if (code)
		return code;
	say_former(&accounts, o.spec.name);
	const struct mtls_acctset_user *user = mtls_acctset_user(accounts.set, o.spec.name);
	if (user)
		(void)printf("account '%s': uid %" PRIu32 ", gid %" PRIu32
			     ", home %s (not made: pam_mkhomedir or mkdir does that)\n",
			     user->name, user->uid, user->gid, user->home);
	return CTL_OK;
}

static int run_remove(int argc, char **argv)
{
	_cleanup_(ctl_accounts_done) struct ctl_accounts accounts = { 0 };
	struct mtls_diag diag = { "" };
	bool dry_run = false;
	optind = 0;
	for (int c; (c = getopt_long(argc, argv, "", remove_long, NULL)) != -1;) {
		if (c != OPT_DRY_RUN)
			return wrong_usage();
		dry_run = true;
	}
	if (optind != argc - 1)
		return wrong_usage();
	const char *name = argv[optind];
	int code = ctl_accounts_change(&accounts);
	if (code)
		return code;
	const struct mtls_acctset_user *user = mtls_acctset_user(accounts.set, name);
	bool group = !user && mtls_acctset_group(accounts.set, name);
	uint32_t uid = user ? user->uid : 0;
	uint64_t now = (uint64_t)time(NULL);
	int r = group ? mtls_acctset_remove_group(accounts.set, name, now, &diag)
		      : mtls_acctset_remove_user(accounts.set, name, now, &diag);
	if (r < 0)
		return ctl_accounts_fail(CTL_FAILED, "%s", mtls_diag_text(&diag, r));
	code = ctl_accounts_commit(&accounts, dry_run);
	if (code)
		return code;
	if (group) {
		(void)printf("group '%s' removed; its gid is never used again\n", name);
		return CTL_OK;
	}
	(void)printf("account '%s' removed with its bindings; uid %" PRIu32
		     " is never used again; its files and processes stay\n",
		     name, uid);
	return CTL_OK;
}

struct listing {
	const struct mtls_acctset *set;
	json_t *json; /* NULL: as text */
	uint32_t gid; /* searched by name_of_gid */
	const char *name;
};

static int has_gid(void *ctx, const struct mtls_acctset_group *group)
{
	struct listing *l = ctx;
	if (group->gid != l->gid)
		return 0;
	l->name = group->name;
	return 1;
}

static const char *name_of_gid(const struct mtls_acctset *set, uint32_t gid)
{
	static const struct mtls_acctset_walk walk = { .group = has_gid };
	struct listing l = { .gid = gid };
	(void)mtls_acctset_walk(set, &walk, &l);
	return l.name ? l.name : "";
}

static int list_json(struct listing *l, const struct mtls_acctset_user *user)
{
	json_t *groups = json_array();
	for (size_t i = 0; i < user->gid_count; i++)
		(void)json_array_append_new(groups,
					    json_string(name_of_gid(l->set, user->gids[i])));
	json_t *item =
		json_pack("{s:s, s:I, s:I, s:s, s:s, s:s, s:o}", "name", user->name, "uid",
			  (json_int_t)user->uid, "gid", (json_int_t)user->gid, "gecos", user->gecos,
			  "home", user->home, "shell", user->shell, "groups", groups);
	return item && json_array_append_new(l->json, item) == 0 ? 0 : -1;
}

static int list_one(void *ctx, const struct mtls_acctset_user *user)
{
	struct listing *l = ctx;
	if (l->json)
		return list_json(l, user);
	(void)printf("%s\t%" PRIu32 "\t%" PRIu32 "\t%s\t%s\t%s\t", user->name, user->uid, user->gid,
		     user->home, user->shell, user->gecos);
	for (size_t i = 0; i < user->gid_count; i++)
		(void)printf("%s%s", i ? "," : "", name_of_gid(l->set, user->gids[i]));
	(void)putchar('\n');
	return 0;
}

static int run_list(int argc, char **argv)
{
	static const struct mtls_acctset_walk walk = { .user = list_one };
	_cleanup_(ctl_accounts_done) struct ctl_accounts accounts = { 0 };
	bool json = false;
	optind = 0;
	for (int c; (c = getopt_long(argc, argv, "", list_long, NULL)) != -1;) {
		if (c != OPT_JSON)
			return wrong_usage();
		json = true;
	}
	if (optind != argc)
		return wrong_usage();
	int code = ctl_accounts_read(&accounts);
	if (code)
		return code;
	struct listing l = { .set = accounts.set, .json = json ? json_array() : NULL };
	if (json && !l.json)
		return ctl_accounts_fail(CTL_FAILED, "out of memory");
	code = ctl_accounts_print(accounts.set, &walk, &l, l.json,
				  "NAME\tUID\tGID\tHOME\tSHELL\tGECOS\tGROUPS");
	json_decref(l.json);
	return code;
}

int ctl_account(int argc, char **argv)
{
	static const struct ctl_action actions[] = {
		{ "add", run_add },
		{ "remove", run_remove },
		{ "list", run_list },
		{ NULL, NULL },
	};
	return ctl_accounts_dispatch(actions, usage, argc, argv);
}
