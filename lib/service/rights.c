/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Giving up root, or what makes it root. Every step is looked at again: there is no way back. */
#include <config.h>

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/service/rights.h"

/*
 * An exec as uid 0 would get them all back; uid 0 is then a number like others. A container may
 * have no CAP_SETPCAP: no_new_privs and the sandbox, which knows no exec, say the same.
 */
static int drop_bounding_set(void)
{
	for (unsigned long cap = 0; cap < 64; cap++) {
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) != 1)
			continue; /* not there, or not a capability of this kernel */
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return errno == EPERM ? 0 : -errno;
	}
	const unsigned long bits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
				   SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
				   SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
	return prctl(PR_SET_SECUREBITS, bits, 0, 0, 0) < 0 ? -errno : 0;
}

static int drop_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capset, &header, data) < 0)
		return -errno;
	memset(data, 0xff, sizeof(data));
	if (syscall(SYS_capget, &header, data) < 0)
		return -errno;
	for (size_t i = 0; i < MTLS_COUNT(data); i++)
		if (data[i].effective || data[i].permitted || data[i].inheritable)
			return MTLS_E_BUG;
	return 0;
}

static int become(uid_t uid, gid_t gid)
{
	uid_t r, e, s;
	gid_t rg, eg, sg;

	if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
		return -errno;
	bool gone = getresuid(&r, &e, &s) == 0 && r == uid && e == uid && s == uid &&
		    getresgid(&rg, &eg, &sg) == 0 && rg == gid && eg == gid && sg == gid &&
		    getgroups(0, NULL) == 0;
	return gone ? 0 : MTLS_E_BUG;
}

int mtls_rights_give_up(uid_t uid, gid_t gid, struct mtls_diag *diag)
{
	int r = drop_bounding_set();

	if (r >= 0)
		r = become(uid, gid);
	if (r >= 0)
		r = drop_capabilities();
	if (r < 0)
		return mtls_diag_set(diag, r, "cannot give up rights: %s", mtls_strerror(r));
	/* Must fail. */
	if (uid != 0 && (setuid(0) == 0 || setresuid((uid_t)-1, 0, (uid_t)-1) == 0))
		return mtls_diag_set(diag, MTLS_E_BUG, "root was not given up");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
		return mtls_diag_set(diag, -errno, "prctl: %s", strerrordesc_np(errno));
	return 0;
}
