/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The processes of a generation. Each worker has lookup processes of its own; when it ends they are
 * killed, and new ones come with its successor.
 */
#include <config.h>

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "authd/channel.h"
#include "authd/supervisor_impl.h"
#include "lib/base/log.h"

#define MESSAGES_MAX 64 /* of one worker in a row, before the others get their turn */

/* ------------------------------------------------------------------------------- starting */

static void start_lookup(struct supervisor *s, struct worker_slot *worker, int kind, uint32_t slot)
{
	struct lookup_slot *lookup = &worker->lookups[kind][slot];
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0) {
		process_ended(&lookup->process, false, false);
		return;
	}
	pid_t pid = process_start_lookup((enum mtls_lookup_kind)kind, s->self_fd, fds[1]);
	(void)close(fds[1]);
	if (pid < 0) {
		mtls_log(MTLS_LOG_ERROR, "fork: %s", mtls_strerror(pid));
		(void)close(fds[0]);
		process_ended(&lookup->process, false, false);
		return;
	}
	process_started(&lookup->process, pid);
	lookup->fd = fds[0];
	lookup->attached = false;
}

struct descriptors {
	int *fds;
	size_t count, room;
};

static void add_fd(struct descriptors *list, int fd)
{
	if (fd < 0)
		return;
	assert(list->count < list->room);
	list->fds[list->count++] = fd;
}

static void add_worker(struct descriptors *list, const struct worker_slot *worker)
{
	add_fd(list, worker->channel_fd);
	for (int kind = 0; kind < MTLS_LOOKUP_KINDS; kind++)
		for (size_t slot = 0; slot < LOOKUP_SLOTS_MAX; slot++)
			add_fd(list, worker->lookups[kind][slot].fd);
}

/*
 * What a worker must not have: other workers' channels and sockets of lookup processes, other
 * generations' records, the control socket. The number.
 */
static size_t list_descriptors(const struct supervisor *s, const struct generation *own)
{
	struct descriptors list = { .fds = s->descriptors, .room = s->descriptor_room };
	int calls[MTLS_CONTROL_CALLS_MAX];
	size_t call_count = mtls_control_server_fds(s->server, calls);

	add_fd(&list, s->signal_fd);
	add_fd(&list, s->self_fd);
	add_fd(&list, s->control_fd);
	for (size_t i = 0; i < call_count; i++)
		add_fd(&list, calls[i]);
	for (const struct generation *g = s->generations; g; g = g->next) {
		if (g != own)
			add_fd(&list, audit_sink_fd(g->audit));
		for (size_t i = 0; i < g->worker_count; i++)
			add_worker(&list, &g->workers[i]);
	}
	return list.count;
}

static pid_t fork_worker(struct supervisor *s, const struct generation *generation,
			 const struct worker_slot *worker, int channel_fd)
{
	const struct worker_setup setup = {
		.config = generation->config,
		.listeners = s->listeners,
		.listener_count = s->listener_count,
		.audit = generation->audit,
		.shared = s->shared,
		.slot = worker->row,
		.channel_fd = channel_fd,
		.supervisor = getpid(),
		.beat_ms = s->tick_ms,
	};

	return process_start_worker(&setup, s->descriptors, list_descriptors(s, generation));
}

/* 0 or -errno. */
static int start_worker(struct supervisor *s, const struct generation *generation,
			struct worker_slot *worker)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
		return -errno;
	/* Our end is one of the descriptors that it must not have: it would never see our end. */
	worker->channel_fd = fds[0];
	pid_t pid = fork_worker(s, generation, worker, fds[1]);
	(void)close(fds[1]);
	if (pid < 0) {
		(void)close(fds[0]);
		worker->channel_fd = -1;
		return (int)pid;
	}
	process_started(&worker->process, pid);
	worker->state = WORKER_STARTING;
	worker->prepared = worker->closed = worker->hung = false;
	worker->start_by = mtls_deadline_in_ms(WORKER_START_MS);
	worker->pulse = (struct pulse_watch){ 0 };
	worker->started = time(NULL);
	for (int kind = 0; kind < MTLS_LOOKUP_KINDS; kind++)
		for (uint32_t slot = 0; slot < generation->config->settings->lookups; slot++)
			start_lookup(s, worker, kind, slot);
	return 0;
}

static void try_start_worker(struct supervisor *s, struct generation *generation,
			     struct worker_slot *worker)
{
	int r = start_worker(s, generation, worker);

	if (r >= 0)
		return;
	mtls_log(MTLS_LOG_ERROR, "cannot start a worker: %s", mtls_strerror(r));
	(void)snprintf(worker->error, sizeof(worker->error), "cannot be started: %s",
		       mtls_strerror(r));
	process_ended(&worker->process, false, false);
	generation_fail(generation, worker->error);
}

static bool due(const struct process_slot *process)
{
	return process->pid == 0 && mtls_deadline_left_ms(process->pause.restart_at) == 0;
}

