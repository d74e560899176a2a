/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rates between two answers of mtls-authd. One thread; holds no state. */
#include <config.h>

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "lib/base/clock.h"
#include "lib/base/str.h"
#include "lib/control/authd.h"
#include "tools/ctl_rates.h"

#define PATIENCE_MS 5000

void ctl_reading_take(struct ctl_reading *reading)
{
	ctl_daemon_ask(&reading->daemon, CTL_AUTHD, MTLS_AUTHD_VERB_STATUS, PATIENCE_MS);
	reading->at_ms = mtls_now_ms();
}

void ctl_reading_done(struct ctl_reading *reading)
{
	ctl_daemon_done(&reading->daemon);
	*reading = (struct ctl_reading){ 0 };
}

bool ctl_reading_good(const struct ctl_reading *reading)
{
	size_t at = 0;

	return reading->daemon.state == CTL_DAEMON_ANSWERED &&
	       ctl_daemon_item(&reading->daemon, "daemon", &at);
}

/* The next sample of @name; fields of the item, or NULL. */
static const struct mtls_control_fields *next_sample(const struct ctl_reading *reading,
						     const char *name, const char *label_value,
						     const char *except, size_t *at)
{
	const struct mtls_control_fields *f;

	while ((f = ctl_daemon_item(&reading->daemon, "counter", at))) {
		const char *value = mtls_control_get(f, "label-value");
		if (mtls_streq(ctl_field(f, "name"), name) &&
		    (!label_value || mtls_streq(value, label_value)) && !mtls_streq(value, except))
			return f;
	}
	return NULL;
}

static double sum(const struct ctl_reading *reading, const char *name, const char *label_value,
		  const char *except)
{
	const struct mtls_control_fields *f;
	double total = 0;

	for (size_t at = 0; (f = next_sample(reading, name, label_value, except, &at));)
		total += strtod(ctl_field(f, "value"), NULL);
	return total;
}

static int64_t started(const struct ctl_reading *reading)
{
	size_t at = 0;
	const struct mtls_control_fields *f = ctl_daemon_item(&reading->daemon, "daemon", &at);

	return f ? (int64_t)ctl_field_u64(f, "started") : 0;
}

double ctl_rates_of(const struct ctl_rates *rates, const char *name, const char *label_value,
		    const char *except)
{
	double grown = sum(rates->now, name, label_value, except);
	double seconds = (double)(rates->now->at_ms - rates->before->at_ms) / 1000;

	if (started(rates->now) == started(rates->before))
		grown -= sum(rates->before, name, label_value, except);
	return seconds > 0 && grown > 0 ? grown / seconds : 0;
}

double ctl_rates_now(const struct ctl_rates *rates, const char *name, const char *label_value)
{
	return sum(rates->now, name, label_value, NULL);
}

/* --- JSON --- */

/* {"NAME": {"LABEL-VALUE": number}}, "" for a sample without a label; counters as rates. */
static int add_sample(json_t *counters, json_t *gauges, const struct ctl_rates *rates,
		      const struct mtls_control_fields *f)
{
	const char *name = ctl_field(f, "name"), *value = ctl_field(f, "label-value");
	bool gauge = mtls_streq(ctl_field(f, "type"), "gauge");
	json_t *all = gauge ? gauges : counters;
	json_t *family = json_object_get(all, name);

	if (!gauge && !mtls_streq(ctl_field(f, "type"), "counter"))
		return 0;
	if (!family) {
		family = json_object();
		if (json_object_set_new(all, name, family) < 0)
			return -1;
	}
	double number = gauge ? ctl_rates_now(rates, name, *value ? value : NULL)
			      : ctl_rates_of(rates, name, *value ? value : NULL, NULL);
	return json_object_set_new(family, value, json_real(number));
}

json_t *ctl_rates_json(const struct ctl_rates *rates)
{
	json_t *counters = json_object(), *gauges = json_object();
	const struct mtls_control_fields *f;
	int r = counters && gauges ? 0 : -1;

	for (size_t at = 0; r == 0 && (f = ctl_daemon_item(&rates->now->daemon, "counter", &at));)
		r = add_sample(counters, gauges, rates, f);
	/* Takes the objects, also when it fails. */
	json_t *all = json_pack("{s:I, s:f, s:o, s:o}", "time", (json_int_t)time(NULL), "seconds",
				(double)(rates->now->at_ms - rates->before->at_ms) / 1000, "rates",
				counters, "gauges", gauges);
	if (r < 0) {
		json_decref(all);
		return NULL;
	}
	return all;
}
