/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The supervisor. One thread, a poll(2) loop over a signalfd and the workers' channels. Each
 * worker has lookup processes of its own; when it ends they are killed, and new ones come with its
 * successor.
 */
#include <config.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "authd/channel.h"
#include "authd/supervisor_impl.h"
#include "authd/verbs.h"
#include "lib/base/cleanup.h"
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/service/child.h"
#include "lib/service/rights.h"
#include "lib/service/socket.h"

#define BACKLOG     16    /* of the control socket */
#define IDLE_MS     60000 /* of its connections, between requests */
#define MOVE_MS     10000 /* for a request that has begun; for an answer */
#define STOP_MS     6000  /* for workers to end by themselves */
#define FILES_SPARE 128   /* descriptors besides connections */
#define FIRST_MS    2000  /* a worker that fails so soon after the start cannot run at all */

/* ------------------------------------------------------------------------------ starting */

static void start_lookup(struct supervisor *s, struct worker_slot *worker,
			 enum mtls_lookup_kind kind, uint32_t slot)
{
	struct process_slot *process = &worker->lookups[kind][slot];
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0) {
		process_ended(process, false);
		return;
	}
	pid_t pid = process_start_lookup(kind, s->self_fd, fds[1]);
	(void)close(fds[1]);
	if (pid < 0) {
		mtls_log(MTLS_LOG_ERROR, "fork: %s", mtls_strerror(pid));
		(void)close(fds[0]);
		process_ended(process, false);
		return;
	}
	process_started(process, pid);
	const struct channel_msg msg = { .type = CHANNEL_LOOKUP,
					 .kind = kind,
					 .slot = slot,
					 .generation = process->generation };
	/* A worker that cannot be told has none of the socket, so the process ends by itself. */
	int r = channel_send(worker->channel_fd, &msg, fds[0]);
	if (r < 0)
		mtls_log(MTLS_LOG_ERROR, "cannot hand a lookup process over: %s", mtls_strerror(r));
	(void)close(fds[0]);
}

static void start_lookups(struct supervisor *s, struct worker_slot *worker)
{
	for (int kind = 0; kind < MTLS_LOOKUP_KINDS; kind++)
		for (uint32_t slot = 0; slot < s->config->settings->lookups; slot++)
			start_lookup(s, worker, kind, slot);
}

static pid_t fork_worker(struct supervisor *s, struct worker_slot *worker, int channel_fd)
{
	int close_fds[WORKERS_MAX + 3 + MTLS_CONTROL_POLL_MAX];
	size_t count = 0;
	const struct worker_setup setup = {
		.config = s->config,
		.listeners = s->listeners,
		.listener_count = s->listener_count,
		.audit = s->audit,
		.shared = s->shared,
		.slot = (size_t)(worker - s->workers),
		.channel_fd = channel_fd,
		.supervisor = getpid(),
	};

	close_fds[count++] = s->signal_fd;
	close_fds[count++] = s->self_fd;
	for (size_t i = 0; i < s->worker_count; i++)
		close_fds[count++] = s->workers[i].channel_fd;
	close_fds[count++] = s->control_fd;
	count += mtls_control_server_fds(s->server, &close_fds[count]);
	return process_start_worker(&setup, close_fds, count);
}

static void start_worker(struct supervisor *s, struct worker_slot *worker)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0) {
		process_ended(&worker->process, false);
		return;
	}
	worker->channel_fd = fds[0];
	pid_t pid = fork_worker(s, worker, fds[1]);
	(void)close(fds[1]);
	if (pid < 0) {
		mtls_log(MTLS_LOG_ERROR, "fork: %s", mtls_strerror(pid));
		(void)close(fds[0]);
		worker->channel_fd = -1;
		process_ended(&worker->process, false);
		return;
	}
	process_started(&worker->process, pid);
	worker->started = time(NULL);
	start_lookups(s, worker);
}

static bool due(const struct process_slot *process)
{
	return process->pid == 0 && mtls_deadline_left_ms(process->pause.restart_at) == 0;
}

