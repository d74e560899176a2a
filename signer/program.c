/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What all signers do: options, surroundings, sandbox, conversation. They open one person's keys
 * and sign TLS 1.3 client CertificateVerify contents for the program at the other end of descriptor
 * 0. They run under the person's uid, never as root; started by signer/start.c, which leaves them
 * without environment and with nothing on standard error.
 */
#include <config.h>

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/str.h"
#include "signer/program.h"
#include "signer/sandbox.h"
#include "signer/serve.h"

#define SOCKET_FD        0
#define LIFETIME_DEFAULT 120
#define LIFETIME_MAX     600
#define EXIT_USAGE       2

struct options {
	const struct signer_program *program;
	const struct source_ops *ops;
	struct source_args args;
	uint32_t lifetime;
};

static const char usage_common[] =
	"  --certs DIR         root's folder of certificates for these keys\n"
	"  --lifetime SECONDS  end after this time whatever happens (1-600, default 120)\n"
	"  --help, --version\n"
	"\n"
	"Signs for the program that started it, over the stream socket at descriptor 0.\n"
	"See mtls-signer(8).\n";

static int usage_error(const char *text, const char *value)
{
	(void)fprintf(stderr, "%s: %s%s%s\n", program_invocation_short_name, text, value ? " " : "",
		      value ? value : "");
	return -EINVAL;
}

static int add_path(struct options *options, const char *path, bool folder)
{
	struct source_args *args = &options->args;
	if (!*path)
		return usage_error("empty path", NULL);
	if (args->path_count >= SOURCE_PATHS_MAX)
		return usage_error("too many paths", NULL);
	args->paths[args->path_count++] = (struct source_path){ .path = path, .folder = folder };
	return 0;
}

static int set_source(struct options *options, const char *name)
{
	for (const struct source_ops *const *ops = options->program->sources; *ops; ops++)
		if (strcmp((*ops)->name, name) == 0)
			options->ops = *ops;
	return options->ops ? 0 : usage_error("unknown source", name);
}

static int add_text(struct source_texts *texts, const char *text)
{
	if (!*text)
		return usage_error("empty value", NULL);
	if (texts->count >= SOURCE_TEXTS_MAX)
		return usage_error("too many values", NULL);
	texts->text[texts->count++] = text;
	return 0;
}

/* As the shell names variables; what it means is its module's business. */
static int add_environment(struct options *options, const char *text)
{
	size_t name = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
	if (name == 0 || text[name] != '=')
		return usage_error("--env takes NAME=VALUE, not", text);
	return add_text(&options->args.environment, text);
}

static int set_lifetime(struct options *options, const char *text)
{
	if (mtls_parse_u32(text, &options->lifetime) < 0 || options->lifetime < 1 ||
	    options->lifetime > LIFETIME_MAX)
		return usage_error("--lifetime takes 1-600 seconds, not", text);
	return 0;
}

static int apply(struct options *options, int option, const char *value)
{
	switch (option) {
	case 's':
		return set_source(options, value);
	case 'd':
		return add_path(options, value, true);
	case 'f':
		return add_path(options, value, false);
	case 'c':
		options->args.certs = value;
		return *value ? 0 : usage_error("empty path", NULL);
	case 'm':
		return add_text(&options->args.modules, value);
	case 'e':
		return add_environment(options, value);
	case 'u':
		return add_text(&options->args.uris, value);
	case 'a':
		options->args.socket = value;
		return *value ? 0 : usage_error("empty address", NULL);
	case 'l':
		return set_lifetime(options, value);
	case 'h':
		(void)printf("Usage: %s %s%s", options->program->name, options->program->usage,
			     usage_common);
		return 1;
	case 'V':
		(void)printf("%s (" PACKAGE_NAME ") " PACKAGE_VERSION "\n", options->program->name);
		return 1;
	default: /* getopt has said it */
		return -EINVAL;
	}
}

