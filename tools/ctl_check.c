/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mtlsctl check: runs the parts, prints what they found. Changes nothing. */
#include <config.h>

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/str.h"
#include "lib/settings/settings.h"
#include "tools/ctl_action.h"
#include "tools/ctl_check.h"
#include "tools/ctl_common.h"
#include "tools/ctl_json.h"
#include "tools/ctl_status_services.h"
#include "tools/ctl_term.h"

#define CMD      "check"
#define DUMP_MAX (1024 * 1024)

static const char *const severities[CHECK_SEVERITIES] = {
	[CHECK_OK] = "ok",
	[CHECK_NOTE] = "note",
	[CHECK_WARNING] = "warning",
	[CHECK_ERROR] = "error",
};

const char *check_severity_name(enum check_severity severity)
{
	return severities[severity];
}

void check_add(struct check *check, enum check_severity severity, const char *area,
	       const char *advice, const char *fmt, ...)
{
	struct check_finding *grown =
		reallocarray(check->findings, check->count + 1, sizeof(*grown));

	/* An error counts even if it cannot be shown. */
	check->counts[severity]++;
	if (!grown) {
		check->err = -ENOMEM;
		return;
	}
	check->findings = grown;
	struct check_finding *finding = &grown[check->count++];
	*finding = (struct check_finding){ .severity = severity, .area = area, .advice = advice };
	char text[MTLS_DIAG_MAX];
	va_list ap;
	va_start(ap, fmt);
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		text[0] = '\0';
	va_end(ap);
	(void)mtls_diag_set(&finding->text, 0, "%s", text);
}

static void add_file(struct check *check, const char *path, bool there, int r,
		     const struct mtls_diag *diag)
{
	if (r >= 0)
		check_add(check, CHECK_OK, "configuration", NULL, "'%s'%s", path,
			  there ? "" : " is not there: defaults");
	else
		check_add(check, CHECK_ERROR, "configuration",
			  "see the manual page; 'mtlsctl check --dump-config' shows all keys", "%s",
			  mtls_diag_text(diag, r));
}

bool check_server_is_local(const struct check *check)
{
	if (!check->pam)
		return false;
	for (char **server = check->pam->client.servers; *server; server++)
		if (strncmp(*server, "unix:", 5) == 0)
			return true;
	return false;
}

void check_settings(struct check *check)
{
	char pam[PATH_MAX], authd[PATH_MAX], accountd[PATH_MAX];
	struct mtls_diag diag = { 0 };

	(void)snprintf(pam, sizeof(pam), "%s/pam_mtls.conf", check->dir);
	(void)snprintf(authd, sizeof(authd), "%s/authd.conf", check->dir);
	(void)snprintf(accountd, sizeof(accountd), "%s/accountd.conf", check->dir);

	int r = mtls_settings_accountd_load(accountd, &check->accountd, &diag);
	add_file(check, accountd, access(accountd, F_OK) == 0, r, &diag);
	/* A machine may only log in, or only verify: one of the two files can be missing. */
	int no_pam = mtls_settings_pam_load(pam, NULL, 0, NULL, &check->pam, &diag);
	if (no_pam != -ENOENT)
		add_file(check, pam, true, no_pam, &diag);
	int no_authd = mtls_settings_authd_load(authd, &check->authd, &diag);
	if (no_authd != -ENOENT)
		add_file(check, authd, true, no_authd, &diag);

	if (no_pam == -ENOENT)
		check_add(check, no_authd == -ENOENT ? CHECK_ERROR : CHECK_NOTE, "configuration",
			  "mtlsctl init", "'%s' does not exist: nobody logs in here by certificate",
			  pam);
	if (no_authd == -ENOENT)
		check_add(check, check_server_is_local(check) ? CHECK_ERROR : CHECK_NOTE,
			  "configuration", "mtlsctl init",
			  "'%s' does not exist: this machine runs no mtls-authd", authd);
}

static void print_text(const struct check *check)
{
	char clean[MTLS_DIAG_MAX + 4]; /* names in certificates are others' */

	for (size_t i = 0; i < check->count; i++) {
		const struct check_finding *f = &check->findings[i];
		(void)ctl_term_text(f->text.text, 0, clean, sizeof(clean));
		(void)printf("%-8s %-14s %s\n", severities[f->severity], f->area, clean);
		if (f->advice && f->severity >= CHECK_WARNING)
			(void)printf("%-8s %-14s -> %s\n", "", "", f->advice);
	}
	(void)printf("\n%zu errors, %zu warnings\n", check->counts[CHECK_ERROR],
		     check->counts[CHECK_WARNING]);
}

