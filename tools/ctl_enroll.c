/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mtlsctl enroll: all that one person needs to log in, in one command, and proven.
 *
 *	new		a key and its certificate from the CA of `init`, in the person's folder
 *	--key, --csr	a certificate from this CA for a key that the person has, in certs.d
 *	--pkcs11, --tpm2, --agent	likewise, for a key on a card, in a TPM, in an agent, which
 *signs no request: the login that is tried proves it, and what it disproves is undone
 *	--cert		a certificate of an outside CA for such a key, in certs.d
 *
 * What is bound is the key, so that the binding outlives every renewal. Nothing is written before
 *it is known that the certificate would be accepted and that mtls-accountd would bind it. A
 *person's key is read and used by a process that is the person; root sees a signed request.
 */
#include <config.h>

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/str.h"
#include "lib/name/key.h"
#include "lib/wire/msg.h"
#include "tools/ctl_accounts.h"
#include "tools/ctl_certs.h"
#include "tools/ctl_common.h"
#include "tools/ctl_credential.h"
#include "tools/ctl_enroll_key.h"
#include "tools/ctl_json.h"
#include "tools/ctl_judge.h"
#include "tools/ctl_term.h"
#include "tools/ctl_text.h"
#include "tools/ctl_trial.h"

#define CMD            "enroll"
#define SERVICE        "mtlsctl"
#define SERVICE_AGENT  "sudo"
#define SERVICE_MAX    64
#define LINE_MAX_BYTES (PATH_MAX + 256)

struct enroll {
	struct ctl_credential_plan plan;
	const char *key, *csr, *cert; /* files */
	const char *service;
	int passphrase_fd;
	bool dry_run, json, no_try;

	struct ctl_person person;
	struct mtls_buf secret;
	bool have_secret;       /* the key can be tried */
	gnutls_pubkey_t public; /* owned; of a key that the person has */
	struct ctl_credential made;
	struct ctl_chain chain;
	struct mtls_buf content; /* of the new file, in certs.d */
	char path[PATH_MAX];     /* of the new file */
	struct mtls_buf binding; /* "spki-sha256:..." */
	struct enroll_key at;    /* the key is on a token or in an agent */
	struct mtls_buf before;  /* what `path` held */
	bool judged, replaces, bound;
	bool was_bound, undone;
	struct ctl_trial trial;
};

/* The key is on a token or in an agent. */
static bool is_elsewhere(const struct enroll *en)
{
	return enroll_key_wanted(&en->at.words);
}

static bool is_new(const struct enroll *en)
{
	return !en->key && !en->csr && !en->cert && !is_elsewhere(en);
}

/* --- the key --- */

/* 0: nothing is there. As the person: who knows what the path leads to. */
static int look_as_person(void *ctx, struct mtls_buf *out, struct mtls_diag *diag)
{
	const struct enroll *en = ctx;
	struct stat st;

	(void)out;
	if (lstat(en->path, &st) < 0)
		return 0;
	return mtls_diag_set(diag, MTLS_E_EXISTS,
			     "'%s' exists already and is kept: 'mtlsctl renew %s' gives its key a "
			     "new certificate; to have a new key, move the file away",
			     en->path, en->plan.user);
}

static int prepare_new(struct enroll *en, struct mtls_diag *diag)
{
	char name[NAME_MAX + 1];

	(void)snprintf(name, sizeof(name), "%s.%s", en->plan.user,
		       ctl_format_suffix(en->plan.format));
	int r = ctl_person_path(&en->person, name, en->path, diag);
	if (r >= 0)
		r = ctl_as_person(&en->person, look_as_person, en, NULL, diag);
	if (r >= 0 && !en->dry_run)
		r = ctl_new_passphrase(CMD, en->passphrase_fd, &en->secret, diag);
	/* A dry run makes everything but what stays. */
	if (r >= 0 && en->dry_run)
		r = mtls_buf_append_str(&en->secret, "dry run");
	en->have_secret = r >= 0;
	return r;
}

