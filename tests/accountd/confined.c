/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the store process and the publisher cannot do any more. Each row runs in a child that gives
 * its rights up just as they do, then tries one thing; beside what is refused stands what must
 * still work. Needs root; a folder of its own below /tmp.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "accountd/keeper.h"
#include "accountd/process.h"
#include "accountd/publisher.h"
#include "lib/base/cleanup.h"

#define STORE_UID 442

static char folder[] = "/tmp/mtls-confined.XXXXXX";
static char own[64], snapshot[64], elsewhere[64];

/* Each attempt returns 0 or -errno; a filter may end the process instead. */
static int open_file(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	(void)close(fd);
	return 0;
}

static int read_shadow(void)
{
	return open_file("/etc/shadow", O_RDONLY);
}

static int read_passwd(void)
{
	return open_file("/etc/passwd", O_RDONLY);
}

static int write_passwd(void)
{
	return open_file("/etc/passwd", O_WRONLY);
}

static int make_own(void)
{
	char path[128];
	(void)snprintf(path, sizeof(path), "%s/x", own);
	return open_file(path, O_RDWR | O_CREAT);
}

static int make_snapshot(void)
{
	char path[128];
	(void)snprintf(path, sizeof(path), "%s/x", snapshot);
	return open_file(path, O_RDWR | O_CREAT);
}

static int make_elsewhere(void)
{
	char path[128];
	(void)snprintf(path, sizeof(path), "%s/x", elsewhere);
	return open_file(path, O_RDWR | O_CREAT);
}

static int read_elsewhere(void)
{
	char path[128];
	(void)snprintf(path, sizeof(path), "%s/there", elsewhere);
	return open_file(path, O_RDONLY);
}

static int list_own(void)
{
	return open_file(own, O_RDONLY | O_DIRECTORY);
}

static int run_program(void)
{
	char name[] = "/bin/true";
	char *argv[] = { name, NULL };
	(void)execve(name, argv, environ);
	return -errno;
}

static int make_child(void)
{
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	return pid < 0 ? -errno : 0;
}

static int tcp_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0) < 0 ? -errno : 0;
}

static int unix_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0) < 0 ? -errno : 0;
}

static int signal_parent(void)
{
	return kill(getppid(), 0) < 0 ? -errno : 0;
}

static int trace_parent(void)
{
	return ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) < 0 ? -errno : 0;
}

static int become_root(void)
{
	return setuid(0) < 0 ? -errno : 0;
}

static int become_other(void)
{
	return setuid(65534) < 0 ? -errno : 0;
}

static int mount_something(void)
{
	return mount("tmpfs", own, "tmpfs", 0, NULL) < 0 ? -errno : 0;
}

static int map_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);
	return p == MAP_FAILED ? -errno : 0;
}

static int own_signals(void)
{
	return fcntl(STDIN_FILENO, F_SETOWN, getppid()) < 0 ? -errno : 0;
}

static int nothing(void)
{
	return 0;
}

enum { STORE, PUBLISHER };
enum want {
	WORKS,
	REFUSED, /* an error, or the end by SIGSYS */
	KILLED,  /* by SIGSYS; a sanitizer's filter is wider, there an error will do too */
};

struct row {
	const char *name;
	int (*attempt)(void);
	enum want want[2]; /* store, publisher */
};

/* clang-format off */
static const struct row rows[] = {
	{ "nothing at all",               nothing,         { WORKS, WORKS } },
	{ "list its own folder",          list_own,        { WORKS, REFUSED } },
	{ "make a file in its folder",    make_own,        { WORKS, REFUSED } },
	{ "make a file by the snapshot",  make_snapshot,   { REFUSED, WORKS } },
	{ "make a file elsewhere",        make_elsewhere,  { REFUSED, REFUSED } },
	{ "read a file elsewhere",        read_elsewhere,  { REFUSED, REFUSED } },
	{ "read /etc/passwd",             read_passwd,     { WORKS, WORKS } },
	{ "write /etc/passwd",            write_passwd,    { REFUSED, REFUSED } },
	{ "read /etc/shadow",             read_shadow,     { REFUSED, WORKS } },
	{ "run a program",                run_program,     { KILLED, KILLED } },
	{ "make a child",                 make_child,      { KILLED, KILLED } },
	{ "make a TCP socket",            tcp_socket,      { KILLED, KILLED } },
	{ "make a unix socket",           unix_socket,     { KILLED, KILLED } },
	{ "signal the supervisor",        signal_parent,   { KILLED, KILLED } },
	{ "trace the supervisor",         trace_parent,    { KILLED, KILLED } },
	{ "have signals sent to it",      own_signals,     { KILLED, KILLED } },
	{ "become root",                  become_root,     { KILLED, KILLED } },
	{ "become somebody else",         become_other,    { KILLED, KILLED } },
	{ "mount",                        mount_something, { KILLED, KILLED } },
	{ "map memory to run",            map_code,        { KILLED, KILLED } },
};
/* clang-format on */

