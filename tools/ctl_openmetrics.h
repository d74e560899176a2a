/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * OpenMetrics text (version 1.0), and of that only what the text format of Prometheus understands
 * too (counter, gauge, histogram): the node exporter's textfile collector reads the latter.
 */
#ifndef MTLS_TOOLS_CTL_OPENMETRICS_H
#define MTLS_TOOLS_CTL_OPENMETRICS_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"

#define CTL_METRICS_MAX     (4 * 1024 * 1024) /* bytes of the text */
#define CTL_METRIC_NAME_MAX 128               /* bytes of a name */

struct ctl_metrics {
	struct mtls_buf text;
	char family[CTL_METRIC_NAME_MAX]; /* that the last sample was of */
};
#define CTL_METRICS_INIT                                                                           \
	{                                                                                          \
		.text = MTLS_BUF(CTL_METRICS_MAX)                                                  \
	}

struct ctl_metric_label {
	const char *name;
	const char *value; /* NULL: the label is left out */
};

/* What all samples of a family share. */
struct ctl_metric {
	const char *name; /* of the sample: a counter's ends in "_total", a histogram's in
			     "_bucket", ... */
	const char *type; /* "counter", "gauge", "histogram" */
	const char *help;
};

/*
 * Appends a sample, behind the head of its family where that is another one than before: samples of
 * a family stand together. @value is a number as text. What no parser would take (a name, a value)
 * is MTLS_E_SYNTAX, and nothing is appended. Else 0 or the text's error.
 */
int ctl_metrics_add(struct ctl_metrics *metrics, const struct ctl_metric *metric,
		    const struct ctl_metric_label *labels, size_t count, const char *value);
int ctl_metrics_add_u64(struct ctl_metrics *metrics, const struct ctl_metric *metric,
			const struct ctl_metric_label *labels, size_t count, uint64_t value);

/* The end mark. 0 or the text's error. */
int ctl_metrics_end(struct ctl_metrics *metrics);

#endif