/* Reads the key and signs a request with it. */
static int sign_request(void *ctx, struct mtls_buf *out, struct mtls_diag *diag)
{
	struct enroll *en = ctx;
	_cleanup_buf_ struct mtls_buf pem = MTLS_BUF_SECRET(CTL_PEM_MAX);
	gnutls_x509_privkey_t key = NULL;

	int r = mtls_file_read(en->key, NULL, &pem, diag);
	if (r < 0)
		return r;
	bool locked = memmem(pem.data, pem.len, "ENCRYPTED", strlen("ENCRYPTED")) != NULL;
	if (locked && !en->have_secret)
		return MTLS_E_NEEDSECRET;
	const gnutls_datum_t text = { pem.data, (unsigned int)pem.len };
	if (gnutls_x509_privkey_init(&key) < 0)
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	int rc = gnutls_x509_privkey_import2(key, &text, GNUTLS_X509_FMT_PEM,
					     locked ? mtls_buf_cstr(&en->secret) : NULL, 0);
	r = rc >= 0 ? ctl_request_make(key, en->plan.cn, NULL, out, diag)
		    : mtls_diag_set(diag, MTLS_E_SECRET,
				    "the private key in '%s' cannot be read%s: %s", en->key,
				    locked ? " (is the passphrase right?)" : "",
				    gnutls_strerror(rc));
	gnutls_x509_privkey_deinit(key);
	return r;
}

static int ask_existing(struct enroll *en, struct mtls_diag *diag)
{
	int r = en->passphrase_fd >= 0 ? ctl_read_secret(en->passphrase_fd, &en->secret)
				       : ctl_ask_secret("Passphrase of the key: ", &en->secret);
	if (r >= 0 && !mtls_buf_cstr(&en->secret))
		r = -ENOMEM;
	if (r < 0)
		return mtls_diag_set(diag, r, "cannot read the passphrase: %s",
				     r == -ENOTTY ? "there is no terminal; use --passphrase-fd"
						  : mtls_strerror(r));
	en->have_secret = true;
	return 0;
}

static int request_by_key(struct enroll *en, struct mtls_buf *der, struct mtls_diag *diag)
{
	ctl_progress("reading '%s' as '%s'", en->key, en->person.name);
	int r = ctl_as_person(&en->person, sign_request, en, der, diag);
	if (r != MTLS_E_NEEDSECRET) {
		en->have_secret = r >= 0;
		return r;
	}
	r = ask_existing(en, diag);
	return r < 0 ? r : ctl_as_person(&en->person, sign_request, en, der, diag);
}

/* The request that proves that somebody has the key. */
static int prepare_request(struct enroll *en, struct mtls_diag *diag)
{
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(CTL_PEM_MAX);
	struct mtls_diag why = { 0 };
	gnutls_x509_crq_t request = NULL;

	if (!en->key && !en->csr)
		return 0;
	int r = en->key ? request_by_key(en, &text, diag)
			: mtls_file_read(en->csr, NULL, &text, diag);
	if (r < 0)
		return r;
	r = ctl_request_read(text.data, text.len, &request, &why);
	if (r >= 0)
		r = ctl_public_key_of(request, &en->public, &why);
	if (request)
		gnutls_x509_crq_deinit(request);
	return r < 0 ? mtls_diag_set(diag, r, "'%s': %s", en->key ? en->key : en->csr, why.text)
		     : 0;
}

/* The public key, as the person's process found it. */
static int prepare_elsewhere(struct enroll *en, struct mtls_diag *diag)
{
	en->at.dir = en->plan.dir;
	en->at.cn = en->plan.cn;
	en->at.dry_run = en->dry_run;
	en->at.secret_fd = en->passphrase_fd;
	en->at.secret_wanted = !en->no_try && !en->dry_run;
	int r = enroll_key_find(&en->at, &en->person, &en->secret, diag);
	if (r >= 0)
		r = ctl_public_key_read(en->at.spki.data, en->at.spki.len, &en->public, diag);
	en->have_secret = r >= 0;
	return r;
}

static int prepare_key(struct enroll *en, struct mtls_diag *diag)
{
	if (is_elsewhere(en))
		return prepare_elsewhere(en, diag);
	return is_new(en) ? prepare_new(en, diag) : prepare_request(en, diag);
}

/* --- the certificate --- */

