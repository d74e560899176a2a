/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * When to look at the source files: events of the folder and of its parent (the folder may be made
 * or replaced), a moment after the first of them; and once a minute, because an event can be lost
 * and some file systems give none.
 */
#include <config.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "accountd/source_files_impl.h"
#include "lib/base/str.h"

void source_report(struct source_files *files, bool error, const char *fmt, ...)
{
	char sentence[2 * MTLS_DIAG_MAX];
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(sentence, sizeof(sentence), fmt, ap);
	va_end(ap);
	for (char *p = sentence; n >= 0 && *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	if (n >= 0)
		files->ops->report(files->ctx, error, sentence);
}

static void on_settled(uv_timer_t *timer)
{
	(void)source_files_scan(timer->data);
}

/* From the first event on, not from the last: what goes on being written waits by itself. */
static void look_in(struct source_files *files, uint32_t ms)
{
	if (!uv_is_active((uv_handle_t *)&files->settle))
		(void)uv_timer_start(&files->settle, on_settled, ms, 0);
}

static void on_event(uv_fs_event_t *handle, const char *file, int events, int status)
{
	struct source_files *files = handle->data;

	(void)file, (void)events, (void)status;
	look_in(files, files->settle_ms);
}

static void on_parent_event(uv_fs_event_t *handle, const char *file, int events, int status)
{
	struct source_files *files = handle->data;

	(void)events, (void)status;
	if (!file || strcmp(file, files->base) == 0)
		look_in(files, files->settle_ms);
}

/* Watches what the path names now. 0, or what libuv says. */
static int update_watch(struct watch *watch, uv_fs_event_cb on)
{
	struct stat st = { 0 };
	bool there = stat(watch->path, &st) == 0;

	if (watch->active && there && st.st_dev == watch->dev && st.st_ino == watch->ino)
		return 0;
	if (watch->active)
		(void)uv_fs_event_stop(&watch->handle);
	watch->active = false;
	int r = uv_fs_event_start(&watch->handle, on, watch->path, 0);
	if (r == UV_ENOENT)
		return 0; /* the parent's watch, or the poll, sees it come */
	if (r < 0)
		return r;
	watch->active = true;
	watch->dev = st.st_dev;
	watch->ino = st.st_ino;
	return 0;
}

/* Without a watch it still works, within a minute. */
static void update_watches(struct source_files *files)
{
	int parent = update_watch(&files->parent_watch, on_parent_event);
	int folder = update_watch(&files->watch, on_event);
	int r = folder < 0 ? folder : parent;

	if (r < 0 && !files->watch_failed)
		source_report(files, true,
			      "cannot watch '%s' (%s): it is looked at every %u seconds",
			      files->folder, uv_strerror(r), files->poll_ms / 1000);
	files->watch_failed = r < 0;
}

int source_files_scan(struct source_files *files)
{
	/* First watch, then look: what changes in between is seen twice and not never. */
	update_watches(files);
	(void)uv_timer_stop(&files->settle);
	int r = source_look(files);
	if (files->wait_ms)
		look_in(files, files->wait_ms);
	return r;
}

static int split_folder(struct source_files *files, const char *folder)
{
	files->folder = strdup(folder);
	files->parent = strdup(folder);
	if (!files->folder || !files->parent)
		return -ENOMEM;
	for (char *end = files->folder + strlen(folder); end > files->folder + 1 && end[-1] == '/';)
		*--end = '\0';
	char *slash = strrchr(files->folder, '/');
	if (!slash || !slash[1])
		return -EINVAL;
	files->base = strdup(slash + 1);
	files->parent[slash == files->folder ? 1 : slash - files->folder] = '\0';
	return files->base ? 0 : -ENOMEM;
}

static void release(struct source_files *files)
{
	free(files->folder);
	free(files->parent);
	free(files->base);
	mtls_strv_free(files->strangers);
	free(files);
}

static void on_close(uv_handle_t *handle)
{
	struct source_files *files = handle->data;

	if (--files->handles == 0)
		release(files);
}

static int start(uv_loop_t *loop, struct source_files *files)
{
	(void)uv_timer_init(loop, &files->settle);
	(void)uv_timer_init(loop, &files->poll);
	(void)uv_fs_event_init(loop, &files->watch.handle);
	(void)uv_fs_event_init(loop, &files->parent_watch.handle);
	files->settle.data = files->poll.data = files;
	files->watch.handle.data = files->parent_watch.handle.data = files;
	files->handles = 4;
	files->watch.path = files->folder;
	files->parent_watch.path = files->parent;
	update_watches(files);
	return uv_timer_start(&files->poll, on_settled, files->poll_ms, files->poll_ms);
}

int source_files_new(uv_loop_t *loop, const struct source_files_options *options,
		     struct source_files **ret, struct mtls_diag *diag)
{
	struct source_files *files = calloc(1, sizeof(*files));
	if (!files)
		return mtls_diag_set(diag, -ENOMEM, "out of memory");
	files->ops = options->ops;
	files->ctx = options->ctx;
	files->trust.owner = options->owner;
	files->settle_ms = options->settle_ms;
	files->poll_ms = options->poll_ms;
	int r = split_folder(files, options->folder);
	if (r < 0) {
		release(files);
		return mtls_diag_set(diag, r, "'%s' cannot be a folder of source files: %s",
				     options->folder, mtls_strerror(r));
	}
	r = start(loop, files);
	if (r < 0) {
		source_files_free(files);
		return mtls_diag_set(diag, -EIO, "cannot watch '%s': %s", options->folder,
				     uv_strerror(r));
	}
	*ret = files;
	return 0;
}

int source_files_each(const struct source_files *files, source_info_fn *each, void *ctx)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < files->source_count; i++) {
		const struct source *source = &files->sources[i];
		bool blind = files->error.text[0] && source->state != SOURCE_GONE;
		const struct source_info info = {
			.name = source->name,
			.state = blind ? SOURCE_BROKEN : source->state,
			.error = blind ? files->error.text : source->error.text,
			.held = source->held,
			.users = source->users,
			.groups = source->groups,
			.hashes_dropped = source->hashes_dropped,
		};
		r = each(ctx, &info);
	}
	return r;
}

void source_files_free(struct source_files *files)
{
	if (!files)
		return;
	uv_close((uv_handle_t *)&files->settle, on_close);
	uv_close((uv_handle_t *)&files->poll, on_close);
	uv_close((uv_handle_t *)&files->watch.handle, on_close);
	uv_close((uv_handle_t *)&files->parent_watch.handle, on_close);
}
