/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of authd.conf. */
#include <config.h>

#include <errno.h>
#include <stdlib.h>

#include "lib/base/str.h"
#include "lib/settings/authd.h"
#include "lib/settings/settings.h"

#define FIELD(name) offsetof(struct mtls_settings_authd, name)
#define CA(name)    offsetof(struct mtls_settings_ca, name)

/* crl_policy until it is known whether there are CRLs; never leaves this file. */
#define CRL_AUTO (-1)

static bool audit_valid(const char *value)
{
	return mtls_streq(value, "-") || (value[0] == '/' && value[1]);
}

static const struct mtls_conf_word role_words[] = {
	{ "user", 0 },
	{ "host", 1 },
	{ NULL, 0 },
};

static const struct mtls_conf_word crl_words[] = {
	{ "auto", CRL_AUTO },
	{ "off", MTLS_CRL_OFF },
	{ "if-present", MTLS_CRL_IF_PRESENT },
	{ "required", MTLS_CRL_REQUIRED },
	{ NULL, 0 },
};

#define TIMEOUT(name, value, text)                                                                 \
	{                                                                                          \
		.key = #name, .type = MTLS_CONF_DURATION, .offset = FIELD(name##_ms),              \
		.def = (value), .min = 10, .max = 600000, .help = (text)                           \
	}
#define NUMBER(name, value, low, high, text)                                                       \
	{                                                                                          \
		.key = #name, .type = MTLS_CONF_U32, .offset = FIELD(name), .def = (value),        \
		.min = (low), .max = (high), .help = (text)                                        \
	}