static int read_outside(struct enroll *en, struct mtls_diag *diag)
{
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(CTL_PEM_MAX);
	struct mtls_diag why = { 0 };
	uint8_t id[32];
	size_t len = sizeof(id);

	int r = mtls_file_read(en->cert, NULL, &text, diag);
	if (r < 0)
		return r;
	r = ctl_chain_parse(text.data, text.len, &en->chain, &why);
	if (r < 0)
		return mtls_diag_set(diag, r, "'%s': %s", en->cert, why.text);
	if (!en->public)
		return 0;
	if (gnutls_pubkey_get_key_id(en->public, GNUTLS_KEYID_USE_SHA256, id, &len) < 0 ||
	    memcmp(id, mtls_cert_spki_sha256(en->chain.certs[0]), sizeof(id)) != 0)
		return mtls_diag_set(diag, MTLS_E_CERT, "'%s' is not the certificate of %s%s%s",
				     en->cert, is_elsewhere(en) ? en->at.what : "the key in '",
				     is_elsewhere(en) ? ""
				     : en->key        ? en->key
						      : en->csr,
				     is_elsewhere(en) ? "" : "'");
	return 0;
}

static int make_certificate(struct enroll *en, struct mtls_diag *diag)
{
	size_t len;

	if (en->cert)
		return read_outside(en, diag);
	en->plan.key = en->public;
	int r = ctl_credential_make(&en->plan, &en->secret, &en->made, diag);
	if (r == -ENOENT)
		return mtls_diag_set(diag, r,
				     "there is no CA for persons in '%s': 'mtlsctl init' makes "
				     "one; or bring a certificate of another CA with --cert",
				     en->plan.dir);
	if (r < 0)
		return r;
	const uint8_t *der = mtls_cert_der(en->made.cert, &len);
	return ctl_chain_parse(der, len, &en->chain, diag);
}

static int judge(struct enroll *en, struct mtls_diag *diag)
{
	struct mtls_diag why = { 0 };

	int r = ctl_judge(en->plan.dir, &en->chain, time(NULL), &why);
	en->judged = r == 0;
	if (r < 0)
		return mtls_diag_set(diag, r, "the certificate would be refused: %s",
				     mtls_diag_text(&why, r));
	if (r > 0)
		ctl_progress("this machine has no authd.conf: nobody here can judge the "
			     "certificate");
	return ctl_cert_binding(en->chain.certs[0], &en->binding);
}

/* Where it goes in certs.d, and what. */
static int prepare_certs(struct enroll *en, struct mtls_diag *diag)
{
	if (is_new(en))
		return 0;
	int r = ctl_certs_path(en->plan.dir, mtls_cert_spki_sha256(en->chain.certs[0]), en->path,
			       diag);
	en->replaces = r >= 0 && access(en->path, F_OK) == 0;
	if (r >= 0 && en->replaces)
		r = mtls_file_read(en->path, NULL, &en->before, diag);
	return r < 0 ? r : ctl_chain_pem(&en->chain, &en->content, diag);
}

static int write_file(struct enroll *en, struct mtls_diag *diag)
{
	if (is_new(en))
		return ctl_deliver(&en->person, en->path, &en->made.file, diag);
	return ctl_certs_write(en->plan.dir, en->path, &en->content, diag);
}

/* --- the proof --- */

static int try_it(struct enroll *en, struct mtls_diag *diag)
{
	const struct ctl_trial_plan plan = {
		.dir = en->plan.dir,
		.service = en->service,
		.key_file = is_elsewhere(en) ? NULL
			    : en->key        ? en->key
					     : en->path,
		.source =
			is_elsewhere(en) ? mtls_source_word(enroll_key_kind(&en->at.words)) : NULL,
		.uri = en->at.uri.len ? mtls_buf_cstr(&en->at.uri) : NULL,
		.socket = *en->at.socket ? en->at.socket : NULL,
	};

	if (en->no_try || !en->have_secret) {
		(void)mtls_diag_set(&en->trial.text, 0, "%s",
				    en->no_try ? "as you asked"
					       : "only who has the key can try it");
		return 0;
	}
	ctl_progress("trying a login as '%s'", en->person.name);
	return ctl_trial_run(&en->person, &plan, &en->secret, &en->trial, diag);
}

/*
 * A key that did not prove itself: nothing of this enrolment stays, so that nobody finds later what
 * never worked. What the person's process said of the key was all there was.
 */
