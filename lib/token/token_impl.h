/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of lib/token share. Nobody else includes it. */
#ifndef MTLS_TOKEN_TOKEN_IMPL_H
#define MTLS_TOKEN_TOKEN_IMPL_H

#include <p11-kit/pkcs11.h>

#include "lib/base/buf.h"
#include "lib/token/token.h"

#define SLOTS_MAX 64 /* of a module */

struct module {
	char *path; /* owned */
	void *library;
	CK_FUNCTION_LIST *api; /* the library's */
	bool no_events;        /* C_WaitForSlotEvent is not there */
	bool ended;            /* it did not start again: it is not called any more */
	CK_INFO info;          /* for filters that name the library; zeros if it does not say */
};

struct mtls_token {
	struct module *module; /* borrowed: of the same struct mtls_tokens */
	CK_SLOT_ID slot;
	CK_SLOT_INFO slot_info;
	CK_TOKEN_INFO raw;
	struct mtls_token_info info;
	bool present;
	bool seen;                 /* by the look that goes on */
	bool logged_in;            /* by us, in session */
	CK_SESSION_HANDLE session; /* read-only; CK_INVALID_HANDLE: none yet */
};

struct mtls_tokens {
	struct module modules[MTLS_TOKEN_MODULES_MAX];
	size_t module_count;
	size_t failed;                               /* modules that could not be loaded */
	struct mtls_token *all[2 * MTLS_TOKENS_MAX]; /* owned; also those that were taken out */
	size_t all_count;
	struct mtls_token *now[MTLS_TOKENS_MAX]; /* present, in the order of modules and slots */
	size_t now_count;
	mtls_token_say *say;
	void *say_ctx;
};

/* result.c: "C_Login: CKR_PIN_INCORRECT" to @diag, and the reason. CKR_OK is ALLOWED. */
enum mtls_reason token_result(CK_RV rv, const char *call, struct mtls_diag *diag);

/* As token_result(), and after a vague failure looks whether the token is still there. */
enum mtls_reason token_failed(struct mtls_token *token, CK_RV rv, const char *call,
			      struct mtls_diag *diag);

/* text.c: fields of PKCS#11 are padded with blanks and may hold anything. To printable UTF-8. */
void token_text(char *out, size_t size, const unsigned char *field, size_t len);

/* filter.c */
bool token_filters_take(const struct mtls_token_filters *filters, const struct mtls_token *token);
/* False also where no filter takes the token. */
bool token_filters_take_object(const struct mtls_token_filters *filters,
			       const struct mtls_token *token, const uint8_t *id, size_t id_len,
			       const char *label, size_t label_len);

/* info.c */
void token_info_fill(struct mtls_token *token);
/* Whether it is still in its reader, and still the same one. */
enum mtls_reason token_check(struct mtls_token *token, struct mtls_diag *diag);

/* session.c: a read-only session in token->session. */
enum mtls_reason token_session(struct mtls_token *token, struct mtls_diag *diag);
void token_session_close(struct mtls_token *token);
CK_RV token_login(struct mtls_token *token, CK_SESSION_HANDLE session, CK_USER_TYPE user,
		  struct mtls_token_pin pin);

/* object.c */

/* One call for several attributes. @values[i].pValue has room for ulValueLen bytes before. */
enum mtls_reason token_attributes(struct mtls_token *token, CK_OBJECT_HANDLE handle,
				  CK_ATTRIBUTE *values, CK_ULONG count, struct mtls_diag *diag);
/* Up to @room handles of what fits the template. */
enum mtls_reason token_handles(struct mtls_token *token, CK_ATTRIBUTE *template, CK_ULONG count,
			       CK_OBJECT_HANDLE *handles, size_t room, size_t *ret_count,
			       bool *ret_more, struct mtls_diag *diag);

/* spki.c: pure. What a public key object says, as the token wrote it. */
struct token_public {
	CK_KEY_TYPE type;
	const uint8_t *params, *point;     /* CKA_EC_PARAMS, CKA_EC_POINT */
	const uint8_t *modulus, *exponent; /* of RSA */
	size_t params_len, point_len, modulus_len, exponent_len;
};
/* Appends the SubjectPublicKeyInfo. 0, MTLS_E_UNSUPPORTED, MTLS_E_SYNTAX, MTLS_E_LIMIT, -ENOMEM. */
int token_spki(const struct token_public *key, struct mtls_buf *out, enum mtls_key_type *ret_type);
/* Which kind of key these are parameters of; HIDDEN: none that is supported. */
enum mtls_key_type token_curve(const uint8_t *params, size_t len);
/* r and s of @raw to ECDSA-Sig-Value. 0, MTLS_E_SYNTAX, -ENOMEM, MTLS_E_LIMIT. */
int token_ecdsa_der(const uint8_t *raw, size_t len, struct mtls_buf *out);

#endif
