/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Certificates of persons: the one in the person's own file, and those in certs.d for keys that are
 * bound to the person. In the person's folder everything is done by processes that are the person;
 * what they say a certificate is counts only if our CA has signed it and its key is bound to them.
 */
#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/str.h"
#include "lib/name/key.h"
#include "lib/wire/msg.h"
#include "signer/intake.h"
#include "tools/ctl_certs.h"
#include "tools/ctl_common.h"
#include "tools/ctl_renew.h"
#include "tools/ctl_trial.h"

#define SERVICE      "mtlsctl"
#define CRL_FILE_MAX (4 * 1024 * 1024)

/* Files that enroll and we make, in the order in which they are looked for. */
enum form { FORM_PEM, FORM_CRT, FORM_P12, FORMS };
static const char *const suffixes[FORMS] = { "pem", "crt", "p12" };

struct job {
	struct renew *rn;
	struct renew_item item;
	struct ctl_person person;
	struct mtls_buf secret; /* of a PKCS#12 file, or for a try */
	bool have_secret;
	enum form form;          /* of the file that was found */
	char key_path[PATH_MAX]; /* of that file */
	struct mtls_buf der;     /* the old certificate */
	struct mtls_buf pem;     /* the new one */
	gnutls_x509_crt_t old;
};

static void job_done(struct job *job)
{
	renew_crt_deinitp(&job->old);
	ctl_person_done(&job->person);
	mtls_buf_done(&job->secret);
	mtls_buf_done(&job->der);
	mtls_buf_done(&job->pem);
}

static void fail(struct job *job, int r, const struct mtls_diag *diag)
{
	job->item.new_end = 0;
	renew_report(job->rn, &job->item, RENEW_FAILED, "%s", mtls_diag_text(diag, r));
}

/* --- as the person --- */

static int path_of(const struct job *job, enum form form, const char *more, char out[PATH_MAX],
		   struct mtls_diag *diag)
{
	char name[NAME_MAX + 1];

	int n = snprintf(name, sizeof(name), "%s%s.%s%s", *more ? "." : "", job->person.name,
			 suffixes[form], more);
	if (n < 0 || (size_t)n >= sizeof(name))
		return mtls_diag_set(diag, -ENAMETOOLONG, "the name is too long");
	return ctl_person_path(&job->person, name, out, diag);
}

static int read_own(const struct job *job, const char *path, struct mtls_buf *out,
		    struct mtls_diag *diag)
{
	const struct mtls_file_trust trust = { .owner = job->person.uid };

	return mtls_file_read(path, &trust, out, diag);
}

/* The certificate that mtls-signer would offer from this file alone. */
static int leaf_of(const struct job *job, const char *path, bool locked, struct mtls_buf *out,
		   struct mtls_diag *diag)
{
	_cleanup_buf_ struct mtls_buf data = MTLS_BUF_SECRET(INTAKE_FILE_MAX);
	_cleanup_(intake_freep) struct intake *intake = NULL;
	struct mtls_buf *secret = (struct mtls_buf *)(uintptr_t)&job->secret;

	int r = read_own(job, path, &data, diag);
	if (r < 0)
		return r;
	const struct intake_input input = {
		.data = data.data,
		.len = data.len,
		.iterations_max = INTAKE_ITERATIONS_MAX,
		.now = job->rn->now,
	};
	r = intake_read(&input, locked && job->have_secret ? mtls_buf_cstr(secret) : NULL, &intake,
			diag);
	if (r < 0)
		return r;
	if (!intake->chain_count)
		return MTLS_E_NEEDSECRET;
	return mtls_buf_append(out, intake->chain[0].data, intake->chain[0].len);
}

/* A certificate alone. */
static int lone_cert(const struct job *job, const char *path, struct mtls_buf *out,
		     struct mtls_diag *diag)
{
	_cleanup_buf_ struct mtls_buf data = MTLS_BUF(CTL_PEM_MAX);
	gnutls_x509_crt_t crt = NULL;
	gnutls_datum_t der = { NULL, 0 };

