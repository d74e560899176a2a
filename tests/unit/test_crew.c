/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a worker that was broken into can do to its supervisor, and a machine without processes. */
#include <config.h>

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "authd/channel.h"
#include "authd/supervisor_impl.h"
#include "lib/base/str.h"

#define WORKERS  3
#define VICTIM_S 20

static int forks_refused;

/* Instead of the C library's: this machine has no room for another process. */
pid_t fork(void)
{
	forks_refused++;
	errno = EAGAIN;
	return -1;
}

struct fixture {
	struct generation generation;
	struct worker_slot workers[WORKERS];
	int peer; /* the first worker's end of its channel */
};

static void set_up(struct fixture *f, enum generation_state state)
{
	int fds[2];

	*f = (struct fixture){ .generation = { .state = state, .worker_count = WORKERS } };
	f->generation.workers = f->workers;
	for (size_t i = 0; i < WORKERS; i++) {
		f->workers[i].channel_fd = -1;
		for (int kind = 0; kind < MTLS_LOOKUP_KINDS; kind++)
			for (size_t slot = 0; slot < LOOKUP_SLOTS_MAX; slot++)
				f->workers[i].lookups[kind][slot].fd = -1;
	}
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
			 0);
	f->workers[0].channel_fd = fds[0];
	f->peer = fds[1];
}

static void tear_down(struct fixture *f)
{
	(void)close(f->workers[0].channel_fd);
	if (f->peer >= 0)
		(void)close(f->peer);
}

/* A process in the worker's place that ends only when it is killed. */
static pid_t start_victim(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);

	if (pid == 0) {
		(void)alarm(VICTIM_S);
		for (;;)
			(void)pause();
	}
	assert_true(pid > 0);
	return pid;
}

static void who_talks_without_end_is_interrupted(void **state)
{
	const struct channel_msg msg = { .type = CHANNEL_KILL_LOOKUP, .kind = UINT32_MAX };
	struct fixture f;
	int sent = 0;

	(void)state;
	set_up(&f, GENERATION_CURRENT);
	while (channel_send(f.peer, &msg, -1) >= 0)
		sent++;
	assert_true(sent > 64);
	struct pollfd pfd = { .fd = f.workers[0].channel_fd, .events = POLLIN };
	crew_on_channel(&f.generation, &f.workers[0]);
	assert_int_equal(poll(&pfd, 1, 0), 1);
	/* The rest has its turn later. */
	for (int i = 0; i < sent; i++)
		crew_on_channel(&f.generation, &f.workers[0]);
	assert_int_equal(poll(&pfd, 1, 0), 0);
	tear_down(&f);
}

/* It could not be told any more to accept nothing. */
static void who_breaks_the_channel_is_killed(void **state)
{
	static const struct {
		const char *name;
		size_t len; /* of a message; 0: the channel is closed */
	} rows[] = { { "closed", 0 }, { "short", 3 }, { "long", sizeof(struct channel_msg) + 1 } };
	static const char bytes[sizeof(struct channel_msg) + 1];

	(void)state;
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		struct fixture f;
		int status = 0;
		print_message("# %s\n", rows[i].name);
		pid_t victim = start_victim(); /* before there is a channel that it would keep */
		set_up(&f, GENERATION_CURRENT);
		f.workers[0].process.pid = victim;
		if (rows[i].len) {
			assert_int_equal(send(f.peer, bytes, rows[i].len, 0), rows[i].len);
		} else {
			(void)close(f.peer);
			f.peer = -1;
		}
		crew_on_channel(&f.generation, &f.workers[0]);
		/* One that nobody kills ends by its alarm, which is another signal. */
		assert_int_equal(waitpid(victim, &status, 0), victim);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		tear_down(&f);
	}
}

/* The first one that cannot be started ends the generation: one behind it would run for ever. */
static void none_is_started_behind_a_failure(void **state)
{
	struct mtls_settings_authd settings = { .lookups = 1 };
	struct configuration config = { .settings = &settings };
	struct mtls_control_service service = { .fd = -1 };
	struct supervisor s = { .signal_fd = -1, .self_fd = -1, .control_fd = -1 };
	struct shared shared = { 0 };
	struct fixture f;
	int descriptors[64];

	(void)state;
	set_up(&f, GENERATION_STARTING);
	(void)close(f.workers[0].channel_fd);
	f.workers[0].channel_fd = -1;
	assert_int_equal(audit_sink_open("-", &f.generation.audit, NULL), 0);
	assert_int_equal(mtls_control_server_new(&service, &s.server), 0);
	f.generation.config = &config;
	s.generations = &f.generation;
	s.shared = &shared;
	s.descriptors = descriptors;
	s.descriptor_room = MTLS_COUNT(descriptors);
	forks_refused = 0;
	crew_start_due(&s, &f.generation);
	assert_int_equal(forks_refused, 1);
	assert_int_equal(f.generation.state, GENERATION_FAILED);
	assert_int_equal(f.workers[0].channel_fd, -1);
	assert_int_equal(f.workers[1].state, WORKER_WAITING);
	assert_non_null(strstr(f.generation.error, "cannot be started"));
	/* A generation that serves goes on with those that it has. */
	f.generation.state = GENERATION_CURRENT;
	for (size_t i = 0; i < WORKERS; i++)
		f.workers[i].process.pause.restart_at = 0;
	forks_refused = 0;
	crew_start_due(&s, &f.generation);
	assert_int_equal(forks_refused, WORKERS);
	assert_int_equal(f.generation.state, GENERATION_CURRENT);
	mtls_control_server_free(s.server);
	audit_sink_free(f.generation.audit);
	(void)close(f.peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_talks_without_end_is_interrupted),
		cmocka_unit_test(who_breaks_the_channel_is_killed),
		cmocka_unit_test(none_is_started_behind_a_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
