/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Keys in files: *.pem, *.p12, *.pfx, *.key, and certificates for them: in the same file, in the
 * file of the same name that ends in *.crt or *.cer, or anywhere beside (signer/beside.h), found by
 * the key. A person's files are read once, when the source is opened; a later unlock works on these
 * bytes, so nobody can exchange the file between the list and the signature. Owns the bytes and the
 * keys.
 */
#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "signer/beside.h"
#include "signer/intake.h"
#include "signer/key.h"
#include "signer/source.h"

#define ENTRIES_MAX MTLS_CREDENTIALS_MAX

struct entry {
	uint32_t id;
	char *label;         /* owned: the file's name, for a certificate without a name */
	char *path;          /* owned */
	struct mtls_buf raw; /* what was read; wiped */
	struct mtls_buf key; /* from a *.key file; wiped */
	struct intake *intake;
};

struct file_source {
	struct source_args args;
	struct beside *beside;
	struct entry entries[ENTRIES_MAX];
	size_t count;
	char *alone[ENTRIES_MAX]; /* paths of certificates without a key */
	size_t alone_count;
	size_t unusable;        /* files that were skipped */
	struct mtls_buf detail; /* why */
	bool full;
};

static void entry_done(struct entry *entry)
{
	free(entry->label);
	free(entry->path);
	mtls_buf_done(&entry->raw);
	mtls_buf_done(&entry->key);
	intake_free(entry->intake);
}

static void file_close(void *arg)
{
	struct file_source *source = arg;

	for (size_t i = 0; i < source->count; i++)
		entry_done(&source->entries[i]);
	for (size_t i = 0; i < source->alone_count; i++)
		free(source->alone[i]);
	beside_free(source->beside);
	mtls_buf_done(&source->detail);
	free(source);
}

/* One more sentence for the end mark; the first ones count when there is no room for all. */
static void say(struct file_source *source, const char *path, const char *text)
{
	if (source->detail.len)
		source_append_text(&source->detail, "; ");
	if (path) {
		source_append_text(&source->detail, "'");
		source_append_text(&source->detail, path);
		source_append_text(&source->detail, "': ");
	}
	source_append_text(&source->detail, text);
}

/* The sentences of lib/base name the path themselves. */
static void skip(struct file_source *source, const char *path, int err,
		 const struct mtls_diag *diag)
{
	const char *text = mtls_diag_text(diag, err);
	source->unusable++;
	say(source, strstr(text, path) ? NULL : path, text);
}

/* Who may read a file with a key in it: its owner; of root's files also our group. */
static int check_secret_mode(int fd, const struct source_args *args, struct mtls_diag *diag)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return -errno;
	bool group_ok = st.st_uid == 0 && (st.st_gid == 0 || st.st_gid == args->group);
	mode_t refused = S_IRWXO | (group_ok ? 0 : S_IRWXG);
	if (!(st.st_mode & refused))
		return 0;
	return mtls_diag_set(diag, MTLS_E_UNTRUSTED,
			     "others can read this private key (mode %04o): chmod 600",
			     (unsigned int)st.st_mode & 07777);
}

static int read_trusted(const struct source_args *args, const char *path, struct mtls_buf *buf,
			struct mtls_diag *diag)
{
	const struct mtls_file_trust trust = { .owner = args->owner };
	_cleanup_close_ int fd = -1;
	int r = mtls_file_open_trusted(path, &trust, &fd, diag);
	if (r == -ELOOP)
		return mtls_diag_set(diag, MTLS_E_UNTRUSTED,
				     "it is a symbolic link; name the file itself");
	if (r < 0)
		return r;
	r = mtls_fd_read_all(fd, buf);
	if (r == MTLS_E_LIMIT)
		return mtls_diag_set(diag, r, "it is longer than %zu bytes", buf->max);
	if (r < 0)
		return r;
	return intake_is_secret(buf->data, buf->len) ? check_secret_mode(fd, args, diag) : 0;
}

static const char *suffix_of(const char *name)
{
	const char *dot = strrchr(name, '.');
	return dot ? dot : "";
}

static size_t stem_len(const char *path)
{
	return strlen(path) - strlen(suffix_of(path));
}

