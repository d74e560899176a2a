/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Audit records: what stands where, and that nothing can forge anything. */
#include <config.h>

#include <errno.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <gnutls/crypto.h>

#include "authd/audit_sink.h"
#include "lib/base/buf.h"
#include "lib/base/file.h"
#include "lib/base/str.h"
#include "tests/unit/certgen.h"

static struct mtls_path path;
static struct peer peer = { .transport = PEER_UNIX, .uid = 0, .pid = 42 };

static int make_path(void **state)
{
	struct certgen_options options = { .dn = "CN=Alice,O=Example" };
	struct certgen *made = certgen_new(&options, NULL);

	(void)state;
	assert_int_equal(mtls_cert_from_der(made->der.data, made->der.size, &path.certs[0], NULL),
			 0);
	certgen_free(made);
	path.count = 1;
	path.role = MTLS_ROLE_USER;
	path.ca_name = "corp";
	return 0;
}

static int free_path(void **state)
{
	(void)state;
	mtls_cert_free(path.certs[0]);
	return 0;
}

static void make_request(struct request *request, const char *service, enum role_grant grant)
{
	*request = (struct request){ .peer = &peer, .path = &path, .grant = grant };
	request->msg = mtls_msg_new(MTLS_MSG_AUTH_REQUEST);
	assert_int_equal(mtls_msg_set_text(&request->msg->u.auth_request.service, service), 0);
	assert_int_equal(mtls_msg_set_text(&request->msg->u.auth_request.tty, "pts/1"), 0);
	assert_int_equal(mtls_mapper_keys(&request->mapper, path.certs[0]), 0);
	request->mapper.name_count = 1;
	(void)mtls_strcopy(request->mapper.names[0].text, sizeof(request->mapper.names[0].text),
			   "alice");
	request->mapper.names[0].kind = MTLS_KEY_SUBJECT;
	request->mapper.names[0].keys = 1 << 3;
	request->mapper.answered = true;
	request->chosen = &request->mapper.names[0];
	request->has_account = true;
	request->uid = 2000200001;
	request->gid = 100;
}

static json_t *format(const struct audit_record *record)
{
	char *line = audit_json(record);
	json_error_t error;

	assert_non_null(line);
	assert_null(strchr(line, '\n'));
	json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, &error);
	assert_non_null(object);
	free(line);
	return object;
}

static const char *text_at(const json_t *object, const char *part, const char *key)
{
	const json_t *inner = part ? json_object_get(object, part) : object;
	return json_string_value(json_object_get(inner, key));
}

static const char leaf[] = "leaf";

static struct audit_record record_of(const struct request *request, enum mtls_reason reason)
{
	return (struct audit_record){
		.time_us = INT64_C(1700000000123456),
		.audit_id = "a1",
		.reason = reason,
		.peer = &peer,
		.path = &path,
		.request = request,
		.leaf = (const uint8_t *)leaf,
		.leaf_len = 4,
		.handshake_ms = 3,
		.total_ms = 5,
	};
}

static void allowed_record(void **state)
{
	struct request request;
	(void)state;
	make_request(&request, "sudo", ROLE_REPORTED);
	struct audit_record record = record_of(&request, MTLS_REASON_ALLOWED);
	json_t *object = format(&record);

	assert_string_equal(text_at(object, NULL, "time"), "2023-11-14T22:13:20.123456Z");
	assert_string_equal(text_at(object, NULL, "verdict"), "allowed");
	assert_string_equal(text_at(object, NULL, "reason"), "allowed");
	assert_string_equal(text_at(object, NULL, "rule"), "subject");
	assert_string_equal(text_at(object, "verified", "subject"), "CN=Alice,O=Example");
	assert_string_equal(text_at(object, "verified", "ca"), "corp");
	assert_string_equal(text_at(object, "verified", "role"), "user");
	assert_string_equal(text_at(object, "reported", "service"), "sudo");
	assert_null(json_object_get(object, "claimed"));
	assert_string_equal(text_at(object, "account", "name"), "alice");
	assert_string_equal(text_at(object, "peer", "transport"), "unix");
	assert_null(json_object_get(object, "leaf"));
	json_decref(object);
	request_done(&request);
}

