/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lib/control/client against daemons that behave and daemons that do not: each is a forked process
 * behind a real socket, which does one thing and waits for the client to go.
 */
#include <config.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/control/accounts.h"
#include "lib/control/client.h"
#include "tests/unit/wire_samples.h"

#define PATIENCE_MS 10000 /* where an answer must come */
#define SHORT_MS    100   /* where none will */
#define OTHER_UID   12345

static char folder[64], path[128];

static int make_folder(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/mtls-control-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/socket", folder);
	return chmod(folder, 0755);
}

static int remove_folder(void **state)
{
	(void)state;
	(void)unlink(path);
	return rmdir(folder);
}

/* --- the daemon --- */

typedef void behave(int fd);

static void put(int fd, const void *data, size_t len)
{
	if (send(fd, data, len, MSG_NOSIGNAL) != (ssize_t)len)
		_exit(1);
}

/* Reads until the client has gone. */
static void drain(int fd)
{
	char chunk[4096];
	while (recv(fd, chunk, sizeof(chunk), 0) > 0) {
	}
}

static void wait_for_request(int fd)
{
	uint8_t head[2];
	if (recv(fd, head, 2, MSG_PEEK | MSG_WAITALL) != 2)
		_exit(1);
}

static const uint8_t good_item[] = { 0x79, 0x0e, 0x0c, 0x02, 'm', 'e',  0xa0, 0x08,
				     0x30, 0x06, 0x0c, 0x01, 'a', 0x0c, 0x01, 'b' };
static const uint8_t good_end[] = { 0x7a, 0x03, 0x02, 0x01, 0x00 };
static const uint8_t refusing_end[] = { 0x7a, 0x07, 0x02, 0x01, 0x03, 0x80, 0x02, 'n', 'o' };

static void answer_well(int fd)
{
	wait_for_request(fd);
	put(fd, good_item, sizeof(good_item));
	put(fd, good_item, sizeof(good_item));
	put(fd, good_end, sizeof(good_end));
	drain(fd);
}

/* Whole messages in one piece, and one message in many. */
static void answer_in_pieces(int fd)
{
	uint8_t all[sizeof(good_item) * 2 + sizeof(good_end)];
	wait_for_request(fd);
	memcpy(all, good_item, sizeof(good_item));
	memcpy(all + sizeof(good_item), good_item, sizeof(good_item));
	memcpy(all + 2 * sizeof(good_item), good_end, sizeof(good_end));
	for (size_t i = 0; i < sizeof(all); i++)
		put(fd, all + i, 1);
	drain(fd);
}

static void say_nothing(int fd)
{
	drain(fd);
}

/* The beginning of a long item, then a byte every few milliseconds, for ever. */
static void dawdle(int fd)
{
	struct pollfd gone = { .fd = fd, .events = POLLRDHUP };
	wait_for_request(fd);
	put(fd, "\x79\x82\x40\x00", 4);
	while (poll(&gone, 1, SHORT_MS / 20) == 0)
		(void)send(fd, "\x0c", 1, MSG_NOSIGNAL);
}

static void close_at_once(int fd)
{
	(void)fd;
}

static void close_after_request(int fd)
{
	wait_for_request(fd);
}

static void close_in_a_message(int fd)
{
	uint8_t request[256];
	wait_for_request(fd);
	/* What is read leaves an orderly end instead of a reset. */
	(void)recv(fd, request, sizeof(request), 0);
	put(fd, good_item, sizeof(good_item) - 1);
}

static void say_garbage(int fd)
{
	wait_for_request(fd);
	put(fd, "HTTP/1.1 400 Bad Request\r\n", 26);
	drain(fd);
}

static void say_request(int fd)
{
	wait_for_request(fd);
	put(fd, "\x78\x0b\x02\x01\x01\x0c\x06status", 13);
	drain(fd);
}

static void say_too_much(int fd)
{
	wait_for_request(fd);
	put(fd, "\x79\x83\x01\x00\x01", 5);
	drain(fd);
}

