/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mtlsctl renew: a new certificate for the same key, so that every binding holds. The old one is
 * replaced as a whole, and only by one that would do its work; whatever fails or is killed, one of
 * the two is there.
 */
#include <config.h>

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/str.h"
#include "lib/control/authd.h"
#include "tools/ctl_common.h"
#include "tools/ctl_json.h"
#include "tools/ctl_renew.h"
#include "tools/ctl_term.h"
#include "tools/ctl_text.h"

#define CMD                "renew"
#define RELOAD_PATIENCE_MS 120000

static const struct {
	const char *word;
	enum ctl_style style;
} states[RENEW_STATES] = {
	[RENEW_DONE] = { "renewed", CTL_STYLE_GOOD },
	[RENEW_WOULD] = { "would-renew", CTL_STYLE_GOOD },
	[RENEW_NOT_DUE] = { "not-due", CTL_STYLE_DIM },
	[RENEW_SKIPPED] = { "skipped", CTL_STYLE_WARNING },
	[RENEW_FAILED] = { "failed", CTL_STYLE_BAD },
};

static void print_item(const struct renew_item *item, enum renew_state state, const char *text)
{
	char clean[MTLS_DIAG_MAX + 4];
	struct ctl_text old, new;

	(void)ctl_term_text(text, 0, clean, sizeof(clean));
	(void)printf("%s%-12s%s %s%s%s %s", ctl_style(stdout, states[state].style),
		     states[state].word, ctl_style(stdout, CTL_STYLE_PLAIN), item->kind,
		     item->user ? " " : "", item->user ? item->user : "", item->file);
	if (item->end)
		(void)printf(", until %s", ctl_text_day(&old, item->end));
	if (item->new_end)
		(void)printf(" -> %s", ctl_text_day(&new, item->new_end));
	(void)printf("%s%s\n", *clean ? ": " : "", clean);
	(void)fflush(stdout);
}

void renew_report(struct renew *rn, const struct renew_item *item, enum renew_state state,
		  const char *fmt, ...)
{
	struct mtls_diag clean = { 0 };
	char text[MTLS_DIAG_MAX];
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		text[0] = '\0';
	va_end(ap);
	(void)mtls_diag_set(&clean, 0, "%s", text);
	rn->counts[state]++;
	if (!rn->json) {
		print_item(item, state, clean.text);
		return;
	}
	(void)json_array_append_new(rn->items,
				    json_pack("{s:s, s:s, s:s?, s:s, s:I, s:I, s:s}", "state",
					      states[state].word, "kind", item->kind, "user",
					      item->user, "file", item->file, "not_after",
					      (json_int_t)item->end, "new_not_after",
					      (json_int_t)item->new_end, "text", clean.text));
}

bool renew_waits(struct renew *rn, const struct renew_item *item)
{
	if (!rn->if_due || ctl_is_due(item->start, item->end, rn->now))
		return false;
	renew_report(rn, item, RENEW_NOT_DUE, "%s", "");
	return true;
}

void renew_times(const struct renew *rn, const struct renew_item *item, time_t *ret_start,
		 time_t *ret_end)
{
	time_t life =
		rn->days ? (time_t)rn->days * CTL_DAY : item->end - item->start - CTL_CLOCK_SLACK;

	*ret_start = rn->now - CTL_CLOCK_SLACK;
	*ret_end = rn->now + (life > 0 ? life : CTL_DAY);
}

int renew_by_ca(struct renew *rn, struct renew_item *item, gnutls_x509_crt_t old,
		const char *ca_crt, const char *ca_key, struct mtls_buf *pem,
		struct mtls_diag *diag)
{
	_cleanup_(ctl_pair_done) struct ctl_pair ca = { 0 };
	_cleanup_(renew_crt_deinitp) gnutls_x509_crt_t crt = NULL;
	time_t start, end;

	renew_times(rn, item, &start, &end);
	int r = renew_code(ctl_pair_read(rn->dir, ca_crt, ca_key, &ca, diag));
	if (r >= 0)
		r = ctl_crt_again(old, &ca, start, end, &crt, diag);
	if (r >= 0)
		r = ctl_pem_crt(crt, pem, diag);
	if (r >= 0)
		item->new_end = gnutls_x509_crt_get_expiration_time(crt);
	return r;
}

