/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One row a request. A client that says anything else is not answered: the signer ends. */
#include <config.h>

#include <errno.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/wipe.h"
#include "signer/serve.h"

#define REQUESTS                                                                                   \
	(MTLS_EXPECT(SIGNER_LIST) | MTLS_EXPECT(SIGNER_UNLOCK) | MTLS_EXPECT(SIGNER_SIGN) |        \
	 MTLS_EXPECT(SIGNER_QUIT))

void serve_init(struct serve *serve)
{
	mtls_frame_init(&serve->frame, true); /* passphrases come this way */
	mtls_frame_expect(&serve->frame, REQUESTS);
}

void serve_done(struct serve *serve)
{
	mtls_frame_done(&serve->frame);
}

static int send_msg(struct serve *serve, const struct mtls_msg *msg)
{
	_cleanup_free_ uint8_t *der = NULL;
	size_t len = 0;
	int r = mtls_msg_encode(msg, &der, &len, NULL);
	return r < 0 ? r : serve->send(serve->send_ctx, der, len);
}

static int emit(void *ctx, const struct mtls_signer_credential *credential)
{
	const struct mtls_msg msg = { .type = MTLS_MSG_SIGNER_CREDENTIAL,
				      .u.signer_credential = *credential };
	return send_msg(ctx, &msg);
}

static int send_end(struct serve *serve, enum mtls_reason reason, const char *detail)
{
	_cleanup_(mtls_msg_freep) struct mtls_msg *msg = mtls_msg_new(MTLS_MSG_SIGNER_END);
	if (!msg)
		return -ENOMEM;
	msg->u.signer_end.reason = reason;
	if (detail && *detail && mtls_msg_set_text(&msg->u.signer_end.detail, detail) < 0)
		return -ENOMEM;
	return send_msg(serve, msg);
}

static int on_list(struct serve *serve, const struct mtls_msg *request)
{
	_cleanup_buf_ struct mtls_buf detail = MTLS_BUF(SOURCE_DETAIL_MAX);
	enum mtls_reason reason = MTLS_REASON_SIGNER_FAILED;

	if (request->u.signer_list.version != MTLS_PROTOCOL_VERSION)
		return send_end(serve, MTLS_REASON_SIGNER_FAILED, "protocol version not supported");
	if (!serve->source) {
		source_append_text(&detail, serve->refusal.text);
		return send_end(serve, MTLS_REASON_SIGNER_FAILED, mtls_buf_cstr(&detail));
	}
	int r = serve->ops->list(serve->source, emit, serve, &reason, &detail);
	return r < 0 ? r : send_end(serve, reason, mtls_buf_cstr(&detail));
}

static int on_unlock(struct serve *serve, const struct mtls_msg *request)
{
	struct mtls_msg answer = {
		.type = MTLS_MSG_SIGNER_UNLOCKED,
		.u.signer_unlocked = { .reason = MTLS_REASON_SIGNER_FAILED,
				       .tries_left = MTLS_TRIES_UNKNOWN },
	};
	if (serve->source)
		serve->ops->unlock(serve->source, &request->u.signer_unlock,
				   &answer.u.signer_unlocked);
	mtls_wipe_stack();
	return send_msg(serve, &answer);
}

static int on_sign(struct serve *serve, const struct mtls_msg *request)
{
	struct mtls_msg answer = {
		.type = MTLS_MSG_SIGNER_SIGNATURE,
		.u.signer_signature = { .reason = MTLS_REASON_SIGNER_FAILED },
	};
	if (serve->source)
		serve->ops->sign(serve->source, &request->u.signer_sign,
				 &answer.u.signer_signature);
	mtls_wipe_stack(); /* keys that want their PIN for each use */
	int r = send_msg(serve, &answer);
	free(answer.u.signer_signature.signature.data);
	return r;
}

/* NULL ends the conversation. */
static const struct {
	enum mtls_msg_type type;
	int (*handle)(struct serve *serve, const struct mtls_msg *request);
} handlers[] = {
	{ MTLS_MSG_SIGNER_LIST, on_list },
	{ MTLS_MSG_SIGNER_UNLOCK, on_unlock },
	{ MTLS_MSG_SIGNER_SIGN, on_sign },
	{ MTLS_MSG_SIGNER_QUIT, NULL },
};

static int handle(struct serve *serve, const struct mtls_msg *request)
{
	for (size_t i = 0; i < MTLS_COUNT(handlers); i++) {
		if (handlers[i].type != request->type)
			continue;
		if (!handlers[i].handle)
			return 0;
		int r = handlers[i].handle(serve, request);
		return r < 0 ? r : 1;
	}
	return MTLS_E_PROTOCOL;
}

int serve_push(struct serve *serve, const uint8_t *data, size_t len)
{
	int r = mtls_frame_push(&serve->frame, data, len);
	if (r < 0)
		return r;
	for (;;) {
		_cleanup_(mtls_msg_freep) struct mtls_msg *request = NULL;
		r = mtls_frame_next(&serve->frame, &request, NULL);
		if (r < 0)
			return r;
		if (r == 0)
			return 1;
		r = handle(serve, request);
		if (r <= 0)
			return r;
	}
}
