/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The conversation with the person: texts, choices, secrets. Each call is one message, which every
 * host program can show. What the host program hands back is cleared before it is freed.
 */
#ifndef PAM_MTLS_PROMPT_H
#define PAM_MTLS_PROMPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <security/pam_appl.h>

#include "lib/base/buf.h"
#include "lib/wire/reason.h"

#define PROMPT_DATE_MAX 16

/* What became of a conversation. */
struct prompt_state {
	unsigned int asked; /* questions that were answered */
	bool failed;        /* one was not: nobody is there */
};

/*
 * Borrows the host program's conversation.
 *
 * Whether somebody can be asked: with a conversation that works, yes. Without one nothing is asked
 * or shown, nobody is waited for, and only keys that need no secret can be used. One that fails to
 * answer a question says that nobody is there (`sudo -n`) or that the person breaks off: nothing
 * more is asked or shown, and the login is over. PAM_SILENT means none of this, because sudo sets
 * it always: it keeps back remarks only.
 */
struct prompt {
	const struct pam_conv *conv; /* NULL: none */
	bool silent;                 /* PAM_SILENT */
	struct prompt_state *state;  /* NULL: nobody wants to know, each question is tried */
};

bool prompt_possible(const struct prompt *prompt);

/*
 * Show @text; nothing happens where that is not possible: why something failed; what a question is
 * about; what is good to know.
 */
void prompt_error(const struct prompt *prompt, const char *text);
void prompt_info(const struct prompt *prompt, const char *text);
void prompt_remark(const struct prompt *prompt, const char *text);

/*
 * Asks, with or without echo; the answer is appended to @answer, which is empty before. Returns 0,
 * MTLS_E_NEEDSECRET for an empty answer, MTLS_E_LIMIT for one over @answer->max, -ENOMEM, -EIO
 * where the conversation failed.
 */
int prompt_secret(const struct prompt *prompt, const char *text, struct mtls_buf *answer);
int prompt_line(const struct prompt *prompt, const char *text, struct mtls_buf *answer);

/* Waits for Enter; what is typed, and whether somebody is there, does not matter. */
void prompt_pause(const struct prompt *prompt, const char *text);

/*
 * Asks for a number from 1 to @count. As prompt_line(), and MTLS_E_SYNTAX for an answer that is not
 * such a number. *@ret_index counts from 0.
 */
int prompt_number(const struct prompt *prompt, const char *text, size_t count, size_t *ret_index);

/* A negative result of a question as the reason of a refusal; ALLOWED for 0. */
enum mtls_reason prompt_reason(int rc);

/* The date of @time (seconds since 1970) as YYYY-MM-DD, UTC. */
void prompt_date(int64_t time, char out[PROMPT_DATE_MAX]);

/*
 * Appends @text for a terminal or a log line: control characters (C0, DEL, C1) and bytes that are
 * not UTF-8 become '?', and so does @quote if it is not 0. At most @max bytes.
 */
void prompt_clean(struct mtls_buf *out, const char *text, char quote, size_t max);

#endif