int renew_read_crt(const uint8_t *data, size_t len, gnutls_x509_crt_t *ret, struct mtls_diag *diag)
{
	_cleanup_(renew_crt_deinitp) gnutls_x509_crt_t crt = NULL;
	const gnutls_datum_t text = { (unsigned char *)(uintptr_t)data, (unsigned int)len };

	if (gnutls_x509_crt_init(&crt) < 0)
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	int rc = gnutls_x509_crt_import(crt, &text, GNUTLS_X509_FMT_PEM);
	if (rc < 0)
		rc = gnutls_x509_crt_import(crt, &text, GNUTLS_X509_FMT_DER);
	if (rc < 0)
		return mtls_diag_set(diag, MTLS_E_SYNTAX, "no certificate in it: %s",
				     gnutls_strerror(rc));
	*ret = MTLS_TAKE(crt);
	return 0;
}

/* --- root's files --- */

int renew_write(const char *path, const struct mtls_buf *content, struct mtls_diag *diag)
{
	struct mtls_file_mode mode = { .mode = 0644, .uid = (uid_t)-1, .gid = (gid_t)-1 };
	struct stat st;

	if (content->err)
		return mtls_diag_set(diag, content->err, "%s", mtls_strerror(content->err));
	if (lstat(path, &st) == 0)
		mode = (struct mtls_file_mode){ .mode = st.st_mode & 07777,
						.uid = st.st_uid,
						.gid = st.st_gid };
	return mtls_file_replace(path, content->data, content->len, &mode, diag);
}

int renew_keep_old(const char *path, const struct mtls_buf *old, char ret_path[PATH_MAX],
		   struct mtls_diag *diag)
{
	int n = snprintf(ret_path, PATH_MAX, "%s" RENEW_OLD, path);

	if (n < 0 || n >= PATH_MAX)
		return mtls_diag_set(diag, -ENAMETOOLONG, "'%s': path too long", path);
	return renew_write(ret_path, old, diag);
}

int renew_reload(struct mtls_diag *diag)
{
	_cleanup_(ctl_daemon_done) struct ctl_daemon daemon = { 0 };

	ctl_progress("mtls-authd reads its files again ...");
	ctl_daemon_ask(&daemon, CTL_AUTHD, MTLS_AUTHD_VERB_RELOAD, RELOAD_PATIENCE_MS);
	if (daemon.state == CTL_DAEMON_DOWN)
		return 0;
	if (daemon.state != CTL_DAEMON_ANSWERED)
		return mtls_diag_set(diag, daemon.err ? daemon.err : -EIO, "mtls-authd: %s",
				     daemon.diag.text);
	const struct mtls_control_end *end = &daemon.end->u.control_end;
	if (end->code == MTLS_CONTROL_OK)
		return 1;
	return mtls_diag_set(diag, MTLS_E_CONFIG, "mtls-authd refuses it: %s",
			     end->text ? end->text : "it does not say why");
}

/* --- the command --- */

struct options {
	const char *days, *passphrase_fd, *dir;
	bool server, crl, all, if_due, dry_run, json;
};

static const struct ctl_option options[] = {
	CTL_OPTION(struct options, server, "server", NULL, "the certificate of mtls-authd"),
	CTL_OPTION(struct options, crl, "crl", NULL,
		   "the revocation lists that are signed by the CA of 'mtlsctl init'"),
	CTL_OPTION(struct options, all, "all", NULL, "these, and every person's who has a binding"),
	CTL_OPTION(struct options, days, "days", "N",
		   "how long a new certificate is valid (as long as the old one was)"),
	CTL_OPTION(struct options, if_due, "if-due", NULL,
		   "only when two thirds of the old one's time are over"),
	CTL_OPTION(struct options, passphrase_fd, "passphrase-fd", "N",
		   "read the person's passphrase from descriptor N, and try a login with it"),
	CTL_OPTION(struct options, dir, "dir", "DIR", "instead of " MTLS_SYSCONFDIR),
	CTL_OPTION(struct options, dry_run, "dry-run", NULL, "say what would be renewed"),
	CTL_OPTION(struct options, json, "json", NULL, "print one JSON object"),
	{ 0 },
};

