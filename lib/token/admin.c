/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What mtlsctl does to a token: PINs, a key pair, a certificate. Sessions for it are opened and
 * closed here. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "lib/token/token_impl.h"

#define RSA_BITS 3072

static CK_UTF8CHAR *pin_text(struct mtls_token_pin pin)
{
	union {
		const char *given;
		CK_UTF8CHAR *wanted;
	} text = { .given = pin.data }; /* the interface lacks the const */
	return text.wanted;
}

static bool pin_given(const struct mtls_token *token, struct mtls_token_pin pin)
{
	return pin.data ? pin.len > 0 && pin.len <= MTLS_TOKEN_PIN_MAX : token->info.pin_pad;
}

/* A session that may write; our reading one goes, because an SO cannot log in beside it. */
static enum mtls_reason open_writing(struct mtls_token *token, CK_SESSION_HANDLE *ret,
				     struct mtls_diag *diag)
{
	if (!token->present)
		return token_check(token, diag);
	CK_RV rv = token->module->api->C_OpenSession(
		token->slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, ret);
	return rv == CKR_OK ? MTLS_REASON_ALLOWED : token_failed(token, rv, "C_OpenSession", diag);
}

static void close_writing(const struct mtls_token *token, CK_SESSION_HANDLE session)
{
	(void)token->module->api->C_CloseSession(session);
}

/* In these calls a bad length is the new PIN's, since the old one has been right before. */
static enum mtls_reason new_pin_result(struct mtls_token *token, CK_RV rv, const char *call,
				       struct mtls_diag *diag)
{
	if (rv == CKR_OK)
		return MTLS_REASON_ALLOWED;
	if (rv == CKR_PIN_LEN_RANGE || rv == CKR_PIN_INVALID || rv == CKR_PIN_TOO_WEAK) {
		(void)mtls_diag_set(diag, 0, "the card does not take this new PIN (%s)",
				    rv == CKR_PIN_LEN_RANGE ? "its length" : "too simple, or odd");
		return MTLS_REASON_KEY_UNUSABLE;
	}
	enum mtls_reason reason = token_failed(token, rv, call, diag);
	if (reason == MTLS_REASON_PIN_WRONG || reason == MTLS_REASON_PIN_LOCKED)
		(void)token_check(token, NULL);
	return reason;
}

enum mtls_reason mtls_token_set_pin(struct mtls_token *token, struct mtls_token_pin old,
				    struct mtls_token_pin new, struct mtls_diag *diag)
{
	CK_SESSION_HANDLE session = CK_INVALID_HANDLE;

	if (!pin_given(token, old) || !pin_given(token, new))
		return MTLS_REASON_SECRET_EMPTY;
	enum mtls_reason reason = open_writing(token, &session, diag);
	if (reason != MTLS_REASON_ALLOWED)
		return reason;
	CK_RV rv = CKR_FUNCTION_NOT_SUPPORTED;
	if (token->module->api->C_SetPIN)
		rv = token->module->api->C_SetPIN(session, pin_text(old), old.len, pin_text(new),
						  new.len);
	reason = new_pin_result(token, rv, "C_SetPIN", diag);
	close_writing(token, session);
	return reason;
}

enum mtls_reason mtls_token_init_pin(struct mtls_token *token, struct mtls_token_pin so,
				     struct mtls_token_pin new, struct mtls_diag *diag)
{
	CK_SESSION_HANDLE session = CK_INVALID_HANDLE;

	if (!pin_given(token, so) || !pin_given(token, new))
		return MTLS_REASON_SECRET_EMPTY;
	mtls_token_logout(token);
	token_session_close(token); /* an SO cannot log in beside a session that only reads */
	enum mtls_reason reason = open_writing(token, &session, diag);
	if (reason != MTLS_REASON_ALLOWED)
		return reason;
	CK_RV rv = token_login(token, session, CKU_SO, so);
	reason = rv == CKR_OK ? MTLS_REASON_ALLOWED : token_failed(token, rv, "C_Login", diag);
	if (reason == MTLS_REASON_ALLOWED) {
		rv = CKR_FUNCTION_NOT_SUPPORTED;
		if (token->module->api->C_InitPIN)
			rv = token->module->api->C_InitPIN(session, pin_text(new), new.len);
		reason = new_pin_result(token, rv, "C_InitPIN", diag);
		(void)token->module->api->C_Logout(session);
	}
	close_writing(token, session);
	(void)token_check(token, NULL); /* its flags have changed */
	return reason;
}

