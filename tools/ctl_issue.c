/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mtlsctl issue: a person's key and certificate from the CA of `init`.
 *
 * The file goes into the person's own folder. Root must not follow what the person put there
 * (links, moved folders), so a child writes it that has become the person for good: whatever it can
 * be led to, the person could have done alone. Before it starts, the CA's key is wiped from memory;
 * what the child sees of the new key is encrypted.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/str.h"
#include "lib/cert/cert.h"
#include "lib/name/account.h"
#include "lib/name/key.h"
#include "lib/wire/msg.h"
#include "tools/ctl_action.h"
#include "tools/ctl_common.h"
#include "tools/ctl_x509.h"

#define CMD          "issue"
#define DAY          86400
#define DAYS_DEFAULT 365
#define DAYS_MAX     3650
#define CLOCK_SLACK  300
#define PEM_MAX      65536
#define CN_MAX       64 /* bytes; X.520 counts characters */
#define SHORT_SECRET 8

struct issue {
	const char *user;
	const char *cn;
	const char *dir;
	const char *out;
	uint32_t days;
	int passphrase_fd;
	bool bind;
	struct passwd *person; /* NULL: no such account here; static storage */
	char path[PATH_MAX];   /* of the new file */
	struct mtls_buf pem;   /* encrypted key, certificate */
	struct mtls_buf key;   /* the certificate as a key to bind, by its public key */
};

static int read_passphrases(const struct issue *is, struct mtls_buf *secret, struct mtls_diag *diag)
{
	_cleanup_buf_ struct mtls_buf again = MTLS_BUF_SECRET(MTLS_SECRET_MAX);

	int r;
	if (is->passphrase_fd >= 0) {
		r = ctl_read_secret(is->passphrase_fd, secret);
	} else {
		r = ctl_ask_secret("Passphrase for the new key: ", secret);
		if (r >= 0 && secret->len)
			r = ctl_ask_secret("The same again: ", &again);
	}
	if (r == -ENOTTY)
		return mtls_diag_set(diag, r,
				     "there is no terminal to ask on: use --passphrase-fd");
	if (r < 0)
		return mtls_diag_set(diag, r, "cannot read the passphrase: %s", mtls_strerror(r));
	if (!secret->len)
		return mtls_diag_set(diag, MTLS_E_NEEDSECRET,
				     "the passphrase is empty: a key without one is not accepted");
	bool same = is->passphrase_fd >= 0 ||
		    (again.len == secret->len && memcmp(again.data, secret->data, again.len) == 0);
	if (!same)
		return mtls_diag_set(diag, MTLS_E_SECRET, "the two passphrases differ");
	/* GnuTLS takes a string; and other programs must be able to type it. */
	if (mtls_has_control(secret->data, secret->len) ||
	    !mtls_utf8_valid(secret->data, secret->len))
		return mtls_diag_set(diag, MTLS_E_SYNTAX,
				     "the passphrase has a control character or is not UTF-8");
	if (secret->len < SHORT_SECRET)
		(void)fprintf(
			stderr,
			"mtlsctl issue: warning: the passphrase has less than %d characters\n",
			SHORT_SECRET);
	return 0;
}

static int load_ca(const struct issue *is, struct ctl_pair *ret, struct mtls_diag *diag)
{
	const struct mtls_file_trust public = { .owner = geteuid() };
	const struct mtls_file_trust secret = { .owner = geteuid(), .secret = true };
	_cleanup_buf_ struct mtls_buf crt = MTLS_BUF(PEM_MAX);
	_cleanup_buf_ struct mtls_buf key = MTLS_BUF_SECRET(PEM_MAX);
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/user-ca/ca.pem", is->dir);
	int r = mtls_file_read(path, &public, &crt, diag);
	if (r < 0)
		return r;
	(void)snprintf(path, sizeof(path), "%s/private/user-ca.key", is->dir);
	r = mtls_file_read(path, &secret, &key, diag);
	if (r < 0)
		return r;
	struct mtls_diag why = { 0 };
	r = ctl_pair_load(&crt, &key, ret, &why);
	return r < 0 ? mtls_diag_set(diag, r, "the CA in '%s': %s", is->dir, why.text) : 0;
}