	int r = read_own(job, path, &data, diag);
	if (r >= 0)
		r = renew_read_crt(data.data, data.len, &crt, diag);
	if (r < 0)
		return r;
	int rc = gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_DER, &der);
	r = rc < 0 ? -ENOMEM : mtls_buf_append(out, der.data, der.size);
	gnutls_free(der.data);
	gnutls_x509_crt_deinit(crt);
	return r;
}

/* Hands back a byte for the form, then the certificate. -ENOENT: there is no such file. */
static int look(void *ctx, struct mtls_buf *out, struct mtls_diag *diag)
{
	struct job *job = ctx;
	char path[PATH_MAX];
	struct stat st;

	for (int form = 0; form < FORMS; form++) {
		int r = path_of(job, (enum form)form, "", path, diag);
		if (r < 0)
			return r;
		if (lstat(path, &st) < 0)
			continue;
		r = mtls_buf_append_byte(out, (uint8_t)form);
		if (r < 0)
			return r;
		return form == FORM_CRT ? lone_cert(job, path, out, diag)
					: leaf_of(job, path, form == FORM_P12, out, diag);
	}
	return -ENOENT;
}

/* Where the block of the certificate @der begins in PEM text, and how long it is. */
static int find_block(const struct mtls_buf *text, const struct mtls_buf *der, size_t *ret_at,
		      size_t *ret_len)
{
	static const char begin[] = "-----BEGIN CERTIFICATE-----",
			  end[] = "-----END CERTIFICATE-----";
	const uint8_t *from = text->data, *stop = text->data + text->len;

	while ((from = memmem(from, (size_t)(stop - from), begin, strlen(begin)))) {
		const uint8_t *to = memmem(from, (size_t)(stop - from), end, strlen(end));
		if (!to)
			return MTLS_E_NOTFOUND;
		to += strlen(end);
		const gnutls_datum_t pem = { (unsigned char *)(uintptr_t)from,
					     (unsigned int)(to - from) };
		gnutls_datum_t found = { NULL, 0 };
		bool same = gnutls_pem_base64_decode2("CERTIFICATE", &pem, &found) >= 0 &&
			    found.size == der->len && memcmp(found.data, der->data, der->len) == 0;
		gnutls_free(found.data);
		if (same) {
			*ret_at = (size_t)(from - text->data);
			*ret_len = (size_t)(to - from);
			return 0;
		}
		from = to;
	}
	return MTLS_E_NOTFOUND;
}

/* The file with the new certificate in the place of the old one. */
static int exchange(const struct job *job, const struct mtls_buf *text, struct mtls_buf *out,
		    struct mtls_diag *diag)
{
	size_t at, len, pem_len = job->pem.len;

	if (find_block(text, &job->der, &at, &len) < 0)
		return mtls_diag_set(diag, MTLS_E_BUSY, "'%s' has changed meanwhile",
				     job->item.file);
	while (pem_len && job->pem.data[pem_len - 1] == '\n')
		pem_len--; /* the line's end is there */
	(void)mtls_buf_append(out, text->data, at);
	(void)mtls_buf_append(out, job->pem.data, pem_len);
	return mtls_buf_append(out, text->data + at + len, text->len - at - len);
}

/* The old file stays under another name, which costs a full disk nothing. */
static int keep_old(const struct job *job, char kept[PATH_MAX], struct mtls_diag *diag)
{
	int r = path_of(job, job->form == FORM_P12 ? FORM_CRT : job->form, RENEW_OLD, kept, diag);

	if (r < 0)
		return r;
	(void)unlink(kept);
	if (link(job->item.file, kept) < 0 && errno != ENOENT)
		return mtls_diag_set(diag, -errno, "cannot keep the old file as '%s': %s", kept,
				     strerrordesc_np(errno));
	return 0;
}

