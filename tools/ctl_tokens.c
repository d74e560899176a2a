/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lists tokens by a child and chooses among them. Holds no state. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "lib/base/str.h"
#include "lib/settings/pam_mtls.h"
#include "tools/ctl_common.h"
#include "tools/ctl_term.h"
#include "tools/ctl_tokens.h"

#define LIST_SECONDS 20 /* for all drivers: a reader that hangs does not hold up the person */
#define SERVICE      "mtlsctl"
#define SCHEME       "pkcs11:"

/* --- which drivers, and who --- */

/* Of this process, which runs one command: pkcs11_environment, for the children that load drivers.
 */
static char **environment;

/* What drivers find in mtls-signer-token too. Behind the change of user, which clears what was. */
static void set_environment(void)
{
	for (char **text = environment; text && *text; text++) {
		const char *equals = strchr(*text, '=');
		_cleanup_free_ char *name =
			equals ? strndup(*text, (size_t)(equals - *text)) : NULL;
		if (!name || setenv(name, equals + 1, 1) < 0)
			_exit(1);
	}
}

static int keep_environment(const struct mtls_settings_pam *settings)
{
	int r = 0;

	for (char **text = settings->pkcs11_environment; text && *text && r >= 0; text++)
		r = mtls_strv_add(&environment, *text);
	return r;
}

int ctl_tokens_modules(const char *module, const char *conf, char ***ret, struct mtls_diag *diag)
{
	_cleanup_(mtls_settings_pam_freep) struct mtls_settings_pam *settings = NULL;
	_cleanup_(mtls_strv_freep) char **list = NULL;
	int r = module ? mtls_strv_add(&list, module)
		       : mtls_settings_pam_load(conf, SERVICE, 0, NULL, &settings, diag);

	if (r < 0)
		return r;
	for (char **path = settings ? settings->pkcs11_modules : NULL; path && *path && r >= 0;
	     path++)
		r = mtls_strv_add(&list, *path);
	if (r >= 0 && settings)
		r = keep_environment(settings);
	if (r < 0)
		return mtls_diag_set(diag, r, "out of memory");
	if (!list)
		return mtls_diag_set(diag, MTLS_E_CONFIG,
				     "'%s' names no driver of cards: set pkcs11_modules there",
				     conf);
	if (mtls_strv_count(list) > MTLS_TOKEN_MODULES_MAX)
		return mtls_diag_set(diag, MTLS_E_LIMIT, "over %d drivers", MTLS_TOKEN_MODULES_MAX);
	*ret = MTLS_TAKE(list);
	return 0;
}

static int signer_user(const char *conf, struct ctl_person *ret, struct mtls_diag *diag)
{
	_cleanup_(mtls_settings_pam_freep) struct mtls_settings_pam *settings = NULL;
	const char *name = "mtls-signer";

	if (access(conf, F_OK) == 0) {
		int r = mtls_settings_pam_load(conf, SERVICE, 0, NULL, &settings, diag);
		if (r < 0)
			return r;
		name = settings->signer_user;
	}
	int r = ctl_person_find(name, ret, diag);
	return r >= 0 && ret->uid == 0
		       ? mtls_diag_set(diag, MTLS_E_CONFIG, "signer_user must not be root")
		       : r;
}

int ctl_tokens_person(const char *conf, struct ctl_person *ret, struct mtls_diag *diag)
{
	if (getuid() == 0 || geteuid() == 0)
		return signer_user(conf, ret, diag);
	const struct passwd *self = getpwuid(getuid());
	if (!self)
		return mtls_diag_set(diag, MTLS_E_NOTFOUND, "uid %u has no account here",
				     (unsigned int)getuid());
	_cleanup_free_ char *name = strdup(self->pw_name);
	return name ? ctl_person_find(name, ret, diag)
		    : mtls_diag_set(diag, -ENOMEM, "out of memory");
}

/* --- which token --- */

static int append_value(struct mtls_buf *out, const char *name, const char *value)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "-._~";

	(void)mtls_buf_append_str(out, name);
	for (const char *c = value; *c; c++)
		(void)(strchr(plain, *c) ? mtls_buf_append_byte(out, (uint8_t)*c)
					 : mtls_buf_printf(out, "%%%02X", (unsigned char)*c));
	return out->err;
}

