/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Modules: dlopen, C_GetFunctionList, C_Initialize; C_Finalize. Not p11_kit_module_load(): it takes
 * names that are no paths, wraps modules in closures made at run time (libffi: memory that is
 * writable and executable), and installs fork handlers. What a module needs is these three calls.
 */
#include <config.h>

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include "lib/token/token_impl.h"

/* "/a/b.so: c" from dlerror() says the path a second time. */
static const char *without_path(const char *text, const char *path)
{
	size_t len = strlen(path);
	if (!text)
		return "cannot be loaded";
	return strncmp(text, path, len) == 0 && strncmp(text + len, ": ", 2) == 0 ? text + len + 2
										  : text;
}

static bool is_known(const struct mtls_tokens *tokens, const CK_FUNCTION_LIST *api)
{
	for (size_t i = 0; i < tokens->module_count; i++)
		if (tokens->modules[i].api == api)
			return true;
	return false;
}

/* What a login calls. Calls of mtlsctl alone may be missing: FUNCTION_NOT_SUPPORTED is the same. */
static bool is_whole(const CK_FUNCTION_LIST *api)
{
	return api->C_Initialize && api->C_Finalize && api->C_GetInfo && api->C_GetSlotList &&
	       api->C_GetSlotInfo && api->C_GetTokenInfo && api->C_OpenSession &&
	       api->C_CloseSession && api->C_Login && api->C_Logout && api->C_FindObjectsInit &&
	       api->C_FindObjects && api->C_FindObjectsFinal && api->C_GetAttributeValue &&
	       api->C_SignInit && api->C_Sign;
}

static int find_api(struct module *module, struct mtls_diag *diag)
{
	CK_C_GetFunctionList get = NULL;

	(void)dlerror();
	void *symbol = dlsym(module->library, "C_GetFunctionList");
	if (!symbol)
		return mtls_diag_set(diag, MTLS_E_NOTFOUND,
				     "it is no PKCS#11 module: no C_GetFunctionList");
	memcpy(&get, &symbol, sizeof(get)); /* ISO C has no conversion for it */
	CK_RV rv = get(&module->api);
	if (rv != CKR_OK || !module->api) {
		(void)token_result(rv, "C_GetFunctionList", diag);
		return MTLS_E_PROTOCOL;
	}
	if (module->api->version.major < 2)
		return mtls_diag_set(diag, MTLS_E_VERSION, "its PKCS#11 version is %d.%d",
				     module->api->version.major, module->api->version.minor);
	if (!is_whole(module->api))
		return mtls_diag_set(diag, MTLS_E_UNSUPPORTED, "it lacks functions");
	return 0;
}

/* TPM modules start threads; a module without locks is fine too, since we have one thread. */
static CK_RV initialise(const struct module *module)
{
	CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK };
	CK_RV rv = module->api->C_Initialize(&args);
	if (rv == CKR_ARGUMENTS_BAD || rv == CKR_CANT_LOCK)
		rv = module->api->C_Initialize(NULL);
	return rv;
}

/* Its code stays: threads that it started may still run in it, and the process ends soon. */
static void forget(struct module *module)
{
	free(module->path);
	*module = (struct module){ 0 };
}

/* 0: one more module; else it is not used, and @diag says why (or nothing, for a second name). */
static int load(struct mtls_tokens *tokens, struct module *module, struct mtls_diag *diag)
{
	if (module->path[0] != '/')
		return mtls_diag_set(diag, MTLS_E_DENIED, "the path is not absolute");
	module->library = dlopen(module->path, RTLD_NOW | RTLD_LOCAL);
	if (!module->library)
		return mtls_diag_set(diag, MTLS_E_NOTFOUND, "%s",
				     without_path(dlerror(), module->path));
	int r = find_api(module, diag);
	if (r < 0)
		return r;
	if (is_known(tokens, module->api))
		return mtls_diag_set(diag, MTLS_E_EXISTS, "it is named twice");
	CK_RV rv = initialise(module);
	if (rv != CKR_OK) {
		(void)token_result(rv, "C_Initialize", diag);
		return MTLS_E_PROTOCOL;
	}
	if (module->api->C_GetInfo(&module->info) != CKR_OK)
		module->info = (CK_INFO){ 0 };
	return 0;
}

static int add(struct mtls_tokens *tokens, const char *path)
{
	struct mtls_diag diag = { 0 };
	struct module *module = &tokens->modules[tokens->module_count];

	*module = (struct module){ .path = strdup(path) };
	if (!module->path)
		return -ENOMEM;
	int r = load(tokens, module, &diag);
	if (r >= 0) {
		tokens->module_count++;
		return 0;
	}
	if (tokens->say)
		tokens->say(tokens->say_ctx, path, mtls_diag_text(&diag, r));
	tokens->failed += r != MTLS_E_EXISTS;
	forget(module);
	return 0;
}

int mtls_tokens_open(const char *const *paths, size_t count, mtls_token_say *say, void *say_ctx,
		     struct mtls_tokens **ret)
{
	if (count > MTLS_TOKEN_MODULES_MAX)
		return MTLS_E_LIMIT;
	_cleanup_(mtls_tokens_freep) struct mtls_tokens *tokens = calloc(1, sizeof(*tokens));
	if (!tokens)
		return -ENOMEM;
	tokens->say = say;
	tokens->say_ctx = say_ctx;
	for (size_t i = 0; i < count; i++) {
		int r = add(tokens, paths[i]);
		if (r < 0)
			return r;
	}
	*ret = MTLS_TAKE(tokens);
	return 0;
}

static void restart(struct mtls_tokens *tokens, struct module *module)
{
	struct mtls_diag diag = { 0 };

	if (module->ended)
		return;
	(void)module->api->C_Finalize(NULL);
	CK_RV rv = initialise(module);
	if (rv == CKR_OK)
		return;
	module->ended = true;
	module->no_events = true;
	(void)token_result(rv, "C_Initialize", &diag);
	if (tokens->say)
		tokens->say(tokens->say_ctx, module->path, diag.text);
}

void mtls_tokens_restart(struct mtls_tokens *tokens)
{
	for (size_t i = 0; i < tokens->all_count; i++) {
		struct mtls_token *token = tokens->all[i];
		mtls_token_logout(token);
		token_session_close(token);
		token->present = false;
	}
	tokens->now_count = 0;
	for (size_t i = 0; i < tokens->module_count; i++)
		restart(tokens, &tokens->modules[i]);
}

void mtls_tokens_free(struct mtls_tokens *tokens)
{
	if (!tokens)
		return;
	for (size_t i = 0; i < tokens->all_count; i++) {
		mtls_token_logout(tokens->all[i]);
		token_session_close(tokens->all[i]);
		free(tokens->all[i]);
	}
	for (size_t i = 0; i < tokens->module_count; i++) {
		if (!tokens->modules[i].ended)
			(void)tokens->modules[i].api->C_Finalize(NULL);
		forget(&tokens->modules[i]);
	}
	free(tokens);
}

size_t mtls_tokens_modules(const struct mtls_tokens *tokens)
{
	return tokens->module_count;
}
