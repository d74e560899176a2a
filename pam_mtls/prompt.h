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

#define PROMPT_DATE_MAX 16

/* Borrows the host program's conversation. */
struct prompt {
	const struct pam_conv *conv; /* NULL: none */
	/*
	 * PAM_SILENT. sudo sets it always, so it cannot mean that nobody is asked, or told why they
	 * are refused: it keeps back remarks only. A program that wants silence gives no
	 * conversation.
	 */
	bool silent;
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

/*
 * Asks for a number from 1 to @count. As prompt_line(), and MTLS_E_SYNTAX for an answer that is not
 * such a number. *@ret_index counts from 0.
 */
int prompt_number(const struct prompt *prompt, const char *text, size_t count, size_t *ret_index);

/* The date of @time (seconds since 1970) as YYYY-MM-DD, UTC. */
void prompt_date(int64_t time, char out[PROMPT_DATE_MAX]);

/*
 * Appends @text for a terminal or a log line: control characters (C0, DEL, C1) and bytes that are
 * not UTF-8 become '?', and so does @quote if it is not 0. At most @max bytes.
 */
void prompt_clean(struct mtls_buf *out, const char *text, char quote, size_t max);

#endif
