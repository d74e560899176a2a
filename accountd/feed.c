/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From the store's walk to the pair, in pieces, so that connections are served in between. Reading
 * never waits for writing: the publisher answers while it reads.
 */
#include <config.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "accountd/feed.h"
#include "accountd/report.h"
#include "lib/base/log.h"
#include "lib/base/str.h"

#define PIECE        (256 * 1024) /* bytes encoded before they are sent */
#define PIECES_MAX   4            /* in a row, before others get their turn */
#define RETRY_MIN_MS 1000
#define RETRY_MAX_MS 60000

struct feed {
	struct store *store; /* borrowed */
	int fd;              /* borrowed */
	struct feed_events events;
	uv_poll_t poll;
	uv_timer_t retry;
	uint32_t retry_ms;
	struct store_walk *walk; /* NULL: everything is encoded */
	struct mtls_buf out;
	size_t out_at;
	bool busy;   /* a stream is on its way or waits for its judgement */
	bool wanted; /* another one is due after it */
	bool closed;
	uint64_t number;     /* of the stream under way, or the last one */
	uint64_t generation; /* which it carries */
	struct report report;
	size_t report_len;
	char **told; /* DROPPED of the stream under way */
	size_t told_count;
	struct feed_state state;
	int handles; /* that libuv still has */
};

static void on_event(uv_poll_t *poll, int status, int events);
static void on_retry(uv_timer_t *timer);

static void watch(struct feed *feed)
{
	int events = UV_READABLE | UV_DISCONNECT;

	if (feed->walk || feed->out_at < feed->out.len)
		events |= UV_WRITABLE;
	(void)uv_poll_start(&feed->poll, events, on_event);
}

static void close_feed(struct feed *feed)
{
	if (feed->closed)
		return;
	feed->closed = true;
	feed->busy = false;
	(void)uv_poll_stop(&feed->poll);
	(void)uv_timer_stop(&feed->retry);
	feed->events.closed(feed->events.ctx);
}

/* ----------------------------------------------------------------------------- judgement */

static void keep_told(struct feed *feed)
{
	mtls_strv_free(feed->state.dropped);
	feed->state.dropped = MTLS_TAKE(feed->told);
	feed->state.dropped_count = feed->told_count;
	feed->told_count = 0;
}

static void forget_told(struct feed *feed)
{
	mtls_strv_free(MTLS_TAKE(feed->told));
	feed->told_count = 0;
}

static void later(struct feed *feed)
{
	feed->retry_ms = feed->retry_ms ? feed->retry_ms * 2 : RETRY_MIN_MS;
	if (feed->retry_ms > RETRY_MAX_MS)
		feed->retry_ms = RETRY_MAX_MS;
	(void)uv_timer_start(&feed->retry, on_retry, feed->retry_ms, 0);
}

static void judge(struct feed *feed, int code, const char *text, uint32_t left_out)
{
	struct feed_state *state = &feed->state;

	feed->busy = false;
	state->done_once = true;
	free(MTLS_TAKE(state->error));
	if (code == 0) {
		state->published = feed->generation;
		state->left_out = left_out;
		keep_told(feed);
		feed->retry_ms = 0;
		(void)uv_timer_stop(&feed->retry);
	} else {
		forget_told(feed);
		state->error = strdup(text);
		if (!state->error)
			text = "out of memory";
		later(feed);
	}
	feed->events.judged(feed->events.ctx, feed->number, code, text);
	if (feed->wanted && !feed->closed)
		feed_publish(feed);
}

static void on_report(struct feed *feed)
{
	struct report *report = &feed->report;

	report->text[sizeof(report->text) - 1] = '\0';
	if (!feed->busy) {
		mtls_log(MTLS_LOG_ERROR, "the publisher answered what nobody asked");
		close_feed(feed);
	} else if (report->kind == REPORT_DROPPED) {
		/* Short of memory one sentence is missing; the publisher has logged it. */
		if (feed->told_count < FEED_DROPPED_MAX &&
		    mtls_strv_add(&feed->told, report->text) == 0)
			feed->told_count++;
	} else if (report->kind == REPORT_DONE) {
		int code = report->code > 0 ? MTLS_E_PROTOCOL : report->code;
		judge(feed, code, report->text, report->dropped);
	} else {
		mtls_log(MTLS_LOG_ERROR, "the publisher's answer is none");
		close_feed(feed);
	}
}

static void read_reports(struct feed *feed)
{
	while (!feed->closed) {
		ssize_t n = recv(feed->fd, (uint8_t *)&feed->report + feed->report_len,
				 sizeof(feed->report) - feed->report_len, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			close_feed(feed);
			return;
		}
		feed->report_len += (size_t)n;
		if (feed->report_len < sizeof(feed->report))
			continue;
		feed->report_len = 0;
		on_report(feed);
	}
}

/* -------------------------------------------------------------------------------- stream */

