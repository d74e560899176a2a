/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mtlsctl check: what the snapshot holds against what else this machine holds. A local account that
 * came later, a range of subordinate ids, a package that names its user so, a name that nobody has
 * any more: no lookup notices them.
 */
#include <config.h>

#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/acctdb/local.h"
#include "lib/base/str.h"
#include "lib/name/account.h"
#include "tools/ctl_check.h"

#define FIRST_HUMAN_UID 1000
#define SHOWN_MAX       20 /* findings of one kind */
#define NAME_SIZE       (MTLS_ACCOUNT_NAME_MAX + 1)

enum trouble {
	LOCAL_NAME,
	HELD_ID,
	ALLOCATED_ID,
	PACKAGED_NAME,
	BOUND_TO_SYSTEM,
	BOUND_TO_NOBODY,
	DAMAGED,
	TROUBLES,
};

static const struct {
	enum check_severity severity;
	const char *area, *advice;
} troubles[TROUBLES] = {
	[LOCAL_NAME] = { CHECK_ERROR, "accounts",
			 "remove one of the two: mtlsctl account remove, or userdel, groupdel" },
	[HELD_ID] = { CHECK_ERROR, "accounts",
		      "remove one of the two: mtlsctl account remove, or userdel, groupdel" },
	[ALLOCATED_ID] = { CHECK_ERROR, "accounts",
			   "give useradd other ranges in login.defs, or admit the ids by "
			   "foreign_ids in accountd.conf" },
	[PACKAGED_NAME] = { CHECK_WARNING, "accounts",
			    "make an account of another name before such a package is installed" },
	[BOUND_TO_SYSTEM] = { CHECK_ERROR, "bindings",
			      "mtlsctl bind list NAME, then mtlsctl bind remove NAME KEY" },
	[BOUND_TO_NOBODY] = { CHECK_WARNING, "bindings",
			      "mtlsctl bind list NAME, then mtlsctl bind remove NAME KEY" },
	[DAMAGED] = { CHECK_ERROR, "accounts",
		      "mtlsctl account publish writes it anew from the store" },
};

struct comparison {
	struct check *check;
	const struct mtls_acctdb *db;
	const struct mtls_id_rules *ids;
	const struct mtls_local *local;
	size_t counts[TROUBLES];
};

/* A file of a million accounts may have a million troubles of one cause. */
__attribute__((format(printf, 3, 4))) static void found(struct comparison *c, enum trouble trouble,
							const char *fmt, ...)
{
	char text[MTLS_DIAG_MAX];

	if (c->counts[trouble]++ >= SHOWN_MAX)
		return;
	va_list ap;
	va_start(ap, fmt);
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		text[0] = '\0';
	va_end(ap);
	check_add(c->check, troubles[trouble].severity, troubles[trouble].area,
		  troubles[trouble].advice, "%s", text);
}

static void count_the_rest(struct comparison *c)
{
	for (size_t i = 0; i < TROUBLES; i++)
		if (c->counts[i] > SHOWN_MAX)
			check_add(c->check, troubles[i].severity, troubles[i].area,
				  troubles[i].advice, "and %zu more like these",
				  c->counts[i] - SHOWN_MAX);
}

static const char *name_of(struct mtls_acct_str str, char out[NAME_SIZE])
{
	size_t len = str.len < NAME_SIZE ? str.len : NAME_SIZE - 1;

	memcpy(out, str.data, len);
	out[len] = '\0';
	return out;
}

static void compare_user(struct comparison *c, const struct mtls_acct_user *user)
{
	char buffer[NAME_SIZE];
	const char *name = name_of(user->name, buffer);
	unsigned int uid = user->uid;

	if (mtls_local_has_user(c->local, name))
		found(c, LOCAL_NAME,
		      "'%s' is an account of pam-mtls and of this machine (/etc/passwd, "
		      "sysusers.d)",
		      name);
	else if (mtls_account_name_packaged(name, strlen(name)))
		found(c, PACKAGED_NAME, "packages call users of their own '%s', as this account",
		      name);
	if (mtls_local_has_uid(c->local, uid))
		found(c, HELD_ID,
		      "the uid %u of '%s' is held by this machine's files too (passwd, subuid, "
		      "sysusers.d)",
		      uid, name);
	else if (mtls_local_refuses_uid(c->local, c->ids, uid))
		found(c, ALLOCATED_ID,
		      "useradd may give the uid %u of '%s' to somebody else (login.defs)", uid,
		      name);
}

