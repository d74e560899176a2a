/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Certificates and keys of a token. One call reads all attributes of an object, into room for the
 * most that we take: over a forwarded socket each call is a round trip.
 */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "lib/token/token_impl.h"

enum mtls_reason token_attributes(struct mtls_token *token, CK_OBJECT_HANDLE handle,
				  CK_ATTRIBUTE *values, CK_ULONG count, struct mtls_diag *diag)
{
	CK_ULONG room[8] = { 0 };

	for (CK_ULONG i = 0; i < count && i < MTLS_COUNT(room); i++) {
		room[i] = values[i].ulValueLen;
		memset(values[i].pValue, 0xff, room[i]); /* no number that means something */
	}
	CK_RV rv = token->module->api->C_GetAttributeValue(token->session, handle, values, count);
	/* One that is missing, secret or too long is -1, and the others are there. */
	if (rv != CKR_OK && rv != CKR_ATTRIBUTE_TYPE_INVALID && rv != CKR_ATTRIBUTE_SENSITIVE &&
	    rv != CKR_BUFFER_TOO_SMALL)
		return token_failed(token, rv, "C_GetAttributeValue", diag);
	for (CK_ULONG i = 0; i < count && i < MTLS_COUNT(room); i++) {
		/* Some leave the room of an attribute that they lack as its length. */
		bool lacking = values[i].ulValueLen > room[i] ||
			       (rv != CKR_OK && values[i].ulValueLen == room[i]);
		if (lacking)
			values[i].ulValueLen = CK_UNAVAILABLE_INFORMATION;
	}
	return MTLS_REASON_ALLOWED;
}

enum mtls_reason token_handles(struct mtls_token *token, CK_ATTRIBUTE *template, CK_ULONG count,
			       CK_OBJECT_HANDLE *handles, size_t room, size_t *ret_count,
			       bool *ret_more, struct mtls_diag *diag)
{
	const CK_FUNCTION_LIST *api = token->module->api;
	CK_ULONG got = 1;
	size_t used = 0;

	CK_RV rv = api->C_FindObjectsInit(token->session, template, count);
	if (rv != CKR_OK)
		return token_failed(token, rv, "C_FindObjectsInit", diag);
	while (rv == CKR_OK && got > 0 && used < room) {
		got = 0;
		rv = api->C_FindObjects(token->session, handles + used, room - used, &got);
		if (rv == CKR_OK && got > room - used)
			rv = CKR_GENERAL_ERROR;
		if (rv == CKR_OK)
			used += got;
	}
	(void)api->C_FindObjectsFinal(token->session);
	if (rv != CKR_OK)
		return token_failed(token, rv, "C_FindObjects", diag);
	*ret_count = used;
	*ret_more = got > 0;
	return MTLS_REASON_ALLOWED;
}

void mtls_token_objects_done(struct mtls_token_objects *objects)
{
	for (size_t i = 0; i < objects->count; i++) {
		free(objects->item[i].label);
		free(objects->item[i].id.data);
		free(objects->item[i].data.data);
	}
	*objects = (struct mtls_token_objects){ 0 };
}

/* Room for an object of any kind; off the stack, since a module of others runs on it too. */
struct room {
	unsigned char id[MTLS_TOKEN_ID_MAX];
	unsigned char label[MTLS_TOKEN_LABEL_MAX];
	unsigned char value[MTLS_TOKEN_CERT_MAX];
	unsigned char params[64], point[2 * 80], modulus[2048 + 1], exponent[16];
	CK_KEY_TYPE key_type;
	CK_BBOOL flag;
};

static size_t length(const CK_ATTRIBUTE *attribute)
{
	return attribute->ulValueLen == CK_UNAVAILABLE_INFORMATION ? 0 : attribute->ulValueLen;
}

/* 1: it counts; 0: no filter takes it; MTLS_E_SYNTAX, MTLS_E_UNSUPPORTED: skip it; -ENOMEM. */
static int name_object(struct mtls_token *token, const struct mtls_token_filters *filters,
		       const CK_ATTRIBUTE *id, const CK_ATTRIBUTE *label,
		       struct mtls_token_object *object)
{
	char text[MTLS_TOKEN_LABEL_MAX + 1];

	if (!token_filters_take_object(filters, token, id->pValue, length(id), label->pValue,
				       length(label)))
		return 0;
	token_text(text, sizeof(text), label->pValue, length(label));
	object->label = strdup(text);
	return object->label && mtls_msg_set_bytes(&object->id, id->pValue, length(id)) >= 0
		       ? 1
		       : -ENOMEM;
}

