/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads, judges and hands on accountd.conf. */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "accountd/configuration.h"
#include "lib/base/file.h"
#include "lib/settings/settings.h"

/* Nobody may change what the other child is about to read. */
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static int seal_text(const struct mtls_conf_source *source, int *ret_fd, struct mtls_diag *diag)
{
	_cleanup_close_ int fd = memfd_create("accountd.conf", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return mtls_diag_set(diag, -errno, "memfd_create: %s", strerrordesc_np(errno));
	int r = source->data ? mtls_fd_write_all(fd, source->data, source->len) : 0;
	if (r >= 0 && fcntl(fd, F_ADD_SEALS, SEALS) < 0)
		r = -errno;
	if (r < 0)
		return mtls_diag_set(diag, r, "cannot keep the settings: %s", mtls_strerror(r));
	*ret_fd = MTLS_TAKE_FD(fd);
	return 0;
}

static int find_user(const char *key, const char *name, uid_t *ret_uid, gid_t *ret_gid,
		     struct mtls_diag *diag)
{
	errno = 0;
	const struct passwd *pw = getpwnam(name);

	if (!pw)
		return mtls_diag_set(diag, MTLS_E_CONFIG,
				     "%s '%s' does not exist: systemd-sysusers mtls.conf", key,
				     name);
	if (pw->pw_uid == 0)
		return mtls_diag_set(diag, MTLS_E_CONFIG, "%s '%s' is root: it must be another",
				     key, name);
	*ret_uid = pw->pw_uid;
	*ret_gid = pw->pw_gid;
	return 0;
}

int configuration_load(const char *path, struct configuration **ret, struct mtls_diag *diag)
{
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(MTLS_CONF_FILE_MAX);
	struct mtls_conf_source source = { 0 };
	_cleanup_(configuration_freep) struct configuration *c = calloc(1, sizeof(*c));

	if (!c)
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	c->text_fd = -1;
	int r = mtls_settings_accountd_read(path, &text, &source, diag);
	if (r >= 0)
		r = mtls_settings_accountd_parse(&source, &c->settings, diag);
	if (r >= 0)
		r = seal_text(&source, &c->text_fd, diag);
	if (r >= 0)
		r = find_user("user", c->settings->user, &c->uid, &c->gid, diag);
	if (r >= 0)
		r = find_user("authd_user", c->settings->authd_user, &c->authd_uid, &c->authd_gid,
			      diag);
	if (r < 0)
		return r;
	*ret = MTLS_TAKE(c);
	return 0;
}

void configuration_free(struct configuration *configuration)
{
	if (!configuration)
		return;
	mtls_settings_accountd_free(configuration->settings);
	if (configuration->text_fd >= 0)
		(void)close(configuration->text_fd);
	free(configuration);
}

int configuration_inherit(int fd, struct mtls_settings_accountd **ret, struct mtls_diag *diag)
{
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(MTLS_CONF_FILE_MAX);
	struct mtls_conf_source source = { .name = "accountd.conf" };
	struct stat st;

	if (fstat(fd, &st) < 0)
		return mtls_diag_set(diag, -errno, "settings: %s", strerrordesc_np(errno));
	if (st.st_size < 0 || st.st_size > MTLS_CONF_FILE_MAX)
		return mtls_diag_set(diag, MTLS_E_LIMIT, "settings: too long");
	int r = mtls_buf_reserve(&text, (size_t)st.st_size);
	if (r < 0)
		return mtls_diag_set(diag, r, "settings: %s", mtls_strerror(r));
	/* pread: the children share the file's position. */
	if (pread(fd, text.data, (size_t)st.st_size, 0) != st.st_size)
		return mtls_diag_set(diag, -EIO, "settings: cannot be read");
	text.len = (size_t)st.st_size;
	if (text.len) {
		source.data = text.data;
		source.len = text.len;
	}
	return mtls_settings_accountd_parse(&source, ret, diag);
}
