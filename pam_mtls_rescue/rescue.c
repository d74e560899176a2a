/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One try, from the arguments to the verdict. Everything that costs nothing is looked at before the
 * person is asked; a try is counted before anything is hashed; a code is used up on the disk
 * before it is accepted. In that order, so that whatever is killed or broken in between costs a try
 * or a code, and never lets the same code in twice.
 *
 * Asks no network, no daemon, no clock. Runs in the host program's thread.
 */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <security/pam_ext.h>

#include "lib/base/str.h"
#include "lib/rescue/store.h"
#include "pam_mtls/console.h"
#include "pam_mtls/items.h"
#include "pam_mtls_rescue/options.h"
#include "pam_mtls_rescue/rescue.h"
#include "pam_mtls_rescue/result.h"
#include "pam_mtls_rescue/tries.h"

#define DATA_NAME       "mtls-rescue"
#define ASKED_MAX       3 /* questions until what is typed is a code at all */
#define LOCK_MS         10000
#define FEW_LEFT        3
#define FAIL_DELAY_USEC 2000000
#define TEXT_MAX        512
#define LINE_MAX        1024
#define FIELD_MAX       256

struct rescue {
	pam_handle_t *pamh;
	struct options options;
	struct items items;
	struct mtls_rescue_code code;
	bool listed;     /* the set is for this account, so its owner may be told things */
	bool counted;    /* left is known */
	size_t number;   /* of the code, from 1; 0: none */
	size_t left;     /* unused codes, behind this one */
	uint32_t wait_s; /* until the next try */
	struct mtls_diag diag;
};

static void rescue_done(struct rescue *rescue)
{
	explicit_bzero(&rescue->code, sizeof(rescue->code));
	options_done(&rescue->options);
	items_done(&rescue->items);
}

static enum result result_of(int rc, enum result otherwise)
{
	return rc == -ENOMEM ? RESULT_NO_MEMORY : otherwise;
}

/* Who sits where: positive proof of a console, and nobody is asked anything yet. */
static enum result judge_host(struct rescue *rescue, int flags, int argc, const char **argv)
{
	int rc = options_parse(argc, argv, &rescue->options, &rescue->diag);
	if (rc < 0)
		return result_of(rc, RESULT_CONFIG);
	rc = items_read(rescue->pamh, flags, &rescue->items);
	if (rc < 0)
		return result_of(rc, RESULT_NOT_SERVICE);
	const struct items *items = &rescue->items;
	if (!options_has_service(&rescue->options, items->service))
		return RESULT_NOT_SERVICE;
	if (items->has_rhost || !console_has(items->tty, rescue->options.ttys))
		return RESULT_NOT_LOCAL;
	return geteuid() == 0 ? RESULT_ACCEPTED : RESULT_NOT_ROOT;
}

static enum result judge_user(struct rescue *rescue)
{
	if (rescue->items.user)
		return RESULT_ACCEPTED;
	int rc = items_ask_user(rescue->pamh, &rescue->items);
	if (rc == MTLS_E_NOTFOUND)
		return RESULT_NOT_USER;
	return rc < 0 ? result_of(rc, RESULT_CONVERSATION) : RESULT_ACCEPTED;
}

static enum result load(struct rescue *rescue, struct mtls_rescue_set **ret)
{
	int rc = mtls_rescue_load(MTLS_RESCUE_FOLDER, ret, &rescue->diag);
	if (rc == -ENOENT)
		return RESULT_NO_SET;
	if (rc < 0) {
		/* Whose codes they would be is not known; they are root's, but for special cases.
		 */
		rescue->listed = mtls_streq(rescue->items.user, "root");
		return result_of(rc, RESULT_UNUSABLE);
	}
	rescue->listed = mtls_rescue_set_has_user(*ret, rescue->items.user);
	if (!rescue->listed)
		return RESULT_NOT_USER;
	rescue->left = mtls_rescue_set_unused(*ret);
	rescue->counted = true;
	return rescue->left > 0 ? RESULT_ACCEPTED : RESULT_EXHAUSTED;
}

static enum result lock(struct rescue *rescue, int *ret_fd)
{
	int rc = mtls_rescue_lock(MTLS_RESCUE_FOLDER, LOCK_MS, ret_fd, &rescue->diag);
	if (rc == MTLS_E_BUSY)
		return RESULT_BUSY;
	return rc < 0 ? result_of(rc, RESULT_UNUSABLE) : RESULT_ACCEPTED;
}