static int write_own(void *ctx, struct mtls_buf *out, struct mtls_diag *diag)
{
	const struct job *job = ctx;
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF_SECRET(INTAKE_FILE_MAX);
	_cleanup_buf_ struct mtls_buf new = MTLS_BUF_SECRET(INTAKE_FILE_MAX);
	struct mtls_file_mode mode = { .mode = 0600, .uid = (uid_t)-1, .gid = (gid_t)-1 };
	char kept[PATH_MAX];

	(void)out;
	mode.exclusive = job->form == FORM_P12; /* a new file beside it */
	int r = job->form == FORM_P12 ? mtls_buf_append(&new, job->pem.data, job->pem.len)
				      : read_own(job, job->item.file, &text, diag);
	if (r >= 0 && job->form != FORM_P12)
		r = exchange(job, &text, &new, diag);
	if (r >= 0)
		r = keep_old(job, kept, diag);
	return r < 0 ? r : mtls_file_replace(job->item.file, new.data, new.len, &mode, diag);
}

/* Removes what was kept. */
static int settle(void *ctx, struct mtls_buf *out, struct mtls_diag *diag)
{
	const struct job *job = ctx;
	char kept[PATH_MAX];

	(void)out;
	int r = path_of(job, job->form == FORM_P12 ? FORM_CRT : job->form, RENEW_OLD, kept, diag);
	if (r >= 0)
		(void)unlink(kept);
	return r;
}

static int put_back(void *ctx, struct mtls_buf *out, struct mtls_diag *diag)
{
	const struct job *job = ctx;
	char kept[PATH_MAX];

	(void)out;
	int r = path_of(job, job->form == FORM_P12 ? FORM_CRT : job->form, RENEW_OLD, kept, diag);
	if (r < 0)
		return r;
	if (rename(kept, job->item.file) == 0)
		return 0;
	if (errno == ENOENT && unlink(job->item.file) == 0) /* there was none before */
		return 0;
	return mtls_diag_set(diag, -errno, "'%s': %s", kept, strerrordesc_np(errno));
}

/* --- what may be renewed --- */

static bool in_list(gnutls_x509_crt_t crt, const char *path)
{
	const struct mtls_file_trust trust = { 0 };
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(CRL_FILE_MAX);
	gnutls_x509_crl_t *lists = NULL;
	unsigned int count = 0;

	if (mtls_file_read(path, &trust, &text, NULL) < 0)
		return true; /* who knows */
	const gnutls_datum_t data = { text.data, (unsigned int)text.len };
	/* As mtls-authd reads it: there may be several lists in PEM. */
	bool readable =
		gnutls_x509_crl_list_import2(&lists, &count, &data, GNUTLS_X509_FMT_PEM, 0) >= 0 ||
		gnutls_x509_crl_list_import2(&lists, &count, &data, GNUTLS_X509_FMT_DER, 0) >= 0;
	bool revoked = !readable || gnutls_x509_crt_check_revocation(crt, lists, count) != 0;
	for (unsigned int i = 0; readable && i < count; i++)
		gnutls_x509_crl_deinit(lists[i]);
	if (readable)
		gnutls_free(lists);
	return revoked;
}

static int check_revoked(const struct job *job, struct mtls_diag *diag)
{
	const struct mtls_settings_authd *authd = job->rn->authd;

	for (size_t i = 0; authd && i < authd->ca_count; i++)
		for (char **path = authd->cas[i].crl; path && *path; path++)
			if (in_list(job->old, *path))
				return mtls_diag_set(diag, MTLS_E_CERT,
						     "the certificate is revoked in '%s', or the "
						     "list cannot be read: to let the person in "
						     "again, make a new key with 'mtlsctl enroll'",
						     *path);
	return 0;
}

/* The binding has to hold for the new certificate too. */
static int check_bound(const struct job *job, struct mtls_diag *diag)
{
	_cleanup_(mtls_cert_freep) struct mtls_cert *cert = NULL;
	_cleanup_buf_ struct mtls_buf by_key = MTLS_BUF(MTLS_KEY_MAX);
	_cleanup_buf_ struct mtls_buf by_name = MTLS_BUF(MTLS_KEY_MAX);
	const struct ctl_snapshot *snapshot = &job->rn->accounts.snapshot;

	int r = ctl_cert_of(job->old, &cert, diag);
	if (r < 0)
		return r;
	(void)ctl_cert_binding(cert, &by_key);
	(void)mtls_key_format_subject(mtls_cert_subject(cert), &by_name);
	const char *key = mtls_buf_cstr(&by_key), *name = mtls_buf_cstr(&by_name);
	if ((key && ctl_snapshot_bound(snapshot, job->item.user, key)) ||
	    (name && ctl_snapshot_bound(snapshot, job->item.user, name)))
		return 0;
	return mtls_diag_set(diag, MTLS_E_NOTFOUND,
			     "its key is not bound to '%s': mtlsctl bind add %s %s", job->item.user,
			     job->item.user, key ? key : "KEY");
}

