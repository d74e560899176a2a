/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lib/settings: defaults, rules over several keys, addresses, the manual pages. */
#include <config.h>

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/file.h"
#include "lib/base/str.h"
#include "lib/settings/accountd.h"
#include "lib/settings/authd.h"
#include "lib/settings/pam_mtls.h"
#include "lib/settings/settings.h"

static struct mtls_conf_source source_of(const char *text, const char *service)
{
	return (struct mtls_conf_source){
		.name = "F", .data = (const uint8_t *)text, .len = strlen(text), .title = service
	};
}

static void pam_defaults(void **state)
{
	struct mtls_settings_pam *s = NULL;
	struct mtls_conf_source source = source_of("server_name = auth.example.org\n", "sudo");

	(void)state;
	assert_int_equal(mtls_settings_pam_parse(&source, &s, NULL), 0);
	assert_int_equal(mtls_strv_count(s->client.servers), 1);
	assert_string_equal(s->client.servers[0], "unix:" MTLS_RUNDIR "/authd.sock");
	assert_int_equal(mtls_strv_count(s->client.server_ca), 1);
	assert_string_equal(s->client.server_ca[0], MTLS_SYSCONFDIR "/server-ca/ca.pem");
	assert_string_equal(s->client.server_name, "auth.example.org");
	assert_int_equal(s->client.connect_timeout_ms, 2000);
	assert_int_equal(s->client.exchange_timeout_ms, 10000);
	assert_int_equal(s->min_uid, 1000);
	assert_false(s->allow_root);
	assert_int_equal(mtls_strv_count(s->local_ttys), 4);
	assert_string_equal(s->local_ttys[0], "tty[1-9]");
	assert_string_equal(s->local_ttys[3], "ttyS*");
	assert_null(s->key_files);
	assert_string_equal(s->signer_user, "mtls-signer");
	assert_int_equal(s->signer_timeout_ms, 5000);
	assert_false(s->debug);
	assert_int_equal(s->presence, MTLS_PRESENCE_DEFAULT);
	assert_int_equal(s->account, MTLS_ACCOUNT_IGNORE);
	mtls_settings_pam_free(s);
}

static void pam_services_and_arguments(void **state)
{
	static const char text[] = "server_name = a.example\n"
				   "servers = { \"unix:/run/x\", 'tcp:[::1]:7443' }\n"
				   "service sudo { presence = not-required }\n"
				   "service login { account = enforce }\n";
	static const struct {
		const char *service;
		const char *argument;
		int presence;
		int account;
	} rows[] = {
		{ "sudo", NULL, MTLS_PRESENCE_NOT_REQUIRED, MTLS_ACCOUNT_IGNORE },
		{ "login", NULL, MTLS_PRESENCE_DEFAULT, MTLS_ACCOUNT_ENFORCE },
		{ "su", NULL, MTLS_PRESENCE_DEFAULT, MTLS_ACCOUNT_IGNORE },
		{ "sud", NULL, MTLS_PRESENCE_DEFAULT, MTLS_ACCOUNT_IGNORE },
		{ "sudo-i", NULL, MTLS_PRESENCE_DEFAULT, MTLS_ACCOUNT_IGNORE },
		{ "SUDO", NULL, MTLS_PRESENCE_DEFAULT, MTLS_ACCOUNT_IGNORE },
		{ "", NULL, MTLS_PRESENCE_DEFAULT, MTLS_ACCOUNT_IGNORE },
		{ NULL, NULL, MTLS_PRESENCE_DEFAULT, MTLS_ACCOUNT_IGNORE },
		{ "sudo", "presence=required", MTLS_PRESENCE_REQUIRED, MTLS_ACCOUNT_IGNORE },
		{ "su", "account=enforce", MTLS_PRESENCE_DEFAULT, MTLS_ACCOUNT_ENFORCE },
	};

	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct mtls_settings_pam *s = NULL;
		struct mtls_conf_source source = source_of(text, rows[i].service);
		source.argc = rows[i].argument ? 1 : 0;
		source.argv = &rows[i].argument;
		assert_int_equal(mtls_settings_pam_parse(&source, &s, NULL), 0);
		if ((int)s->presence != rows[i].presence || (int)s->account != rows[i].account)
			fail_msg("row %zu (%s): presence %d account %d", i, rows[i].service,
				 (int)s->presence, (int)s->account);
		mtls_settings_pam_free(s);
	}
}

