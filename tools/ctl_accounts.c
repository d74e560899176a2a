/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The frame of the subcommands about accounts: mtls-accountd is asked for every change, the
 * snapshot for everything else. mtls-accountd cannot ask other sources of accounts (it must not
 * hang on a directory); so they are asked here. One thread.
 */
#include <config.h>

#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/str.h"
#include "tools/ctl_accounts.h"
#include "tools/ctl_common.h"
#include "tools/ctl_json.h"

int ctl_accounts_fail(int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	ctl_complain("mtlsctl", fmt, ap);
	va_end(ap);
	return code;
}

static int load_settings(struct ctl_accounts *accounts)
{
	struct mtls_diag diag = { "" };
	int r = mtls_settings_accountd_load(MTLS_ACCOUNTD_CONF, &accounts->settings, &diag);
	return r < 0 ? ctl_accounts_fail(CTL_FAILED, "%s", mtls_diag_text(&diag, r)) : CTL_OK;
}

static int open_snapshot(struct ctl_accounts *accounts)
{
	struct mtls_diag diag = { "" };
	int r = ctl_snapshot_open(accounts->settings->snapshot, &accounts->snapshot, &diag);
	if (r == MTLS_E_CORRUPT)
		return ctl_accounts_fail(CTL_FAILED,
					 "%s: mtlsctl account publish writes it anew from the "
					 "store of mtls-accountd",
					 mtls_diag_text(&diag, r));
	return r < 0 ? ctl_accounts_fail(CTL_FAILED, "%s", mtls_diag_text(&diag, r)) : CTL_OK;
}

int ctl_accounts_read(struct ctl_accounts *accounts)
{
	int code = load_settings(accounts);
	return code ? code : open_snapshot(accounts);
}

/* Whose socket it may be. A machine without the user has no daemon but root's. */
static uid_t daemon_uid(const struct mtls_settings_accountd *settings)
{
	const struct passwd *pw = getpwnam(settings->user);
	return pw ? pw->pw_uid : 0;
}

static int say_no_daemon(int err, const struct mtls_diag *diag)
{
	if (err == -ENOENT || err == -ECONNREFUSED)
		return ctl_accounts_fail(
			CTL_NO_DAEMON, "mtls-accountd is needed for this: %s. Start it with: %s",
			mtls_diag_text(diag, err), ctl_start_command(CTL_ACCOUNTD));
	return ctl_accounts_fail(CTL_FAILED, "mtls-accountd: %s", mtls_diag_text(diag, err));
}

int ctl_accounts_connect(struct ctl_accounts *accounts, uint32_t patience_ms)
{
	struct mtls_diag diag = { "" };
	if (geteuid() != 0)
		return ctl_accounts_fail(CTL_FAILED,
					 "only root may speak to mtls-accountd: try sudo");
	int code = load_settings(accounts);
	if (code)
		return code;
	const struct mtls_settings_accountd *settings = accounts->settings;
	int r = mtls_control_connect(settings->control_socket, daemon_uid(settings), patience_ms,
				     &accounts->control, &diag);
	return r < 0 ? say_no_daemon(r, &diag) : CTL_OK;
}

int ctl_accounts_open(struct ctl_accounts *accounts, uint32_t patience_ms)
{
	int code = ctl_accounts_connect(accounts, patience_ms);
	return code ? code : open_snapshot(accounts);
}

void ctl_accounts_done(struct ctl_accounts *accounts)
{
	mtls_control_free(accounts->control);
	ctl_snapshot_close(&accounts->snapshot);
	mtls_settings_accountd_free(accounts->settings);
	*accounts = (struct ctl_accounts){ 0 };
}

/* --- messages --- */

static struct mtls_control_fields *fields_of(struct mtls_msg *msg)
{
	switch (msg->type) {
	case MTLS_MSG_CONTROL_REQUEST:
		return &msg->u.control_request.fields;
	case MTLS_MSG_CONTROL_ITEM:
		return &msg->u.control_item.fields;
	default:
		return &msg->u.control_end.fields;
	}
}