static int make_new(struct job *job, struct mtls_diag *diag)
{
	struct ctl_chain chain = { .count = 0 };
	struct mtls_diag why = { 0 };

	int r = renew_by_ca(job->rn, &job->item, job->old, CTL_CA_USER_CRT, CTL_CA_USER_KEY,
			    &job->pem, &why);
	if (r == MTLS_E_UNTRUSTED || r == -ENOENT)
		return mtls_diag_set(diag, MTLS_E_UNTRUSTED,
				     "another CA has made it: get a new one there, for the same "
				     "key, and 'mtlsctl enroll %s --cert FILE'",
				     job->item.user);
	if (r < 0)
		return mtls_diag_set(diag, r, "%s", mtls_diag_text(&why, r));
	r = ctl_chain_parse(job->pem.data, job->pem.len, &chain, diag);
	if (r >= 0)
		r = ctl_judge(job->rn->dir, &chain, job->rn->now, &why);
	ctl_chain_done(&chain);
	return r < 0 ? mtls_diag_set(diag, r, "the new certificate would be refused: %s",
				     mtls_diag_text(&why, r))
		     : 0;
}

/*
 * From job->der, which is as good as who gave it, to a new certificate. True: go on. A certificate
 * that has expired is renewed for who names the person, not with everybody's.
 */
static bool prepare(struct job *job)
{
	struct mtls_diag diag = { 0 };

	int r = renew_read_crt(job->der.data, job->der.len, &job->old, &diag);
	if (r >= 0) {
		job->item.start = gnutls_x509_crt_get_activation_time(job->old);
		job->item.end = gnutls_x509_crt_get_expiration_time(job->old);
		if (renew_waits(job->rn, &job->item))
			return false;
		if (job->rn->all && job->item.end < job->rn->now) {
			renew_report(job->rn, &job->item, RENEW_SKIPPED,
				     "it has expired: mtlsctl renew %s", job->item.user);
			return false;
		}
		r = check_bound(job, &diag);
	}
	if (r >= 0)
		r = check_revoked(job, &diag);
	if (r >= 0)
		r = make_new(job, &diag);
	if (r == MTLS_E_UNTRUSTED && job->rn->all) {
		renew_report(job->rn, &job->item, RENEW_SKIPPED, "%s", diag.text);
		return false;
	}
	if (r < 0) {
		fail(job, r, &diag);
		return false;
	}
	if (!job->rn->dry_run)
		return true;
	renew_report(job->rn, &job->item, RENEW_WOULD, "%s", "");
	return false;
}

/* --- the person's own file --- */

static int take_secret(struct job *job, struct mtls_diag *diag)
{
	int fd = job->rn->passphrase_fd;

	int r = fd >= 0 ? ctl_read_secret(fd, &job->secret)
			: ctl_ask_secret("Passphrase of the PKCS#12 file: ", &job->secret);
	if (r >= 0 && (!job->secret.len || !mtls_buf_cstr(&job->secret)))
		r = MTLS_E_NEEDSECRET;
	if (r < 0)
		return mtls_diag_set(diag, r,
				     "the certificate in a PKCS#12 file is seen with the "
				     "passphrase only: %s",
				     mtls_strerror(r));
	job->have_secret = true;
	return 0;
}