/* clang-format off */
static const struct maker {
	enum mtls_key_type type;
	CK_MECHANISM_TYPE mechanism;
	CK_KEY_TYPE key_type;
	unsigned char params[10]; /* CKA_EC_PARAMS */
	CK_ULONG params_len;      /* 0: RSA */
} makers[] = {
	{ MTLS_KEY_TYPE_ECDSA_P256, CKM_EC_KEY_PAIR_GEN, CKK_EC, { 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 }, 10 },
	{ MTLS_KEY_TYPE_ECDSA_P384, CKM_EC_KEY_PAIR_GEN, CKK_EC, { 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22 }, 7 },
	{ MTLS_KEY_TYPE_ECDSA_P521, CKM_EC_KEY_PAIR_GEN, CKK_EC, { 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23 }, 7 },
	{ MTLS_KEY_TYPE_ED25519, CKM_EC_EDWARDS_KEY_PAIR_GEN, CKK_EC_EDWARDS, { 0x06, 0x03, 0x2b, 0x65, 0x70 }, 5 },
	{ MTLS_KEY_TYPE_RSA, CKM_RSA_PKCS_KEY_PAIR_GEN, CKK_RSA, { 0 }, 0 },
};
/* clang-format on */

static CK_RV generate(struct mtls_token *token, CK_SESSION_HANDLE session,
		      const struct mtls_token_new_key *key, const struct maker *maker,
		      CK_OBJECT_HANDLE *ret_public)
{
	CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
	CK_ULONG bits = RSA_BITS;
	unsigned char exponent[] = { 1, 0, 1 };
	struct maker copy = *maker;
	union {
		const void *given;
		void *wanted;
	} id = { .given = key->id }, label = { .given = key->label };
	CK_MECHANISM mechanism = { .mechanism = maker->mechanism };
	CK_ATTRIBUTE public[] = {
		{ CKA_TOKEN, &yes, sizeof(yes) },
		{ CKA_PRIVATE, &no, sizeof(no) },
		{ CKA_VERIFY, &yes, sizeof(yes) },
		{ CKA_ID, id.wanted, key->id_len },
		{ CKA_LABEL, label.wanted, strlen(key->label) },
		{ CKA_EC_PARAMS, copy.params, copy.params_len },
		{ CKA_PUBLIC_EXPONENT, exponent, sizeof(exponent) },
	};
	CK_ATTRIBUTE private[] = {
		{ CKA_TOKEN, &yes, sizeof(yes) },
		{ CKA_PRIVATE, &yes, sizeof(yes) },
		{ CKA_SENSITIVE, &yes, sizeof(yes) },
		{ CKA_EXTRACTABLE, &no, sizeof(no) },
		{ CKA_SIGN, &yes, sizeof(yes) },
		{ CKA_ID, id.wanted, key->id_len },
		{ CKA_LABEL, label.wanted, strlen(key->label) },
	};
	CK_ULONG count = MTLS_COUNT(public) - 1; /* curves have no exponent */
	CK_OBJECT_HANDLE private_handle = CK_INVALID_HANDLE;

	if (!maker->params_len) {
		public[5] = (CK_ATTRIBUTE){ CKA_MODULUS_BITS, &bits, sizeof(bits) };
		count = MTLS_COUNT(public);
	}
	if (!token->module->api->C_GenerateKeyPair)
		return CKR_FUNCTION_NOT_SUPPORTED;
	return token->module->api->C_GenerateKeyPair(session, &mechanism, public, count, private,
						     MTLS_COUNT(private), ret_public,
						     &private_handle);
}

/* What the token says that it made. */
static enum mtls_reason read_back(struct mtls_token *token, const struct mtls_token_new_key *key,
				  CK_OBJECT_HANDLE handle, struct mtls_bytes *ret_spki,
				  struct mtls_diag *diag)
{
	struct mtls_token_objects objects = { 0 };
	enum mtls_reason reason =
		mtls_token_find(token, MTLS_TOKEN_PUBLIC_KEY, NULL, &objects, diag);
	bool found = false;

	for (size_t i = 0; i < objects.count && !found && reason == MTLS_REASON_ALLOWED; i++) {
		struct mtls_token_object *object = &objects.item[i];
		found = object->handle == handle && object->key_type == key->type;
		if (!found)
			continue;
		*ret_spki = object->data;
		object->data = (struct mtls_bytes){ 0 };
	}
	mtls_token_objects_done(&objects);
	if (reason == MTLS_REASON_ALLOWED && !found) {
		(void)mtls_diag_set(diag, 0, "the token does not show the key that it made");
		reason = MTLS_REASON_MODULE_FAILED;
	}
	return reason;
}

