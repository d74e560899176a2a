/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What `mtlsctl enable` remembers of each service, in CTL_PAM_STATE, root's alone:
 *
 *	SERVICE.json     what was done and until when it has to be confirmed
 *	SERVICE.before   the file as it was
 *	SERVICE.kept.N   what others wrote meanwhile, where the old file had to come back
 *	lock             held by whoever changes any of these or a service file
 *
 * Deadlines are of CLOCK_BOOTTIME with the number of the boot: the date may be wrong, or be put
 * right, while a change waits. After a restart every deadline has passed.
 */
#ifndef MTLS_TOOLS_CTL_PAM_STATE_H
#define MTLS_TOOLS_CTL_PAM_STATE_H

#include <stdint.h>

#include "tools/ctl_pam_dir.h"
#include "tools/ctl_proc.h"

#define CTL_PAM_STATE    MTLS_STATEDIR "/pam.d"
#define CTL_PAM_ENTRIES  MTLS_RUNDIR "/entries"
#define CTL_PAM_SESSIONS 16
#define CTL_PAM_BOOT_MAX 64

enum ctl_pam_phase {
	CTL_PAM_WRITING,   /* being written; if nobody has the lock, who wrote it is dead */
	CTL_PAM_PENDING,   /* in place, to be confirmed until the deadline */
	CTL_PAM_CONFIRMED, /* in place for good */
	CTL_PAM_RETURNED,  /* the old file came back by itself */
	CTL_PAM_PHASES,
};
const char *ctl_pam_phase_name(enum ctl_pam_phase phase);

struct ctl_pam_state {
	char service[MTLS_STACK_SERVICE_MAX + 1];
	enum mtls_stack_mode mode;
	enum ctl_pam_phase phase;
	char before[CTL_PAM_HASH_MAX], after[CTL_PAM_HASH_MAX];
	uid_t uid; /* of the file before */
	gid_t gid;
	mode_t file_mode;
	char boot[CTL_PAM_BOOT_MAX];
	int64_t deadline_ms; /* 0: none */
	int64_t since;       /* seconds since 1970, for people */
	/* The sessions that enable ran in: the confirmation has to come from another one. */
	struct ctl_session sessions[CTL_PAM_SESSIONS];
	size_t session_count;
	char note[MTLS_DIAG_MAX]; /* how it came back */
};

/*
 * Makes the folder if it is not there and locks it; waits at most @patience_ms, then MTLS_E_BUSY.
 * The lock ends with @ret_fd, which no child may keep. Nobody is asked anything while it is held:
 * the process that brings a change back waits for it. 0, -errno, MTLS_E_UNTRUSTED.
 */
#define CTL_PAM_PATIENCE_MS 30000
int ctl_pam_lock(uint32_t patience_ms, int *ret_fd, struct mtls_diag *diag);

/* 0, -ENOENT, -errno, MTLS_E_CORRUPT. */
int ctl_pam_state_load(const char *service, struct ctl_pam_state *ret, struct mtls_diag *diag);
int ctl_pam_state_save(const struct ctl_pam_state *state, struct mtls_diag *diag);
/* The files of @service but those that others' changes were kept in. */
void ctl_pam_state_remove(const char *service);

/* The services that have a state, sorted; the caller frees the list. 0 or -errno; -ENOENT is 0. */
int ctl_pam_state_services(char ***ret);

int ctl_pam_backup_save(const char *service, const struct mtls_buf *text, struct mtls_diag *diag);
/* 0 only if it is what was saved. */
int ctl_pam_backup_load(const struct ctl_pam_state *state, struct mtls_buf *ret,
			struct mtls_diag *diag);
/* Keeps @text under a name of its own. */
int ctl_pam_keep(const char *service, const struct mtls_buf *text, struct mtls_diag *ret_path,
		 struct mtls_diag *diag);

int64_t ctl_pam_now_ms(void); /* CLOCK_BOOTTIME */
void ctl_pam_boot(char out[CTL_PAM_BOOT_MAX]);
/* True if the change has to go back now; with the lock. */
bool ctl_pam_due(const struct ctl_pam_state *state);

/*
 * The witness of @service: a file in which pam_mtls notes who enters by certificate, while it is
 * there. Made empty, removed, read.
 */
int ctl_pam_witness_make(const char *service, struct mtls_diag *diag);
void ctl_pam_witness_remove(const char *service);
struct ctl_pam_entry {
	pid_t pid; /* of the host program */
	int64_t when_ms;
	char user[MTLS_STACK_SERVICE_MAX * 4];
};
#define CTL_PAM_ENTRIES_MAX 64
/* The last entries, because others may enter again and again. The number, or -errno (-ENOENT). */
int ctl_pam_witness_read(const char *service, struct ctl_pam_entry out[CTL_PAM_ENTRIES_MAX]);

#endif
