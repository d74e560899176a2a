/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where this machine's audit records are, and reading them: audit_file of authd.conf with its
 * rotated siblings, the journal, or a file that is named. They print what is wrong to standard
 * error and return an exit code.
 */
#ifndef MTLS_TOOLS_CTL_AUDIT_H
#define MTLS_TOOLS_CTL_AUDIT_H

#include <sys/types.h>

#include "lib/audit/reader.h"
#include "tools/ctl.h"

struct ctl_audit {
	const char *command;              /* for messages; borrowed */
	struct mtls_audit_reader *reader; /* owned */
	char *path;                       /* owned: audit_file; NULL: something else is read */
	uid_t owner;                      /* of the daemon */
	pid_t journal;                    /* the child that reads the journal; 0: none */
	bool newest_first;                /* the order in which records come */
	size_t broken;                    /* lines that were no records */
};

struct ctl_audit_ask {
	const char *file; /* "-": standard input; NULL: where authd.conf says */
	const struct mtls_audit_filter *filter; /* the journal is asked for no more than that */
	bool backwards;                         /* the newest first */
	bool following; /* journal: what comes from now on, without an end */
};

/* @audit is zeroed by the caller and done in every case. CTL_OK or an exit code. */
int ctl_audit_open(struct ctl_audit *audit, const char *command, const struct ctl_audit_ask *ask);
void ctl_audit_done(struct ctl_audit *audit);

/*
 * 1 and the next record that @filter wants, which is the caller's; 0: no more; negative: reading
 * failed, which was said. Lines that are no records are counted, and the first few named.
 */
int ctl_audit_next(struct ctl_audit *audit, const struct mtls_audit_filter *filter,
		   struct mtls_audit_record **ret);

/* Says how many lines were no records, if any were. */
void ctl_audit_say_broken(const struct ctl_audit *audit);

/* The record with the id @id, or CTL_FAILED after saying that there is none. */
int ctl_audit_find(const char *command, const char *file, const char *id,
		   struct mtls_audit_record **ret);

/* True if this journal is where mtls-authd writes when authd.conf names no file. */
bool ctl_audit_journal_here(void);

#endif
