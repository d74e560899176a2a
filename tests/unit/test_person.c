/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pam_mtls/person: whose key may be used, in every kind of host program. */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "pam_mtls/person.h"

static const struct user root = { (char *)(uintptr_t) "root", (char *)(uintptr_t) "/root", 0, 0 };
static const struct user alice = { (char *)(uintptr_t) "alice", (char *)(uintptr_t) "/home/alice",
				   1001, 1001 };
static const struct user bob = { (char *)(uintptr_t) "bob", (char *)(uintptr_t) "/home/bob", 1002,
				 1002 };
static const struct user homeless = { (char *)(uintptr_t) "homeless", (char *)(uintptr_t) "", 1003,
				      1003 };
static const struct user daemon_user = { (char *)(uintptr_t) "daemon",
					 (char *)(uintptr_t) "/usr/sbin", 1, 1 };
static const struct user signer = { (char *)(uintptr_t) "mtls-signer", (char *)(uintptr_t) "/", 990,
				    990 };
static const struct user fake_signer = { (char *)(uintptr_t) "toor", (char *)(uintptr_t) "/", 0,
					 0 };

enum want_source { NONE, HOME, SYSTEM, SYSTEM_HOME, NAME };

struct row {
	const char *name;
	uid_t ruid, euid;
	const struct user *caller;
	const char *claimed_name;
	const struct user *claimed;
	const struct user *signer;
	bool key_files;
	bool presence_off;
	const char *rhost;
	/* expected */
	enum mtls_reason reason;
	enum person_host host;
	enum want_source source;
	const struct user *home_of;
	bool presence_required, secret_required, change_user;
};

#define OK MTLS_REASON_ALLOWED

