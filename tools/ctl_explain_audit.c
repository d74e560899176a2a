/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An attempt explained: the record in words, what the person read, and then its certificate as it
 * stands now. One thread.
 */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gnutls/gnutls.h>

#include "lib/base/str.h"
#include "lib/base/when.h"
#include "lib/name/account.h"
#include "lib/wire/msg.h"
#include "tools/ctl_audit.h"
#include "tools/ctl_common.h"
#include "tools/ctl_explain.h"

#define CMD "explain"

/* ------------------------------------------------------------------------- the certificate */

/* A certificate of at most MTLS_CERT_MAX bytes; its base64 is a third longer. */
static int add_base64(struct explain_chain *chain, const char *text)
{
	const size_t len = strlen(text);
	_cleanup_free_ char *copy = NULL;
	gnutls_datum_t in, der = { 0 };

	if (len > 2 * MTLS_CERT_MAX)
		return MTLS_E_LIMIT;
	copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	in = (gnutls_datum_t){ .data = (unsigned char *)copy, .size = (unsigned int)len };
	if (gnutls_base64_decode2(&in, &der) < 0)
		return MTLS_E_SYNTAX;
	int r = explain_chain_add(chain, der.data, der.size);
	gnutls_free(der.data);
	return r;
}

int explain_chain_from_record(const struct mtls_audit_record *record, struct explain_chain *ret)
{
	if (!record->leaf)
		return MTLS_E_NOTFOUND;
	int r = add_base64(ret, record->leaf);
	for (size_t i = 0; r >= 0 && i < json_array_size(record->chain); i++)
		r = add_base64(ret, json_string_value(json_array_get(record->chain, i)));
	return r;
}

/* ------------------------------------------------------------------------------ the record */

static void show_asked(const struct mtls_audit_record *record, struct explain_report *report)
{
	const struct mtls_audit_request *request = &record->request;
	const char *whose = request->reported ? "root of this host says" : "the peer claims";

	if (!record->asked) {
		explain_add(report, EXPLAIN_FACT, "asked", 0,
			    "nothing: the connection failed before a request came");
		return;
	}
	explain_add(report, EXPLAIN_FACT, "asked", 0, "account %s, service %s (%s)",
		    request->account && *request->account ? request->account : "of the certificate",
		    request->service ? request->service : "-", whose);
	if (request->tty && *request->tty)
		explain_add(report, EXPLAIN_FACT, "", 0, "terminal %s", request->tty);
	if (request->remote_host && *request->remote_host)
		explain_add(report, EXPLAIN_FACT, "", 0, "from %s", request->remote_host);
}

static void show_peer(const struct mtls_audit_record *record, struct explain_report *report)
{
	if (record->peer.address)
		explain_add(report, EXPLAIN_FACT, "peer", 0, "%s port %lld", record->peer.address,
			    (long long)record->peer.port);
	else
		explain_add(report, EXPLAIN_FACT, "peer", 0, "a program of uid %lld, process %lld",
			    (long long)record->peer.uid, (long long)record->peer.pid);
}

static void show_bindings(const struct mtls_audit_record *record, struct explain_report *report)
{
	if (record->bindings && json_array_size(record->bindings) == 0)
		explain_add(report, EXPLAIN_FACT, "bound then", 0, "to nobody");
	for (size_t i = 0; i < json_array_size(record->bindings); i++) {
		const json_t *row = json_array_get(record->bindings, i);
		const json_t *accounts = json_object_get(row, "accounts");
		const char *key = json_string_value(json_object_get(row, "key"));
		for (size_t k = 0; k < json_array_size(accounts); k++) {
			const char *name = json_string_value(json_array_get(accounts, k));
			if (key && name)
				explain_add(report, EXPLAIN_FACT, "bound then", 0, "to '%s' by %s",
					    name, key);
		}
	}
	if (record->account)
		explain_add(report, EXPLAIN_FACT, "account then", 0, "%s", record->account);
}

static void show_verdict(const struct mtls_audit_record *record, struct explain_report *report)
{
	const int reason = mtls_reason_from_token(record->reason);

	if (record->allowed) {
		explain_add(report, EXPLAIN_FACT, "verdict then", 0, "allowed");
		return;
	}
	if (reason < 0) {
		explain_add(report, EXPLAIN_FACT, "verdict then", 0,
			    "denied: %s, a reason that this version does not know", record->reason);
		return;
	}
	explain_add(report, EXPLAIN_FACT, "verdict then", 0, "denied: %s", record->reason);
	if (record->detail)
		explain_add(report, EXPLAIN_FACT, "", 0, "%s", record->detail);
	explain_add(report, EXPLAIN_FACT, "they read", 0, "%s (%s)", mtls_reason_text(reason),
		    record->reason);
	if (*mtls_reason_advice(reason))
		explain_hint(report, "%s", mtls_reason_advice(reason));
}

