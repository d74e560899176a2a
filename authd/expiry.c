/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ends of certificates and lists. Owned by a configuration. */
#include <config.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "authd/expiry.h"
#include "lib/base/log.h"

#define DAY        INT64_C(86400)
#define STAGE_OVER 4
#define STAGE_WEEK 3

/* Copies @entry, but for its subject and its times where there is a @cert. */
static int add(struct expiries *expiries, const struct expiry *entry, const struct mtls_cert *cert)
{
	struct expiry *list =
		reallocarray(expiries->list, expiries->count + 1, sizeof(*expiries->list));
	if (!list)
		return -ENOMEM;
	expiries->list = list;
	struct expiry *added = &list[expiries->count];
	*added = *entry;
	added->subject = NULL;
	if (cert) {
		added->subject = strdup(mtls_cert_subject(cert));
		if (!added->subject)
			return -ENOMEM;
		added->begins = mtls_cert_not_before(cert);
		added->ends = mtls_cert_not_after(cert);
	}
	expiries->count++;
	return 0;
}

int expiries_note_server(struct expiries *expiries, const char *file, const struct mtls_cert *cert)
{
	const struct expiry entry = { .kind = EXPIRY_CERTIFICATE, .file = file };

	return add(expiries, &entry, cert);
}

static int note_anchors(struct expiries *expiries, const struct mtls_anchors *anchors,
			const struct expiry *entry)
{
	const uint8_t *der;
	size_t len = 0;
	int r = 0;

	while (r >= 0 && (der = mtls_anchors_der(anchors, expiries->next_anchor, &len)) != NULL) {
		_cleanup_(mtls_cert_freep) struct mtls_cert *cert = NULL;
		r = mtls_cert_from_der(der, len, &cert, NULL);
		if (r >= 0)
			r = add(expiries, entry, cert);
		expiries->next_anchor++;
	}
	return r;
}

static int note_crls(struct expiries *expiries, const struct mtls_anchors *anchors,
		     struct expiry *entry)
{
	int r = 0;

	while (r >= 0 && mtls_anchors_crl_times(anchors, entry->ca, expiries->next_crl,
						&entry->begins, &entry->ends) >= 0) {
		r = add(expiries, entry, NULL);
		expiries->next_crl++;
	}
	return r;
}

int expiries_note(void *ctx, const struct mtls_anchors *anchors, const struct mtls_settings_ca *ca,
		  const char *path, enum mtls_trust_file file)
{
	struct expiries *expiries = ctx;
	struct expiry entry = { .kind = file == MTLS_TRUST_CA ? EXPIRY_CA : EXPIRY_CRL,
				.file = path,
				.ca = ca->name,
				.role = ca->host_role ? MTLS_ROLE_HOST : MTLS_ROLE_USER };

	if (expiries->ca != ca)
		expiries->next_crl = 0; /* they are counted for each CA */
	expiries->ca = ca;
	return file == MTLS_TRUST_CA ? note_anchors(expiries, anchors, &entry)
				     : note_crls(expiries, anchors, &entry);
}

void expiries_done(struct expiries *expiries)
{
	for (size_t i = 0; i < expiries->count; i++)
		free(expiries->list[i].subject);
	free(expiries->list);
	*expiries = (struct expiries){ 0 };
}

int expiry_stage(const struct expiry *expiry, int64_t now)
{
	static const struct {
		int64_t days, part;
	} stages[] = { { 30, 3 }, { 14, 6 }, { 7, 12 } };
	int64_t left = expiry->ends - now, life = expiry->ends - expiry->begins;
	int stage = 0;

	if (expiry->ends < 0)
		return 0;
	if (left < 0)
		return STAGE_OVER;
	for (size_t i = 0; i < MTLS_COUNT(stages); i++) {
		int64_t limit = stages[i].days * DAY;
		if (life > 0 && life / stages[i].part < limit)
			limit = life / stages[i].part;
		if (left <= limit)
			stage = (int)i + 1;
	}
	return stage;
}

static void log_one(const struct expiry *expiry, int64_t now, int stage)
{
	static const struct {
		const char *what, *over, *next;
	} texts[] = {
		[EXPIRY_CERTIFICATE] = { "certificate", "clients will refuse it",
					 "renew it, then reload" },
		[EXPIRY_CA] = { "certificate of a CA,", "what it issued is refused",
				"add its successor to 'files', then reload" },
		[EXPIRY_CRL] = { "revocation list", "certificates of its CA are refused",
				 "put the next one there, then reload" },
	};
	int64_t left = expiry->ends - now;
	enum mtls_log_level level = stage >= STAGE_WEEK ? MTLS_LOG_ERROR : MTLS_LOG_WARNING;

	if (stage == STAGE_OVER)
		mtls_log(level, "%s '%s' has expired: %s; %s", texts[expiry->kind].what,
			 expiry->file, texts[expiry->kind].over, texts[expiry->kind].next);
	else if (left < 2 * DAY)
		mtls_log(level, "%s '%s' ends in %lld hours: %s", texts[expiry->kind].what,
			 expiry->file, (long long)(left / 3600), texts[expiry->kind].next);
	else
		mtls_log(level, "%s '%s' ends in %lld days: %s", texts[expiry->kind].what,
			 expiry->file, (long long)(left / DAY), texts[expiry->kind].next);
}

void expiries_log(struct expiries *expiries, int64_t now, bool all)
{
	for (size_t i = 0; i < expiries->count; i++) {
		struct expiry *expiry = &expiries->list[i];
		int stage = expiry_stage(expiry, now);
		if (stage > 0 && (all || stage >= STAGE_WEEK || stage != expiry->stage_told))
			log_one(expiry, now, stage);
		expiry->stage_told = stage;
	}
}
