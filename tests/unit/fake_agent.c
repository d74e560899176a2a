/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <config.h>

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gnutls/abstract.h>
#include <gnutls/crypto.h>

#include "lib/agent/agent_impl.h"
#include "lib/base/cleanup.h"
#include "tests/unit/agent_bytes.h"
#include "tests/unit/fake_agent.h"

#define BUF MTLS_BUF(1 << 20)

static void must(bool condition)
{
	if (!condition)
		abort();
}

/* --- keys and signatures --- */

static const struct agent_kind *kind_of(const struct certgen *cert)
{
	static const struct {
		gnutls_ecc_curve_t curve;
		enum mtls_key_type type;
	} rows[] = {
		{ GNUTLS_ECC_CURVE_SECP256R1, MTLS_KEY_TYPE_ECDSA_P256 },
		{ GNUTLS_ECC_CURVE_SECP384R1, MTLS_KEY_TYPE_ECDSA_P384 },
		{ GNUTLS_ECC_CURVE_SECP521R1, MTLS_KEY_TYPE_ECDSA_P521 },
		{ GNUTLS_ECC_CURVE_ED25519, MTLS_KEY_TYPE_ED25519 },
	};
	gnutls_ecc_curve_t curve;

	must(gnutls_x509_crt_get_pk_ecc_raw(cert->crt, &curve, NULL, NULL) >= 0);
	for (size_t i = 0; i < MTLS_COUNT(rows); i++)
		if (rows[i].curve == curve)
			return agent_kind_of(rows[i].type);
	abort();
}

/* At the end of @out[@len], zeros in front. */
static void put_right(uint8_t *out, size_t len, const gnutls_datum_t *number)
{
	size_t skip = 0;
	while (number->size - skip > len)
		must(number->data[skip++] == 0);
	memset(out, 0, len);
	memcpy(out + len - (number->size - skip), number->data + skip, number->size - skip);
}

static void put_key(struct mtls_buf *out, const struct certgen *cert)
{
	const struct agent_kind *kind = kind_of(cert);
	gnutls_datum_t x = { NULL, 0 }, y = { NULL, 0 };
	gnutls_ecc_curve_t curve;
	uint8_t point[133] = { 0x04 };

	must(gnutls_x509_crt_get_pk_ecc_raw(cert->crt, &curve, &x, &y) >= 0);
	if (kind->number_len) {
		put_right(point + 1, kind->number_len, &x);
		put_right(point + 1 + kind->number_len, kind->number_len, &y);
	} else {
		must(x.size == 32);
		memcpy(point, x.data, x.size);
	}
	gnutls_free(x.data);
	gnutls_free(y.data);
	agent_put_blob(out, kind->name, kind->curve, point, kind->point_len);
}

static gnutls_datum_t make_signature(const struct certgen *cert, const struct agent_in *data)
{
	static const struct {
		enum mtls_key_type type;
		gnutls_sign_algorithm_t algorithm;
	} rows[] = {
		{ MTLS_KEY_TYPE_ECDSA_P256, GNUTLS_SIGN_ECDSA_SHA256 },
		{ MTLS_KEY_TYPE_ECDSA_P384, GNUTLS_SIGN_ECDSA_SHA384 },
		{ MTLS_KEY_TYPE_ECDSA_P521, GNUTLS_SIGN_ECDSA_SHA512 },
		{ MTLS_KEY_TYPE_ED25519, GNUTLS_SIGN_EDDSA_ED25519 },
	};
	const gnutls_datum_t bytes = { (unsigned char *)(uintptr_t)data->data,
				       (unsigned int)data->len };
	gnutls_datum_t signature = { NULL, 0 };
	gnutls_privkey_t key;

	must(gnutls_privkey_init(&key) >= 0);
	must(gnutls_privkey_import_x509(key, cert->key, 0) >= 0);
	for (size_t i = 0; i < MTLS_COUNT(rows); i++)
		if (rows[i].type == kind_of(cert)->type)
			must(gnutls_privkey_sign_data2(key, rows[i].algorithm, 0, &bytes,
						       &signature) >= 0);
	gnutls_privkey_deinit(key);
	return signature;
}

static void put_signature(struct mtls_buf *out, const struct certgen *cert,
			  const struct agent_in *data)
{
	_cleanup_buf_ struct mtls_buf blob = BUF, whole = BUF;
	const struct agent_kind *kind = kind_of(cert);
	gnutls_datum_t signature = make_signature(cert, data), r, s;

	if (kind->number_len) {
		must(gnutls_decode_rs_value(&signature, &r, &s) >= 0);
		agent_put_string(&blob, r.data, r.size);
		agent_put_string(&blob, s.data, s.size);
		gnutls_free(r.data);
		gnutls_free(s.data);
	} else {
		must(mtls_buf_append(&blob, signature.data, signature.size) == 0);
	}
	gnutls_free(signature.data);
	agent_put_text(&whole, kind->name);
	agent_put_string(&whole, blob.data, blob.len);
	must(mtls_buf_append_byte(out, AGENT_SIGN_RESPONSE) == 0);
	agent_put_string(out, whole.data, whole.len);
}

/* --- the conversation --- */

