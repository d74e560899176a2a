/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mtlsctl check: where keys come from. The programs that use them, the modules which those load (a
 * module that somebody else can write runs as whoever uses sudo next), and services that no source
 * can serve. Nothing is loaded.
 */
#include <config.h>

#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/cleanup.h"
#include "lib/base/str.h"
#include "signer/start.h"
#include "tools/ctl_check.h"

#define OWN_IT "chown root:root and chmod go-w, or install the module where root alone writes"
#define REPAIR "install pam-mtls again"

/* --- programs --- */

static void check_program(struct check *check, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		check_add(check, CHECK_ERROR, "signer", REPAIR, "'%s': %s", path,
			  strerrordesc_np(errno));
	else if (!S_ISREG(st.st_mode) || st.st_uid != 0 ||
		 (st.st_mode & (S_ISUID | S_ISGID | S_IWGRP | S_IWOTH)) || !(st.st_mode & S_IXOTH))
		check_add(check, CHECK_ERROR, "signer", "chown root:root and chmod 0711",
			  "'%s' has owner %u, mode %04o", path, (unsigned int)st.st_uid,
			  (unsigned int)st.st_mode & 07777);
	else
		check_add(check, CHECK_OK, "signer", NULL, "'%s'", path);
}

/* --- modules --- */

static bool owned_by_root(struct check *check, const char *module, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0) {
		check_add(check, CHECK_ERROR, "modules", OWN_IT, "module '%s': %s", module,
			  strerrordesc_np(errno));
		return false;
	}
	if (st.st_uid == 0 && !(st.st_mode & (S_IWGRP | S_IWOTH)))
		return true;
	check_add(check, CHECK_ERROR, "modules", OWN_IT,
		  "module '%s': '%s' has owner %u, mode %04o: others could replace it", module,
		  path, (unsigned int)st.st_uid, (unsigned int)st.st_mode & 07777);
	return false;
}

/* @path and each folder on the way to it. */
static bool path_is_roots(struct check *check, const char *module, const char *path)
{
	char folder[PATH_MAX];

	if (strlen(path) >= sizeof(folder))
		return false;
	for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		memcpy(folder, path, (size_t)(slash - path));
		folder[slash - path] = '\0';
		if (!owned_by_root(check, module, folder))
			return false;
	}
	return owned_by_root(check, module, path);
}

/* By its first bytes: loading it would run it. */
static bool is_library(const char *path)
{
	static const char magic[] = { 0x7f, 'E', 'L', 'F' };
	char head[sizeof(magic)] = "";
	_cleanup_fclose_ FILE *file = fopen(path, "re");

	return file && fread(head, 1, sizeof(head), file) == sizeof(head) &&
	       memcmp(head, magic, sizeof(magic)) == 0;
}

static void check_module_file(struct check *check, const char *path, const char *advice)
{
	_cleanup_free_ char *real = realpath(path, NULL);

	if (!real) {
		check_add(check, CHECK_ERROR, "modules", advice, "module '%s': %s", path,
			  strerrordesc_np(errno));
		return;
	}
	/* The way that is written down, and, where links are on it, the other one. */
	if (!path_is_roots(check, path, path))
		return;
	if (!mtls_streq(path, real) && !path_is_roots(check, path, real))
		return;
	if (is_library(real))
		check_add(check, CHECK_OK, "modules", NULL, "module '%s'", path);
	else
		check_add(check, CHECK_ERROR, "modules", advice, "module '%s' is no shared library",
			  path);
}

/* --- services --- */

/* What runs as root, or as a locker does: pam_mtls(8), "WHOSE KEY". Patterns of names. */
static const char *const without_sockets[] = { "login",    "gdm-*", "lightdm*", "sddm*",
					       "xdm",      "lxdm",  "greetd",   "i3lock",
					       "swaylock", "vlock", "physlock" };

static bool takes_sockets(const char *service)
{
	for (size_t i = 0; service && i < MTLS_COUNT(without_sockets); i++)
		if (fnmatch(without_sockets[i], service, 0) == 0)
			return false;
	return true;
}

static bool serves(const struct mtls_settings_pam *settings, const char *service,
		   enum mtls_source_kind kind)
{
	switch (kind) {
	case MTLS_SOURCE_FILE:
		return true;
	case MTLS_SOURCE_PKCS11:
		return settings->pkcs11_modules && settings->pkcs11_modules[0];
	case MTLS_SOURCE_P11_KIT:
		return takes_sockets(service);
	case MTLS_SOURCE_AGENT: /* never asks for a secret */
		return !service ||
		       (takes_sockets(service) &&
			!mtls_settings_presence_required(settings->presence, service, kind));
	case MTLS_SOURCES:
	default:
		return false;
	}
}

/* @service NULL: any. Whether one of the sources can have a key there. */
static bool note_sources(struct check *check, const char *service,
			 const struct mtls_settings_pam *settings)
{
	bool served = false;

	for (char **word = settings->sources; word && *word; word++) {
		int kind = mtls_source_from_word(*word);
		if (kind < 0 || !serves(settings, service, (enum mtls_source_kind)kind))
			continue;
		check->sources[kind] = true;
		served = true;
	}
	return served;
}

void check_service_sources(struct check *check, const char *service,
			   const struct mtls_settings_pam *settings)
{
	if (!note_sources(check, service, settings))
		check_add(check, CHECK_WARNING, "pam",
			  "add file to its sources, or pkcs11 with pkcs11_modules: pam_mtls(8)",
			  "service '%s': none of its sources can have a key there", service);
}

void check_sources(struct check *check)
{
	if (!check->pam)
		return;
	(void)note_sources(check, NULL, check->pam);
	check_program(check, MTLS_SIGNER_PATH);
	if (check->sources[MTLS_SOURCE_PKCS11] || check->sources[MTLS_SOURCE_P11_KIT])
		check_program(check, MTLS_SIGNER_TOKEN);
	if (check->sources[MTLS_SOURCE_AGENT])
		check_program(check, MTLS_SIGNER_AGENT);
	for (char **path = check->pam->pkcs11_modules; path && *path; path++)
		check_module_file(check, *path,
				  "install the driver, or take it out of pkcs11_modules");
	const char *client = check->pam->p11_kit_client;
	if (check->sources[MTLS_SOURCE_P11_KIT])
		check_module_file(
			check, client ? client : MTLS_P11_KIT_CLIENT,
			"install p11-kit-client.so (p11-kit-modules), or set p11_kit_client");
}