/* What nobody has verified is told apart from what somebody has. */
static void unverified_leaf_is_presented(void **state)
{
	struct certgen_options options = { .dn = "CN=Eve,O=Elsewhere",
					   .serial = "\x07",
					   .serial_len = 1 };
	struct certgen *made = certgen_new(&options, NULL);
	struct audit_record record = record_of(NULL, MTLS_REASON_ISSUER_UNTRUSTED);
	char hex[2 * 32 + 1];
	uint8_t digest[32];
	(void)state;
	record.path = NULL;
	record.leaf = made->der.data;
	record.leaf_len = made->der.size;
	json_t *object = format(&record);

	assert_null(json_object_get(object, "verified"));
	assert_string_equal(text_at(object, "presented", "subject"), "CN=Eve,O=Elsewhere");
	assert_string_equal(text_at(object, "presented", "issuer"), "CN=Eve,O=Elsewhere");
	assert_string_equal(text_at(object, "presented", "serial"), "07");
	assert_int_equal(
		gnutls_hash_fast(GNUTLS_DIG_SHA256, made->der.data, made->der.size, digest), 0);
	mtls_hex_encode(digest, sizeof(digest), hex);
	assert_string_equal(text_at(object, "presented", "sha256"), hex);
	assert_int_equal(strlen(text_at(object, "presented", "spki_sha256")), 64);
	assert_non_null(text_at(object, NULL, "leaf"));
	json_decref(object);

	/* Bytes that are no certificate have nothing to say but themselves. */
	record.leaf = (const uint8_t *)leaf;
	record.leaf_len = 4;
	object = format(&record);
	assert_null(json_object_get(object, "presented"));
	assert_string_equal(text_at(object, NULL, "leaf"), "bGVhZg==");
	json_decref(object);
	certgen_free(made);
}

static void refused_record_carries_leaf_and_keys(void **state)
{
	struct request request;
	(void)state;
	make_request(&request, "sudo", ROLE_CLAIMED);
	request.chosen = NULL;
	struct audit_record record = record_of(&request, MTLS_REASON_UNMAPPED);
	json_t *object = format(&record);

	assert_string_equal(text_at(object, NULL, "verdict"), "denied");
	assert_string_equal(text_at(object, NULL, "reason"), "unmapped");
	assert_string_equal(text_at(object, NULL, "leaf"), "bGVhZg==");
	assert_string_equal(text_at(object, "claimed", "service"), "sudo");
	assert_null(json_object_get(object, "reported"));
	assert_null(json_object_get(object, "account"));
	json_t *keys = json_object_get(object, "keys");
	assert_int_equal(json_array_size(keys), 4);
	assert_string_equal(json_string_value(json_array_get(keys, 3)),
			    "subject:CN=Alice,O=Example");
	json_decref(object);
	request_done(&request);
}

/* Which key gave which account, and that nothing was asked differs from nothing was found. */
static void bindings_are_recorded(void **state)
{
	struct request request;
	(void)state;
	make_request(&request, "sudo", ROLE_REPORTED);
	struct audit_record record = record_of(&request, MTLS_REASON_MAPPED_OTHER);
	json_t *object = format(&record);
	json_t *bindings = json_object_get(object, "bindings");
	assert_int_equal(json_array_size(bindings), 1);
	const json_t *row = json_array_get(bindings, 0);
	assert_string_equal(text_at(row, NULL, "key"), "subject:CN=Alice,O=Example");
	assert_string_equal(json_string_value(json_array_get(json_object_get(row, "accounts"), 0)),
			    "alice");
	json_decref(object);

	request.mapper.name_count = 0;
	object = format(&record);
	bindings = json_object_get(object, "bindings");
	assert_true(json_is_array(bindings));
	assert_int_equal(json_array_size(bindings), 0);
	json_decref(object);

	request.mapper.answered = false;
	object = format(&record);
	assert_null(json_object_get(object, "bindings"));
	json_decref(object);
	request_done(&request);
}

/* Refusals carry what stands between leaf and anchor; neither of the two, and no allowed record. */
static void intermediates_are_recorded(void **state)
{
	struct mtls_path longer = path;
	struct audit_record record = record_of(NULL, MTLS_REASON_CERT_EXPIRED);
	(void)state;
	longer.certs[1] = longer.certs[2] = path.certs[0];
	longer.count = 3;
	record.path = &longer;
	json_t *object = format(&record);
	assert_int_equal(json_array_size(json_object_get(object, "chain")), 1);
	json_decref(object);

	longer.count = 2;
	object = format(&record);
	assert_null(json_object_get(object, "chain"));
	json_decref(object);

	longer.count = 3;
	record.reason = MTLS_REASON_ALLOWED;
	object = format(&record);
	assert_null(json_object_get(object, "chain"));
	json_decref(object);
}

