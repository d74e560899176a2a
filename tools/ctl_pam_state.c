/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The folder of states. Every file is replaced as a whole. */
#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/str.h"
#include "tools/ctl_pam_state.h"

#define STATE_VERSION 1
#define STATE_MAX     16384
#define WITNESS_MAX   16384
#define LOCK_PAUSE_NS 20000000
#define KEPT_MAX      1000 /* files of one service */
#define SUFFIX        ".json"

static const struct mtls_file_trust roots = { .owner = 0 };
static const struct mtls_file_mode private = { .mode = 0600, .uid = 0, .gid = 0 };

static const char *const phases[CTL_PAM_PHASES] = {
	[CTL_PAM_WRITING] = "writing",
	[CTL_PAM_PENDING] = "pending",
	[CTL_PAM_CONFIRMED] = "confirmed",
	[CTL_PAM_RETURNED] = "returned",
};

const char *ctl_pam_phase_name(enum ctl_pam_phase phase)
{
	return phases[phase];
}

static void path_of(const char *service, const char *suffix, char out[PATH_MAX])
{
	(void)snprintf(out, PATH_MAX, CTL_PAM_STATE "/%s%s", service, suffix);
}

static int make_folder(const char *path, mode_t mode, struct mtls_diag *diag)
{
	struct stat st;

	int r = mtls_folder_make(path, mode);
	if (r < 0)
		return mtls_diag_set(diag, r, "cannot make '%s': %s", path, mtls_strerror(r));
	if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != 0 ||
	    (st.st_mode & (S_IWGRP | S_IWOTH)))
		return mtls_diag_set(
			diag, MTLS_E_UNTRUSTED,
			"'%s' has to be a folder of root that nobody else may write to", path);
	return 0;
}

int ctl_pam_lock(uint32_t patience_ms, int *ret_fd, struct mtls_diag *diag)
{
	int r = make_folder(MTLS_STATEDIR, 0755, diag);
	if (r >= 0)
		r = make_folder(CTL_PAM_STATE, 0700, diag);
	if (r < 0)
		return r;
	_cleanup_close_ int fd =
		open(CTL_PAM_STATE "/lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return mtls_diag_set(diag, -errno, "cannot open '%s/lock': %s", CTL_PAM_STATE,
				     strerrordesc_np(errno));
	mtls_deadline deadline = mtls_deadline_in_ms(patience_ms);
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		const struct timespec pause = { .tv_nsec = LOCK_PAUSE_NS };
		if (errno != EWOULDBLOCK && errno != EINTR)
			return mtls_diag_set(diag, -errno, "cannot lock '%s': %s", CTL_PAM_STATE,
					     strerrordesc_np(errno));
		if (mtls_deadline_left_ms(deadline) == 0)
			return mtls_diag_set(diag, MTLS_E_BUSY,
					     "another mtlsctl is changing service files");
		(void)nanosleep(&pause, NULL);
	}
	*ret_fd = MTLS_TAKE_FD(fd);
	return 0;
}

/* --- one state as JSON --- */

static json_t *pack_sessions(const struct ctl_pam_state *state)
{
	json_t *list = json_array();

	for (size_t i = 0; i < state->session_count; i++)
		(void)json_array_append_new(list, json_pack("[I,I]",
							    (json_int_t)state->sessions[i].leader,
							    (json_int_t)state->sessions[i].start));
	return list;
}

int ctl_pam_state_save(const struct ctl_pam_state *state, struct mtls_diag *diag)
{
	char path[PATH_MAX];
	json_t *all = json_pack(
		"{s:i, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:s, s:I, s:I, s:o, s:s}", "version",
		STATE_VERSION, "service", state->service, "mode", mtls_stack_mode_name(state->mode),
		"phase", phases[state->phase], "before", state->before, "after", state->after,
		"uid", (json_int_t)state->uid, "gid", (json_int_t)state->gid, "file_mode",
		(json_int_t)state->file_mode, "boot", state->boot, "deadline_ms",
		(json_int_t)state->deadline_ms, "since", (json_int_t)state->since, "sessions",
		pack_sessions(state), "note", state->note);
	_cleanup_free_ char *text =
		all ? json_dumps(all, JSON_INDENT(2) | JSON_ENSURE_ASCII) : NULL;

	json_decref(all);
	if (!text)
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	path_of(state->service, SUFFIX, path);
	return mtls_file_replace(path, text, strlen(text), &private, diag);
}

