/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A conversation with a signer program, as pam_mtls has it. As root it runs under another user. */
#ifndef TESTS_TOKEN_TALK_H
#define TESTS_TOKEN_TALK_H

#include "signer/client.h"
#include "signer/start.h"

#define TALK_TIMEOUT_MS 20000

struct talk {
	struct signer_process process;
	struct signer_client *client;
	enum mtls_reason reason; /* of the last list */
	uint32_t tries;
	struct mtls_diag diag;
};

extern char talk_base[]; /* a folder of this test, which the person may read */
extern uid_t talk_person;
extern uint32_t talk_timeout_ms;

int talk_set_up(const char *program);
int talk_tear_down(void **state);

/* Starts the program and asks for its list. */
void talk_start(struct talk *talk, const char *const *argv);
void talk_list(struct talk *talk);
void talk_stop(struct talk *talk);
size_t talk_count(const struct talk *talk);
const struct mtls_signer_credential *talk_item(const struct talk *talk, size_t index);
/* Of the first of the list. */
enum mtls_reason talk_unlock(struct talk *talk, const char *pin, enum mtls_presence *presence,
			     uint32_t *tries);
enum mtls_reason talk_sign(struct talk *talk, enum mtls_sign_scheme scheme, uint8_t *signature,
			   size_t *len);
enum mtls_reason talk_sign_text(struct talk *talk, enum mtls_sign_scheme scheme,
				const char *context, uint8_t *signature, size_t *len);
/* A socket at @path, of @owner, that nobody answers at; it stays open. */
int talk_socket(const char *path, uid_t owner);
/* What talk_sign() signs. */
#define TALK_CONTENT_LEN 130
void talk_content(const char *context, uint8_t content[TALK_CONTENT_LEN]);

#endif
