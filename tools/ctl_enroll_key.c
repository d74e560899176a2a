/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys on tokens: found, or made there; and which of several is meant. */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <gnutls/abstract.h>
#include <gnutls/crypto.h>

#include "lib/base/str.h"
#include "tools/ctl_ca.h"
#include "tools/ctl_common.h"
#include "tools/ctl_enroll_agent.h"
#include "tools/ctl_term.h"

#define NEW_ID_LEN  16
#define TPM2_DRIVER "libtpm2_pkcs11.so"

/* clang-format off */
static const struct kind {
	const char *word;
	enum mtls_key_type type;
	gnutls_pk_algorithm_t algorithm; /* of the key that a dry run makes instead */
	unsigned int bits;
} kinds[] = {
	{ "p256", MTLS_KEY_TYPE_ECDSA_P256, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1) },
	{ "p384", MTLS_KEY_TYPE_ECDSA_P384, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP384R1) },
	{ "p521", MTLS_KEY_TYPE_ECDSA_P521, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP521R1) },
	{ "ed25519", MTLS_KEY_TYPE_ED25519, GNUTLS_PK_EDDSA_ED25519, 256 },
	{ "rsa3072", MTLS_KEY_TYPE_RSA, GNUTLS_PK_RSA, 3072 },
};
/* clang-format on */

static const struct kind *kind_of(const char *word)
{
	for (size_t i = 0; word && i < MTLS_COUNT(kinds); i++)
		if (mtls_streq(word, kinds[i].word))
			return &kinds[i];
	return NULL;
}

bool enroll_key_wanted(const struct enroll_key_words *words)
{
	return words->pkcs11 || words->tpm2 || words->agent;
}

enum mtls_source_kind enroll_key_kind(const struct enroll_key_words *words)
{
	return words->agent ? MTLS_SOURCE_AGENT : MTLS_SOURCE_PKCS11;
}

const char *enroll_key_check(const struct enroll_key_words *words)
{
	const int sources = (words->pkcs11 != NULL) + words->tpm2 + words->agent;
	struct mtls_token_filter *filter = NULL;

	if (sources > 1)
		return "--pkcs11, --tpm2 and --agent exclude each other";
	if (words->generate && (words->agent || !sources))
		return "--generate is for --pkcs11 and --tpm2";
	if (words->generate && !kind_of(words->generate))
		return "--generate is p256, p384, p521, ed25519 or rsa3072";
	if ((words->comment || words->fingerprint || words->socket) && !words->agent)
		return "--key-comment, --fingerprint and --socket are for --agent";
	if (words->socket && *words->socket != '/')
		return "--socket is an absolute path";
	int r = ctl_tokens_wish(words->pkcs11, &filter, NULL);
	mtls_token_filter_free(filter);
	return r < 0 ? "--pkcs11 needs a card's PKCS#11 URI or label; no PIN, no module in it"
		     : NULL;
}

void enroll_key_done(struct enroll_key *key)
{
	mtls_buf_done(&key->spki);
	mtls_buf_done(&key->uri);
}

/* --- one of several --- */

int enroll_found_add(struct mtls_buf *out, const struct enroll_found *found)
{
	return mtls_buf_append(out, found, sizeof(*found));
}

static void print_found(size_t number, const struct enroll_found *found)
{
	char label[2 * sizeof(found->label)], id[2 * sizeof(found->id) + 1];

	(void)ctl_term_text(found->label, 0, label, sizeof(label));
	mtls_hex_encode(found->id, found->id_len, id);
	(void)fprintf(stderr, "%zu: '%s'%s%s%s%s\n", number, label, *id ? ", id " : "", id,
		      *found->fingerprint ? ", " : "", found->fingerprint);
}

int enroll_found_choose(struct enroll_key *key, struct mtls_buf *list, const char *where,
			struct enroll_found *ret, struct mtls_diag *diag)
{
	const size_t count = list->len / sizeof(*ret);
	int index = 0;