static enum result count_try(struct rescue *rescue, bool peek)
{
	int rc = tries_take(TRIES_FOLDER, tries_now_ms(), peek, &rescue->wait_s, &rescue->diag);
	if (rc == MTLS_E_LIMIT)
		return RESULT_WAIT;
	return rc < 0 ? result_of(rc, RESULT_UNCOUNTED) : RESULT_ACCEPTED;
}

/* Before the question: is there anything to ask for? */
static enum result look(struct rescue *rescue)
{
	_cleanup_(mtls_rescue_set_freep) struct mtls_rescue_set *set = NULL;
	_cleanup_close_ int held = -1;
	enum result result = load(rescue, &set);
	if (result == RESULT_ACCEPTED)
		result = lock(rescue, &held);
	if (result == RESULT_ACCEPTED)
		result = count_try(rescue, true);
	return result;
}

static enum result read_answer(int rc, struct mtls_buf *answer, struct mtls_rescue_code *ret)
{
	if (rc == MTLS_E_NEEDSECRET)
		return RESULT_SKIPPED;
	if (rc == MTLS_E_LIMIT)
		return RESULT_NO_CODE;
	if (rc < 0)
		return result_of(rc, RESULT_CONVERSATION);
	const char *typed = mtls_buf_cstr(answer);
	if (!typed)
		return RESULT_NO_MEMORY;
	return mtls_rescue_code_read(typed, ret) < 0 ? RESULT_NO_CODE : RESULT_ACCEPTED;
}

/* A slip of the finger is asked for again: nothing is counted or hashed for it. */
static enum result ask(struct rescue *rescue)
{
	const struct prompt *prompt = &rescue->items.prompt;
	enum result result = RESULT_FAULT;
	for (int i = 0; i < ASKED_MAX; i++) {
		_cleanup_buf_ struct mtls_buf answer = MTLS_BUF_SECRET(MTLS_RESCUE_TYPED_MAX);
		const char *text = "Rescue code (Enter alone: go on without): ";
		int rc = rescue->options.echo ? prompt_line(prompt, text, &answer)
					      : prompt_secret(prompt, text, &answer);
		result = read_answer(rc, &answer, &rescue->code);
		if (result != RESULT_NO_CODE)
			break;
		if (i + 1 < ASKED_MAX)
			prompt_error(prompt, "That is no rescue code: 20 letters and digits, as "
					     "7KQ2-M0XN-... Please check what you typed.");
	}
	return result;
}

/* The one hash of this try, against all codes. */
static enum result match(struct rescue *rescue, const struct mtls_rescue_set *set)
{
	struct mtls_rescue_hash hash;
	int rc = mtls_rescue_hash(&rescue->code, &set->setting, &hash, &rescue->diag);
	if (rc < 0)
		return result_of(rc, RESULT_UNUSABLE);
	int index = mtls_rescue_set_find(set, &hash);
	if (index < 0)
		return RESULT_WRONG;
	rescue->number = (size_t)index + 1;
	return set->entry[index].used ? RESULT_USED_BEFORE : RESULT_ACCEPTED;
}

static enum result use_up(struct rescue *rescue, struct mtls_rescue_set *set)
{
	struct mtls_rescue_entry *entry = &set->entry[rescue->number - 1];
	time_t now = time(NULL);
	entry->used = true;
	entry->used_at = now > 0 ? (uint64_t)now : 0;
	int rc = mtls_rescue_save(MTLS_RESCUE_FOLDER, set, &rescue->diag);
	if (rc < 0)
		return result_of(rc, RESULT_UNWRITABLE);
	rescue->left = mtls_rescue_set_unused(set);
	return RESULT_ACCEPTED;
}

/* All under one lock: whoever comes at the same time finds the try counted and the code used. */
static enum result try_code(struct rescue *rescue)
{
	_cleanup_(mtls_rescue_set_freep) struct mtls_rescue_set *set = NULL;
	_cleanup_close_ int held = -1;
	enum result result = lock(rescue, &held);
	if (result == RESULT_ACCEPTED)
		result = count_try(rescue, false);
	if (result == RESULT_ACCEPTED)
		result = load(rescue, &set);
	if (result == RESULT_ACCEPTED)
		result = match(rescue, set);
	if (result == RESULT_ACCEPTED)
		result = use_up(rescue, set);
	return result;
}

static void forget(pam_handle_t *pamh, void *data, int status)
{
	(void)pamh;
	(void)status;
	free(data);
}

