/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which tokens and objects count. The grammar of RFC 7512 is libp11-kit's; what a URI may say here,
 * and what it means, is decided in this file.
 */
#include <config.h>

#include <errno.h>
#include <p11-kit/uri.h>
#include <string.h>

#include "lib/base/str.h"
#include "lib/token/token_impl.h"

struct mtls_token_filter {
	P11KitUri *uri;
};

static bool type_fits(P11KitUri *uri)
{
	const CK_ATTRIBUTE *class = p11_kit_uri_get_attribute(uri, CKA_CLASS);
	CK_OBJECT_CLASS value = 0;
	if (!class)
		return true;
	if (class->ulValueLen != sizeof(value))
		return false;
	memcpy(&value, class->pValue, sizeof(value));
	return value == CKO_CERTIFICATE || value == CKO_PRIVATE_KEY || value == CKO_PUBLIC_KEY;
}

/* What would bring a secret or code from a place that nobody checked. */
static bool says_too_much(P11KitUri *uri, const char *text)
{
	return strchr(text, '?') || p11_kit_uri_get_pin_value(uri) ||
	       p11_kit_uri_get_pin_source(uri) || p11_kit_uri_get_module_name(uri) ||
	       p11_kit_uri_get_module_path(uri);
}

static int parse(const char *text, struct mtls_token_filter *filter, struct mtls_diag *diag)
{
	size_t len = strlen(text);
	if (len > MTLS_TOKEN_URI_MAX)
		return mtls_diag_set(diag, MTLS_E_LIMIT, "it is longer than %d bytes",
				     MTLS_TOKEN_URI_MAX);
	if (mtls_has_control((const uint8_t *)text, len))
		return mtls_diag_set(diag, MTLS_E_SYNTAX, "a control character in it");
	/* libp11-kit passes over blanks wherever they are. */
	if (strncmp(text, "pkcs11:", 7) != 0 || strchr(text, ' '))
		return mtls_diag_set(diag, MTLS_E_SYNTAX, "it is no pkcs11: URI of RFC 7512");
	filter->uri = p11_kit_uri_new();
	if (!filter->uri)
		return -ENOMEM;
	int r = p11_kit_uri_parse(text, P11_KIT_URI_FOR_ANY, filter->uri);
	if (r != P11_KIT_URI_OK)
		return mtls_diag_set(diag, r == P11_KIT_URI_UNEXPECTED ? -ENOMEM : MTLS_E_SYNTAX,
				     "it is no pkcs11: URI of RFC 7512");
	if (says_too_much(filter->uri, text))
		return mtls_diag_set(diag, MTLS_E_DENIED,
				     "nothing may follow '?': no PIN, no module, no other query");
	if (p11_kit_uri_any_unrecognized(filter->uri))
		return mtls_diag_set(diag, MTLS_E_SYNTAX, "it has an attribute that is not known");
	if (!type_fits(filter->uri))
		return mtls_diag_set(diag, MTLS_E_SYNTAX,
				     "type is cert, private or public: a key and its certificate "
				     "are one thing here");
	return 0;
}

int mtls_token_filter_parse(const char *uri, struct mtls_token_filter **ret, struct mtls_diag *diag)
{
	_cleanup_(mtls_token_filter_freep) struct mtls_token_filter *filter =
		calloc(1, sizeof(*filter));
	if (!filter)
		return -ENOMEM;
	int r = parse(uri, filter, diag);
	if (r < 0)
		return r;
	*ret = MTLS_TAKE(filter);
	return 0;
}

void mtls_token_filter_free(struct mtls_token_filter *filter)
{
	if (!filter)
		return;
	p11_kit_uri_free(filter->uri);
	free(filter);
}

static bool takes(const struct mtls_token_filter *filter, const struct mtls_token *token)
{
	CK_SLOT_ID slot = p11_kit_uri_get_slot_id(filter->uri);

	return (slot == (CK_SLOT_ID)-1 || slot == token->slot) &&
	       p11_kit_uri_match_token_info(filter->uri, &token->raw) == 1 &&
	       p11_kit_uri_match_slot_info(filter->uri, &token->slot_info) == 1 &&
	       p11_kit_uri_match_module_info(filter->uri, &token->module->info) == 1;
}

bool token_filters_take(const struct mtls_token_filters *filters, const struct mtls_token *token)
{
	for (size_t i = 0; filters && i < filters->count; i++)
		if (takes(filters->filter[i], token))
			return true;
	return !filters || !filters->count;
}

static bool equals(P11KitUri *uri, CK_ATTRIBUTE_TYPE type, const void *data, size_t len)
{
	const CK_ATTRIBUTE *want = p11_kit_uri_get_attribute(uri, type);
	return !want ||
	       (want->ulValueLen == len && (len == 0 || memcmp(want->pValue, data, len) == 0));
}

bool token_filters_take_object(const struct mtls_token_filters *filters,
			       const struct mtls_token *token, const uint8_t *id, size_t id_len,
			       const char *label, size_t label_len)
{
	for (size_t i = 0; filters && i < filters->count; i++)
		if (takes(filters->filter[i], token) &&
		    equals(filters->filter[i]->uri, CKA_ID, id, id_len) &&
		    equals(filters->filter[i]->uri, CKA_LABEL, label, label_len))
			return true;
	return !filters || !filters->count;
}
