/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The lookup process: single-threaded, blocking, no state but the NSS modules'. Kind x509 has that
 * service and nothing else in its order, because certificate text must never be offered to another
 * one; kind accounts has the host's order without x509.
 */
#include <config.h>

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "authd/lookup.h"
#include "authd/sandbox.h"
#include "lib/base/buf.h"
#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/str.h"

#define NSS_BUFFER_MIN 4096
#define NSS_BUFFER_MAX (1024 * 1024)
#define ORDER_MAX      1024
#define NSSWITCH_MAX   65536

/* glibc's, exported but in no header. */
extern int __nss_configure_lookup(const char *database, const char *service_line);

/*
 * getgrnam_r() with a buffer that grows. 1 found, 0 not found, -errno. *@buf is malloc'ed and
 * holds what @gr points to.
 */
static int find_group(const char *name, struct group *gr, char **buf)
{
	for (size_t size = NSS_BUFFER_MIN; size <= NSS_BUFFER_MAX; size *= 4) {
		struct group *result = NULL;
		char *bigger = realloc(*buf, size);
		if (!bigger)
			return -ENOMEM;
		*buf = bigger;
		int r = getgrnam_r(name, gr, *buf, size, &result);
		if (r != ERANGE)
			return result ? 1 : r == ENOENT || r == ESRCH ? 0 : -r;
	}
	return -ERANGE;
}

static int find_passwd(const char *name, struct passwd *pw, char **buf)
{
	for (size_t size = NSS_BUFFER_MIN; size <= NSS_BUFFER_MAX; size *= 4) {
		struct passwd *result = NULL;
		char *bigger = realloc(*buf, size);
		if (!bigger)
			return -ENOMEM;
		*buf = bigger;
		int r = getpwnam_r(name, pw, *buf, size, &result);
		if (r != ERANGE)
			return result ? 1 : r == ENOENT || r == ESRCH ? 0 : -r;
	}
	return -ERANGE;
}

/* A missing library, a missing or damaged snapshot look like "not found" to glibc's callers. */
static bool x509_answers(void)
{
	_cleanup_free_ char *buf = NULL;
	struct group gr;

	return find_group(LOOKUP_PROBE, &gr, &buf) == 1;
}

/* Adds the accounts bound to key @index. False if the answer cannot be complete. */
static bool add_members(const char *key, uint32_t index, struct mtls_lookup_answer *answer)
{
	_cleanup_free_ char *buf = NULL;
	struct group gr = { 0 };

	int r = find_group(key, &gr, &buf);
	if (r < 0)
		mtls_log(MTLS_LOG_ERROR, "service x509: %s", mtls_strerror(r));
	if (r <= 0)
		return r == 0;
	for (char **name = gr.gr_mem; *name; name++) {
		if (mtls_lookup_answer_add(answer, index, *name))
			continue;
		mtls_log(MTLS_LOG_ERROR,
			 "service x509: more than %d accounts, or a name over %d bytes",
			 MTLS_LOOKUP_NAMES_MAX, MTLS_ACCOUNT_NAME_MAX);
		return false;
	}
	return true;
}

static enum mtls_lookup_status answer_x509(const struct mtls_lookup_query *query,
					   struct mtls_lookup_answer *answer)
{
	for (uint32_t i = 0; i < query->count; i++)
		if (!add_members(mtls_lookup_query_key(query, i), i, answer))
			return MTLS_LOOKUP_FAILED;
	if (answer->count)
		return MTLS_LOOKUP_FOUND;
	return x509_answers() ? MTLS_LOOKUP_NOTFOUND : MTLS_LOOKUP_FAILED;
}

static enum mtls_lookup_status answer_account(const struct mtls_lookup_query *query,
					      struct mtls_lookup_answer *answer)
{
	_cleanup_free_ char *buf = NULL;
	struct passwd pw = { 0 };
	const char *name = mtls_lookup_query_key(query, 0);

	/* Certificate text must not get here: only account names are looked up in this order. */
	if (query->count != 1 || !mtls_account_name_valid(name, query->keys[0].len))
		return MTLS_LOOKUP_FAILED;
	int r = find_passwd(name, &pw, &buf);
	if (r < 0)
		mtls_log(MTLS_LOG_ERROR, "account '%s': %s", name, mtls_strerror(r));
	if (r <= 0)
		return r == 0 ? MTLS_LOOKUP_NOTFOUND : MTLS_LOOKUP_FAILED;
	/* Some services fold case; the verdict is about the exact name. */
	if (!mtls_streq(pw.pw_name, name))
		return MTLS_LOOKUP_NOTFOUND;
	answer->uid = pw.pw_uid;
	answer->gid = pw.pw_gid;
	return mtls_lookup_answer_add(answer, 0, pw.pw_name) ? MTLS_LOOKUP_FOUND
							     : MTLS_LOOKUP_FAILED;
}