static int find_word(const char *word, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (mtls_streq(word, list[i]))
			return (int)i;
	return -1;
}

static int find_mode(const char *word)
{
	for (int mode = 0; mode < MTLS_STACK_MODES; mode++)
		if (mtls_streq(word, mtls_stack_mode_name((enum mtls_stack_mode)mode)))
			return mode;
	return -1;
}

static int unpack_sessions(json_t *list, struct ctl_pam_state *state)
{
	size_t index;
	json_t *item;

	json_array_foreach(list, index, item)
	{
		json_int_t leader, start;
		if (index == CTL_PAM_SESSIONS || json_unpack(item, "[I,I]", &leader, &start) < 0)
			return -1;
		state->sessions[state->session_count++] =
			(struct ctl_session){ .leader = (pid_t)leader, .start = (uint64_t)start };
	}
	return 0;
}

static int unpack(json_t *all, struct ctl_pam_state *ret)
{
	const char *service, *mode, *phase, *before, *after, *boot, *note;
	json_int_t uid, gid, file_mode, deadline, since;
	json_t *sessions;
	int version;

	if (json_unpack(all,
			"{s:i, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:s, s:I, s:I, s:o, s:s}",
			"version", &version, "service", &service, "mode", &mode, "phase", &phase,
			"before", &before, "after", &after, "uid", &uid, "gid", &gid, "file_mode",
			&file_mode, "boot", &boot, "deadline_ms", &deadline, "since", &since,
			"sessions", &sessions, "note", &note) < 0 ||
	    version != STATE_VERSION || find_mode(mode) < 0 ||
	    find_word(phase, phases, MTLS_COUNT(phases)) < 0)
		return -1;
	*ret = (struct ctl_pam_state){
		.mode = (enum mtls_stack_mode)find_mode(mode),
		.phase = (enum ctl_pam_phase)find_word(phase, phases, MTLS_COUNT(phases)),
		.uid = (uid_t)uid,
		.gid = (gid_t)gid,
		.file_mode = (mode_t)file_mode,
		.deadline_ms = deadline,
		.since = since,
	};
	if (mtls_strcopy(ret->service, sizeof(ret->service), service) < 0 ||
	    mtls_strcopy(ret->before, sizeof(ret->before), before) < 0 ||
	    mtls_strcopy(ret->after, sizeof(ret->after), after) < 0 ||
	    mtls_strcopy(ret->boot, sizeof(ret->boot), boot) < 0 ||
	    mtls_strcopy(ret->note, sizeof(ret->note), note) < 0)
		return -1;
	return unpack_sessions(sessions, ret);
}

int ctl_pam_state_load(const char *service, struct ctl_pam_state *ret, struct mtls_diag *diag)
{
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(STATE_MAX);
	struct ctl_pam_state state;
	char path[PATH_MAX];

	path_of(service, SUFFIX, path);
	int r = mtls_file_read(path, &roots, &text, diag);
	if (r < 0)
		return r;
	json_t *all = json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
	bool good = all && unpack(all, &state) == 0 && mtls_streq(state.service, service);
	json_decref(all);
	if (!good)
		return mtls_diag_set(diag, MTLS_E_CORRUPT, "'%s' is damaged", path);
	*ret = state;
	return 0;
}

void ctl_pam_state_remove(const char *service)
{
	char path[PATH_MAX];

	/* The state last: without its backup it still says what was done. */
	path_of(service, ".before", path);
	(void)unlink(path);
	path_of(service, SUFFIX, path);
	(void)unlink(path);
	ctl_pam_witness_remove(service);
	(void)mtls_file_sync_parent(path);
}

static int is_state(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name), tail = sizeof(SUFFIX) - 1;

	return len > tail && entry->d_name[0] != '.' &&
	       mtls_streq(entry->d_name + len - tail, SUFFIX);
}

int ctl_pam_state_services(char ***ret)
{
	_cleanup_(mtls_strv_freep) char **names = NULL;
	struct dirent **list = NULL;
	int r = 0;

	int count = scandir(CTL_PAM_STATE, &list, is_state, alphasort);
	if (count < 0 && errno != ENOENT)
		return -errno;
	for (int i = 0; i < count; i++) {
		list[i]->d_name[strlen(list[i]->d_name) - (sizeof(SUFFIX) - 1)] = '\0';
		if (r >= 0 && mtls_stack_service_valid(list[i]->d_name))
			r = mtls_strv_add(&names, list[i]->d_name);
		free(list[i]);
	}
	free(list);
	if (r >= 0)
		*ret = MTLS_TAKE(names);
	return r;
}

