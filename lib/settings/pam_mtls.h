/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Settings of pam_mtls: /etc/mtls/pam_mtls.conf, then module arguments (`key=value`), one grammar
 *and one table (pam_mtls.c). mtlsctl try and check read the same.
 *
 *	servers = { "unix:/run/mtls/authd.sock", "tcp:auth.example.org:7443" }
 *	service sudo { presence = not-required }
 *
 * Module arguments set the common keys and, for the service at hand, the keys of its section.
 */
#ifndef MTLS_SETTINGS_PAM_MTLS_H
#define MTLS_SETTINGS_PAM_MTLS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/cleanup.h"
#include "lib/base/err.h"

#define MTLS_PAM_CONF MTLS_SYSCONFDIR "/pam_mtls.conf"

enum mtls_presence_policy {
	/* Required, but for keys of the person's agent or a forwarded token in service sudo. */
	MTLS_PRESENCE_DEFAULT = 0,
	MTLS_PRESENCE_REQUIRED = 1,
	MTLS_PRESENCE_NOT_REQUIRED = 2,
};

/* Where keys come from: the words of `sources`. */
enum mtls_source_kind {
	MTLS_SOURCE_FILE,    /* files of the person, key_files of the machine */
	MTLS_SOURCE_PKCS11,  /* cards and TPMs at this machine: pkcs11_modules */
	MTLS_SOURCE_P11_KIT, /* a token that p11-kit forwards from elsewhere */
	MTLS_SOURCE_AGENT,   /* ssh-agent, local or forwarded */
	MTLS_SOURCES,        /* how many there are */
};

enum mtls_account_policy {
	MTLS_ACCOUNT_IGNORE = 0,
	MTLS_ACCOUNT_ENFORCE = 1,
};

/* What the exchange needs to know; also used by mtlsctl. */
struct mtls_settings_client {
	char **servers;    /* in order of trial; "unix:PATH" or "tcp:HOST[:PORT]"; default
			      unix:RUNDIR/authd.sock */
	char **server_ca;  /* PEM files, at least one; default SYSCONFDIR/server-ca/ca.pem */
	char *server_name; /* DNS name in the server's certificate; required, no default */
	uint32_t connect_timeout_ms;  /* default 2000: for all servers together */
	uint32_t exchange_timeout_ms; /* default 10000: handshake and verdict */
};

struct mtls_settings_pam {
	struct mtls_settings_client client;
	uint32_t min_uid;  /* default 1000; accounts below are refused */
	bool allow_root;   /* default false */
	char **local_ttys; /* fnmatch patterns without /dev/; default tty[1-9] tty[1-5][0-9]
			      tty6[0-3] ttyS* */
	char **key_files;  /* absolute paths that the system user mtls-signer opens, for hosts that
			      run as root */
	char *signer_user; /* default mtls-signer */
	uint32_t signer_timeout_ms; /* default 5000: to list, to unlock, to sign */
	uint32_t person_timeout_ms; /* default 60000: where a signer waits for the person */
	char **sources;        /* words, in order; default pkcs11 file; of the service or of all */
	char **pkcs11_modules; /* absolute paths; NULL: source pkcs11 has nothing to offer */
	char **pkcs11_environment; /* NAME=VALUE, for these modules; NULL: only HOME */
	char **pkcs11_uri;         /* RFC 7512: which tokens and objects count; NULL: all */
	char *p11_kit_client;      /* the module of source p11-kit; NULL: MTLS_P11_KIT_CLIENT */
	bool debug;                /* default false; never logs secrets */

	/* Of the service at hand (section `service NAME`, then module arguments). */
	enum mtls_presence_policy presence; /* default MTLS_PRESENCE_DEFAULT */
	enum mtls_account_policy account;   /* default ignore */
	uint32_t card_wait_ms;              /* default 0: nobody is asked to insert a card */
};

/*
 * Reads @path (trusted file; a missing file is an error), picks the section of @service, then
 * applies
 * @argc module arguments. @ret is set on success only. Returns 0, -errno, MTLS_E_UNTRUSTED or
 * MTLS_E_CONFIG; @diag: "FILE:LINE: what was found, what was expected" or "argument 'x': ...".
 */
int mtls_settings_pam_load(const char *path, const char *service, int argc, const char **argv,
			   struct mtls_settings_pam **ret, struct mtls_diag *diag);
void mtls_settings_pam_free(struct mtls_settings_pam *settings);
MTLS_DEFINE_CLEANUP(struct mtls_settings_pam *, mtls_settings_pam_free)

/*
 * Whether keys of @kind count in @service only if a secret was given in this conversation, for a
 * program that runs for who owns the key (others require it always). Lockers always do: whoever
 * sits down there finds the agent running. @service NULL: none that has exceptions.
 */
bool mtls_settings_presence_required(enum mtls_presence_policy policy, const char *service,
				     enum mtls_source_kind kind);

/* The word of a source, NULL for a number that is none; and the other way round, or -1. */
const char *mtls_source_word(enum mtls_source_kind kind);
int mtls_source_from_word(const char *word);

#endif
