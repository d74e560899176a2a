/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lib/name: account names, path and gecos, ids. */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/cleanup.h"
#include "lib/name/account.h"
#include "lib/name/id.h"

#define A16 "aaaaaaaaaaaaaaaa"
#define A32 A16 A16
#define A64 A32 A32

#define VALID    1
#define OWNABLE  2
#define RESERVED 4

static void names_have_grades(void **state)
{
	/* clang-format off */
	static const struct { const char *row, *name; size_t len; int grade; } rows[] = {
		{ "plain",                  "alice", 5,          VALID | OWNABLE },
		{ "one letter",             "a", 1,              VALID | OWNABLE },
		{ "digit, minus, underscore", "a-1_b", 5,        VALID | OWNABLE },
		{ "32 bytes",               A32, 32,             VALID | OWNABLE },
		{ "33 bytes",               A32 "a", 33,         VALID },
		{ "63 bytes",               A64, 63,             VALID },
		{ "64 bytes",               A64, 64,             VALID },
		{ "65 bytes",               A64 "a", 65,         0 },
		{ "upper case",             "Alice", 5,          VALID },
		{ "upper case later",       "alicE", 5,          VALID },
		{ "dot",                    "a.b", 3,            VALID },
		{ "at sign",                "alice@example.org", 17, VALID },
		{ "starts with underscore", "_alice", 6,         VALID | RESERVED },
		{ "root",                   "root", 4,           VALID | RESERVED },
		{ "prefix of root",         "roo", 3,            VALID | OWNABLE },
		{ "root and more",          "root2", 5,          VALID | OWNABLE },
		{ "first of the list",      "Debian-exim", 11,   VALID | RESERVED },
		{ "last of the list",       "zabbix", 6,         VALID | RESERVED },
		{ "sudo",                   "sudo", 4,           VALID | RESERVED },
		{ "docker",                 "docker", 6,         VALID | RESERVED },
		{ "mtls-authd",             "mtls-authd", 10,    VALID | RESERVED },
		{ "systemd-*",              "systemd-x", 9,      VALID | RESERVED },
		{ "systemd alone",          "systemd", 7,        VALID | OWNABLE },
		{ "Root: no folding",       "Root", 4,           VALID },
		{ "empty",                  "", 0,               RESERVED },
		{ "no name",                NULL, 0,             RESERVED },
		{ "dot alone",              ".", 1,              0 },
		{ "two dots",               "..", 2,             0 },
		{ "starts with a dot",      ".a", 2,             0 },
		{ "starts with a digit",    "1a", 2,             0 },
		{ "number",                 "1000", 4,           0 },
		{ "starts with minus",      "-a", 2,             0 },
		{ "starts with plus (NIS)", "+a", 2,             0 },
		{ "starts with @",          "@a", 2,             0 },
		{ "colon",                  "a:b", 3,            0 },
		{ "slash",                  "a/b", 3,            0 },
		{ "space",                  "a b", 3,            0 },
		{ "comma",                  "a,b", 3,            0 },
		{ "NUL inside",             "a\0b", 3,           0 },
		{ "NUL at the end",         "a\0", 2,            0 },
		{ "newline",                "a\n", 2,            0 },
		{ "escape",                 "a\x1b[1m", 5,       0 },
		{ "UTF-8",                  "j\xc3\xbcrgen", 7,  0 },
		{ "dollar",                 "a$", 2,             0 },
		{ "DN",                     "CN=a", 4,           0 },
	};
	/* clang-format on */
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		print_message("# row '%s'\n", rows[i].row);
		int grade = 0;
		grade |= mtls_account_name_valid(rows[i].name, rows[i].len) ? VALID : 0;
		grade |= mtls_account_name_ownable(rows[i].name, rows[i].len) ? OWNABLE : 0;
		grade |= mtls_account_name_reserved(rows[i].name, rows[i].len) ? RESERVED : 0;
		assert_int_equal(grade, rows[i].grade);
	}
}

