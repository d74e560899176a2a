/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mtlsctl metrics: what the daemons say of themselves, as OpenMetrics text. A daemon that does not
 * answer is `up 0`, never a file that goes stale. One thread.
 */
#include <config.h>

#include <errno.h>
#include <stdio.h>

#include "lib/base/file.h"
#include "lib/base/str.h"
#include "lib/control/accounts.h"
#include "lib/control/authd.h"
#include "tools/ctl_action.h"
#include "tools/ctl_common.h"
#include "tools/ctl_daemon.h"
#include "tools/ctl_openmetrics.h"

#define CMD         "metrics"
#define PATIENCE_MS 5000 /* a collector does not wait for ever */
#define LABELS_MAX  4

/*
 * One gauge or counter for each item of a kind. @field: the value; with @is, 1 where the field is
 * that word, else 0; "" counts nothing but that the item is there. Labels: the name of one and the
 * field that has its value, by twos.
 */
struct rule {
	const char *kind, *field, *is;
	struct ctl_metric metric;
	const char *labels[2 * LABELS_MAX];
};

/* clang-format off */
static const struct rule authd_rules[] = {
	{ "daemon", "", NULL, { "mtls_authd_build_info", "gauge", "The version that runs." }, { "version", "version" } },
	{ "daemon", "started", NULL, { "mtls_authd_start_time_seconds", "gauge", "When mtls-authd was started, since 1970." }, { 0 } },
	{ "daemon", "state", "running", { "mtls_authd_accepting", "gauge", "1 while new connections are taken." }, { 0 } },
	{ "daemon", "generation", NULL, { "mtls_authd_configuration_generation", "gauge", "Which configuration is used, counted from 1." }, { 0 } },
	{ "reload", "result", "ok", { "mtls_authd_last_reload_success", "gauge", "1 if the last reload changed the configuration, 0 if it failed." }, { 0 } },
	{ "reload", "time", NULL, { "mtls_authd_last_reload_time_seconds", "gauge", "When the last reload was, since 1970." }, { 0 } },
	{ "worker", "state", "running", { "mtls_authd_worker_running", "gauge", "1 for a worker that takes connections." }, { "slot", "slot" } },
	{ "worker", "connections", NULL, { "mtls_authd_worker_connections", "gauge", "Connections that a worker holds." }, { "slot", "slot" } },
	{ "worker", "restarts", NULL, { "mtls_authd_worker_restarts_total", "counter", "How often a worker had to be started again." }, { "slot", "slot" } },
	{ "certificate", "not-after", NULL, { "mtls_authd_certificate_not_after_seconds", "gauge", "When a certificate ends, since 1970." },
	  { "role", "=server", "file", "file", "subject", "subject" } },
	{ "ca", "not-after", NULL, { "mtls_authd_certificate_not_after_seconds", "gauge", "When a certificate ends, since 1970." },
	  { "role", "role", "ca", "name", "file", "file", "subject", "subject" } },
	{ "crl", "next-update", NULL, { "mtls_authd_crl_next_update_seconds", "gauge", "When a revocation list is out of date, since 1970." },
	  { "ca", "ca", "file", "file" } },
};

static const struct rule accountd_rules[] = {
	{ "status", "generation", NULL, { "mtls_accountd_generation", "gauge", "The generation that the store holds." }, { 0 } },
	{ "status", "published", NULL, { "mtls_accountd_published_generation", "gauge", "The generation that every process sees." }, { 0 } },
	{ "status", "publisher", "running", { "mtls_accountd_publisher_running", "gauge", "1 while changes are published." }, { 0 } },
	{ "status", "users", NULL, { "mtls_accountd_users", "gauge", "Accounts in the store." }, { 0 } },
	{ "status", "groups", NULL, { "mtls_accountd_groups", "gauge", "Groups in the store, without private ones." }, { 0 } },
	{ "status", "bindings", NULL, { "mtls_accountd_bindings", "gauge", "Certificates that are bound to accounts." }, { 0 } },
	{ "status", "tombstones", NULL, { "mtls_accountd_tombstones", "gauge", "Numbers of removed accounts and groups, which are not given again." }, { 0 } },
	{ "source", "state", "good", { "mtls_accountd_source_good", "gauge", "1 for a source of accounts that can be read." }, { "source", "name" } },
	{ "source", "users", NULL, { "mtls_accountd_source_users", "gauge", "Accounts of a source." }, { "source", "name" } },
};
/* clang-format on */