static void say_not_canonical(int fd)
{
	wait_for_request(fd);
	put(fd, "\x7a\x04\x02\x02\x00\x00", 6);
	drain(fd);
}

static void say_unknown_code(int fd)
{
	wait_for_request(fd);
	put(fd, "\x7a\x03\x02\x01\x63", 5);
	drain(fd);
}

/* An answer before there was a question, then a good one. */
static void speak_unasked(int fd)
{
	uint8_t both[2 * sizeof(good_end)];
	memcpy(both, good_end, sizeof(good_end));
	memcpy(both + sizeof(good_end), good_end, sizeof(good_end));
	put(fd, both, sizeof(both));
	drain(fd);
}

/* Refuses an import after its first bytes, without reading the rest. */
static void refuse_early(int fd)
{
	wait_for_request(fd);
	put(fd, refusing_end, sizeof(refusing_end));
}

static void read_nothing(int fd)
{
	struct pollfd gone = { .fd = fd, .events = POLLRDHUP };
	while (poll(&gone, 1, -1) < 0) {
	}
}

static int listen_here(uid_t as)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	memcpy(address.sun_path, path, strlen(path) + 1);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	/* Whose socket it is for SO_PEERCRED is decided here. */
	assert_int_equal(seteuid(as), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(seteuid(getuid()), 0);
	return fd;
}

/* Its end is waited for by stop_daemon(). */
static pid_t start_daemon(behave *behaviour, uid_t as)
{
	int listener = listen_here(as);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)alarm(60);
		int fd = accept(listener, NULL, NULL);
		if (fd < 0)
			_exit(1);
		behaviour(fd);
		_exit(0);
	}
	(void)close(listener);
	return pid;
}

static void stop_daemon(pid_t pid)
{
	int status = -1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(unlink(path), 0);
}

/* --- the client --- */

static int say_status(struct mtls_control *control, struct mtls_diag *diag)
{
	_cleanup_(mtls_msg_freep) struct mtls_msg *msg = new_message(MTLS_MSG_CONTROL_REQUEST);
	msg->u.control_request.version = MTLS_CONTROL_VERSION;
	set_text(&msg->u.control_request.verb, MTLS_ACCT_VERB_STATUS);
	return mtls_control_send(control, msg, diag);
}

/* Asks, and reads to the end; the number of items, or the error. */
static int converse(struct mtls_control *control, struct mtls_diag *diag)
{
	int items = 0;
	int r = say_status(control, diag);
	/* What was said before the connection closed can still be read. */
	if (r < 0 && r != MTLS_E_CLOSED)
		return r;
	for (;;) {
		_cleanup_(mtls_msg_freep) struct mtls_msg *msg = NULL;
		r = mtls_control_receive(control, &msg, diag);
		if (r < 0) {
			assert_null(msg);
			return r;
		}
		if (msg->type == MTLS_MSG_CONTROL_END)
			return items;
		assert_string_equal(mtls_control_get(&msg->u.control_item.fields, "a"), "b");
		items++;
	}
}

static struct mtls_control *connect_here(uint32_t timeout_ms)
{
	struct mtls_control *control = NULL;
	struct mtls_diag diag = { 0 };
	int r = mtls_control_connect(path, getuid(), timeout_ms, &control, &diag);
	if (r < 0)
		fail_msg("%s", diag.text);
	return control;
}