static const struct mtls_conf_item items[] = {
	{ .key = "listen",
	  .type = MTLS_CONF_STRINGS,
	  .offset = FIELD(listen),
	  .def = "unix:" MTLS_RUNDIR "/authd.sock",
	  .valid = mtls_settings_listen_valid,
	  .expected = "unix:/PATH or tcp:ADDRESS:PORT, the address in digits",
	  .help = "The sockets to listen on." },
	{ .key = "control_socket",
	  .type = MTLS_CONF_PATH,
	  .offset = FIELD(control_socket),
	  .def = MTLS_RUNDIR "/authd-control.sock",
	  .valid = mtls_settings_socket_valid,
	  .expected = "an absolute path of at most 107 bytes",
	  .help = "The socket for mtlsctl." },
	{ .key = "user",
	  .type = MTLS_CONF_STRING,
	  .offset = FIELD(user),
	  .def = "mtls-authd",
	  .valid = mtls_settings_user_valid,
	  .expected = "the name of a system user",
	  .help = "The system user that the daemon becomes." },
	{ .key = "certificate",
	  .type = MTLS_CONF_PATH,
	  .offset = FIELD(certificate),
	  .def = MTLS_SYSCONFDIR "/server.pem",
	  .help = "The server's certificate and its intermediates, PEM, leaf first." },
	{ .key = "private_key",
	  .type = MTLS_CONF_PATH,
	  .offset = FIELD(private_key),
	  .def = MTLS_SYSCONFDIR "/private/server.key",
	  .help = "The server's private key, PEM, without a passphrase." },
	{ .key = "renew_command",
	  .type = MTLS_CONF_STRINGS,
	  .offset = FIELD(renew_command),
	  .help = "The program, and its arguments, that gets a new certificate for private_key "
		  "where "
		  "the server's certificate is not of the CA of 'mtlsctl init'; see mtlsctl renew "
		  "in "
		  "mtlsctl(8). It runs as root, without a shell." },
	TIMEOUT(renew_timeout, "2min", "How long renew_command may take."),
	NUMBER(min_uid, "1000", 1, 2147483647,
	       "Bindings to accounts with a lower uid are refused."),
	NUMBER(workers, "0", 0, 64,
	       "Processes that speak TLS; 0: one for each CPU, but at most 16."),
	NUMBER(lookups, "2", 1, 16, "Processes of each kind that look up accounts."),
	{ .key = "worker_timeout",
	  .type = MTLS_CONF_DURATION,
	  .offset = FIELD(worker_timeout_ms),
	  .def = "10s",
	  .min = 1000,
	  .max = 600000,
	  .help = "A worker that does nothing for so long hangs: it is killed and replaced." },
	TIMEOUT(handshake_timeout, "5s",
		"How long a client may take until the server's part of the "
		"handshake is out."),
	TIMEOUT(sign_timeout, "60s",
		"How long clients on unix sockets may then take to sign, human time "
		"included."),
	TIMEOUT(tcp_sign_timeout, "30s", "The same for clients on TCP."),
	TIMEOUT(request_timeout, "5s", "How long the request may take after the handshake."),
	TIMEOUT(choice_timeout, "60s", "How long a person may take to choose an account."),
	TIMEOUT(lookup_timeout, "3s", "How long the lookup of an account may take."),
	NUMBER(max_connections, "1024", 8, 65536,
	       "Connections at a time, over all workers; an eighth is kept for root."),
	NUMBER(max_per_uid, "32", 1, 65536,
	       "Of these, for one uid other than root's: its own on unix sockets, and those of "
	       "sudo "
	       "and su that it runs."),
	NUMBER(max_per_address, "16", 1, 65536,
	       "Of these, from one address on TCP (IPv6: one /64)."),
	NUMBER(tcp_share, "50", 1, 99,
	       "Percent of what is not kept for root that TCP may hold; the rest is for unix "
	       "sockets."),
	{ .key = "penalty",
	  .type = MTLS_CONF_DURATION,
	  .offset = FIELD(penalty_ms),
	  .def = "5s",
	  .min = 0,
	  .max = 600000,
	  .help = "How much longer each failed login makes the place where it came from wait; 0s: "
		  "no penalties." },
	{ .key = "penalty_grace",
	  .type = MTLS_CONF_DURATION,
	  .offset = FIELD(penalty_grace_ms),
	  .def = "15s",
	  .min = 0,
	  .max = 600000,
	  .help = "So much of what has added up is not waited for." },
	{ .key = "penalty_max",
	  .type = MTLS_CONF_DURATION,
	  .offset = FIELD(penalty_max_ms),
	  .def = "60s",
	  .min = 0,
	  .max = MTLS_AUTHD_PENALTY_MAX_MS,
	  .help = "More than this does not add up." },
	NUMBER(max_depth, "4", 1, 8, "Certificates in a path below the anchor."),
	NUMBER(min_rsa_bits, "2048", 2048, 8192, "The shortest RSA key that is accepted."),
	NUMBER(max_rsa_bits, "4096", 2048, 8192, "The longest RSA key that is accepted."),
	NUMBER(chain_memo, "1024", 0, 65536,
	       "Certificate chains whose signatures each worker remembers as verified; 0 for none. "
	       "Times, usages and revocation are judged anew for each login."),
	{ .key = "audit_file",
	  .type = MTLS_CONF_STRING,
	  .offset = FIELD(audit_file),
	  .valid = audit_valid,
	  .expected = "an absolute path, or - for standard output",
	  .help = "A file for audit records as JSON lines, instead of the journal." },
	{ .key = "debug",
	  .type = MTLS_CONF_BOOL,
	  .offset = FIELD(debug),
	  .def = "no",
	  .help = "Log each step." },
};

static const struct mtls_conf_item ca_items[] = {
	{ .key = "role",
	  .type = MTLS_CONF_BOOL,
	  .offset = CA(host_role),
	  .def = "user",
	  .words = role_words,
	  .help = "Whom this CA certifies: persons, or other hosts." },
	{ .key = "files",
	  .type = MTLS_CONF_PATHS,
	  .offset = CA(files),
	  .required = true,
	  .help = "PEM files with the CA's certificates; an old and a new one during a rollover." },
	{ .key = "crl",
	  .type = MTLS_CONF_PATHS,
	  .offset = CA(crl),
	  .help = "PEM or DER files with the CA's revocation lists." },
	{ .key = "crl_policy",
	  .type = MTLS_CONF_WORD,
	  .offset = CA(crl_policy),
	  .def = "auto",
	  .words = crl_words,
	  .help = "Whether a revocation list must be there; auto is if-present where crl is set, "
		  "else off." },
};

static const struct mtls_conf_section sections[] = {
	{ .name = "ca",
	  .items = ca_items,
	  .item_count = MTLS_COUNT(ca_items),
	  .element_size = sizeof(struct mtls_settings_ca),
	  .array_offset = FIELD(cas),
	  .count_offset = FIELD(ca_count),
	  .title_offset = CA(name),
	  .min_count = 1,
	  .help = "A CA whose certificates are accepted; the title is its name in rules and "
		  "records." },
};

