/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The conversation. Owns nothing; runs in whichever thread the host program called PAM from.
 */
#include <config.h>

#include <errno.h>
#include <string.h>
#include <time.h>

#include "lib/base/err.h"
#include "lib/base/str.h"
#include "pam_mtls/prompt.h"

#define NUMBER_MAX 16 /* bytes of an answer that should be a number */

bool prompt_possible(const struct prompt *prompt)
{
	return prompt->conv && prompt->conv->conv && !(prompt->state && prompt->state->failed);
}

static void free_reply(struct pam_response *reply)
{
	if (!reply)
		return;
	if (reply->resp) {
		explicit_bzero(reply->resp, strlen(reply->resp));
		free(reply->resp);
	}
	free(reply);
}

/* One message; @ret_reply is malloc'ed or NULL. */
static int converse(const struct prompt *prompt, int style, const char *text,
		    struct pam_response **ret_reply)
{
	const struct pam_message msg = { .msg_style = style, .msg = text };
	const struct pam_message *msgs = &msg;
	struct pam_response *reply = NULL;
	int rc = prompt->conv->conv(1, &msgs, &reply, prompt->conv->appdata_ptr);
	if (rc != PAM_SUCCESS) {
		/* Not ours to free: what a failing conversation leaves there is undefined. */
		return rc == PAM_BUF_ERR ? -ENOMEM : -EIO;
	}
	*ret_reply = reply;
	return 0;
}

static void show(const struct prompt *prompt, int style, const char *text)
{
	struct pam_response *reply = NULL;
	if (prompt_possible(prompt) && converse(prompt, style, text, &reply) == 0)
		free_reply(reply);
}

void prompt_error(const struct prompt *prompt, const char *text)
{
	show(prompt, PAM_ERROR_MSG, text);
}

void prompt_info(const struct prompt *prompt, const char *text)
{
	show(prompt, PAM_TEXT_INFO, text);
}

void prompt_remark(const struct prompt *prompt, const char *text)
{
	if (!prompt->silent)
		prompt_info(prompt, text);
}

static int ask(const struct prompt *prompt, int style, const char *text, struct mtls_buf *answer)
{
	if (!prompt_possible(prompt))
		return -EIO;
	struct pam_response *reply = NULL;
	int rc = converse(prompt, style, text, &reply);
	if (prompt->state) {
		prompt->state->failed = rc < 0;
		prompt->state->asked += rc == 0;
	}
	if (rc < 0)
		return rc;
	if (!reply || !reply->resp || !*reply->resp)
		rc = MTLS_E_NEEDSECRET;
	else
		rc = mtls_buf_append_str(answer, reply->resp);
	free_reply(reply);
	return rc;
}

int prompt_secret(const struct prompt *prompt, const char *text, struct mtls_buf *answer)
{
	return ask(prompt, PAM_PROMPT_ECHO_OFF, text, answer);
}

int prompt_line(const struct prompt *prompt, const char *text, struct mtls_buf *answer)
{
	return ask(prompt, PAM_PROMPT_ECHO_ON, text, answer);
}

void prompt_pause(const struct prompt *prompt, const char *text)
{
	_cleanup_buf_ struct mtls_buf answer = MTLS_BUF(NUMBER_MAX);
	(void)prompt_line(prompt, text, &answer);
}

int prompt_number(const struct prompt *prompt, const char *text, size_t count, size_t *ret_index)
{
	_cleanup_buf_ struct mtls_buf answer = MTLS_BUF(NUMBER_MAX);
	int rc = prompt_line(prompt, text, &answer);
	if (rc == MTLS_E_LIMIT)
		return MTLS_E_SYNTAX;
	if (rc < 0)
		return rc;
	const char *digits = mtls_buf_cstr(&answer);
	if (!digits)
		return -ENOMEM;
	uint32_t number;
	if (mtls_parse_u32(digits, &number) < 0 || number < 1 || number > count)
		return MTLS_E_SYNTAX;
	*ret_index = number - 1;
	return 0;
}

enum mtls_reason prompt_reason(int rc)
{
	switch (rc) {
	case 0:
		return MTLS_REASON_ALLOWED;
	case MTLS_E_NEEDSECRET:
		return MTLS_REASON_SECRET_EMPTY;
	case MTLS_E_LIMIT:
		return MTLS_REASON_SECRET_WRONG;
	case MTLS_E_SYNTAX:
		return MTLS_REASON_BAD_CHOICE;
	default:
		return MTLS_REASON_CONVERSATION;
	}
}

void prompt_date(int64_t time, char out[PROMPT_DATE_MAX])
{
	struct tm tm;
	time_t seconds = (time_t)time;
	if (!gmtime_r(&seconds, &tm) || strftime(out, PROMPT_DATE_MAX, "%Y-%m-%d", &tm) == 0)
		(void)mtls_strcopy(out, PROMPT_DATE_MAX, "?");
}

/* Bytes of the character at @at, 0 where it is not well-formed. */
static size_t character_len(const uint8_t *at, size_t left)
{
	for (size_t len = 1; len <= 4 && len <= left; len++)
		if (mtls_utf8_valid(at, len))
			return len;
	return 0;
}

void prompt_clean(struct mtls_buf *out, const char *text, char quote, size_t max)
{
	const uint8_t *at = (const uint8_t *)text;
	size_t left = strlen(text), room = max;
	while (left > 0) {
		size_t len = character_len(at, left);
		bool good =
			len > 0 && !mtls_has_control(at, len) && (!quote || *at != (uint8_t)quote);
		if (len == 0)
			len = 1;
		if (room < len)
			break;
		if (good)
			(void)mtls_buf_append(out, at, len);
		else
			(void)mtls_buf_append_byte(out, '?');
		at += len;
		left -= len;
		room -= len;
	}
}
