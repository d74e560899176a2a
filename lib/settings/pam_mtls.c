/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of pam_mtls.conf and of the module's arguments. */
#include <config.h>

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "lib/settings/pam_mtls.h"
#include "lib/settings/settings.h"

#define FIELD(name) offsetof(struct mtls_settings_pam, name)

static const struct mtls_conf_word presence_words[] = {
	{ "default", MTLS_PRESENCE_DEFAULT },
	{ "required", MTLS_PRESENCE_REQUIRED },
	{ "not-required", MTLS_PRESENCE_NOT_REQUIRED },
	{ NULL, 0 },
};

static const struct mtls_conf_word account_words[] = {
	{ "ignore", MTLS_ACCOUNT_IGNORE },
	{ "enforce", MTLS_ACCOUNT_ENFORCE },
	{ NULL, 0 },
};

static const char *const source_words[MTLS_SOURCES] = {
	[MTLS_SOURCE_FILE] = "file",
	[MTLS_SOURCE_PKCS11] = "pkcs11",
	[MTLS_SOURCE_P11_KIT] = "p11-kit",
	[MTLS_SOURCE_AGENT] = "agent",
};

const char *mtls_source_word(enum mtls_source_kind kind)
{
	return (unsigned int)kind < MTLS_SOURCES ? source_words[kind] : NULL;
}

int mtls_source_from_word(const char *word)
{
	for (int i = 0; i < MTLS_SOURCES; i++)
		if (strcmp(source_words[i], word) == 0)
			return i;
	return -1;
}

bool mtls_settings_source_valid(const char *value)
{
	return mtls_source_from_word(value) >= 0;
}

/* Keys that a service's own section has too: there they count for it alone. */
#define SOURCES_ITEM                                                                               \
	.key = "sources", .type = MTLS_CONF_STRINGS, .offset = FIELD(sources),                     \
	.valid = mtls_settings_source_valid, .expected = "file, pkcs11, p11-kit or agent",         \
	.help = "Where a person's keys are looked for, in this order; the first that has one "     \
		"that "                                                                            \
		"can be used is taken."
#define URI_ITEM                                                                                   \
	.key = "pkcs11_uri", .type = MTLS_CONF_STRINGS, .offset = FIELD(pkcs11_uri),               \
	.valid = mtls_settings_pkcs11_uri_valid, .expected = "a PKCS#11 URI without '?'",          \
	.help = "Which tokens, and which keys on them, count (RFC 7512); without it all."

static const struct mtls_conf_item items[] = {
	{ .key = "servers",
	  .type = MTLS_CONF_STRINGS,
	  .offset = FIELD(client.servers),
	  .def = "unix:" MTLS_RUNDIR "/authd.sock",
	  .valid = mtls_settings_server_valid,
	  .expected = "unix:/PATH or tcp:HOST[:PORT]",
	  .help = "Where mtls-authd listens, in order of trial." },
	{ .key = "server_name",
	  .type = MTLS_CONF_STRING,
	  .offset = FIELD(client.server_name),
	  .required = true,
	  .valid = mtls_settings_host_valid,
	  .expected = "a DNS name",
	  .help = "The DNS name that the server's certificate must carry." },
	{ .key = "server_ca",
	  .type = MTLS_CONF_PATHS,
	  .offset = FIELD(client.server_ca),
	  .def = MTLS_SYSCONFDIR "/server-ca/ca.pem",
	  .help = "PEM files with the certificates of the CAs that the server's certificate may "
		  "come from." },
	{ .key = "connect_timeout",
	  .type = MTLS_CONF_DURATION,
	  .offset = FIELD(client.connect_timeout_ms),
	  .def = "2s",
	  .min = 10,
	  .max = 60000,
	  .help = "How long connecting may take, all servers together." },
	{ .key = "exchange_timeout",
	  .type = MTLS_CONF_DURATION,
	  .offset = FIELD(client.exchange_timeout_ms),
	  .def = "10s",
	  .min = 10,
	  .max = 600000,
	  .help = "How long handshake and verdict may take." },
	{ .key = "min_uid",
	  .type = MTLS_CONF_U32,
	  .offset = FIELD(min_uid),
	  .def = "1000",
	  .min = 1,
	  .max = 2147483647,
	  .help = "Accounts with a lower uid are refused, whatever the server says." },
	{ .key = "allow_root",
	  .type = MTLS_CONF_BOOL,
	  .offset = FIELD(allow_root),
	  .def = "no",
	  .help = "Whether uid 0 may be entered; a mapping rule on the server must allow it too." },
	{ .key = "local_ttys",
	  .type = MTLS_CONF_STRINGS,
	  .offset = FIELD(local_ttys),
	  .def = "tty[1-9],tty[1-5][0-9],tty6[0-3],ttyS*",
	  .expected = "a pattern of a terminal's name, without /dev/",
	  .help = "Terminals of which the person sits in front of this machine." },
	{ .key = "key_files",
	  .type = MTLS_CONF_PATHS,
	  .offset = FIELD(key_files),
	  .help = "Key files that the system user of signer_user opens, for host programs that run "
		  "as root." },
	{ .key = "signer_user",
	  .type = MTLS_CONF_STRING,
	  .offset = FIELD(signer_user),
	  .def = "mtls-signer",
	  .valid = mtls_settings_user_valid,
	  .expected = "the name of a system user",
	  .help = "The system user under which keys of the machine are used." },
	{ .key = "signer_timeout",
	  .type = MTLS_CONF_DURATION,
	  .offset = FIELD(signer_timeout_ms),
	  .def = "5s",
	  .min = 10,
	  .max = 600000,
	  .help = "How long mtls-signer may take to list, to unlock, to sign." },
	{ .key = "person_timeout",
	  .type = MTLS_CONF_DURATION,
	  .offset = FIELD(person_timeout_ms),
	  .def = "60s",
	  .min = 1000,
	  .max = 600000,
	  .help = "How long a PIN pad, a touch or an agent's question may wait for the person." },
	{ SOURCES_ITEM, .def = "pkcs11,file" },
	{ .key = "pkcs11_modules",
	  .type = MTLS_CONF_PATHS,
	  .offset = FIELD(pkcs11_modules),
	  .help = "PKCS#11 modules of source pkcs11: drivers of cards and TPMs. They run in "
		  "mtls-signer-token only." },
	{ .key = "pkcs11_environment",
	  .type = MTLS_CONF_STRINGS,
	  .offset = FIELD(pkcs11_environment),
	  .valid = mtls_settings_variable_valid,
	  .expected = "NAME=VALUE",
	  .help = "What modules of source pkcs11 find in their environment beside HOME, e.g. "
		  "SOFTHSM2_CONF=/etc/softhsm/softhsm2.conf." },
	{ URI_ITEM },
	{ .key = "p11_kit_client",
	  .type = MTLS_CONF_PATH,
	  .offset = FIELD(p11_kit_client),
	  .help = "The PKCS#11 module of source p11-kit, which reaches a token elsewhere; without "
		  "it p11-kit's own." },
	{ .key = "debug",
	  .type = MTLS_CONF_BOOL,
	  .offset = FIELD(debug),
	  .def = "no",
	  .help = "Log each step. Secrets are never logged." },
};