/* clang-format off */
static const struct row rows[] = {
	/* name                          ruid  euid  caller    name       claimed    signer   files  p.off  rhost  reason host source home-of presence secret change */
	{ "sudo by bob",                 1002, 0,    &bob,     "bob",     &bob,      &signer, false, false, NULL,  OK, PERSON_HOST_SETUID, HOME, &bob, true, false, true },
	{ "sudo by bob, keys of the machine too", 1002, 0, &bob, "bob",   &bob,      &signer, true,  false, NULL,  OK, PERSON_HOST_SETUID, HOME, &bob, true, false, true },
	{ "sudo, presence not required", 1002, 0,    &bob,     "bob",     &bob,      NULL,    false, true,  NULL,  OK, PERSON_HOST_SETUID, HOME, &bob, false, false, true },
	{ "su alice by bob: bob's key",  1002, 0,    &bob,     "alice",   &alice,    NULL,    false, false, NULL,  OK, PERSON_HOST_SETUID, HOME, &bob, true, false, true },
	{ "su root by bob: bob's key",   1002, 0,    &bob,     "root",    &root,     NULL,    false, false, NULL,  OK, PERSON_HOST_SETUID, HOME, &bob, true, false, true },
	{ "setuid, no name",             1002, 0,    &bob,     NULL,      NULL,      NULL,    false, false, NULL,  OK, PERSON_HOST_SETUID, HOME, &bob, true, false, true },
	{ "setuid with a remote host: files need no locality", 1002, 0, &bob, "bob", &bob, NULL, false, false, "far", OK, PERSON_HOST_SETUID, HOME, &bob, true, false, true },
	{ "setuid, caller without account", 4242, 0, NULL,     "bob",     &bob,      NULL,    false, false, NULL,  MTLS_REASON_USER_UNKNOWN, PERSON_HOST_SETUID, NONE, NULL, true, false, false },
	{ "setuid, caller's account is another", 4242, 0, &bob, "bob",    &bob,      NULL,    false, false, NULL,  MTLS_REASON_USER_UNKNOWN, PERSON_HOST_SETUID, NONE, NULL, true, false, false },
	{ "setuid, unknown target",      1002, 0,    &bob,     "nobody0", NULL,      NULL,    false, false, NULL,  MTLS_REASON_USER_UNKNOWN, PERSON_HOST_SETUID, NONE, NULL, true, false, false },
	{ "setuid, caller has no home",  1003, 0,    &homeless, "bob",    &bob,      NULL,    false, false, NULL,  MTLS_REASON_NO_SOURCE, PERSON_HOST_SETUID, NONE, NULL, true, false, true },

	{ "login, bob typed: only a typed secret counts", 0, 0, &root, "bob", &bob,  NULL,    false, false, NULL,  OK, PERSON_HOST_ROOT, HOME, &bob, true, true, true },
	{ "login, presence off is not for it", 0, 0, &root,    "bob",     &bob,      NULL,    false, true,  NULL,  OK, PERSON_HOST_ROOT, HOME, &bob, true, true, true },
	{ "login, keys of the machine, bob typed", 0, 0, &root, "bob",    &bob,      &signer, true,  false, NULL,  OK, PERSON_HOST_ROOT, SYSTEM_HOME, &bob, true, true, true },
	{ "login, keys of the machine, no name", 0, 0, &root,  NULL,      NULL,      &signer, true,  false, NULL,  OK, PERSON_HOST_ROOT, SYSTEM, NULL, true, false, true },
	{ "login, keys of the machine, empty name", 0, 0, &root, "",      NULL,      &signer, true,  true,  NULL,  OK, PERSON_HOST_ROOT, SYSTEM, NULL, true, false, true },
	{ "login, no name, no keys",     0,    0,    &root,    NULL,      NULL,      &signer, false, false, NULL,  OK, PERSON_HOST_ROOT, NAME, NULL, true, false, true },
	{ "login, no name, no signer user", 0, 0,    &root,    NULL,      NULL,      NULL,    true,  false, NULL,  OK, PERSON_HOST_ROOT, NAME, NULL, true, false, true },
	{ "login as root: never under uid 0", 0, 0,  &root,    "root",    &root,     NULL,    false, false, NULL,  MTLS_REASON_NO_SOURCE, PERSON_HOST_ROOT, NONE, NULL, true, false, true },
	{ "login as root, keys of the machine", 0, 0, &root,   "root",    &root,     &signer, true,  false, NULL,  OK, PERSON_HOST_ROOT, SYSTEM, NULL, true, false, true },
	{ "login as root, signer user missing", 0, 0, &root,   "root",    &root,     NULL,    true,  false, NULL,  MTLS_REASON_CONFIG, PERSON_HOST_ROOT, NONE, NULL, true, false, true },
	{ "login as root, signer user is uid 0", 0, 0, &root,  "root",    &root,     &fake_signer, true, false, NULL, MTLS_REASON_CONFIG, PERSON_HOST_ROOT, NONE, NULL, true, false, true },
	{ "login as a system account",   0,    0,    &root,    "daemon",  &daemon_user, NULL, false, false, NULL,  MTLS_REASON_MIN_UID, PERSON_HOST_ROOT, NONE, NULL, true, false, true },
	{ "login as nobody knows",       0,    0,    &root,    "ghost",   NULL,      &signer, true,  false, NULL,  MTLS_REASON_USER_UNKNOWN, PERSON_HOST_ROOT, NONE, NULL, true, false, false },
	{ "remote, as nobody knows",     0,    0,    &root,    "ghost",   NULL,      &signer, true,  false, "far", MTLS_REASON_NO_SOURCE, PERSON_HOST_ROOT, NONE, NULL, true, false, false },
	{ "login of one without home",   0,    0,    &root,    "homeless", &homeless, NULL,   false, false, NULL,  MTLS_REASON_NO_SOURCE, PERSON_HOST_ROOT, NONE, NULL, true, false, true },
	{ "sshd: the key is elsewhere",  0,    0,    &root,    "bob",     &bob,      &signer, true,  false, "10.0.0.7", MTLS_REASON_NO_SOURCE, PERSON_HOST_ROOT, NONE, NULL, true, false, false },
	{ "su bob by root: bob's, with its secret", 0, 0, &root, "bob",   &bob,      NULL,    false, true,  NULL,  OK, PERSON_HOST_ROOT, HOME, &bob, true, true, true },

	{ "locker of bob",               1002, 1002, &bob,     "bob",     &bob,      NULL,    false, false, NULL,  OK, PERSON_HOST_UNPRIVILEGED, HOME, &bob, true, false, false },
	{ "locker of bob, presence off is not for it", 1002, 1002, &bob, "bob", &bob, NULL,   false, true,  NULL,  OK, PERSON_HOST_UNPRIVILEGED, HOME, &bob, true, false, false },
	{ "locker of bob, keys of the machine are not for it", 1002, 1002, &bob, "bob", &bob, &signer, true, false, NULL, OK, PERSON_HOST_UNPRIVILEGED, HOME, &bob, true, false, false },
	{ "locker of bob asks for alice", 1002, 1002, &bob,    "alice",   &alice,    NULL,    false, false, NULL,  MTLS_REASON_NOT_PERSON, PERSON_HOST_UNPRIVILEGED, NONE, NULL, true, false, false },
	{ "locker of bob asks for root", 1002, 1002, &bob,     "root",    &root,     NULL,    false, false, NULL,  MTLS_REASON_NOT_PERSON, PERSON_HOST_UNPRIVILEGED, NONE, NULL, true, false, false },
	{ "locker of bob, no name",      1002, 1002, &bob,     NULL,      NULL,      NULL,    false, false, NULL,  OK, PERSON_HOST_UNPRIVILEGED, NAME, NULL, true, false, false },
	{ "locker asks for nobody known", 1002, 1002, &bob,    "ghost",   NULL,      NULL,    false, false, NULL,  MTLS_REASON_USER_UNKNOWN, PERSON_HOST_UNPRIVILEGED, NONE, NULL, true, false, false },

	{ "setuid to another than root", 1002, 990,  &bob,     "bob",     &bob,      &signer, true,  false, NULL,  MTLS_REASON_NO_SOURCE, PERSON_HOST_NONE, NONE, NULL, true, false, false },
	{ "root that dropped its effective uid", 0, 1002, &root, "bob",   &bob,      &signer, true,  true,  NULL,  MTLS_REASON_NO_SOURCE, PERSON_HOST_NONE, NONE, NULL, true, false, false },
};
/* clang-format on */