/* The service's own, else everybody's; an argument goes before both. */
static void pam_sources(void **state)
{
	static const char text[] =
		"server_name = a.example\n"
		"sources = { file, agent }\n"
		"pkcs11_uri = \"pkcs11:token=A\"\n"
		"service sudo { sources = { agent, p11-kit } pkcs11_uri = \"pkcs11:token=B\" }\n"
		"service gdm-smartcard { sources = pkcs11 card_wait = 20s }\n";
	static const struct {
		const char *service, *argument, *first, *uri;
		size_t count;
		uint32_t wait;
	} rows[] = {
		{ "su", NULL, "file", "pkcs11:token=A", 2, 0 },
		{ "sudo", NULL, "agent", "pkcs11:token=B", 2, 0 },
		{ "gdm-smartcard", NULL, "pkcs11", "pkcs11:token=A", 1, 20000 },
		{ "sudo", "sources=pkcs11,agent,file", "pkcs11", "pkcs11:token=B", 3, 0 },
		{ "su", "sources=p11-kit", "p11-kit", "pkcs11:token=A", 1, 0 },
	};

	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		_cleanup_(mtls_settings_pam_freep) struct mtls_settings_pam *s = NULL;
		struct mtls_conf_source source = source_of(text, rows[i].service);
		source.argc = rows[i].argument ? 1 : 0;
		source.argv = &rows[i].argument;
		print_message("# row %zu\n", i);
		assert_int_equal(mtls_settings_pam_parse(&source, &s, NULL), 0);
		assert_int_equal(mtls_strv_count(s->sources), rows[i].count);
		assert_string_equal(s->sources[0], rows[i].first);
		assert_int_equal(mtls_strv_count(s->pkcs11_uri), 1);
		assert_string_equal(s->pkcs11_uri[0], rows[i].uri);
		assert_int_equal(s->card_wait_ms, rows[i].wait);
	}
}

static void variables(void **state)
{
	static const struct {
		const char *value;
		bool valid;
	} rows[] = {
		{ "SOFTHSM2_CONF=/etc/softhsm/softhsm2.conf", true },
		{ "A=", true },
		{ "A=b c=d", true },
		{ "=x", false },
		{ "A", false },
		{ "", false },
		{ "a=x", false },
		{ "2A=x", false },
		{ "A B=x", false },
		{ "A=\n", false },
		{ "A=\xc3\xa4", false },
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++)
		if (mtls_settings_variable_valid(rows[i].value) != rows[i].valid)
			fail_msg("'%s'", rows[i].value);
}

static void pkcs11_uris(void **state)
{
	static const struct {
		const char *uri;
		bool valid;
	} rows[] = {
		{ "pkcs11:", true },
		{ "pkcs11:token=Alice;object=Login%20key;id=%01%02", true },
		{ "pkcs11:token=A?pin-value=1234", false },
		{ "pkcs11:token=A;pin-value=1234", false },
		{ "pkcs11:token=A;PIN-Source=/etc/x", false },
		{ "pkcs11:token=A?module-path=/tmp/x.so", false },
		{ "pkcs11:module-name=x", false },
		{ "pkcs11:token=A B", false },
		{ "pkcs11:token=\xc3\xa4", false },
		{ "PKCS11:token=A", false },
		{ "token=A", false },
		{ "", false },
	};

	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++)
		if (mtls_settings_pkcs11_uri_valid(rows[i].uri) != rows[i].valid)
			fail_msg("'%s'", rows[i].uri);
}