static void answer_query(enum mtls_lookup_kind kind, const struct mtls_lookup_query *query,
			 struct mtls_lookup_answer *answer)
{
	answer->id = query->id;
	answer->uid = answer->gid = UINT32_MAX;
	answer->count = 0;
	answer->status = kind == MTLS_LOOKUP_X509 ? answer_x509(query, answer)
						  : answer_account(query, answer);
	if (answer->status != MTLS_LOOKUP_FOUND)
		answer->count = 0;
}

/* An x509 in the host's own order would be given account names; `mtlsctl check` reports it. */
static int drop_x509(const char *nsswitch, const char *database)
{
	char order[ORDER_MAX];
	int r = lookup_order_without_x509(nsswitch, database, order, sizeof(order));
	if (r <= 0)
		return r;
	mtls_log(MTLS_LOG_WARNING, "nsswitch.conf names x509 for %s: it does not belong there",
		 database);
	return __nss_configure_lookup(database, order) < 0 ? -EINVAL : 0;
}

static int configure_order(enum mtls_lookup_kind kind)
{
	if (kind == MTLS_LOOKUP_X509) {
		if (__nss_configure_lookup("passwd", "x509") < 0 ||
		    __nss_configure_lookup("group", "x509") < 0)
			return -EINVAL;
		if (!x509_answers())
			mtls_log(MTLS_LOG_ERROR,
				 "service x509 does not answer: is libnss_x509.so.2 installed, is "
				 "there a snapshot (mtlsctl account)? Logins are refused until "
				 "then; "
				 "a library installed later needs a restart");
		return 0;
	}
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(NSSWITCH_MAX);
	int r = mtls_file_read("/etc/nsswitch.conf", NULL, &text, NULL);
	const char *nsswitch = r < 0 ? NULL : mtls_buf_cstr(&text);
	if (!nsswitch)
		return 0; /* glibc's default order has no x509 */
	r = drop_x509(nsswitch, "passwd");
	return r < 0 ? r : drop_x509(nsswitch, "group");
}

static bool harden(pid_t supervisor)
{
	const struct rlimit none = { 0, 0 };
	int type = 0;
	socklen_t len = sizeof(type);

	if (getsockopt(STDIN_FILENO, SOL_SOCKET, SO_TYPE, &type, &len) < 0 ||
	    type != SOCK_SEQPACKET)
		return false;
	(void)setrlimit(RLIMIT_CORE, &none);
	(void)signal(SIGPIPE, SIG_IGN);
	return prctl(PR_SET_DUMPABLE, 0) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == supervisor;
}

/* False at the end of the stream or when the other side talks nonsense. */
static bool serve_one(enum mtls_lookup_kind kind)
{
	static struct mtls_lookup_query query;
	static struct mtls_lookup_answer answer;

	ssize_t n = recv(STDIN_FILENO, &query, sizeof(query), MSG_TRUNC);
	if (n < 0 && errno == EINTR)
		return true;
	if (n <= 0 || !mtls_lookup_query_valid(&query, (size_t)n))
		return false;
	answer_query(kind, &query, &answer);
	return send(STDIN_FILENO, &answer, mtls_lookup_answer_size(&answer), MSG_NOSIGNAL) >= 0;
}

int lookup_run(enum mtls_lookup_kind kind, pid_t supervisor)
{
	if (!harden(supervisor)) {
		mtls_log(MTLS_LOG_ERROR, "a lookup process is started by mtls-authd only");
		return 1;
	}
	mtls_log_set_id(mtls_lookup_kind_name(kind));
	int r = configure_order(kind);
	if (r >= 0)
		r = sandbox_lookup();
	if (r < 0) {
		mtls_log(MTLS_LOG_ERROR, "lookup process: %s", mtls_strerror(r));
		return 1;
	}
	/* From now on somebody may ask: the supervisor hands the socket to the worker. */
	if (send(STDIN_FILENO, "", 1, MSG_NOSIGNAL) != 1)
		return 1;
	while (serve_one(kind))
		;
	return 0;
}
