/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Queues and processes. Owned by one worker, runs in its loop. One timer serves all deadlines: it
 * is set to the earliest; there are seldom more than a few tickets.
 */
#include <config.h>

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "authd/lookup_client.h"
#include "lib/base/cleanup.h"
#include "lib/base/log.h"

struct process {
	uv_poll_t poll;
	struct lookup_client *client;
	enum mtls_lookup_kind kind;
	uint32_t slot;
	uint32_t generation;
	int fd;
	uint32_t id;                  /* of the query in flight */
	bool busy;                    /* a query is in flight */
	bool broken;                  /* it could not be sent: the timer answers */
	struct lookup_ticket *ticket; /* whose; NULL when it was cancelled */
	mtls_deadline deadline;       /* of the query in flight */
};

struct lookup_client {
	uv_loop_t *loop;
	struct lookup_client_config config;
	uv_timer_t timer;
	struct process *processes[MTLS_LOOKUP_KINDS][LOOKUP_SLOTS_MAX];
	struct lookup_queue queue[MTLS_LOOKUP_KINDS];
	uint32_t next_id;
	struct mtls_lookup_query query; /* scratch: one packet at a time */
	struct mtls_lookup_answer answer;
};

static void on_timer(uv_timer_t *timer);

int lookup_client_new(uv_loop_t *loop, const struct lookup_client_config *config,
		      struct lookup_client **ret)
{
	struct lookup_client *client = calloc(1, sizeof(*client));
	if (!client)
		return -ENOMEM;
	client->loop = loop;
	client->config = *config;
	(void)uv_timer_init(loop, &client->timer);
	client->timer.data = client;
	*ret = client;
	return 0;
}

static void set_timer(struct lookup_client *client)
{
	mtls_deadline earliest = INT64_MAX;

	for (size_t kind = 0; kind < MTLS_LOOKUP_KINDS; kind++) {
		earliest = mtls_deadline_min(earliest, lookup_queue_deadline(&client->queue[kind]));
		for (size_t slot = 0; slot < LOOKUP_SLOTS_MAX; slot++) {
			const struct process *process = client->processes[kind][slot];
			if (process && process->busy)
				earliest = mtls_deadline_min(earliest, process->deadline);
		}
	}
	(void)uv_timer_stop(&client->timer);
	if (earliest == INT64_MAX)
		return;
	uv_update_time(client->loop);
	(void)uv_timer_start(&client->timer, on_timer,
			     (uint64_t)mtls_deadline_left_ms(earliest) + 1, 0);
}

static void finish(struct lookup_ticket *ticket, const struct mtls_lookup_answer *answer)
{
	ticket->waiting = false;
	ticket->answered(ticket->ctx, answer);
}

static void finish_without(struct lookup_ticket *ticket, enum mtls_lookup_status status)
{
	static const struct mtls_lookup_answer answers[] = {
		[MTLS_LOOKUP_FAILED] = { .status = MTLS_LOOKUP_FAILED },
		[MTLS_LOOKUP_TIMEOUT] = { .status = MTLS_LOOKUP_TIMEOUT },
		[MTLS_LOOKUP_BUSY] = { .status = MTLS_LOOKUP_BUSY },
	};
	finish(ticket, &answers[status]);
}

static void on_process_closed(uv_handle_t *handle)
{
	struct process *process = handle->data;

	(void)close(process->fd);
	free(process);
}

/* Drops @process; a ticket that it had is answered with @status. */
static void drop_process(struct process *process, enum mtls_lookup_status status)
{
	struct lookup_ticket *ticket = process->ticket;

	process->client->processes[process->kind][process->slot] = NULL;
	process->ticket = NULL;
	uv_close((uv_handle_t *)&process->poll, on_process_closed);
	if (ticket)
		finish_without(ticket, status);
}

static struct process *idle_process(struct lookup_client *client, enum mtls_lookup_kind kind)
{
	for (size_t slot = 0; slot < client->config.slots; slot++) {
		struct process *process = client->processes[kind][slot];
		if (process && !process->busy)
			return process;
	}
	return NULL;
}

