/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A URI of pkcs11_uri, and whether it takes a token and an object, which are always the same. */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/token/token_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool condition)
{
	if (!condition)
		abort();
}

static void pad(unsigned char *field, size_t size, const char *text)
{
	memset(field, ' ', size);
	memcpy(field, text, strlen(text));
}

static void set_token(struct mtls_token *token, struct module *module)
{
	token->module = module;
	token->slot = 7;
	pad(token->raw.label, sizeof(token->raw.label), "card");
	pad(token->raw.manufacturerID, sizeof(token->raw.manufacturerID), "maker");
	pad(token->raw.model, sizeof(token->raw.model), "model");
	pad(token->raw.serialNumber, sizeof(token->raw.serialNumber), "42");
	pad(token->slot_info.slotDescription, sizeof(token->slot_info.slotDescription), "reader");
	pad(token->slot_info.manufacturerID, sizeof(token->slot_info.manufacturerID), "maker");
	pad(module->info.libraryDescription, sizeof(module->info.libraryDescription), "library");
	pad(module->info.manufacturerID, sizeof(module->info.manufacturerID), "maker");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(mtls_token_filter_freep) struct mtls_token_filter *filter = NULL;
	_cleanup_free_ char *uri = malloc(size + 1);
	struct module module = { 0 };
	struct mtls_token token = { 0 };
	struct mtls_diag diag = { 0 };

	if (!uri)
		return 0;
	memcpy(uri, data, size);
	uri[size] = '\0';
	set_token(&token, &module);
	int r = mtls_token_filter_parse(uri, &filter, &diag);
	check((r == 0) == (filter != NULL));
	check(r == 0 || diag.text[0]);
	if (r < 0)
		return 0;
	check(strncmp(uri, "pkcs11:", 7) == 0 && !strchr(uri, '?'));
	const struct mtls_token_filters filters = { .filter = { filter }, .count = 1 };
	bool takes = token_filters_take(&filters, &token);
	bool object =
		token_filters_take_object(&filters, &token, (const uint8_t *)"\x01", 1, "login", 5);
	check(takes || !object);
	return 0;
}