static void authd_defaults(void **state)
{
	struct mtls_settings_authd *s = NULL;
	struct mtls_conf_source source = source_of("ca x { files = /a }\n"
						   "ca y { role = host files = /b crl = /c }\n"
						   "ca z { files = /d crl = /e "
						   "crl_policy = required }\n",
						   NULL);

	(void)state;
	assert_int_equal(mtls_settings_authd_parse(&source, &s, NULL), 0);
	assert_int_equal(mtls_strv_count(s->listen), 1);
	assert_string_equal(s->listen[0], "unix:" MTLS_RUNDIR "/authd.sock");
	assert_string_equal(s->user, "mtls-authd");
	assert_string_equal(s->certificate, MTLS_SYSCONFDIR "/server.pem");
	assert_string_equal(s->private_key, MTLS_SYSCONFDIR "/private/server.key");
	assert_int_equal(s->min_uid, 1000);
	assert_int_equal(s->workers, 0);
	assert_int_equal(s->worker_timeout_ms, 10000);
	assert_string_equal(s->control_socket, MTLS_RUNDIR "/authd-control.sock");
	assert_int_equal(s->lookups, 2);
	assert_int_equal(s->handshake_timeout_ms, 5000);
	assert_int_equal(s->sign_timeout_ms, 60000);
	assert_int_equal(s->tcp_sign_timeout_ms, 30000);
	assert_int_equal(s->request_timeout_ms, 5000);
	assert_int_equal(s->choice_timeout_ms, 60000);
	assert_int_equal(s->lookup_timeout_ms, 3000);
	assert_int_equal(s->max_connections, 1024);
	assert_int_equal(s->max_per_uid, 32);
	assert_int_equal(s->max_per_address, 16);
	assert_int_equal(s->tcp_share, 50);
	assert_int_equal(s->penalty_ms, 5000);
	assert_int_equal(s->penalty_grace_ms, 15000);
	assert_int_equal(s->penalty_max_ms, 60000);
	assert_int_equal(s->max_depth, 4);
	assert_int_equal(s->min_rsa_bits, 2048);
	assert_int_equal(s->max_rsa_bits, 4096);
	assert_null(s->audit_file);
	assert_false(s->debug);
	assert_int_equal(s->ca_count, 3);
	assert_string_equal(s->cas[0].name, "x");
	assert_false(s->cas[0].host_role);
	assert_int_equal(s->cas[0].crl_policy, MTLS_CRL_OFF);
	assert_true(s->cas[1].host_role);
	assert_int_equal(s->cas[1].crl_policy, MTLS_CRL_IF_PRESENT);
	assert_int_equal(s->cas[2].crl_policy, MTLS_CRL_REQUIRED);
	mtls_settings_authd_free(s);
}

static void accountd_defaults(void **state)
{
	struct mtls_settings_accountd *s = NULL;
	struct mtls_conf_source source = { .name = "F" };

	(void)state;
	assert_int_equal(mtls_settings_accountd_parse(&source, &s, NULL), 0);
	assert_int_equal(s->window.min, MTLS_ID_WINDOW_MIN);
	assert_int_equal(s->window.max, MTLS_ID_WINDOW_MAX);
	assert_string_equal(s->snapshot, MTLS_STATEDIR "/snapshot/accounts.cdb");
	assert_string_equal(s->home_base, "/home");
	assert_string_equal(s->shell, "/bin/bash");
	assert_int_equal(s->ids.window.min, MTLS_ID_WINDOW_MIN);
	assert_int_equal(s->ids.window.max, MTLS_ID_WINDOW_MAX);
	assert_int_equal(s->ids.foreign_count, 0);
	assert_null(s->foreign_ids);
	assert_true(s->enumerate);
	assert_string_equal(s->store, MTLS_STATEDIR "/accountd/store.db");
	assert_string_equal(s->source_directory, MTLS_SYSCONFDIR "/accounts.d");
	assert_string_equal(s->control_socket, MTLS_RUNDIR "/accountd-control.sock");
	assert_string_equal(s->authd_socket, MTLS_RUNDIR "/accountd-authd.sock");
	assert_string_equal(s->user, "mtls-accountd");
	assert_string_equal(s->authd_user, "mtls-authd");
	mtls_settings_accountd_free(s);
}

static void foreign_ids_are_ranges(void **state)
{
	static const struct {
		const char *text;
		uint32_t id;
		bool admitted;
	} rows[] = {
		{ "", 5000, false },
		{ "foreign_ids = 5000-5999", 4999, false },
		{ "foreign_ids = 5000-5999", 5000, true },
		{ "foreign_ids = 5000-5999", 5999, true },
		{ "foreign_ids = 5000-5999", 6000, false },
		{ "foreign_ids = 5000-5999", MTLS_ID_WINDOW_MIN, true },
		{ "foreign_ids = 5000-5000", 5000, true },
		{ "foreign_ids = { 1000-1000, '7000-7999' }", 7500, true },
		{ "foreign_ids = { 1000-1000, '7000-7999' }", 1001, false },
		{ "foreign_ids = 60000-61000", 60577, false }, /* reserved in the middle */
		{ "foreign_ids = 60000-61000", 61000, true },
		{ "id_min = 3000\nid_max = 3999\nforeign_ids = { 2000-2999, 4000-4999 }", 4000,
		  true },
		{ "foreign_ids = { 1001-1001, 1002-1002, 1003-1003, 1004-1004, 1005-1005, "
		  "1006-1006, 1007-1007, 1008-1008 }",
		  1008, true },
	};

	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		_cleanup_(mtls_settings_accountd_freep) struct mtls_settings_accountd *s = NULL;
		struct mtls_conf_source source = source_of(rows[i].text, NULL);
		assert_int_equal(mtls_settings_accountd_parse(&source, &s, NULL), 0);
		if (mtls_id_admitted(&s->ids, rows[i].id) != rows[i].admitted)
			fail_msg("row %zu: '%s', %u", i, rows[i].text, rows[i].id);
	}
}