static char *key_files[] = { (char *)(uintptr_t) "/etc/mtls/keys/a.p12", NULL };
static char *local_ttys[] = { (char *)(uintptr_t) "tty[1-9]", (char *)(uintptr_t) "ttyS*", NULL };

static char *usual_sources[] = { (char *)(uintptr_t) "pkcs11", (char *)(uintptr_t) "file", NULL };
static char *modules[] = { (char *)(uintptr_t) "/usr/lib/card.so", NULL };

static size_t sources_of(enum want_source source)
{
	return source == SYSTEM_HOME ? 2 : source == HOME || source == SYSTEM;
}

static bool sources_fit(const struct row *row, const struct person *person)
{
	size_t want = sources_of(row->source);
	if (person->source_count != want || person->needs_name != (row->source == NAME))
		return false;
	for (size_t i = 0; i < want; i++)
		if (person->sources[i].user->uid == 0)
			return false;
	for (size_t i = 0; i < want; i++)
		if (person->sources[i].kind != MTLS_SOURCE_FILE ||
		    person->sources[i].secret_required !=
			    (row->presence_required || row->secret_required))
			return false;
	if ((row->source == SYSTEM || row->source == SYSTEM_HOME) &&
	    (person->sources[0].user != &signer || person->sources[0].files != key_files ||
	     person->sources[0].home))
		return false;
	if (row->source == SYSTEM || want == 0)
		return true;
	const struct person_source *home = &person->sources[want - 1];
	return home->user == row->home_of && !home->files && home->home;
}