int ctl_token_uri(const struct mtls_token_info *info, struct mtls_buf *out)
{
	(void)append_value(out, SCHEME "token=", info->label);
	return *info->serial ? append_value(out, ";serial=", info->serial) : out->err;
}

int ctl_tokens_wish(const char *text, struct mtls_token_filter **ret, struct mtls_diag *diag)
{
	_cleanup_buf_ struct mtls_buf uri = MTLS_BUF(MTLS_TOKEN_URI_MAX);

	*ret = NULL;
	if (!text)
		return 0;
	if (strncmp(text, SCHEME, strlen(SCHEME)) == 0)
		return mtls_token_filter_parse(text, ret, diag);
	if (!*text || append_value(&uri, SCHEME "token=", text) < 0 || !mtls_buf_cstr(&uri))
		return mtls_diag_set(diag, MTLS_E_SYNTAX, "'%s' is no label of a token", text);
	return mtls_token_filter_parse(mtls_buf_cstr(&uri), ret, diag);
}

bool ctl_token_same(const struct mtls_token_info *a, const struct mtls_token_info *b)
{
	return mtls_streq(a->label, b->label) && mtls_streq(a->manufacturer, b->manufacturer) &&
	       mtls_streq(a->model, b->model) && mtls_streq(a->serial, b->serial);
}

static void print_token(size_t number, const struct ctl_token *token)
{
	_cleanup_buf_ struct mtls_buf uri = MTLS_BUF(MTLS_TOKEN_URI_MAX);
	char label[2 * sizeof(token->info.label)], slot[2 * sizeof(token->info.slot)];

	(void)ctl_term_text(token->info.label, 0, label, sizeof(label));
	(void)ctl_term_text(token->info.slot, 0, slot, sizeof(slot));
	(void)ctl_token_uri(&token->info, &uri);
	const char *text = mtls_buf_cstr(&uri);
	(void)fprintf(stderr, "%zu: '%s' in '%s', %s\n", number, label, slot, text ? text : "?");
}

int ctl_tokens_choose(const struct ctl_tokens *tokens, const struct ctl_token **ret,
		      struct mtls_diag *diag)
{
	int index = 0;

	if (!tokens->count)
		return mtls_diag_set(diag, MTLS_E_NOTFOUND, "no card was found%s%s",
				     tokens->trouble.text[0] ? ": " : "", tokens->trouble.text);
	if (tokens->count > 1) {
		(void)fflush(stdout);
		for (size_t i = 0; i < tokens->count; i++)
			print_token(i + 1, &tokens->list[i]);
		index = ctl_ask_number("Which card", tokens->count);
	}
	if (index < 0)
		return mtls_diag_set(diag, index,
				     "there are %zu cards and no choice: name one by its URI",
				     tokens->count);
	*ret = &tokens->list[index];
	return 0;
}

/* --- in children --- */

void ctl_token_quiet(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	set_environment();
	/*
	 * A driver is told by the person's files what to do, which code to load too (a TPM's store
	 * names it): in root's mtlsctl it could type into root's terminal. A group of its own hears
	 * no ^C.
	 */
	if (null < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 ||
	    (setsid() < 0 && getsid(0) != getpid()))
		_exit(1);
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (dup2(null, fd) < 0)
			_exit(1);
	(void)close(null);
}

static void remember(void *ctx, const char *what, const char *text)
{
	struct mtls_diag *trouble = ctx;

	if (!trouble->text[0])
		(void)mtls_diag_set(trouble, 0, "'%s': %s", what, text);
}

struct listing {
	char *const *modules;
	const struct mtls_token_filter *filter;
};

static void append_token(const struct mtls_token *found, struct mtls_buf *out)
{
	struct ctl_token token = { .info = *mtls_token_info(found) };

	(void)mtls_strcopy(token.module, sizeof(token.module), token.info.module);
	token.info.module = NULL;
	(void)mtls_buf_append(out, &token, sizeof(token));
}