static void put_list(struct fake_agent *agent, struct mtls_buf *out)
{
	uint32_t count = (uint32_t)agent->key_count;

	for (const char *const *name = agent->others; name && *name; name++)
		count++;
	must(mtls_buf_append_byte(out, AGENT_IDENTITIES_ANSWER) == 0);
	if (agent->manner == AGENT_LOCKED)
		count = 0;
	agent_put_u32(out, count);
	for (const char *const *name = agent->others; count && name && *name; name++) {
		agent_put_blob(out, *name, NULL, "xyz", 3);
		agent_put_text(out, "another");
	}
	for (size_t i = 0; count && i < agent->key_count; i++) {
		put_key(out, agent->keys[i]);
		agent_put_text(out, "key");
	}
}

static const struct certgen *find_key(const struct fake_agent *agent, const struct agent_in *blob)
{
	for (size_t i = 0; i < agent->key_count; i++) {
		_cleanup_buf_ struct mtls_buf own = BUF;
		put_key(&own, agent->keys[i]);
		if (own.len - 4 == blob->len && memcmp(own.data + 4, blob->data, blob->len) == 0)
			return agent->keys[i];
	}
	return NULL;
}

/* False: the connection is to be closed. */
static bool on_sign(struct fake_agent *agent, struct agent_in in, struct mtls_buf *out)
{
	struct agent_in blob, data;
	uint32_t flags = 1;

	agent->signatures++;
	must(agent_in_string(&in, &blob) && agent_in_string(&in, &data) &&
	     agent_in_u32(&in, &flags) && flags == 0 && in.len == 0);
	const struct certgen *cert = find_key(agent, &blob);
	if (!cert || agent->manner == AGENT_NO_SIGNATURE || agent->manner == AGENT_LOCKED)
		return mtls_buf_append_byte(out, AGENT_FAILURE) == 0;
	if (agent->manner == AGENT_CLOSES_AT_SIGNATURE)
		return false;
	if (agent->manner == AGENT_GARBAGE_SIGNATURE)
		return mtls_buf_append(out, "\x0e\0\0\0\1x", 6) == 0;
	if (agent->manner == AGENT_OTHER_SIGNATURE)
		data.len--;
	put_signature(out, cert, &data);
	return true;
}

static bool on_list(struct fake_agent *agent, struct mtls_buf *out)
{
	agent->lists++;
	if (agent->manner == AGENT_CLOSES)
		return false;
	if (agent->manner == AGENT_NO_LIST)
		return mtls_buf_append_byte(out, AGENT_FAILURE) == 0;
	if (agent->manner == AGENT_GARBAGE)
		return mtls_buf_append_str(out, "SSH-2.0-OpenSSH_9.2p1\r\n") == 0;
	put_list(agent, out);
	return true;
}

static bool answer(struct fake_agent *agent, int fd, struct agent_in request)
{
	_cleanup_buf_ struct mtls_buf out = BUF, framed = BUF;
	bool sign = request.len && request.data[0] == AGENT_SIGN_REQUEST;
	const struct agent_in body = { request.data + 1, request.len - 1 };

	if (agent->manner == AGENT_HANGS || (sign && agent->manner == AGENT_HANGS_AT_SIGNATURE))
		return true;
	if (request.len == 1 && request.data[0] == AGENT_REQUEST_IDENTITIES) {
		if (!on_list(agent, &out))
			return false;
	} else if (request.len == AGENT_HARMLESS_LEN && agent->manner != AGENT_LOCKED &&
		   agent->manner != AGENT_KNOWS_LITTLE) {
		must(memcmp(request.data, agent_harmless_request, request.len) == 0);
		must(mtls_buf_append_byte(&out, AGENT_SUCCESS) == 0);
	} else if (sign) {
		if (!on_sign(agent, body, &out))
			return false;
	} else {
		must(mtls_buf_append_byte(&out, AGENT_FAILURE) == 0);
	}
	agent_put_string(&framed, out.data, out.len);
	return send(fd, framed.data, framed.len, MSG_NOSIGNAL) == (ssize_t)framed.len;
}

static void converse(struct fake_agent *agent, int fd)
{
	_cleanup_buf_ struct mtls_buf in = BUF;
	bool open = true;

	while (open) {
		must(mtls_buf_reserve(&in, 4096) == 0);
		ssize_t n = recv(fd, in.data + in.len, 4096, 0);
		if (n <= 0)
			return;
		in.len += (size_t)n;
		struct agent_in rest = { in.data, in.len }, request;
		if (!agent_in_string(&rest, &request))
			continue;
		open = answer(agent, fd, request);
		mtls_buf_consume(&in, in.len - rest.len);
	}
}

static void *serve(void *arg)
{
	struct fake_agent *agent = arg;

	for (;;) {
		int fd = accept(agent->fd, NULL, NULL);
		if (fd < 0)
			return NULL;
		agent->connections++;
		converse(agent, fd);
		(void)close(fd);
	}
}

void fake_agent_start(struct fake_agent *agent, int fd)
{
	agent->fd = fd;
	must(pthread_create(&agent->thread, NULL, serve, agent) == 0);
}

void fake_agent_stop(struct fake_agent *agent)
{
	(void)shutdown(agent->fd, SHUT_RDWR); /* accept() ends; a conversation, with its client */
	(void)pthread_join(agent->thread, NULL);
	(void)close(agent->fd);
}
