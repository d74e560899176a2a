/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mtlsctl init: a CA for persons, another one for servers, the server's certificate, an empty CRL,
 * the two configuration files. It looks at everything first and then makes only what is missing;
 * every file is created exclusively, so nothing is ever overwritten.
 */
#include <config.h>

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/str.h"
#include "lib/settings/settings.h"
#include "tools/ctl_action.h"
#include "tools/ctl_ca.h"
#include "tools/ctl_common.h"
#include "tools/ctl_json.h"
#include "tools/ctl_x509.h"

#define CMD             "init"
#define GROUP           "mtls-authd"
#define DAY             86400
#define CA_DAYS         3650
#define SERVER_DAYS     825
#define CLOCK_SLACK     300 /* seconds that another machine's clock may be behind */
#define COMMON_NAME_MAX 64

enum pair_index { USER_CA, SERVER_CA, SERVER, PAIRS };

static const struct {
	const char *what;
	const char *crt;
	const char *key;
	mode_t key_mode;
} pairs[PAIRS] = {
	[USER_CA] = { "the CA for persons", CTL_CA_USER_CRT, CTL_CA_USER_KEY, 0600 },
	[SERVER_CA] = { "the CA for servers", CTL_CA_SERVER_CRT, CTL_CA_SERVER_KEY, 0600 },
	[SERVER] = { "the server's certificate", CTL_SERVER_CRT, CTL_SERVER_KEY, 0640 },
};

static const struct {
	const char *name;
	mode_t mode;
	bool group; /* of the daemon, which reads its key again when it reloads */
} folders[] = {
	{ "", 0755, false },        { "user-ca", 0755, false }, { "server-ca", 0755, false },
	{ "certs.d", 0755, false }, { "private", 0710, true },
};

enum single_index { CRL, AUTHD_CONF, PAM_CONF, SINGLES };
static const char *const singles[SINGLES] = {
	[CRL] = CTL_CA_USER_CRL,
	[AUTHD_CONF] = "authd.conf",
	[PAM_CONF] = "pam_mtls.conf",
};

struct init {
	const char *dir;
	const char *name;
	bool dry_run;
	gid_t group; /* 0 where there is no group of the daemon */
	bool have_group;
	time_t now;
	bool make_pair[PAIRS];
	bool make_single[SINGLES];
	struct ctl_pair pair[PAIRS]; /* as far as they are needed */
	int count;                   /* files made */
	json_t *files;               /* owned by run_json(): with --json, what was done to each */
	size_t reported;
};

/* 1 there, 0 not there, -errno. A dangling link is there. */
static int exists(const struct init *in, const char *name, struct mtls_diag *diag)
{
	char path[PATH_MAX];
	struct stat st;

	int r = ctl_dir_path(in->dir, name, path);
	if (r < 0)
		return mtls_diag_set(diag, r, "'%s': path too long", in->dir);
	if (lstat(path, &st) == 0)
		return 1;
	if (errno == ENOENT)
		return 0;
	return mtls_diag_set(diag, -errno, "'%s': %s", path, strerrordesc_np(errno));
}

static int plan_pair(struct init *in, enum pair_index i, struct mtls_diag *diag)
{
	int crt = exists(in, pairs[i].crt, diag);
	int key = crt < 0 ? crt : exists(in, pairs[i].key, diag);

	if (crt < 0 || key < 0)
		return crt < 0 ? crt : key;
	if (crt != key)
		return mtls_diag_set(
			diag, MTLS_E_EXISTS,
			"%s is there by half: '%s/%s' exists, '%s/%s' does not. "
			"Restore the missing file, or move the other one away; nothing "
			"was made",
			pairs[i].what, in->dir, crt ? pairs[i].crt : pairs[i].key, in->dir,
			crt ? pairs[i].key : pairs[i].crt);
	in->make_pair[i] = !crt;
	return 0;
}

/* Keys go into a folder that nobody else can put something into, or move away from under us. */
static int check_folder(const struct init *in, const char *name, struct mtls_diag *diag)
{
	char path[PATH_MAX];
	struct stat st;

	int r = ctl_dir_path(in->dir, name, path);
	if (r < 0)
		return mtls_diag_set(diag, r, "'%s': path too long", in->dir);
	if (stat(path, &st) < 0)
		return errno == ENOENT ? 0
				       : mtls_diag_set(diag, -errno, "'%s': %s", path,
						       strerrordesc_np(errno));
	if (S_ISDIR(st.st_mode) && (st.st_uid == 0 || st.st_uid == geteuid()) &&
	    !(st.st_mode & (S_IWGRP | S_IWOTH)))
		return 0;
	return mtls_diag_set(diag, MTLS_E_UNTRUSTED,
			     "'%s' must be a folder that nobody else owns or may write to (uid %u, "
			     "mode %04o); nothing was made",
			     path, (unsigned int)st.st_uid, (unsigned int)st.st_mode & 07777);
}