enum mtls_reason mtls_token_generate(struct mtls_token *token, const struct mtls_token_new_key *key,
				     struct mtls_bytes *ret_spki, struct mtls_diag *diag)
{
	CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
	CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;
	const struct maker *maker = NULL;

	for (size_t i = 0; i < MTLS_COUNT(makers); i++)
		if (makers[i].type == key->type)
			maker = &makers[i];
	if (!maker)
		return MTLS_REASON_KEY_UNUSABLE;
	enum mtls_reason reason = open_writing(token, &session, diag);
	if (reason != MTLS_REASON_ALLOWED)
		return reason;
	CK_RV rv = generate(token, session, key, maker, &handle);
	reason = rv == CKR_OK ? MTLS_REASON_ALLOWED
			      : token_failed(token, rv, "C_GenerateKeyPair", diag);
	close_writing(token, session);
	return reason == MTLS_REASON_ALLOWED ? read_back(token, key, handle, ret_spki, diag)
					     : reason;
}

struct handles {
	CK_OBJECT_HANDLE item[MTLS_TOKEN_OBJECTS_MAX];
	CK_ULONG count;
};

static CK_RV find_old(struct mtls_token *token, CK_SESSION_HANDLE session, CK_ATTRIBUTE *template,
		      CK_ULONG count, struct handles *ret)
{
	const CK_FUNCTION_LIST *api = token->module->api;

	CK_RV rv = api->C_FindObjectsInit(session, template, count);
	if (rv != CKR_OK)
		return rv;
	rv = api->C_FindObjects(session, ret->item, MTLS_COUNT(ret->item), &ret->count);
	(void)api->C_FindObjectsFinal(session);
	if (rv == CKR_OK && ret->count > MTLS_COUNT(ret->item))
		rv = CKR_GENERAL_ERROR;
	return rv;
}

static CK_RV store(struct mtls_token *token, CK_SESSION_HANDLE session,
		   const struct mtls_token_new_certificate *new)
{
	const CK_FUNCTION_LIST *api = token->module->api;
	CK_OBJECT_CLASS class = CKO_CERTIFICATE;
	CK_CERTIFICATE_TYPE x509 = CKC_X_509;
	CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
	CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;
	union {
		const void *given;
		void *wanted;
	} der = { new->der }, subject = { new->subject }, issuer = { new->issuer },
	  serial = { new->serial }, label = { new->label }, id = { new->id };
	CK_ATTRIBUTE template[] = {
		{ CKA_CLASS, &class, sizeof(class) },
		{ CKA_CERTIFICATE_TYPE, &x509, sizeof(x509) },
		{ CKA_ID, id.wanted, new->id_len },
		{ CKA_TOKEN, &yes, sizeof(yes) },
		{ CKA_PRIVATE, &no, sizeof(no) },
		{ CKA_LABEL, label.wanted, strlen(new->label) },
		{ CKA_SUBJECT, subject.wanted, new->subject_len },
		{ CKA_ISSUER, issuer.wanted, new->issuer_len },
		{ CKA_SERIAL_NUMBER, serial.wanted, new->serial_len },
		{ CKA_VALUE, der.wanted, new->der_len },
	};

	struct handles old = { .count = 0 };

	if (!api->C_CreateObject || !api->C_DestroyObject)
		return CKR_FUNCTION_NOT_SUPPORTED;
	CK_RV rv = find_old(token, session, template, 3, &old);
	if (rv == CKR_OK)
		rv = api->C_CreateObject(session, template, MTLS_COUNT(template), &handle);
	/* The new one is there before the old ones go. */
	for (CK_ULONG i = 0; i < old.count && rv == CKR_OK; i++)
		rv = api->C_DestroyObject(session, old.item[i]);
	return rv;
}

enum mtls_reason mtls_token_store(struct mtls_token *token,
				  const struct mtls_token_new_certificate *certificate,
				  struct mtls_diag *diag)
{
	CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
	enum mtls_reason reason = open_writing(token, &session, diag);
	if (reason != MTLS_REASON_ALLOWED)
		return reason;
	CK_RV rv = store(token, session, certificate);
	reason = rv == CKR_OK ? MTLS_REASON_ALLOWED
			      : token_failed(token, rv, "C_CreateObject", diag);
	close_writing(token, session);
	return reason;
}