/* For a certificate without a key: NAME.key in the same folder; -ENOENT: there is none. */
static int read_sibling(const struct source_args *args, struct entry *entry, struct mtls_diag *diag)
{
	_cleanup_free_ char *path = NULL;

	if (asprintf(&path, "%.*s.key", (int)stem_len(entry->path), entry->path) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	return read_trusted(args, path, &entry->key, diag);
}

static struct intake_input input_of(const struct file_source *source, const struct entry *entry)
{
	return (struct intake_input){
		.data = entry->raw.data,
		.len = entry->raw.len,
		.key_data = entry->key.len ? entry->key.data : NULL,
		.key_len = entry->key.len,
		.iterations_max = INTAKE_ITERATIONS_MAX,
		.beside = beside_find,
		.beside_ctx = source->beside,
		.beside_any = beside_any(source->beside),
		.now = source->args.now,
	};
}

/* Remembers a certificate without a key: whether it is of use is seen when all keys are there. */
static int leave_alone(struct file_source *source, struct entry *entry)
{
	if (source->alone_count < ENTRIES_MAX)
		source->alone[source->alone_count++] = MTLS_TAKE(entry->path);
	entry_done(entry);
	return 0;
}

/* 1: @entry has a key; 0: certificates without one, which lie beside others now. */
static int entry_load(struct file_source *source, struct entry *entry, struct mtls_diag *diag)
{
	int r = read_trusted(&source->args, entry->path, &entry->raw, diag);
	if (r < 0)
		return r;
	if (entry->raw.len == 0)
		return mtls_diag_set(diag, MTLS_E_SYNTAX, "it is empty");
	if (!intake_lacks_key(entry->raw.data, entry->raw.len))
		return 1;
	r = beside_add(source->beside, entry->path, entry->raw.data, entry->raw.len, diag);
	if (r < 0)
		return r;
	r = read_sibling(&source->args, entry, diag);
	return r == -ENOENT ? 0 : r < 0 ? r : 1;
}

static int entry_init(struct entry *entry, const char *path)
{
	const char *slash = strrchr(path, '/');
	_cleanup_buf_ struct mtls_buf label = MTLS_BUF(255);

	*entry = (struct entry){ .id = 0 };
	mtls_buf_init(&entry->raw, INTAKE_FILE_MAX, true);
	mtls_buf_init(&entry->key, INTAKE_FILE_MAX, true);
	source_append_text(&label, slash ? slash + 1 : path);
	const char *text = mtls_buf_cstr(&label);
	entry->label = text ? strdup(text) : NULL;
	entry->path = strdup(path);
	return entry->label && entry->path ? 0 : -ENOMEM;
}

static int add_file(struct file_source *source, const char *path)
{
	struct mtls_diag diag = { 0 };
	struct entry *entry = &source->entries[source->count];

	if (source->count + source->alone_count + source->unusable >= ENTRIES_MAX) {
		if (!source->full)
			say(source, NULL, "there are more than 32 files: the others are not read");
		source->full = true;
		return 0;
	}
	int r = entry_init(entry, path);
	if (r >= 0)
		r = entry_load(source, entry, &diag);
	if (r == 0)
		return leave_alone(source, entry);
	if (r > 0) {
		source->count++;
		return 0;
	}
	entry_done(entry);
	if (r == -ENOMEM)
		return r;
	skip(source, path, r, &diag);
	return 0;
}

static bool is_key(const char *name)
{
	static const char *const suffixes[] = { ".key", NULL };
	return source_has_suffix(name, suffixes);
}

static int filter(const struct dirent *entry)
{
	static const char *const suffixes[] = {
		".pem", ".p12", ".pfx", ".crt", ".cer", ".key", NULL
	};
	return source_has_suffix(entry->d_name, suffixes);
}

/* By bytes: the order must not depend on a locale. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* A *.key file that was read with its certificate. */
static bool is_taken(const struct file_source *source, const char *path)
{
	for (size_t i = 0; i < source->count; i++) {
		const struct entry *entry = &source->entries[i];
		if (entry->key.len && stem_len(entry->path) == stem_len(path) &&
		    strncmp(entry->path, path, stem_len(path)) == 0)
			return true;
	}
	return false;
}

/* Key files come last: then it is known which of them belong to a certificate of their name. */
static int add_named(struct file_source *source, const char *folder, struct dirent *const *names,
		     int count, bool keys)
{
	int r = 0;

	for (int i = 0; i < count && r >= 0; i++) {
		_cleanup_free_ char *path = NULL;
		if (is_key(names[i]->d_name) != keys)
			continue;
		if (asprintf(&path, "%s/%s", folder, names[i]->d_name) < 0) {
			path = NULL;
			return -ENOMEM;
		}
		if (!keys || !is_taken(source, path))
			r = add_file(source, path);
	}
	return r;
}

static int add_folder(struct file_source *source, const char *folder)
{
	struct dirent **names = NULL;
	int count = scandir(folder, &names, filter, by_name);
	if (count < 0 && errno == ENOMEM)
		return -ENOMEM;
	if (count < 0) {
		source->unusable += errno != ENOENT;
		say(source, folder, mtls_strerror(-errno));
		return 0;
	}
	if (count == 0)
		say(source, folder, "no *.pem, *.p12, *.pfx, *.key, *.crt or *.cer file in it");
	int r = add_named(source, folder, names, count, false);
	if (r >= 0)
		r = add_named(source, folder, names, count, true);
	for (int i = 0; i < count; i++)
		free(names[i]);
	free(names);
	return r;
}

/* Keys and certificates together; what has become no credential goes. */
static int assemble(struct file_source *source)
{
	size_t kept = 0, count = source->count;
	bool hidden = false;
	int r = 0;

	source->count = 0;
	for (size_t i = 0; i < count; i++) {
		struct entry *entry = &source->entries[i];
		const struct intake_input input = input_of(source, entry);
		struct mtls_diag diag = { 0 };
		int read = intake_read(&input, NULL, &entry->intake, &diag);
		if (read < 0) {
			r = read == -ENOMEM ? read : r;
			skip(source, entry->path, read, &diag);
			entry_done(entry);
			continue;
		}
		hidden |= !entry->intake->chain_count;
		source->entries[kept] = *entry;
		source->entries[kept].id = (uint32_t)kept + 1;
		kept++;
	}
	source->count = kept;
	/*
	 * A key that is still hidden may be the one. It is no trouble of this source: certificates
	 * of keys on cards and in agents lie there as well, and must not hide what those say.
	 */
	for (size_t i = 0; i < source->alone_count && !hidden; i++) {
		if (beside_used(source->beside, source->alone[i]))
			continue;
		say(source, source->alone[i],
		    "no private key in it, and none for this certificate beside it");
	}
	return r;
}

static void say_beside(void *arg, const char *path, const char *text)
{
	say(arg, strstr(text, path) ? NULL : path, text);
}

static int file_open(const struct source_args *args, void **ret, struct mtls_diag *diag)
{
	struct file_source *source = calloc(1, sizeof(*source));
	if (!source)
		return -ENOMEM;
	source->args = *args;
	mtls_buf_init(&source->detail, SOURCE_DETAIL_MAX, false);
	int r = beside_new(args->certs, args->certs_owner, say_beside, source, &source->beside);
	for (size_t i = 0; i < args->path_count && r >= 0; i++)
		r = args->paths[i].folder ? add_folder(source, args->paths[i].path)
					  : add_file(source, args->paths[i].path);
	if (r >= 0)
		r = assemble(source);
	if (r < 0) {
		file_close(source);
		return mtls_diag_set(diag, r, "source file: %s", mtls_strerror(r));
	}
	*ret = source;
	return 0;
}

static int emit_entry(const struct entry *entry, source_emit *emit, void *emit_ctx)
{
	const struct intake *intake = entry->intake;
	bool named = intake->subject && intake->subject[0];
	char source[] = "file", none[] = "";
	struct mtls_signer_credential credential = {
		.id = entry->id,
		.source = source,
		.label = named ? intake->subject : entry->label,
		.issuer = intake->issuer ? intake->issuer : none,
		.not_after = intake->not_after,
		.key_type = intake->key_type,
		.needs_secret = intake->locked,
		.tries_left = MTLS_TRIES_UNKNOWN,
		.chain_count = intake->chain_count,
	};
	memcpy(credential.chain, intake->chain, sizeof(credential.chain));
	return emit(emit_ctx, &credential);
}

static int file_list(void *arg, source_emit *emit, void *emit_ctx, enum mtls_reason *ret_reason,
		     struct mtls_buf *detail)
{
	struct file_source *source = arg;
	int r = 0;

	/* Expired ones too, but last: whether they count is the server's decision. */
	for (int expired = 0; expired < 2; expired++)
		for (size_t i = 0; i < source->count && r >= 0; i++) {
			const struct intake *intake = source->entries[i].intake;
			bool is = intake->chain_count && intake->not_after < source->args.now;
			if (is == (expired == 1))
				r = emit_entry(&source->entries[i], emit, emit_ctx);
		}
	(void)mtls_buf_append(detail, source->detail.data, source->detail.len);
	*ret_reason = source->count      ? MTLS_REASON_ALLOWED
		      : source->unusable ? MTLS_REASON_KEY_UNUSABLE
					 : MTLS_REASON_NO_CREDENTIAL;
	return r;
}

static struct entry *find(struct file_source *source, uint32_t id)
{
	return id >= 1 && id <= source->count ? &source->entries[id - 1] : NULL;
}

/* GnuTLS takes strings: with a NUL in it a secret would be cut, down to the empty passphrase. */
static const char *secret_string(const struct mtls_bytes *secret)
{
	return secret->len && strlen((const char *)secret->data) == secret->len
		       ? (const char *)secret->data
		       : NULL;
}

/* The client may have the chain already: what a secret shows must not be another one. */
static bool same_leaf(const struct intake *old, const struct intake *new)
{
	return old->chain_count == 0 ||
	       (old->chain_count == new->chain_count &&
		old->chain[0].len ==
			new->chain[0].len &&memcmp(old->chain[0].data, new->chain[0].data,
						   new->chain[0].len) == 0);
}

/* 0, MTLS_E_SECRET, or why the key cannot be used. */
static int try_secret(const struct file_source *source, struct entry *entry,
		      const struct mtls_bytes *secret, struct mtls_diag *diag)
{
	_cleanup_(intake_freep) struct intake *new = NULL;
	const struct intake_input input = input_of(source, entry);
	const char *text = secret_string(secret);
	int r = text ? intake_read(&input, text, &new, diag) : MTLS_E_SECRET;
	if (r >= 0 && !same_leaf(entry->intake, new))
		r = mtls_diag_set(diag, MTLS_E_CERT,
				  "the first certificate in it is not the private key's");
	if (r < 0)
		return r;
	new->locked = true; /* it needed the secret, and a list says so further on */
	intake_free(entry->intake);
	entry->intake = MTLS_TAKE(new);
	return 0;
}

static void file_unlock(void *arg, const struct mtls_signer_unlock *unlock,
			struct mtls_signer_unlocked *ret)
{
	struct file_source *source = arg;
	struct entry *entry = find(source, unlock->id);
	struct mtls_diag diag = { 0 };

	*ret = (struct mtls_signer_unlocked){
		.reason = MTLS_REASON_NO_CREDENTIAL,
		.presence = MTLS_PRESENCE_NONE,
		.tries_left = MTLS_TRIES_UNKNOWN,
	};
	if (!entry)
		return;
	if (!entry->intake->locked) { /* whatever was typed, it proves nothing */
		ret->reason = MTLS_REASON_ALLOWED;
		return;
	}
	int r = try_secret(source, entry, &unlock->secret, &diag);
	if (r == MTLS_E_SECRET) {
		ret->reason = MTLS_REASON_SECRET_WRONG;
	} else if (r < 0) {
		say(source, entry->path, mtls_diag_text(&diag, r));
		ret->reason = MTLS_REASON_KEY_UNUSABLE;
	} else {
		ret->reason = MTLS_REASON_ALLOWED;
		if (entry->intake->by_secret)
			ret->presence = MTLS_PRESENCE_SECRET;
	}
}

static void file_sign(void *arg, const struct mtls_signer_sign *sign,
		      struct mtls_signer_signature *ret)
{
	struct entry *entry = find(arg, sign->id);

	*ret = (struct mtls_signer_signature){ .reason = MTLS_REASON_NO_CREDENTIAL };
	if (!entry)
		return;
	ret->reason = MTLS_REASON_SECRET_EMPTY;
	if (!entry->intake->key)
		return;
	int r = key_sign(entry->intake->key, entry->intake->key_type, sign->scheme, &sign->content,
			 &ret->signature);
	ret->reason = r == MTLS_E_DENIED ? MTLS_REASON_BAD_REQUEST
		      : r < 0            ? MTLS_REASON_KEY_UNUSABLE
					 : MTLS_REASON_ALLOWED;
}

static const char *file_missing(const struct source_args *args)
{
	return args->path_count ? NULL : "--dir or --file is needed, see --help";
}

const struct source_ops source_file_ops = {
	.name = "file",
	.sandbox = SANDBOX_FILES,
	.missing = file_missing,
	.open = file_open,
	.close = file_close,
	.list = file_list,
	.unlock = file_unlock,
	.sign = file_sign,
};