static void compare_group(struct comparison *c, const struct mtls_acct_group *group)
{
	char buffer[NAME_SIZE];
	const char *name = name_of(group->name, buffer);
	unsigned int gid = group->gid;

	if (mtls_local_has_group(c->local, name))
		found(c, LOCAL_NAME,
		      "'%s' is a group of pam-mtls and of this machine (/etc/group, sysusers.d)",
		      name);
	else if (mtls_account_name_packaged(name, strlen(name)))
		found(c, PACKAGED_NAME, "packages call groups of their own '%s', as this group",
		      name);
	if (mtls_local_has_gid(c->local, gid))
		found(c, HELD_ID,
		      "the gid %u of '%s' is held by this machine's files too (group, subgid, "
		      "sysusers.d)",
		      gid, name);
	else if (mtls_local_refuses_gid(c->local, c->ids, gid))
		found(c, ALLOCATED_ID,
		      "groupadd may give the gid %u of '%s' to another group (login.defs)", gid,
		      name);
}

/* A binding to another source's account holds the name only, whoever has it by now. */
static void compare_name(struct comparison *c, struct mtls_acct_str str)
{
	char buffer[NAME_SIZE];
	const char *name = name_of(str, buffer);
	struct mtls_acct_user ours;

	if (mtls_acctdb_user_by_name(c->db, name, strlen(name), &ours) == 0)
		return;
	const struct passwd *pw = getpwnam(name);
	if (pw && pw->pw_uid < FIRST_HUMAN_UID)
		found(c, BOUND_TO_SYSTEM,
		      "a certificate is bound to '%s', which is root or a system account (uid %u)",
		      name, (unsigned int)pw->pw_uid);
	else if (!pw)
		found(c, BOUND_TO_NOBODY,
		      "a certificate is bound to '%s', whom no source of accounts knows: whoever "
		      "gets that name gets the binding",
		      name);
}

static int compare_binding(void *ctx, enum mtls_acct_kind kind, struct mtls_acct_str key,
			   const uint8_t *value, size_t len)
{
	struct comparison *c = ctx;
	struct mtls_acct_names names;
	struct mtls_acct_str name;
	size_t cursor = 0;

	(void)key;
	if (kind != MTLS_ACCT_BINDING)
		return 0;
	int r = mtls_acct_binding_decode(value, len, &names);
	if (r < 0)
		return r;
	while (mtls_acct_names_next(&names, &cursor, &name))
		compare_name(c, name);
	return 0;
}

static void compare_all(struct comparison *c)
{
	struct mtls_acctdb_cursor users = { 0 }, groups = { 0 };
	struct mtls_acct_user user;
	struct mtls_acct_group group;
	size_t damaged = 0;
	int r;

	while ((r = mtls_acctdb_next_user(c->db, &users, &user)) != MTLS_E_NOTFOUND)
		if (r == 0)
			compare_user(c, &user);
		else
			damaged++;
	while ((r = mtls_acctdb_next_group(c->db, &groups, &group)) != MTLS_E_NOTFOUND)
		if (r == 0)
			compare_group(c, &group);
		else
			damaged++;
	/* The walk reads every record, also those that no enumeration shows. */
	r = mtls_acctdb_each(c->db, compare_binding, c);
	if (damaged || r < 0)
		found(c, DAMAGED, "the snapshot is damaged: %s",
		      mtls_strerror(r < 0 ? r : MTLS_E_CORRUPT));
}

void check_accounts(struct check *check, const struct mtls_acctdb *db)
{
	_cleanup_(mtls_local_freep) struct mtls_local *local = NULL;
	struct mtls_diag diag = { 0 };

	int r = mtls_local_load("/etc", &local, &diag);
	if (r < 0)
		check_add(check, CHECK_ERROR, "accounts",
			  "mend the file: until then accounts cannot be compared with it", "%s",
			  mtls_diag_text(&diag, r));
	struct comparison c = { .check = check,
				.db = db,
				.ids = check->accountd ? &check->accountd->ids : &db->header.ids,
				.local = local };
	compare_all(&c);
	count_the_rest(&c);
}
