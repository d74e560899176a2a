/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the subcommands about accounts share: settings, the conversation with mtls-accountd, and
 * what other sources of accounts know. Lists do not ask the daemon: see tools/ctl_snapshot.h.
 */
#ifndef MTLS_TOOLS_CTL_ACCOUNTS_H
#define MTLS_TOOLS_CTL_ACCOUNTS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/control/accounts.h"
#include "lib/control/client.h"
#include "lib/settings/accountd.h"
#include "tools/ctl.h"
#include "tools/ctl_action.h"
#include "tools/ctl_daemon.h" /* ctl_field() */
#include "tools/ctl_snapshot.h"

struct ctl_accounts {
	struct mtls_settings_accountd *settings;
	struct mtls_control *control; /* NULL without a conversation */
	struct ctl_snapshot snapshot; /* what is published */
};

/*
 * Embed it zeroed. They print what is wrong to standard error and return an exit code: _read opens
 * the snapshot, _connect the conversation with the daemon, which only root may have, _open both.
 * @patience_ms is how long one answer may take.
 */
int ctl_accounts_read(struct ctl_accounts *accounts);
int ctl_accounts_connect(struct ctl_accounts *accounts, uint32_t patience_ms);
int ctl_accounts_open(struct ctl_accounts *accounts, uint32_t patience_ms);
void ctl_accounts_done(struct ctl_accounts *accounts);

#define CTL_PATIENCE_MS        60000  /* a change, with the publishing of a million accounts */
#define CTL_PATIENCE_IMPORT_MS 900000 /* one change of a million accounts */

/* A line "mtlsctl: ..." on standard error; returns @code. */
int ctl_accounts_fail(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * Messages. An error in making one is kept and told when it is sent, so that adding needs no test;
 * a NULL value adds nothing.
 */
struct ctl_message {
	struct mtls_msg *msg;
	int err;           /* 0, or why it cannot be sent */
	const char *wrong; /* the field that cannot be said; borrowed */
};
void ctl_message_init(struct ctl_message *message, enum mtls_msg_type type, const char *verb);
void ctl_message_add(struct ctl_message *message, const char *name, const char *value);
void ctl_message_add_u32(struct ctl_message *message, const char *name, uint32_t number);
void ctl_message_done(struct ctl_message *message);

typedef void ctl_item_fn(void *ctx, const struct mtls_control_item *item);

/* Sends; CTL_OK, or an exit code after saying why. */
int ctl_send(struct ctl_accounts *accounts, const struct ctl_message *message);

/*
 * Reads items, which @each gets (NULL: they are passed over), up to the end. @ret_end is set
 * whenever there was one; the caller frees it. Says nothing about its code: see ctl_end().
 */
int ctl_receive(struct ctl_accounts *accounts, ctl_item_fn *each, void *ctx,
		struct mtls_msg **ret_end);

/* The exit code that an end means, after saying its words on standard error. */
int ctl_end(const struct mtls_msg *end);

/*
 * One request without items from us: send, receive. CTL_OK also where the daemon refused: what it
 * says is in @ret_end.
 */
int ctl_ask(struct ctl_accounts *accounts, const struct ctl_message *message, ctl_item_fn *each,
	    void *ctx, struct mtls_msg **ret_end);

/* Likewise, and the end's code becomes the exit code; for changes with nothing to compare. */
int ctl_change(struct ctl_accounts *accounts, const struct ctl_message *message,
	       struct mtls_msg **ret_end);

/*
 * The result of a change for programs: the fields of @end, and dry_run. Nothing but for CTL_OK: an
 * error is main()'s to print, a change that nobody sees yet included. Returns the exit code.
 */
int ctl_print_change(int code, const struct mtls_msg *end, bool dry_run);

/* True if @code says that the change was made: CTL_OK, CTL_UNPUBLISHED. */
bool ctl_was_done(int code);

/*
 * Somebody else may take a number between the question (dry-run) and the change: then ask again.
 * The daemon says so by a refusal; if that has another cause, the next question has it too.
 */
#define CTL_ADD_TRIES 64
bool ctl_was_taken(const struct mtls_msg *end);

/*
 * As `mtlsctl bind add USER KEY`, silently if it could be done, and done already if it is bound. An
 * exit code.
 */
int ctl_bind_key(const char *user, const char *key, bool dry_run);
/* As `mtlsctl bind remove USER KEY`, silently. */
int ctl_unbind_key(const char *user, const char *key);
/* Whether it is published; false where that cannot be told. */
bool ctl_is_bound(const char *user, const char *key);

/*
 * Other sources of accounts (/etc/passwd, a directory), as the normal lookup shows them: what the
 * snapshot has itself does not count.
 */
bool ctl_foreign_user(const struct ctl_accounts *accounts, const char *name, uint32_t *ret_uid);
bool ctl_foreign_group(const struct ctl_accounts *accounts, const char *name);
/* CTL_OK, or CTL_FAILED after saying that an account or a group has the number. */
int ctl_check_id(const struct ctl_accounts *accounts, uint32_t id, const char *option);
/* Every group of the list (names with ',' between them) is ours or nobody's. */
int ctl_check_groups(const struct ctl_accounts *accounts, const char *list);

#endif