static void unprivileged_service_is_marked(void **state)
{
	struct request request;
	(void)state;
	make_request(&request, "i3lock", ROLE_UNPRIVILEGED);
	struct audit_record record = record_of(&request, MTLS_REASON_ACCOUNT_PEER);
	json_t *object = format(&record);

	assert_string_equal(text_at(object, "claimed", "service"), "unprivileged:i3lock");
	json_decref(object);
	request_done(&request);
}

/* Whatever a field holds, it stays in its field. */
static void fields_cannot_forge(void **state)
{
	static const char *const evil[] = {
		"\",\"verdict\":\"allowed",
		"\n{\"verdict\":\"allowed\"}",
		"\\\"",
		"\x01\x02\x1b[2J",
		"\xe2\x80\xa8{}",
		"\xff\xfe",
	};
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(evil); i++) {
		struct request request;
		make_request(&request, evil[i], ROLE_CLAIMED);
		struct audit_record record = record_of(&request, MTLS_REASON_UNMAPPED);
		record.detail = evil[i];
		json_t *object = format(&record);
		assert_string_equal(text_at(object, NULL, "verdict"), "denied");
		const char *service = text_at(object, "claimed", "service");
		if (mtls_utf8_valid((const uint8_t *)evil[i], strlen(evil[i])))
			assert_string_equal(service, evil[i]);
		else
			assert_string_equal(service, "hex:fffe");
		json_decref(object);
		request_done(&request);
	}
}

static void handshake_failure(void **state)
{
	(void)state;
	const struct peer remote = { .transport = PEER_TCP, .address = "192.0.2.1", .port = 9 };
	struct audit_record record = record_of(NULL, MTLS_REASON_CERT_BOUNDS);
	record.path = NULL;
	record.peer = &remote;
	record.handshake_ms = -1;
	record.leaf_len = AUDIT_LEAF_MAX + 1;
	json_t *object = format(&record);

	assert_null(json_object_get(object, "verified"));
	assert_null(json_object_get(object, "leaf"));
	assert_int_equal(json_integer_value(json_object_get(object, "leaf_bytes")),
			 AUDIT_LEAF_MAX + 1);
	assert_string_equal(text_at(object, "peer", "address"), "192.0.2.1");
	assert_null(json_object_get(json_object_get(object, "ms"), "handshake"));
	json_decref(object);
}

static void files_get_whole_lines(void **state)
{
	char folder[] = "/tmp/mtls-audit.XXXXXX";
	_cleanup_free_ char *file = NULL;
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(65536);
	_cleanup_(audit_sink_freep) struct audit_sink *sink = NULL;
	struct audit_record record = record_of(NULL, MTLS_REASON_BAD_REQUEST);
	struct mtls_diag diag = { 0 };
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(folder));
	assert_true(asprintf(&file, "%s/audit.json", folder) > 0);
	assert_int_equal(audit_sink_open(file, &sink, &diag), 0);
	assert_int_equal(audit_sink_write(sink, &record), 0);
	assert_int_equal(audit_sink_write(sink, &record), 0);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(mtls_file_read(file, NULL, &text, &diag), 0);
	const char *all = mtls_buf_cstr(&text);
	const char *end = strchr(all, '\n');
	assert_non_null(end);
	assert_int_equal(strlen(all), 2 * (size_t)(end - all + 1));

	audit_sink_free(sink);
	sink = NULL;
	assert_int_equal(chmod(file, 0666), 0);
	assert_int_equal(audit_sink_open(file, &sink, &diag), MTLS_E_UNTRUSTED);
	assert_non_null(strstr(diag.text, file));
	assert_int_equal(unlink(file), 0);
	assert_int_equal(symlink("/etc/passwd", file), 0);
	assert_int_equal(audit_sink_open(file, &sink, &diag), -ELOOP);
	assert_int_equal(unlink(file), 0);
	assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(allowed_record),
		cmocka_unit_test(unverified_leaf_is_presented),
		cmocka_unit_test(refused_record_carries_leaf_and_keys),
		cmocka_unit_test(bindings_are_recorded),
		cmocka_unit_test(intermediates_are_recorded),
		cmocka_unit_test(unprivileged_service_is_marked),
		cmocka_unit_test(fields_cannot_forge),
		cmocka_unit_test(handshake_failure),
		cmocka_unit_test(files_get_whole_lines),
	};
	return cmocka_run_group_tests_name("audit", tests, make_path, free_path);
}
