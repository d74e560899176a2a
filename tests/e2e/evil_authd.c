/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A daemon that lies, for tests: it has the true server certificate and key, takes any client
 * certificate, and answers as its mode says. Mode `honest` is the control: the same answer without
 * the lie. One connection after another, until it is killed.
 */
#include <config.h>

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/base/str.h"
#include "lib/tls/tls.h"
#include "lib/wire/frame.h"
#include "lib/wire/msg.h"

struct truth {
	const char *socket, *certificate, *key, *account;
	uint32_t uid;
};

struct mode {
	const char *name;
	void (*lie)(struct mtls_auth_reply *reply); /* NULL: the reply stays true */
	const char *raw;                            /* instead of a reply */
	bool silent;                                /* no answer, connection open */
	bool hang_up;                               /* no answer, connection closed */
	const char *priorities;                     /* instead of ours */
	bool no_alpn;
};

static void set_account(struct mtls_auth_reply *reply, const char *account, uint32_t uid)
{
	if (mtls_msg_set_text(&reply->account, account) < 0)
		abort();
	reply->uid = reply->gid = uid;
}

static void say_uid0(struct mtls_auth_reply *reply)
{
	reply->uid = 0;
}

static void say_root(struct mtls_auth_reply *reply)
{
	set_account(reply, "root", 0);
}

static void say_daemon(struct mtls_auth_reply *reply)
{
	set_account(reply, "daemon", 1);
}

static void say_other_uid(struct mtls_auth_reply *reply)
{
	reply->uid++;
}

static void say_bad_name(struct mtls_auth_reply *reply)
{
	set_account(reply, "../bob", reply->uid);
}

static void say_other_nonce(struct mtls_auth_reply *reply)
{
	reply->nonce[MTLS_NONCE_LEN - 1] ^= 1;
}

static void say_other_account(struct mtls_auth_reply *reply)
{
	set_account(reply, "carol", reply->uid);
}

static void say_nobody(struct mtls_auth_reply *reply)
{
	set_account(reply, "not-here", reply->uid);
}

static void say_version(struct mtls_auth_reply *reply)
{
	reply->version = MTLS_PROTOCOL_VERSION + 7;
}

static const struct mode modes[] = {
	{ .name = "honest" },
	{ .name = "uid0", .lie = say_uid0 },
	{ .name = "root", .lie = say_root },
	{ .name = "daemon", .lie = say_daemon },
	{ .name = "other-uid", .lie = say_other_uid },
	{ .name = "bad-name", .lie = say_bad_name },
	{ .name = "other-nonce", .lie = say_other_nonce },
	{ .name = "other-account", .lie = say_other_account },
	{ .name = "nobody", .lie = say_nobody },
	{ .name = "version", .lie = say_version },
	{ .name = "garbage", .raw = "HTTP/1.1 200 OK\r\n\r\n" },
	{ .name = "silent", .silent = true },
	{ .name = "hang-up", .hang_up = true },
	{ .name = "tls12", .priorities = "NORMAL:-VERS-ALL:+VERS-TLS1.2" },
	{ .name = "no-alpn", .no_alpn = true },
};