	if (list->len % sizeof(*ret) || count > ENROLL_KEYS_MAX)
		return mtls_diag_set(diag, MTLS_E_SYNTAX, "the list of keys is damaged");
	for (size_t i = 0; i < count; i++) {
		struct enroll_found *found = (void *)(list->data + i * sizeof(*ret));
		found->label[sizeof(found->label) - 1] = '\0';
		found->fingerprint[sizeof(found->fingerprint) - 1] = '\0';
		if (found->id_len > sizeof(found->id) || found->spki_len > sizeof(found->spki))
			return mtls_diag_set(diag, MTLS_E_SYNTAX, "the list of keys is damaged");
		if (count > 1)
			print_found(i + 1, found);
	}
	if (count > 1)
		index = ctl_ask_number("Which key", count);
	if (index < 0)
		return mtls_diag_set(diag, index,
				     "%zu keys are %s and there is no choice: name one", count,
				     where);
	memcpy(ret, list->data + (size_t)index * sizeof(*ret), sizeof(*ret));
	(void)snprintf(key->what, sizeof(key->what), "the key '%s' %s", ret->label, where);
	return mtls_buf_append(&key->spki, ret->spki, ret->spki_len);
}

/* --- in the child --- */

struct visit {
	const struct ctl_token *token;
	const struct mtls_token_filter *filter;
	const struct kind *make; /* NULL: look */
	const char *label;       /* of what is made */
	struct mtls_buf *pin;    /* NULL: nobody logs in; empty: at the reader */
};

static bool has_id(const struct mtls_buf *out, const struct mtls_token_object *object)
{
	for (size_t at = 0; at + sizeof(struct enroll_found) <= out->len;
	     at += sizeof(struct enroll_found)) {
		const struct enroll_found *found = (const void *)(out->data + at);
		if (found->id_len == object->id.len &&
		    memcmp(found->id, object->id.data, found->id_len) == 0)
			return true;
	}
	return false;
}

static bool set_spki(struct enroll_found *found, const uint8_t *data, size_t len)
{
	if (!len || len > sizeof(found->spki))
		return false;
	memcpy(found->spki, data, len);
	found->spki_len = len;
	return true;
}

/* The key in a certificate of the token's, for cards that show no public keys. */
static bool set_spki_of(struct enroll_found *found, const struct mtls_bytes *der)
{
	const gnutls_datum_t data = { der->data, (unsigned int)der->len };
	gnutls_datum_t spki = { NULL, 0 };
	gnutls_x509_crt_t crt = NULL;
	gnutls_pubkey_t key = NULL;
	unsigned int critical;

	bool good = gnutls_x509_crt_init(&crt) >= 0 && gnutls_pubkey_init(&key) >= 0 &&
		    gnutls_x509_crt_import(crt, &data, GNUTLS_X509_FMT_DER) >= 0 &&
		    gnutls_x509_crt_get_ca_status(crt, &critical) <= 0 &&
		    gnutls_pubkey_import_x509(key, crt, 0) >= 0 &&
		    gnutls_pubkey_export2(key, GNUTLS_X509_FMT_DER, &spki) >= 0 &&
		    set_spki(found, spki.data, spki.size);
	gnutls_free(spki.data);
	if (key)
		gnutls_pubkey_deinit(key);
	if (crt)
		gnutls_x509_crt_deinit(crt);
	return good;
}

static void add_object(const struct mtls_token_object *object, enum mtls_token_kind kind,
		       struct mtls_buf *out)
{
	struct enroll_found found = { .id_len = object->id.len };

	if (object->id.len > sizeof(found.id) || (object->id.len && has_id(out, object)) ||
	    out->len / sizeof(found) == ENROLL_KEYS_MAX)
		return;
	if (object->id.len)
		memcpy(found.id, object->id.data, object->id.len);
	(void)snprintf(found.label, sizeof(found.label), "%s", object->label ? object->label : "");
	if (kind == MTLS_TOKEN_PUBLIC_KEY
		    ? object->key_type != MTLS_KEY_TYPE_HIDDEN &&
			      set_spki(&found, object->data.data, object->data.len)
		    : set_spki_of(&found, &object->data))
		(void)enroll_found_add(out, &found);
}

static enum mtls_reason look(const struct visit *v, struct mtls_token *token, struct mtls_buf *out,
			     struct mtls_diag *diag)
{
	static const enum mtls_token_kind order[] = { MTLS_TOKEN_PUBLIC_KEY,
						      MTLS_TOKEN_CERTIFICATE };
	static struct mtls_token_objects objects;
	const struct mtls_token_filters filters = { .filter = { v->filter },
						    .count = v->filter ? 1 : 0 };
	enum mtls_reason reason = MTLS_REASON_ALLOWED;