static void who_is_the_person(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		const struct mtls_settings_pam settings = {
			.min_uid = 1000,
			.local_ttys = local_ttys,
			.sources = usual_sources,
			.key_files = row->key_files ? key_files : NULL,
			.presence = row->presence_off ? MTLS_PRESENCE_NOT_REQUIRED
						      : MTLS_PRESENCE_REQUIRED,
		};
		const struct person_facts facts = {
			.ruid = row->ruid,
			.euid = row->euid,
			.caller = row->caller,
			.claimed_name = row->claimed_name,
			.claimed = row->claimed,
			.signer = row->signer,
			.rhost = row->rhost,
			.settings = &settings,
		};
		struct person person = { .local = true };
		enum mtls_reason reason = person_identify(&facts, &person);
		if (reason != row->reason || person.host != row->host ||
		    person.change_user != row->change_user)
			fail_msg("%s: reason %d, host %s, change %d", row->name, reason,
				 person_host_name(person.host), person.change_user);
		if (reason == OK && !sources_fit(row, &person))
			fail_msg("%s: %zu sources", row->name, person.source_count);
	}
}

/* F, P, K, A: a source of that kind; lower case: its keys need no secret; M: the machine's files.
 */
static const char *kinds_text(const struct person *person, char out[16])
{
	static const char letters[MTLS_SOURCES] = {
		[MTLS_SOURCE_FILE] = 'F',
		[MTLS_SOURCE_PKCS11] = 'P',
		[MTLS_SOURCE_P11_KIT] = 'K',
		[MTLS_SOURCE_AGENT] = 'A',
	};
	size_t i;

	for (i = 0; i < person->source_count; i++) {
		const struct person_source *source = &person->sources[i];
		char letter = source->files ? 'M' : letters[source->kind];
		out[i] = source->secret_required ? letter : (char)(letter - 'A' + 'a');
	}
	out[i] = '\0';
	return out;
}

static char **split(const char *words, char *copy, char **list)
{
	size_t count = 0;

	for (char *word = strtok(strcpy(copy, words), " "); word; word = strtok(NULL, " "))
		list[count++] = word;
	list[count] = NULL;
	return list;
}

