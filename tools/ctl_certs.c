/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes into certs.d. Holds no state. */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "lib/base/str.h"
#include "tools/ctl_ca.h"
#include "tools/ctl_certs.h"

#define DIGEST_LEN 32

int ctl_certs_path(const char *dir, const uint8_t *spki_sha256, char out[PATH_MAX],
		   struct mtls_diag *diag)
{
	char hex[2 * DIGEST_LEN + 1];

	mtls_hex_encode(spki_sha256, DIGEST_LEN, hex);
	int n = snprintf(out, PATH_MAX, "%s/" CTL_CERTS_FOLDER "/%s.crt", dir, hex);
	return n < 0 || n >= PATH_MAX
		       ? mtls_diag_set(diag, -ENAMETOOLONG, "'%s': path too long", dir)
		       : 0;
}

static int make_folder(const char *dir, struct mtls_diag *diag)
{
	char path[PATH_MAX];

	if (ctl_dir_path(dir, CTL_CERTS_FOLDER, path) < 0)
		return mtls_diag_set(diag, -ENAMETOOLONG, "'%s': path too long", dir);
	if (mkdir(path, 0700) < 0)
		return errno == EEXIST
			       ? 0
			       : mtls_diag_set(diag, -errno, "cannot make the folder '%s': %s",
					       path, strerrordesc_np(errno));
	return chmod(path, 0755) < 0
		       ? mtls_diag_set(diag, -errno, "'%s': %s", path, strerrordesc_np(errno))
		       : 0;
}

int ctl_certs_write(const char *dir, const char *path, const struct mtls_buf *content,
		    struct mtls_diag *diag)
{
	const struct mtls_file_mode mode = { .mode = 0644, .uid = (uid_t)-1, .gid = (gid_t)-1 };

	if (content->err)
		return mtls_diag_set(diag, content->err, "%s", mtls_strerror(content->err));
	int r = make_folder(dir, diag);
	return r < 0 ? r : mtls_file_replace(path, content->data, content->len, &mode, diag);
}
