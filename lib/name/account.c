/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Grammar of account names and of an owned account's text fields. Pure: no locale, no allocation.
 *
 * nss_mtls asks these questions anew for every answer that it gives, so a field is read once,
 * through one table of what a byte may be.
 */
#include <config.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/str.h"
#include "lib/name/account.h"

/*
 * Names that mean something to the system: Debian's base-passwd, groups that give rights (an owned
 * account brings a group of its name), and accounts that packaged daemons create. Sorted by bytes,
 * which a test checks. @n is handed through to X.
 */
/* clang-format off */
#define RESERVED(X, n) \
	X("Debian-exim", n) X("Debian-snmp", n) X("adm", n) X("admin", n) X("audio", n) \
	X("avahi", n) X("backup", n) X("bin", n) X("bind", n) X("bluetooth", n) X("cdrom", n) \
	X("chrony", n) X("colord", n) X("crontab", n) X("daemon", n) X("dbus", n) \
	X("dhcpcd", n) X("dialout", n) X("dip", n) X("disk", n) X("dnsmasq", n) \
	X("docker", n) X("dovecot", n) X("dovenull", n) X("fax", n) X("floppy", n) \
	X("fwupd-refresh", n) X("games", n) X("gdm", n) X("geoclue", n) X("gnats", n) \
	X("halt", n) X("haproxy", n) X("incus", n) X("incus-admin", n) X("input", n) \
	X("irc", n) X("kmem", n) X("kvm", n) X("libvirt", n) X("libvirt-qemu", n) \
	X("lightdm", n) X("list", n) X("lp", n) X("lpadmin", n) X("lxd", n) X("mail", n) \
	X("man", n) X("memcache", n) X("messagebus", n) X("mtls-accountd", n) \
	X("mtls-authd", n) X("mtls-signer", n) X("mtls-ssh-keys", n) X("munge", n) \
	X("mysql", n) X("netdev", n) X("news", n) X("nfsnobody", n) X("nobody", n) \
	X("nogroup", n) X("nslcd", n) X("nslcd-user", n) X("ntp", n) X("ntpsec", n) \
	X("nvpd", n) X("openldap", n) X("operator", n) X("pcscd", n) X("plugdev", n) \
	X("polkitd", n) X("postdrop", n) X("postfix", n) X("postgres", n) X("proxy", n) \
	X("pulse", n) X("rabbitmq", n) X("radvd", n) X("redis", n) X("render", n) \
	X("root", n) X("rpc", n) X("rtkit", n) X("sambashare", n) X("saned", n) X("sasl", n) \
	X("scanner", n) X("sddm", n) X("sgx", n) X("shadow", n) X("shutdown", n) \
	X("speech-dispatcher", n) X("src", n) X("ssh", n) X("sshd", n) X("ssl-cert", n) \
	X("sssd", n) X("staff", n) X("statd", n) X("stunnel4", n) X("sudo", n) X("sync", n) \
	X("sys", n) X("syslog", n) X("tape", n) X("tcpdump", n) X("tomcat", n) X("tss", n) \
	X("tty", n) X("unbound", n) X("usbmux", n) X("users", n) X("utmp", n) X("uucp", n) \
	X("uuidd", n) X("video", n) X("voice", n) X("wheel", n) X("whoopsie", n) \
	X("wireshark", n) X("www-data", n) X("xrdp", n) X("zabbix", n)
/* clang-format on */

#define AS_ELEMENT(name, n) name,
static const char *const reserved[] = { RESERVED(AS_ELEMENT, 0) };

/*
 * With which characters the reserved names of a length begin and end, as sets of bits that the
 * compiler makes from the list: nearly every other name is told by them, without a search.
 */
#define BIT(c)             (UINT64_C(1) << (((c)&31) + ((c)&64 ? 32 : 0)))
#define AS_FIRST(name, n)  | (sizeof(name) == (n) + 1 ? BIT((name)[0]) : 0)
#define AS_LAST(name, n)   | (sizeof(name) == (n) + 1 ? BIT((name)[sizeof(name) - 2]) : 0)
#define AS_LONGER(name, n) || sizeof(name) > (n) + 1
#define ENDS(n)                                                                                    \
	{                                                                                          \
		0 RESERVED(AS_FIRST, n), 0 RESERVED(AS_LAST, n)                                    \
	}
#define LONGEST 17

static const struct {
	uint64_t first, last;
} reserved_ends[LONGEST + 1] = {
	ENDS(0), ENDS(1),  ENDS(2),  ENDS(3),  ENDS(4),  ENDS(5),  ENDS(6),  ENDS(7),  ENDS(8),
	ENDS(9), ENDS(10), ENDS(11), ENDS(12), ENDS(13), ENDS(14), ENDS(15), ENDS(16), ENDS(17),
};
_Static_assert(!(0 RESERVED(AS_LONGER, LONGEST)), "a reserved name is longer than the table");