enum kind { PAM, AUTHD, ACCOUNTD };

static int parse(enum kind kind, const char *text, struct mtls_diag *diag)
{
	struct mtls_conf_source source = source_of(text, NULL);
	_cleanup_(mtls_settings_pam_freep) struct mtls_settings_pam *pam = NULL;
	_cleanup_(mtls_settings_authd_freep) struct mtls_settings_authd *authd = NULL;
	_cleanup_(mtls_settings_accountd_freep) struct mtls_settings_accountd *accountd = NULL;

	if (kind == PAM)
		return mtls_settings_pam_parse(&source, &pam, diag);
	if (kind == AUTHD)
		return mtls_settings_authd_parse(&source, &authd, diag);
	return mtls_settings_accountd_parse(&source, &accountd, diag);
}

static void wrong_files_are_refused(void **state)
{
	/* clang-format off */
	static const struct { const char *name; enum kind kind; const char *text, *want; } rows[] = {
		{ "no server_name", PAM, "debug = yes", "F: found no 'server_name'" },
		{ "empty file", PAM, "", "F: found no 'server_name'" },
		{ "server_name with a space", PAM, "server_name = 'a b'", "expected a DNS name" },
		{ "server_name with an empty label", PAM, "server_name = a..b", "expected a DNS name" },
		{ "server without kind", PAM, "server_name = a\nservers = auth.example.org", "F:2: found 'auth.example.org'" },
		{ "relative socket", PAM, "server_name = a\nservers = unix:run/x", "expected unix:/PATH or tcp:HOST[:PORT]" },
		{ "relative CA", PAM, "server_name = a\nserver_ca = ca.pem", "F:2: found 'ca.pem'" },
		{ "no CA", PAM, "server_name = a\nserver_ca = {}", "F:2: found an empty list" },
		{ "min_uid 0", PAM, "server_name = a\nmin_uid = 0", "expected a number from 1" },
		{ "zero timeout", PAM, "server_name = a\nconnect_timeout = 0s", "found '0s'" },
		{ "bad signer user", PAM, "server_name = a\nsigner_user = '../x'", "expected the name of a system user" },
		{ "ca in pam_mtls.conf", PAM, "server_name = a\nca x { files = /a }", "found 'ca'" },
		{ "no ca", AUTHD, "debug = yes\n", "F: found no section 'ca'" },
		{ "only a host ca", AUTHD, "ca x { files = /a role = host }", "no ca of role user" },
		{ "ca without files", AUTHD, "ca x { role = user }", "found no 'files' in section x" },
		{ "two CAs of one name", AUTHD, "ca x { files = /a }\nca x { files = /b }", "second section 'x'" },
		{ "required CRL without CRL", AUTHD, "ca x { files = /a crl_policy = required }", "expected crl = { FILE }" },
		{ "CRL and no policy", AUTHD, "ca x { files = /a crl = /c crl_policy = off }", "crl_policy = off and a crl" },
		{ "rsa bits", AUTHD, "ca x { files = /a }\nmin_rsa_bits = 4096\nmax_rsa_bits = 2048", "over max_rsa_bits" },
		{ "penalties that never come", AUTHD, "ca x { files = /a }\npenalty_grace = 60s", "penalty = 0s switches" },
		{ "short rsa", AUTHD, "ca x { files = /a }\nmin_rsa_bits = 1024", "F:2: found '1024'" },
		{ "listen on a name", AUTHD, "ca x { files = /a }\nlisten = tcp:localhost:7443", "the address in digits" },
		{ "listen without port", AUTHD, "ca x { files = /a }\nlisten = tcp:127.0.0.1", "the address in digits" },
		{ "65 workers", AUTHD, "ca x { files = /a }\nworkers = 65", "expected a number from 0 to 64" },
		{ "relative audit file", AUTHD, "ca x { files = /a }\naudit_file = audit", "expected an absolute path, or -" },
		{ "window upside down", ACCOUNTD, "id_min = 2000300000\nid_max = 2000200001", "over id_max" },
		{ "window of system users", ACCOUNTD, "id_min = 999\nid_max = 50000", "found '999'" },
		{ "window ends in a reserved range", ACCOUNTD, "id_min = 5000\nid_max = 60500", "expected ends that no system range holds" },
		{ "window over 2^31", ACCOUNTD, "id_max = 2147483648", "found '2147483648'" },
		{ "foreign_ids: one number", ACCOUNTD, "foreign_ids = 5000", "F:1: found '5000'" },
		{ "foreign_ids: upside down", ACCOUNTD, "foreign_ids = 5001-5000", "found '5001-5000'" },
		{ "foreign_ids: three numbers", ACCOUNTD, "foreign_ids = 5000-5001-5002", "found '5000-5001-5002'" },
		{ "foreign_ids: a word", ACCOUNTD, "foreign_ids = all", "found 'all'" },
		{ "foreign_ids: a space", ACCOUNTD, "foreign_ids = '5000 -5001'", "found '5000 -5001'" },
		{ "foreign_ids: no end", ACCOUNTD, "foreign_ids = 5000-", "found '5000-'" },
		{ "foreign_ids: no start", ACCOUNTD, "foreign_ids = -5000", "found '-5000'" },
		{ "foreign_ids: a long number", ACCOUNTD, "foreign_ids = 00000000000000005000-5001", "found '00000" },
		{ "foreign_ids: system users", ACCOUNTD, "foreign_ids = 900-1100", "found '900-1100'" },
		{ "foreign_ids: nobody", ACCOUNTD, "foreign_ids = 5000-65534", "expected MIN-MAX" },
		{ "foreign_ids: over 2^31", ACCOUNTD, "foreign_ids = 5000-2147483648", "expected MIN-MAX" },
		{ "foreign_ids: in the window", ACCOUNTD, "foreign_ids = 2000200001-2000200001", "no overlap with id_min-id_max" },
		{ "foreign_ids: around the window", ACCOUNTD, "foreign_ids = 70000-2147483647", "no overlap with id_min-id_max" },
		{ "foreign_ids: one over another", ACCOUNTD, "foreign_ids = { 5000-5999, 7000-7999, 5999-6500 }", "found '5999-6500'" },
		{ "foreign_ids: twice", ACCOUNTD, "foreign_ids = { 5000-5999, 5000-5999 }", "no overlap" },
		{ "foreign_ids: nine", ACCOUNTD, "foreign_ids = { 1001-1001, 1002-1002, 1003-1003, 1004-1004, 1005-1005, 1006-1006, 1007-1007, 1008-1008, 1009-1009 }", "more than 8 ranges" },
		{ "enumerate: a number", ACCOUNTD, "enumerate = 2", "found '2'" },
		{ "relative store", ACCOUNTD, "store = store.db", "found 'store.db'" },
		{ "one socket for both", ACCOUNTD, "control_socket = /run/a\nauthd_socket = /run/a", "found one path" },
		{ "long socket", ACCOUNTD, "control_socket = /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "at most 107 bytes" },
		{ "bad store user", ACCOUNTD, "user = '../x'", "expected the name of a system user" },
		{ "bad authd user", ACCOUNTD, "authd_user = 'a b'", "expected the name of a system user" },
		{ "shell with a colon", ACCOUNTD, "shell = /bin/a:b", "expected an absolute path without ':'" },
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct mtls_diag diag = { 0 };
		int r = parse(rows[i].kind, rows[i].text, &diag);
		if (r != MTLS_E_CONFIG || !strstr(diag.text, rows[i].want))
			fail_msg("%s: %d, '%s'", rows[i].name, r, diag.text);
	}
}

#define A63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void addresses(void **state)
{
	static const struct {
		const char *text;
		bool server;
		bool listen;
	} rows[] = {
		{ "unix:/run/mtls/authd.sock", true, true },
		{ "unix:", false, false },
		{ "unix:/", false, false },
		{ "unix:a", false, false },
		{ "unix:/" A63 "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", true, true },
		{ "unix:/" A63 "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false, false },
		{ "tcp:auth.example.org", true, false },
		{ "tcp:auth.example.org:7443", true, false },
		{ "tcp:auth.example.org:0", false, false },
		{ "tcp:auth.example.org:65536", false, false },
		{ "tcp:auth.example.org:", false, false },
		{ "tcp:auth.example.org:74x", false, false },
		{ "tcp:127.0.0.1:7443", true, true },
		{ "tcp:127.0.0.1", true, false },
		{ "tcp:300.0.0.1:7443", true, false }, /* a host name could look so */
		{ "tcp:[::1]:7443", true, true },
		{ "tcp:[::1]", true, false },
		{ "tcp:[::]:1", true, true },
		{ "tcp:::1", false, false },
		{ "tcp:[::1", false, false },
		{ "tcp:[::1]7443", false, false },
		{ "tcp:[localhost]:1", false, false },
		{ "tcp:", false, false },
		{ "tcp::7443", false, false },
		{ "tcp:-a.example", false, false },
		{ "tcp:a.example.", false, false },
		{ "tcp:" A63 ".org", true, false },
		{ "tcp:a" A63 ".org", false, false },
		{ "tcp:a b", false, false },
		{ "udp:a", false, false },
		{ "", false, false },
	};

	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		if (mtls_settings_server_valid(rows[i].text) != rows[i].server)
			fail_msg("'%s' as a server: expected %d", rows[i].text, rows[i].server);
		if (mtls_settings_listen_valid(rows[i].text) != rows[i].listen)
			fail_msg("'%s' to listen on: expected %d", rows[i].text, rows[i].listen);
	}
}

static void write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void files_are_loaded(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		print_message("# only root can make files that are trusted\n");
		skip();
	}
	char folder[] = "/tmp/test_settings.XXXXXX";
	assert_non_null(mkdtemp(folder));
	char path[64];
	(void)snprintf(path, sizeof(path), "%s/c", folder);
	struct mtls_diag diag = { 0 };
	struct mtls_settings_pam *pam = NULL;
	struct mtls_settings_authd *authd = NULL;
	struct mtls_settings_accountd *accountd = NULL;

	assert_int_equal(mtls_settings_pam_load(path, "su", 0, NULL, &pam, &diag), -ENOENT);
	assert_int_equal(mtls_settings_authd_load(path, &authd, &diag), -ENOENT);
	/* The defaults need no file of the usual name, but who names another means it. */
	assert_int_equal(mtls_settings_accountd_load(path, &accountd, &diag), -ENOENT);

	write_text(path, "server_name = a.example\n");
	assert_int_equal(mtls_settings_pam_load(path, "su", 0, NULL, &pam, &diag), 0);
	mtls_settings_pam_free(MTLS_TAKE(pam));
	struct mtls_buf out = MTLS_BUF(16384);
	assert_int_equal(mtls_settings_pam_dump(path, "su", 0, NULL, &out, &diag), 0);
	assert_non_null(strstr(mtls_buf_cstr(&out), "min_uid = \"1000\" # default\n"));
	char want[128];
	(void)snprintf(want, sizeof(want), "server_name = \"a.example\" # %s:1\n", path);
	assert_non_null(strstr(mtls_buf_cstr(&out), want));
	mtls_buf_done(&out);

	/* A file that others can write is not a missing file. */
	assert_int_equal(chmod(path, 0666), 0);
	assert_int_equal(mtls_settings_pam_load(path, "su", 0, NULL, &pam, &diag),
			 MTLS_E_UNTRUSTED);
	assert_int_equal(mtls_settings_accountd_load(path, &accountd, &diag), MTLS_E_UNTRUSTED);
	assert_null(pam);
	assert_null(accountd);
	(void)unlink(path);
	(void)rmdir(folder);
}

