/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A PAM module that does in the host program what pam_mtls must not do: open=PATH, connect=PATH,
 * load=PATH. So that a search for such things is seen to find them.
 */
#include <config.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <security/pam_modules.h>

#define EXPORT __attribute__((visibility("default")))

static void connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (strlen(path) < sizeof(address.sun_path))
		memcpy(address.sun_path, path, strlen(path) + 1);
	(void)!connect(fd, (struct sockaddr *)&address, sizeof(address));
	(void)close(fd);
}

static void obey(const char *order)
{
	const char *path = strchr(order, '=');

	if (!path++)
		return;
	if (strncmp(order, "open=", 5) == 0)
		(void)close(open(path, O_RDONLY | O_CLOEXEC));
	else if (strncmp(order, "connect=", 8) == 0)
		connect_to(path);
	else if (strncmp(order, "load=", 5) == 0)
		(void)dlopen(path, RTLD_NOW | RTLD_LOCAL);
}

EXPORT int pam_sm_authenticate(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	(void)pamh;
	(void)flags;
	for (int i = 0; i < argc; i++)
		obey(argv[i]);
	return PAM_IGNORE;
}

EXPORT int pam_sm_setcred(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	(void)pamh;
	(void)flags;
	(void)argc;
	(void)argv;
	return PAM_IGNORE;
}
