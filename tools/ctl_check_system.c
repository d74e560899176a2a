/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mtlsctl check: users, programs, NSS, accounts, the daemon's socket. */
#include <config.h>

#include <dlfcn.h>
#include <errno.h>
#include <fnmatch.h>
#include <netdb.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/acctdb/reader.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "tools/ctl_check.h"

#define NSSWITCH    "/etc/nsswitch.conf"
#define START_AUTHD "start mtls-authd; it says why if it does not stay"
#define PUBLISH     "mtlsctl account publish, with mtls-accountd running"
#define MAKE_USERS  "make the system users: systemd-sysusers"

static void check_user(struct check *check, const char *name, const char *whose)
{
	const struct passwd *user = getpwnam(name);

	if (!user)
		check_add(check, CHECK_ERROR, "users", MAKE_USERS,
			  "there is no user '%s', under which %s runs", name, whose);
	else if (user->pw_uid == 0)
		check_add(check, CHECK_ERROR, "users", MAKE_USERS,
			  "'%s' is root: %s needs a user of its own", name, whose);
	else
		check_add(check, CHECK_OK, "users", NULL, "'%s' for %s", name, whose);
}

/* Anybody gets a pts by ssh: it proves nothing about who sits in front of the machine. */
static void check_ttys(struct check *check)
{
	static const char *const remote[] = { "pts/0", "pts/9", "pts/10", "pts/123" };

	for (char **pattern = check->pam->local_ttys; *pattern; pattern++)
		for (size_t i = 0; i < MTLS_COUNT(remote); i++)
			if (fnmatch(*pattern, remote[i], 0) == 0) {
				check_add(check, CHECK_WARNING, "terminals",
					  "remove it from local_ttys of pam_mtls.conf",
					  "'%s' of local_ttys matches %s, which may be remote",
					  *pattern, remote[i]);
				break;
			}
}

/* --- NSS --- */

struct nss_line {
	bool passwd, group, shadow; /* has mtls */
	bool early;                 /* mtls before files */
	bool initgroups;            /* has a line of its own */
	bool initgroups_mtls;
};

static void check_service(struct check *check, const char *database, const char *service,
			  bool *ret_files, struct nss_line *nss)
{
	if (mtls_streq(service, "files") || mtls_streq(service, "compat"))
		*ret_files = true;
	if (mtls_streq(service, "x509"))
		check_add(check, CHECK_ERROR, "nss",
			  "remove it: only mtls-authd asks that service, by itself",
			  "%s names x509 in the line '%s'", NSSWITCH, database);
	if (!mtls_streq(service, "mtls"))
		return;
	nss->passwd |= mtls_streq(database, "passwd");
	nss->group |= mtls_streq(database, "group");
	nss->shadow |= mtls_streq(database, "shadow");
	nss->initgroups_mtls |= mtls_streq(database, "initgroups");
	nss->early |= !*ret_files;
}

static void check_nss_line(struct check *check, char *line, struct nss_line *nss)
{
	bool files = false;
	char *rest = NULL;

	line[strcspn(line, "#\n")] = '\0';
	const char *database = strtok_r(line, ": \t", &rest);
	nss->initgroups |= mtls_streq(database, "initgroups");
	for (char *service; database && (service = strtok_r(NULL, ": \t", &rest));)
		check_service(check, database, service, &files, nss);
}