	for (size_t i = 0; i < MTLS_COUNT(order) && reason == MTLS_REASON_ALLOWED; i++) {
		reason = mtls_token_find(token, order[i], &filters, &objects, diag);
		for (size_t k = 0; k < objects.count; k++)
			add_object(&objects.item[k], order[i], out);
		mtls_token_objects_done(&objects);
	}
	return reason;
}

static enum mtls_reason make(const struct visit *v, struct mtls_token *token, struct mtls_buf *out,
			     struct mtls_diag *diag)
{
	struct enroll_found found = { .id_len = NEW_ID_LEN };
	struct mtls_bytes spki = { 0 };

	if (gnutls_rnd(GNUTLS_RND_NONCE, found.id, NEW_ID_LEN) < 0)
		return MTLS_REASON_SIGNER_FAILED;
	(void)snprintf(found.label, sizeof(found.label), "%s", v->label);
	const struct mtls_token_new_key new = {
		.type = v->make->type, .label = v->label, .id = found.id, .id_len = NEW_ID_LEN
	};
	enum mtls_reason reason = mtls_token_generate(token, &new, &spki, diag);
	if (reason == MTLS_REASON_ALLOWED &&
	    (!set_spki(&found, spki.data, spki.len) || enroll_found_add(out, &found) < 0))
		reason = MTLS_REASON_SIGNER_FAILED;
	free(spki.data);
	return reason;
}

/* Codes: a wrong PIN is MTLS_E_SECRET. */
static int visit(void *ctx, struct mtls_buf *out, struct mtls_diag *diag)
{
	const struct visit *v = ctx;
	_cleanup_(mtls_tokens_freep) struct mtls_tokens *tokens = NULL;
	struct mtls_token *token = NULL;
	struct mtls_diag why = { 0 };

	ctl_token_quiet();
	enum mtls_reason reason = ctl_token_open(v->token, &tokens, &token, &why);
	if (reason == MTLS_REASON_ALLOWED && v->pin)
		reason = mtls_token_login(token, v->pin->len ? (const char *)v->pin->data : NULL,
					  v->pin->len, &why);
	if (reason == MTLS_REASON_ALLOWED)
		reason = v->make ? make(v, token, out, &why) : look(v, token, out, &why);
	if (reason == MTLS_REASON_ALLOWED)
		return out->err;
	const bool told = reason == MTLS_REASON_PIN_WRONG || reason == MTLS_REASON_PIN_LOCKED;
	return mtls_diag_set(diag, told ? MTLS_E_SECRET : MTLS_E_NOTFOUND, "%s%s%s",
			     mtls_reason_text(reason), !told && why.text[0] ? " " : "",
			     told ? "" : why.text);
}

/* --- the token --- */

static int ask_pin(struct enroll_key *key, const struct ctl_token *token, struct mtls_buf *secret,
		   struct mtls_diag *diag)
{
	char label[2 * sizeof(token->info.label)], prompt[sizeof(label) + 16];

	if (secret->len || key->pad)
		return 0;
	if (token->info.tries_left == 0)
		return mtls_diag_set(diag, MTLS_E_DENIED, "the PIN is locked: mtlsctl pin unblock");
	if (token->info.tries_left == 1 && ctl_ask_yes("This is the PIN's last try. Go on?") <= 0)
		return mtls_diag_set(diag, MTLS_E_DENIED, "the PIN's last try is kept");
	if (token->info.pin_pad) {
		key->pad = true;
		(void)fprintf(stderr,
			      "Type the PIN at the reader, also for the login that follows.\n");
		return 0;
	}
	(void)ctl_term_text(token->info.label, 0, label, sizeof(label));
	(void)snprintf(prompt, sizeof(prompt), "PIN of '%s': ", label);
	int r = key->secret_fd >= 0 ? ctl_read_secret(key->secret_fd, secret)
				    : ctl_ask_secret(prompt, secret);
	if (r >= 0 && !secret->len)
		return mtls_diag_set(diag, MTLS_E_NEEDSECRET, "no PIN was typed");
	return r < 0 ? mtls_diag_set(diag, r, "cannot read the PIN: %s",
				     r == -ENOTTY ? "there is no terminal; use --passphrase-fd"
						  : mtls_strerror(r))
		     : 0;
}