/* A rule's labels for an item; "=word" is the word itself. */
static size_t make_labels(const struct rule *rule, const struct mtls_control_fields *f,
			  struct ctl_metric_label out[LABELS_MAX])
{
	size_t count = 0;

	for (; count < LABELS_MAX && rule->labels[2 * count]; count++) {
		const char *from = rule->labels[2 * count + 1];
		out[count] = (struct ctl_metric_label){
			.name = rule->labels[2 * count],
			.value = *from == '=' ? from + 1 : ctl_field(f, from),
		};
	}
	return count;
}

static void add_rule(struct ctl_metrics *metrics, const struct ctl_daemon *daemon,
		     const struct rule *rule)
{
	const struct mtls_control_fields *f;

	for (size_t at = 0; (f = ctl_daemon_item(daemon, rule->kind, &at));) {
		struct ctl_metric_label labels[LABELS_MAX];
		const char *value = ctl_field(f, rule->field);
		if (*rule->field && !*value)
			continue;
		if (!*rule->field)
			value = "1";
		else if (rule->is)
			value = mtls_streq(value, rule->is) ? "1" : "0";
		/* A newer daemon may say what we do not understand. */
		(void)ctl_metrics_add(metrics, &rule->metric, labels, make_labels(rule, f, labels),
				      value);
	}
}

static void add_count(struct ctl_metrics *metrics, const struct ctl_daemon *daemon,
		      const char *kind, const struct ctl_metric *metric)
{
	uint64_t count = 0;

	for (size_t at = 0; ctl_daemon_item(daemon, kind, &at);)
		count++;
	(void)ctl_metrics_add_u64(metrics, metric, NULL, 0, count);
}

static void add_counters(struct ctl_metrics *metrics, const struct ctl_daemon *daemon)
{
	const struct mtls_control_fields *f;

	for (size_t at = 0; (f = ctl_daemon_item(daemon, "counter", &at));) {
		const struct ctl_metric metric = { ctl_field(f, "name"), ctl_field(f, "type"),
						   ctl_field(f, "help") };
		const struct ctl_metric_label label = { ctl_field(f, "label"),
							mtls_control_get(f, "label-value") };
		(void)ctl_metrics_add(metrics, &metric, &label, 1, ctl_field(f, "value"));
	}
}

/* True if the daemon said @kind, which it always does. */
static bool add_up(struct ctl_metrics *metrics, const struct ctl_daemon *daemon, const char *kind,
		   const char *name)
{
	const struct ctl_metric metric = { name, "gauge", "1 if the daemon answers." };
	size_t at = 0;
	bool up = daemon->state == CTL_DAEMON_ANSWERED && ctl_daemon_item(daemon, kind, &at);

	(void)ctl_metrics_add_u64(metrics, &metric, NULL, 0, up);
	return up;
}

static void add_authd(struct ctl_metrics *metrics, const struct ctl_daemon *daemon)
{
	if (!add_up(metrics, daemon, "daemon", "mtls_authd_up"))
		return;
	for (size_t i = 0; i < MTLS_COUNT(authd_rules); i++)
		add_rule(metrics, daemon, &authd_rules[i]);
	add_counters(metrics, daemon);
}

