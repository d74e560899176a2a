/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Findings of `mtlsctl check`, and the parts that make them. */
#ifndef MTLS_TOOLS_CTL_CHECK_H
#define MTLS_TOOLS_CTL_CHECK_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include "lib/acctdb/reader.h"
#include "lib/base/err.h"
#include "lib/settings/accountd.h"
#include "lib/settings/authd.h"
#include "lib/settings/pam_mtls.h"
#include "tools/ctl_daemon.h"

#define CHECK_WARN_DAYS 30 /* before a certificate ends */
#define CHECK_WARN_DAYS_CRL                                                                        \
	2 /* before a revocation list is out of date: CAs make one a week or a day */

enum check_severity {
	CHECK_OK,      /* looked at and good */
	CHECK_NOTE,    /* good to know */
	CHECK_WARNING, /* works, but not as it should, or not for long */
	CHECK_ERROR,   /* logins fail, or what should protect does not */
	CHECK_SEVERITIES,
};

struct check_finding {
	enum check_severity severity;
	const char *area;   /* borrowed, constant */
	const char *advice; /* borrowed, constant; NULL where nothing is to do */
	struct mtls_diag text;
};

struct check {
	const char *dir;
	time_t now;
	/* NULL: not there or not usable; then there is a finding. */
	struct mtls_settings_pam *pam;
	struct mtls_settings_authd *authd;
	struct mtls_settings_accountd *accountd;
	/* Lines of /etc/pam.d that take rescue codes. */
	size_t rescue_services;
	/* Which some service uses: enum mtls_source_kind. */
	bool sources[MTLS_SOURCES];
	struct check_finding *findings;
	size_t count;
	size_t counts[CHECK_SEVERITIES];
	int err; /* -ENOMEM: findings are missing */
};

/* All of `mtlsctl check`, for who must not go on with a mistake: prints errors only. 0 or -ENOMEM.
 */
int check_errors(FILE *out, size_t *ret_errors, size_t *ret_warnings);

/* Control characters in the text become '?'. */
void check_add(struct check *check, enum check_severity severity, const char *area,
	       const char *advice, const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* "ok", "note", "warning", "error" */
const char *check_severity_name(enum check_severity severity);
/* Those of @least and above, in an array; NULL when memory is short. */
json_t *check_findings_json(const struct check *check, enum check_severity least);
void check_done(struct check *check);

/* True if a server of pam_mtls.conf is a socket of this machine. */
bool check_server_is_local(const struct check *check);

void check_settings(struct check *check);    /* the three files; fills the settings */
void check_server(struct check *check);      /* the daemon's certificate and key */
void check_authorities(struct check *check); /* CAs of persons, hosts, servers; CRLs */
void check_certs(struct check *check);       /* persons', in certs.d */
void check_system(struct check *check);      /* users, programs, NSS, accounts */
/*
 * What mtls-accountd says of itself. True and @ret_published, the generation that every snapshot
 * has from now on, if it answers.
 */
bool check_accountd(struct check *check, uint64_t *ret_published);
/* Likewise of an answer that is there already, or of why there is none. */
bool check_accountd_answer(struct check *check, const struct ctl_daemon *daemon,
			   uint64_t *ret_published);
/* What mtls-authd says of itself: reloads, workers, what ends soon. */
void check_authd_answer(struct check *check, const struct ctl_daemon *daemon);
/* Accounts and bindings against the machine's own files. */
void check_accounts(struct check *check, const struct mtls_acctdb *db);
void check_connections(struct check *check);  /* does a daemon listen */
void check_pam_services(struct check *check); /* /etc/pam.d and arguments there */

/* Of one service that uses pam_mtls: can any of its sources have a key? */
void check_service_sources(struct check *check, const char *service,
			   const struct mtls_settings_pam *settings);
/* Programs and modules of the sources that are used; after check_pam_services(). */
void check_sources(struct check *check);

/* Rescue codes, the kernel command line; after check_pam_services(). */
void check_ways_back(struct check *check);

#endif