/* The form and the old certificate, by what the person's process found. */
static int find_own(struct job *job, struct mtls_diag *diag)
{
	_cleanup_buf_ struct mtls_buf out = MTLS_BUF(CTL_PERSON_OUT_MAX);

	int r = ctl_as_person(&job->person, look, job, &out, diag);
	if (r == MTLS_E_NEEDSECRET && !job->have_secret && !job->rn->all) {
		r = take_secret(job, diag);
		if (r >= 0)
			r = ctl_as_person(&job->person, look, job, &out, diag);
	}
	if (r < 0)
		return r;
	if (out.len < 2 || out.data[0] >= FORMS)
		return mtls_diag_set(diag, MTLS_E_SYNTAX, "the file holds no certificate");
	job->form = (enum form)out.data[0];
	r = path_of(job, job->form, "", job->key_path, diag);
	/* Nothing in a PKCS#12 file can be exchanged from outside. */
	if (r >= 0)
		r = path_of(job, job->form == FORM_P12 ? FORM_CRT : job->form, "", job->item.file,
			    diag);
	return r < 0 ? r : mtls_buf_append(&job->der, out.data + 1, out.len - 1);
}

/* A login with the new certificate, where there is a passphrase. 0, or why it was refused. */
static int try_own(struct job *job, struct mtls_diag *diag)
{
	const struct ctl_trial_plan plan = { .dir = job->rn->dir,
					     .service = SERVICE,
					     .key_file = job->key_path };
	struct ctl_trial trial = { .verdict = CTL_TRIAL_NONE };

	if (!job->have_secret || job->form != FORM_PEM)
		return 0;
	int r = ctl_trial_run(&job->person, &plan, &job->secret, &trial, diag);
	bool refused = r >= 0 && trial.verdict == CTL_TRIAL_REFUSED;
	bool proven = r >= 0 && trial.verdict == CTL_TRIAL_ALLOWED;
	if (refused)
		(void)mtls_diag_set(diag, MTLS_E_DENIED, "the tried login is refused: %s",
				    trial.text.text);
	ctl_trial_done(&trial);
	return refused ? MTLS_E_DENIED : proven;
}

static void put_own_in_place(struct job *job)
{
	struct mtls_diag diag = { 0 }, again = { 0 };

	int r = ctl_as_person(&job->person, write_own, job, NULL, &diag);
	if (r < 0) {
		fail(job, r, &diag);
		return;
	}
	r = try_own(job, &diag);
	if (r == MTLS_E_DENIED) {
		int back = ctl_as_person(&job->person, put_back, job, NULL, &again);
		job->item.new_end = 0;
		renew_report(job->rn, &job->item, RENEW_FAILED, "%s; the old certificate %s%s",
			     diag.text, back < 0 ? "could not be put back: " : "is back",
			     back < 0 ? again.text : "");
		return;
	}
	(void)ctl_as_person(&job->person, settle, job, NULL, &again);
	renew_report(job->rn, &job->item, RENEW_DONE, "%s",
		     job->form == FORM_P12
			     ? "beside the PKCS#12 file, which stays as it is: the key is in it"
		     : r > 0 ? "a login was tried and allowed"
			     : "the next login uses it");
}

/* True if there was something, for good or bad. */
static bool renew_own(struct renew *rn, const char *user)
{
	struct job job = {
		.rn = rn,
		.item = { .kind = "person", .user = user },
		.secret = MTLS_BUF_SECRET(MTLS_SECRET_MAX),
		.der = MTLS_BUF(MTLS_CERT_MAX),
		.pem = MTLS_BUF(CTL_PEM_MAX),
	};
	struct mtls_diag diag = { 0 };

	int r = ctl_person_find(user, &job.person, &diag);
	if (r >= 0 && rn->passphrase_fd >= 0)
		r = take_secret(&job, &diag);
	if (r >= 0)
		r = find_own(&job, &diag);
	bool found = r != -ENOENT && !(rn->all && r == MTLS_E_NOTFOUND);
	if (r >= 0 && prepare(&job))
		put_own_in_place(&job);
	else if (r == MTLS_E_NEEDSECRET && rn->all)
		renew_report(rn, &job.item, RENEW_SKIPPED,
			     "a PKCS#12 file needs its passphrase: mtlsctl renew %s", user);
	else if (r < 0 && found)
		fail(&job, r, &diag);
	job_done(&job);
	return found;
}

