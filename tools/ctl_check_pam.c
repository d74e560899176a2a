/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mtlsctl check: which PAM services use pam_mtls, and do they give it arguments that it takes.
 * Reads /etc/pam.d as pam.conf(5) has it: continued lines, arguments in brackets.
 */
#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/str.h"
#include "tools/ctl_check.h"

#define PAM_DIR  "/etc/pam.d"
#define FILE_MAX (256 * 1024)
#define ARGS_MAX 128
#define MODULE   "pam_mtls.so"
#define RESCUE   "pam_mtls_rescue.so"

/* The next word; one in brackets without them, "\]" in it being "]". NULL at the end. */
static char *next_word(char **cursor)
{
	char *p = *cursor + strspn(*cursor, " \t");
	char *start = p, *out = p;

	if (!*p)
		return NULL;
	if (*p != '[') {
		p += strcspn(p, " \t");
		*cursor = *p ? p + 1 : p;
		*p = '\0';
		return start;
	}
	for (p++; *p && *p != ']'; p++) {
		if (p[0] == '\\' && p[1] == ']')
			p++;
		*out++ = *p;
	}
	*cursor = *p ? p + 1 : p;
	*out = '\0';
	return start;
}

static bool is_module(const char *path, const char *name)
{
	const char *slash = strrchr(path, '/');

	return mtls_streq(slash ? slash + 1 : path, name);
}

/* services=NAME,... of pam_mtls_rescue(8); the last one counts. */
static bool rescue_serves(const char *service, char *cursor)
{
	static const char key[] = "services=";
	bool serves = mtls_streq(service, "login");

	for (const char *word; (word = next_word(&cursor));) {
		size_t len;
		if (strncmp(word, key, sizeof(key) - 1) != 0)
			continue;
		word += sizeof(key) - 1;
		serves = false;
		for (const char *name; (name = mtls_split_next(&word, ',', &len));)
			serves |= strlen(service) == len && memcmp(service, name, len) == 0;
	}
	return serves;
}

static void check_rescue_line(struct check *check, const char *service, const char *type,
			      char *cursor)
{
	if (!mtls_streq(type, "auth") && !mtls_streq(type, "-auth"))
		return;
	if (rescue_serves(service, cursor))
		check->rescue_services++;
	else
		check_add(check, CHECK_WARNING, "pam",
			  "add services=login,SERVICE to the line, or remove it",
			  "service '%s': " RESCUE " takes codes in 'login' only, by its arguments",
			  service);
}

/* type, control, module, arguments. True if the module is ours. */
static bool check_line(struct check *check, const char *service, char *line)
{
	const char *args[ARGS_MAX];
	int count = 0;
	char *cursor = line;

	const char *type = next_word(&cursor);
	const char *control = type ? next_word(&cursor) : NULL;
	const char *module = control ? next_word(&cursor) : NULL;
	if (module && is_module(module, RESCUE))
		check_rescue_line(check, service, type, cursor);
	if (!module || !is_module(module, MODULE))
		return false;
	char path[PATH_MAX];
	(void)snprintf(path, sizeof(path), "%s/pam_mtls.conf", check->dir);
	bool other_file = false;
	for (const char *word; count < ARGS_MAX && (word = next_word(&cursor));) {
		/* The module's own argument, see pam_mtls(8). */
		if (strncmp(word, "config=", 7) == 0) {
			(void)snprintf(path, sizeof(path), "%s", word + 7);
			other_file = true;
		} else {
			args[count++] = word;
		}
	}
	if (!other_file && (!count || !check->pam))
		return true;
	struct mtls_settings_pam *settings = NULL;
	struct mtls_diag diag = { 0 };
	int r = mtls_settings_pam_load(path, service, count, args, &settings, &diag);
	if (r < 0)
		check_add(check, CHECK_ERROR, "pam", "see pam_mtls(8)", "service '%s': %s", service,
			  mtls_diag_text(&diag, r));
	mtls_settings_pam_free(settings);
	return true;
}

static bool check_text(struct check *check, const char *service, char *text)
{
	bool found = false;

	/* A backslash at the end continues the line. */
	for (char *p = text; (p = strstr(p, "\\\n"));)
		p[0] = p[1] = ' ';
	char *rest = NULL;
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		line += strspn(line, " \t");
		line[strcspn(line, "#")] = '\0';
		found |= check_line(check, service, line);
	}
	return found;
}

static bool check_service_file(struct check *check, const char *name)
{
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(FILE_MAX);
	char path[PATH_MAX];
	struct mtls_diag diag = { 0 };

	(void)snprintf(path, sizeof(path), PAM_DIR "/%s", name);
	/* Not ours to judge, and links are usual here: read it however it is. */
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	int r = f ? mtls_fd_read_all(fileno(f), &text) : -errno;
	if (r < 0 || !mtls_buf_cstr(&text)) {
		check_add(check, CHECK_NOTE, "pam", NULL, "'%s' cannot be read: %s", path,
			  mtls_diag_text(&diag, r < 0 ? r : -ENOMEM));
		return false;
	}
	return check_text(check, name, (char *)text.data);
}

void check_pam_services(struct check *check)
{
	_cleanup_buf_ struct mtls_buf names = MTLS_BUF(FILE_MAX);
	struct dirent **list = NULL;

	int count = scandir(PAM_DIR, &list, NULL, alphasort);
	if (count < 0) {
		check_add(check, CHECK_NOTE, "pam", NULL, "'%s': %s", PAM_DIR,
			  strerrordesc_np(errno));
		return;
	}
	for (int i = 0; i < count; i++) {
		const char *name = list[i]->d_name;
		if (name[0] != '.' && check_service_file(check, name))
			(void)mtls_buf_printf(&names, " %s", name);
		free(list[i]);
	}
	free(list);
	const char *text = mtls_buf_cstr(&names);
	if (text && *text)
		check_add(check, CHECK_OK, "pam", NULL, "services that use pam_mtls:%s", text);
	else
		check_add(check, CHECK_NOTE, "pam", NULL, "no service in %s uses pam_mtls",
			  PAM_DIR);
}
