/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mtlsctl confirm: a change stays. Two things are asked of who says so: that somebody has entered
 * by certificate through the changed service since, which pam_mtls noted in the witness; and that
 * this is another session than the one that made the change. Where the host program stays the
 * parent of what it lets in (login, su, sudo), this very command has to come from that entry.
 */
#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/base/str.h"
#include "tools/ctl_action.h"
#include "tools/ctl_common.h"
#include "tools/ctl_json.h"
#include "tools/ctl_pam_state.h"

#define CMD          "confirm"
#define SERVICES_MAX 64

/* Host programs that wait for what they have let in. */
static const char *const waiting[] = { "login", "su", "su-l", "sudo", "sudo-i" };

static bool host_waits(const char *service)
{
	for (size_t i = 0; i < MTLS_COUNT(waiting); i++)
		if (mtls_streq(waiting[i], service))
			return true;
	return false;
}

struct origin {
	struct ctl_proc ancestors[CTL_PROC_MAX];
	size_t count;
	json_t *done; /* owned by run_confirm(): with --json, what is confirmed */
};

static bool same_session(const struct origin *origin, const struct ctl_pam_state *state)
{
	for (size_t i = 0; i < origin->count; i++) {
		struct ctl_session mine = ctl_proc_session(&origin->ancestors[i]);
		for (size_t k = 0; k < state->session_count; k++)
			if (mine.leader == state->sessions[k].leader &&
			    mine.start == state->sessions[k].start)
				return true;
	}
	return false;
}

static bool came_from(const struct origin *origin, pid_t pid)
{
	for (size_t i = 0; i < origin->count; i++)
		if (origin->ancestors[i].pid == pid)
			return true;
	return false;
}

/* The entry that counts; NULL after saying why none does. */
static const struct ctl_pam_entry *find_entry(const struct origin *origin, const char *service,
					      const struct ctl_pam_entry *entries, int count)
{
	if (count <= 0) {
		(void)ctl_error(CMD,
				"nobody has entered by certificate through '%s' since it was "
				"changed: enter anew (sudo: first 'sudo -k'), then confirm there",
				service);
		return NULL;
	}
	for (int i = count - 1; i >= 0; i--)
		if (!host_waits(service) || came_from(origin, entries[i].pid))
			return &entries[i];
	(void)ctl_error(CMD,
			"'%s' entered through '%s', but this command does not come from there: "
			"confirm from where you have entered",
			entries[count - 1].user, service);
	return NULL;
}

static int accept(const struct origin *origin, struct ctl_pam_state *state,
		  const struct ctl_pam_entry *entry)
{
	struct mtls_diag diag = { 0 };

	state->phase = CTL_PAM_CONFIRMED;
	state->deadline_ms = 0;
	(void)snprintf(state->note, sizeof(state->note), "confirmed: '%s' entered by certificate",
		       entry->user);
	int r = ctl_pam_state_save(state, &diag);
	if (r < 0)
		return ctl_error(CMD, "%s", mtls_diag_text(&diag, r));
	ctl_pam_witness_remove(state->service);
	if (origin->done) {
		json_t *one = json_pack("{s:s, s:s, s:I}", "service", state->service, "user",
					entry->user, "pid", (json_int_t)entry->pid);
		return json_array_append_new(origin->done, one) < 0
			       ? ctl_error(CMD, "'%s' stays, but memory is short to say so",
					   state->service)
			       : CTL_OK;
	}
	(void)printf("'%s' stays: '%s' entered by certificate (process %ld)\n", state->service,
		     entry->user, (long)entry->pid);
	return CTL_OK;
}