/* The list is searched by halves: each entry of base-passwd must be found. */
static void base_passwd_is_reserved(void **state)
{
	static const char *const names[] = {
		"root",   "daemon",     "bin",     "sys",      "sync",  "games",  "man",
		"lp",     "mail",       "news",    "uucp",     "proxy", "backup", "list",
		"irc",    "_apt",       "nobody",  "www-data", "adm",   "tty",    "disk",
		"kmem",   "dialout",    "fax",     "voice",    "cdrom", "floppy", "tape",
		"sudo",   "audio",      "dip",     "operator", "src",   "shadow", "utmp",
		"video",  "sasl",       "staff",   "plugdev",  "users", "gnats",  "nogroup",
		"usbmux", "messagebus", "polkitd", "sshd",
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(names); i++) {
		print_message("# row '%s'\n", names[i]);
		assert_true(mtls_account_name_reserved(names[i], strlen(names[i])));
	}
}

/*
 * The whole list is frozen, so it stands here too. A name that differs from a listed one in its
 * first, its last or its number of characters is not listed, unless it is another one that is.
 */
static const char *const frozen[] = {
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
	"www-data",     "xrdp",          "zabbix"
};

static bool is_frozen(const char *name)
{
	for (size_t i = 0; i < MTLS_COUNT(frozen); i++)
		if (strcmp(frozen[i], name) == 0)
			return true;
	return false;
}

static void list_is_frozen(void **state)
{
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(frozen); i++) {
		char name[32];
		size_t len = strlen(frozen[i]);
		print_message("# row '%s'\n", frozen[i]);
		assert_true(mtls_account_name_reserved(frozen[i], len));
		for (size_t at = 0; at < len; at++) {
			(void)snprintf(name, sizeof(name), "%s", frozen[i]);
			for (char c = 'a'; c <= 'z'; c++) {
				name[at] = c;
				assert_int_equal(mtls_account_name_reserved(name, len),
						 is_frozen(name));
			}
		}
		(void)snprintf(name, sizeof(name), "%sx", frozen[i]);
		assert_int_equal(mtls_account_name_reserved(name, len + 1), is_frozen(name));
		name[len - 1] = '\0';
		assert_int_equal(mtls_account_name_reserved(name, len - 1), is_frozen(name));
	}
}

static void packaged_names_are_known(void **state)
{
	/* clang-format off */
	static const struct { const char *name; size_t len; bool want; } rows[] = {
		{ "nginx", 5, true }, { "git", 3, true }, { "vboxusers", 9, true },
		{ "nginx2", 6, false }, { "ngin", 4, false }, { "Nginx", 5, false },
		{ "nginx\0", 6, false }, { "mtls-new", 8, true }, { "mtls", 4, false },
		{ "alice", 5, false }, { "", 0, false }, { NULL, 0, false },
	};
	/* clang-format on */
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++)
		if (mtls_account_name_packaged(rows[i].name, rows[i].len) != rows[i].want)
			fail_msg("row %zu '%s'", i, rows[i].name ? rows[i].name : "(null)");
}

/* Sorted and found, something that an account could be called, and not in the frozen list. */
static void packaged_names_are_in_order(void **state)
{
	const char *last = "";
	size_t count = 0;

	(void)state;
	for (const char *name; (name = mtls_account_name_packaged_at(count)); count++) {
		size_t len = strlen(name);
		if (strcmp(last, name) >= 0 || !mtls_account_name_packaged(name, len) ||
		    !mtls_account_name_ownable(name, len))
			fail_msg("'%s' behind '%s'", name, last);
		last = name;
	}
	assert_true(count > 300);
}