static void add_accountd(struct ctl_metrics *metrics, const struct ctl_daemon *daemon)
{
	static const struct ctl_metric failing = {
		"mtls_accountd_publish_failing", "gauge",
		"1 if the last attempt to publish failed; mtlsctl account status has the error."
	};
	static const struct ctl_metric conflicts = { "mtls_accountd_conflicts", "gauge",
						     "Entries of sources that contradict others." };
	static const struct ctl_metric dropped = {
		"mtls_accountd_dropped", "gauge", "Entries that were left out of what is published."
	};
	size_t at = 0;

	if (!add_up(metrics, daemon, "status", "mtls_accountd_up"))
		return;
	for (size_t i = 0; i < MTLS_COUNT(accountd_rules); i++)
		add_rule(metrics, daemon, &accountd_rules[i]);
	const struct mtls_control_fields *f = ctl_daemon_item(daemon, "status", &at);
	(void)ctl_metrics_add_u64(metrics, &failing, NULL, 0, mtls_control_get(f, "error") != NULL);
	add_count(metrics, daemon, "conflict", &conflicts);
	add_count(metrics, daemon, "dropped", &dropped);
}

/* Asks both; false, with words, where "up 0" would be a lie: we may not ask. */
static bool gather(struct ctl_metrics *metrics)
{
	static const struct {
		enum ctl_daemon_kind kind;
		const char *verb;
		void (*add)(struct ctl_metrics *metrics, const struct ctl_daemon *daemon);
	} rows[] = {
		{ CTL_AUTHD, MTLS_AUTHD_VERB_STATUS, add_authd },
		{ CTL_ACCOUNTD, MTLS_ACCT_VERB_STATUS, add_accountd },
	};

	for (size_t i = 0; i < MTLS_COUNT(rows); i++) {
		_cleanup_(ctl_daemon_done) struct ctl_daemon daemon = { 0 };
		ctl_daemon_ask(&daemon, rows[i].kind, rows[i].verb, PATIENCE_MS);
		if (daemon.err == -EACCES || daemon.err == -EPERM) {
			(void)ctl_error(CMD, "only root may ask %s how it is: try sudo",
					daemon.name);
			return false;
		}
		rows[i].add(metrics, &daemon);
	}
	return true;
}

struct options {
	const char *output;
};

static const struct ctl_option options[] = {
	CTL_OPTION(struct options, output, "output", "FILE",
		   "replace this file as a whole, readable for all, instead of printing"),
	{ 0 },
};

static int put(const struct mtls_buf *text, const char *output)
{
	static const struct mtls_file_mode mode = { .mode = 0644,
						    .uid = (uid_t)-1,
						    .gid = (gid_t)-1 };
	struct mtls_diag diag = { 0 };

	if (!output) {
		(void)fwrite(text->data, 1, text->len, stdout); /* main() sees what failed */
		return CTL_OK;
	}
	int r = mtls_file_replace(output, text->data, text->len, &mode, &diag);
	return r < 0 ? ctl_error(CMD, "%s", mtls_diag_text(&diag, r)) : CTL_OK;
}

static int run_metrics(const struct ctl_action *action, int argc, char **argv)
{
	struct ctl_metrics metrics = CTL_METRICS_INIT;
	struct options o = { 0 };
	char **args;
	int count;

	int code = ctl_action_parse(action, argc, argv, &o, &args, &count);
	if (!code && !gather(&metrics))
		code = CTL_FAILED;
	if (!code) {
		int r = ctl_metrics_end(&metrics);
		code = r < 0 ? ctl_error(CMD, "%s", mtls_strerror(r))
			     : put(&metrics.text, o.output);
	}
	mtls_buf_done(&metrics.text);
	return code;
}

/* clang-format off */
static const struct ctl_action actions[] = {
	{ CMD, "", "", "Prints what the daemons count and hold as OpenMetrics text. A daemon that does not run is\n"
	  "'up 0'. The node exporter's textfile collector reads the file of --output, NAME.prom",
	  0, 0, options, run_metrics },
};
/* clang-format on */

const struct ctl_command ctl_metrics = {
	.name = CMD,
	.help = "print what the daemons count, for Prometheus",
	.actions = actions,
	.count = MTLS_COUNT(actions),
};