static void daemons_of_all_kinds(void **state)
{
	/* clang-format off */
	static const struct { const char *name; behave *behaviour; uint32_t timeout_ms; int want; const char *text; } rows[] = {
		{ "good", answer_well, PATIENCE_MS, 2, NULL },
		{ "in pieces", answer_in_pieces, PATIENCE_MS, 2, NULL },
		{ "silent", say_nothing, SHORT_MS, -ETIMEDOUT, "timed out" },
		{ "a byte now and then", dawdle, SHORT_MS, -ETIMEDOUT, "timed out" },
		{ "closes at once", close_at_once, PATIENCE_MS, MTLS_E_CLOSED, "closed" },
		{ "closes after the request", close_after_request, PATIENCE_MS, MTLS_E_CLOSED, "closed" },
		{ "closes in a message", close_in_a_message, PATIENCE_MS, MTLS_E_CLOSED, "closed" },
		{ "garbage", say_garbage, PATIENCE_MS, MTLS_E_PROTOCOL, "protocol" },
		{ "a request", say_request, PATIENCE_MS, MTLS_E_PROTOCOL, "protocol" },
		{ "oversized", say_too_much, PATIENCE_MS, MTLS_E_LIMIT, "limit" },
		{ "not canonical", say_not_canonical, PATIENCE_MS, MTLS_E_SYNTAX, "ControlEnd" },
		{ "unknown code", say_unknown_code, PATIENCE_MS, MTLS_E_SYNTAX, "code" },
	};
	/* clang-format on */
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct mtls_diag diag = { 0 };
		print_message("# row %s\n", rows[i].name);
		pid_t pid = start_daemon(rows[i].behaviour, getuid());
		struct mtls_control *control = connect_here(rows[i].timeout_ms);
		assert_int_equal(converse(control, &diag), rows[i].want);
		if (rows[i].want < 0) {
			if (!strcasestr(diag.text, rows[i].text))
				fail_msg("said: %s", diag.text);
			/* Nothing more is believed. */
			assert_int_equal(converse(control, &diag), MTLS_E_CLOSED);
		}
		mtls_control_free(control);
		stop_daemon(pid);
	}
}

static void an_early_refusal_is_heard(void **state)
{
	_cleanup_(mtls_msg_freep) struct mtls_msg *item = sample(MTLS_MSG_CONTROL_ITEM);
	_cleanup_(mtls_msg_freep) struct mtls_msg *end = NULL;
	struct mtls_diag diag = { 0 };
	(void)state;
	pid_t pid = start_daemon(refuse_early, getuid());
	_cleanup_(mtls_control_freep) struct mtls_control *control = connect_here(PATIENCE_MS);
	int r = say_status(control, &diag);
	while (r == 0)
		r = mtls_control_send(control, item, &diag);
	assert_int_equal(r, MTLS_E_CLOSED);
	assert_int_equal(mtls_control_receive(control, &end, &diag), 0);
	assert_int_equal(end->type, MTLS_MSG_CONTROL_END);
	assert_int_equal(end->u.control_end.code, MTLS_CONTROL_REFUSED);
	assert_string_equal(end->u.control_end.text, "no");
	stop_daemon(pid);
}

static void a_daemon_that_does_not_read(void **state)
{
	_cleanup_(mtls_msg_freep) struct mtls_msg *item = sample(MTLS_MSG_CONTROL_ITEM);
	struct mtls_diag diag = { 0 };
	(void)state;
	pid_t pid = start_daemon(read_nothing, getuid());
	struct mtls_control *control = connect_here(SHORT_MS);
	int r = say_status(control, &diag);
	while (r == 0)
		r = mtls_control_send(control, item, &diag);
	assert_int_equal(r, -ETIMEDOUT);
	mtls_control_free(control);
	stop_daemon(pid);
}

static void an_answer_that_nobody_asked_for(void **state)
{
	struct mtls_diag diag = { 0 };
	(void)state;
	pid_t pid = start_daemon(speak_unasked, getuid());
	struct mtls_control *control = connect_here(PATIENCE_MS);
	_cleanup_(mtls_msg_freep) struct mtls_msg *end = NULL;
	/* Both ends come in one piece: one is left when the first is taken. */
	assert_int_equal(mtls_control_receive(control, &end, &diag), 0);
	assert_int_equal(say_status(control, &diag), MTLS_E_PROTOCOL);
	assert_non_null(strstr(diag.text, "unasked"));
	mtls_control_free(control);
	stop_daemon(pid);
}

