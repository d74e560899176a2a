/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A table of the arguments. Pure. */
#include <config.h>

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/str.h"
#include "pam_mtls_rescue/options.h"

/* The defaults of local_ttys in pam_mtls.conf(5), but that file is not read here. */
#define DEFAULT_SERVICES "login"
#define DEFAULT_TTYS     "tty[1-9],tty[1-5][0-9],tty6[0-3],ttyS*"

static const struct option_row {
	const char *name;
	bool is_list;
	const char *def;
	size_t offset;
} rows[] = {
	{ "services", true, DEFAULT_SERVICES, offsetof(struct options, services) },
	{ "ttys", true, DEFAULT_TTYS, offsetof(struct options, ttys) },
	{ "echo", false, NULL, offsetof(struct options, echo) },
	{ "debug", false, NULL, offsetof(struct options, debug) },
};

static void *field(struct options *options, const struct option_row *row)
{
	return (char *)options + row->offset;
}

/* Replaces *@list by the parts of @text; none may be empty. */
static int split(const char *text, char ***list)
{
	_cleanup_(mtls_strv_freep) char **parts = NULL;
	size_t len;
	for (const char *part; (part = mtls_split_next(&text, ',', &len));) {
		_cleanup_free_ char *copy = strndup(part, len);
		if (len == 0)
			return MTLS_E_CONFIG;
		if (!copy || mtls_strv_add(&parts, copy) < 0)
			return -ENOMEM;
	}
	mtls_strv_free(*list);
	*list = MTLS_TAKE(parts);
	return 0;
}

static int take(const char *arg, struct options *options)
{
	size_t name_len = strcspn(arg, "=");
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		const struct option_row *row = &rows[i];
		if (strlen(row->name) != name_len || memcmp(row->name, arg, name_len) != 0 ||
		    row->is_list != (arg[name_len] == '='))
			continue;
		if (row->is_list)
			return split(arg + name_len + 1, field(options, row));
		*(bool *)field(options, row) = true;
		return 0;
	}
	return MTLS_E_CONFIG;
}

int options_parse(int argc, const char **argv, struct options *ret, struct mtls_diag *diag)
{
	_cleanup_(options_done) struct options options = { 0 };
	for (size_t i = 0; i < MTLS_COUNT(rows); i++)
		if (rows[i].is_list && split(rows[i].def, field(&options, &rows[i])) < 0)
			return mtls_diag_set(diag, -ENOMEM, "out of memory");
	for (int i = 0; i < argc; i++) {
		int r = argv && argv[i] ? take(argv[i], &options) : MTLS_E_CONFIG;
		if (r < 0)
			return mtls_diag_set(diag, r, "argument '%s': %s",
					     argv && argv[i] ? argv[i] : "",
					     r == MTLS_E_CONFIG ? "not known, or a value missing"
								: mtls_strerror(r));
	}
	*ret = options;
	options = (struct options){ 0 };
	return 0;
}

void options_done(struct options *options)
{
	mtls_strv_free(options->services);
	mtls_strv_free(options->ttys);
	*options = (struct options){ 0 };
}

bool options_has_service(const struct options *options, const char *service)
{
	for (char *const *p = options->services; p && *p; p++)
		if (mtls_streq(*p, service))
			return true;
	return false;
}