static void check_nsswitch(struct check *check, bool accounts)
{
	_cleanup_fclose_ FILE *f = fopen(NSSWITCH, "re");
	_cleanup_free_ char *line = NULL;
	struct nss_line nss = { 0 };
	size_t size = 0;

	if (!f) {
		check_add(check, CHECK_WARNING, "nss", "see nsswitch.conf(5)", "'%s': %s", NSSWITCH,
			  strerrordesc_np(errno));
		return;
	}
	while (getline(&line, &size, f) >= 0)
		check_nss_line(check, line, &nss);
	if (nss.passwd && nss.group)
		check_add(check, CHECK_OK, "nss", NULL, "%s names mtls for passwd and group",
			  NSSWITCH);
	else
		check_add(check, accounts ? CHECK_ERROR : CHECK_NOTE, "nss",
			  "write mtls behind files in the lines passwd and group",
			  "%s does not name mtls for %s%s", NSSWITCH,
			  nss.passwd ? "group" : "passwd",
			  !nss.passwd && !nss.group ? " and group" : "");
	if (accounts && nss.group && nss.initgroups && !nss.initgroups_mtls)
		check_add(check, CHECK_ERROR, "nss",
			  "remove that line, or write mtls behind files there too",
			  "%s names no mtls for initgroups: accounts lose their groups at login",
			  NSSWITCH);
	if (accounts && nss.passwd && !nss.shadow)
		check_add(check, CHECK_NOTE, "nss", NULL,
			  "%s does not name mtls for shadow, which few programs want", NSSWITCH);
	if (nss.early)
		check_add(check, CHECK_WARNING, "nss", "write mtls behind files",
			  "%s asks mtls before files", NSSWITCH);
}

/* The daemon maps certificates by this service; a missing module looks like "not found" there. */
static void check_module(struct check *check, const char *name, enum check_severity severity)
{
	void *module = dlopen(name, RTLD_LAZY | RTLD_LOCAL);

	if (!module)
		check_add(check, severity, "nss", "install pam-mtls again, then ldconfig",
			  "%s cannot be loaded: %s", name, dlerror());
	else
		(void)dlclose(module);
}

static void judge_snapshot(struct check *check, const struct mtls_acctdb *db)
{
	const struct mtls_acct_header *header = &db->header;
	const char *path = check->accountd->snapshot;

	check_add(check, CHECK_OK, "accounts", NULL, "'%s': %u accounts, %u groups, %u bindings",
		  path, header->users, header->groups, header->bindings);
	if (header->format < MTLS_ACCTDB_FORMAT)
		check_add(check, CHECK_WARNING, "accounts", PUBLISH,
			  "'%s' is of format %u, which the next version may not read", path,
			  header->format);
	if (header->ids.window.min != check->accountd->window.min ||
	    header->ids.window.max != check->accountd->window.max)
		check_add(check, CHECK_WARNING, "accounts", PUBLISH,
			  "'%s' was written for the ids %u-%u", path, header->ids.window.min,
			  header->ids.window.max);
	if (!mtls_streq(path, MTLS_STATEDIR "/snapshot/accounts.cdb"))
		check_add(check, CHECK_ERROR, "accounts", "remove 'snapshot' from accountd.conf",
			  "libnss_mtls reads '%s', not '%s'",
			  MTLS_STATEDIR "/snapshot/accounts.cdb", path);
	check_accounts(check, db);
}

/* True if there are accounts of ours. */
static bool check_snapshot(struct check *check)
{
	struct mtls_acctdb db;
	struct mtls_diag diag = { 0 };
	uint64_t published = 0;

	if (!check->accountd)
		return false;
	const char *path = check->accountd->snapshot;
	if (access(path, F_OK) == 0 || access(check->accountd->store, F_OK) == 0)
		check_user(check, check->accountd->user, "mtls-accountd");
	/* First: what it says is published is in the file that is opened next. */
	bool running = check_accountd(check, &published);
	int r = mtls_acctdb_open(&db, path, 0, &diag);
	if (r < 0 && (r != -ENOENT || published)) {
		check_add(check, CHECK_ERROR, "accounts", PUBLISH, "'%s': %s", path,
			  mtls_diag_text(&diag, r));
		return false;
	}
	if (r < 0 && access(check->accountd->store, F_OK) == 0)
		check_add(check, CHECK_ERROR, "accounts",
			  "start mtls-accountd, which writes it anew from its store",
			  "'%s' does not exist: no process sees an account", path);
	else if (r < 0)
		check_add(check, CHECK_NOTE, "accounts", NULL,
			  "'%s' does not exist: no accounts, no bindings", path);
	if (r < 0)
		return false;
	if (running && db.header.serial < published)
		check_add(check, CHECK_ERROR, "accounts", PUBLISH,
			  "'%s' is older than what mtls-accountd published: somebody put it there",
			  path);
	judge_snapshot(check, &db);
	bool accounts = db.header.users > 0;
	mtls_acctdb_close(&db);
	return accounts;
}

