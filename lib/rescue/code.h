/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rescue codes as people read and type them: 20 characters of Crockford's alphabet (digits and
 * letters without I, L, O, U) in five groups, "7KQ2-M0XN-4WHD-9ZRT-E5C8". 19 are random, which is
 * 95 bits; the last one is a check character, so that a slip of the finger is noticed before
 * anything is hashed or counted. Pure, but for the random numbers.
 */
#ifndef MTLS_RESCUE_CODE_H
#define MTLS_RESCUE_CODE_H

#define MTLS_RESCUE_CODE_LEN   20 /* characters of the canonical form */
#define MTLS_RESCUE_CODE_GROUP 4
#define MTLS_RESCUE_TYPED_MAX  256 /* bytes that anybody may type */

/* Canonical form: upper case, no separators. */
struct mtls_rescue_code {
	char text[MTLS_RESCUE_CODE_LEN + 1];
};

/* As it is printed, with its separators. */
struct mtls_rescue_shown {
	char text[MTLS_RESCUE_CODE_LEN + MTLS_RESCUE_CODE_LEN / MTLS_RESCUE_CODE_GROUP];
};

/* A new code from the kernel's random numbers. 0 or -errno. */
int mtls_rescue_code_new(struct mtls_rescue_code *ret);

/*
 * What a person typed: either case, spaces and '-' anywhere, I and L for 1, O for 0. 0, or
 * MTLS_E_SYNTAX for anything that is no code, be it by one wrong character or by two swapped ones.
 */
int mtls_rescue_code_read(const char *typed, struct mtls_rescue_code *ret);

void mtls_rescue_code_show(const struct mtls_rescue_code *code, struct mtls_rescue_shown *ret);

#endif
