/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mtlsctl check: which PAM services use pam_mtls, and do they give it arguments that it takes. */
#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/str.h"
#include "tools/ctl_check.h"
#include "tools/ctl_pam_dir.h"

#define NAMES_MAX (256 * 1024)
#define RESCUE    "pam_mtls_rescue.so"

/* services=NAME,... of pam_mtls_rescue(8); the last one counts. */
static bool rescue_serves(const char *service, char *const *words)
{
	static const char key[] = "services=";
	bool serves = mtls_streq(service, "login");

	for (; *words; words++) {
		const char *word = *words;
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

static void check_rescue_line(struct check *check, const char *service,
			      const struct mtls_stack_line *line)
{
	if (line->type != MTLS_STACK_AUTH)
		return;
	if (rescue_serves(service, line->args))
		check->rescue_services++;
	else
		check_add(check, CHECK_WARNING, "pam",
			  "add services=login,SERVICE to the line, or remove it",
			  "service '%s': " RESCUE " takes codes in 'login' only, by its arguments",
			  service);
}

/* The arguments that a line gives to pam_mtls, and what comes of them. */
static void check_line(struct check *check, const char *service, const struct mtls_stack_line *line)
{
	const char *args[MTLS_STACK_WORDS_MAX];
	int count = 0;
	char path[PATH_MAX];
	(void)snprintf(path, sizeof(path), "%s/pam_mtls.conf", check->dir);
	bool other_file = false;
	for (char *const *word = line->args; *word && count < MTLS_STACK_WORDS_MAX; word++) {
		/* The module's own argument, see pam_mtls(8). */
		if (strncmp(*word, "config=", 7) == 0) {
			(void)snprintf(path, sizeof(path), "%s", *word + 7);
			other_file = true;
		} else {
			args[count++] = *word;
		}
	}
	if (!other_file && !check->pam)
		return;
	struct mtls_settings_pam *settings = NULL;
	struct mtls_diag diag = { 0 };
	int r = mtls_settings_pam_load(path, service, count, args, &settings, &diag);
	if (r < 0)
		check_add(check, CHECK_ERROR, "pam", "see pam_mtls(8)", "service '%s': %s", service,
			  mtls_diag_text(&diag, r));
	else if (line->type == MTLS_STACK_AUTH)
		check_service_sources(check, service, settings);
	mtls_settings_pam_free(settings);
}

static bool check_service_file(struct check *check, const char *name)
{
	_cleanup_(mtls_stack_freep) struct mtls_stack *stack = NULL;
	struct mtls_diag diag = { 0 };
	bool found = false;

	if (ctl_pam_load(NULL, name, &stack, &diag) < 0) {
		check_add(check, CHECK_NOTE, "pam", NULL, "%s", diag.text);
		return false;
	}
	for (size_t i = 0; i < stack->count; i++) {
		const struct mtls_stack_line *line = &stack->lines[i];
		if (line->kind != MTLS_STACK_CALL)
			continue;
		if (mtls_stack_is_module(line->target, RESCUE))
			check_rescue_line(check, name, line);
		if (!mtls_stack_is_module(line->target, MTLS_STACK_MODULE))
			continue;
		check_line(check, name, line);
		found = true;
	}
	return found;
}

void check_pam_services(struct check *check)
{
	_cleanup_buf_ struct mtls_buf names = MTLS_BUF(NAMES_MAX);
	struct dirent **list = NULL;

	int count = scandir(CTL_PAM_DIR, &list, NULL, alphasort);
	if (count < 0) {
		check_add(check, CHECK_NOTE, "pam", NULL, "'%s': %s", CTL_PAM_DIR,
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
			  CTL_PAM_DIR);
}
