/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The writer of OpenMetrics text. Pure; one thread. */
#include <config.h>

#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/err.h"
#include "lib/base/str.h"
#include "tools/ctl_openmetrics.h"

/* Suffixes of samples that are no part of the family's name. */
static const struct {
	const char *type, *suffix;
} suffixes[] = {
	{ "counter", "_total" },
	{ "histogram", "_bucket" },
	{ "histogram", "_sum" },
	{ "histogram", "_count" },
};

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len > end_len && mtls_streq(text + len - end_len, end);
}

static bool name_valid(const char *name)
{
	const char *p = name;

	if (!isalpha((unsigned char)*p) && *p != '_')
		return false;
	while (isalnum((unsigned char)*p) || *p == '_')
		p++;
	return !*p && p - name < CTL_METRIC_NAME_MAX;
}

/* "12", "0.25": what our daemons say. */
static bool value_valid(const char *value)
{
	size_t digits = strspn(value, "0123456789");
	const char *rest = value + digits;

	if (!digits || !*rest)
		return digits > 0;
	return *rest == '.' && rest[1] && !rest[1 + strspn(rest + 1, "0123456789")];
}

/* The family of a sample, or false where name and type do not belong together. */
static bool family_of(const struct ctl_metric *metric, char out[CTL_METRIC_NAME_MAX])
{
	bool has_suffix = mtls_streq(metric->type, "gauge");
	size_t cut = 0;

	for (size_t i = 0; i < MTLS_COUNT(suffixes); i++)
		if (mtls_streq(suffixes[i].type, metric->type) &&
		    ends_with(metric->name, suffixes[i].suffix)) {
			has_suffix = true;
			cut = strlen(suffixes[i].suffix);
		}
	(void)snprintf(out, CTL_METRIC_NAME_MAX, "%.*s", (int)(strlen(metric->name) - cut),
		       metric->name);
	return has_suffix;
}

static void append_escaped(struct mtls_buf *text, const char *value)
{
	for (const char *p = value; *p; p++) {
		if (*p == '\\' || *p == '"')
			(void)mtls_buf_append_byte(text, '\\');
		if (*p == '\n')
			(void)mtls_buf_append_str(text, "\\n");
		else
			(void)mtls_buf_append_byte(text, (uint8_t)*p);
	}
}

static void append_head(struct ctl_metrics *metrics, const struct ctl_metric *metric)
{
	struct mtls_buf *text = &metrics->text;

	(void)mtls_buf_printf(text, "# TYPE %s %s\n", metrics->family, metric->type);
	if (ends_with(metrics->family, "_seconds"))
		(void)mtls_buf_printf(text, "# UNIT %s seconds\n", metrics->family);
	(void)mtls_buf_printf(text, "# HELP %s ", metrics->family);
	append_escaped(text, metric->help);
	(void)mtls_buf_append_str(text, "\n");
}

static void append_labels(struct mtls_buf *text, const struct ctl_metric_label *labels,
			  size_t count)
{
	char separator = '{';

	for (size_t i = 0; i < count; i++) {
		if (!labels[i].value)
			continue;
		(void)mtls_buf_printf(text, "%c%s=\"", separator, labels[i].name);
		append_escaped(text, labels[i].value);
		(void)mtls_buf_append_str(text, "\"");
		separator = ',';
	}
	if (separator == ',')
		(void)mtls_buf_append_str(text, "}");
}

int ctl_metrics_add(struct ctl_metrics *metrics, const struct ctl_metric *metric,
		    const struct ctl_metric_label *labels, size_t count, const char *value)
{
	char family[CTL_METRIC_NAME_MAX];

	if (!name_valid(metric->name) || !family_of(metric, family) || !value_valid(value))
		return MTLS_E_SYNTAX;
	for (size_t i = 0; i < count; i++)
		if (labels[i].value && !name_valid(labels[i].name))
			return MTLS_E_SYNTAX;
	if (!mtls_streq(family, metrics->family)) {
		memcpy(metrics->family, family, sizeof(family));
		append_head(metrics, metric);
	}
	(void)mtls_buf_append_str(&metrics->text, metric->name);
	append_labels(&metrics->text, labels, count);
	return mtls_buf_printf(&metrics->text, " %s\n", value);
}

int ctl_metrics_add_u64(struct ctl_metrics *metrics, const struct ctl_metric *metric,
			const struct ctl_metric_label *labels, size_t count, uint64_t value)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%" PRIu64, value);
	return ctl_metrics_add(metrics, metric, labels, count, text);
}

int ctl_metrics_end(struct ctl_metrics *metrics)
{
	return mtls_buf_append_str(&metrics->text, "# EOF\n");
}