/* --- certs.d --- */

static void renew_laid(struct renew *rn, const char *user, const char *path)
{
	const struct mtls_file_trust trust = { 0 };
	struct job job = {
		.rn = rn,
		.item = { .kind = "certs.d", .user = user },
		.der = MTLS_BUF(CTL_PEM_MAX), /* the whole file; the first one in it is meant */
		.pem = MTLS_BUF(CTL_PEM_MAX),
	};
	struct mtls_diag diag = { 0 };

	(void)mtls_strcopy(job.item.file, sizeof(job.item.file), path);
	int r = mtls_file_read(path, &trust, &job.der, &diag);
	if (r < 0) {
		fail(&job, r, &diag);
	} else if (prepare(&job)) {
		r = ctl_certs_write(rn->dir, path, &job.pem, &diag);
		if (r < 0)
			fail(&job, r, &diag);
		else
			renew_report(rn, &job.item, RENEW_DONE, "the next login uses it");
	}
	job_done(&job);
}

/* The file of a binding by key; false where there is none. */
static bool laid_path(const struct renew *rn, const struct ctl_binding *binding, char out[PATH_MAX])
{
	static const char prefix[] = "spki-sha256:";
	uint8_t digest[32];

	if (binding->key.len != strlen(prefix) + 2 * sizeof(digest) ||
	    memcmp(binding->key.data, prefix, strlen(prefix)) != 0 ||
	    mtls_hex_decode(binding->key.data + strlen(prefix), 2 * sizeof(digest), digest,
			    sizeof(digest)) < 0)
		return false;
	return ctl_certs_path(rn->dir, digest, out, NULL) >= 0 && access(out, F_OK) == 0;
}

static bool renew_all_laid(struct renew *rn, const char *user, const struct ctl_binding *bindings,
			   size_t count)
{
	char path[PATH_MAX];
	bool found = false;

	for (size_t i = 0; i < count; i++)
		if (mtls_acct_str_eq(bindings[i].name, user, strlen(user)) &&
		    laid_path(rn, &bindings[i], path)) {
			found = true;
			renew_laid(rn, user, path);
		}
	return found;
}

void renew_person(struct renew *rn, const char *user)
{
	const struct renew_item none = { .kind = "person", .user = user };
	struct ctl_binding *bindings = NULL;
	size_t count = 0;

	int r = ctl_snapshot_bindings(&rn->accounts.snapshot, &bindings, &count);
	bool found = renew_own(rn, user);
	found |= r >= 0 && renew_all_laid(rn, user, bindings, count);
	free(bindings);
	if (r < 0)
		renew_report(rn, &none, RENEW_FAILED, "the bindings cannot be read: %s",
			     mtls_strerror(r));
	else if (!found)
		renew_report(rn, &none, RENEW_FAILED,
			     "no certificate is known of '%s': none in ~/.config/mtls, none in "
			     "certs.d; 'mtlsctl enroll %s' makes one",
			     user, user);
}

void renew_everybody(struct renew *rn)
{
	struct ctl_binding *bindings = NULL;
	size_t count = 0;

	rn->all = true;
	int r = ctl_snapshot_bindings(&rn->accounts.snapshot, &bindings, &count);
	/* Sorted by name. */
	for (size_t i = 0, next; r >= 0 && i < count; i = next) {
		_cleanup_free_ char *user = strndup(bindings[i].name.data, bindings[i].name.len);
		for (next = i + 1; next < count && user &&
				   mtls_acct_str_eq(bindings[next].name, user, strlen(user));
		     next++)
			;
		if (!user) {
			r = -ENOMEM;
			break;
		}
		(void)renew_own(rn, user);
		(void)renew_all_laid(rn, user, bindings + i, next - i);
	}
	free(bindings);
	if (r < 0) {
		const struct renew_item none = { .kind = "person" };
		renew_report(rn, &none, RENEW_FAILED, "%s", mtls_strerror(r));
	}
}