void ctl_message_init(struct ctl_message *message, enum mtls_msg_type type, const char *verb)
{
	*message = (struct ctl_message){ .msg = mtls_msg_new(type) };
	if (!message->msg) {
		message->err = -ENOMEM;
		return;
	}
	message->msg->u.control_end.code = MTLS_CONTROL_OK;
	if (type == MTLS_MSG_CONTROL_ITEM)
		message->err = mtls_msg_set_text(&message->msg->u.control_item.kind, verb);
	if (type == MTLS_MSG_CONTROL_REQUEST) {
		message->msg->u.control_request.version = MTLS_CONTROL_VERSION;
		message->err = mtls_msg_set_text(&message->msg->u.control_request.verb, verb);
	}
}

void ctl_message_add(struct ctl_message *message, const char *name, const char *value)
{
	if (message->err || !value)
		return;
	size_t len = strlen(value);
	if (len > MTLS_CONTROL_VALUE_MAX || !mtls_utf8_valid((const uint8_t *)value, len) ||
	    mtls_has_control((const uint8_t *)value, len)) {
		message->err = MTLS_E_SYNTAX;
		message->wrong = name;
		return;
	}
	message->err = mtls_control_add(fields_of(message->msg), name, value);
}

void ctl_message_add_u32(struct ctl_message *message, const char *name, uint32_t number)
{
	char text[16];
	(void)snprintf(text, sizeof(text), "%" PRIu32, number);
	ctl_message_add(message, name, text);
}

void ctl_message_done(struct ctl_message *message)
{
	mtls_msg_free(message->msg);
	message->msg = NULL;
}

int ctl_send(struct ctl_accounts *accounts, const struct ctl_message *message)
{
	struct mtls_diag diag = { "" };
	int r = message->err;
	if (message->wrong)
		return ctl_accounts_fail(CTL_FAILED,
					 "%s: expected at most %d bytes of UTF-8 without control "
					 "characters",
					 message->wrong, MTLS_CONTROL_VALUE_MAX);
	if (!r)
		r = mtls_control_send(accounts->control, message->msg, &diag);
	/* Who closed may have said why: that is for the receiving side. */
	if (r < 0 && r != MTLS_E_CLOSED)
		return ctl_accounts_fail(CTL_FAILED, "%s", mtls_diag_text(&diag, r));
	return CTL_OK;
}

int ctl_receive(struct ctl_accounts *accounts, ctl_item_fn *each, void *ctx,
		struct mtls_msg **ret_end)
{
	struct mtls_diag diag = { "" };
	for (;;) {
		_cleanup_(mtls_msg_freep) struct mtls_msg *msg = NULL;
		int r = mtls_control_receive(accounts->control, &msg, &diag);
		if (r < 0)
			return ctl_accounts_fail(
				CTL_FAILED,
				"%s: what was done is not known; look with mtlsctl account status",
				mtls_diag_text(&diag, r));
		if (msg->type == MTLS_MSG_CONTROL_END) {
			*ret_end = MTLS_TAKE(msg);
			return CTL_OK;
		}
		if (each)
			each(ctx, &msg->u.control_item);
	}
}

int ctl_ask(struct ctl_accounts *accounts, const struct ctl_message *message, ctl_item_fn *each,
	    void *ctx, struct mtls_msg **ret_end)
{
	int code = ctl_send(accounts, message);
	return code ? code : ctl_receive(accounts, each, ctx, ret_end);
}

