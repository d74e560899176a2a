/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lib/control/server: a daemon's loop and its clients in one thread, over a real socket. */
#include <config.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/str.h"
#include "lib/control/authd.h"
#include "lib/control/server.h"
#include "lib/wire/frame.h"

#define LONG_MS 600000
#define ROUNDS  2000 /* more than any answer needs; each one moves something */

struct world {
	char folder[64];
	struct sockaddr_un address;
	int fd;
	struct mtls_control_server *server;
	size_t handled;
	uint64_t next_ticket;
};

/* What the verbs of this test do: their names say it. */
static int handle(void *ctx, struct mtls_control_call *call,
		  const struct mtls_control_request *request, struct mtls_control_end *end)
{
	struct world *world = ctx;
	char big[1024];
	const struct mtls_control_pair pairs[] = { { "text", "a\xff\nb" }, { "gone", NULL } };
	const struct mtls_control_pair big_pair = { "text", big };
	size_t items = mtls_streq(request->verb, "huge") ? 2000 : 500;
	int r = 0;

	world->handled++;
	assert_int_equal(mtls_control_call_pid(call), getpid());
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	if (mtls_streq(request->verb, "tell"))
		return mtls_control_call_tell(call, "row", pairs, MTLS_COUNT(pairs));
	if (mtls_streq(request->verb, "fail")) {
		r = mtls_control_call_tell(call, "row", pairs, MTLS_COUNT(pairs));
		assert_int_equal(r, 0);
		assert_int_equal(mtls_control_add(&end->fields, "left", "over"), 0);
		return -ENOSPC;
	}
	if (mtls_streq(request->verb, "wait")) {
		mtls_control_call_wait(call, world->next_ticket++);
		return 0;
	}
	for (size_t i = 0; r >= 0 && i < items; i++)
		r = mtls_control_call_tell(call, "row", &big_pair, 1);
	return r;
}

static void serve(struct world *world, uid_t uid, uint32_t ms)
{
	const struct mtls_control_service service = { .fd = world->fd,
						      .uid = uid,
						      .idle_ms = ms,
						      .move_ms = ms,
						      .handle = handle,
						      .ctx = world };

	mtls_control_server_free(world->server);
	world->server = NULL;
	assert_int_equal(mtls_control_server_new(&service, &world->server), 0);
}

static int set_up(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	(void)strcpy(world->folder, "/tmp/mtls-control.XXXXXX");
	assert_non_null(mkdtemp(world->folder));
	world->address.sun_family = AF_UNIX;
	(void)snprintf(world->address.sun_path, sizeof(world->address.sun_path), "%s/socket",
		       world->folder);
	world->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_true(world->fd >= 0);
	assert_int_equal(
		bind(world->fd, (struct sockaddr *)&world->address, sizeof(world->address)), 0);
	assert_int_equal(listen(world->fd, 64), 0);
	world->next_ticket = 1;
	serve(world, getuid(), LONG_MS);
	*state = world;
	return 0;
}

static int tear_down(void **state)
{
	struct world *world = *state;

	mtls_control_server_free(world->server);
	(void)close(world->fd);
	(void)unlink(world->address.sun_path);
	(void)rmdir(world->folder);
	free(world);
	return 0;
}

/* One turn of the daemon's loop; waits at most until something is due. False: nothing to do. */
static bool turn(struct world *world, int most_ms)
{
	struct pollfd fds[MTLS_CONTROL_POLL_MAX];
	mtls_deadline due = mtls_control_server_due(world->server);
	int left = due == INT64_MAX ? most_ms : mtls_deadline_left_ms(due);

	mtls_control_server_watch(world->server, fds);
	int n = poll(fds, MTLS_COUNT(fds), left < most_ms ? left : most_ms);
	assert_true(n >= 0);
	mtls_control_server_run(world->server, n ? fds : NULL);
	return n > 0 || mtls_control_server_due(world->server) == 0;
}

static void turn_all(struct world *world)
{
	while (turn(world, 0))
		;
}

static int dial(const struct world *world)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(
		connect(fd, (const struct sockaddr *)&world->address, sizeof(world->address)), 0);
	return fd;
}