static int plan(struct init *in, struct mtls_diag *diag)
{
	for (size_t i = 0; i < MTLS_COUNT(folders); i++) {
		int r = check_folder(in, folders[i].name, diag);
		if (r < 0)
			return r;
	}
	for (int i = 0; i < PAIRS; i++) {
		int r = plan_pair(in, (enum pair_index)i, diag);
		if (r < 0)
			return r;
	}
	for (int i = 0; i < SINGLES; i++) {
		int r = exists(in, singles[i], diag);
		if (r < 0)
			return r;
		in->make_single[i] = !r;
	}
	return 0;
}

/* CAs that are kept and have to sign something. */
static int load_needed(struct init *in, struct mtls_diag *diag)
{
	int r = 0;

	if (in->make_single[CRL] && !in->make_pair[USER_CA])
		r = ctl_pair_read(in->dir, pairs[USER_CA].crt, pairs[USER_CA].key,
				  &in->pair[USER_CA], diag);
	if (r >= 0 && in->make_pair[SERVER] && !in->make_pair[SERVER_CA])
		r = ctl_pair_read(in->dir, pairs[SERVER_CA].crt, pairs[SERVER_CA].key,
				  &in->pair[SERVER_CA], diag);
	return r;
}

static void report(struct init *in, bool made, const char *name)
{
	const char *verb = !made ? "kept" : in->dry_run ? "would make" : "made";

	if (in->files) {
		/* One that is missing for want of memory is noticed by their number. */
		(void)json_array_append_new(in->files, json_pack("{s:s, s:s++}", "state", verb,
								 "file", in->dir, "/", name));
		in->reported++;
		return;
	}
	(void)printf("%-10s %s/%s\n", verb, in->dir, name);
}

static int write_new(struct init *in, const char *name, const struct mtls_buf *content, mode_t mode,
		     struct mtls_diag *diag)
{
	char path[PATH_MAX];
	bool group = mode == 0640 && in->have_group;
	const struct mtls_file_mode how = {
		.mode = group || mode != 0640 ? mode : 0600,
		.uid = (uid_t)-1,
		.gid = group ? in->group : (gid_t)-1,
		.exclusive = true,
	};

	if (content->err)
		return mtls_diag_set(diag, content->err, "%s", mtls_strerror(content->err));
	int r = ctl_dir_path(in->dir, name, path);
	if (r >= 0)
		r = mtls_file_replace(path, content->data, content->len, &how, diag);
	if (r < 0)
		return r;
	in->count++;
	report(in, true, name);
	return 0;
}

