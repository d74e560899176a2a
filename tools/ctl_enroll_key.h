/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Keys that `enroll` certifies where they are: on a card, in a TPM, in an agent. The public key is
 * read by a child that is the person; root's process opens no driver, socket or file of theirs.
 * What the child says is believed as much as the person is: the login that is tried proves it.
 */
#ifndef MTLS_TOOLS_CTL_ENROLL_KEY_H
#define MTLS_TOOLS_CTL_ENROLL_KEY_H

#include "lib/settings/pam_mtls.h"
#include "tools/ctl_tokens.h"

#define ENROLL_WHAT_MAX 512
#define ENROLL_KEYS_MAX 64

/* What the command line says; NULL: nothing. */
struct enroll_key_words {
	const char *pkcs11, *generate, *socket, *comment, *fingerprint;
	bool tpm2, agent;
};

struct enroll_key {
	struct enroll_key_words words;
	const char *dir; /* of pam_mtls.conf */
	const char *cn;  /* the label of a new key */
	bool dry_run;
	int secret_fd;      /* where the PIN comes from; -1: asked */
	bool secret_wanted; /* for the login that is tried */

	struct mtls_buf spki;       /* what was found: its SubjectPublicKeyInfo */
	char what[ENROLL_WHAT_MAX]; /* in words: "key 'login' on 'bob's card'" */
	struct mtls_buf uri;        /* of the key; for a try */
	char socket[PATH_MAX];      /* of the agent */
	bool made;                  /* it is new, and stays */
	bool pad;                   /* its PIN is typed at the reader */
};

/* Whether the key is on a token, or in an agent. */
bool enroll_key_wanted(const struct enroll_key_words *words);
enum mtls_source_kind enroll_key_kind(const struct enroll_key_words *words);

/* NULL, or what is wrong with the words. */
const char *enroll_key_check(const struct enroll_key_words *words);

/*
 * Finds the key, or makes it, as @person. @secret gets the PIN where one is needed, for this or for
 * the try. 0, or an error with words.
 */
int enroll_key_find(struct enroll_key *key, const struct ctl_person *person,
		    struct mtls_buf *secret, struct mtls_diag *diag);
void enroll_key_done(struct enroll_key *key);

/* The agent of whoever has started us: SSH_AUTH_SOCK of this process or of one before it, or "". */
void enroll_key_agent_socket(char out[PATH_MAX]);

#endif
