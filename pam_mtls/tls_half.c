/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Opens the TLS half. dlopen() counts references itself and is thread-safe; nothing is cached here.
 */
#include <config.h>

#include <dlfcn.h>

#include "pam_mtls/tls_half.h"

int tls_half_open(const char *path, const struct half_ops **ret, struct mtls_diag *diag)
{
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	if (!handle)
		return mtls_diag_set(diag, MTLS_E_CONFIG, "%s", dlerror());
	const struct half_ops *ops = dlsym(handle, MTLS_HALF_SYMBOL);
	if (!ops)
		return mtls_diag_set(diag, MTLS_E_CONFIG, "%s: no symbol %s", path,
				     MTLS_HALF_SYMBOL);
	if (ops->abi != MTLS_HALF_ABI || ops->size != sizeof(*ops))
		return mtls_diag_set(
			diag, MTLS_E_VERSION,
			"%s: version %u, expected %u; a program that was running during "
			"an upgrade has to be restarted",
			path, ops->abi, MTLS_HALF_ABI);
	*ret = ops;
	return 0;
}
