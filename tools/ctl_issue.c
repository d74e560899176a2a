/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mtlsctl issue: a person's key and certificate from the CA of `init`, and nothing else: what
 * `enroll` does with more around it, for a person who has no account here, or another place.
 */
#include <config.h>

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/str.h"
#include "lib/name/key.h"
#include "lib/wire/msg.h"
#include "tools/ctl_accounts.h"
#include "tools/ctl_common.h"
#include "tools/ctl_credential.h"
#include "tools/ctl_json.h"

#define CMD "issue"

struct issue {
	struct ctl_credential_plan plan;
	const char *out;
	int passphrase_fd;
	bool bind, json;
	struct ctl_person person; /* without a name: no such account here */
	char path[PATH_MAX];      /* of the new file */
	struct ctl_credential made;
};

/* One line a kind, as `bind add` takes them; the public key's goes to @binding too. */
static int describe(const struct mtls_cert *cert, struct mtls_buf *binding, struct mtls_buf *lines)
{
	size_t serial_len;
	const uint8_t *serial = mtls_cert_serial(cert, &serial_len);

	int r = ctl_cert_binding(cert, binding);
	if (r >= 0)
		r = mtls_key_format_digest(MTLS_KEY_SHA256, mtls_cert_sha256(cert), lines);
	if (r >= 0)
		r = mtls_buf_append_str(lines, "\n");
	if (r >= 0)
		r = mtls_buf_append(lines, binding->data, binding->len);
	if (r >= 0)
		r = mtls_buf_append_str(lines, "\n");
	if (r >= 0)
		r = mtls_key_format_issuer_serial(serial, serial_len, mtls_cert_issuer(cert),
						  lines);
	if (r >= 0)
		r = mtls_buf_append_str(lines, "\n");
	if (r >= 0)
		r = mtls_key_format_subject(mtls_cert_subject(cert), lines);
	return r < 0 ? r : mtls_buf_append_str(lines, "\n");
}

static int find_path(struct issue *is, struct mtls_diag *diag)
{
	char name[NAME_MAX + 1];

	int r = ctl_person_find(is->plan.user, &is->person, diag);
	if (is->out)
		return mtls_strcopy(is->path, sizeof(is->path), is->out) < 0
			       ? mtls_diag_set(diag, -ENAMETOOLONG, "the path is too long")
			       : 0;
	if (r == MTLS_E_NOTFOUND)
		return mtls_diag_set(diag, r,
				     "there is no account '%s' here: make it first, or say where "
				     "the file goes with --out",
				     is->plan.user);
	if (r >= 0)
		r = ctl_person_check_rights(&is->person, diag);
	(void)snprintf(name, sizeof(name), "%s.%s", is->plan.user,
		       ctl_format_suffix(is->plan.format));
	return r < 0 ? r : ctl_person_path(&is->person, name, is->path, diag);
}

static int write_out(const struct issue *is, struct mtls_diag *diag)
{
	bool give = is->person.name && geteuid() == 0;
	const struct mtls_file_mode mode = {
		.mode = 0600,
		.uid = give ? is->person.uid : (uid_t)-1,
		.gid = give ? is->person.gid : (gid_t)-1,
		.exclusive = true,
	};

	if (!is->out)
		return ctl_deliver(&is->person, is->path, &is->made.file, diag);
	int r = mtls_file_replace(is->path, is->made.file.data, is->made.file.len, &mode, diag);
	return r == -EEXIST ? mtls_diag_set(diag, r, "'%s' exists already and is kept", is->path)
			    : r;
}

static int bind_it(const struct issue *is, struct mtls_buf *binding)
{
	const char *key = mtls_buf_cstr(binding);
	int code = key ? ctl_bind_key(is->plan.user, key, false) : ctl_error(CMD, "out of memory");

	if (ctl_was_done(code) && !is->json)
		(void)printf("%s is bound to '%s'\n", key, is->plan.user);
	return code;
}

