/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mtlsctl check: what mtls-accountd says of itself. Does it run, is what it stores published, which
 * accounts did not get in and why, which files of accounts are broken.
 */
#include <config.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/str.h"
#include "lib/control/accounts.h"
#include "tools/ctl_check.h"

#define SHOWN_MAX 20 /* findings of one kind */

#define JOURNAL "journalctl -u mtls-accountd; then, with the cause gone, mtlsctl account publish"

struct status {
	struct check *check;
	bool said;
	uint64_t generation, published;
	bool stopped; /* the publisher */
	struct mtls_diag error;
	size_t conflicts, dropped;
};

static void take_status(struct status *status, const struct mtls_control_fields *item)
{
	status->said = true;
	status->generation = ctl_field_u64(item, "generation");
	status->published = ctl_field_u64(item, "published");
	status->stopped = mtls_streq(ctl_field(item, "publisher"), "stopped");
	(void)mtls_diag_set(&status->error, 0, "%s", ctl_field(item, "error"));
}

static void take_source(struct status *status, const struct mtls_control_fields *item)
{
	const char *name = ctl_field(item, "name"), *state = ctl_field(item, "state");

	if (mtls_streq(state, "broken"))
		check_add(status->check, CHECK_ERROR, "sources",
			  "mend the file; until then its last good content counts",
			  "the accounts of '%s' cannot be read: %s", name,
			  ctl_field(item, "error"));
	else if (mtls_streq(state, "gone"))
		check_add(status->check, CHECK_WARNING, "sources",
			  "put the files back, if they were not taken away on purpose",
			  "the files of the source '%s' are gone, and with them its accounts",
			  name);
	else
		check_add(status->check, CHECK_OK, "sources", NULL, "'%s': %s accounts, %s groups",
			  name, ctl_field(item, "users"), ctl_field(item, "groups"));
}

static void take_conflict(struct status *status, const struct mtls_control_fields *item)
{
	if (status->conflicts++ < SHOWN_MAX)
		check_add(status->check, CHECK_WARNING, "sources",
			  "mend that line, or give one of the two another name or number",
			  "'%s', line %s, is left out: %s", ctl_field(item, "source"),
			  ctl_field(item, "line"), ctl_field(item, "text"));
}

static void take_dropped(struct status *status, const struct mtls_control_fields *item)
{
	if (status->dropped++ < SHOWN_MAX)
		check_add(
			status->check, CHECK_ERROR, "accounts",
			"remove one of the two (mtlsctl account remove, or userdel, groupdel), or "
			"admit the number again in accountd.conf",
			"left out, so that no process sees it: %s", ctl_field(item, "text"));
}

static void take_items(struct status *status, const struct ctl_daemon *daemon)
{
	static const struct {
		const char *kind;
		void (*take)(struct status *status, const struct mtls_control_fields *fields);
	} rows[] = {
		{ "status", take_status },
		{ "source", take_source },
		{ "conflict", take_conflict },
		{ "dropped", take_dropped },
	};
	const struct mtls_control_fields *fields;

	for (size_t i = 0; i < MTLS_COUNT(rows); i++)
		for (size_t at = 0; (fields = ctl_daemon_item(daemon, rows[i].kind, &at));)
			rows[i].take(status, fields);
}

static void judge(const struct status *status)
{
	struct check *check = status->check;
	const char *advice = ctl_start_command(CTL_ACCOUNTD);

	if (status->stopped)
		check_add(check, CHECK_WARNING, "accounts", advice,
			  "mtls-accountd is about to end");
	if (status->error.text[0])
		check_add(check, CHECK_ERROR, "accounts", JOURNAL,
			  "changes are stored that no process sees yet: %s", status->error.text);
	else if (status->published < status->generation)
		check_add(check, CHECK_WARNING, "accounts", JOURNAL,
			  "changes are stored that no process sees yet (%llu, published %llu); "
			  "either they are just being published, or something hangs",
			  (unsigned long long)status->generation,
			  (unsigned long long)status->published);
	if (status->conflicts > SHOWN_MAX)
		check_add(check, CHECK_WARNING, "sources", "mtlsctl account status",
			  "and %zu conflicts more", status->conflicts - SHOWN_MAX);
	if (status->dropped > SHOWN_MAX)
		check_add(check, CHECK_ERROR, "accounts", "mtlsctl account status",
			  "and %zu accounts and groups more are left out",
			  status->dropped - SHOWN_MAX);
}

/* Somebody uses accounts of ours here: there is a store or a snapshot; or it cannot be known. */
static bool in_use(const struct mtls_settings_accountd *settings)
{
	return !settings || access(settings->snapshot, F_OK) == 0 ||
	       access(settings->store, F_OK) == 0;
}

static void say_failure(struct check *check, const struct ctl_daemon *daemon)
{
	bool used = in_use(check->accountd);
	const char *advice = ctl_start_command(CTL_ACCOUNTD);

	if (daemon->err == -EACCES)
		check_add(check, CHECK_NOTE, "accounts", NULL,
			  "only root can ask mtls-accountd how it is");
	else if (daemon->state == CTL_DAEMON_DOWN)
		check_add(check, used ? CHECK_WARNING : CHECK_NOTE, "accounts", advice,
			  "mtls-accountd does not run: accounts and bindings cannot be changed%s",
			  used ? ", lookups go on" : "");
	else
		check_add(check, CHECK_ERROR, "accounts", JOURNAL, "mtls-accountd: %s",
			  daemon->diag.text);
}

bool check_accountd_answer(struct check *check, const struct ctl_daemon *daemon,
			   uint64_t *ret_published)
{
	struct status status = { .check = check };

	if (daemon->state != CTL_DAEMON_ANSWERED) {
		say_failure(check, daemon);
		return false;
	}
	take_items(&status, daemon);
	if (!status.said) {
		check_add(check, CHECK_ERROR, "accounts", JOURNAL,
			  "mtls-accountd does not say how it is: %s",
			  daemon->end->u.control_end.text ? daemon->end->u.control_end.text : "");
		return false;
	}
	check_add(check, CHECK_OK, "accounts", NULL, "mtls-accountd answers at '%s'",
		  daemon->socket);
	judge(&status);
	*ret_published = status.published;
	return true;
}

bool check_accountd(struct check *check, uint64_t *ret_published)
{
	_cleanup_(ctl_daemon_done) struct ctl_daemon daemon = { 0 };

	ctl_daemon_ask(&daemon, CTL_ACCOUNTD, MTLS_ACCT_VERB_STATUS, CTL_DAEMON_PATIENCE_MS);
	return check_accountd_answer(check, &daemon, ret_published);
}
