/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Objects of a token: the input is what a module answers, byte by byte: return values, counts,
 * lengths and contents of attributes. The three kinds of objects are asked for with it.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/str.h"
#include "lib/token/token_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *input;
static size_t left;

static void check(bool condition)
{
	if (!condition)
		abort();
}

static uint8_t next(void)
{
	if (!left)
		return 0;
	left--;
	return *input++;
}

/* Mostly OK, so that the input gets anywhere. */
static CK_RV answer(void)
{
	static const CK_RV values[] = { CKR_ATTRIBUTE_TYPE_INVALID, CKR_ATTRIBUTE_SENSITIVE,
					CKR_BUFFER_TOO_SMALL,       CKR_GENERAL_ERROR,
					CKR_DEVICE_REMOVED,         CKR_HOST_MEMORY };
	uint8_t byte = next();
	return byte < 0xf0 ? CKR_OK : values[byte % MTLS_COUNT(values)];
}

static CK_RV find_init(CK_SESSION_HANDLE session, CK_ATTRIBUTE *template, CK_ULONG count)
{
	(void)session;
	(void)template;
	(void)count;
	return answer();
}

static CK_RV find_objects(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *handles, CK_ULONG room,
			  CK_ULONG *count)
{
	CK_ULONG claimed = next();

	(void)session;
	if (claimed == 0xff)
		claimed = CK_UNAVAILABLE_INFORMATION;
	for (CK_ULONG i = 0; i < claimed && i < room; i++)
		handles[i] = i + 1;
	*count = left ? claimed : 0;
	return answer();
}

static CK_RV find_final(CK_SESSION_HANDLE session)
{
	(void)session;
	return CKR_OK;
}

static void fill(CK_ATTRIBUTE *value)
{
	CK_ULONG len = next();

	if (len == 0xff) {
		value->ulValueLen = CK_UNAVAILABLE_INFORMATION;
		return;
	}
	if (len == 0xfe) { /* a lie */
		value->ulValueLen += 1 + next();
		return;
	}
	if (len == 0xfd) /* one that is longer than a byte says */
		len = 256 + next();
	if (value->type == CKA_KEY_TYPE)
		len = sizeof(CK_KEY_TYPE);
	for (CK_ULONG i = 0; i < len && i < value->ulValueLen; i++)
		((uint8_t *)value->pValue)[i] = value->type == CKA_KEY_TYPE && i ? 0 : next();
	value->ulValueLen = len;
}

static CK_RV get_values(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE handle, CK_ATTRIBUTE *values,
			CK_ULONG count)
{
	(void)session;
	(void)handle;
	for (CK_ULONG i = 0; i < count; i++)
		fill(&values[i]);
	return answer();
}

static CK_RV token_info(CK_SLOT_ID slot, CK_TOKEN_INFO *info)
{
	(void)slot;
	(void)info;
	return CKR_OK;
}

static CK_RV close_session(CK_SESSION_HANDLE session)
{
	(void)session;
	return CKR_OK;
}

static CK_RV open_session(CK_SLOT_ID slot, CK_FLAGS flags, void *app, CK_NOTIFY notify,
			  CK_SESSION_HANDLE *session)
{
	(void)slot;
	(void)flags;
	(void)app;
	(void)notify;
	*session = 1;
	return answer();
}

static void check_objects(enum mtls_token_kind kind, const struct mtls_token_objects *objects)
{
	check(objects->count <= MTLS_TOKEN_OBJECTS_MAX);
	for (size_t i = 0; i < objects->count; i++) {
		const struct mtls_token_object *object = &objects->item[i];
		size_t len = strlen(object->label);
		check(len <= MTLS_TOKEN_LABEL_MAX && object->id.len <= MTLS_TOKEN_ID_MAX);
		check(mtls_utf8_valid((const uint8_t *)object->label, len));
		check(!mtls_has_control((const uint8_t *)object->label, len));
		check(kind != MTLS_TOKEN_CERTIFICATE ||
		      (object->data.len > 0 && object->data.len <= MTLS_TOKEN_CERT_MAX));
		check(kind != MTLS_TOKEN_PUBLIC_KEY ||
		      (object->data.len > 8 && object->data.len <= MTLS_TOKEN_SPKI_MAX &&
		       object->data.data[0] == 0x30 && object->key_type));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CK_FUNCTION_LIST api = {
		.C_GetTokenInfo = token_info,
		.C_OpenSession = open_session,
		.C_CloseSession = close_session,
		.C_FindObjectsInit = find_init,
		.C_FindObjects = find_objects,
		.C_FindObjectsFinal = find_final,
		.C_GetAttributeValue = get_values,
	};
	struct module module = { .api = &api };
	struct mtls_token token = { .module = &module, .present = true };

	input = data;
	left = size;
	for (int kind = MTLS_TOKEN_CERTIFICATE; kind <= MTLS_TOKEN_PRIVATE_KEY; kind++) {
		struct mtls_token_objects objects;
		(void)mtls_token_find(&token, (enum mtls_token_kind)kind, NULL, &objects, NULL);
		check_objects((enum mtls_token_kind)kind, &objects);
		mtls_token_objects_done(&objects);
	}
	return 0;
}