static size_t request(const char *verb, uint32_t version, uint8_t *out, size_t size)
{
	struct mtls_msg *msg = mtls_msg_new(MTLS_MSG_CONTROL_REQUEST);
	uint8_t *der = NULL;
	size_t len = 0;

	msg->u.control_request.version = version;
	assert_int_equal(mtls_msg_set_text(&msg->u.control_request.verb, verb), 0);
	assert_int_equal(mtls_msg_encode(msg, &der, &len, NULL), 0);
	assert_true(len <= size);
	memcpy(out, der, len);
	free(der);
	mtls_msg_free(msg);
	return len;
}

static void ask(int fd, const char *verb)
{
	uint8_t bytes[256];
	size_t len = request(verb, MTLS_CONTROL_VERSION, bytes, sizeof(bytes));

	assert_int_equal(send(fd, bytes, len, 0), len);
}

struct answer {
	struct mtls_frame frame;
	size_t items;
	size_t ends;
	int code; /* of the last end */
	char text[128], field[64];
	bool closed;
};

static void answer_begin(struct answer *answer)
{
	*answer = (struct answer){ .code = -1 };
	mtls_frame_init(&answer->frame, false);
	mtls_frame_expect(&answer->frame, MTLS_EXPECT(CONTROL_ITEM) | MTLS_EXPECT(CONTROL_END));
}

static void take_messages(struct answer *answer)
{
	struct mtls_msg *msg = NULL;

	while (mtls_frame_next(&answer->frame, &msg, NULL) == 1) {
		if (msg->type == MTLS_MSG_CONTROL_ITEM) {
			const char *text = mtls_control_get(&msg->u.control_item.fields, "text");
			(void)snprintf(answer->field, sizeof(answer->field), "%s", text);
			assert_null(mtls_control_get(&msg->u.control_item.fields, "gone"));
			answer->items++;
		} else {
			const struct mtls_control_end *end = &msg->u.control_end;
			answer->code = end->code;
			(void)snprintf(answer->text, sizeof(answer->text), "%s",
				       end->text ? end->text : "");
			answer->ends++;
			assert_true(end->code == MTLS_CONTROL_OK || end->fields.count == 0);
		}
		mtls_msg_free(msg);
	}
}

