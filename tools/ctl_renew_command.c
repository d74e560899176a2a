/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * renew_command of authd.conf: a program of the administrator's that brings a certificate for the
 * server's key. It finds a signed request and says where the certificate goes by its environment;
 * what it brings is judged by who asked for it. The folder is root's alone, and removed.
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
#include "tools/ctl_program.h"
#include "tools/ctl_renew.h"
#include "tools/ctl_term.h"

#define NAMES_MAX      16
#define NAME_MAX_BYTES 256
#define REQUEST        "request.pem"
#define OUTPUT         "certificate.pem"

/* Those of the old certificate; the first is the request's CN too. */
static int names_of(gnutls_x509_crt_t crt, char ***ret)
{
	char name[NAME_MAX_BYTES];

	for (unsigned int i = 0; i < NAMES_MAX; i++) {
		size_t len = sizeof(name) - 1;
		int rc = gnutls_x509_crt_get_subject_alt_name(crt, i, name, &len, NULL);
		if (rc == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
			return 0;
		if (rc != GNUTLS_SAN_DNSNAME)
			continue;
		name[len] = '\0';
		if (mtls_strv_add(ret, name) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int write_request(const struct ctl_pair *server, char *const *names, const char *path,
			 struct mtls_diag *diag)
{
	const struct mtls_file_mode mode = { .mode = 0600, .uid = (uid_t)-1, .gid = (gid_t)-1 };
	_cleanup_buf_ struct mtls_buf der = MTLS_BUF(CTL_PEM_MAX);
	gnutls_datum_t pem = { NULL, 0 };

	int r = ctl_request_make(server->key, names && *names ? *names : "server",
				 (const char *const *)names, &der, diag);
	if (r < 0)
		return r;
	const gnutls_datum_t data = { der.data, (unsigned int)der.len };
	if (gnutls_pem_base64_encode2("CERTIFICATE REQUEST", &data, &pem) < 0)
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	r = mtls_file_replace(path, pem.data, pem.size, &mode, diag);
	gnutls_free(pem.data);
	return r;
}

static int add_variable(char ***environment, const char *name, const char *value)
{
	_cleanup_free_ char *text = NULL;

	if (asprintf(&text, "%s=%s", name, value) < 0) {
		text = NULL;
		return -ENOMEM;
	}
	return mtls_strv_add(environment, text);
}

static int make_environment(const struct renew *rn, char *const *names, const char *request,
			    const char *output, char ***ret)
{
	const struct {
		const char *name, *value;
	} rows[] = {
		{ "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" },
		{ "LC_ALL", "C.UTF-8" },
		{ "MTLS_REQUEST", request },
		{ "MTLS_OUTPUT", output },
		{ "MTLS_CERTIFICATE", rn->authd->certificate },
		{ "MTLS_PRIVATE_KEY", rn->authd->private_key },
		{ "MTLS_SERVER_NAME", names && *names ? *names : "" },
	};
	int r = 0;

	for (size_t i = 0; i < MTLS_COUNT(rows) && r >= 0; i++)
		r = add_variable(ret, rows[i].name, rows[i].value);
	return r;
}

static int run_in(const struct renew *rn, const struct ctl_pair *server, const char *request,
		  const char *output, struct mtls_buf *pem, struct mtls_diag *diag)
{
	_cleanup_(mtls_strv_freep) char **names = NULL;
	_cleanup_(mtls_strv_freep) char **environment = NULL;
	const struct mtls_file_trust trust = { .owner = geteuid() };

	int r = names_of(server->crt, &names);
	if (r >= 0)
		r = make_environment(rn, names, request, output, &environment);
	if (r < 0)
		return mtls_diag_set(diag, r, "%s", mtls_strerror(r));
	r = write_request(server, names, request, diag);
	if (r < 0)
		return r;
	ctl_progress("running '%s' ...", rn->authd->renew_command[0]);
	r = ctl_program_run(rn->authd->renew_command, environment, rn->authd->renew_timeout_ms,
			    diag);
	if (r < 0)
		return r;
	r = mtls_file_read(output, &trust, pem, diag);
	return r == -ENOENT ? mtls_diag_set(diag, r, "'%s' brought no certificate",
					    rn->authd->renew_command[0])
			    : r;
}

int renew_by_command(const struct renew *rn, const struct ctl_pair *server, struct mtls_buf *pem,
		     struct mtls_diag *diag)
{
	char folder[PATH_MAX], request[PATH_MAX + 32], output[PATH_MAX + 32];

	int n = snprintf(folder, sizeof(folder), "%s/private/renew.XXXXXX", rn->dir);
	if (n < 0 || (size_t)n >= sizeof(folder))
		return mtls_diag_set(diag, -ENAMETOOLONG, "'%s': path too long", rn->dir);
	if (!mkdtemp(folder))
		return mtls_diag_set(diag, -errno, "cannot make the folder '%s': %s", folder,
				     strerrordesc_np(errno));
	(void)snprintf(request, sizeof(request), "%s/" REQUEST, folder);
	(void)snprintf(output, sizeof(output), "%s/" OUTPUT, folder);
	int r = run_in(rn, server, request, output, pem, diag);
	(void)unlink(request);
	(void)unlink(output);
	if (rmdir(folder) < 0)
		ctl_progress("'%s' is left: the command put something else there", folder);
	return r;
}
