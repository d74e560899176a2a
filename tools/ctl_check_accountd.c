/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mtlsctl check: what mtls-accountd says of itself. Does it run, is what it stores published, which
 * accounts did not get in and why, which files of accounts are broken.
 */
#include <config.h>

#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/str.h"
#include "lib/control/accounts.h"
#include "lib/control/client.h"
#include "tools/ctl_check.h"

#define PATIENCE_MS 10000
#define SHOWN_MAX   20 /* findings of one kind */

#define START   "systemctl start mtls-accountd; why it does not stay: journalctl -u mtls-accountd"
#define JOURNAL "journalctl -u mtls-accountd; then, with the cause gone, mtlsctl account publish"

struct status {
	struct check *check;
	bool said;
	uint64_t generation, published;
	bool stopped; /* the publisher */
	struct mtls_diag error;
	size_t conflicts, dropped;
};

static const char *field(const struct mtls_control_item *item, const char *name)
{
	const char *value = mtls_control_get(&item->fields, name);

	return value ? value : "";
}

static uint64_t number(const struct mtls_control_item *item, const char *name)
{
	uint64_t value = 0;

	return mtls_parse_u64(field(item, name), &value) < 0 ? 0 : value;
}

static void take_status(struct status *status, const struct mtls_control_item *item)
{
	status->said = true;
	status->generation = number(item, "generation");
	status->published = number(item, "published");
	status->stopped = mtls_streq(field(item, "publisher"), "stopped");
	(void)mtls_diag_set(&status->error, 0, "%s", field(item, "error"));
}

static void take_source(struct status *status, const struct mtls_control_item *item)
{
	const char *name = field(item, "name"), *state = field(item, "state");

	if (mtls_streq(state, "broken"))
		check_add(status->check, CHECK_ERROR, "sources",
			  "mend the file; until then its last good content counts",
			  "the accounts of '%s' cannot be read: %s", name, field(item, "error"));
	else if (mtls_streq(state, "gone"))
		check_add(status->check, CHECK_WARNING, "sources",
			  "put the files back, if they were not taken away on purpose",
			  "the files of the source '%s' are gone, and with them its accounts",
			  name);
	else
		check_add(status->check, CHECK_OK, "sources", NULL, "'%s': %s accounts, %s groups",
			  name, field(item, "users"), field(item, "groups"));
}

static void take_conflict(struct status *status, const struct mtls_control_item *item)
{
	if (status->conflicts++ < SHOWN_MAX)
		check_add(status->check, CHECK_WARNING, "sources",
			  "mend that line, or give one of the two another name or number",
			  "'%s', line %s, is left out: %s", field(item, "source"),
			  field(item, "line"), field(item, "text"));
}

static void take_dropped(struct status *status, const struct mtls_control_item *item)
{
	if (status->dropped++ < SHOWN_MAX)
		check_add(
			status->check, CHECK_ERROR, "accounts",
			"remove one of the two (mtlsctl account remove, or userdel, groupdel), or "
			"admit the number again in accountd.conf",
			"left out, so that no process sees it: %s", field(item, "text"));
}

static void take_item(struct status *status, const struct mtls_control_item *item)
{
	static const struct {
		const char *kind;
		void (*take)(struct status *status, const struct mtls_control_item *item);
	} rows[] = {
		{ "status", take_status },
		{ "source", take_source },
		{ "conflict", take_conflict },
		{ "dropped", take_dropped },
	};

	for (size_t i = 0; i < MTLS_COUNT(rows); i++)
		if (mtls_streq(item->kind, rows[i].kind))
			rows[i].take(status, item);
}

static int send_request(struct mtls_control *control, struct mtls_diag *diag)
{
	_cleanup_(mtls_msg_freep) struct mtls_msg *request = mtls_msg_new(MTLS_MSG_CONTROL_REQUEST);

	if (!request)
		return -ENOMEM;
	request->u.control_request.version = MTLS_CONTROL_VERSION;
	int r = mtls_msg_set_text(&request->u.control_request.verb, MTLS_ACCT_VERB_STATUS);
	return r < 0 ? r : mtls_control_send(control, request, diag);
}

static int receive_all(struct mtls_control *control, struct status *status, struct mtls_diag *diag)
{
	for (;;) {
		_cleanup_(mtls_msg_freep) struct mtls_msg *msg = NULL;
		int r = mtls_control_receive(control, &msg, diag);
		if (r < 0)
			return r;
		if (msg->type == MTLS_MSG_CONTROL_ITEM) {
			take_item(status, &msg->u.control_item);
			continue;
		}
		const struct mtls_control_end *end = &msg->u.control_end;
		if (end->code != MTLS_CONTROL_OK)
			return mtls_diag_set(diag, MTLS_E_DENIED, "%s",
					     end->text ? end->text : "it refused to answer");
		return status->said ? 0 : mtls_diag_set(diag, MTLS_E_PROTOCOL, "no status");
	}
}

static int ask(struct status *status, const char *path, uid_t owner, struct mtls_diag *diag)
{
	_cleanup_(mtls_control_freep) struct mtls_control *control = NULL;

	int r = mtls_control_connect(path, owner, PATIENCE_MS, &control, diag);
	if (r >= 0)
		r = send_request(control, diag);
	return r < 0 ? r : receive_all(control, status, diag);
}

static void judge(const struct status *status)
{
	struct check *check = status->check;

	if (status->stopped)
		check_add(check, CHECK_WARNING, "accounts", START, "mtls-accountd is about to end");
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

/* Somebody uses accounts of ours here: there is a store or a snapshot. */
static bool in_use(const struct mtls_settings_accountd *settings)
{
	return access(settings->snapshot, F_OK) == 0 || access(settings->store, F_OK) == 0;
}

static void say_failure(struct check *check, int err, const struct mtls_diag *diag)
{
	bool used = in_use(check->accountd);

	if (err == -EACCES)
		check_add(check, CHECK_NOTE, "accounts", NULL,
			  "only root can ask mtls-accountd how it is");
	else if (err == -ENOENT || err == -ECONNREFUSED)
		check_add(check, used ? CHECK_WARNING : CHECK_NOTE, "accounts", START,
			  "mtls-accountd does not run: accounts and bindings cannot be changed%s",
			  used ? ", lookups go on" : "");
	else
		check_add(check, CHECK_ERROR, "accounts", JOURNAL, "mtls-accountd: %s",
			  mtls_diag_text(diag, err));
}

bool check_accountd(struct check *check, uint64_t *ret_published)
{
	struct status status = { .check = check };
	struct mtls_diag diag = { 0 };
	const struct passwd *user = getpwnam(check->accountd->user);
	const char *path = check->accountd->control_socket;

	int r = ask(&status, path, user ? user->pw_uid : 0, &diag);
	if (r < 0) {
		say_failure(check, r, &diag);
		return false;
	}
	check_add(check, CHECK_OK, "accounts", NULL, "mtls-accountd answers at '%s'", path);
	judge(&status);
	*ret_published = status.published;
	return true;
}