static int confirm(const struct origin *origin, const char *service, bool named)
{
	struct ctl_pam_entry entries[CTL_PAM_ENTRIES_MAX];
	struct ctl_pam_state state;
	struct mtls_diag diag = { 0 };

	int r = ctl_pam_state_load(service, &state, &diag);
	if (r < 0 && r != -ENOENT)
		return ctl_error(CMD, "%s", mtls_diag_text(&diag, r));
	if (r < 0 || state.phase != CTL_PAM_PENDING)
		return !named ? CTL_OK
			      : ctl_error(CMD, "'%s' does not wait for a confirmation%s%s", service,
					  r >= 0 && *state.note ? ": " : "",
					  r >= 0 ? state.note : "");
	if (same_session(origin, &state))
		return ctl_error(CMD,
				 "this is the session that changed '%s': log in anew in another "
				 "terminal and confirm there",
				 service);
	int count = ctl_pam_witness_read(service, entries);
	/* /run was cleared: so that who enters anew, as is said now, is noted. */
	if (count == -ENOENT)
		(void)ctl_pam_witness_make(service, NULL);
	const struct ctl_pam_entry *entry = find_entry(origin, service, entries, count);
	return entry ? accept(origin, &state, entry) : CTL_DENIED;
}

static bool anything_waits(char **services)
{
	struct ctl_pam_state state;

	for (char **service = services; service && *service; service++)
		if (ctl_pam_state_load(*service, &state, NULL) == 0 &&
		    state.phase == CTL_PAM_PENDING)
			return true;
	return false;
}

static int confirm_all(const struct origin *origin, char **named, int count)
{
	_cleanup_(mtls_strv_freep) char **services = NULL;
	int code = CTL_OK;

	for (int i = 0; i < count; i++) {
		int one = confirm(origin, named[i], true);
		code = code ? code : one;
	}
	if (count)
		return code;
	int r = ctl_pam_state_services(&services);
	if (r < 0)
		return ctl_error(CMD, "%s", mtls_strerror(r));
	if (!anything_waits(services))
		return ctl_error(CMD, "nothing waits for a confirmation; see 'mtlsctl enable "
				      "--list'");
	for (char **service = services; service && *service; service++) {
		int one = confirm(origin, *service, false);
		code = code ? code : one;
	}
	return code;
}

struct options {
	bool json;
};

static const struct ctl_option options[] = {
	CTL_OPTION(struct options, json, "json", NULL, "print one JSON object"),
	{ 0 },
};

static int run_confirm(const struct ctl_action *action, int argc, char **argv)
{
	_cleanup_close_ int lock = -1;
	struct options o = { 0 };
	struct origin origin = { .count = 0 };
	struct mtls_diag diag = { 0 };
	char **args;
	int count;

	int code = ctl_action_parse(action, argc, argv, &o, &args, &count);
	if (code)
		return code;
	if (geteuid() != 0)
		return ctl_error(CMD, "only root may confirm");
	int r = ctl_pam_lock(CTL_PAM_PATIENCE_MS, &lock, &diag);
	if (r < 0)
		return ctl_error(CMD, "%s", mtls_diag_text(&diag, r));
	origin.count = ctl_proc_ancestors(origin.ancestors);
	if (!o.json)
		return confirm_all(&origin, args, count);
	origin.done = json_array();
	if (!origin.done)
		return ctl_error(CMD, "out of memory");
	code = confirm_all(&origin, args, count);
	/* What was confirmed before a refusal stays confirmed; the error names the other. */
	if (code)
		json_decref(origin.done);
	return code ? code : ctl_json_print(json_pack("{s:o}", "confirmed", origin.done));
}

/* clang-format off */
static const struct ctl_action actions[] = {
	{ CMD, "", "[SERVICE]...", "Says that the changes of 'mtlsctl enable' stay. To be given by somebody who has entered by\n"
	  "certificate through the service since, in another session than the one that changed it",
	  0, SERVICES_MAX, options, run_confirm },
};
/* clang-format on */

const struct ctl_command ctl_confirm = {
	.name = CMD,
	.help = "say that a change of 'enable' stays",
	.actions = actions,
	.count = MTLS_COUNT(actions),
};