void check_system(struct check *check)
{
	if (check->authd) {
		check_user(check, check->authd->user, "mtls-authd");
		check_module(check, "libnss_x509.so.2", CHECK_ERROR);
	}
	if (check->pam) {
		check_user(check, check->pam->signer_user, "mtls-signer");
		check_ttys(check);
		if (check->pam->allow_root)
			check_add(check, CHECK_WARNING, "root", "allow_root = no",
				  "allow_root is set: a certificate may become root's login");
		if (check->pam->debug)
			check_add(check, CHECK_NOTE, "log", NULL, "debug is set in pam_mtls.conf");
	}
	bool accounts = check_snapshot(check);
	check_nsswitch(check, accounts);
	if (accounts)
		check_module(check, "libnss_mtls.so.2", CHECK_ERROR);
}

/* --- does a daemon listen --- */

static int wait_connected(int fd, mtls_deadline deadline)
{
	int error = 0;
	socklen_t len = sizeof(error);

	int r = mtls_wait_fd(fd, POLLOUT, deadline);
	if (r < 0)
		return r;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return -errno;
	return -error;
}

static int try_connect(const struct sockaddr *address, socklen_t len, mtls_deadline deadline)
{
	_cleanup_close_ int fd =
		socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, address, len) == 0)
		return 0;
	return errno == EINPROGRESS ? wait_connected(fd, deadline) : -errno;
}

static int try_unix(const char *path, mtls_deadline deadline)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (mtls_strcopy(address.sun_path, sizeof(address.sun_path), path) < 0)
		return -ENAMETOOLONG;
	return try_connect((const struct sockaddr *)&address, sizeof(address), deadline);
}

/* "HOST", "HOST:PORT", "[V6]:PORT": the syntax was checked with the settings. */
static int try_tcp(const char *text, mtls_deadline deadline)
{
	char host[256], port[8];
	bool v6 = text[0] == '[';
	const char *start = v6 ? text + 1 : text;
	size_t len = strcspn(start, v6 ? "]" : ":");
	const char *colon = strchr(start + len, ':');

	if (len >= sizeof(host))
		return -ENAMETOOLONG;
	memcpy(host, start, len);
	host[len] = '\0';
	if (colon)
		(void)snprintf(port, sizeof(port), "%.7s", colon + 1);
	else
		(void)snprintf(port, sizeof(port), "%d", MTLS_TCP_PORT);
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
	struct addrinfo *list = NULL;
	if (getaddrinfo(host, port, &hints, &list) != 0)
		return -EHOSTUNREACH;
	int r = -EHOSTUNREACH;
	for (struct addrinfo *a = list; a && r < 0; a = a->ai_next)
		r = try_connect(a->ai_addr, a->ai_addrlen, deadline);
	freeaddrinfo(list);
	return r;
}

void check_connections(struct check *check)
{
	size_t reached = 0, failed = 0;

	if (!check->pam)
		return;
	for (char **server = check->pam->client.servers; *server; server++) {
		mtls_deadline deadline = mtls_deadline_in_ms(check->pam->client.connect_timeout_ms);
		bool local = strncmp(*server, "unix:", 5) == 0;
		int r = local ? try_unix(*server + 5, deadline) : try_tcp(*server + 4, deadline);
		if (r < 0) {
			failed++;
			check_add(check, CHECK_WARNING, "daemon", START_AUTHD, "'%s': %s", *server,
				  mtls_strerror(r));
		} else {
			reached++;
			check_add(check, CHECK_OK, "daemon", NULL, "'%s' answers", *server);
		}
	}
	if (failed && !reached)
		check_add(check, CHECK_ERROR, "daemon", START_AUTHD,
			  "no server of pam_mtls.conf can be reached");
}