/* @values: CKA_ID, CKA_LABEL, and what else is wanted; *@ret as name_object(). */
static enum mtls_reason read_named(struct mtls_token *token,
				   const struct mtls_token_filters *filters, CK_ATTRIBUTE *values,
				   CK_ULONG count, struct mtls_token_object *object, int *ret,
				   struct mtls_diag *diag)
{
	enum mtls_reason reason = token_attributes(token, object->handle, values, count, diag);

	if (reason == MTLS_REASON_ALLOWED)
		*ret = name_object(token, filters, &values[0], &values[1], object);
	return reason;
}

static enum mtls_reason read_certificate(struct mtls_token *token, struct room *room,
					 const struct mtls_token_filters *filters,
					 struct mtls_token_object *object, int *ret,
					 struct mtls_diag *diag)
{
	CK_ATTRIBUTE values[] = {
		{ CKA_ID, room->id, sizeof(room->id) },
		{ CKA_LABEL, room->label, sizeof(room->label) },
		{ CKA_VALUE, room->value, sizeof(room->value) },
	};
	enum mtls_reason reason =
		read_named(token, filters, values, MTLS_COUNT(values), object, ret, diag);
	if (reason != MTLS_REASON_ALLOWED)
		return reason;
	if (*ret > 0 && length(&values[2]) == 0)
		*ret = MTLS_E_SYNTAX;
	else if (*ret > 0 && mtls_msg_set_bytes(&object->data, room->value, length(&values[2])) < 0)
		*ret = -ENOMEM;
	return MTLS_REASON_ALLOWED;
}

static int set_spki(const struct token_public *key, struct mtls_token_object *object)
{
	_cleanup_buf_ struct mtls_buf spki = MTLS_BUF(MTLS_TOKEN_SPKI_MAX);
	int r = token_spki(key, &spki, &object->key_type);
	return r < 0 ? r : mtls_buf_take(&spki, &object->data.data, &object->data.len);
}

static enum mtls_reason read_public(struct mtls_token *token, struct room *room,
				    const struct mtls_token_filters *filters,
				    struct mtls_token_object *object, int *ret,
				    struct mtls_diag *diag)
{
	CK_ATTRIBUTE values[] = {
		{ CKA_ID, room->id, sizeof(room->id) },
		{ CKA_LABEL, room->label, sizeof(room->label) },
		{ CKA_KEY_TYPE, &room->key_type, sizeof(room->key_type) },
		{ CKA_EC_PARAMS, room->params, sizeof(room->params) },
		{ CKA_EC_POINT, room->point, sizeof(room->point) },
		{ CKA_MODULUS, room->modulus, sizeof(room->modulus) },
		{ CKA_PUBLIC_EXPONENT, room->exponent, sizeof(room->exponent) },
	};
	enum mtls_reason reason =
		read_named(token, filters, values, MTLS_COUNT(values), object, ret, diag);
	if (reason != MTLS_REASON_ALLOWED)
		return reason;
	const struct token_public key = {
		.type = room->key_type,
		.params = room->params,
		.params_len = length(&values[3]),
		.point = room->point,
		.point_len = length(&values[4]),
		.modulus = room->modulus,
		.modulus_len = length(&values[5]),
		.exponent = room->exponent,
		.exponent_len = length(&values[6]),
	};
	if (*ret > 0) {
		int r = set_spki(&key, object);
		*ret = r < 0 ? r : 1;
	}
	return MTLS_REASON_ALLOWED;
}

/* By itself: modules that do not know the attribute stop reading at it. */
static bool needs_login_per_use(struct mtls_token *token, struct room *room,
				CK_OBJECT_HANDLE handle)
{
	CK_ATTRIBUTE value = { CKA_ALWAYS_AUTHENTICATE, &room->flag, sizeof(room->flag) };
	CK_RV rv = token->module->api->C_GetAttributeValue(token->session, handle, &value, 1);
	return rv == CKR_OK && value.ulValueLen == sizeof(room->flag) && room->flag;
}