static void paths_are_checked(void **state)
{
	static const struct {
		const char *path;
		size_t len;
		bool valid;
	} rows[] = {
		{ "/", 1, true },
		{ "/home/alice", 11, true },
		{ "/home/alice/", 12, true },
		{ "/home/j\xc3\xbcrgen", 13, true },
		{ "/home/..x", 9, true },
		{ "/home/x..", 9, true },
		{ "/nonexistent", 12, true },
		{ "/.", 2, true },
		{ "/a/./b", 6, true },
		{ "/a/.b/...", 9, true },
		{ "/\xc3\xbc/.x", 6, true },
		{ "/\xc3\xbc/..", 6, false },
		{ "/\xc3\xbc//", 5, false },
		{ "/a/..\xff", 6, false },
		{ "/\xc2\x85", 3, false },
		{ "/./../a", 7, false },
		{ "", 0, false },
		{ NULL, 0, false },
		{ "home", 4, false },
		{ "//", 2, false },
		{ "/home//alice", 12, false },
		{ "/home/../root", 13, false },
		{ "/..", 3, false },
		{ "/home/..", 8, false },
		{ "/home/../", 9, false },
		{ "/a:b", 4, false },
		{ "/a\nb", 4, false },
		{ "/a\0b", 4, false },
		{ "/a\x7f", 3, false },
		{ "/\xff", 2, false },
		{ "/" A64 A64 A64 A32 A16 "aaaaaaaaaaaaaa", 255, true },
		{ "/" A64 A64 A64 A32 A16 "aaaaaaaaaaaaaaa", 256, false },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		print_message("# row %zu '%s'\n", i, rows[i].path ? rows[i].path : "(null)");
		assert_int_equal(mtls_account_path_valid(rows[i].path, rows[i].len), rows[i].valid);
	}
}

static void gecos_is_checked(void **state)
{
	static const struct {
		const char *text;
		size_t len;
		bool valid;
	} rows[] = {
		{ "", 0, true },
		{ "Alice Example,,,", 16, true },
		{ "J\xc3\xbcrgen", 7, true },
		{ NULL, 0, false },
		{ "a:0:0", 5, false },
		{ "a\nroot", 6, false },
		{ "a\0b", 3, false },
		{ "\xc3", 1, false },
		{ "\xc2\x85", 2, false },
		{ A64 A64 A64 A32 A16 "aaaaaaaaaaaaaaa", 255, true },
		{ A64 A64 A64 A64, 256, false },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		print_message("# row %zu\n", i);
		assert_int_equal(mtls_account_gecos_valid(rows[i].text, rows[i].len),
				 rows[i].valid);
	}
}

static void ids_are_checked(void **state)
{
	static const struct mtls_id_window standard = { MTLS_ID_WINDOW_MIN, MTLS_ID_WINDOW_MAX };
	static const struct mtls_id_window all = { 0, UINT32_MAX };
	/* clang-format off */
	static const struct { uint32_t id; bool reserved, standard; } rows[] = {
		{ 0, true, false }, { 999, true, false }, { 1000, false, false },
		{ 60000, false, false }, { 60001, true, false }, { 60577, true, false }, { 60578, false, false },
		{ 61183, false, false }, { 61184, true, false }, { 65519, true, false }, { 65520, false, false },
		{ 65533, false, false }, { 65534, true, false }, { 65535, true, false }, { 65536, false, false },
		{ 2000200000U, false, false }, { 2000200001U, false, true },
		{ 2147352575U, false, true }, { 2147352576U, false, false },
		{ 2147483647U, false, false }, { 2147483648U, true, false }, { UINT32_MAX, true, false },
	};
	/* clang-format on */
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		print_message("# row %u\n", rows[i].id);
		assert_int_equal(mtls_id_reserved(rows[i].id), rows[i].reserved);
		assert_int_equal(mtls_id_allowed(&standard, rows[i].id), rows[i].standard);
		assert_int_equal(mtls_id_allowed(&all, rows[i].id), !rows[i].reserved);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_have_grades),
		cmocka_unit_test(base_passwd_is_reserved),
		cmocka_unit_test(list_is_frozen),
		cmocka_unit_test(packaged_names_are_known),
		cmocka_unit_test(packaged_names_are_in_order),
		cmocka_unit_test(paths_are_checked),
		cmocka_unit_test(gecos_is_checked),
		cmocka_unit_test(ids_are_checked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
