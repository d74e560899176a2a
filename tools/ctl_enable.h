/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the parts of mtlsctl enable share: its services on their way. */
#ifndef MTLS_TOOLS_CTL_ENABLE_H
#define MTLS_TOOLS_CTL_ENABLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "tools/ctl_pam_prove.h"
#include "tools/ctl_pam_state.h"

#define CTL_ENABLE_MAX 16 /* services at once */

/* One service on its way. */
struct ctl_enable_job {
	const char *service;
	struct ctl_pam_file file;
	struct mtls_stack *stack;
	struct mtls_stack_plan plan;
	char **includers; /* the services that change with it */
	struct mtls_buf now, absent;
	struct ctl_pam_state state;
	bool written;
};

struct ctl_enable_all {
	enum mtls_stack_mode mode;
	uint32_t confirm_s; /* 0: none */
	struct ctl_enable_job jobs[CTL_ENABLE_MAX];
	size_t count;
	struct ctl_prove prove;
	bool codes; /* there are rescue codes for root */
};

/* CTL_OK unless @service is enabled already, which is said. */
int ctl_enable_check_state(const char *service);

/* Puts what was planned and proven in place: all of it, or nothing. An exit code, after saying why.
 */
int ctl_enable_write(struct ctl_enable_all *all);

/* `mtlsctl enable --list`. An exit code. */
int ctl_enable_list(bool json);

/*
 * What it lists as an array of objects; what cannot be read has the phase "damaged", and why in its
 * note. NULL when memory is short.
 */
json_t *ctl_enable_states(void);

#endif
