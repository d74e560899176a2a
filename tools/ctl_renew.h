/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mtlsctl renew: what its parts share. */
#ifndef MTLS_TOOLS_CTL_RENEW_H
#define MTLS_TOOLS_CTL_RENEW_H

#include <jansson.h>
#include <time.h>

#include "lib/settings/authd.h"
#include "tools/ctl_accounts.h"
#include "tools/ctl_credential.h"
#include "tools/ctl_judge.h"

#define RENEW_OLD ".old" /* behind the name of a file that is kept until the new one is proven */

enum renew_state {
	RENEW_DONE,
	RENEW_WOULD,   /* a dry run */
	RENEW_NOT_DUE, /* --if-due */
	RENEW_SKIPPED, /* of --all: it needs somebody's word, or is not ours */
	RENEW_FAILED,  /* the old one stays */
	RENEW_STATES,
};

struct renew {
	const char *dir;
	uint32_t days; /* 0: as long as the old one */
	int passphrase_fd;
	bool if_due, dry_run, json;
	bool all; /* what needs a person's word is passed over */
	time_t now;
	struct mtls_settings_authd *authd; /* NULL: this machine has no authd.conf */
	struct ctl_accounts accounts;      /* the snapshot, for bindings */
	json_t *items;
	size_t counts[RENEW_STATES];
};

/* One certificate or list: what came of it. */
struct renew_item {
	const char *kind; /* "server", "crl", "person", "certs.d"; constant */
	const char *user; /* NULL: nobody's */
	char file[PATH_MAX];
	time_t start, end; /* of the old one */
	time_t new_end;    /* 0: there is none */
};
void renew_report(struct renew *rn, const struct renew_item *item, enum renew_state state,
		  const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Whether it is passed over for --if-due, which is reported. */
bool renew_waits(struct renew *rn, const struct renew_item *item);

/* The times of the new certificate. */
void renew_times(const struct renew *rn, const struct renew_item *item, time_t *ret_start,
		 time_t *ret_end);

/* Of a file that cannot be trusted: MTLS_E_UNTRUSTED is left to what our CA has not signed. */
static inline int renew_code(int r)
{
	return r == MTLS_E_UNTRUSTED ? MTLS_E_CONFIG : r;
}

/*
 * The CA's new certificate for @old, as PEM appended to @pem; item->new_end is set. Codes and @diag
 * as ctl_crt_again(); -ENOENT: there is no such CA in rn->dir.
 */
int renew_by_ca(struct renew *rn, struct renew_item *item, gnutls_x509_crt_t old,
		const char *ca_crt, const char *ca_key, struct mtls_buf *pem,
		struct mtls_diag *diag);

/* The first certificate of a text, PEM or DER. 0 or MTLS_E_SYNTAX. */
int renew_read_crt(const uint8_t *data, size_t len, gnutls_x509_crt_t *ret, struct mtls_diag *diag);
static inline void renew_crt_deinitp(gnutls_x509_crt_t *crt)
{
	if (*crt)
		gnutls_x509_crt_deinit(*crt);
}

/* @path with RENEW_OLD behind it; its content: a copy of @old, of the same owner and mode. */
int renew_keep_old(const char *path, const struct mtls_buf *old, char ret_path[PATH_MAX],
		   struct mtls_diag *diag);
/* Replaces the file as a whole or not at all; owner and mode stay. */
int renew_write(const char *path, const struct mtls_buf *content, struct mtls_diag *diag);

/*
 * mtls-authd reads its files again. 1: it does; 0: it does not run, or knows no such request;
 * negative: it refuses what it finds, and @diag says why.
 */
int renew_reload(struct mtls_diag *diag);

void renew_server(struct renew *rn);
void renew_crls(struct renew *rn);
/* What the person has: a file in the own folder, certificates in certs.d. */
void renew_person(struct renew *rn, const char *user);
void renew_everybody(struct renew *rn);

/*
 * A certificate for the key of @server, got by renew_command of authd.conf, as PEM with its
 * issuers; nothing about it is known yet.
 */
int renew_by_command(const struct renew *rn, const struct ctl_pair *server, struct mtls_buf *pem,
		     struct mtls_diag *diag);

#endif