static int load_settings(struct renew *rn)
{
	struct mtls_diag diag = { 0 };
	char path[PATH_MAX];

	(void)ctl_dir_path(rn->dir, "authd.conf", path);
	int r = mtls_settings_authd_load(path, &rn->authd, &diag);
	return r < 0 && r != -ENOENT ? ctl_error(CMD, "%s", mtls_diag_text(&diag, r)) : CTL_OK;
}

static int finish(struct renew *rn)
{
	int code = rn->counts[RENEW_FAILED] ? CTL_FAILED : CTL_OK;

	if (!rn->json)
		return code;
	int r = ctl_json_print(json_pack("{s:O, s:I, s:I, s:b}", "items", rn->items, "renewed",
					 (json_int_t)rn->counts[RENEW_DONE], "failed",
					 (json_int_t)rn->counts[RENEW_FAILED], "dry_run",
					 rn->dry_run));
	return r == CTL_OK ? code : r;
}

static int run(struct renew *rn, const struct options *o, char **users, int count)
{
	if (geteuid() != 0)
		return ctl_error(CMD, "only root can use the CA's key");
	rn->items = json_array();
	if (!rn->items)
		return ctl_error(CMD, "out of memory");
	int code = load_settings(rn);
	if (!code && (o->all || count))
		code = ctl_accounts_read(&rn->accounts);
	if (code)
		return code;
	if (o->server || (o->all && rn->authd))
		renew_server(rn);
	if (o->crl || (o->all && rn->authd))
		renew_crls(rn);
	for (int i = 0; i < count; i++)
		renew_person(rn, users[i]);
	if (o->all)
		renew_everybody(rn);
	return finish(rn);
}

static int run_renew(const struct ctl_action *action, int argc, char **argv)
{
	struct renew rn = { .now = time(NULL) };
	struct options o = { .dir = MTLS_SYSCONFDIR };
	uint32_t fd = 0;
	char **args;
	int count;

	int code = ctl_action_parse(action, argc, argv, &o, &args, &count);
	if (!code)
		code = ctl_action_number(action, "days", o.days, 1, CTL_DAYS_MAX, &rn.days);
	if (!code)
		code = ctl_action_number(action, "passphrase-fd", o.passphrase_fd, 0, INT_MAX, &fd);
	if (!code && (o.dir[0] != '/' || strlen(o.dir) > PATH_MAX - 64))
		code = ctl_action_usage(action, "--dir needs an absolute path");
	if (!code && !count && !o.server && !o.crl && !o.all)
		code = ctl_action_usage(action, "what: a USER, --server, --crl or --all");
	if (!code && o.passphrase_fd && count != 1)
		code = ctl_action_usage(action, "--passphrase-fd is for one USER");
	if (code)
		return code;
	rn.dir = o.dir;
	rn.passphrase_fd = o.passphrase_fd ? (int)fd : -1;
	rn.if_due = o.if_due;
	rn.dry_run = o.dry_run;
	rn.json = o.json;
	code = run(&rn, &o, args, count);
	mtls_settings_authd_free(rn.authd);
	ctl_accounts_done(&rn.accounts);
	json_decref(rn.items);
	return code;
}

/* clang-format off */
static const struct ctl_action actions[] = {
	{ CMD, "", "[USER...]", "Replaces certificates by new ones for the same keys, so that every binding holds. A person's\n"
	  "certificate needs no passphrase, but in PKCS#12; the server's is confirmed by a handshake,\n"
	  "else the old one comes back",
	  0, INT_MAX, options, run_renew },
};
/* clang-format on */

const struct ctl_command ctl_renew = {
	.name = CMD,
	.help = "new certificates for the same keys: persons', the server's",
	.actions = actions,
	.count = MTLS_COUNT(actions),
};
