/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One process of the load: an epoll loop over its places. A place connects, shakes hands, sends
 * the request, reads until the other side has said what is expected and closed, and begins anew.
 */
#include <config.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "bench/throughput/load.h"

#define EVENTS_MAX 64

enum step { STEP_HANDSHAKE, STEP_SEND, STEP_READ };

struct place {
	SSL *tls;
	int fd;
	enum step step;
	bool answered;
	size_t len; /* of the reply so far */
	uint8_t reply[LOAD_REPLY_MAX];
};

struct run {
	const struct load_plan *plan;
	struct load_result *result;
	int epoll;
	double end;
	uint32_t open;
};

static double now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void fail(struct run *run, const char *what)
{
	char text[120] = "";
	unsigned long code = ERR_get_error();

	if (code)
		ERR_error_string_n(code, text, sizeof(text));
	if (run->result->failed++ == 0)
		(void)snprintf(run->result->error, sizeof(run->result->error), "%s: %s", what,
			       code ? text : strerror(errno));
	ERR_clear_error();
}

static void leave(struct run *run, struct place *place)
{
	SSL_free(place->tls);
	if (place->fd >= 0)
		(void)close(place->fd);
	place->tls = NULL;
	place->fd = -1;
	run->open--;
}

int load_dial(const struct load_target *target)
{
	const int one = 1;
	int fd = socket(target->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (target->address.ss_family != AF_UNIX)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, (const struct sockaddr *)&target->address, target->address_len) == 0 ||
	    errno == EINPROGRESS)
		return fd;
	const int err = errno;
	(void)close(fd);
	errno = err;
	return -1;
}

static bool begin(struct run *run, struct place *place)
{
	struct epoll_event event = { .events = EPOLLOUT, .data.ptr = place };

	*place = (struct place){ .fd = load_dial(&run->plan->target) };
	run->open++;
	if (place->fd >= 0)
		place->tls = SSL_new(run->plan->tls);
	if (!place->tls || SSL_set_fd(place->tls, place->fd) != 1 ||
	    epoll_ctl(run->epoll, EPOLL_CTL_ADD, place->fd, &event) < 0) {
		fail(run, "connect");
		leave(run, place);
		return false;
	}
	SSL_set_connect_state(place->tls);
	return true;
}

/* 1: @done is true or the call is to be repeated at once; 0: wait; -1: ended or failed. */
static int wait_for(struct run *run, struct place *place, int rc)
{
	const int error = SSL_get_error(place->tls, rc);
	struct epoll_event event = { .data.ptr = place };

	if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
		return -1;
	event.events = error == SSL_ERROR_WANT_READ ? EPOLLIN : EPOLLOUT;
	return epoll_ctl(run->epoll, EPOLL_CTL_MOD, place->fd, &event);
}

static int shake_hands(struct run *run, struct place *place)
{
	int rc = SSL_do_handshake(place->tls);
	if (rc == 1) {
		place->step = STEP_SEND;
		return 1;
	}
	rc = wait_for(run, place, rc);
	if (rc < 0)
		fail(run, "handshake");
	return rc;
}

static int send_request(struct run *run, struct place *place)
{
	const struct load_text *request = &run->plan->request;
	int rc = SSL_write(place->tls, request->data, (int)request->len);
	if (rc > 0) {
		place->step = STEP_READ;
		return 1;
	}
	rc = wait_for(run, place, rc);
	if (rc < 0)
		fail(run, "request");
	return rc;
}

static int read_reply(struct run *run, struct place *place)
{
	const struct load_text *expected = &run->plan->expected;
	int rc = SSL_read(place->tls, place->reply + place->len,
			  (int)(sizeof(place->reply) - place->len));
	if (rc > 0) {
		place->len += (size_t)rc;
		place->answered = memmem(place->reply, place->len, expected->data, expected->len);
		return 1;
	}
	rc = wait_for(run, place, rc);
	if (rc < 0 && place->answered) {
		run->result->done++;
		ERR_clear_error();
	} else if (rc < 0) {
		fail(run, "reply");
	}
	return rc;
}

static void advance(struct run *run, struct place *place)
{
	static int (*const steps[])(struct run * run, struct place * place) = {
		[STEP_HANDSHAKE] = shake_hands,
		[STEP_SEND] = send_request,
		[STEP_READ] = read_reply,
	};
	int rc;

	do {
		rc = steps[place->step](run, place);
	} while (rc > 0);
	if (rc == 0)
		return;
	leave(run, place);
	if (now() < run->end)
		(void)begin(run, place);
}

void load_run(const struct load_plan *plan, struct load_result *ret)
{
	struct run run = { .plan = plan, .result = ret, .epoll = epoll_create1(EPOLL_CLOEXEC) };
	struct place *places = calloc(plan->places, sizeof(*places));
	struct epoll_event events[EVENTS_MAX];

	*ret = (struct load_result){ 0 };
	if (!places || run.epoll < 0) {
		fail(&run, "start");
		free(places);
		return;
	}
	const double start = now();
	run.end = start + plan->seconds;
	for (uint32_t i = 0; i < plan->places; i++)
		(void)begin(&run, &places[i]);
	while (run.open) {
		int count = epoll_wait(run.epoll, events, EVENTS_MAX, 1000);
		for (int i = 0; i < count; i++)
			advance(&run, events[i].data.ptr);
	}
	ret->seconds = now() - start;
	(void)close(run.epoll);
	free(places);
}
