/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* mtlsctl check: the certificates in certs.d, which mtls-signer finds by their key. */
#include <config.h>

#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/str.h"
#include "signer/beside.h"
#include "signer/source.h"
#include "tools/ctl_ca.h"
#include "tools/ctl_certs.h"
#include "tools/ctl_check.h"
#include "tools/ctl_credential.h"
#include "tools/ctl_judge.h"
#include "tools/ctl_snapshot.h"
#include "tools/ctl_text.h"

#define AREA     "certs.d"
#define FIX_MODE "chown root:root and chmod 0644; the folder 0755"
#define RENEW    "mtlsctl renew USER; of another CA: mtlsctl enroll USER --cert FILE"
#define USER_MAX 64

struct look {
	struct check *check;
	struct ctl_snapshot snapshot;
	const char *path, *name; /* of the file at hand */
	char user[USER_MAX + 1]; /* whose key it is; "" if nobody's */
};

/* The first account that the key is bound to. */
static void find_user(struct look *look, const struct mtls_cert *cert)
{
	_cleanup_buf_ struct mtls_buf key = MTLS_BUF(128);
	struct mtls_acct_names names;
	struct mtls_acct_str name;
	size_t cursor = 0;

	look->user[0] = '\0';
	if (!look->snapshot.open || ctl_cert_binding(cert, &key) < 0 ||
	    mtls_acctdb_binding(&look->snapshot.db, (const char *)key.data, key.len, &names) < 0 ||
	    !mtls_acct_names_next(&names, &cursor, &name))
		return;
	(void)snprintf(look->user, sizeof(look->user), "%.*s", (int)name.len, name.data);
}

static void check_name(const struct look *look, const struct mtls_cert *cert)
{
	char wanted[PATH_MAX];

	if (!beside_named_by_digest(look->name) ||
	    ctl_certs_path(look->check->dir, mtls_cert_spki_sha256(cert), wanted, NULL) < 0 ||
	    mtls_streq(look->path, wanted))
		return;
	check_add(look->check, CHECK_WARNING, AREA,
		  "mv it to the name of its own key, or to one that is no digest",
		  "'%s' has the name of another key: it is never found", look->path);
}

static void check_end(const struct look *look, const struct mtls_cert *cert)
{
	int64_t start = mtls_cert_not_before(cert), end = mtls_cert_not_after(cert);
	int64_t now = look->check->now;
	struct ctl_text day;
	const char *on = ctl_text_day(&day, end);

	if (end < now)
		check_add(look->check, CHECK_WARNING, AREA, RENEW, "'%s' of '%s' expired on %s",
			  look->path, look->user, on);
	else if (end < now + (int64_t)CHECK_WARN_DAYS * CTL_DAY && ctl_is_due(start, end, now))
		check_add(look->check, CHECK_WARNING, AREA, RENEW, "'%s' of '%s' expires on %s",
			  look->path, look->user, on);
	else
		check_add(look->check, CHECK_OK, AREA, NULL, "'%s' of '%s' is valid until %s",
			  look->path, look->user, on);
}

static void check_verdict(const struct look *look, const struct ctl_chain *chain)
{
	struct mtls_diag why = { 0 };

	/* Its time is said already. */
	int64_t end = mtls_cert_not_after(chain->certs[0]);
	int64_t now = look->check->now < end ? look->check->now : end;
	int r = ctl_judge(look->check->dir, chain, now, &why);
	if (r == MTLS_E_CERT)
		check_add(look->check, CHECK_WARNING, AREA, RENEW, "'%s' of '%s' is refused: %s",
			  look->path, look->user, why.text);
}

static void check_file(struct look *look)
{
	const struct mtls_file_trust trust = { 0 };
	_cleanup_buf_ struct mtls_buf data = MTLS_BUF(LEAF_FILE_MAX);
	_cleanup_(ctl_chain_done) struct ctl_chain chain = { .count = 0 };
	struct mtls_diag diag = { 0 };

	int r = mtls_file_read(look->path, &trust, &data, &diag);
	if (r < 0) {
		check_add(look->check, CHECK_WARNING, AREA, FIX_MODE, "%s",
			  mtls_diag_text(&diag, r));
		return;
	}
	if (memmem(data.data, data.len, "PRIVATE KEY-----", strlen("PRIVATE KEY-----"))) {
		check_add(look->check, CHECK_ERROR, AREA,
			  "remove it; take the key for stolen, and 'mtlsctl enroll' with a new one",
			  "'%s' holds a private key, in a folder that all may read", look->path);
		return;
	}
	r = ctl_chain_parse(data.data, data.len, &chain, &diag);
	if (r < 0) {
		check_add(look->check, CHECK_WARNING, AREA, "remove it", "'%s': %s", look->path,
			  mtls_diag_text(&diag, r));
		return;
	}
	find_user(look, chain.certs[0]);
	check_name(look, chain.certs[0]);
	if (!look->user[0]) {
		check_add(look->check, CHECK_NOTE, AREA, NULL,
			  "'%s' is for a key that is bound to nobody", look->path);
		return;
	}
	check_end(look, chain.certs[0]);
	check_verdict(look, &chain);
}

static int filter(const struct dirent *entry)
{
	return source_is_certificate(entry->d_name);
}

static void check_number(struct check *check, struct dirent *const *names, int count)
{
	int named = 0;

	for (int i = 0; i < count; i++)
		named += !beside_named_by_digest(names[i]->d_name);
	if (named > BESIDE_NAMED_MAX)
		check_add(
			check, CHECK_WARNING, AREA,
			"give each the name of its key's digest: 'mtlsctl enroll USER --cert FILE' "
			"does",
			"%d files have other names than their keys': mtls-signer reads %d", named,
			BESIDE_NAMED_MAX);
}

void check_certs(struct check *check)
{
	struct look look = { .check = check };
	char folder[PATH_MAX], path[PATH_MAX + 256];
	struct dirent **names = NULL;

	if (ctl_dir_path(check->dir, CTL_CERTS_FOLDER, folder) < 0)
		return;
	int count = scandir(folder, &names, filter, alphasort);
	if (count < 0)
		return; /* there need not be one */
	if (!check->accountd ||
	    ctl_snapshot_open(check->accountd->snapshot, &look.snapshot, NULL) < 0)
		look.snapshot.open = false;
	check_number(check, names, count);
	for (int i = 0; i < count; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", folder, names[i]->d_name);
		look.path = path;
		look.name = names[i]->d_name;
		check_file(&look);
		free(names[i]);
	}
	free(names);
	ctl_snapshot_close(&look.snapshot);
}
