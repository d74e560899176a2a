/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mtlsctl enable --list: what is enabled, and whether it still stands in the files. */
#include <config.h>

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/str.h"
#include "tools/ctl_common.h"
#include "tools/ctl_enable.h"
#include "tools/ctl_pam_state.h"
#include "tools/ctl_snapshot.h"

struct row {
	struct ctl_pam_state state;
	const char *file; /* constant */
	int64_t left_s;   /* -1: it does not wait */
};

/* How the service file looks today. */
static const char *look_at(const struct ctl_pam_state *state)
{
	_cleanup_pam_file_ struct ctl_pam_file file = CTL_PAM_FILE;
	_cleanup_(mtls_stack_freep) struct mtls_stack *stack = NULL;
	_cleanup_buf_ struct mtls_buf rest = MTLS_BUF(MTLS_STACK_FILE_MAX);
	char hash[CTL_PAM_HASH_MAX];

	if (ctl_pam_read(state->service, &file, NULL) < 0 || ctl_pam_hash(&file.text, hash) < 0)
		return "unreadable";
	if (mtls_streq(hash, state->after))
		return "as written";
	if (mtls_streq(hash, state->before))
		return "as before";
	if (mtls_stack_parse(file.text.data, file.text.len, &stack, NULL) < 0)
		return "damaged";
	switch (mtls_stack_strip(stack, &rest, NULL)) {
	case 0:
		return "edited around";
	case MTLS_E_NOTFOUND:
		return "without our lines";
	default:
		return "damaged marks";
	}
}

static json_t *row_json(const void *ctx, size_t index)
{
	const struct row *row = (const struct row *)ctx + index;
	const struct ctl_pam_state *state = &row->state;

	return json_pack(
		"{s:s, s:s, s:s, s:s, s:s, s:I, s:o, s:s}", "service", state->service, "mode",
		mtls_stack_mode_name(state->mode), "kind", mtls_stack_mode_kind(state->mode),
		"phase", ctl_pam_phase_name(state->phase), "file", row->file, "since",
		(json_int_t)state->since, "left_s",
		row->left_s < 0 ? json_null() : json_integer(row->left_s), "note", state->note);
}

static int row_text(const void *ctx, size_t index)
{
	const struct row *row = (const struct row *)ctx + index;
	char left[32] = "";

	if (row->left_s >= 0)
		(void)snprintf(left, sizeof(left), " (%lld s left)", (long long)row->left_s);
	return printf("%s\t%s\t%s%s\t%s\t%s\n", row->state.service,
		      mtls_stack_mode_name(row->state.mode), ctl_pam_phase_name(row->state.phase),
		      left, row->file, row->state.note) < 0
		       ? -1
		       : 0;
}

static int fill(const char *service, struct row *row, struct mtls_diag *diag)
{
	int r = ctl_pam_state_load(service, &row->state, diag);
	if (r < 0)
		return r;
	row->file = look_at(&row->state);
	row->left_s = -1;
	if (row->state.phase == CTL_PAM_PENDING) {
		int64_t left = row->state.deadline_ms - ctl_pam_now_ms();
		row->left_s = left > 0 ? (left + 999) / 1000 : 0;
	}
	return 0;
}

/*
 * @ret is the caller's. 0, or the last of the errors, which are said, or put into @broken where it
 * is not NULL.
 */
static int gather(json_t *broken, struct row **ret, size_t *ret_count)
{
	_cleanup_(mtls_strv_freep) char **services = NULL;
	struct mtls_diag diag = { 0 };
	size_t count = 0;

	int err = ctl_pam_state_services(&services);
	if (err < 0 && !broken)
		(void)ctl_error("enable", "%s", mtls_strerror(err));
	struct row *rows = calloc(mtls_strv_count(services) + 1, sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	for (char **service = services; service && *service; service++) {
		int r = fill(*service, &rows[count], &diag);
		if (r >= 0) {
			count++;
			continue;
		}
		err = r;
		if (!broken)
			(void)ctl_error("enable", "%s", mtls_diag_text(&diag, r));
		else
			(void)json_array_append_new(broken, json_pack("{s:s, s:s, s:s, s:s}",
								      "service", *service, "phase",
								      "damaged", "file", "", "note",
								      mtls_diag_text(&diag, r)));
	}
	*ret = rows;
	*ret_count = count;
	return err;
}

json_t *ctl_enable_states(void)
{
	_cleanup_free_ struct row *rows = NULL;
	json_t *array = json_array();
	size_t count = 0;

	(void)gather(array, &rows, &count);
	for (size_t i = 0; array && i < count; i++)
		if (json_array_append_new(array, row_json(rows, i)) < 0) {
			json_decref(array);
			return NULL;
		}
	return array;
}

int ctl_enable_list(bool json)
{
	static const struct ctl_listing listing = {
		.header = "service\tmode\tphase\tfile\tnote",
		.text = row_text,
		.json = row_json,
	};
	_cleanup_free_ struct row *rows = NULL;
	size_t count = 0;

	int r = gather(NULL, &rows, &count);
	if (!rows)
		return ctl_error("enable", "%s", mtls_strerror(r));
	if (ctl_print_listing(&listing, rows, count, json) < 0)
		return ctl_error("enable", "cannot print the list");
	return r < 0 ? CTL_FAILED : CTL_OK;
}