static int undo(struct enroll *en, const char *key, struct mtls_diag *diag)
{
	int code = en->was_bound ? CTL_OK : ctl_unbind_key(en->plan.user, key);
	int r = 0;

	if (en->replaces)
		r = ctl_certs_write(en->plan.dir, en->path, &en->before, diag);
	else if (unlink(en->path) < 0)
		r = mtls_diag_set(diag, -errno, "'%s': %s", en->path, strerrordesc_np(errno));
	en->bound = en->was_bound || !ctl_was_done(code);
	en->undone = r >= 0 && ctl_was_done(code);
	if (en->undone)
		return 0;
	return ctl_error(CMD,
			 "the login was refused, and not everything could be taken back%s%s: "
			 "mtlsctl bind remove %s %s; rm '%s'",
			 r < 0 ? ": " : "", r < 0 ? diag->text : "", en->plan.user, key, en->path);
}

/* --- what is said --- */

/* The command that proves it later. */
static void next_command(const struct enroll *en, char *out, size_t size)
{
	const char *file = en->key ? en->key : is_new(en) ? en->path : "";
	const char *source =
		is_elsewhere(en) ? mtls_source_word(enroll_key_kind(&en->at.words)) : "";

	const char *option = *file ? " --key " : *en->at.socket ? " --socket " : "";

	(void)snprintf(out, size, "runuser -u %s -- mtlsctl try%s%s%s%s", en->person.name,
		       *source ? " --source " : "", source, option, *file ? file : en->at.socket);
}

/* Names in a certificate are another CA's, and the answer of a try is the person's. */
static void print_line(const char *name, const char *text)
{
	char clean[LINE_MAX_BYTES];

	(void)ctl_term_text(text, 0, clean, sizeof(clean));
	(void)printf("%-10s %s\n", name, clean);
}

static void print_text(const struct enroll *en)
{
	static const char *const verdicts[] = {
		[CTL_TRIAL_NONE] = "not tried",
		[CTL_TRIAL_ALLOWED] = "tried",
		[CTL_TRIAL_REFUSED] = "REFUSED",
	};
	const struct mtls_cert *cert = en->chain.certs[0];
	char text[LINE_MAX_BYTES];
	struct ctl_text day;

	if (en->undone) {
		print_line(verdicts[en->trial.verdict], en->trial.text.text);
		print_line("undone", "the certificate and the binding were taken back");
		if (en->at.made)
			print_line("", "the new key stays where it is");
		return;
	}
	print_line(en->dry_run ? "would make" : en->replaces ? "replaced" : "made", en->path);
	if (*en->at.what)
		print_line("key", en->at.what);
	print_line("for", mtls_cert_subject(cert));
	(void)snprintf(text, sizeof(text), "issuer %s, until %s", mtls_cert_issuer(cert),
		       ctl_text_day(&day, mtls_cert_not_after(cert)));
	print_line("", text);
	(void)printf("%-10s %.*s to '%s'\n", en->dry_run ? "would bind" : "bound",
		     (int)en->binding.len, (const char *)en->binding.data, en->plan.user);
	if (en->dry_run) {
		(void)puts("dry run: nothing was changed");
		return;
	}
	print_line(verdicts[en->trial.verdict], en->trial.text.text);
	if (en->trial.verdict == CTL_TRIAL_ALLOWED)
		return;
	next_command(en, text, sizeof(text));
	print_line("to do", text);
}

static int print_json(const struct enroll *en)
{
	const struct mtls_cert *cert = en->chain.certs[0];
	json_t *proven = en->trial.verdict == CTL_TRIAL_NONE
				 ? json_null()
				 : json_boolean(en->trial.verdict == CTL_TRIAL_ALLOWED);
	json_t *all = json_pack(
		"{s:s, s:s, s:b, s:s, s:s, s:I, s:s%, s:s?, s:b, s:b, s:b, s:o, s:s, s:O?}", "user",
		en->plan.user, "file", en->path, "replaced", en->replaces && !en->dry_run,
		"subject", mtls_cert_subject(cert), "issuer", mtls_cert_issuer(cert), "not_after",
		(json_int_t)mtls_cert_not_after(cert), "key", (const char *)en->binding.data,
		en->binding.len, "place", *en->at.what ? en->at.what : NULL, "bound", en->bound,
		"undone", en->undone, "dry_run", en->dry_run, "proven", proven, "text",
		en->trial.text.text, "try", en->trial.json);

	return ctl_json_print(all);
}

/* --- in order --- */