/* One line a kind, as `bind add` takes them; the public key's goes to is->key too. */
static int describe(struct issue *is, const struct mtls_cert *cert, struct mtls_buf *lines)
{
	size_t serial_len;
	const uint8_t *serial = mtls_cert_serial(cert, &serial_len);
	const char *subject = mtls_cert_subject(cert);

	int r = mtls_key_format_digest(MTLS_KEY_SPKI_SHA256, mtls_cert_spki_sha256(cert), &is->key);
	if (r >= 0)
		r = mtls_key_format_digest(MTLS_KEY_SHA256, mtls_cert_sha256(cert), lines);
	if (r >= 0)
		r = mtls_buf_append_str(lines, "\n");
	if (r >= 0)
		r = mtls_buf_append(lines, is->key.data, is->key.len);
	if (r >= 0)
		r = mtls_buf_append_str(lines, "\n");
	if (r >= 0)
		r = mtls_key_format_issuer_serial(serial, serial_len, mtls_cert_issuer(cert),
						  lines);
	if (r >= 0)
		r = mtls_buf_append_str(lines, "\n");
	if (r >= 0)
		r = mtls_key_format_subject(subject, lines);
	return r < 0 ? r : mtls_buf_append_str(lines, "\n");
}

static int describe_pair(struct issue *is, const struct ctl_pair *pair, struct mtls_buf *lines,
			 struct mtls_diag *diag)
{
	gnutls_datum_t der = { 0 };
	_cleanup_(mtls_cert_freep) struct mtls_cert *cert = NULL;

	if (gnutls_x509_crt_export2(pair->crt, GNUTLS_X509_FMT_DER, &der) < 0)
		return mtls_diag_set(diag, MTLS_E_CRYPTO, "cannot write the certificate");
	int r = mtls_cert_from_der(der.data, der.size, &cert, diag);
	gnutls_free(der.data);
	if (r >= 0)
		r = describe(is, cert, lines);
	return r < 0 && !diag->text[0] ? mtls_diag_set(diag, r, "%s", mtls_strerror(r)) : r;
}

static int make(struct issue *is, const struct mtls_buf *secret, struct mtls_buf *lines,
		struct mtls_diag *diag)
{
	_cleanup_(ctl_pair_done) struct ctl_pair ca = { 0 };
	_cleanup_(ctl_pair_done) struct ctl_pair pair = { 0 };
	time_t now = time(NULL);
	const struct ctl_certificate what = {
		.profile = CTL_PROFILE_USER,
		.common_name = is->cn,
		.not_before = now - CLOCK_SLACK,
		.not_after = now + (time_t)DAY * is->days,
	};

	int r = load_ca(is, &ca, diag);
	if (r >= 0)
		r = ctl_pair_make(&what, &ca, &pair, diag);
	if (r >= 0)
		r = ctl_pem_key(&pair, (const char *)secret->data, &is->pem, diag);
	if (r >= 0)
		r = ctl_pem_crt(&pair, &is->pem, diag);
	if (r >= 0)
		r = describe_pair(is, &pair, lines, diag);
	return r;
}

static int write_file(const struct issue *is, uid_t uid, gid_t gid, struct mtls_diag *diag)
{
	const struct mtls_file_mode mode = {
		.mode = 0600, .uid = uid, .gid = gid, .exclusive = true
	};

	int r = mtls_file_replace(is->path, is->pem.data, is->pem.len, &mode, diag);
	if (r == -EEXIST)
		return mtls_diag_set(diag, r, "'%s' exists already and is kept", is->path);
	return r;
}

/* ~/.config and ~/.config/mtls, as the person. */
static int make_folders(const struct issue *is, struct mtls_diag *diag)
{
	static const char *const steps[] = { "/.config", "/.config/mtls" };
	char path[PATH_MAX];

	for (size_t i = 0; i < MTLS_COUNT(steps); i++) {
		int n = snprintf(path, sizeof(path), "%s%s", is->person->pw_dir, steps[i]);
		if (n < 0 || (size_t)n >= sizeof(path))
			return mtls_diag_set(diag, -ENAMETOOLONG, "the home's path is too long");
		if (mkdir(path, 0700) < 0 && errno != EEXIST)
			return mtls_diag_set(diag, -errno, "cannot make '%s': %s", path,
					     strerrordesc_np(errno));
	}
	return 0;
}