/* The file, the certificate as keys for `bind add`, and whether it is bound. */
static int finish_json(const struct issue *is, struct mtls_buf *binding, struct mtls_buf *lines)
{
	int code = is->bind ? bind_it(is, binding) : CTL_OK;
	json_t *keys = json_array();

	if (code != CTL_OK) {
		json_decref(keys);
		return code;
	}
	char *rest = NULL, *text = mtls_buf_cstr(lines) ? (char *)lines->data : NULL;
	for (char *key = text ? strtok_r(text, "\n", &rest) : NULL; key && keys;
	     key = strtok_r(NULL, "\n", &rest))
		if (json_array_append_new(keys, json_string(key)) < 0) {
			json_decref(keys);
			keys = NULL;
		}
	return ctl_json_print(keys && text ? json_pack("{s:s, s:s, s:o, s:b}", "account",
						       is->plan.user, "file", is->path, "keys",
						       keys, "bound", (int)is->bind)
					   : NULL);
}

static int run(struct issue *is)
{
	struct mtls_diag diag = { 0 };
	_cleanup_buf_ struct mtls_buf secret = MTLS_BUF_SECRET(MTLS_SECRET_MAX);
	_cleanup_buf_ struct mtls_buf lines = MTLS_BUF(4 * MTLS_KEY_MAX);
	_cleanup_buf_ struct mtls_buf binding = MTLS_BUF(MTLS_KEY_MAX);

	int r = find_path(is, &diag);
	if (r >= 0)
		r = ctl_new_passphrase(CMD, is->passphrase_fd, &secret, &diag);
	if (r >= 0)
		r = ctl_credential_make(&is->plan, &secret, &is->made, &diag);
	mtls_buf_done(&secret);
	if (r >= 0)
		r = describe(is->made.cert, &binding, &lines);
	if (r >= 0)
		r = write_out(is, &diag);
	if (r < 0)
		return ctl_error(CMD, "%s", mtls_diag_text(&diag, r));
	if (is->json)
		return finish_json(is, &binding, &lines);
	(void)printf("made       %s\n\nThis certificate as a key for 'mtlsctl bind add %s KEY'; "
		     "spki-sha256 holds as long as the key:\n%s",
		     is->path, is->plan.user, mtls_buf_cstr(&lines));
	return is->bind ? bind_it(is, &binding) : CTL_OK;
}

struct options {
	struct ctl_credential_words words;
	const char *out;
	bool bind, json;
};

static const struct ctl_option options[] = {
	CTL_OPTION(struct options, out, "out", "FILE", "instead of ~USER/.config/mtls/USER.pem"),
	CTL_OPTION(struct options, words.format, "format", "pem|pkcs12",
		   "how key and certificate are kept (pem)"),
	CTL_OPTION(struct options, words.days, "days", "N",
		   "how long the certificate is valid (365)"),
	CTL_OPTION(struct options, words.cn, "cn", "TEXT", "the name in the certificate (USER)"),
	CTL_OPTION(struct options, words.passphrase_fd, "passphrase-fd", "N",
		   "read the passphrase from descriptor N instead of asking"),
	CTL_OPTION(struct options, bind, "bind", NULL,
		   "bind the certificate's key to the account USER"),
	CTL_OPTION(struct options, words.dir, "dir", "DIR", "instead of " MTLS_SYSCONFDIR),
	CTL_OPTION(struct options, json, "json", NULL, "print one JSON object"),
	{ 0 },
};

static int parse(const struct ctl_action *action, int argc, char **argv, struct issue *is)
{
	struct options o = { 0 };
	char **args;
	int count;

	int code = ctl_action_parse(action, argc, argv, &o, &args, &count);
	if (code)
		return code;
	is->out = o.out;
	is->bind = o.bind;
	is->json = o.json;
	return ctl_credential_parse(action, &o.words, args[0], &is->plan, &is->passphrase_fd);
}

static int run_issue(const struct ctl_action *action, int argc, char **argv)
{
	struct issue is = { 0 };

	int code = parse(action, argc, argv, &is);
	if (code == CTL_OK)
		code = run(&is);
	ctl_credential_done(&is.made);
	ctl_person_done(&is.person);
	return code;
}

/* clang-format off */
static const struct ctl_action actions[] = {
	{ CMD, "", "USER", "Makes a person's key and certificate, signed by the CA of 'mtlsctl init'. The passphrase\n"
	  "of the key is asked for; an existing file is kept. 'mtlsctl enroll' does this and more",
	  1, 1, options, run_issue },
};
/* clang-format on */

const struct ctl_command ctl_issue = {
	.name = CMD,
	.help = "make a person's key and certificate, and no more",
	.actions = actions,
	.count = MTLS_COUNT(actions),
};