static int confine(int who, struct mtls_diag *diag)
{
	char store[128], cdb[128], sources[128];
	const struct mtls_settings_accountd settings = { .store = store,
							 .snapshot = cdb,
							 .source_directory = sources };

	(void)snprintf(store, sizeof(store), "%s/store.db", own);
	(void)snprintf(cdb, sizeof(cdb), "%s/accounts.cdb", snapshot);
	(void)snprintf(sources, sizeof(sources), "%s/sources", own);
	int r = process_begin(getppid(), diag);
	if (r >= 0)
		r = who == STORE ? process_give_up(STORE_UID, STORE_UID, diag)
				 : process_give_up(0, 0, diag);
	if (r < 0)
		return r;
	return who == STORE ? keeper_confine(&settings, diag) : publisher_confine(cdb, diag);
}

/* In the child: 0 the attempt worked, 1 it was refused, 2 it was never made. */
static int attempt(const struct row *row, int who)
{
	struct mtls_diag diag = { 0 };

	if (confine(who, &diag) < 0) {
		printf("# %s\n", diag.text);
		return 2;
	}
	return row->attempt() == 0 ? 0 : 1;
}

static bool as_wanted(enum want want, int status)
{
	bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
	bool refused = WIFEXITED(status) && WEXITSTATUS(status) == 1;

	switch (want) {
	case WORKS:
		return WIFEXITED(status) && WEXITSTATUS(status) == 0;
	case REFUSED:
		return refused || killed;
	default:
		return killed;
	}
}

static void run(const struct row *row, int who, int number)
{
	int status = 0;
	pid_t pid;

	(void)fflush(stdout);
	pid = fork();
	if (pid == 0) {
		int code = attempt(row, who);
		(void)fflush(stdout);
		_exit(code);
	}
	bool good = pid > 0 && waitpid(pid, &status, 0) == pid && as_wanted(row->want[who], status);
	printf("%s %d - %s: %s %s\n", good ? "ok" : "not ok", number,
	       who == STORE ? "store" : "publisher", row->want[who] == WORKS ? "can" : "cannot",
	       row->name);
	if (!good)
		printf("# status %#x\n", status);
}

static int prepare(void)
{
	char there[128];

	if (!mkdtemp(folder) || chmod(folder, 0755) < 0)
		return -errno;
	(void)snprintf(own, sizeof(own), "%s/own", folder);
	(void)snprintf(snapshot, sizeof(snapshot), "%s/snapshot", folder);
	(void)snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", folder);
	/* Open to all, so that not the modes are what refuses. */
	if (mkdir(own, 0700) < 0 || chown(own, STORE_UID, STORE_UID) < 0 ||
	    mkdir(snapshot, 0755) < 0 || mkdir(elsewhere, 0755) < 0 || chmod(elsewhere, 0777) < 0)
		return -errno;
	(void)snprintf(there, sizeof(there), "%s/there", elsewhere);
	int r = open_file(there, O_RDWR | O_CREAT);
	return r < 0 ? r : chmod(there, 0666);
}

static void tidy(void)
{
	const char *const names[] = { "own/x", "snapshot/x", "elsewhere/x", "elsewhere/there",
				      "own",   "snapshot",   "elsewhere",   "" };
	char path[128];

	for (size_t i = 0; i < MTLS_COUNT(names); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		(void)remove(path);
	}
}

int main(void)
{
	int number = 0;

	if (geteuid() != 0) {
		printf("1..0 # SKIP needs root\n");
		return 0;
	}
	if (prepare() < 0) {
		printf("Bail out! %s: %s\n", folder, strerror(errno));
		return 99;
	}
	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		run(&rows[i], STORE, ++number);
		run(&rows[i], PUBLISHER, ++number);
	}
	tidy();
	printf("1..%d\n", number);
	return 0;
}