/* --- short memory: the linker sends our allocations here (not those of libConfuse) --- */

static long allocations_left = -1; /* negative: no limit */
static bool allocation_refused;

void *__real_calloc(size_t count, size_t size);
void *__real_malloc(size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_reallocarray(void *p, size_t count, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t len);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_reallocarray(void *p, size_t count, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t len);

static bool short_of_memory(void)
{
	if (allocations_left < 0)
		return false;
	if (allocations_left == 0)
		return allocation_refused = true;
	allocations_left--;
	return false;
}

void *__wrap_calloc(size_t count, size_t size)
{
	return short_of_memory() ? NULL : __real_calloc(count, size);
}

void *__wrap_malloc(size_t size)
{
	return short_of_memory() ? NULL : __real_malloc(size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return short_of_memory() ? NULL : __real_realloc(p, size);
}

void *__wrap_reallocarray(void *p, size_t count, size_t size)
{
	return short_of_memory() ? NULL : __real_reallocarray(p, count, size);
}

char *__wrap_strdup(const char *text)
{
	return short_of_memory() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t len)
{
	return short_of_memory() ? NULL : __real_strndup(text, len);
}

/* Whichever allocation fails, the load fails: no key silently keeps its default. */
static void short_memory_is_an_error(void **state)
{
	static const struct {
		enum kind kind;
		const char *text;
	} rows[] = {
		{ PAM, "server_name = a\nservers = { unix:/a, tcp:b }\nkey_files = /k\n"
		       "service sudo { presence = not-required }\nservice su { account = enforce "
		       "}\n" },
		{ AUTHD,
		  "listen = unix:/x\nca a { files = { /a, /b } crl = /c }\nca b { files = /d "
		  "role = host }\n" },
		{ ACCOUNTD, "snapshot = /x/y\nshell = /bin/sh\n" },
	};

	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		long n = 0;
		for (;; n++) {
			struct mtls_diag diag = { 0 };
			allocation_refused = false;
			allocations_left = n;
			int r = parse(rows[i].kind, rows[i].text, &diag);
			allocations_left = -1;
			if (r != (allocation_refused ? -ENOMEM : 0))
				fail_msg("row %zu, allocation %ld: %d, '%s'", i, n, r, diag.text);
			if (!allocation_refused)
				break;
			assert_true(n < 100000);
		}
		assert_true(n > 10);
	}
}

/* --- documents --- */

static char *read_document(const char *name)
{
	const char *top = getenv("top_srcdir");
	struct mtls_buf text = MTLS_BUF(1 << 20);
	struct mtls_diag diag = { 0 };
	char path[PATH_MAX];
	uint8_t *data;
	size_t len;

	(void)snprintf(path, sizeof(path), "%s/%s", top ? top : ".", name);
	if (mtls_file_read(path, NULL, &text, &diag) < 0)
		fail_msg("%s", diag.text);
	assert_int_equal(mtls_buf_take(&text, &data, &len), 0);
	return (char *)data;
}

/* Appends @text as the pages have it: backslashes dropped, our folders under their usual names. */
static void append_usual(struct mtls_buf *out, const char *text)
{
	static const struct {
		const char *built, *usual;
	} folders[] = {
		{ MTLS_SYSCONFDIR "/", "/etc/mtls/" },
		{ MTLS_RUNDIR "/", "/run/mtls/" },
		{ MTLS_STATEDIR "/", "/var/lib/mtls/" },
	};
	while (*text) {
		bool replaced = false;
		for (size_t i = 0; i < MTLS_COUNT(folders) && !replaced; i++) {
			size_t len = strlen(folders[i].built);
			replaced = strncmp(text, folders[i].built, len) == 0;
			if (replaced) {
				(void)mtls_buf_append_str(out, folders[i].usual);
				text += len;
			}
		}
		if (!replaced)
			(void)mtls_buf_append_byte(out, (uint8_t)*text++);
	}
}

/* How the page must say the default. */
static void default_line(const struct mtls_conf_item *item, struct mtls_buf *out)
{
	bool list = item->type == MTLS_CONF_STRINGS || item->type == MTLS_CONF_PATHS;

	if (!item->def) {
		(void)mtls_buf_append_str(out,
					  item->required ? "\nRequired.\n" : "\nNo default.\n");
		return;
	}
	(void)mtls_buf_append_str(out, "\nDefault: fB");
	const char *cursor = item->def;
	size_t len;
	for (const char *value; (value = mtls_split_next(&cursor, list ? ',' : '\n', &len));) {
		char *copy = strndup(value, len);
		assert_non_null(copy);
		if (value != item->def)
			(void)mtls_buf_append_str(out, ", ");
		append_usual(out, copy);
		free(copy);
	}
	(void)mtls_buf_append_str(out, "fP.\n");
}

static void drop_backslashes(char *text)
{
	char *out = text;

	for (const char *in = text; *in; in++)
		if (*in != '\\')
			*out++ = *in;
	*out = '\0';
}

/* The entry of @key up to the next one. */
static char *entry_of(const char *page, const char *key)
{
	char start[128];

	(void)snprintf(start, sizeof(start), "\n.TP\n.B %s\n", key);
	const char *found = strstr(page, start);
	if (!found)
		fail_msg("'%s' has no entry", key);
	const char *body = found + strlen(start) - 1;
	const char *end = strstr(body, "\n.TP\n");
	const char *section = strstr(body, "\n.SH ");
	if (!end || (section && section < end))
		end = section;
	return strndup(body, end ? (size_t)(end - body) + 1 : strlen(body));
}

static size_t check_entries(const char *page, const struct mtls_conf_item *items, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct mtls_buf want = MTLS_BUF(4096);
		char expected[256];
		char *entry = entry_of(page, items[i].key);
		default_line(&items[i], &want);
		mtls_conf_describe(&items[i], expected, sizeof(expected));
		if (!strstr(entry, mtls_buf_cstr(&want)))
			fail_msg("'%s': the page lacks '%s'", items[i].key, mtls_buf_cstr(&want));
		if (!strstr(entry, expected))
			fail_msg("'%s': the page lacks '%s'", items[i].key, expected);
		if (!strstr(entry, items[i].help))
			fail_msg("'%s': the page lacks '%s'", items[i].key, items[i].help);
		free(entry);
		mtls_buf_done(&want);
	}
	return count;
}

