/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Settings of mtls-authd: /etc/mtls/authd.conf. */
#ifndef MTLS_SETTINGS_AUTHD_H
#define MTLS_SETTINGS_AUTHD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/cleanup.h"
#include "lib/base/err.h"

#define MTLS_AUTHD_CONF MTLS_SYSCONFDIR "/authd.conf"
#define MTLS_TCP_PORT   7443
/* More than this penalty_max cannot be. */
#define MTLS_AUTHD_PENALTY_MAX_MS 600000

enum mtls_crl_policy {
	MTLS_CRL_OFF = 0,
	MTLS_CRL_IF_PRESENT =
		1, /* an issuer without a CRL passes; a CRL that is there must be usable */
	MTLS_CRL_REQUIRED = 2,
};

/* `ca NAME { role = user; files = {...}; crl = {...}; crl_policy = if-present }` */
struct mtls_settings_ca {
	char *name;
	bool host_role;                  /* role = host instead of user */
	char **files;                    /* PEM anchors, at least one */
	char **crl;                      /* PEM or DER CRLs */
	enum mtls_crl_policy crl_policy; /* default if-present when crl is set, else off */
};

struct mtls_settings_authd {
	char **listen;        /* "unix:PATH", "tcp:ADDRESS:PORT"; default unix:RUNDIR/authd.sock */
	char *control_socket; /* default RUNDIR/authd-control.sock */
	char *user;           /* default mtls-authd: what the daemon becomes */
	char *certificate;    /* PEM chain; default SYSCONFDIR/server.pem */
	char *private_key;    /* default SYSCONFDIR/private/server.key */
	char **renew_command; /* optional: argv of a program; the first is an absolute path */
	uint32_t renew_timeout_ms; /* default 120000 */
	struct mtls_settings_ca *cas;
	size_t ca_count;               /* at least one of role user */
	uint32_t min_uid;              /* default 1000: bindings to accounts below are refused */
	uint32_t workers;              /* default 0: one for each CPU; at most 64 */
	uint32_t worker_timeout_ms;    /* default 10000 */
	uint32_t lookups;              /* default 2 per kind; 1-16 */
	uint32_t handshake_timeout_ms; /* default 5000: until the server's flight is out */
	uint32_t sign_timeout_ms;      /* default 60000: then, on unix sockets */
	uint32_t tcp_sign_timeout_ms;  /* default 30000 */
	uint32_t request_timeout_ms;   /* default 5000 */
	uint32_t choice_timeout_ms;    /* default 60000 */
	uint32_t lookup_timeout_ms;    /* default 3000 */
	uint32_t max_connections;      /* default 1024 */
	uint32_t max_per_uid;          /* default 32, unix peers other than root */
	uint32_t max_per_address;      /* default 16, TCP */
	uint32_t tcp_share;            /* default 50, percent of what is not kept for root */
	uint32_t penalty_ms;           /* default 5000; 0: no penalties */
	uint32_t penalty_grace_ms;     /* default 15000 */
	uint32_t penalty_max_ms;       /* default 60000 */
	uint32_t max_depth;            /* default 4: certificates in a verified path */
	uint32_t min_rsa_bits;         /* default 2048 */
	uint32_t max_rsa_bits;         /* default 4096 */
	uint32_t chain_memo;           /* default 1024 chains, each worker; 0: no memo */
	char *audit_file; /* optional: JSON lines; "-": standard output. Default: journal, else
			     standard error */
	bool debug;
};

/* As mtls_settings_pam_load(). */
int mtls_settings_authd_load(const char *path, struct mtls_settings_authd **ret,
			     struct mtls_diag *diag);
void mtls_settings_authd_free(struct mtls_settings_authd *settings);
MTLS_DEFINE_CLEANUP(struct mtls_settings_authd *, mtls_settings_authd_free)

#endif
