/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Formatting of audit records. What the daemon checked stands under "verified", what the host or
 * the peer merely says under "reported" or "claimed", what the kernel says under "peer", what
 * stands in a certificate that was not verified under "presented".
 */
#include <config.h>

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <gnutls/gnutls.h>

#include "authd/audit.h"
#include "authd/datum.h"
#include "lib/base/str.h"

/*
 * Sets a text. Text that is not UTF-8 (no message and no certificate field that was accepted has
 * any) is kept as hex rather than dropped.
 */
static void set_text(json_t *object, const char *key, const char *text)
{
	if (!text)
		return;
	size_t len = strlen(text);
	if (mtls_utf8_valid((const uint8_t *)text, len)) {
		(void)json_object_set_new(object, key, json_stringn(text, len));
		return;
	}
	char *hex = malloc(2 * len + 5);
	if (!hex)
		return;
	memcpy(hex, "hex:", 4);
	mtls_hex_encode((const uint8_t *)text, len, hex + 4);
	(void)json_object_set_new(object, key, json_string(hex));
	free(hex);
}

static void set_number(json_t *object, const char *key, int64_t value)
{
	(void)json_object_set_new(object, key, json_integer(value));
}

static void set_hex(json_t *object, const char *key, const uint8_t *data, size_t len)
{
	char hex[2 * 64 + 1];

	if (len > 64)
		return;
	mtls_hex_encode(data, len, hex);
	set_text(object, key, hex);
}

static void set_time(json_t *object, const char *key, int64_t seconds, int micros)
{
	char text[64];
	struct tm tm;
	time_t t = (time_t)seconds;

	if (!gmtime_r(&t, &tm))
		return;
	size_t n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	if (micros >= 0)
		(void)snprintf(text + n, sizeof(text) - n, ".%06dZ", micros);
	else
		(void)snprintf(text + n, sizeof(text) - n, "Z");
	set_text(object, key, text);
}

static json_t *certificate_part(const struct mtls_cert *cert)
{
	json_t *part = json_object();
	size_t len = 0;
	const uint8_t *serial = mtls_cert_serial(cert, &len);

	set_text(part, "subject", mtls_cert_subject(cert));
	set_text(part, "issuer", mtls_cert_issuer(cert));
	set_hex(part, "serial", serial, len);
	set_hex(part, "sha256", mtls_cert_sha256(cert), 32);
	set_hex(part, "spki_sha256", mtls_cert_spki_sha256(cert), 32);
	set_time(part, "not_after", mtls_cert_not_after(cert), -1);
	return part;
}

static json_t *verified_part(const struct mtls_path *path)
{
	json_t *part = certificate_part(path->certs[0]);

	set_text(part, "role", path->role == MTLS_ROLE_USER ? "user" : "host");
	set_text(part, "ca", path->ca_name);
	return part;
}

static json_t *request_part(const struct mtls_auth_request *request, enum role_grant grant)
{
	json_t *part = json_object();
	char service[128];

	if (grant == ROLE_UNPRIVILEGED) {
		(void)snprintf(service, sizeof(service), "unprivileged:%s", request->service);
		set_text(part, "service", service);
	} else {
		set_text(part, "service", request->service);
	}
	set_text(part, "account", request->account);
	set_number(part, "uid", request->uid);
	set_text(part, "tty", request->tty);
	set_text(part, "remote_host", request->remote_host);
	set_text(part, "remote_user", request->remote_user);
	set_text(part, "host_name", request->host_name);
	set_text(part, "target", request->target);
	return part;
}

static json_t *peer_part(const struct peer *peer)
{
	json_t *part = json_object();

	if (peer->transport == PEER_UNIX) {
		set_text(part, "transport", "unix");
		set_number(part, "uid", peer->uid);
		set_number(part, "pid", peer->pid);
	} else {
		set_text(part, "transport", "tcp");
		set_text(part, "address", peer->address);
		set_number(part, "port", peer->port);
	}
	return part;
}

static json_t *account_part(const struct request *request)
{
	json_t *part = json_object();

	set_text(part, "name", request->chosen->text);
	if (request->has_account) {
		set_number(part, "uid", request->uid);
		set_number(part, "gid", request->gid);
	}
	return part;
}

/* The keys of the certificate: what an administrator binds after a refusal. */
static json_t *keys_part(const struct mtls_mapper *mapper)
{
	json_t *part = json_array();

	for (size_t i = 0; i < mapper->key_count; i++)
		(void)json_array_append_new(part, json_string(mapper->keys[i]));
	return part;
}

/* What the keys gave: a row for each that has bindings; none if the lookup did not answer. */
static json_t *bindings_part(const struct mtls_mapper *mapper)
{
	json_t *part = json_array();

	for (size_t i = 0; i < mapper->key_count; i++) {
		json_t *accounts = json_array();
		for (size_t k = 0; k < mapper->name_count; k++)
			if (mapper->names[k].keys & (UINT32_C(1) << i))
				(void)json_array_append_new(accounts,
							    json_string(mapper->names[k].text));
		if (json_array_size(accounts))
			(void)json_array_append_new(part,
						    json_pack("{s:s, s:O}", "key", mapper->keys[i],
							      "accounts", accounts));
		json_decref(accounts);
	}
	return part;
}