static void start_what_is_due(struct supervisor *s)
{
	for (size_t i = 0; i < s->worker_count; i++) {
		struct worker_slot *worker = &s->workers[i];
		if (due(&worker->process)) {
			start_worker(s, worker);
			continue;
		}
		if (!worker->process.pid)
			continue;
		for (int kind = 0; kind < MTLS_LOOKUP_KINDS; kind++)
			for (uint32_t slot = 0; slot < s->config->settings->lookups; slot++)
				if (due(&worker->lookups[kind][slot]))
					start_lookup(s, worker, kind, slot);
	}
}

/* -------------------------------------------------------------------------------- ending */

static void log_end(const char *what, pid_t pid, int status)
{
	struct mtls_diag diag = { 0 };

	if (mtls_child_end(status, &diag) < 0)
		mtls_log(MTLS_LOG_ERROR, "%s %ld %s", what, (long)pid, diag.text);
}

static void kill_lookups(struct worker_slot *worker)
{
	for (int kind = 0; kind < MTLS_LOOKUP_KINDS; kind++)
		for (size_t slot = 0; slot < LOOKUP_SLOTS_MAX; slot++)
			if (worker->lookups[kind][slot].pid)
				(void)kill(worker->lookups[kind][slot].pid, SIGKILL);
}

static void worker_ended(struct supervisor *s, struct worker_slot *worker, int status)
{
	/* It says so itself; one that was killed is just started again. */
	bool failed = WIFEXITED(status) && WEXITSTATUS(status);
	bool first = mtls_now_ms() - s->started_ms < FIRST_MS && worker->process.generation == 1;

	log_end("worker", worker->process.pid, status);
	shared_reap(s->shared, (size_t)(worker - s->workers));
	(void)close(worker->channel_fd);
	worker->channel_fd = -1;
	kill_lookups(worker);
	process_ended(&worker->process, false);
	if (failed && first && !s->stopping) {
		mtls_log(MTLS_LOG_ERROR, "a worker cannot run: giving up");
		s->exit_code = AUTHD_EXIT_SOFTWARE;
		s->stopping = true;
		s->stop_by = mtls_deadline_in_ms(STOP_MS);
	}
}

/* The lookup process with @pid, or NULL. */
static struct process_slot *find_lookup(struct worker_slot *worker, pid_t pid)
{
	for (int kind = 0; kind < MTLS_LOOKUP_KINDS; kind++)
		for (size_t slot = 0; slot < LOOKUP_SLOTS_MAX; slot++)
			if (worker->lookups[kind][slot].pid == pid)
				return &worker->lookups[kind][slot];
	return NULL;
}

static void child_ended(struct supervisor *s, pid_t pid, int status)
{
	for (size_t i = 0; i < s->worker_count; i++) {
		struct worker_slot *worker = &s->workers[i];
		if (worker->process.pid == pid) {
			worker_ended(s, worker, status);
			return;
		}
		struct process_slot *lookup = find_lookup(worker, pid);
		if (!lookup)
			continue;
		bool ours = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
		if (!ours && !s->stopping)
			log_end("lookup process", pid, status);
		process_ended(lookup, ours);
		return;
	}
}

static void reap(struct supervisor *s)
{
	for (;;) {
		int status = 0;
		pid_t pid = waitpid(-1, &status, WNOHANG);
		if (pid <= 0)
			return;
		child_ended(s, pid, status);
	}
}

/* ------------------------------------------------------------------------------- events */

static void stop(struct supervisor *s)
{
	const struct channel_msg msg = { .type = CHANNEL_STOP };

	if (!s->stopping)
		s->stop_by = mtls_deadline_in_ms(STOP_MS);
	s->stopping = true;
	for (size_t i = 0; i < s->worker_count; i++)
		if (s->workers[i].process.pid)
			(void)channel_send(s->workers[i].channel_fd, &msg, -1);
}