json_t *check_findings_json(const struct check *check, enum check_severity least)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < check->count; i++) {
		const struct check_finding *f = &check->findings[i];
		if (f->severity >= least &&
		    json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s?}", "severity",
							  severities[f->severity], "area", f->area,
							  "text", f->text.text, "advice",
							  f->advice)) < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static int print_json(const struct check *check)
{
	return ctl_json_print(json_pack("{s:o, s:I, s:I}", "findings",
					check_findings_json(check, CHECK_OK), "errors",
					(json_int_t)check->counts[CHECK_ERROR], "warnings",
					(json_int_t)check->counts[CHECK_WARNING]));
}

void check_done(struct check *check)
{
	mtls_settings_pam_free(check->pam);
	mtls_settings_authd_free(check->authd);
	mtls_settings_accountd_free(check->accountd);
	free(check->findings);
	*check = (struct check){ 0 };
}

static void look(struct check *check)
{
	check_settings(check);
	check_server(check);
	check_authorities(check);
	check_certs(check);
	check_system(check);
	check_connections(check);
	check_pam_services(check);
	check_sources(check);
	json_decref(status_services(check));
	check_ways_back(check);
}

static int run(const char *dir, bool json)
{
	struct check check = { .dir = dir, .now = time(NULL) };

	look(&check);
	int code = check.counts[CHECK_ERROR] ? CTL_DENIED : CTL_OK;
	if (check.err)
		code = ctl_error(CMD, "out of memory");
	else if (!json)
		print_text(&check);
	else if (print_json(&check) != CTL_OK)
		code = CTL_FAILED;
	check_done(&check);
	return code;
}

int check_errors(FILE *out, size_t *ret_errors, size_t *ret_warnings)
{
	struct check check = { .dir = MTLS_SYSCONFDIR, .now = time(NULL) };

	look(&check);
	for (size_t i = 0; i < check.count; i++) {
		const struct check_finding *f = &check.findings[i];
		if (f->severity == CHECK_ERROR)
			(void)fprintf(out, "mtlsctl: %s: %s%s%s\n", f->area, f->text.text,
				      f->advice ? " -> " : "", f->advice ? f->advice : "");
	}
	*ret_errors = check.counts[CHECK_ERROR];
	*ret_warnings = check.counts[CHECK_WARNING];
	int r = check.err;
	check_done(&check);
	return r;
}

static int dump(const char *dir, const char *service)
{
	static const char *const names[] = { "pam_mtls.conf", "authd.conf", "accountd.conf" };
	int code = CTL_OK;

	for (size_t i = 0; i < MTLS_COUNT(names); i++) {
		_cleanup_buf_ struct mtls_buf text = MTLS_BUF(DUMP_MAX);
		struct mtls_diag diag = { 0 };
		char path[PATH_MAX];
		(void)snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		int r = i == 0   ? mtls_settings_pam_dump(path, service, 0, NULL, &text, &diag)
			: i == 1 ? mtls_settings_authd_dump(path, &text, &diag)
				 : mtls_settings_accountd_dump(path, &text, &diag);
		const char *content = r < 0 ? NULL : mtls_buf_cstr(&text);
		if (r == -ENOENT) {
			(void)printf("# %s does not exist\n\n", path);
		} else if (!content) {
			code = ctl_error(CMD, "%s", mtls_diag_text(&diag, r < 0 ? r : -ENOMEM));
		} else {
			(void)printf("# %s\n%s\n", path, content);
		}
	}
	return code;
}

struct options {
	const char *dir, *service;
	bool dump, json;
};

static const struct ctl_option options[] = {
	CTL_OPTION(struct options, dir, "dir", "DIR", "instead of " MTLS_SYSCONFDIR),
	CTL_OPTION(struct options, dump, "dump-config", NULL,
		   "print every key with its value and source"),
	CTL_OPTION(struct options, service, "service", "SERVICE",
		   "the PAM service whose section is dumped"),
	CTL_OPTION(struct options, json, "json", NULL, "print one JSON object"),
	{ 0 },
};

static int run_check(const struct ctl_action *action, int argc, char **argv)
{
	struct options o = { .dir = MTLS_SYSCONFDIR };
	char **args;
	int count;

	int code = ctl_action_parse(action, argc, argv, &o, &args, &count);
	if (!code && (o.dir[0] != '/' || strlen(o.dir) > PATH_MAX - 64))
		code = ctl_action_usage(action, "--dir needs an absolute path");
	if (!code && o.service && !o.dump)
		code = ctl_action_usage(action, "--service is for --dump-config");
	if (code)
		return code;
	return o.dump ? dump(o.dir, o.service) : run(o.dir, o.json);
}

/* clang-format off */
static const struct ctl_action actions[] = {
	{ CMD, "", "", "Looks for mistakes in configuration, files and system, and says what to do about each.\n"
	  "Changes nothing. Exit code 3: there are errors",
	  0, 0, options, run_check },
};
/* clang-format on */

const struct ctl_command ctl_check = {
	.name = CMD,
	.help = "look for mistakes in configuration, files and system",
	.actions = actions,
	.count = MTLS_COUNT(actions),
};