/* 0, 1 for --help and --version, or -EINVAL. */
static int parse_options(int argc, char **argv, struct options *ret)
{
	static const struct option table[] = {
		{ "source", required_argument, NULL, 's' },
		{ "dir", required_argument, NULL, 'd' },
		{ "file", required_argument, NULL, 'f' },
		{ "certs", required_argument, NULL, 'c' },
		{ "module", required_argument, NULL, 'm' },
		{ "env", required_argument, NULL, 'e' },
		{ "uri", required_argument, NULL, 'u' },
		{ "address", required_argument, NULL, 'a' },
		{ "socket", required_argument, NULL, 'a' },
		{ "lifetime", required_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	for (int c; (c = getopt_long(argc, argv, "", table, NULL)) != -1;) {
		int r = apply(ret, c, optarg);
		if (r != 0)
			return r;
	}
	if (optind < argc)
		return usage_error("unexpected argument", argv[optind]);
	if (!ret->ops)
		return usage_error("--source is needed, see --help", NULL);
	const char *missing = ret->ops->missing(&ret->args);
	return missing ? usage_error(missing, NULL) : 0;
}

static int check_environment(void)
{
	struct stat st;
	if (getuid() == 0 || geteuid() == 0) {
		(void)usage_error("never runs as root", NULL);
		return -EPERM;
	}
	if (fstat(SOCKET_FD, &st) < 0 || !S_ISSOCK(st.st_mode)) {
		(void)usage_error("descriptor 0 is no socket: it is started by pam_mtls or mtlsctl",
				  NULL);
		return -ENOTSOCK;
	}
	return 0;
}

/* The end by itself, also in the middle of a key derivation. */
static void set_alarm(uint32_t seconds)
{
	sigset_t set;
	(void)signal(SIGALRM, SIG_DFL);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGALRM);
	(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
	(void)alarm(seconds);
}

static int send_all(void *ctx, const uint8_t *data, size_t len)
{
	(void)ctx;
	while (len) {
		ssize_t n = send(SOCKET_FD, data, len, MSG_NOSIGNAL);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

/* To the end of the conversation: 0, or what ended it. */
static int converse(struct serve *serve)
{
	static uint8_t chunk[4096]; /* static: passphrases are not left on old stack frames */
	int r = 1;

	while (r > 0) {
		ssize_t n = recv(SOCKET_FD, chunk, sizeof(chunk), 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			r = n < 0 ? -errno : mtls_frame_pending(&serve->frame) ? MTLS_E_CLOSED : 0;
		else
			r = serve_push(serve, chunk, (size_t)n);
		explicit_bzero(chunk, sizeof(chunk));
	}
	return r;
}

static int run(const struct options *options)
{
	struct serve serve = { .ops = options->ops, .send = send_all };

	/* Without the sandbox, or without a source, the client is told so in its list. */
	if (sandbox_enter(options->ops->sandbox, &serve.refusal) >= 0 &&
	    options->ops->open(&options->args, &serve.source, &serve.refusal) < 0)
		serve.source = NULL;
	serve_init(&serve);
	int r = converse(&serve);
	serve_done(&serve);
	if (serve.source)
		options->ops->close(serve.source);
	return r;
}

int signer_run(const struct signer_program *program, int argc, char **argv)
{
	struct options options = {
		.program = program,
		.lifetime = LIFETIME_DEFAULT,
		.args = { .owner = getuid(), .group = getgid(), .now = time(NULL) },
	};
	int r = parse_options(argc, argv, &options);
	if (r != 0)
		return r < 0 ? EXIT_USAGE : EXIT_SUCCESS;
	if (check_environment() < 0)
		return EXIT_FAILURE;
	set_alarm(options.lifetime);
	(void)signal(SIGPIPE, SIG_IGN); /* modules write to sockets that may be closed: p11-kit's */
	/* Not exit(): handlers of libraries have nothing to do here, and would meet the filter. */
	_exit(run(&options) < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}