static int prepare(struct enroll *en, struct mtls_diag *diag)
{
	int r = ctl_person_find(en->plan.user, &en->person, diag);

	if (r == MTLS_E_NOTFOUND)
		return mtls_diag_set(diag, r,
				     "there is no account '%s' here: 'mtlsctl account add %s', or "
				     "make it in the source that it belongs to",
				     en->plan.user, en->plan.user);
	if (r >= 0)
		r = prepare_key(en, diag);
	if (r >= 0)
		r = make_certificate(en, diag);
	if (r >= 0)
		r = judge(en, diag);
	return r < 0 ? r : prepare_certs(en, diag);
}

/* Behind this nothing is half done without a word about it. */
static int carry_out(struct enroll *en, const char *key, struct mtls_diag *diag)
{
	int code;

	en->was_bound = ctl_is_bound(en->plan.user, key);
	int r = write_file(en, diag);
	if (r < 0)
		return ctl_error(CMD, "%s", mtls_diag_text(diag, r));
	code = ctl_bind_key(en->plan.user, key, false);
	en->bound = ctl_was_done(code);
	if (!en->bound) {
		(void)ctl_error(CMD, "'%s' is made and not bound yet: mtlsctl bind add %s %s",
				en->path, en->plan.user, key);
		return code;
	}
	r = code == CTL_OK ? try_it(en, diag) : 0;
	if (r < 0)
		(void)mtls_diag_set(&en->trial.text, 0, "%s", mtls_diag_text(diag, r));
	if (en->trial.verdict == CTL_TRIAL_REFUSED && is_elsewhere(en))
		(void)undo(en, key, diag);
	return code != CTL_OK ? code : en->trial.verdict == CTL_TRIAL_REFUSED ? CTL_DENIED : CTL_OK;
}

static int run(struct enroll *en)
{
	struct mtls_diag diag = { 0 };

	if (geteuid() != 0)
		return ctl_error(CMD, "only root can bind a key to an account");
	int r = prepare(en, &diag);
	if (r < 0)
		return ctl_error(CMD, "%s", mtls_diag_text(&diag, r));
	const char *key = mtls_buf_cstr(&en->binding);
	if (!key)
		return ctl_error(CMD, "out of memory");
	int code = ctl_bind_key(en->plan.user, key, true);
	if (code == CTL_OK && !en->dry_run)
		code = carry_out(en, key, &diag);
	if (!en->bound && !en->undone && !(en->dry_run && code == CTL_OK))
		return code;
	if (!en->json) {
		print_text(en);
		return code;
	}
	r = print_json(en);
	return r == CTL_OK ? code : r;
}

/* --- the command line --- */

struct options {
	struct ctl_credential_words words;
	struct enroll_key_words at;
	const char *key, *csr, *cert, *service;
	bool no_try, dry_run, json;
};

static const struct ctl_option options[] = {
	CTL_OPTION(struct options, key, "key", "FILE",
		   "for this private key of the person, which is read as the person"),
	CTL_OPTION(struct options, csr, "csr", "FILE", "for the key that signed this request"),
	CTL_OPTION(struct options, at.pkcs11, "pkcs11", "URI",
		   "for a key on the person's card: its PKCS#11 URI or the card's label"),
	CTL_OPTION(struct options, at.tpm2, "tpm2", NULL,
		   "for a key in the TPM of this machine, of the person's token there"),
	CTL_OPTION(struct options, at.generate, "generate", "p256|p384|p521|ed25519|rsa3072",
		   "make a new key there"),
	CTL_OPTION(struct options, at.agent, "agent", NULL,
		   "for a key in the person's agent, local or forwarded"),
	CTL_OPTION(struct options, at.comment, "key-comment", "TEXT",
		   "the key of the agent with this comment"),
	CTL_OPTION(struct options, at.fingerprint, "fingerprint", "SHA256:TEXT",
		   "the key of the agent with this fingerprint"),
	CTL_OPTION(struct options, at.socket, "socket", "FILE",
		   "where the agent listens, instead of SSH_AUTH_SOCK"),
	CTL_OPTION(struct options, cert, "cert", "FILE",
		   "lay this certificate of another CA beside the person's key"),
	CTL_OPTION(struct options, words.format, "format", "pem|pkcs12",
		   "how a new key is kept (pem)"),
	CTL_OPTION(struct options, words.days, "days", "N",
		   "how long the certificate is valid (365)"),
	CTL_OPTION(struct options, words.cn, "cn", "TEXT", "the name in the certificate (USER)"),
	CTL_OPTION(struct options, words.passphrase_fd, "passphrase-fd", "N",
		   "read the passphrase or PIN from descriptor N instead of asking"),
	CTL_OPTION(struct options, service, "service", "SERVICE",
		   "the PAM service to try a login for (mtlsctl; of an agent's key sudo)"),
	CTL_OPTION(struct options, no_try, "no-try", NULL, "do not try a login at the end"),
	CTL_OPTION(struct options, words.dir, "dir", "DIR", "instead of " MTLS_SYSCONFDIR),
	CTL_OPTION(struct options, dry_run, "dry-run", NULL, "all checks, but change nothing"),
	CTL_OPTION(struct options, json, "json", NULL, "print one JSON object"),
	{ 0 },
};