/* Which sources, in which order, in which program. */
static void sources_in_their_order(void **state)
{
	enum { SUDO, LOGIN, LOCKER };
	static const struct {
		const char *name;
		int host;
		const char *service, *words;
		bool modules, files;
		enum mtls_presence_policy presence;
		const char *tty;
		bool signer_missing;
		enum mtls_reason reason;
		const char *want;
	} table[] = {
		/* clang-format off */
		{ "sudo, all, at the console", SUDO, "sudo", "agent p11-kit pkcs11 file", true, false, MTLS_PRESENCE_DEFAULT, "tty1", false, OK, "akPF" },
		{ "sudo, another order", SUDO, "sudo", "file pkcs11 p11-kit agent", true, false, MTLS_PRESENCE_DEFAULT, "tty1", false, OK, "FPka" },
		{ "sudo -i", SUDO, "sudo-i", "agent file", true, false, MTLS_PRESENCE_DEFAULT, NULL, false, OK, "aF" },
		{ "su: presence is required by default", SUDO, "su", "agent p11-kit file", true, false, MTLS_PRESENCE_DEFAULT, NULL, false, OK, "AKF" },
		{ "sudo, presence required", SUDO, "sudo", "agent p11-kit", true, false, MTLS_PRESENCE_REQUIRED, NULL, false, OK, "AK" },
		{ "xscreensaver, presence is never off", SUDO, "xscreensaver", "pkcs11 agent file", true, false, MTLS_PRESENCE_NOT_REQUIRED, "tty1", false, OK, "PAF" },
		{ "vlock, presence is never off", SUDO, "vlock", "agent file", true, false, MTLS_PRESENCE_NOT_REQUIRED, "tty1", false, OK, "AF" },
		{ "su, presence not required", SUDO, "su", "pkcs11 agent file", true, false, MTLS_PRESENCE_NOT_REQUIRED, "tty1", false, OK, "paf" },
		{ "sudo, remote: no card of this machine", SUDO, "sudo", "pkcs11 file", true, false, MTLS_PRESENCE_DEFAULT, "pts/1", false, OK, "F" },
		{ "sudo, remote, cards only", SUDO, "sudo", "pkcs11", true, false, MTLS_PRESENCE_DEFAULT, "pts/1", false, MTLS_REASON_NOT_LOCAL, "" },
		{ "sudo, cards only, no module", SUDO, "sudo", "pkcs11", false, false, MTLS_PRESENCE_DEFAULT, "tty1", false, MTLS_REASON_NO_SOURCE, "" },
		{ "sudo, a word twice", SUDO, "sudo", "file agent file", true, false, MTLS_PRESENCE_DEFAULT, "tty1", false, OK, "Fa" },
		{ "sudo, keys of the machine are not for it", SUDO, "sudo", "file", true, true, MTLS_PRESENCE_DEFAULT, "tty1", false, OK, "F" },
		{ "login at the console", LOGIN, "login", "pkcs11 file", true, false, MTLS_PRESENCE_DEFAULT, "tty1", false, OK, "PF" },
		{ "login, agents are nobody's here", LOGIN, "login", "agent p11-kit file", true, false, MTLS_PRESENCE_NOT_REQUIRED, "tty1", false, OK, "F" },
		{ "login, nothing but agents", LOGIN, "login", "agent p11-kit", true, false, MTLS_PRESENCE_NOT_REQUIRED, "tty1", false, MTLS_REASON_NO_SOURCE, "" },
		{ "login, presence is never off", LOGIN, "login", "pkcs11 file", true, true, MTLS_PRESENCE_NOT_REQUIRED, "tty1", false, OK, "PMF" },
		{ "login, files first", LOGIN, "login", "file pkcs11", true, true, MTLS_PRESENCE_DEFAULT, "tty1", false, OK, "MFP" },
		{ "login somewhere else", LOGIN, "login", "pkcs11 file", true, false, MTLS_PRESENCE_DEFAULT, "pts/1", false, OK, "F" },
		{ "login, cards, nobody to use them as", LOGIN, "login", "pkcs11", true, false, MTLS_PRESENCE_DEFAULT, "tty1", true, MTLS_REASON_CONFIG, "" },
		{ "login, files without cards' system user", LOGIN, "login", "pkcs11 file", true, false, MTLS_PRESENCE_DEFAULT, "tty1", true, OK, "F" },
		{ "locker", LOCKER, "i3lock", "agent p11-kit pkcs11 file", true, true, MTLS_PRESENCE_NOT_REQUIRED, "tty1", false, OK, "PF" },
		{ "locker named sudo", LOCKER, "sudo", "agent pkcs11 file", true, true, MTLS_PRESENCE_DEFAULT, "tty1", false, OK, "PF" },
		{ "locker, agent only", LOCKER, "i3lock", "agent", true, false, MTLS_PRESENCE_NOT_REQUIRED, "tty1", false, MTLS_REASON_NO_SOURCE, "" },
		{ "locker elsewhere", LOCKER, "i3lock", "pkcs11", true, false, MTLS_PRESENCE_DEFAULT, ":0", false, MTLS_REASON_NOT_LOCAL, "" },
		{ "no source at all", SUDO, "sudo", "", true, true, MTLS_PRESENCE_DEFAULT, "tty1", false, MTLS_REASON_NO_SOURCE, "" },
		/* clang-format on */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		char copy[64], *words[8], got[16];
		const struct mtls_settings_pam settings = {
			.min_uid = 1000,
			.local_ttys = local_ttys,
			.sources = split(table[i].words, copy, words),
			.pkcs11_modules = table[i].modules ? modules : NULL,
			.key_files = table[i].files ? key_files : NULL,
			.presence = table[i].presence,
		};
		const struct person_facts facts = {
			.ruid = table[i].host == LOGIN ? 0 : 1002,
			.euid = table[i].host == LOCKER ? 1002 : 0,
			.caller = table[i].host == LOGIN ? &root : &bob,
			.service = table[i].service,
			.claimed_name = "bob",
			.claimed = &bob,
			.signer = table[i].signer_missing ? NULL : &signer,
			.tty = table[i].tty,
			.agent_socket = "/tmp/a",
			.settings = &settings,
		};
		struct person person;
		enum mtls_reason reason = person_identify(&facts, &person);
		if (reason != table[i].reason ||
		    strcmp(kinds_text(&person, got), table[i].want) != 0)
			fail_msg("%s: reason %d, sources '%s', expected %d, '%s'", table[i].name,
				 reason, kinds_text(&person, got), table[i].reason, table[i].want);
		for (size_t k = 0; k < person.source_count; k++) {
			const struct person_source *source = &person.sources[k];
			bool machine = source->files || (source->kind == MTLS_SOURCE_PKCS11 &&
							 table[i].host == LOGIN);
			if (source->user != (machine ? &signer : &bob) || source->home == machine)
				fail_msg("%s: source %zu is another's", table[i].name, k);
			if (source->kind == MTLS_SOURCE_AGENT &&
			    strcmp(source->address, "/tmp/a") != 0)
				fail_msg("%s: another socket", table[i].name);
		}
	}
}