static const struct mtls_conf_item service_items[] = {
	{ .key = "presence",
	  .type = MTLS_CONF_WORD,
	  .offset = FIELD(presence),
	  .def = "default",
	  .words = presence_words,
	  .help = "Whether a passphrase, PIN or touch must be given in each conversation. The "
		  "default is required, but for the keys of sources agent and p11-kit in service "
		  "sudo." },
	{ .key = "account",
	  .type = MTLS_CONF_WORD,
	  .offset = FIELD(account),
	  .def = "ignore",
	  .words = account_words,
	  .help = "Whether the account phase refuses logins that were not made by certificate." },
	{ .key = "card_wait",
	  .type = MTLS_CONF_DURATION,
	  .offset = FIELD(card_wait_ms),
	  .def = "0s",
	  .min = 0,
	  .max = 600000,
	  .help = "Where it is not 0, a person without a key is asked to insert a card; how long "
		  "is "
		  "waited for it. For gdm-smartcard 0 stands for 30s." },
	{ SOURCES_ITEM },
	{ URI_ITEM },
};

static const struct mtls_conf_section sections[] = {
	{ .name = "service",
	  .items = service_items,
	  .item_count = MTLS_COUNT(service_items),
	  .help = "Settings for one PAM service; the title is its name." },
};

const struct mtls_conf_table mtls_settings_pam_table = {
	.name = "pam_mtls.conf",
	.size = sizeof(struct mtls_settings_pam),
	.items = items,
	.item_count = MTLS_COUNT(items),
	.sections = sections,
	.section_count = MTLS_COUNT(sections),
};

static bool matches(const char *service, const char *const *patterns, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (fnmatch(patterns[i], service, 0) == 0)
			return true;
	return false;
}

bool mtls_settings_presence_required(enum mtls_presence_policy policy, const char *service,
				     enum mtls_source_kind kind)
{
	/* Those that are setuid: xscreensaver, xlock, vlock, physlock, and what is like them. */
	static const char *const lockers[] = { "*lock", "*locker*", "*screensaver*", "kde*",
					       "kcheckpass" };
	static const char *const sudo[] = { "sudo", "sudo-i" };
	bool lent = kind == MTLS_SOURCE_AGENT || kind == MTLS_SOURCE_P11_KIT;

	if (service && matches(service, lockers, MTLS_COUNT(lockers)))
		return true;
	if (policy == MTLS_PRESENCE_DEFAULT)
		return !(lent && service && matches(service, sudo, MTLS_COUNT(sudo)));
	return policy != MTLS_PRESENCE_NOT_REQUIRED;
}

int mtls_settings_pam_parse(const struct mtls_conf_source *source, struct mtls_settings_pam **ret,
			    struct mtls_diag *diag)
{
	_cleanup_(mtls_settings_pam_freep) struct mtls_settings_pam *settings =
		calloc(1, sizeof(*settings));
	if (!settings)
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	int r = mtls_conf_parse_buffer(&mtls_settings_pam_table, source, settings, diag);
	if (r < 0)
		return r;
	*ret = MTLS_TAKE(settings);
	return 0;
}

int mtls_settings_pam_load(const char *path, const char *service, int argc, const char **argv,
			   struct mtls_settings_pam **ret, struct mtls_diag *diag)
{
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(MTLS_CONF_FILE_MAX);
	struct mtls_conf_source source = { .title = service, .argc = argc, .argv = argv };

	int r = mtls_settings_read(path, false, &text, &source, diag);
	return r < 0 ? r : mtls_settings_pam_parse(&source, ret, diag);
}

int mtls_settings_pam_dump(const char *path, const char *service, int argc, const char **argv,
			   struct mtls_buf *out, struct mtls_diag *diag)
{
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(MTLS_CONF_FILE_MAX);
	struct mtls_conf_source source = { .title = service, .argc = argc, .argv = argv };

	int r = mtls_settings_read(path, false, &text, &source, diag);
	return r < 0 ? r : mtls_conf_dump(&mtls_settings_pam_table, &source, out, diag);
}

void mtls_settings_pam_free(struct mtls_settings_pam *settings)
{
	if (!settings)
		return;
	mtls_conf_release(&mtls_settings_pam_table, settings);
	free(settings);
}