static void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
static void die(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	fputs("evil_authd: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

static int listen_on(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(address.sun_path))
		die("the socket's path is too long");
	strcpy(address.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    chmod(path, 0666) < 0 || listen(fd, 8) < 0)
		die("%s: %s", path, strerrordesc_np(errno));
	return fd;
}

static int handshake(gnutls_session_t session)
{
	int rc;
	do
		rc = gnutls_handshake(session);
	while (rc < 0 && !gnutls_error_is_fatal(rc));
	if (rc < 0) {
		fprintf(stderr, "handshake: %s\n", gnutls_strerror(rc));
		(void)gnutls_alert_send_appropriate(session, rc);
	}
	return rc;
}

/* The request, or NULL. */
static struct mtls_msg *read_request(gnutls_session_t session)
{
	struct mtls_frame frame;
	struct mtls_msg *msg = NULL;
	char data[4096];

	mtls_frame_init(&frame, false);
	mtls_frame_expect(&frame, MTLS_EXPECT(AUTH_REQUEST));
	while (!msg) {
		ssize_t n = gnutls_record_recv(session, data, sizeof(data));
		if (n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED)
			continue;
		if (n <= 0 || mtls_frame_push(&frame, data, (size_t)n) < 0 ||
		    mtls_frame_next(&frame, &msg, NULL) < 0)
			break;
	}
	mtls_frame_done(&frame);
	return msg;
}

static void send_all(gnutls_session_t session, const void *data, size_t len)
{
	if (gnutls_record_send(session, data, len) < 0)
		fputs("the client is gone\n", stderr);
}

static void true_reply(const struct truth *truth, const struct mtls_auth_request *request,
		       struct mtls_auth_reply *reply)
{
	reply->version = MTLS_PROTOCOL_VERSION;
	memcpy(reply->nonce, request->nonce, sizeof(reply->nonce));
	reply->verdict = MTLS_VERDICT_ALLOWED;
	reply->reason = MTLS_REASON_ALLOWED;
	reply->has_account = true;
	set_account(reply, truth->account, truth->uid);
	if (mtls_msg_set_text(&reply->audit_id, "evil") < 0)
		abort();
}

static void answer(gnutls_session_t session, const struct truth *truth, const struct mode *mode)
{
	_cleanup_(mtls_msg_freep) struct mtls_msg *request = read_request(session);
	_cleanup_(mtls_msg_freep) struct mtls_msg *reply = mtls_msg_new(MTLS_MSG_AUTH_REPLY);
	_cleanup_free_ uint8_t *der = NULL;
	struct mtls_diag diag = { 0 };
	size_t len;

	if (!request || !reply || mode->hang_up)
		return;
	if (mode->raw) {
		send_all(session, mode->raw, strlen(mode->raw));
		return;
	}
	true_reply(truth, &request->u.auth_request, &reply->u.auth_reply);
	if (mode->lie)
		mode->lie(&reply->u.auth_reply);
	if (mtls_msg_encode(reply, &der, &len, &diag) < 0)
		die("the reply cannot be encoded: %s", diag.text);
	send_all(session, der, len);
}

/* As the real daemon makes it, but for what the mode wants otherwise. */
static int new_session(const struct mode *mode, gnutls_session_t *ret)
{
	if (!mode->priorities && !mode->no_alpn)
		return mtls_tls_session_new(GNUTLS_SERVER, ret, NULL);
	int rc = gnutls_init(ret, GNUTLS_SERVER | GNUTLS_NO_TICKETS | GNUTLS_NO_SIGNAL);
	if (rc >= 0)
		rc = gnutls_priority_set_direct(
			*ret, mode->priorities ? mode->priorities : "NORMAL", NULL);
	return rc;
}

static void serve(int fd, gnutls_certificate_credentials_t credentials, const struct truth *truth,
		  const struct mode *mode)
{
	gnutls_session_t session;
	char byte;

	if (new_session(mode, &session) < 0)
		die("no TLS session");
	gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials);
	gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUEST);
	gnutls_transport_set_int(session, fd);
	if (handshake(session) == 0) {
		if (mode->silent)
			while (gnutls_record_recv(session, &byte, 1) > 0)
				;
		else
			answer(session, truth, mode);
		(void)gnutls_bye(session, GNUTLS_SHUT_WR);
	}
	gnutls_deinit(session);
}

static const struct mode *find_mode(const char *name)
{
	for (size_t i = 0; i < MTLS_COUNT(modes); i++)
		if (mtls_streq(modes[i].name, name))
			return &modes[i];
	die("'%s' is not a mode", name);
}

static void read_arguments(int argc, char **argv, struct truth *truth)
{
	static const struct option options[] = {
		{ "socket", required_argument, NULL, 's' },
		{ "cert", required_argument, NULL, 'c' },
		{ "key", required_argument, NULL, 'k' },
		{ "account", required_argument, NULL, 'a' },
		{ "uid", required_argument, NULL, 'u' },
		{ NULL, 0, NULL, 0 },
	};
	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		switch (c) {
		case 's':
			truth->socket = optarg;
			break;
		case 'c':
			truth->certificate = optarg;
			break;
		case 'k':
			truth->key = optarg;
			break;
		case 'a':
			truth->account = optarg;
			break;
		case 'u':
			if (mtls_parse_u32(optarg, &truth->uid) < 0)
				die("'%s' is not a uid", optarg);
			break;
		default:
			die("see the source for the arguments");
		}
	}
	if (!truth->socket || !truth->certificate || !truth->key || !truth->account ||
	    optind + 1 != argc)
		die("--socket, --cert, --key, --account, --uid and a mode are needed");
}

int main(int argc, char **argv)
{
	struct truth truth = { 0 };
	gnutls_certificate_credentials_t credentials;

	read_arguments(argc, argv, &truth);
	const struct mode *mode = find_mode(argv[optind]);
	if (gnutls_certificate_allocate_credentials(&credentials) < 0 ||
	    gnutls_certificate_set_x509_key_file(credentials, truth.certificate, truth.key,
						 GNUTLS_X509_FMT_PEM) < 0)
		die("the server certificate or key cannot be used");
	int listener = listen_on(truth.socket);
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			continue;
		serve(fd, credentials, &truth, mode);
		(void)close(fd);
	}
}
