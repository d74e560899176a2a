/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads what `mtlsctl init` made. Holds no state. */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "tools/ctl_ca.h"

int ctl_dir_path(const char *dir, const char *name, char out[PATH_MAX])
{
	int n = snprintf(out, PATH_MAX, "%s%s%s", dir, *name ? "/" : "", name);
	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

static int read_part(const char *dir, const char *name, bool is_secret, struct mtls_buf *out,
		     struct mtls_diag *diag)
{
	const struct mtls_file_trust trust = { .owner = geteuid(), .secret = is_secret };
	char path[PATH_MAX];

	if (ctl_dir_path(dir, name, path) < 0)
		return mtls_diag_set(diag, -ENAMETOOLONG, "'%s': path too long", dir);
	return mtls_file_read(path, &trust, out, diag);
}

int ctl_pair_read(const char *dir, const char *crt, const char *key, struct ctl_pair *ret,
		  struct mtls_diag *diag)
{
	_cleanup_buf_ struct mtls_buf crt_pem = MTLS_BUF(CTL_PEM_MAX);
	_cleanup_buf_ struct mtls_buf key_pem = MTLS_BUF_SECRET(CTL_PEM_MAX);
	struct mtls_diag why = { 0 };

	int r = read_part(dir, crt, false, &crt_pem, diag);
	if (r >= 0)
		r = read_part(dir, key, true, &key_pem, diag);
	if (r < 0)
		return r;
	r = ctl_pair_load(&crt_pem, &key_pem, ret, &why);
	return r < 0 ? mtls_diag_set(diag, r, "'%s/%s' and '%s/%s': %s", dir, crt, dir, key,
				     why.text)
		     : 0;
}