/* What cannot be encoded is not half sent. */
static void what_cannot_be_said(void **state)
{
	struct mtls_diag diag = { 0 };
	(void)state;
	pid_t pid = start_daemon(answer_well, getuid());
	struct mtls_control *control = connect_here(PATIENCE_MS);
	_cleanup_(mtls_msg_freep) struct mtls_msg *item = sample(MTLS_MSG_CONTROL_ITEM);
	set_text(&item->u.control_item.kind, "a b");
	assert_int_equal(mtls_control_send(control, item, &diag), MTLS_E_SYNTAX);
	_cleanup_(mtls_msg_freep) struct mtls_msg *other = sample(MTLS_MSG_SIGNER_LIST);
	assert_int_equal(mtls_control_send(control, other, &diag), MTLS_E_BUG);
	assert_int_equal(converse(control, &diag), 2);
	mtls_control_free(control);
	stop_daemon(pid);
}

static void nobody_is_there(void **state)
{
	struct mtls_control *control = NULL;
	struct mtls_diag diag = { 0 };
	char longest[200];
	(void)state;
	assert_int_equal(mtls_control_connect(path, 0, PATIENCE_MS, &control, &diag), -ENOENT);
	assert_non_null(strstr(diag.text, "does not run"));
	(void)close(listen_here(getuid()));
	diag.text[0] = '\0';
	assert_int_equal(mtls_control_connect(path, 0, PATIENCE_MS, &control, &diag),
			 -ECONNREFUSED);
	assert_non_null(strstr(diag.text, "does not run"));
	assert_non_null(strstr(diag.text, path));
	assert_int_equal(unlink(path), 0);
	memset(longest, 'x', sizeof(longest) - 1);
	longest[0] = '/';
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(mtls_control_connect(longest, 0, PATIENCE_MS, &control, &diag),
			 MTLS_E_LIMIT);
	assert_null(control);
}

/* A backlog that is full: nobody accepts, ever. */
static void nobody_accepts(void **state)
{
	struct mtls_control *controls[8] = { 0 };
	struct mtls_diag diag = { 0 };
	int r = 0;
	size_t count = 0;
	(void)state;
	_cleanup_close_ int listener = listen_here(getuid());
	assert_true(listener >= 0);
	while (r == 0 && count < MTLS_COUNT(controls)) {
		r = mtls_control_connect(path, getuid(), SHORT_MS, &controls[count], &diag);
		count += r == 0;
	}
	assert_int_equal(r, -ETIMEDOUT);
	for (size_t i = 0; i < count; i++)
		mtls_control_free(controls[i]);
	assert_int_equal(unlink(path), 0);
}

/* Root may change to a stranger; whoever is not root is one, if another owner is wanted. */
static void a_stranger_listens(void **state)
{
	uid_t stranger = geteuid() == 0 ? OTHER_UID : geteuid();
	static const struct {
		int offset;
		int want;
	} rows[] = { { 0, 0 }, { 1, MTLS_E_UNTRUSTED } };
	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct mtls_control *control = NULL;
		struct mtls_diag diag = { 0 };
		print_message("# row %d\n", rows[i].offset);
		pid_t pid = start_daemon(say_nothing, stranger);
		int r = mtls_control_connect(path, stranger + (uid_t)rows[i].offset, PATIENCE_MS,
					     &control, &diag);
		assert_int_equal(r, rows[i].want);
		assert_int_equal(r == 0, control != NULL);
		if (r < 0)
			assert_non_null(strstr(diag.text, "listens there"));
		mtls_control_free(control);
		stop_daemon(pid);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(daemons_of_all_kinds),
		cmocka_unit_test(an_early_refusal_is_heard),
		cmocka_unit_test(a_daemon_that_does_not_read),
		cmocka_unit_test(an_answer_that_nobody_asked_for),
		cmocka_unit_test(what_cannot_be_said),
		cmocka_unit_test(nobody_is_there),
		cmocka_unit_test(nobody_accepts),
		cmocka_unit_test(a_stranger_listens),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