static int check_options(const struct ctl_action *action, const struct options *o,
			 const struct enroll *en)
{
	const char *wrong = enroll_key_check(&o->at);

	if (wrong)
		return ctl_action_usage(action, "%s", wrong);
	if ((o->key != NULL) + (o->csr != NULL) + enroll_key_wanted(&o->at) > 1)
		return ctl_action_usage(action,
					"--key, --csr, --pkcs11, --tpm2 and --agent exclude "
					"each other");
	if (o->words.format && !is_new(en))
		return ctl_action_usage(action, "--format is for a new key");
	if (o->cert && (o->words.days || o->words.cn))
		return ctl_action_usage(action, "--cert brings its own name and end");
	if (o->cert && o->at.generate)
		return ctl_action_usage(action,
					"no certificate exists yet of a key that is made now");
	if (!*en->service || strlen(en->service) > SERVICE_MAX)
		return ctl_action_usage(action, "--service needs 1 to %d bytes", SERVICE_MAX);
	return CTL_OK;
}

static int parse(const struct ctl_action *action, int argc, char **argv, struct enroll *en)
{
	struct options o = { 0 };
	char **args;
	int count;

	int code = ctl_action_parse(action, argc, argv, &o, &args, &count);
	if (code)
		return code;
	en->key = o.key;
	en->csr = o.csr;
	en->cert = o.cert;
	en->at.words = o.at;
	/* An agent's keys need no secret, which only sudo takes. */
	en->service = o.service ? o.service : o.at.agent ? SERVICE_AGENT : SERVICE;
	en->no_try = o.no_try;
	en->dry_run = o.dry_run;
	en->json = o.json;
	code = check_options(action, &o, en);
	return code ? code
		    : ctl_credential_parse(action, &o.words, args[0], &en->plan,
					   &en->passphrase_fd);
}

static int run_enroll(const struct ctl_action *action, int argc, char **argv)
{
	struct enroll en = {
		.secret = MTLS_BUF_SECRET(MTLS_SECRET_MAX),
		.content = MTLS_BUF(CTL_PEM_MAX),
		.binding = MTLS_BUF(MTLS_KEY_MAX),
		.before = MTLS_BUF(CTL_PEM_MAX),
		.at = { .spki = MTLS_BUF(MTLS_TOKEN_SPKI_MAX),
			.uri = MTLS_BUF(MTLS_TOKEN_URI_MAX) },
	};

	int code = parse(action, argc, argv, &en);
	if (code == CTL_OK)
		code = run(&en);
	if (en.public)
		gnutls_pubkey_deinit(en.public);
	ctl_trial_done(&en.trial);
	ctl_chain_done(&en.chain);
	ctl_credential_done(&en.made);
	ctl_person_done(&en.person);
	mtls_buf_done(&en.secret);
	mtls_buf_done(&en.content);
	mtls_buf_done(&en.binding);
	mtls_buf_done(&en.before);
	enroll_key_done(&en.at);
	return code;
}

/* clang-format off */
static const struct ctl_action actions[] = {
	{ CMD, "", "USER", "Gives a person all that a login needs: a key and its certificate, the binding to the account,\n"
	  "and a login that is tried. Without --key, --csr, --pkcs11, --tpm2, --agent and --cert the key is a new one,\n"
	  "in ~USER/.config/mtls; with one of them the certificate is laid beside the person's key, in certs.d",
	  1, 1, options, run_enroll },
};
/* clang-format on */

const struct ctl_command ctl_enroll = {
	.name = CMD,
	.help = "give a person key, certificate and binding, and try them",
	.actions = actions,
	.count = MTLS_COUNT(actions),
};
