/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tokens of a person: which there are, and which one is meant. Drivers are loaded by children that
 * are the person (for root: the system user of the signers), each for one task, so that a driver
 * that hangs, crashes or chatters does so there.
 */
#ifndef MTLS_TOOLS_CTL_TOKENS_H
#define MTLS_TOOLS_CTL_TOKENS_H

#include <limits.h>

#include "lib/token/token.h"
#include "tools/ctl_person.h"

struct ctl_token {
	struct mtls_token_info info; /* info.module is NULL */
	char module[PATH_MAX];
};

struct ctl_tokens {
	struct ctl_token list[MTLS_TOKENS_MAX];
	size_t count;
	struct mtls_diag trouble; /* of a driver that could not be asked; "" */
};

/*
 * The drivers to ask: @module, or without one those of pam_mtls.conf at @conf. @ret is the
 * caller's, never empty. 0 or an error with words.
 */
int ctl_tokens_modules(const char *module, const char *conf, char ***ret, struct mtls_diag *diag);

/* Who works with tokens for this process: the person itself; for root the signers' system user. */
int ctl_tokens_person(const char *conf, struct ctl_person *ret, struct mtls_diag *diag);

/* A URI (RFC 7512), or the label of a token; NULL: any, then *@ret is NULL. */
int ctl_tokens_wish(const char *text, struct mtls_token_filter **ret, struct mtls_diag *diag);

/*
 * All tokens of @modules that are as wished, in the order of the drivers; @filter may be NULL.
 * Clears @ret first. 0 or an error.
 */
int ctl_tokens_list(const struct ctl_person *person, char *const *modules,
		    const struct mtls_token_filter *filter, struct ctl_tokens *ret,
		    struct mtls_diag *diag);

/*
 * The one that is meant: the only one, or the answer of the person. MTLS_E_NOTFOUND: there is none;
 * -ENOTTY: several, and nobody to be asked.
 */
int ctl_tokens_choose(const struct ctl_tokens *tokens, const struct ctl_token **ret,
		      struct mtls_diag *diag);

/* Whether the two are one token: label, maker, model and serial number. */
bool ctl_token_same(const struct mtls_token_info *a, const struct mtls_token_info *b);

/* Appends "pkcs11:token=...;serial=...", which names this token. */
int ctl_token_uri(const struct mtls_token_info *info, struct mtls_buf *out);

/*
 * In a child, before drivers are loaded: what they print goes nowhere, they read nothing, have no
 * terminal, end with this process, and find pkcs11_environment of the settings that
 * ctl_tokens_modules() read.
 */
void ctl_token_quiet(void);

/*
 * In a child: @token, found again. ALLOWED, TOKEN_GONE, MODULE_FAILED. @ret_tokens is the caller's.
 */
enum mtls_reason ctl_token_open(const struct ctl_token *token, struct mtls_tokens **ret_tokens,
				struct mtls_token **ret, struct mtls_diag *diag);

#endif