/* What a byte may be in names and texts. */
enum {
	FORBIDDEN = 1, /* in a text: control characters, and the separator of passwd(5)'s fields */
	HIGH = 2,      /* a part of a character of several bytes */
	SLASH = 4,
	AFTER_SLASH = 8, /* what makes "//" or may make "/.." */
	OWN_FIRST = 16,
	OWN = 32,
	ANY_FIRST = 64,
	ANY = 128,
};

/* clang-format off */
static const uint8_t class_of[256] = {
	[0x00 ... 0x1f] = FORBIDDEN,
	['-'] = OWN | ANY,
	['.'] = ANY | AFTER_SLASH,
	['/'] = SLASH | AFTER_SLASH,
	['0' ... '9'] = OWN | ANY,
	[':'] = FORBIDDEN,
	['@'] = ANY,
	['A' ... 'Z'] = ANY_FIRST | ANY,
	['_'] = OWN_FIRST | OWN | ANY_FIRST | ANY,
	['a' ... 'z'] = OWN_FIRST | OWN | ANY_FIRST | ANY,
	[0x7f] = FORBIDDEN,
	[0x80 ... 0xff] = HIGH,
};
/* clang-format on */

/* The first byte is of class @first, all are of class @rest. */
static bool is_name(const char *name, size_t len, uint8_t first, uint8_t rest)
{
	const uint8_t *bytes = (const uint8_t *)name;
	uint8_t all = rest;

	for (size_t i = 0; i < len; i++)
		all &= class_of[bytes[i]];
	return all && (class_of[bytes[0]] & first);
}

bool mtls_account_name_valid(const char *name, size_t len)
{
	return name && len > 0 && len <= MTLS_ACCOUNT_NAME_MAX &&
	       is_name(name, len, ANY_FIRST, ANY);
}

struct span {
	const char *text;
	size_t len;
};

static int compare_name(const void *key, const void *element)
{
	const struct span *span = key;
	const char *name = *(const char *const *)element;
	size_t len = strlen(name);
	size_t common = span->len < len ? span->len : len;

	int r = memcmp(span->text, name, common);
	if (r)
		return r;
	return (span->len > len) - (span->len < len);
}

/* False: it is not in the list. */
static bool may_be_listed(const char *name, size_t len)
{
	uint8_t first = (uint8_t)name[0], last = (uint8_t)name[len - 1];

	return len <= LONGEST && (reserved_ends[len].first & BIT(first)) &&
	       (reserved_ends[len].last & BIT(last));
}

static bool has_prefix(const char *name, size_t len, const char *prefix)
{
	size_t n = strlen(prefix);
	return len >= n && memcmp(name, prefix, n) == 0;
}

bool mtls_account_name_reserved(const char *name, size_t len)
{
	const struct span span = { name, len };

	if (!name || len == 0)
		return true;
	if (name[0] == '_' || has_prefix(name, len, "systemd-"))
		return true;
	return may_be_listed(name, len) &&
	       bsearch(&span, reserved, MTLS_COUNT(reserved), sizeof(reserved[0]), compare_name);
}

bool mtls_account_name_ownable(const char *name, size_t len)
{
	return name && len > 0 && len <= MTLS_OWNED_NAME_MAX &&
	       is_name(name, len, OWN_FIRST, OWN) && !mtls_account_name_reserved(name, len);
}

/* Characters of several bytes: well-formed, and none of the control characters U+0080-U+009F. */
static bool high_valid(const char *text, size_t len)
{
	const uint8_t *bytes = (const uint8_t *)text;

	return mtls_utf8_valid(bytes, len) && !mtls_has_control(bytes, len);
}

/* @path begins with '/'. No empty component but the last one, and none that is "..". */
static bool components_valid(const char *path, size_t len)
{
	for (size_t start = 0; start < len;) {
		/* start is at a '/'; the component behind it ends at the next one */
		const char *slash = memchr(path + start + 1, '/', len - start - 1);
		size_t end = slash ? (size_t)(slash - path) : len;
		size_t n = end - start - 1;
		if (n == 0 && end < len)
			return false;
		if (n == 2 && memcmp(path + start + 1, "..", 2) == 0)
			return false;
		start = end;
	}
	return true;
}

bool mtls_account_path_valid(const char *path, size_t len)
{
	const uint8_t *bytes = (const uint8_t *)path;
	unsigned int all = 0, doubtful = 0, expected = 0;

	if (!path || len == 0 || len > MTLS_ACCOUNT_PATH_MAX || path[0] != '/')
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned int class = class_of[bytes[i]];
		all |= class;
		doubtful |= expected & class;
		expected = (class & SLASH) * (AFTER_SLASH / SLASH);
	}
	if (all & FORBIDDEN)
		return false;
	if ((all & HIGH) && !high_valid(path, len))
		return false;
	return !doubtful || components_valid(path, len);
}

bool mtls_account_gecos_valid(const char *gecos, size_t len)
{
	const uint8_t *bytes = (const uint8_t *)gecos;
	unsigned int all = 0;

	if (!gecos || len > MTLS_ACCOUNT_GECOS_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
		all |= class_of[bytes[i]];
	if (all & FORBIDDEN)
		return false;
	return !(all & HIGH) || high_valid(gecos, len);
}
