/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Children that have become a person. Each is bounded: a hung network home hangs nobody for long.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "tools/ctl_person.h"

#define CHILD_SECONDS 120
#define END_SECONDS   5 /* for a child that has nothing more to say */

/* What a child says before the bytes that it hands back. */
struct report {
	int result;
	struct mtls_diag diag;
};

int ctl_person_find(const char *name, struct ctl_person *ret, struct mtls_diag *diag)
{
	const struct passwd *found = getpwnam(name);

	if (!found)
		return mtls_diag_set(diag, MTLS_E_NOTFOUND, "there is no account '%s' here", name);
	ret->name = strdup(found->pw_name);
	ret->home = strdup(found->pw_dir);
	ret->uid = found->pw_uid;
	ret->gid = found->pw_gid;
	return ret->name && ret->home ? 0 : mtls_diag_set(diag, -ENOMEM, "out of memory");
}

void ctl_person_done(struct ctl_person *person)
{
	free(person->name);
	free(person->home);
	*person = (struct ctl_person){ 0 };
}

int ctl_person_path(const struct ctl_person *person, const char *name, char out[PATH_MAX],
		    struct mtls_diag *diag)
{
	if (person->home[0] != '/')
		return mtls_diag_set(diag, MTLS_E_SYNTAX, "the home of '%s' is no absolute path",
				     person->name);
	int n = snprintf(out, PATH_MAX, "%s/.config/mtls/%s", person->home, name);
	if (n < 0 || n >= PATH_MAX)
		return mtls_diag_set(diag, -ENAMETOOLONG, "the home of '%s' has too long a path",
				     person->name);
	return 0;
}

int ctl_person_check_rights(const struct ctl_person *person, struct mtls_diag *diag)
{
	if (geteuid() == 0 || geteuid() == person->uid)
		return 0;
	return mtls_diag_set(diag, -EPERM, "only root writes into the home of '%s'", person->name);
}

/* ~/.config and ~/.config/mtls, as the person. */
int ctl_person_make_folder(const struct ctl_person *person, struct mtls_diag *diag)
{
	static const char *const steps[] = { "/.config", "/.config/mtls" };
	char path[PATH_MAX];

	for (size_t i = 0; i < MTLS_COUNT(steps); i++) {
		int n = snprintf(path, sizeof(path), "%s%s", person->home, steps[i]);
		if (n < 0 || (size_t)n >= sizeof(path))
			return mtls_diag_set(diag, -ENAMETOOLONG, "the home's path is too long");
		if (mkdir(path, 0700) < 0 && errno != EEXIST)
			return mtls_diag_set(diag, -errno, "cannot make '%s': %s", path,
					     strerrordesc_np(errno));
	}
	return 0;
}