/* Sends the query of @ticket to @process. */
static void send_query(struct process *process, struct lookup_ticket *ticket)
{
	struct lookup_client *client = process->client;

	ticket->fill(ticket->ctx, &client->query);
	client->query.id = process->id = ++client->next_id;
	process->ticket = ticket;
	process->busy = true;
	process->deadline = mtls_deadline_in_ms(client->config.timeout_ms);
	counters_add(client->config.counters, COUNTER_LOOKUPS_X509 + process->kind);
	if (send(process->fd, &client->query, mtls_lookup_query_size(&client->query),
		 MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
		return;
	/* Not answered from here: the asker is still in lookup_client_ask(). */
	process->broken = true;
	process->deadline = mtls_deadline_in_ms(0);
}

/* The ticket whose @turn has left the queue. */
static struct lookup_ticket *leave_queue(struct lookup_client *client, struct lookup_turn *turn)
{
	struct lookup_ticket *ticket = (struct lookup_ticket *)(void *)turn;

	_Static_assert(offsetof(struct lookup_ticket, turn) == 0,
		       "a turn is the ticket's beginning");
	counters_subtract(client->config.counters, COUNTER_WAITING_X509 + ticket->kind);
	return ticket;
}

/* Gives waiting tickets to idle processes. */
static void pump(struct lookup_client *client)
{
	for (int kind = 0; kind < MTLS_LOOKUP_KINDS; kind++) {
		struct process *process;
		struct lookup_turn *turn;
		while ((process = idle_process(client, kind)) &&
		       (turn = lookup_queue_take(&client->queue[kind])))
			send_query(process, leave_queue(client, turn));
	}
	set_timer(client);
}

/* A query passed its deadline: the process hangs in some NSS service (or is gone). */
static void expire_processes(struct lookup_client *client)
{
	for (size_t kind = 0; kind < MTLS_LOOKUP_KINDS; kind++) {
		for (size_t slot = 0; slot < LOOKUP_SLOTS_MAX; slot++) {
			struct process *process = client->processes[kind][slot];
			if (!process || !process->busy || mtls_deadline_left_ms(process->deadline))
				continue;
			client->config.kill(client->config.ctx, process->kind, process->slot,
					    process->generation);
			drop_process(process,
				     process->broken ? MTLS_LOOKUP_FAILED : MTLS_LOOKUP_TIMEOUT);
		}
	}
}

static void expire_queue(struct lookup_client *client, enum mtls_lookup_kind kind)
{
	struct lookup_turn *turn;

	/* Answering may change the queue. */
	while ((turn = lookup_queue_expire(&client->queue[kind], mtls_now_ms())))
		finish_without(leave_queue(client, turn), MTLS_LOOKUP_TIMEOUT);
}

static void on_timer(uv_timer_t *timer)
{
	struct lookup_client *client = timer->data;

	expire_processes(client);
	for (int kind = 0; kind < MTLS_LOOKUP_KINDS; kind++)
		expire_queue(client, kind);
	pump(client);
}

static void on_process(uv_poll_t *poll, int status, int events)
{
	struct process *process = poll->data;
	struct lookup_client *client = process->client;
	struct mtls_lookup_answer *answer = &client->answer;

	(void)status;
	(void)events;
	ssize_t n = recv(process->fd, answer, sizeof(*answer), MSG_DONTWAIT | MSG_TRUNC);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || !process->busy || !mtls_lookup_answer_valid(answer, (size_t)n) ||
	    answer->id != process->id) {
		mtls_log(MTLS_LOG_ERROR, "a lookup process (%s) %s",
			 mtls_lookup_kind_name(process->kind),
			 n > 0 ? "sent a malformed answer" : "has ended");
		client->config.kill(client->config.ctx, process->kind, process->slot,
				    process->generation);
		drop_process(process, MTLS_LOOKUP_FAILED);
	} else {
		struct lookup_ticket *ticket = process->ticket;
		process->busy = false;
		process->ticket = NULL;
		if (ticket)
			finish(ticket, answer);
	}
	pump(client);
}

void lookup_client_attach(struct lookup_client *client, enum mtls_lookup_kind kind, uint32_t slot,
			  uint32_t generation, int fd)
{
	if (kind >= MTLS_LOOKUP_KINDS || slot >= client->config.slots) {
		(void)close(fd);
		return;
	}
	if (client->processes[kind][slot])
		drop_process(client->processes[kind][slot], MTLS_LOOKUP_FAILED);
	struct process *process = calloc(1, sizeof(*process));
	if (!process || uv_poll_init(client->loop, &process->poll, fd) < 0) {
		free(process);
		(void)close(fd);
		return;
	}
	process->poll.data = process;
	process->client = client;
	process->kind = kind;
	process->slot = slot;
	process->generation = generation;
	process->fd = fd;
	client->processes[kind][slot] = process;
	(void)uv_poll_start(&process->poll, UV_READABLE | UV_DISCONNECT, on_process);
	pump(client);
}

bool lookup_client_ask(struct lookup_client *client, struct lookup_ticket *ticket)
{
	struct lookup_turn *dropped = NULL;

	ticket->waiting = true;
	ticket->turn.deadline = mtls_deadline_in_ms(client->config.timeout_ms);
	counters_add(client->config.counters, COUNTER_WAITING_X509 + ticket->kind);
	lookup_queue_add(&client->queue[ticket->kind], &ticket->turn, &dropped);
	if (dropped) {
		counters_add(client->config.counters, COUNTER_CROWDED_X509 + ticket->kind);
		struct lookup_ticket *loser = leave_queue(client, dropped);
		if (loser == ticket) {
			ticket->waiting = false;
			return false;
		}
		finish_without(loser, MTLS_LOOKUP_BUSY);
	}
	pump(client);
	return true;
}

void lookup_client_cancel(struct lookup_client *client, struct lookup_ticket *ticket)
{
	if (!ticket->waiting)
		return;
	ticket->waiting = false;
	if (ticket->turn.queued) {
		lookup_queue_remove(&client->queue[ticket->kind], &ticket->turn);
		(void)leave_queue(client, &ticket->turn);
		return;
	}
	for (size_t slot = 0; slot < LOOKUP_SLOTS_MAX; slot++) {
		struct process *process = client->processes[ticket->kind][slot];
		if (process && process->ticket == ticket)
			process->ticket = NULL; /* still busy until it answers or is killed */
	}
}