int ctl_end(const struct mtls_msg *end)
{
	/* clang-format off */
	static const struct { int code; const char *text; } codes[] = {
		[MTLS_CONTROL_OK] =          { CTL_OK,          NULL },
		[MTLS_CONTROL_FAILED] =      { CTL_FAILED,      "mtls-accountd could not do it; see its log" },
		[MTLS_CONTROL_USAGE] =       { CTL_USAGE,       "mtls-accountd does not understand this" },
		[MTLS_CONTROL_REFUSED] =     { CTL_FAILED,      "a rule forbids it" },
		[MTLS_CONTROL_EXISTS] =      { CTL_FAILED,      "it exists already" },
		[MTLS_CONTROL_NOTFOUND] =    { CTL_FAILED,      "it does not exist" },
		[MTLS_CONTROL_BUSY] =        { CTL_FAILED,      "mtls-accountd is busy: try again" },
		[MTLS_CONTROL_UNPUBLISHED] = { CTL_UNPUBLISHED, "publishing failed" },
	};
	/* clang-format on */
	const struct mtls_control_end *e = &end->u.control_end;
	int code = codes[e->code].code;
	const char *text = e->text ? e->text : codes[e->code].text;
	if (code == CTL_UNPUBLISHED)
		return ctl_accounts_fail(code,
					 "the change is stored for good, but no process sees it "
					 "yet: %s. mtls-accountd goes on trying; do not repeat "
					 "it, look with mtlsctl account status",
					 text);
	return code ? ctl_accounts_fail(code, "%s", text) : CTL_OK;
}

int ctl_print_change(int code, const struct mtls_msg *end, bool dry_run)
{
	if (code != CTL_OK)
		return code;
	json_t *object = ctl_json_fields(&end->u.control_end.fields);
	if (object && json_object_set_new(object, "dry_run", json_boolean(dry_run)) < 0) {
		json_decref(object);
		object = NULL;
	}
	return ctl_json_print(object);
}

bool ctl_was_done(int code)
{
	return code == CTL_OK || code == CTL_UNPUBLISHED;
}

bool ctl_was_taken(const struct mtls_msg *end)
{
	return end->u.control_end.code == MTLS_CONTROL_EXISTS ||
	       end->u.control_end.code == MTLS_CONTROL_REFUSED;
}

int ctl_change(struct ctl_accounts *accounts, const struct ctl_message *message,
	       struct mtls_msg **ret_end)
{
	int code = ctl_ask(accounts, message, NULL, NULL, ret_end);
	return code ? code : ctl_end(*ret_end);
}

/* --- other sources --- */

bool ctl_foreign_user(const struct ctl_accounts *accounts, const char *name, uint32_t *ret_uid)
{
	struct mtls_acct_user ours;
	if (ctl_snapshot_user(&accounts->snapshot, name, &ours))
		return false;
	/* Some sources fold case or strip a domain: the name must be the account's own. */
	const struct passwd *pw = getpwnam(name);
	if (!pw || !mtls_streq(pw->pw_name, name))
		return false;
	*ret_uid = pw->pw_uid;
	return true;
}

bool ctl_foreign_group(const struct ctl_accounts *accounts, const char *name)
{
	struct mtls_acct_group ours;
	if (ctl_snapshot_group(&accounts->snapshot, name, &ours))
		return false;
	const struct group *gr = getgrnam(name);
	return gr && mtls_streq(gr->gr_name, name);
}

int ctl_check_id(const struct ctl_accounts *accounts, uint32_t id, const char *option)
{
	struct mtls_acct_user user;
	struct mtls_acct_group group;
	const struct mtls_acctdb *db = &accounts->snapshot.db;
	bool open = accounts->snapshot.open;

	/* Ours are mtls-accountd's business. */
	if ((open && mtls_acctdb_user_by_uid(db, id, &user) == 0) ||
	    (open && mtls_acctdb_group_by_gid(db, id, &group) == 0))
		return CTL_OK;
	if (getpwuid(id) || getgrgid(id))
		return ctl_accounts_fail(CTL_FAILED,
					 "the id %" PRIu32 " belongs to an account or group of "
					 "another source: choose another with %s",
					 id, option);
	return CTL_OK;
}

int ctl_check_groups(const struct ctl_accounts *accounts, const char *list)
{
	size_t len;
	const char *cursor = list;
	for (const char *item; (item = mtls_split_next(&cursor, ',', &len));) {
		_cleanup_free_ char *group = strndup(item, len);
		if (!group)
			return ctl_accounts_fail(CTL_FAILED, "out of memory");
		if (ctl_foreign_group(accounts, group))
			return ctl_accounts_fail(CTL_FAILED,
						 "the group '%s' belongs to another source: an "
						 "account of pam-mtls can only join its own groups",
						 group);
	}
	return CTL_OK;
}