static int become(const struct ctl_person *person, struct mtls_diag *diag)
{
	(void)umask(077);
	(void)alarm(CHILD_SECONDS);
	if (geteuid() != 0)
		return 0;
	if (initgroups(person->name, person->gid) < 0 ||
	    setresgid(person->gid, person->gid, person->gid) < 0 ||
	    setresuid(person->uid, person->uid, person->uid) < 0)
		return mtls_diag_set(diag, -errno, "cannot become '%s': %s", person->name,
				     strerrordesc_np(errno));
	if (person->uid != 0 && setresuid(0, 0, 0) == 0)
		return mtls_diag_set(diag, -EPERM, "root's rights cannot be given up");
	/* What root's shell has there is not for the libraries that work for a person. */
	if (clearenv() != 0)
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	/* The person must not look into this process: it was root's a moment ago. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return mtls_diag_set(diag, -errno, "prctl: %s", strerrordesc_np(errno));
	return 0;
}

/* The child's whole life. */
static void live(const struct ctl_person *person, ctl_person_fn *fn, void *ctx, int fd)
	__attribute__((noreturn));
static void live(const struct ctl_person *person, ctl_person_fn *fn, void *ctx, int fd)
{
	_cleanup_buf_ struct mtls_buf out = MTLS_BUF(CTL_PERSON_OUT_MAX);
	struct report report = { .result = -EIO };

	report.result = become(person, &report.diag);
	if (report.result >= 0)
		report.result = fn(ctx, &out, &report.diag);
	if (report.result >= 0 && out.err)
		report.result = out.err;
	if (mtls_fd_write_all(fd, &report, sizeof(report)) >= 0)
		(void)mtls_fd_write_all(fd, out.data, out.len);
	_exit(0);
}

/*
 * Reads to the end of what the child hands back. The child is the person's, who may stop it: it is
 * killed when its time is over, or when it says more than it may.
 */
static int read_until_end(int fd, pid_t pid, struct mtls_buf *out)
{
	mtls_deadline deadline = mtls_deadline_in_ms(CHILD_SECONDS * 1000);
	uint8_t chunk[4096];
	ssize_t n = 1;
	int r = 0;

	while (r >= 0 && n > 0) {
		r = mtls_wait_fd(fd, POLLIN, deadline);
		n = r < 0 ? 0 : read(fd, chunk, sizeof(chunk));
		if (n > 0)
			r = mtls_buf_append(out, chunk, (size_t)n);
		else if (n < 0 && errno != EINTR)
			r = -errno;
		else if (n < 0)
			n = 1;
	}
	if (r < 0)
		(void)kill(pid, SIGKILL);
	return r;
}

/* A program that runs as the person may be held back by the person, without end. */
static int wait_for(pid_t pid)
{
	_cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	int status = 0;

	if (pidfd < 0 || mtls_wait_fd(pidfd, POLLIN, mtls_deadline_in_ms(END_SECONDS * 1000)) < 0)
		(void)kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

/* A child whose end of the pipe is *@ret_fd's other one; 0 in the child. */
static pid_t fork_with_pipe(int *ret_fd, struct mtls_diag *diag)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return mtls_diag_set(diag, -errno, "pipe: %s", strerrordesc_np(errno));
	(void)fflush(stdout);
	pid_t pid = fork();
	int err = errno;
	int ours = pid == 0 ? 1 : 0;
	(void)close(ends[!ours]);
	if (pid < 0) {
		(void)close(ends[ours]);
		return mtls_diag_set(diag, -err, "fork: %s", strerrordesc_np(err));
	}
	*ret_fd = ends[ours];
	return pid;
}

/* The sentence of the child, and its bytes. */
static int take_report(const struct ctl_person *person, const struct mtls_buf *text,
		       struct mtls_buf *out, struct mtls_diag *diag)
{
	struct report report;

	if (text->len < sizeof(report))
		return mtls_diag_set(diag, -EIO,
				     "the process that works as '%s' died, or took too long",
				     person->name);
	memcpy(&report, text->data, sizeof(report));
	report.diag.text[sizeof(report.diag.text) - 1] = '\0';
	if (report.result < 0)
		return mtls_diag_set(diag, report.result, "%s",
				     mtls_diag_text(&report.diag, report.result));
	int r = out ? mtls_buf_append(out, text->data + sizeof(report), text->len - sizeof(report))
		    : 0;
	return r < 0 ? mtls_diag_set(diag, r, "%s", mtls_strerror(r)) : report.result;
}

int ctl_as_person(const struct ctl_person *person, ctl_person_fn *fn, void *ctx,
		  struct mtls_buf *out, struct mtls_diag *diag)
{
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(sizeof(struct report) + CTL_PERSON_OUT_MAX);
	_cleanup_close_ int fd = -1;

	pid_t pid = fork_with_pipe(&fd, diag);
	if (pid < 0)
		return pid;
	if (pid == 0)
		live(person, fn, ctx, fd);
	int r = read_until_end(fd, pid, &text);
	(void)wait_for(pid);
	if (r < 0)
		return mtls_diag_set(diag, r, "the process that works as '%s': %s", person->name,
				     mtls_strerror(r));
	return take_report(person, &text, out, diag);
}

/* A secret of at most a page fits into the pipe, so that nobody has to write while another reads.
 */
static int secret_pipe(const struct mtls_buf *secret, int *ret_fd)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	int r = mtls_fd_write_all(ends[1], secret->data, secret->len);
	(void)close(ends[1]);
	if (r < 0)
		(void)close(ends[0]);
	else
		*ret_fd = ends[0];
	return r;
}

/*
 * In the child. Descriptors 0-2 are there: main() sees to that. Behind the exec the person may
 * trace the process and make it do anything: so it has neither root's terminal, into which it could
 * type, nor a descriptor that root's shell happened to have open.
 */
static void exec_self(const struct ctl_person *person, char *const *argv, int secret, int out)
	__attribute__((noreturn));
static void exec_self(const struct ctl_person *person, char *const *argv, int secret, int out)
{
	char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin", locale[] = "LC_ALL=C.UTF-8";
	char *environment[] = { path, locale, NULL };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (become(person, NULL) >= 0 && setsid() >= 0 && null >= 0 &&
	    dup2(null, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0 &&
	    dup2(null, STDERR_FILENO) >= 0 &&
	    (secret == CTL_PERSON_SECRET_FD || dup2(secret, CTL_PERSON_SECRET_FD) >= 0) &&
	    fcntl(CTL_PERSON_SECRET_FD, F_SETFD, 0) >= 0 &&
	    close_range(CTL_PERSON_SECRET_FD + 1, ~0U, CLOSE_RANGE_CLOEXEC) == 0)
		(void)execve("/proc/self/exe", argv, environment);
	_exit(127);
}

int ctl_person_exec(const struct ctl_person *person, char *const *argv,
		    const struct mtls_buf *secret, struct mtls_buf *out, struct mtls_diag *diag)
{
	_cleanup_close_ int secret_fd = -1;
	_cleanup_close_ int fd = -1;

	int r = secret_pipe(secret, &secret_fd);
	if (r < 0)
		return mtls_diag_set(diag, r, "pipe: %s", mtls_strerror(r));
	pid_t pid = fork_with_pipe(&fd, diag);
	if (pid < 0)
		return pid;
	if (pid == 0)
		exec_self(person, argv, secret_fd, fd);
	r = read_until_end(fd, pid, out);
	int status = wait_for(pid);
	if (r < 0 || !WIFEXITED(status) || WEXITSTATUS(status) == 127)
		return mtls_diag_set(diag, -EIO, "'mtlsctl %s' could not be run as '%s'", argv[1],
				     person->name);
	return WEXITSTATUS(status);
}