/* A section may have keys of the same names. */
static const char *section_of(const char *page, const char *name)
{
	char title[128] = "\n.SH SECTION ";
	size_t len = strlen(title);

	for (; *name && len + 1 < sizeof(title); name++)
		title[len++] = (char)toupper((unsigned char)*name);
	title[len] = '\0';
	const char *found = strstr(page, title);
	if (!found)
		fail_msg("the page lacks '%s'", title);
	return found;
}

static size_t count_entries(const char *page)
{
	size_t count = 0;

	for (const char *p = page; (p = strstr(p, "\n.TP\n.B ")); p++)
		count++;
	return count;
}

/* Every key is documented with its values, help and default, and nothing else is. */
static void pages_match_the_tables(void **state)
{
	const struct mtls_conf_table *table;

	(void)state;
	for (size_t i = 0; (table = mtls_settings_table(i)); i++) {
		char name[64];
		(void)snprintf(name, sizeof(name), "doc/%s.5", table->name);
		char *page = read_document(name);
		drop_backslashes(page);
		size_t count = check_entries(page, table->items, table->item_count);
		for (size_t j = 0; j < table->section_count; j++) {
			const struct mtls_conf_section *section = &table->sections[j];
			count += check_entries(section_of(page, section->name), section->items,
					       section->item_count);
			if (!strstr(page, section->help))
				fail_msg("%s: section '%s' is not described", name, section->name);
		}
		if (count_entries(page) != count)
			fail_msg("%s has %zu entries, the table %zu", name, count_entries(page),
				 count);
		free(page);
	}
}

static void examples_are_accepted(void **state)
{
	static const char *const names[] = { "pam_mtls", "authd", "accountd" };

	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(names); i++) {
		char name[64];
		struct mtls_diag diag = { 0 };
		(void)snprintf(name, sizeof(name), "dist/conf/%s.conf", names[i]);
		char *text = read_document(name);
		if (parse((enum kind)i, text, &diag) < 0)
			fail_msg("%s: %s", name, diag.text);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pam_defaults),
		cmocka_unit_test(pam_services_and_arguments),
		cmocka_unit_test(pam_sources),
		cmocka_unit_test(pkcs11_uris),
		cmocka_unit_test(variables),
		cmocka_unit_test(authd_defaults),
		cmocka_unit_test(accountd_defaults),
		cmocka_unit_test(foreign_ids_are_ranges),
		cmocka_unit_test(wrong_files_are_refused),
		cmocka_unit_test(addresses),
		cmocka_unit_test(files_are_loaded),
		cmocka_unit_test(short_memory_is_an_error),
		cmocka_unit_test(pages_match_the_tables),
		cmocka_unit_test(examples_are_accepted),
	};
	return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