/* A dry run makes a key that nobody keeps, so that all else can be looked at. */
static int pretend(struct enroll_key *key, const struct kind *kind, struct mtls_diag *diag)
{
	gnutls_datum_t spki = { NULL, 0 };
	gnutls_privkey_t private = NULL;
	gnutls_pubkey_t public = NULL;

	int rc = gnutls_privkey_init(&private);
	if (rc >= 0)
		rc = gnutls_pubkey_init(&public);
	if (rc >= 0)
		rc = gnutls_privkey_generate(private, kind->algorithm, kind->bits, 0);
	if (rc >= 0)
		rc = gnutls_pubkey_import_privkey(public, private, 0, 0);
	if (rc >= 0)
		rc = gnutls_pubkey_export2(public, GNUTLS_X509_FMT_DER, &spki);
	int r = rc < 0 ? mtls_diag_set(diag, MTLS_E_CRYPTO, "%s", gnutls_strerror(rc))
		       : mtls_buf_append(&key->spki, spki.data, spki.size);
	gnutls_free(spki.data);
	if (public)
		gnutls_pubkey_deinit(public);
	if (private)
		gnutls_privkey_deinit(private);
	return r;
}

static int append_uri(struct enroll_key *key, const struct ctl_token *token,
		      const struct enroll_found *found)
{
	(void)ctl_token_uri(&token->info, &key->uri);
	if (found->id_len)
		(void)mtls_buf_append_str(&key->uri, ";id=");
	for (size_t i = 0; i < found->id_len; i++)
		(void)mtls_buf_printf(&key->uri, "%%%02x", found->id[i]);
	return key->uri.err;
}

struct place {
	const struct ctl_person *person;
	const struct ctl_token *token;
	const struct mtls_token_filter *filter;
	char where[2 * sizeof(((struct mtls_token_info *)NULL)->label)];
};

/* Looks without a PIN first: most tokens show public keys to everybody. */
static int find_there(struct enroll_key *key, const struct place *at, struct mtls_buf *secret,
		      struct mtls_buf *list, struct mtls_diag *diag)
{
	struct visit v = { .token = at->token, .filter = at->filter };

	int r = ctl_as_person(at->person, visit, &v, list, diag);
	if (r < 0 || list->len || key->words.tpm2)
		return r;
	if (key->dry_run)
		return mtls_diag_set(diag, MTLS_E_NOTFOUND, "no key can be seen %s without its PIN",
				     at->where);
	r = ask_pin(key, at->token, secret, diag);
	v.pin = secret;
	if (r >= 0)
		r = ctl_as_person(at->person, visit, &v, list, diag);
	if (r >= 0 && !list->len)
		r = mtls_diag_set(diag, MTLS_E_NOTFOUND,
				  "no such key is %s: --generate p256 makes one there", at->where);
	return r;
}

/* Two keys of one name would be two equal lines where somebody has to choose. */
static int refuse_same_name(struct enroll_key *key, const struct place *at, struct mtls_diag *diag)
{
	_cleanup_buf_ struct mtls_buf list = MTLS_BUF(CTL_PERSON_OUT_MAX);
	const struct visit v = { .token = at->token };

	int r = ctl_as_person(at->person, visit, (void *)(uintptr_t)&v, &list, diag);
	for (size_t i = 0; r >= 0 && (i + 1) * sizeof(struct enroll_found) <= list.len; i++) {
		const struct enroll_found *found = (const void *)(list.data + i * sizeof(*found));
		if (strncmp(found->label, key->cn, sizeof(found->label)) == 0)
			r = mtls_diag_set(diag, -EEXIST,
					  "there is a key '%s' %s: without --generate it is taken; "
					  "a new one needs another name, by --cn",
					  key->cn, at->where);
	}
	return r;
}

static int make_there(struct enroll_key *key, const struct place *at, const struct kind *kind,
		      struct mtls_buf *secret, struct mtls_buf *list, struct mtls_diag *diag)
{
	const struct visit v = {
		.token = at->token, .make = kind, .label = key->cn, .pin = secret
	};

	int r = ask_pin(key, at->token, secret, diag);
	if (r < 0)
		return r;
	ctl_progress("making a key %s", at->where);
	r = ctl_as_person(at->person, visit, (void *)(uintptr_t)&v, list, diag);
	key->made = r >= 0;
	return r;
}