/* --- backups --- */

int ctl_pam_backup_save(const char *service, const struct mtls_buf *text, struct mtls_diag *diag)
{
	char path[PATH_MAX];

	path_of(service, ".before", path);
	return mtls_file_replace(path, text->data, text->len, &private, diag);
}

int ctl_pam_backup_load(const struct ctl_pam_state *state, struct mtls_buf *ret,
			struct mtls_diag *diag)
{
	char path[PATH_MAX], hash[CTL_PAM_HASH_MAX];

	path_of(state->service, ".before", path);
	int r = mtls_file_read(path, &roots, ret, diag);
	if (r >= 0)
		r = ctl_pam_hash(ret, hash);
	if (r >= 0 && !mtls_streq(hash, state->before))
		r = mtls_diag_set(diag, MTLS_E_CORRUPT, "'%s' is damaged", path);
	return r;
}

int ctl_pam_keep(const char *service, const struct mtls_buf *text, struct mtls_diag *ret_path,
		 struct mtls_diag *diag)
{
	const struct mtls_file_mode mode = { .mode = 0600, .uid = 0, .gid = 0, .exclusive = true };

	for (int i = 1; i <= KEPT_MAX; i++) {
		char path[PATH_MAX], suffix[32];
		(void)snprintf(suffix, sizeof(suffix), ".kept.%d", i);
		path_of(service, suffix, path);
		int r = mtls_file_replace(path, text->data, text->len, &mode, diag);
		if (r >= 0)
			(void)mtls_diag_set(ret_path, 0, "%s", path);
		if (r != -EEXIST)
			return r;
	}
	return mtls_diag_set(diag, MTLS_E_LIMIT, "'%s' has %d files of '%s' already", CTL_PAM_STATE,
			     KEPT_MAX, service);
}

/* --- time --- */

int64_t ctl_pam_now_ms(void)
{
	struct timespec now = { 0 };

	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void ctl_pam_boot(char out[CTL_PAM_BOOT_MAX])
{
	out[0] = '\0';
	_cleanup_fclose_ FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
	if (f && fgets(out, CTL_PAM_BOOT_MAX, f))
		out[strcspn(out, "\n")] = '\0';
}

bool ctl_pam_due(const struct ctl_pam_state *state)
{
	char boot[CTL_PAM_BOOT_MAX];

	if (state->phase == CTL_PAM_WRITING)
		return true;
	if (state->phase != CTL_PAM_PENDING)
		return false;
	ctl_pam_boot(boot);
	return !*boot || !mtls_streq(boot, state->boot) || ctl_pam_now_ms() >= state->deadline_ms;
}

/* --- the witness --- */

static void witness_path(const char *service, char out[PATH_MAX])
{
	(void)snprintf(out, PATH_MAX, CTL_PAM_ENTRIES "/%s", service);
}

int ctl_pam_witness_make(const char *service, struct mtls_diag *diag)
{
	char path[PATH_MAX];

	int r = make_folder(MTLS_RUNDIR, 0755, diag);
	if (r >= 0)
		r = make_folder(CTL_PAM_ENTRIES, 0700, diag);
	if (r < 0)
		return r;
	witness_path(service, path);
	return mtls_file_replace(path, "", 0, &private, diag);
}

void ctl_pam_witness_remove(const char *service)
{
	char path[PATH_MAX];

	witness_path(service, path);
	(void)unlink(path);
}

int ctl_pam_witness_read(const char *service, struct ctl_pam_entry out[CTL_PAM_ENTRIES_MAX])
{
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(WITNESS_MAX);
	char path[PATH_MAX];
	int count = 0;

	witness_path(service, path);
	int r = mtls_file_read(path, &roots, &text, NULL);
	const char *cursor = r < 0 ? NULL : mtls_buf_cstr(&text);
	if (!cursor)
		return r < 0 ? r : -ENOMEM;
	for (; *cursor; cursor += strcspn(cursor, "\n") + 1) {
		if (count == CTL_PAM_ENTRIES_MAX)
			memmove(out, out + 1, (size_t)--count * sizeof(*out));
		struct ctl_pam_entry *entry = &out[count];
		long long when;
		if (sscanf(cursor, "%d %lld %255s", &entry->pid, &when, entry->user) != 3)
			break; /* not written to its end yet */
		entry->when_ms = when;
		count++;
		if (!strchr(cursor, '\n'))
			break;
	}
	return count;
}