/* Hands back the first remark on a driver, then the tokens. */
static int list_all(void *ctx, struct mtls_buf *out, struct mtls_diag *diag)
{
	const struct listing *l = ctx;
	const struct mtls_token_filters filters = { .filter = { l->filter },
						    .count = l->filter ? 1 : 0 };
	_cleanup_(mtls_tokens_freep) struct mtls_tokens *tokens = NULL;
	struct mtls_diag trouble = { 0 };

	(void)alarm(LIST_SECONDS);
	ctl_token_quiet();
	int r = mtls_tokens_open((const char *const *)l->modules, mtls_strv_count(l->modules),
				 remember, &trouble, &tokens);
	if (r < 0)
		return mtls_diag_set(diag, r, "%s", mtls_strerror(r));
	(void)mtls_tokens_look(tokens, &filters);
	(void)mtls_buf_append(out, &trouble, sizeof(trouble));
	for (size_t i = 0; i < mtls_tokens_count(tokens); i++)
		append_token(mtls_tokens_at(tokens, i), out);
	return out->err;
}

/* The child was the person's, who may have made it say anything. */
static void terminate(struct ctl_token *token)
{
	struct mtls_token_info *info = &token->info;

	info->module = NULL;
	info->label[sizeof(info->label) - 1] = '\0';
	info->manufacturer[sizeof(info->manufacturer) - 1] = '\0';
	info->model[sizeof(info->model) - 1] = '\0';
	info->serial[sizeof(info->serial) - 1] = '\0';
	info->slot[sizeof(info->slot) - 1] = '\0';
	token->module[sizeof(token->module) - 1] = '\0';
}

int ctl_tokens_list(const struct ctl_person *person, char *const *modules,
		    const struct mtls_token_filter *filter, struct ctl_tokens *ret,
		    struct mtls_diag *diag)
{
	_cleanup_buf_ struct mtls_buf out = MTLS_BUF(CTL_PERSON_OUT_MAX);
	struct listing listing = { modules, filter };

	memset(ret, 0, sizeof(*ret));
	int r = ctl_as_person(person, list_all, &listing, &out, diag);
	if (r < 0)
		return r;
	if (out.len < sizeof(ret->trouble) || (out.len - sizeof(ret->trouble)) % sizeof(*ret->list))
		return mtls_diag_set(diag, MTLS_E_SYNTAX, "the list of cards is damaged");
	memcpy(&ret->trouble, out.data, sizeof(ret->trouble));
	ret->trouble.text[sizeof(ret->trouble.text) - 1] = '\0';
	ret->count = (out.len - sizeof(ret->trouble)) / sizeof(*ret->list);
	if (ret->count > MTLS_TOKENS_MAX)
		return mtls_diag_set(diag, MTLS_E_LIMIT, "over %d cards", MTLS_TOKENS_MAX);
	memcpy(ret->list, out.data + sizeof(ret->trouble), ret->count * sizeof(*ret->list));
	for (size_t i = 0; i < ret->count; i++)
		terminate(&ret->list[i]);
	return 0;
}

enum mtls_reason ctl_token_open(const struct ctl_token *token, struct mtls_tokens **ret_tokens,
				struct mtls_token **ret, struct mtls_diag *diag)
{
	const struct mtls_token_filters all = { .count = 0 };
	const char *const path[] = { token->module };
	struct mtls_diag trouble = { 0 };

	if (mtls_tokens_open(path, 1, remember, &trouble, ret_tokens) < 0)
		return MTLS_REASON_MODULE_FAILED;
	if (!mtls_tokens_modules(*ret_tokens)) {
		*diag = trouble;
		return MTLS_REASON_MODULE_FAILED;
	}
	(void)mtls_tokens_look(*ret_tokens, &all);
	for (size_t i = 0; i < mtls_tokens_count(*ret_tokens); i++) {
		struct mtls_token *one = mtls_tokens_at(*ret_tokens, i);
		if (ctl_token_same(mtls_token_info(one), &token->info)) {
			*ret = one;
			return MTLS_REASON_ALLOWED;
		}
	}
	return MTLS_REASON_TOKEN_GONE;
}