static void show_record(const struct mtls_audit_record *record, struct explain_report *report)
{
	char when[MTLS_WHEN_TEXT_MAX];

	mtls_when_format(record->time_us / 1000000, when);
	explain_add(report, EXPLAIN_FACT, "attempt", 0, "%s, id %s", when, record->id);
	show_asked(record, report);
	show_peer(record, report);
	explain_add(report, EXPLAIN_FACT, "signature", 0,
		    record->proven ? "the person held the certificate's key"
				   : "not proven: the handshake was not finished");
	show_bindings(record, report);
	show_verdict(record, report);
}

/* -------------------------------------------------------------------------------------- now */

/* What no look at a certificate can tell: it was seen in the handshake, and nothing undoes it. */
static void show_signature(const struct mtls_audit_record *record, struct explain_report *report)
{
	if (mtls_reason_from_token(record->reason) != MTLS_REASON_BAD_SIGNATURE)
		return;
	explain_add(report, EXPLAIN_FAILED, "signature", MTLS_REASON_BAD_SIGNATURE,
		    "the key that signed then is not the certificate's");
	explain_hint(report, "as the person, with the key at hand: mtlsctl try");
}

static const char *service_of(const struct mtls_audit_record *record)
{
	static const char mark[] = "unprivileged:";
	const char *service = record->request.service;

	if (!service || strncmp(service, mark, sizeof(mark) - 1) != 0)
		return service;
	return service + sizeof(mark) - 1;
}

/* The question of then, asked now. What the administrator names counts more. */
static void take_question(struct explain *e, const struct mtls_audit_record *record)
{
	const char *account = record->request.account;
	const char *service = service_of(record);

	if (!e->user && account && mtls_account_name_valid(account, strlen(account)))
		e->user = account;
	if (!e->service && service && *service && strlen(service) <= 64)
		e->service = service;
	if (service && service != record->request.service)
		e->peer_uid = record->peer.uid;
	e->audit_id = record->proven ? record->id : NULL;
}

static void compare(const struct mtls_audit_record *record, const struct explain_report *now,
		    struct explain_report *report)
{
	const enum mtls_reason reason = explain_reason(now);
	char text[1024];

	explain_verdict_text(now, text, sizeof(text));
	if (explain_exit_code(now) == CTL_FAILED)
		explain_add(report, EXPLAIN_FACT, "now", 0, "%s", text);
	else if (mtls_streq(record->reason, mtls_reason_token(reason)))
		explain_add(report, EXPLAIN_FACT, "now", 0, "as then: %s", text);
	else
		explain_add(report, EXPLAIN_FACT, "now", 0, "no longer %s: %s", record->reason,
			    text);
}

static void explain_now(struct explain *e, const struct mtls_audit_record *record,
			struct explain_report *now)
{
	_cleanup_(explain_chain_done) struct explain_chain chain = { .count = 0 };

	int r = explain_chain_from_record(record, &chain);
	if (r == MTLS_E_NOTFOUND) {
		explain_add(now, EXPLAIN_UNKNOWN, "certificate", 0, "%s",
			    record->allowed ? "records of logins carry none: ask about the person"
					    : "the record has none: none came, or it was too long");
		return;
	}
	if (r < 0) {
		explain_add(now, EXPLAIN_UNKNOWN, "certificate", 0,
			    "the record's cannot be read: %s", mtls_strerror(r));
		return;
	}
	show_signature(record, now);
	explain_certificate(e, &chain, now);
}

int explain_record(struct explain *e, const char *id, bool json)
{
	_cleanup_(mtls_audit_record_freep) struct mtls_audit_record *record = NULL;
	_cleanup_(explain_report_done) struct explain_report then = { 0 }, now = { 0 },
							     difference = { 0 };

	int code = ctl_audit_find(CMD, e->audit_file, id, &record);
	if (code)
		return code;
	take_question(e, record);
	explain_load(e);
	show_record(record, &then);
	explain_now(e, record, &now);
	compare(record, &now, &difference);
	/* An allowed login needs no explaining: what is asked for was answered. */
	code = record->allowed && !record->leaf ? CTL_OK : explain_exit_code(&now);
	if (json)
		return explain_print_json(json_pack("{s:O, s:o, s:o}", "record", record->json,
						    "then", explain_json(&then), "now",
						    explain_json(&now)),
					  code);
	explain_print(&then, false);
	(void)printf("\nThe certificate as it stands now\n");
	explain_print(&now, false);
	explain_print(&difference, false);
	return code;
}
