/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Load for TLS servers: full mutual TLS 1.3 handshakes, none resumed, with one request and its
 * reply each. OpenSSL, because it is the quicker client: the server is to be measured.
 *
 *	load --cert FILE --key FILE --request FILE --expect FILE [--alpn NAME] [--places N]
 *	     [--processes N] [--seconds N] unix:/PATH|tcp:ADDRESS:PORT
 *	load --idle N ADDRESS        opens N connections, says "ready", holds them until its
 *	                             standard input ends, without a word to the server
 *
 * Prints one JSON object. It offers what pam_mtls offers first, X25519 and AES-128-GCM; the
 *server's certificate is not checked.
 */
#include <config.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/throughput/load.h"
#include "lib/base/cleanup.h"
#include "lib/base/str.h"

#define PROCESSES_MAX 64
#define PLACES_MAX    4096
#define IDLE_MAX      20000
#define SECONDS_MAX   600

static _Noreturn void die(const char *what, const char *why)
{
	(void)fprintf(stderr, "load: %s: %s\n", what, why);
	exit(1);
}

static _Noreturn void die_tls(const char *what)
{
	die(what, ERR_reason_error_string(ERR_get_error()));
}

bool load_parse_target(const char *text, struct load_target *ret)
{
	struct sockaddr_un *path = (struct sockaddr_un *)&ret->address;
	struct sockaddr_in *in = (struct sockaddr_in *)&ret->address;
	char host[INET_ADDRSTRLEN];
	uint32_t port = 0;

	*ret = (struct load_target){ 0 };
	if (strncmp(text, "unix:", 5) == 0) {
		path->sun_family = AF_UNIX;
		ret->address_len = sizeof(*path);
		return mtls_strcopy(path->sun_path, sizeof(path->sun_path), text + 5) == 0;
	}
	const char *colon = strrchr(text, ':');
	if (strncmp(text, "tcp:", 4) != 0 || !colon || colon < text + 4 ||
	    (size_t)(colon - text - 4) >= sizeof(host) || mtls_parse_u32(colon + 1, &port) < 0 ||
	    port == 0 || port > UINT16_MAX)
		return false;
	memcpy(host, text + 4, (size_t)(colon - text - 4));
	host[colon - text - 4] = '\0';
	in->sin_family = AF_INET;
	in->sin_port = htons((uint16_t)port);
	ret->address_len = sizeof(*in);
	return inet_pton(AF_INET, host, &in->sin_addr) == 1;
}

static void read_text(const char *path, struct load_text *ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, ret->data, sizeof(ret->data));

	if (n <= 0)
		die(path, n < 0 ? strerror(errno) : "empty");
	ret->len = (size_t)n;
	(void)close(fd);
}

static uint32_t number(const char *text, uint32_t most)
{
	uint32_t value = 0;

	if (mtls_parse_u32(text, &value) < 0 || value == 0 || value > most)
		die(text, "not a number in range");
	return value;
}

static SSL_CTX *make_tls(const char *cert, const char *key, const char *alpn)
{
	uint8_t protocols[64];
	SSL_CTX *tls = SSL_CTX_new(TLS_client_method());

	if (!tls || SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set1_groups_list(tls, "X25519") != 1 ||
	    SSL_CTX_set_ciphersuites(tls, "TLS_AES_128_GCM_SHA256") != 1)
		die_tls("TLS");
	(void)SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
	if (SSL_CTX_use_certificate_chain_file(tls, cert) != 1)
		die_tls(cert);
	if (SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) != 1)
		die_tls(key);
	if (alpn) {
		size_t len = strlen(alpn);
		if (len == 0 || len >= sizeof(protocols))
			die(alpn, "no ALPN name");
		protocols[0] = (uint8_t)len;
		memcpy(protocols + 1, alpn, len);
		if (SSL_CTX_set_alpn_protos(tls, protocols, (unsigned int)len + 1) != 0)
			die_tls(alpn);
	}
	return tls;
}

static int hold_idle(const struct load_target *target, uint32_t count)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	char byte;

	for (uint32_t i = 0; i < count;) {
		if (load_dial(target) >= 0)
			i++;
		else if (errno == EAGAIN) /* the queue of a unix socket is full */
			(void)nanosleep(&pause, NULL);
		else
			die("connect", strerror(errno));
	}
	(void)puts("ready");
	(void)fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return 0;
}

/* Each process writes its result to a pipe that all share. */
static void start_processes(const struct load_plan *plan, uint32_t processes, int fd)
{
	for (uint32_t i = 0; i < processes; i++) {
		pid_t pid = fork();
		if (pid < 0)
			die("fork", strerror(errno));
		if (pid > 0)
			continue;
		struct load_result result;
		load_run(plan, &result);
		_exit(write(fd, &result, sizeof(result)) == (ssize_t)sizeof(result) ? 0 : 1);
	}
}

static int run_all(const struct load_plan *plan, uint32_t processes)
{
	struct load_result sum = { 0 }, one;
	int fds[2];

	if (pipe(fds) < 0)
		die("pipe", strerror(errno));
	start_processes(plan, processes, fds[1]);
	(void)close(fds[1]);
	for (uint32_t i = 0; i < processes; i++) {
		if (read(fds[0], &one, sizeof(one)) != (ssize_t)sizeof(one))
			die("a process", "ended early");
		sum.done += one.done;
		sum.failed += one.failed;
		sum.seconds = one.seconds > sum.seconds ? one.seconds : sum.seconds;
		if (one.failed)
			(void)fprintf(stderr, "load: %s\n", one.error);
	}
	while (wait(NULL) > 0)
		;
	printf("{\"done\": %llu, \"failed\": %llu, \"seconds\": %.6f}\n",
	       (unsigned long long)sum.done, (unsigned long long)sum.failed, sum.seconds);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "cert", required_argument, NULL, 'c' },
		{ "key", required_argument, NULL, 'k' },
		{ "request", required_argument, NULL, 'r' },
		{ "expect", required_argument, NULL, 'e' },
		{ "alpn", required_argument, NULL, 'a' },
		{ "places", required_argument, NULL, 'n' },
		{ "processes", required_argument, NULL, 'p' },
		{ "seconds", required_argument, NULL, 's' },
		{ "idle", required_argument, NULL, 'i' },
		{ NULL, 0, NULL, 0 },
	};
	static struct load_plan plan = { .places = 16, .seconds = 3 };
	const char *values[256] = { 0 };

	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (c == '?')
			return 2;
		values[c] = optarg;
	}
	if (optind + 1 != argc || !load_parse_target(argv[optind], &plan.target))
		die("usage", "the last word is unix:/PATH or tcp:ADDRESS:PORT");
	if (values['i'])
		return hold_idle(&plan.target, number(values['i'], IDLE_MAX));
	if (!values['c'] || !values['k'] || !values['r'] || !values['e'])
		die("usage", "--cert, --key, --request and --expect are needed");
	read_text(values['r'], &plan.request);
	read_text(values['e'], &plan.expected);
	if (values['n'])
		plan.places = number(values['n'], PLACES_MAX);
	if (values['s'])
		plan.seconds = number(values['s'], SECONDS_MAX);
	plan.tls = make_tls(values['c'], values['k'], values['a']);
	return run_all(&plan, values['p'] ? number(values['p'], PROCESSES_MAX) : 1);
}