/* What rescue_later() has to know. */
static enum result keep(struct rescue *rescue)
{
	if (rescue->number == 0)
		return RESULT_FAULT;
	char *user = strdup(rescue->items.user);
	if (!user)
		return RESULT_NO_MEMORY;
	if (pam_set_data(rescue->pamh, DATA_NAME, user, forget) == PAM_SUCCESS)
		return RESULT_ACCEPTED;
	free(user);
	return RESULT_NO_MEMORY;
}

static enum result authenticate(struct rescue *rescue, int flags, int argc, const char **argv)
{
	enum result result = judge_host(rescue, flags, argc, argv);
	if (result == RESULT_ACCEPTED)
		result = judge_user(rescue);
	if (result == RESULT_ACCEPTED)
		result = look(rescue);
	if (result == RESULT_ACCEPTED)
		result = ask(rescue);
	if (result == RESULT_ACCEPTED)
		result = try_code(rescue);
	if (result == RESULT_ACCEPTED)
		result = keep(rescue);
	return result;
}

/* --- reporting --- */

static void add_field(struct mtls_buf *line, const char *name, const char *value)
{
	if (!value)
		return;
	(void)mtls_buf_printf(line, " %s='", name);
	prompt_clean(line, value, '\'', FIELD_MAX);
	(void)mtls_buf_append_str(line, "'");
}

/* The code itself is nowhere in it; nor is a code that was mistyped, or a password. */
static void write_log(const struct rescue *rescue, const struct result_row *row)
{
	_cleanup_buf_ struct mtls_buf line = MTLS_BUF(LINE_MAX);
	if (row->priority == LOG_DEBUG && !rescue->options.debug)
		return;
	(void)mtls_buf_printf(&line, "rescue=%s", row->token);
	add_field(&line, "service", rescue->items.service);
	add_field(&line, "user", rescue->items.user);
	add_field(&line, "tty", rescue->items.tty);
	if (rescue->number)
		(void)mtls_buf_printf(&line, " code=%zu", rescue->number);
	if (rescue->counted)
		(void)mtls_buf_printf(&line, " left=%zu", rescue->left);
	if (rescue->diag.text[0]) {
		(void)mtls_buf_append_str(&line, " detail=\"");
		prompt_clean(&line, rescue->diag.text, '"', FIELD_MAX);
		(void)mtls_buf_append_str(&line, "\"");
	}
	const char *text = mtls_buf_cstr(&line);
	pam_syslog(rescue->pamh, row->priority, "%s", text ? text : row->token);
}

static void tell_accepted(const struct rescue *rescue)
{
	char text[TEXT_MAX];
	(void)snprintf(text, sizeof(text),
		       "Rescue code %zu is used now: cross it out. %zu %s left.%s", rescue->number,
		       rescue->left, rescue->left == 1 ? "is" : "are",
		       rescue->left <= FEW_LEFT ? " Make new ones: mtlsctl rescue new" : "");
	prompt_info(&rescue->items.prompt, text);
}

static void tell_person(const struct rescue *rescue, enum result result)
{
	const struct result_row *row = result_row(result);
	char text[TEXT_MAX];
	if (!rescue->listed)
		return;
	if (result == RESULT_ACCEPTED)
		tell_accepted(rescue);
	if (!row->text)
		return;
	if (result == RESULT_WAIT)
		(void)snprintf(text, sizeof(text), "%s The next try is possible in %u seconds.",
			       row->text, rescue->wait_s);
	else if (row->priority == LOG_ERR && rescue->diag.text[0])
		(void)snprintf(text, sizeof(text), "%s (%.200s)", row->text, rescue->diag.text);
	else
		(void)snprintf(text, sizeof(text), "%s", row->text);
	prompt_error(&rescue->items.prompt, text);
}

int rescue_authenticate(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	_cleanup_(rescue_done) struct rescue rescue = { .pamh = pamh };
	/* An earlier success of the same transaction is none of this one. */
	(void)pam_set_data(pamh, DATA_NAME, NULL, NULL);
	enum result result = authenticate(&rescue, flags, argc, argv);
	const struct result_row *row = result_row(result);
	write_log(&rescue, row);
	tell_person(&rescue, result);
	if (result == RESULT_WRONG || result == RESULT_USED_BEFORE)
		(void)pam_fail_delay(pamh, FAIL_DELAY_USEC);
	return row->code;
}

int rescue_later(pam_handle_t *pamh, int refused)
{
	const void *proven = NULL, *user = NULL;
	if (pam_get_data(pamh, DATA_NAME, &proven) != PAM_SUCCESS || !proven)
		return PAM_IGNORE;
	if (pam_get_item(pamh, PAM_USER, &user) != PAM_SUCCESS || !mtls_streq(user, proven))
		return refused;
	return PAM_SUCCESS;
}
