/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writing of audit records. Owned by the supervisor and, as a copy, by each worker; one thread. A
 * line is one write(2) to a descriptor opened for appending, so lines of several workers do not
 * mix. The journal's socket is addressed by each datagram: a restarted journal is found again.
 */
#include <config.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "authd/audit_sink.h"
#include "lib/audit/record.h"
#include "lib/base/buf.h"
#include "lib/base/str.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define RECORD_MAX     (2 * MTLS_AUDIT_LINE_MAX) /* with the journal's other fields */

struct audit_sink {
	int fd;       /* -1: none */
	bool owned;   /* fd is ours to close */
	bool journal; /* fd is a datagram socket for the journal */
	struct sockaddr_un address;
};

static int open_file(struct audit_sink *sink, const char *file, struct mtls_diag *diag)
{
	struct stat st;

	sink->owned = true;
	sink->fd =
		open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
	if (sink->fd < 0 || fstat(sink->fd, &st) < 0)
		return mtls_diag_set(diag, -errno, "audit_file '%s': %s", file,
				     strerrordesc_np(errno));
	if (S_ISREG(st.st_mode) && (st.st_mode & (S_IWGRP | S_IRWXO)))
		return mtls_diag_set(diag, MTLS_E_UNTRUSTED,
				     "audit_file '%s' is open to others (mode %04o)", file,
				     (unsigned int)st.st_mode & 07777);
	return 0;
}

/* False where there is no journal. */
static bool open_journal(struct audit_sink *sink)
{
	if (access(JOURNAL_SOCKET, F_OK) < 0)
		return false;
	sink->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sink->fd < 0)
		return false;
	sink->owned = sink->journal = true;
	sink->address.sun_family = AF_UNIX;
	(void)mtls_strcopy(sink->address.sun_path, sizeof(sink->address.sun_path), JOURNAL_SOCKET);
	return true;
}

int audit_sink_open(const char *file, struct audit_sink **ret, struct mtls_diag *diag)
{
	_cleanup_(audit_sink_freep) struct audit_sink *sink = calloc(1, sizeof(*sink));
	if (!sink)
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	sink->fd = -1;
	if (file && mtls_streq(file, "-")) {
		sink->fd = STDOUT_FILENO;
	} else if (file) {
		int r = open_file(sink, file, diag);
		if (r < 0)
			return r;
	} else if (!open_journal(sink)) {
		sink->fd = STDERR_FILENO;
	}
	*ret = MTLS_TAKE(sink);
	return 0;
}

static bool same_file(const char *file, int fd)
{
	struct stat by_name, by_fd;

	return lstat(file, &by_name) == 0 && fstat(fd, &by_fd) == 0 &&
	       by_name.st_dev == by_fd.st_dev && by_name.st_ino == by_fd.st_ino;
}

static int copy_sink(const struct audit_sink *before, struct audit_sink **ret,
		     struct mtls_diag *diag)
{
	_cleanup_(audit_sink_freep) struct audit_sink *sink = calloc(1, sizeof(*sink));

	if (!sink)
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	*sink = *before;
	sink->fd = fcntl(before->fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (sink->fd < 0)
		return mtls_diag_set(diag, -errno, "audit_file: %s", strerrordesc_np(errno));
	*ret = MTLS_TAKE(sink);
	return 0;
}

int audit_sink_renew(const char *file, const struct audit_sink *before, const char *before_file,
		     struct audit_sink **ret, struct mtls_diag *diag)
{
	bool named = file && file[0] == '/' && mtls_streq(file, before_file);
	struct mtls_diag why = { 0 };

	if (named && same_file(file, before->fd))
		return copy_sink(before, ret, diag);
	int r = audit_sink_open(file, ret, &why);
	/* Not for a file that others may read: that is the administrator's to mend. */
	if (!named || r >= 0 || r == MTLS_E_UNTRUSTED)
		return r < 0 ? mtls_diag_set(diag, r, "%s", mtls_diag_text(&why, r)) : 0;
	r = copy_sink(before, ret, diag);
	return r < 0 ? r
		     : mtls_diag_set(diag, 0,
				     "%s: records go on to the file that is open; a restart opens "
				     "the new one",
				     why.text);
}

int audit_sink_fd(const struct audit_sink *sink)
{
	return sink->owned ? sink->fd : -1;
}

void audit_sink_free(struct audit_sink *sink)
{
	if (!sink)
		return;
	if (sink->owned && sink->fd >= 0)
		(void)close(sink->fd);
	free(sink);
}

/* One journal field in the form that takes any byte: NAME, newline, length (LE 64), value. */
static void journal_field(struct mtls_buf *buf, const char *name, const char *value)
{
	uint64_t len = strlen(value);
	uint8_t octets[8];

	for (int i = 0; i < 8; i++)
		octets[i] = (uint8_t)(len >> (8 * i));
	(void)mtls_buf_append_str(buf, name);
	(void)mtls_buf_append_byte(buf, '\n');
	(void)mtls_buf_append(buf, octets, sizeof(octets));
	(void)mtls_buf_append(buf, value, len);
	(void)mtls_buf_append_byte(buf, '\n');
}

static int write_journal(const struct audit_sink *sink, const struct audit_record *record,
			 const char *json)
{
	_cleanup_buf_ struct mtls_buf buf = MTLS_BUF(RECORD_MAX);
	_cleanup_free_ char *sentence = audit_sentence(record);
	bool allowed = record->reason == MTLS_REASON_ALLOWED;

	if (!sentence)
		return -ENOMEM;
	journal_field(&buf, "MESSAGE", sentence);
	journal_field(&buf, "PRIORITY", allowed ? "6" : "5");
	journal_field(&buf, "SYSLOG_IDENTIFIER", "mtls-authd");
	journal_field(&buf, "MTLS_AUDIT_ID", record->audit_id);
	journal_field(&buf, "MTLS_VERDICT", allowed ? "allowed" : "denied");
	journal_field(&buf, "MTLS_REASON", mtls_reason_token(record->reason));
	if (record->request && record->request->chosen)
		journal_field(&buf, "MTLS_ACCOUNT", record->request->chosen->text);
	if (record->path)
		journal_field(&buf, "MTLS_SUBJECT", mtls_cert_subject(record->path->certs[0]));
	journal_field(&buf, "MTLS_AUDIT", json);
	if (buf.err)
		return buf.err;
	ssize_t n = sendto(sink->fd, buf.data, buf.len, MSG_NOSIGNAL | MSG_DONTWAIT,
			   (const struct sockaddr *)&sink->address, sizeof(sink->address));
	return n < 0 ? -errno : 0;
}

static int write_line(int fd, const char *json)
{
	_cleanup_buf_ struct mtls_buf buf = MTLS_BUF(MTLS_AUDIT_LINE_MAX + 1);
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };

	(void)mtls_buf_append_str(&buf, json);
	if (mtls_buf_append_byte(&buf, '\n') < 0)
		return buf.err;
	if (poll(&pfd, 1, 0) != 1 || !(pfd.revents & POLLOUT))
		return -EAGAIN;
	ssize_t n = write(fd, buf.data, buf.len);
	if (n < 0)
		return -errno;
	return (size_t)n == buf.len ? 0 : -EIO;
}

int audit_sink_write(struct audit_sink *sink, const struct audit_record *record)
{
	_cleanup_free_ char *json = audit_json(record);

	if (!json)
		return -ENOMEM;
	if (!sink->journal)
		return write_line(sink->fd, json);
	int r = write_journal(sink, record, json);
	/* No journal just now: the record must not be lost for that. */
	return r < 0 ? write_line(STDERR_FILENO, json) : 0;
}