const struct mtls_conf_table mtls_settings_authd_table = {
	.name = "authd.conf",
	.size = sizeof(struct mtls_settings_authd),
	.items = items,
	.item_count = MTLS_COUNT(items),
	.sections = sections,
	.section_count = MTLS_COUNT(sections),
};

/* What one key cannot say. */
static int check(const struct mtls_conf_source *source, struct mtls_settings_authd *settings,
		 struct mtls_diag *diag)
{
	bool have_user = false;

	if (settings->renew_command && settings->renew_command[0][0] != '/')
		return mtls_diag_set(diag, MTLS_E_CONFIG,
				     "%s: found renew_command = { \"%s\" }, expected an absolute "
				     "path first",
				     source->name, settings->renew_command[0]);
	for (size_t i = 0; i < settings->ca_count; i++) {
		struct mtls_settings_ca *ca = &settings->cas[i];
		have_user |= !ca->host_role;
		if ((int)ca->crl_policy == CRL_AUTO)
			ca->crl_policy = ca->crl ? MTLS_CRL_IF_PRESENT : MTLS_CRL_OFF;
		if (ca->crl && ca->crl_policy == MTLS_CRL_OFF)
			return mtls_diag_set(diag, MTLS_E_CONFIG,
					     "%s: found crl_policy = off and a crl in ca '%s', "
					     "expected one of them",
					     source->name, ca->name);
		if (!ca->crl && ca->crl_policy == MTLS_CRL_REQUIRED)
			return mtls_diag_set(diag, MTLS_E_CONFIG,
					     "%s: found crl_policy = required in ca '%s' without a "
					     "crl, expected crl = { FILE }",
					     source->name, ca->name);
	}
	if (!have_user)
		return mtls_diag_set(diag, MTLS_E_CONFIG,
				     "%s: found no ca of role user, expected at least one",
				     source->name);
	if (settings->penalty_ms && settings->penalty_grace_ms >= settings->penalty_max_ms)
		return mtls_diag_set(diag, MTLS_E_CONFIG,
				     "%s: found penalty_grace %ums, which penalty_max %ums never "
				     "exceeds, expected a shorter time (penalty = 0s switches "
				     "penalties off)",
				     source->name, settings->penalty_grace_ms,
				     settings->penalty_max_ms);
	if (settings->min_rsa_bits > settings->max_rsa_bits)
		return mtls_diag_set(diag, MTLS_E_CONFIG,
				     "%s: found min_rsa_bits %u over max_rsa_bits %u, expected a "
				     "smaller number",
				     source->name, settings->min_rsa_bits, settings->max_rsa_bits);
	return 0;
}

int mtls_settings_authd_parse(const struct mtls_conf_source *source,
			      struct mtls_settings_authd **ret, struct mtls_diag *diag)
{
	_cleanup_(mtls_settings_authd_freep) struct mtls_settings_authd *settings =
		calloc(1, sizeof(*settings));
	if (!settings)
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	int r = mtls_conf_parse_buffer(&mtls_settings_authd_table, source, settings, diag);
	if (r >= 0)
		r = check(source, settings, diag);
	if (r < 0)
		return r;
	*ret = MTLS_TAKE(settings);
	return 0;
}

int mtls_settings_authd_load(const char *path, struct mtls_settings_authd **ret,
			     struct mtls_diag *diag)
{
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(MTLS_CONF_FILE_MAX);
	struct mtls_conf_source source = { 0 };

	int r = mtls_settings_read(path, false, &text, &source, diag);
	return r < 0 ? r : mtls_settings_authd_parse(&source, ret, diag);
}

int mtls_settings_authd_dump(const char *path, struct mtls_buf *out, struct mtls_diag *diag)
{
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(MTLS_CONF_FILE_MAX);
	struct mtls_conf_source source = { 0 };

	int r = mtls_settings_read(path, false, &text, &source, diag);
	return r < 0 ? r : mtls_conf_dump(&mtls_settings_authd_table, &source, out, diag);
}

void mtls_settings_authd_free(struct mtls_settings_authd *settings)
{
	if (!settings)
		return;
	mtls_conf_release(&mtls_settings_authd_table, settings);
	free(settings);
}