static int become(const struct passwd *person, struct mtls_diag *diag)
{
	if (geteuid() != 0)
		return 0;
	if (initgroups(person->pw_name, person->pw_gid) < 0 ||
	    setresgid(person->pw_gid, person->pw_gid, person->pw_gid) < 0 ||
	    setresuid(person->pw_uid, person->pw_uid, person->pw_uid) < 0)
		return mtls_diag_set(diag, -errno, "cannot become '%s': %s", person->pw_name,
				     strerrordesc_np(errno));
	if (person->pw_uid != 0 && setresuid(0, 0, 0) == 0)
		return mtls_diag_set(diag, -EPERM, "root's rights cannot be given up");
	/* The person must not look into this process: it was root's a moment ago. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return mtls_diag_set(diag, -errno, "prctl: %s", strerrordesc_np(errno));
	return 0;
}

/* The child's whole life; @report carries its sentence to the parent. */
static void write_as_person(const struct issue *is, int report) __attribute__((noreturn));
static void write_as_person(const struct issue *is, int report)
{
	struct mtls_diag diag = { 0 };

	(void)umask(077);
	int r = become(is->person, &diag);
	if (r >= 0)
		r = make_folders(is, &diag);
	if (r >= 0)
		r = write_file(is, (uid_t)-1, (gid_t)-1, &diag);
	if (r < 0)
		(void)mtls_fd_write_all(report, diag.text, strlen(diag.text));
	_exit(r < 0 ? 1 : 0);
}

static int write_in_home(const struct issue *is, struct mtls_diag *diag)
{
	int ends[2];
	struct mtls_buf text = MTLS_BUF(MTLS_DIAG_MAX - 1);

	if (pipe2(ends, O_CLOEXEC) < 0)
		return mtls_diag_set(diag, -errno, "pipe: %s", strerrordesc_np(errno));
	(void)fflush(stdout);
	pid_t pid = fork();
	if (pid == 0) {
		(void)close(ends[0]);
		write_as_person(is, ends[1]);
	}
	(void)close(ends[1]);
	if (pid < 0) {
		(void)close(ends[0]);
		return mtls_diag_set(diag, -errno, "fork: %s", strerrordesc_np(errno));
	}
	(void)mtls_fd_read_all(ends[0], &text);
	(void)close(ends[0]);
	int status = 0;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	bool good = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	const char *why = mtls_buf_cstr(&text);
	int r = good ? 0
		     : mtls_diag_set(diag, -EIO, "%s",
				     why && *why ? why : "the file could not be written");
	mtls_buf_done(&text);
	return r;
}

static int find_path(struct issue *is, struct mtls_diag *diag)
{
	is->person = getpwnam(is->user);
	if (is->out)
		return mtls_strcopy(is->path, sizeof(is->path), is->out) < 0
			       ? mtls_diag_set(diag, -ENAMETOOLONG, "the path is too long")
			       : 0;
	if (!is->person)
		return mtls_diag_set(diag, MTLS_E_NOTFOUND,
				     "there is no account '%s' here: make it first, or say where "
				     "the file goes with --out",
				     is->user);
	if (geteuid() != 0 && geteuid() != is->person->pw_uid)
		return mtls_diag_set(diag, -EPERM, "only root writes into the home of '%s'",
				     is->user);
	int n = snprintf(is->path, sizeof(is->path), "%s/.config/mtls/%s.pem", is->person->pw_dir,
			 is->user);
	if (n < 0 || (size_t)n >= sizeof(is->path) || is->path[0] != '/')
		return mtls_diag_set(diag, MTLS_E_SYNTAX, "the home of '%s' is no absolute path",
				     is->user);
	return 0;
}

static int write_out(const struct issue *is, struct mtls_diag *diag)
{
	bool give = is->person && geteuid() == 0;

	if (!is->out)
		return write_in_home(is, diag);
	return write_file(is, give ? is->person->pw_uid : (uid_t)-1,
			  give ? is->person->pw_gid : (gid_t)-1, diag);
}

/* As `mtlsctl bind add USER KEY`. */
static int bind_key(struct issue *is)
{
	_cleanup_free_ char *user = strdup(is->user);
	const char *key = mtls_buf_cstr(&is->key);
	_cleanup_free_ char *copy = key ? strdup(key) : NULL;
	char name[] = "bind", verb[] = "add";
	char *args[] = { name, verb, user, copy, NULL };

	if (!user || !copy)
		return ctl_error(CMD, "out of memory");
	return ctl_run(&ctl_bind, 4, args);
}

static int run(struct issue *is)
{
	struct mtls_diag diag = { 0 };
	_cleanup_buf_ struct mtls_buf secret = MTLS_BUF_SECRET(MTLS_SECRET_MAX);
	_cleanup_buf_ struct mtls_buf lines = MTLS_BUF(4 * MTLS_KEY_MAX);

	int r = find_path(is, &diag);
	if (r >= 0)
		r = read_passphrases(is, &secret, &diag);
	if (r >= 0 && !mtls_buf_cstr(&secret))
		r = mtls_diag_set(&diag, -ENOMEM, "out of memory");
	if (r >= 0)
		r = make(is, &secret, &lines, &diag);
	mtls_buf_done(&secret);
	if (r >= 0)
		r = write_out(is, &diag);
	if (r < 0)
		return ctl_error(CMD, "%s", mtls_diag_text(&diag, r));
	(void)printf("made       %s\n\nThis certificate as a key for 'mtlsctl bind add %s KEY'; "
		     "spki-sha256 holds as long as the key:\n%s",
		     is->path, is->user, mtls_buf_cstr(&lines));
	return is->bind ? bind_key(is) : CTL_OK;
}

struct options {
	const char *out, *days, *cn, *passphrase_fd, *dir;
	bool bind;
};

static const struct ctl_option options[] = {
	CTL_OPTION(struct options, out, "out", "FILE", "instead of ~USER/.config/mtls/USER.pem"),
	CTL_OPTION(struct options, days, "days", "N", "how long the certificate is valid (365)"),
	CTL_OPTION(struct options, cn, "cn", "TEXT", "the name in the certificate (USER)"),
	CTL_OPTION(struct options, passphrase_fd, "passphrase-fd", "N",
		   "read the passphrase from descriptor N instead of asking"),
	CTL_OPTION(struct options, bind, "bind", NULL,
		   "bind the certificate's key to the account USER"),
	CTL_OPTION(struct options, dir, "dir", "DIR", "instead of " MTLS_SYSCONFDIR),
	{ 0 },
};

static int check_arguments(const struct ctl_action *action, const struct issue *is)
{
	size_t cn_len = strlen(is->cn);

	if (!mtls_account_name_valid(is->user, strlen(is->user)))
		return ctl_action_usage(action, "'%s' is not an account name", is->user);
	if (!cn_len || cn_len > CN_MAX || mtls_has_control((const uint8_t *)is->cn, cn_len) ||
	    !mtls_utf8_valid((const uint8_t *)is->cn, cn_len))
		return ctl_action_usage(action, "--cn needs 1 to %d bytes of text", CN_MAX);
	if (is->dir[0] != '/' || strlen(is->dir) > PATH_MAX - 64)
		return ctl_action_usage(action, "--dir needs an absolute path");
	return CTL_OK;
}

static int parse(const struct ctl_action *action, int argc, char **argv, struct issue *is)
{
	struct options o = { .dir = MTLS_SYSCONFDIR };
	uint32_t fd = 0;
	char **args;
	int count;

	int code = ctl_action_parse(action, argc, argv, &o, &args, &count);
	if (!code)
		code = ctl_action_number(action, "days", o.days, 1, DAYS_MAX, &is->days);
	if (!code)
		code = ctl_action_number(action, "passphrase-fd", o.passphrase_fd, 0, INT_MAX, &fd);
	if (code)
		return code;
	is->passphrase_fd = o.passphrase_fd ? (int)fd : -1;
	is->user = args[0];
	is->cn = o.cn ? o.cn : is->user;
	is->dir = o.dir;
	is->out = o.out;
	is->bind = o.bind;
	return check_arguments(action, is);
}

static int run_issue(const struct ctl_action *action, int argc, char **argv)
{
	struct issue is = {
		.days = DAYS_DEFAULT,
		.pem = MTLS_BUF(PEM_MAX),
		.key = MTLS_BUF(MTLS_KEY_MAX),
	};

	int code = parse(action, argc, argv, &is);
	if (code == CTL_OK)
		code = run(&is);
	mtls_buf_done(&is.pem);
	mtls_buf_done(&is.key);
	return code;
}

/* clang-format off */
static const struct ctl_action actions[] = {
	{ CMD, "", "USER", "Makes a person's key and certificate, signed by the CA of 'mtlsctl init'. The passphrase\n"
	  "of the key is asked for; an existing file is kept",
	  1, 1, options, run_issue },
};
/* clang-format on */

const struct ctl_command ctl_issue = {
	.name = CMD,
	.help = "make a person's key and certificate",
	.actions = actions,
	.count = MTLS_COUNT(actions),
};