static enum mtls_reason read_private(struct mtls_token *token, struct room *room,
				     const struct mtls_token_filters *filters,
				     struct mtls_token_object *object, int *ret,
				     struct mtls_diag *diag)
{
	CK_ATTRIBUTE values[] = {
		{ CKA_ID, room->id, sizeof(room->id) },
		{ CKA_LABEL, room->label, sizeof(room->label) },
		{ CKA_KEY_TYPE, &room->key_type, sizeof(room->key_type) },
		{ CKA_EC_PARAMS, room->params, sizeof(room->params) },
	};
	enum mtls_reason reason =
		read_named(token, filters, values, MTLS_COUNT(values), object, ret, diag);
	if (reason != MTLS_REASON_ALLOWED)
		return reason;
	if (room->key_type == CKK_RSA)
		object->key_type = MTLS_KEY_TYPE_RSA;
	else if (room->key_type == CKK_EC || room->key_type == CKK_EC_EDWARDS)
		object->key_type = token_curve(room->params, length(&values[3]));
	if (*ret > 0)
		object->always_authenticate = needs_login_per_use(token, room, object->handle);
	return MTLS_REASON_ALLOWED;
}

typedef enum mtls_reason reader(struct mtls_token *token, struct room *room,
				const struct mtls_token_filters *filters,
				struct mtls_token_object *object, int *ret, struct mtls_diag *diag);

static const struct {
	CK_OBJECT_CLASS class;
	reader *read;
} kinds[] = {
	[MTLS_TOKEN_CERTIFICATE] = { CKO_CERTIFICATE, read_certificate },
	[MTLS_TOKEN_PUBLIC_KEY] = { CKO_PUBLIC_KEY, read_public },
	[MTLS_TOKEN_PRIVATE_KEY] = { CKO_PRIVATE_KEY, read_private },
};

static enum mtls_reason read_one(struct mtls_token *token, enum mtls_token_kind kind,
				 const struct mtls_token_filters *filters, struct room *room,
				 CK_OBJECT_HANDLE handle, struct mtls_token_objects *ret,
				 struct mtls_diag *diag)
{
	struct mtls_token_object *object = &ret->item[ret->count];
	int r = 0;

	*object = (struct mtls_token_object){ .handle = handle };
	enum mtls_reason reason = kinds[kind].read(token, room, filters, object, &r, diag);
	if (reason == MTLS_REASON_ALLOWED && r > 0) {
		ret->count++;
		return MTLS_REASON_ALLOWED;
	}
	free(object->label);
	free(object->id.data);
	free(object->data.data);
	*object = (struct mtls_token_object){ 0 };
	ret->skipped += r < 0;
	return r == -ENOMEM ? MTLS_REASON_SIGNER_FAILED : reason;
}

static enum mtls_reason find(struct mtls_token *token, enum mtls_token_kind kind,
			     const struct mtls_bytes *id, const struct mtls_token_filters *filters,
			     struct mtls_token_objects *ret, struct mtls_diag *diag)
{
	CK_OBJECT_CLASS class = kinds[kind].class;
	CK_CERTIFICATE_TYPE x509 = CKC_X_509;
	CK_ATTRIBUTE template[3] = { { CKA_CLASS, &class, sizeof(class) } };
	CK_ULONG terms = 1;
	CK_OBJECT_HANDLE handles[MTLS_TOKEN_OBJECTS_MAX];
	size_t count = 0;
	bool more = false;

	*ret = (struct mtls_token_objects){ 0 };
	if (kind == MTLS_TOKEN_CERTIFICATE)
		template[terms++] = (CK_ATTRIBUTE){ CKA_CERTIFICATE_TYPE, &x509, sizeof(x509) };
	if (id)
		template[terms++] = (CK_ATTRIBUTE){ CKA_ID, id->data, id->len };
	_cleanup_free_ struct room *room = malloc(sizeof(*room));
	if (!room)
		return MTLS_REASON_SIGNER_FAILED;
	enum mtls_reason reason = token_session(token, diag);
	if (reason == MTLS_REASON_ALLOWED)
		reason = token_handles(token, template, terms, handles, MTLS_COUNT(handles), &count,
				       &more, diag);
	ret->skipped = more;
	for (size_t i = 0; i < count && reason == MTLS_REASON_ALLOWED; i++)
		reason = read_one(token, kind, filters, room, handles[i], ret, diag);
	return reason;
}

enum mtls_reason mtls_token_find(struct mtls_token *token, enum mtls_token_kind kind,
				 const struct mtls_token_filters *filters,
				 struct mtls_token_objects *ret, struct mtls_diag *diag)
{
	return find(token, kind, NULL, filters, ret, diag);
}

enum mtls_reason mtls_token_find_id(struct mtls_token *token, enum mtls_token_kind kind,
				    const struct mtls_bytes *id, struct mtls_token_objects *ret,
				    struct mtls_diag *diag)
{
	return find(token, kind, id, NULL, ret, diag);
}