void crew_start_due(struct supervisor *s, struct generation *generation)
{
	/* One that could not be started may have made all of it fail: nobody would end the rest. */
	for (size_t i = 0; i < generation->worker_count && generation->state != GENERATION_FAILED;
	     i++) {
		struct worker_slot *worker = &generation->workers[i];
		if (worker->state == WORKER_WAITING && due(&worker->process)) {
			try_start_worker(s, generation, worker);
			continue;
		}
		if (!worker->process.pid)
			continue;
		for (int kind = 0; kind < MTLS_LOOKUP_KINDS; kind++)
			for (uint32_t slot = 0; slot < generation->config->settings->lookups;
			     slot++)
				if (due(&worker->lookups[kind][slot].process))
					start_lookup(s, worker, kind, slot);
	}
}

mtls_deadline crew_due(const struct generation *generation)
{
	mtls_deadline earliest = INT64_MAX;

	for (size_t i = 0; i < generation->worker_count; i++) {
		const struct worker_slot *worker = &generation->workers[i];
		if (worker->state == WORKER_WAITING)
			earliest = mtls_deadline_min(earliest, worker->process.pause.restart_at);
		if (!worker->process.pid)
			continue;
		for (int kind = 0; kind < MTLS_LOOKUP_KINDS; kind++) {
			const struct lookup_slot *lookups = worker->lookups[kind];
			for (uint32_t k = 0; k < generation->config->settings->lookups; k++)
				if (!lookups[k].process.pid)
					earliest = mtls_deadline_min(
						earliest, lookups[k].process.pause.restart_at);
		}
	}
	return earliest;
}

/* --------------------------------------------------------------------------------- words */

static void tell_worker(struct worker_slot *worker, uint32_t type)
{
	const struct channel_msg msg = { .type = type };

	if (worker->channel_fd < 0)
		return;
	int r = channel_send(worker->channel_fd, &msg, -1);
	if (r >= 0)
		return;
	/* Who cannot be told would go on for ever. */
	mtls_log(MTLS_LOG_ERROR, "worker %ld cannot be told what to do (%s) and is killed",
		 (long)worker->process.pid, mtls_strerror(r));
	crew_kill_worker(worker);
}

void crew_tell(struct generation *generation, uint32_t type)
{
	for (size_t i = 0; i < generation->worker_count; i++)
		tell_worker(&generation->workers[i], type);
}

void crew_accept(struct worker_slot *worker)
{
	worker->state = WORKER_RUNNING;
	tell_worker(worker, CHANNEL_ACCEPT);
}

/* A worker whose questions nobody could answer would turn people away. */
static void judge_ready(struct generation *generation, struct worker_slot *worker)
{
	bool ready = worker->prepared;

	for (int kind = 0; kind < MTLS_LOOKUP_KINDS; kind++) {
		bool any = false;
		for (size_t slot = 0; slot < LOOKUP_SLOTS_MAX; slot++)
			any = any || worker->lookups[kind][slot].attached;
		ready = ready && any;
	}
	if (worker->state != WORKER_STARTING || !ready)
		return;
	worker->state = WORKER_READY;
	if (generation->state == GENERATION_CURRENT)
		crew_accept(worker);
}

/* The generation of the process says that it is that one. */
static void replace_lookup(struct worker_slot *worker, const struct channel_msg *msg)
{
	struct process_slot *process;

	if (msg->kind >= MTLS_LOOKUP_KINDS || msg->slot >= LOOKUP_SLOTS_MAX)
		return;
	process = &worker->lookups[msg->kind][msg->slot].process;
	if (!process->pid || process->generation != msg->generation)
		return;
	mtls_log(MTLS_LOG_WARNING,
		 "lookup process %ld (%s) is replaced: it hangs or gave no sound answer",
		 (long)process->pid, mtls_lookup_kind_name((enum mtls_lookup_kind)msg->kind));
	(void)kill(process->pid, SIGKILL);
}

static void on_message(struct generation *generation, struct worker_slot *worker,
		       const struct channel_msg *msg)
{
	switch (msg->type) {
	case CHANNEL_READY:
		worker->prepared = true;
		judge_ready(generation, worker);
		break;
	case CHANNEL_CLOSED:
		worker->closed = true;
		break;
	case CHANNEL_KILL_LOOKUP:
		replace_lookup(worker, msg);
		break;
	default:
		break;
	}
}

/* A worker reads the network: it is not believed to send little, or what we understand. */
void crew_on_channel(struct generation *generation, struct worker_slot *worker)
{
	for (int i = 0; i < MESSAGES_MAX && worker->channel_fd >= 0; i++) {
		struct channel_msg msg;
		int fd = -1;
		int r = channel_recv(worker->channel_fd, &msg, &fd);
		if (r == -EAGAIN)
			return;
		if (fd >= 0)
			(void)close(fd);
		if (r == 1) {
			on_message(generation, worker, &msg);
			continue;
		}
		/* It has ended; or it would go on without us, and poll would tell for ever. */
		crew_kill_worker(worker);
		return;
	}
}