/* Reads what is there. */
static void hear(int fd, struct answer *answer)
{
	uint8_t bytes[65536];
	ssize_t n;

	while ((n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {
		assert_int_equal(mtls_frame_push(&answer->frame, bytes, (size_t)n), 0);
		take_messages(answer);
	}
	answer->closed = n == 0 || errno == ECONNRESET;
}

/* Turns the loop and reads until @ends ends are here or the connection is closed. */
static void hear_ends(struct world *world, int fd, struct answer *answer, size_t ends)
{
	for (int i = 0; i < ROUNDS && answer->ends < ends && !answer->closed; i++) {
		(void)turn(world, 0);
		hear(fd, answer);
	}
}

static struct answer outcome(struct world *world, const char *verb)
{
	struct answer answer;
	int fd = dial(world);

	answer_begin(&answer);
	ask(fd, verb);
	hear_ends(world, fd, &answer, 1);
	mtls_frame_done(&answer.frame);
	(void)close(fd);
	turn_all(world);
	return answer;
}

static void answers(void **state)
{
	struct world *world = *state;
	static const struct {
		const char *verb;
		size_t items;
		int code;
	} rows[] = {
		{ "tell", 1, MTLS_CONTROL_OK },
		{ "fail", 0, MTLS_CONTROL_FAILED }, /* nothing of what was told before */
		{ "large", 500, MTLS_CONTROL_OK },
		{ "huge", 0, MTLS_CONTROL_FAILED }, /* over the memory of an answer */
	};

	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct answer answer = outcome(world, rows[i].verb);
		if (answer.items != rows[i].items || answer.code != rows[i].code)
			fail_msg("%s: %zu items, code %d", rows[i].verb, answer.items, answer.code);
	}
	assert_string_equal(outcome(world, "tell").field, "a??b");
	assert_string_equal(outcome(world, "fail").text, mtls_strerror(-ENOSPC));
	assert_int_equal(mtls_control_server_due(world->server), INT64_MAX);
}

static void takes_bytes_as_they_come(void **state)
{
	struct world *world = *state;
	struct answer answer;
	uint8_t bytes[512];
	size_t len = request("tell", MTLS_CONTROL_VERSION, bytes, sizeof(bytes));
	int fd = dial(world);

	answer_begin(&answer);
	for (size_t i = 0; i < len; i++) {
		assert_int_equal(answer.ends, 0);
		assert_int_equal(send(fd, &bytes[i], 1, 0), 1);
		turn_all(world);
		hear(fd, &answer);
	}
	assert_int_equal(answer.ends, 1);
	/* Three at once: each gets its answer, one a round. */
	memcpy(bytes + len, bytes, len);
	assert_int_equal(send(fd, bytes, 2 * len, 0), 2 * len);
	ask(fd, "tell");
	size_t before = world->handled;
	(void)turn(world, 0);
	assert_int_equal(world->handled, before + 1);
	hear_ends(world, fd, &answer, 4);
	assert_int_equal(answer.ends, 4);
	assert_int_equal(answer.items, 4);
	mtls_frame_done(&answer.frame);
	(void)close(fd);
}

static void refuses(void **state)
{
	struct world *world = *state;
	static const uint8_t garbage[] = "GET / HTTP/1.0\r\n\r\n";
	static const uint8_t too_long[] = { 0x78, 0x84, 0x7f, 0xff, 0xff, 0xff };
	static const uint8_t item[] = { 0x79, 0x03, 0x0c, 0x01, 'a' };
	static const struct {
		const char *name;
		const uint8_t *bytes;
		size_t len;
	} rows[] = {
		{ "garbage", garbage, sizeof(garbage) },
		{ "a length over the limit", too_long, sizeof(too_long) },
		{ "an item", item, sizeof(item) },
	};

	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct answer answer;
		int fd = dial(world);
		answer_begin(&answer);
		assert_int_equal(send(fd, rows[i].bytes, rows[i].len, 0), rows[i].len);
		hear_ends(world, fd, &answer, 1);
		if (!answer.closed || answer.ends)
			fail_msg("%s was not refused", rows[i].name);
		mtls_frame_done(&answer.frame);
		(void)close(fd);
	}
	assert_int_equal(world->handled, 0);
	/* Another version is told so. */
	uint8_t bytes[256];
	size_t len = request("tell", 2, bytes, sizeof(bytes));
	struct answer answer;
	int fd = dial(world);
	answer_begin(&answer);
	assert_int_equal(send(fd, bytes, len, 0), len);
	hear_ends(world, fd, &answer, 1);
	assert_int_equal(answer.code, MTLS_CONTROL_USAGE);
	assert_int_equal(world->handled, 0);
	mtls_frame_done(&answer.frame);
	(void)close(fd);
	/* And somebody else is told nothing. */
	serve(world, getuid() + 1, LONG_MS);
	answer = outcome(world, "tell");
	assert_true(answer.closed && answer.ends == 0 && world->handled == 0);
}

static void answers_later(void **state)
{
	struct world *world = *state;
	struct mtls_msg *end = mtls_msg_new(MTLS_MSG_CONTROL_END);
	struct answer answers[3];
	int fds[3];

	for (size_t i = 0; i < MTLS_COUNT(fds); i++) {
		fds[i] = dial(world);
		answer_begin(&answers[i]);
		ask(fds[i], "wait");
		turn_all(world);
	}
	assert_int_equal(world->handled, 3);
	assert_int_equal(mtls_control_server_due(world->server), INT64_MAX);
	mtls_control_server_answer(world->server, 2, end);
	for (size_t i = 0; i < MTLS_COUNT(fds); i++)
		hear(fds[i], &answers[i]);
	assert_true(answers[0].ends == 1 && answers[1].ends == 1 && answers[2].ends == 0);
	ask(fds[0], "tell"); /* the connection goes on */
	hear_ends(world, fds[0], &answers[0], 2);
	assert_int_equal(answers[0].items, 1);
	/* Who hangs up while it waits is forgotten. */
	(void)close(fds[2]);
	turn_all(world);
	mtls_control_server_answer(world->server, 3, end);
	for (size_t i = 0; i < MTLS_COUNT(fds); i++)
		mtls_frame_done(&answers[i].frame);
	(void)close(fds[0]);
	(void)close(fds[1]);
	mtls_msg_free(end);
}