static void locality_is_proven_or_not_there(void **state)
{
	(void)state;
	static const struct {
		const char *name, *rhost, *tty;
		enum person_seat seat;
		bool want;
	} local_rows[] = {
		{ "console", NULL, "tty1", PERSON_SEAT_UNKNOWN, true },
		{ "console with its folder", NULL, "/dev/tty9", PERSON_SEAT_UNKNOWN, true },
		{ "serial", "", "ttyS0", PERSON_SEAT_UNKNOWN, true },
		{ "two digits are not one", NULL, "tty10", PERSON_SEAT_UNKNOWN, false },
		{ "pseudo-terminal", NULL, "pts/1", PERSON_SEAT_UNKNOWN, false },
		{ "a star does not cross folders", NULL, "ttyS/0", PERSON_SEAT_UNKNOWN, false },
		{ "no terminal", NULL, NULL, PERSON_SEAT_UNKNOWN, false },
		{ "empty terminal", NULL, "", PERSON_SEAT_UNKNOWN, false },
		{ "X display", NULL, ":0", PERSON_SEAT_UNKNOWN, false },
		{ "console, but a remote host", "far", "tty1", PERSON_SEAT_UNKNOWN, false },
		{ "seat, but a remote host", "far", "tty1", PERSON_SEAT_LOCAL, false },
		{ "seat", NULL, "pts/1", PERSON_SEAT_LOCAL, true },
		{ "remote session on a console name", NULL, "tty1", PERSON_SEAT_REMOTE, false },
	};
	const struct mtls_settings_pam settings = { .local_ttys = local_ttys };
	for (size_t i = 0; i < sizeof(local_rows) / sizeof(local_rows[0]); i++) {
		const struct person_facts facts = {
			.rhost = local_rows[i].rhost,
			.tty = local_rows[i].tty,
			.seat = local_rows[i].seat,
			.settings = &settings,
		};
		if (person_is_local(&facts) != local_rows[i].want)
			fail_msg("%s", local_rows[i].name);
	}
	const struct mtls_settings_pam empty = { .local_ttys = NULL };
	assert_false(person_is_local(&(struct person_facts){ .tty = "tty1", .settings = &empty }));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_the_person),
		cmocka_unit_test(sources_in_their_order),
		cmocka_unit_test(locality_is_proven_or_not_there),
	};
	return cmocka_run_group_tests_name("person", tests, NULL, NULL);
}