static void on_signal(struct supervisor *s)
{
	struct signalfd_siginfo info;

	while (read(s->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		switch (info.ssi_signo) {
		case SIGCHLD:
			reap(s);
			break;
		case SIGUSR1:
			counter_set_log(s->shared->counters);
			break;
		case SIGHUP:
			mtls_log(MTLS_LOG_NOTICE, "SIGHUP: a new configuration needs a restart");
			break;
		default:
			mtls_log(MTLS_LOG_NOTICE, "stopping");
			stop(s);
			break;
		}
	}
}

/* A worker asks for the end of a lookup process that hangs. The generation says it is that one. */
static void on_channel(struct supervisor *s, struct worker_slot *worker)
{
	struct channel_msg msg;
	int fd = -1;

	while (worker->channel_fd >= 0 && channel_recv(worker->channel_fd, &msg, &fd) == 1) {
		if (fd >= 0)
			(void)close(fd);
		fd = -1;
		if (msg.type != CHANNEL_KILL_LOOKUP || msg.kind >= MTLS_LOOKUP_KINDS ||
		    msg.slot >= s->config->settings->lookups)
			continue;
		struct process_slot *process = &worker->lookups[msg.kind][msg.slot];
		if (!process->pid || process->generation != msg.generation)
			continue;
		mtls_log(MTLS_LOG_WARNING,
			 "lookup process %ld (%s) is replaced: it hangs or gave no sound answer",
			 (long)process->pid, mtls_lookup_kind_name(msg.kind));
		(void)kill(process->pid, SIGKILL);
	}
}

/* How long poll(2) may wait: until something is due. -1: for ever. */
static int wait_ms(const struct supervisor *s)
{
	mtls_deadline earliest = mtls_control_server_due(s->server);

	if (s->stopping)
		earliest = mtls_deadline_min(earliest, s->stop_by);
	for (size_t i = 0; i < s->worker_count && !s->stopping; i++) {
		const struct worker_slot *worker = &s->workers[i];
		if (!worker->process.pid) {
			earliest = mtls_deadline_min(earliest, worker->process.pause.restart_at);
			continue;
		}
		for (int kind = 0; kind < MTLS_LOOKUP_KINDS; kind++)
			for (uint32_t slot = 0; slot < s->config->settings->lookups; slot++)
				if (!worker->lookups[kind][slot].pid)
					earliest = mtls_deadline_min(
						earliest,
						worker->lookups[kind][slot].pause.restart_at);
	}
	return earliest == INT64_MAX ? -1 : mtls_deadline_left_ms(earliest) + 1;
}

static void wait_event(struct supervisor *s)
{
	struct pollfd fds[1 + MTLS_CONTROL_POLL_MAX + WORKERS_MAX];
	struct pollfd *control = &fds[1], *channels = &fds[1 + MTLS_CONTROL_POLL_MAX];

	fds[0] = (struct pollfd){ .fd = s->signal_fd, .events = POLLIN };
	mtls_control_server_watch(s->server, control);
	for (size_t i = 0; i < s->worker_count; i++)
		channels[i] = (struct pollfd){ .fd = s->workers[i].channel_fd, .events = POLLIN };
	if (poll(fds, 1 + MTLS_CONTROL_POLL_MAX + s->worker_count, wait_ms(s)) <= 0) {
		mtls_control_server_run(s->server, NULL);
		return;
	}
	mtls_control_server_run(s->server, control);
	for (size_t i = 0; i < s->worker_count; i++)
		if (channels[i].revents & POLLIN)
			on_channel(s, &s->workers[i]);
	if (fds[0].revents)
		on_signal(s);
}

static bool workers_left(const struct supervisor *s)
{
	for (size_t i = 0; i < s->worker_count; i++)
		if (s->workers[i].process.pid)
			return true;
	return false;
}

static void loop(struct supervisor *s)
{
	while (!s->stopping || (workers_left(s) && mtls_deadline_left_ms(s->stop_by))) {
		if (!s->stopping)
			start_what_is_due(s);
		wait_event(s);
	}
	for (size_t i = 0; i < s->worker_count; i++) {
		if (s->workers[i].process.pid)
			(void)kill(s->workers[i].process.pid, SIGKILL);
		kill_lookups(&s->workers[i]);
	}
	while (waitpid(-1, NULL, 0) > 0)
		;
	counter_set_log(s->shared->counters);
}

/* -------------------------------------------------------------------------------- begin */

static int open_signals(struct supervisor *s, struct mtls_diag *diag)
{
	static const int wanted[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD };
	sigset_t set;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < MTLS_COUNT(wanted); i++)
		(void)sigaddset(&set, wanted[i]);
	/* A parent may have left these ignored; then no child could be reaped. */
	for (size_t i = 0; i < MTLS_COUNT(wanted); i++)
		(void)signal(wanted[i], SIG_DFL);
	(void)signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_SETMASK, &set, NULL) < 0)
		return mtls_diag_set(diag, -errno, "sigprocmask: %s", strerrordesc_np(errno));
	s->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->signal_fd < 0)
		return mtls_diag_set(diag, -errno, "signalfd: %s", strerrordesc_np(errno));
	return 0;
}

