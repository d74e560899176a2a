/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Grammar of account names and of an owned account's text fields. Pure: no locale, no allocation.
 */
#include <config.h>

#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/str.h"
#include "lib/name/account.h"

/*
 * Names that mean something to the system: Debian's base-passwd, groups that give rights (an owned
 * account brings a group of its name), and accounts that packaged daemons create. Sorted by bytes,
 * which a test checks.
 */
static const char *const reserved[] = {
	"Debian-exim",  "Debian-snmp",   "adm",           "admin",
	"audio",        "avahi",         "backup",        "bin",
	"bind",         "bluetooth",     "cdrom",         "chrony",
	"colord",       "crontab",       "daemon",        "dbus",
	"dhcpcd",       "dialout",       "dip",           "disk",
	"dnsmasq",      "docker",        "dovecot",       "dovenull",
	"fax",          "floppy",        "fwupd-refresh", "games",
	"gdm",          "geoclue",       "gnats",         "halt",
	"haproxy",      "incus",         "incus-admin",   "input",
	"irc",          "kmem",          "kvm",           "libvirt",
	"libvirt-qemu", "lightdm",       "list",          "lp",
	"lpadmin",      "lxd",           "mail",          "man",
	"memcache",     "messagebus",    "mtls-accountd", "mtls-authd",
	"mtls-signer",  "mtls-ssh-keys", "munge",         "mysql",
	"netdev",       "news",          "nfsnobody",     "nobody",
	"nogroup",      "nslcd",         "nslcd-user",    "ntp",
	"ntpsec",       "nvpd",          "openldap",      "operator",
	"pcscd",        "plugdev",       "polkitd",       "postdrop",
	"postfix",      "postgres",      "proxy",         "pulse",
	"rabbitmq",     "radvd",         "redis",         "render",
	"root",         "rpc",           "rtkit",         "sambashare",
	"saned",        "sasl",          "scanner",       "sddm",
	"sgx",          "shadow",        "shutdown",      "speech-dispatcher",
	"src",          "ssh",           "sshd",          "ssl-cert",
	"sssd",         "staff",         "statd",         "stunnel4",
	"sudo",         "sync",          "sys",           "syslog",
	"tape",         "tcpdump",       "tomcat",        "tss",
	"tty",          "unbound",       "usbmux",        "users",
	"utmp",         "uucp",          "uuidd",         "video",
	"voice",        "wheel",         "whoopsie",      "wireshark",
	"www-data",     "xrdp",          "zabbix",
};

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_letter(char c)
{
	return is_lower(c) || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool mtls_account_name_valid(const char *name, size_t len)
{
	if (!name || len == 0 || len > MTLS_ACCOUNT_NAME_MAX)
		return false;
	if (!is_letter(name[0]) && name[0] != '_')
		return false;
	for (size_t i = 1; i < len; i++) {
		char c = name[i];
		if (!is_letter(c) && !is_digit(c) && c != '_' && c != '.' && c != '-' && c != '@')
			return false;
	}
	return true;
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
	return bsearch(&span, reserved, MTLS_COUNT(reserved), sizeof(reserved[0]), compare_name);
}

bool mtls_account_name_ownable(const char *name, size_t len)
{
	if (!name || len == 0 || len > MTLS_OWNED_NAME_MAX)
		return false;
	if (!is_lower(name[0]) && name[0] != '_')
		return false;
	for (size_t i = 1; i < len; i++) {
		char c = name[i];
		if (!is_lower(c) && !is_digit(c) && c != '_' && c != '-')
			return false;
	}
	return !mtls_account_name_reserved(name, len);
}

/* What both text fields of passwd(5) share; the separator of its fields cannot be escaped. */
static bool text_valid(const char *text, size_t len, size_t max)
{
	const uint8_t *bytes = (const uint8_t *)text;

	return len <= max && mtls_utf8_valid(bytes, len) && !mtls_has_control(bytes, len) &&
	       !memchr(text, ':', len);
}

bool mtls_account_path_valid(const char *path, size_t len)
{
	if (!path || len == 0 || path[0] != '/' || !text_valid(path, len, MTLS_ACCOUNT_PATH_MAX))
		return false;
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

bool mtls_account_gecos_valid(const char *gecos, size_t len)
{
	return gecos && text_valid(gecos, len, MTLS_ACCOUNT_GECOS_MAX);
}