static void bounds_connections(void **state)
{
	struct world *world = *state;
	int fds[MTLS_CONTROL_CALLS_MAX], own[MTLS_CONTROL_CALLS_MAX];
	struct answer answer;

	/* All are in the middle of a request: the next one waits outside. */
	for (size_t i = 0; i < MTLS_COUNT(fds); i++) {
		fds[i] = dial(world);
		assert_int_equal(send(fds[i], "\x78", 1, 0), 1);
	}
	turn_all(world);
	assert_int_equal(mtls_control_server_fds(world->server, own), MTLS_CONTROL_CALLS_MAX);
	int late = dial(world);
	answer_begin(&answer);
	ask(late, "tell");
	turn_all(world);
	hear(late, &answer);
	assert_true(answer.ends == 0 && !answer.closed);
	(void)close(fds[3]);
	hear_ends(world, late, &answer, 1);
	assert_int_equal(answer.ends, 1);
	mtls_frame_done(&answer.frame);
	(void)close(late);
	for (size_t i = 0; i < MTLS_COUNT(fds); i++)
		if (i != 3)
			(void)close(fds[i]);
	turn_all(world);
	assert_int_equal(mtls_control_server_fds(world->server, own), 0);
}

/* Who keeps connections and asks for nothing keeps nobody out. */
static void takes_idle_places(void **state)
{
	struct world *world = *state;
	int fds[2 * MTLS_CONTROL_CALLS_MAX], own[MTLS_CONTROL_CALLS_MAX];
	struct answer waiting;

	int asked = dial(world);
	answer_begin(&waiting);
	ask(asked, "wait");
	turn_all(world);
	for (size_t i = 0; i < MTLS_COUNT(fds); i++) {
		fds[i] = dial(world);
		turn_all(world);
	}
	assert_int_equal(mtls_control_server_fds(world->server, own), MTLS_CONTROL_CALLS_MAX);
	assert_int_equal(outcome(world, "tell").items, 1);
	/* But who waits for an answer gets it. */
	struct mtls_msg *end = mtls_msg_new(MTLS_MSG_CONTROL_END);
	mtls_control_server_answer(world->server, world->next_ticket, end);
	hear_ends(world, asked, &waiting, 1);
	assert_int_equal(waiting.ends, 1);
	mtls_msg_free(end);
	mtls_frame_done(&waiting.frame);
	(void)close(asked);
	for (size_t i = 0; i < MTLS_COUNT(fds); i++)
		(void)close(fds[i]);
}

/* Who says nothing, stops in the middle, or does not take its answer is closed in time. */
static void bounds_time(void **state)
{
	struct world *world = *state;
	static const char *const cases[] = { "silent", "half", "deaf" };
	int own[MTLS_CONTROL_CALLS_MAX];

	serve(world, getuid(), 20);
	for (size_t i = 0; i < MTLS_COUNT(cases); i++) {
		uint8_t bytes[256];
		size_t len = request("large", MTLS_CONTROL_VERSION, bytes, sizeof(bytes));
		struct answer answer;
		int fd = dial(world);
		if (i > 0)
			assert_true(send(fd, bytes, i == 1 ? len - 1 : len, 0) > 0);
		do {
			(void)turn(world, LONG_MS);
		} while (mtls_control_server_fds(world->server, own) > 0);
		assert_int_equal(world->handled, i == 2);
		answer_begin(&answer);
		hear(fd, &answer);
		if (!answer.closed || answer.ends)
			fail_msg("%s: not closed", cases[i]);
		mtls_frame_done(&answer.frame);
		(void)close(fd);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(answers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(takes_bytes_as_they_come, set_up, tear_down),
		cmocka_unit_test_setup_teardown(refuses, set_up, tear_down),
		cmocka_unit_test_setup_teardown(answers_later, set_up, tear_down),
		cmocka_unit_test_setup_teardown(bounds_connections, set_up, tear_down),
		cmocka_unit_test_setup_teardown(takes_idle_places, set_up, tear_down),
		cmocka_unit_test_setup_teardown(bounds_time, set_up, tear_down),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
