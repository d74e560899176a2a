/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Explaining a decision: the checks of mtls-authd and of pam_mtls, made by their code, each with
 * its result. What could not be looked at is said and makes the verdict unknown; it is never
 * guessed.
 */
#ifndef MTLS_TOOLS_CTL_EXPLAIN_H
#define MTLS_TOOLS_CTL_EXPLAIN_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/audit/record.h"
#include "lib/mapping/query.h"
#include "lib/settings/authd.h"
#include "lib/settings/pam_mtls.h"
#include "lib/verify/verify.h"
#include "tools/ctl.h"

#define EXPLAIN_CERTS_MAX 32 /* of one file; mtls-authd takes fewer */

/* ------------------------------------------------------------------------------- report */

enum explain_state {
	EXPLAIN_FACT,    /* neither for nor against */
	EXPLAIN_PASSED,  /* looked at and good */
	EXPLAIN_FAILED,  /* speaks against entering, with a reason */
	EXPLAIN_UNKNOWN, /* could not be looked at */
	EXPLAIN_STATES,
};

struct explain_row {
	enum explain_state state;
	const char *name; /* constant */
	enum mtls_reason reason;
	char *text;   /* owned */
	char **hints; /* owned: what to do about it */
};

struct explain_report {
	struct explain_row *rows;
	size_t count;
	bool choose;   /* several accounts would do: the person is asked */
	char *account; /* owned: who it would be; NULL: nobody, or to be chosen */
	int err;       /* -ENOMEM: rows are missing */
};

void explain_report_done(struct explain_report *report);

/* Adds a row; the text may hold anything, it is cleaned when it is shown. */
void explain_add(struct explain_report *report, enum explain_state state, const char *name,
		 enum mtls_reason reason, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/* A check: PASSED with @good if @reason is ALLOWED, else FAILED with @bad. */
void explain_say(struct explain_report *report, enum mtls_reason reason, const char *name,
		 const char *good, const char *bad);

/* Adds a line about what to do to the last row. */
void explain_hint(struct explain_report *report, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The reason of the first row that speaks against it; ALLOWED if none does. */
enum mtls_reason explain_reason(const struct explain_report *report);
bool explain_unknown(const struct explain_report *report);

/* "would enter as 'bob'", "would not enter: ...": one line. */
void explain_verdict_text(const struct explain_report *report, char *out, size_t size);
/* CTL_OK: would enter; CTL_DENIED; CTL_FAILED: cannot be told. */
int explain_exit_code(const struct explain_report *report);

void explain_print(const struct explain_report *report, bool verdict);
json_t *explain_json(const struct explain_report *report); /* an object; NULL: no memory */

/* ------------------------------------------------------------------------------ question */

/* What was asked, and what was loaded to answer it. */
struct explain {
	const char *service, *user; /* NULL: any, nobody in particular */
	int64_t now;
	int64_t peer_uid; /* of an unprivileged program that asks for its own account; -1: none */
	const char *audit_id;              /* of the record that it is about, for hints */
	const char *audit_file;            /* --file */
	struct mtls_settings_authd *authd; /* NULL: no_authd says why */
	struct mtls_anchors *anchors;      /* NULL: likewise */
	struct mtls_verify_bounds bounds;
	struct mtls_settings_pam *pam; /* NULL: no_pam says why */
	bool pam_absent;               /* there is no pam_mtls.conf */
	struct mtls_diag no_authd, no_pam;
};

/* Says where nothing was loaded why; never fails. */
void explain_load(struct explain *e);
void explain_done(struct explain *e);

/* A chain as a person's program would send it. */
struct explain_chain {
	uint8_t *der[EXPLAIN_CERTS_MAX]; /* owned */
	size_t len[EXPLAIN_CERTS_MAX];
	size_t count;
};

/* Appends a copy. 0, -ENOMEM, MTLS_E_LIMIT. */
int explain_chain_add(struct explain_chain *chain, const uint8_t *der, size_t len);
void explain_chain_done(struct explain_chain *chain);

/* Every check from the bytes to the account. */
void explain_certificate(const struct explain *e, const struct explain_chain *chain,
			 struct explain_report *report);

/* Only what is about the certificate itself: bounds, path, policy. */
void explain_acceptable(const struct explain *e, const struct explain_chain *chain,
			struct explain_report *report);

/*
 * Asks for the account @name as mtls-authd would and judges it. True: it may be entered, and
 * *ret_uid is its number. Needs e->authd.
 */
bool explain_account(const struct explain *e, struct explain_report *report, const char *name,
		     uint32_t *ret_uid);

/* The checks of pam_mtls on a verdict for @name, for that account as this machine knows it. */
void explain_local(const struct explain *e, struct explain_report *report, const char *name,
		   uint32_t uid);

/* From the certificate's keys to the account, and whether it may be entered. */
void explain_mapping(const struct explain *e, const struct mtls_cert *leaf,
		     struct explain_report *report);

/* A lookup that has no answer: TIMEOUT or FAILED in @status. */
void explain_no_answer(struct explain_report *report, const char *name, uint32_t status);

/* Asks whose keys these are; 0 and @ret, or a negative code and @diag. */
int explain_ask(const struct explain *e, enum mtls_lookup_kind kind,
		const struct mtls_lookup_query *query, struct mtls_lookup_answer *ret,
		struct mtls_diag *diag);

/* Prints @object, which is taken, and returns @code; or CTL_FAILED after saying why it could not.
 */
int explain_print_json(json_t *object, int code);

/* One kind of argument each; they print and return an exit code. */
int explain_file(struct explain *e, const char *path, bool json);
int explain_user(struct explain *e, const char *name, bool json);
int explain_record(struct explain *e, const char *id, bool json);

/*
 * The certificates of a record: the leaf and what stood between it and the anchor. 0,
 * MTLS_E_NOTFOUND if it has no leaf, MTLS_E_SYNTAX, MTLS_E_LIMIT, -ENOMEM.
 */
int explain_chain_from_record(const struct mtls_audit_record *record, struct explain_chain *ret);

#endif