static int use_token(struct enroll_key *key, const struct place *at, struct mtls_buf *secret,
		     struct mtls_diag *diag)
{
	_cleanup_buf_ struct mtls_buf list = MTLS_BUF(CTL_PERSON_OUT_MAX);
	const struct kind *kind = kind_of(key->words.generate);
	static struct enroll_found found;

	int r = kind ? 0 : find_there(key, at, secret, &list, diag);
	if (r >= 0 && !kind && !list.len)
		kind = &kinds[0]; /* a TPM that has none yet */
	if (r >= 0 && key->words.generate)
		r = refuse_same_name(key, at, diag);
	if (r >= 0 && kind && key->dry_run) {
		(void)snprintf(key->what, sizeof(key->what), "a new key '%s' %s", key->cn,
			       at->where);
		return pretend(key, kind, diag);
	}
	if (r >= 0 && kind)
		r = make_there(key, at, kind, secret, &list, diag);
	if (r >= 0)
		r = enroll_found_choose(key, &list, at->where, &found, diag);
	if (r >= 0)
		r = append_uri(key, at->token, &found);
	/* Before anything is made: the login that is tried needs it. */
	if (r >= 0 && key->secret_wanted)
		r = ask_pin(key, at->token, secret, diag);
	return r;
}

/* --- which token --- */

/* Only the drivers of TPMs; the list is *@modules itself. */
static int keep_tpm2(char **modules, const char *conf, struct mtls_diag *diag)
{
	const char *slash = strrchr(MTLS_P11_KIT_CLIENT, '/');
	size_t kept = 0;

	for (size_t i = 0; modules[i]; i++) {
		if (strstr(modules[i], "tpm2_pkcs11"))
			modules[kept++] = modules[i];
		else
			free(modules[i]);
	}
	modules[kept] = NULL;
	return kept ? 0
		    : mtls_diag_set(diag, MTLS_E_CONFIG,
				    "'%s' names no driver of TPMs: put '%.*s/" TPM2_DRIVER
				    "' (libtpm2-pkcs11-1) into pkcs11_modules there",
				    conf, slash ? (int)(slash - MTLS_P11_KIT_CLIENT) : 0,
				    MTLS_P11_KIT_CLIENT);
}

static int say_no_tpm2(const struct ctl_person *person, const struct ctl_tokens *tokens,
		       struct mtls_diag *diag)
{
	return mtls_diag_set(diag, MTLS_E_NOTFOUND,
			     "'%s' has no token in a TPM%s%s. As '%s', with libtpm2-pkcs11-tools: "
			     "tpm2_ptool init; tpm2_ptool addtoken --pid 1 --label %s --sopin PUK "
			     "--userpin PIN",
			     person->name, tokens->trouble.text[0] ? ": " : "",
			     tokens->trouble.text, person->name, person->name);
}

static int find_on_token(struct enroll_key *key, const struct ctl_person *person,
			 struct mtls_buf *secret, struct mtls_diag *diag)
{
	_cleanup_(mtls_token_filter_freep) struct mtls_token_filter *filter = NULL;
	_cleanup_(mtls_strv_freep) char **modules = NULL;
	_cleanup_free_ struct ctl_tokens *tokens = calloc(1, sizeof(*tokens));
	struct place at = { .person = person };
	char conf[PATH_MAX];

	if (!tokens || ctl_dir_path(key->dir, "pam_mtls.conf", conf) < 0)
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	int r = ctl_tokens_wish(key->words.pkcs11, &filter, diag);
	at.filter = filter;
	if (r >= 0)
		r = ctl_tokens_modules(NULL, conf, &modules, diag);
	if (r >= 0 && key->words.tpm2)
		r = keep_tpm2(modules, conf, diag);
	if (r >= 0)
		r = ctl_tokens_list(person, modules, filter, tokens, diag);
	if (r >= 0 && key->words.tpm2 && !tokens->count)
		return say_no_tpm2(person, tokens, diag);
	if (r >= 0)
		r = ctl_tokens_choose(tokens, &at.token, diag);
	if (r < 0)
		return r;
	(void)snprintf(at.where, sizeof(at.where), "on '%s'", at.token->info.label);
	return use_token(key, &at, secret, diag);
}

int enroll_key_find(struct enroll_key *key, const struct ctl_person *person,
		    struct mtls_buf *secret, struct mtls_diag *diag)
{
	return key->words.agent ? enroll_agent_find(key, person, diag)
				: find_on_token(key, person, secret, diag);
}
