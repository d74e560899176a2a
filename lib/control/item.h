/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Items of a daemon's answer, made from pairs. Holds no state. */
#ifndef MTLS_CONTROL_ITEM_H
#define MTLS_CONTROL_ITEM_H

#include <stddef.h>
#include <stdint.h>

#include "lib/wire/msg.h"

struct mtls_control_pair {
	const char *name;
	const char *value; /* NULL: left out */
};

/* Room for a number's text in a pair. */
struct mtls_control_number {
	char text[24];
};

/* Decimal; the text is in @out. */
const char *mtls_control_number(struct mtls_control_number *out, uint64_t value);

/*
 * A ControlItem of @kind with @pairs. A value that a message cannot carry is made to fit: cut at
 * MTLS_CONTROL_VALUE_MAX bytes, and where it is not UTF-8 or has control characters, '?' stands for
 * such bytes. 0, -ENOMEM, MTLS_E_LIMIT, MTLS_E_EXISTS.
 */
int mtls_control_item_new(const char *kind, const struct mtls_control_pair *pairs, size_t count,
			  struct mtls_msg **ret);

/* Likewise for one sentence of at most MTLS_CONTROL_TEXT_MAX bytes: sets @field. 0 or -ENOMEM. */
int mtls_control_set_sentence(char **field, const char *text);

#endif