void crew_on_hello(struct generation *generation, struct worker_slot *worker, int kind,
		   uint32_t slot)
{
	struct lookup_slot *lookup = &worker->lookups[kind][slot];
	const struct channel_msg msg = { .type = CHANNEL_LOOKUP,
					 .kind = (uint32_t)kind,
					 .slot = slot,
					 .generation = lookup->process.generation };
	char hello;

	ssize_t n = recv(lookup->fd, &hello, sizeof(hello), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	/* At its end the process has ended, or will: who sees that starts it again. */
	if (n > 0) {
		int r = channel_send(worker->channel_fd, &msg, lookup->fd);
		if (r < 0)
			mtls_log(MTLS_LOG_ERROR, "cannot hand a lookup process over: %s",
				 mtls_strerror(r));
		lookup->attached = r >= 0;
	}
	(void)close(lookup->fd);
	lookup->fd = -1;
	judge_ready(generation, worker);
}

/* -------------------------------------------------------------------------------- ending */

static void kill_lookups(struct worker_slot *worker)
{
	for (int kind = 0; kind < MTLS_LOOKUP_KINDS; kind++)
		for (size_t slot = 0; slot < LOOKUP_SLOTS_MAX; slot++)
			if (worker->lookups[kind][slot].process.pid)
				(void)kill(worker->lookups[kind][slot].process.pid, SIGKILL);
}

void crew_kill_worker(struct worker_slot *worker)
{
	if (worker->process.pid)
		(void)kill(worker->process.pid, SIGKILL);
	kill_lookups(worker);
}

void crew_kill(struct generation *generation)
{
	for (size_t i = 0; i < generation->worker_count; i++)
		crew_kill_worker(&generation->workers[i]);
}

static void lookup_ended(struct lookup_slot *lookup, bool on_purpose)
{
	if (lookup->fd >= 0)
		(void)close(lookup->fd);
	lookup->fd = -1;
	lookup->attached = false;
	process_ended(&lookup->process, on_purpose, false);
}

/*
 * The lookup processes are waited for by nobody any more: they have been killed, and who comes next
 * in this place has processes of its own.
 */
static void forget_lookups(struct worker_slot *worker)
{
	kill_lookups(worker);
	for (int kind = 0; kind < MTLS_LOOKUP_KINDS; kind++)
		for (size_t slot = 0; slot < LOOKUP_SLOTS_MAX; slot++)
			lookup_ended(&worker->lookups[kind][slot], true);
}

static void worker_ended(struct supervisor *s, struct generation *generation,
			 struct worker_slot *worker, int status)
{
	bool proved = worker->state == WORKER_RUNNING || worker->state == WORKER_DRAINING;
	struct mtls_diag diag = { 0 };
	int r = worker->hung ? mtls_diag_set(&diag, MTLS_E_CLOSED, "hung and was killed")
			     : mtls_child_end(status, &diag);

	if (r < 0)
		mtls_log(MTLS_LOG_ERROR, "worker %ld %s", (long)worker->process.pid, diag.text);
	(void)snprintf(worker->error, sizeof(worker->error), "%s", diag.text);
	shared_reap(s->shared, worker->row);
	(void)close(worker->channel_fd);
	worker->channel_fd = -1;
	worker->closed = true;
	forget_lookups(worker);
	process_ended(&worker->process, false, proved);
	if (generation->state == GENERATION_STARTING)
		generation_fail(generation, r < 0 ? diag.text : "a worker ended");
	if (generation->state == GENERATION_CURRENT && !s->stopping) {
		worker->state = WORKER_WAITING;
		return;
	}
	worker->state = WORKER_GONE;
	s->row_used[worker->row] = false;
}

/* The lookup process with @pid, or NULL. */
static struct lookup_slot *find_lookup(struct worker_slot *worker, pid_t pid)
{
	for (int kind = 0; kind < MTLS_LOOKUP_KINDS; kind++)
		for (size_t slot = 0; slot < LOOKUP_SLOTS_MAX; slot++)
			if (worker->lookups[kind][slot].process.pid == pid)
				return &worker->lookups[kind][slot];
	return NULL;
}

bool crew_ended(struct supervisor *s, struct generation *generation, pid_t pid, int status)
{
	for (size_t i = 0; i < generation->worker_count; i++) {
		struct worker_slot *worker = &generation->workers[i];
		if (worker->process.pid == pid) {
			worker_ended(s, generation, worker, status);
			return true;
		}
		struct lookup_slot *lookup = find_lookup(worker, pid);
		if (!lookup)
			continue;
		struct mtls_diag diag = { 0 };
		bool ours = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
		if (!ours && !s->stopping && mtls_child_end(status, &diag) < 0)
			mtls_log(MTLS_LOG_ERROR, "lookup process %ld %s", (long)pid, diag.text);
		lookup_ended(lookup, ours);
		return true;
	}
	return false;
}