/* What is in the pair is half a stream: only a new pair helps. */
static void broken(struct feed *feed, const char *what, int r, const struct mtls_diag *diag)
{
	mtls_log(MTLS_LOG_ERROR, "%s: %s", what, mtls_diag_text(diag, r));
	close_feed(feed);
}

static int encode_piece(struct feed *feed, struct mtls_diag *diag)
{
	struct mtls_acct_item item;
	int r = 1;

	mtls_buf_reset(&feed->out);
	feed->out_at = 0;
	while (r > 0 && feed->out.len < PIECE) {
		r = store_walk_next(feed->walk, &item, diag);
		if (r > 0) {
			int err = mtls_acct_item_encode(&item, &feed->out);
			if (err < 0)
				return err;
		}
	}
	if (r == 0)
		store_walk_free(MTLS_TAKE(feed->walk));
	return r;
}

/* Sends what is encoded. 1: all of it; 0: the pair is full; -errno. */
static int send_piece(struct feed *feed)
{
	while (feed->out_at < feed->out.len) {
		ssize_t n = send(feed->fd, feed->out.data + feed->out_at,
				 feed->out.len - feed->out_at, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		feed->out_at += (size_t)n;
	}
	return 1;
}

static void write_stream(struct feed *feed)
{
	struct mtls_diag diag = { 0 };

	for (int i = 0; i < PIECES_MAX; i++) {
		int r = send_piece(feed);
		if (r < 0) {
			close_feed(feed); /* its end says itself why */
			return;
		}
		if (r == 0 || !feed->walk)
			return;
		r = encode_piece(feed, &diag);
		if (r < 0) {
			broken(feed, "the store cannot be read", r, &diag);
			return;
		}
	}
}

static void on_event(uv_poll_t *poll, int status, int events)
{
	struct feed *feed = poll->data;

	if (status < 0) {
		close_feed(feed);
		return;
	}
	if (events & (UV_READABLE | UV_DISCONNECT))
		read_reports(feed);
	if (!feed->closed && (events & UV_WRITABLE))
		write_stream(feed);
	if (!feed->closed)
		watch(feed);
}

/* The first item says which generation it is; nothing has been sent yet. */
static int begin(struct feed *feed, struct mtls_diag *diag)
{
	struct mtls_acct_item item;

	int r = store_walk_new(feed->store, &feed->walk, diag);
	if (r >= 0)
		r = store_walk_next(feed->walk, &item, diag);
	if (r < 0)
		return r;
	if (r == 0 || item.kind != MTLS_ACCT_ITEM_BEGIN)
		return mtls_diag_set(diag, MTLS_E_BUG, "the walk does not begin");
	feed->generation = item.u.begin.generation;
	mtls_buf_reset(&feed->out);
	feed->out_at = 0;
	return mtls_acct_item_encode(&item, &feed->out);
}

uint64_t feed_next(const struct feed *feed)
{
	return feed->number + 1;
}

void feed_publish(struct feed *feed)
{
	struct mtls_diag diag = { 0 };

	if (feed->closed)
		return;
	feed->wanted = feed->busy;
	if (feed->busy)
		return;
	feed->busy = true;
	feed->number++;
	int r = begin(feed, &diag);
	if (r < 0) {
		store_walk_free(MTLS_TAKE(feed->walk));
		broken(feed, "the store cannot be read", r, &diag);
		return;
	}
	watch(feed);
}

static void on_retry(uv_timer_t *timer)
{
	feed_publish(timer->data);
}

/* ------------------------------------------------------------------------------ begin, end */

int feed_new(uv_loop_t *loop, struct store *store, int fd, const struct feed_events *events,
	     struct feed **ret)
{
	struct feed *feed = calloc(1, sizeof(*feed));

	if (!feed)
		return -ENOMEM;
	feed->store = store;
	feed->fd = fd;
	feed->events = *events;
	mtls_buf_init(&feed->out, PIECE + MTLS_ACCT_FRAME_MAX, false);
	int r = uv_poll_init(loop, &feed->poll, fd);
	if (r < 0) {
		free(feed);
		return r;
	}
	(void)uv_timer_init(loop, &feed->retry);
	feed->poll.data = feed->retry.data = feed;
	feed->handles = 2;
	watch(feed);
	*ret = feed;
	return 0;
}

bool feed_closed(const struct feed *feed)
{
	return feed->closed;
}

const struct feed_state *feed_state(const struct feed *feed)
{
	return &feed->state;
}

static void on_closed(uv_handle_t *handle)
{
	struct feed *feed = handle->data;

	if (--feed->handles)
		return;
	mtls_buf_done(&feed->out);
	mtls_strv_free(feed->told);
	mtls_strv_free(feed->state.dropped);
	free(feed->state.error);
	free(feed);
}

void feed_free(struct feed *feed)
{
	if (!feed)
		return;
	feed->closed = true;
	store_walk_free(MTLS_TAKE(feed->walk)); /* the store is closed next */
	uv_close((uv_handle_t *)&feed->poll, on_closed);
	uv_close((uv_handle_t *)&feed->retry, on_closed);
}