static void add_request(json_t *object, const struct request *request)
{
	if (request->msg) {
		/* Only root of this host is believed; everybody else just claims. */
		const char *tag = request->grant == ROLE_REPORTED ? "reported" : "claimed";
		(void)json_object_set_new(
			object, tag, request_part(&request->msg->u.auth_request, request->grant));
	}
	if (request->chosen) {
		(void)json_object_set_new(object, "account", account_part(request));
		set_text(object, "rule", mtls_key_kind_name(request->chosen->kind));
	}
	if (request->mapper.key_count)
		(void)json_object_set_new(object, "keys", keys_part(&request->mapper));
	if (request->mapper.answered)
		(void)json_object_set_new(object, "bindings", bindings_part(&request->mapper));
}

/* NULL when memory is short. */
static json_t *base64(const uint8_t *data, size_t len)
{
	gnutls_datum_t der = datum_borrow(data, len);
	gnutls_datum_t text = { NULL, 0 };

	if (gnutls_base64_encode2(&der, &text) < 0)
		return NULL;
	json_t *string = json_stringn((const char *)text.data, text.size);
	gnutls_free(text.data);
	return string;
}

static void add_leaf(json_t *object, const uint8_t *leaf, size_t len)
{
	if (len > AUDIT_LEAF_MAX)
		set_number(object, "leaf_bytes", (int64_t)len);
	else
		(void)json_object_set_new(object, "leaf", base64(leaf, len));
}

/* What is written in it, by whomever: for those who look for it in the records. */
static void add_presented(json_t *object, const uint8_t *leaf, size_t len)
{
	_cleanup_(mtls_cert_freep) struct mtls_cert *cert = NULL;

	if (len <= AUDIT_LEAF_MAX && mtls_cert_from_der(leaf, len, &cert, NULL) == 0)
		(void)json_object_set_new(object, "presented", certificate_part(cert));
}

/*
 * The CAs between leaf and anchor, so that a refusal can be looked into later. Of a verified path
 * only: a stranger could fill the disk with what he sends else.
 */
static void add_chain(json_t *object, const struct mtls_path *path)
{
	json_t *chain = json_array();

	for (size_t i = 1; i + 1 < path->count; i++) {
		size_t len = 0;
		const uint8_t *der = mtls_cert_der(path->certs[i], &len);
		(void)json_array_append_new(chain, base64(der, len));
	}
	if (json_array_size(chain))
		(void)json_object_set(object, "chain", chain);
	json_decref(chain);
}

static const char *verdict_name(const struct audit_record *record)
{
	return record->reason == MTLS_REASON_ALLOWED ? "allowed" : "denied";
}

char *audit_json(const struct audit_record *record)
{
	json_t *object = json_object();
	json_t *ms = json_object();

	set_time(object, "time", record->time_us / 1000000, (int)(record->time_us % 1000000));
	set_text(object, "audit_id", record->audit_id);
	set_text(object, "verdict", verdict_name(record));
	set_text(object, "reason", mtls_reason_token(record->reason));
	if (record->detail && record->detail[0])
		set_text(object, "detail", record->detail);
	if (record->path)
		(void)json_object_set_new(object, "verified", verified_part(record->path));
	else if (record->leaf)
		add_presented(object, record->leaf, record->leaf_len);
	if (record->request)
		add_request(object, record->request);
	(void)json_object_set_new(object, "peer", peer_part(record->peer));
	if (record->handshake_ms >= 0)
		set_number(ms, "handshake", record->handshake_ms);
	set_number(ms, "total", record->total_ms);
	(void)json_object_set_new(object, "ms", ms);
	if (record->leaf && record->reason != MTLS_REASON_ALLOWED)
		add_leaf(object, record->leaf, record->leaf_len);
	if (record->path && record->reason != MTLS_REASON_ALLOWED)
		add_chain(object, record->path);
	char *text = json_dumps(object, JSON_COMPACT | JSON_PRESERVE_ORDER);
	json_decref(object);
	return text;
}

char *audit_sentence(const struct audit_record *record)
{
	const struct request *request = record->request;
	const struct mtls_auth_request *asked =
		request && request->msg ? &request->msg->u.auth_request : NULL;
	const char *account = request && request->chosen ? request->chosen->text
			      : asked && asked->account  ? asked->account
							 : "";
	char *text = NULL;
	int n = asprintf(&text, "%s account '%s' service '%s': %s", verdict_name(record), account,
			 asked ? asked->service : "", mtls_reason_token(record->reason));
	return n < 0 ? NULL : text;
}
