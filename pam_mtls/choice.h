/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Questions with a number as the answer. */
#ifndef PAM_MTLS_CHOICE_H
#define PAM_MTLS_CHOICE_H

#include "pam_mtls/prompt.h"

/*
 * Asks @question (English, with the place {count}) for a number from 1 to @count, after the person
 * has read what the numbers mean. Results as prompt_number().
 */
int choice_ask(const struct prompt *prompt, const char *question, size_t count, size_t *ret_index);

/*
 * A mtls_exchange_choose; @ctx is the struct prompt. Which of the accounts that belong to the
 * certificate: an index, or negative.
 */
int choice_account(void *ctx, char *const *candidates, size_t count);

#endif