static int make_folder(const struct init *in, size_t i, struct mtls_diag *diag)
{
	char path[PATH_MAX];

	int r = ctl_dir_path(in->dir, folders[i].name, path);
	if (r < 0)
		return mtls_diag_set(diag, r, "'%s': path too long", in->dir);
	if (mkdir(path, 0700) < 0) {
		struct stat st;
		if (errno == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
			return 0;
		return mtls_diag_set(diag, -errno, "cannot make the folder '%s': %s", path,
				     strerrordesc_np(errno));
	}
	bool group = folders[i].group && in->have_group;
	if ((group && chown(path, (uid_t)-1, in->group) < 0) || chmod(path, folders[i].mode) < 0)
		return mtls_diag_set(diag, -errno, "'%s': %s", path, strerrordesc_np(errno));
	return 0;
}

/* "NAME SUFFIX", cut so that it fits into a CN. */
static void common_name(const struct init *in, const char *suffix, char out[COMMON_NAME_MAX + 1])
{
	int room = COMMON_NAME_MAX - (int)strlen(suffix);

	(void)snprintf(out, COMMON_NAME_MAX + 1, "%.*s%s", room, in->name, suffix);
}

static int make_pair(struct init *in, enum pair_index i, struct mtls_diag *diag)
{
	static const char *const suffixes[PAIRS] = { " user CA", " server CA", "" };
	char cn[COMMON_NAME_MAX + 1];
	bool ca = i != SERVER;
	const struct ctl_certificate what = {
		.profile = ca ? CTL_PROFILE_CA : CTL_PROFILE_SERVER,
		.common_name = cn,
		.dns_name = in->name,
		.not_before = in->now - CLOCK_SLACK,
		.not_after = in->now + (time_t)DAY * (ca ? CA_DAYS : SERVER_DAYS),
	};
	_cleanup_buf_ struct mtls_buf key = MTLS_BUF_SECRET(CTL_PEM_MAX);
	_cleanup_buf_ struct mtls_buf crt = MTLS_BUF(CTL_PEM_MAX);

	common_name(in, suffixes[i], cn);
	int r = ctl_pair_make(&what, ca ? NULL : &in->pair[SERVER_CA], &in->pair[i], diag);
	if (r >= 0)
		r = ctl_pem_key(&in->pair[i], NULL, &key, diag);
	if (r >= 0)
		r = ctl_pem_crt(in->pair[i].crt, &crt, diag);
	if (r >= 0)
		r = write_new(in, pairs[i].key, &key, pairs[i].key_mode, diag);
	if (r >= 0)
		r = write_new(in, pairs[i].crt, &crt, 0644, diag);
	return r;
}

static int make_crl(struct init *in, struct mtls_diag *diag)
{
	_cleanup_buf_ struct mtls_buf crl = MTLS_BUF(CTL_PEM_MAX);

	int r = ctl_pem_empty_crl(&in->pair[USER_CA], in->now - CLOCK_SLACK, &crl, diag);
	return r < 0 ? r : write_new(in, singles[CRL], &crl, 0644, diag);
}

static int make_authd_conf(struct init *in, struct mtls_diag *diag)
{
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(CTL_PEM_MAX);

	(void)mtls_buf_printf(&text,
			      "# Configuration of mtls-authd, see authd.conf(5). Made by 'mtlsctl "
			      "init'.\n"
			      "certificate = \"%s/%s\"\n"
			      "private_key = \"%s/%s\"\n\n"
			      "# Whose certificates log persons in.\n"
			      "ca users {\n"
			      "\tfiles = { \"%s/%s\" }\n"
			      "\tcrl = { \"%s/%s\" }\n"
			      "}\n",
			      in->dir, pairs[SERVER].crt, in->dir, pairs[SERVER].key, in->dir,
			      pairs[USER_CA].crt, in->dir, singles[CRL]);
	return write_new(in, singles[AUTHD_CONF], &text, 0644, diag);
}

static int make_pam_conf(struct init *in, struct mtls_diag *diag)
{
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(CTL_PEM_MAX);

	(void)mtls_buf_printf(&text,
			      "# Configuration of pam_mtls, see pam_mtls.conf(5). Made by 'mtlsctl "
			      "init'.\n"
			      "# The name in the certificate of mtls-authd, and the CA it comes "
			      "from.\n"
			      "server_name = \"%s\"\n"
			      "server_ca = { \"%s/%s\" }\n",
			      in->name, in->dir, pairs[SERVER_CA].crt);
	return write_new(in, singles[PAM_CONF], &text, 0644, diag);
}

static int make_files(struct init *in, struct mtls_diag *diag)
{
	typedef int make_fn(struct init *, struct mtls_diag *);
	static make_fn *const makers[SINGLES] = { make_crl, make_authd_conf, make_pam_conf };

	for (size_t i = 0; !in->dry_run && i < MTLS_COUNT(folders); i++) {
		int r = make_folder(in, i, diag);
		if (r < 0)
			return r;
	}
	for (int i = 0; i < PAIRS; i++) {
		if (!in->make_pair[i] || in->dry_run) {
			report(in, in->make_pair[i], pairs[i].key);
			report(in, in->make_pair[i], pairs[i].crt);
			continue;
		}
		int r = make_pair(in, (enum pair_index)i, diag);
		if (r < 0)
			return r;
	}
	for (int i = 0; i < SINGLES; i++) {
		if (!in->make_single[i] || in->dry_run) {
			report(in, in->make_single[i], singles[i]);
			continue;
		}
		int r = makers[i](in, diag);
		if (r < 0)
			return r;
	}
	return 0;
}

static void print_next(const struct init *in)
{
	if (in->dry_run || in->files)
		return;
	if (!in->have_group && in->make_pair[SERVER])
		(void)printf("\nThere is no group '%s' yet, so %s/%s is root's alone. When the "
			     "group is there:\n\tchgrp %s %s/private %s/%s && chmod 0640 %s/%s\n",
			     GROUP, in->dir, pairs[SERVER].key, GROUP, in->dir, in->dir,
			     pairs[SERVER].key, in->dir, pairs[SERVER].key);
	(void)printf("\nKeep %s/private/*-ca.key safe: who has them can make certificates.\n"
		     "Next: start mtls-accountd and mtls-authd, then for each person\n"
		     "\tmtlsctl enroll USER\t# key, certificate, binding, and a try\n"
		     "and 'mtlsctl check' before a PAM service uses pam_mtls.\n",
		     in->dir);
}

static void find_group(struct init *in)
{
	const struct group *group = getgrnam(GROUP);

	in->have_group = group && geteuid() == 0;
	in->group = group ? group->gr_gid : 0;
}

static int run(struct init *in)
{
	struct mtls_diag diag = { 0 };

	in->now = time(NULL);
	find_group(in);
	int r = plan(in, &diag);
	if (r >= 0)
		r = load_needed(in, &diag);
	if (r >= 0)
		r = make_files(in, &diag);
	if (r >= 0)
		print_next(in);
	for (int i = 0; i < PAIRS; i++)
		ctl_pair_done(&in->pair[i]);
	return r < 0 ? ctl_error(CMD, "%s", mtls_diag_text(&diag, r)) : CTL_OK;
}

static int run_json(struct init *in)
{
	in->files = json_array();
	if (!in->files)
		return ctl_error(CMD, "out of memory");
	int code = run(in);
	bool whole = json_array_size(in->files) == in->reported;
	if (code == CTL_OK)
		return ctl_json_print(whole ? json_pack("{s:o, s:b}", "files", in->files, "dry_run",
							(int)in->dry_run)
					    : NULL);
	json_decref(in->files);
	return code;
}

/* What goes into the files between quotes and into messages. */
static bool dir_valid(const char *dir)
{
	size_t len = strlen(dir);

	return dir[0] == '/' && len > 1 && len < PATH_MAX - 64 && dir[len - 1] != '/' &&
	       !strstr(dir, "//") && !strpbrk(dir, "\"\\$") &&
	       !mtls_has_control((const uint8_t *)dir, len) &&
	       mtls_utf8_valid((const uint8_t *)dir, len);
}

struct options {
	const char *name, *dir;
	bool dry_run, json;
};

static const struct ctl_option options[] = {
	CTL_OPTION(struct options, name, "name", "SERVERNAME",
		   "the DNS name of the machine that runs mtls-authd"),
	CTL_OPTION(struct options, dir, "dir", "DIR", "instead of " MTLS_SYSCONFDIR),
	CTL_OPTION(struct options, dry_run, "dry-run", NULL, "say what would be made"),
	CTL_OPTION(struct options, json, "json", NULL, "print one JSON object"),
	{ 0 },
};

static int run_init(const struct ctl_action *action, int argc, char **argv)
{
	struct options o = { .dir = MTLS_SYSCONFDIR };
	char **args;
	int count;

	int code = ctl_action_parse(action, argc, argv, &o, &args, &count);
	if (code)
		return code;
	if (!o.name)
		return ctl_action_usage(action,
					"--name is needed: the DNS name of the machine that "
					"runs mtls-authd");
	if (!mtls_settings_host_valid(o.name))
		return ctl_action_usage(action, "'%s' is not a DNS name", o.name);
	if (!dir_valid(o.dir))
		return ctl_action_usage(action, "--dir needs an absolute path, without quotes, "
						"backslashes, '$' and a '/' at the end");
	struct init in = { .dir = o.dir, .name = o.name, .dry_run = o.dry_run };
	return o.json ? run_json(&in) : run(&in);
}

/* clang-format off */
static const struct ctl_action actions[] = {
	{ CMD, "", "--name SERVERNAME", "Makes, where they are missing: a CA for persons, another one for servers, the server's\n"
	  "certificate, an empty revocation list, and the first configuration. Nothing is overwritten",
	  0, 0, options, run_init },
};
/* clang-format on */

const struct ctl_command ctl_init = {
	.name = CMD,
	.help = "make CAs, the server's certificate and the first configuration",
	.actions = actions,
	.count = MTLS_COUNT(actions),
};