static int bind_all(struct supervisor *s, struct mtls_diag *diag)
{
	for (char **text = s->config->settings->listen; *text; text++) {
		if (s->listener_count == LISTENERS_MAX)
			return mtls_diag_set(diag, MTLS_E_LIMIT, "listen: more than %d addresses",
					     LISTENERS_MAX);
		int r = listener_open(*text, &s->listeners[s->listener_count], diag);
		if (r < 0)
			return r;
		s->listener_count++;
	}
	return 0;
}

static int open_control(struct supervisor *s, struct mtls_diag *diag)
{
	const struct mtls_socket_spec spec = { .name = "control",
					       .path = s->config->settings->control_socket,
					       .mode = 0600,
					       .backlog = BACKLOG };

	int r = mtls_socket_open(&spec, &s->control_fd, &s->control_ours, diag);
	if (r < 0)
		return r;
	const struct mtls_control_service service = {
		.fd = s->control_fd,
		.uid = 0,
		.idle_ms = IDLE_MS,
		.move_ms = MOVE_MS,
		.handle = verbs_run,
		.ctx = s,
	};
	r = mtls_control_server_new(&service, &s->server);
	return r < 0 ? mtls_diag_set(diag, r, "control socket: %s", mtls_strerror(r)) : 0;
}

/* The part that needs root. Returns an exit code. */
static int prepare(struct supervisor *s, struct mtls_diag *diag)
{
	const struct mtls_settings_authd *settings = s->config->settings;
	const struct rlimit none = { 0, 0 };

	(void)setrlimit(RLIMIT_CORE, &none); /* the key must not end in a file */
	if (process_raise_files(settings->max_connections + FILES_SPARE, diag) < 0)
		return AUTHD_EXIT_CONFIG;
	if (audit_sink_open(settings->audit_file, &s->audit, diag) < 0)
		return AUTHD_EXIT_CONFIG;
	if (mtls_child_open_self(&s->self_fd) < 0 || open_signals(s, diag) < 0)
		return AUTHD_EXIT_OSERR;
	s->worker_count = settings->workers < WORKERS_MAX ? settings->workers : WORKERS_MAX;
	if (shared_new(s->worker_count, &s->shared) < 0)
		return AUTHD_EXIT_OSERR;
	for (size_t i = 0; i < s->worker_count; i++)
		s->workers[i].channel_fd = -1;
	if (bind_all(s, diag) < 0 || open_control(s, diag) < 0)
		return AUTHD_EXIT_UNAVAILABLE;
	if (mtls_rights_give_up(s->config->uid, s->config->gid, diag) < 0)
		return AUTHD_EXIT_OSERR;
	return AUTHD_EXIT_OK;
}

int supervisor_run(const struct configuration *config, const char *path)
{
	struct supervisor *s = calloc(1, sizeof(*s));
	struct mtls_diag diag = { 0 };

	if (!s)
		return AUTHD_EXIT_OSERR;
	s->config = config;
	s->path = path;
	s->started = time(NULL);
	s->signal_fd = s->self_fd = s->control_fd = -1;
	s->started_ms = mtls_now_ms();
	int code = prepare(s, &diag);
	if (code != AUTHD_EXIT_OK) {
		mtls_log(MTLS_LOG_ERROR, "%s", mtls_diag_text(&diag, MTLS_E_BUG));
	} else {
		mtls_log(MTLS_LOG_NOTICE, "%s %s runs, %zu workers", PACKAGE_NAME, PACKAGE_VERSION,
			 s->worker_count);
		loop(s);
		code = s->exit_code;
	}
	for (size_t i = 0; i < s->listener_count; i++)
		(void)close(s->listeners[i].fd);
	mtls_control_server_free(s->server);
	if (s->control_fd >= 0)
		(void)close(s->control_fd);
	audit_sink_free(s->audit);
	shared_free(s->shared);
	free(s);
	return code;
}
