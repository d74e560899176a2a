/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Service files. The lines of what is read are all its bytes; what is understood is composed, read
 * again, and comes out of strip as it went in. The first byte chooses the mode; files that are
 * included have the same text, so that they may include themselves.
 */
#include <config.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/pamstack/pamstack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

struct source {
	const uint8_t *data;
	size_t size;
	unsigned int budget; /* files: each includes many */
};

static int load(void *ctx, const char *name, struct mtls_stack **ret, struct mtls_diag *diag)
{
	static const char common[] = "auth [success=1 default=ignore] pam_unix.so\n"
				     "auth requisite pam_deny.so\nauth required pam_permit.so\n";
	struct source *source = ctx;

	if (source->budget-- == 0)
		return mtls_diag_set(diag, MTLS_E_LIMIT, "enough");
	if (strcmp(name, "common-auth") == 0)
		return mtls_stack_parse(common, sizeof(common) - 1, ret, diag);
	return mtls_stack_parse(source->data, source->size, ret, diag);
}

static void look(const struct mtls_stack *stack, const uint8_t *data, size_t size)
{
	size_t at = 0;

	for (size_t i = 0; i < stack->count; i++) {
		const struct mtls_stack_line *line = &stack->lines[i];
		must(line->start == at && line->len > 0);
		at += line->len;
		must(mtls_stack_jump(line) == 0 || line->kind == MTLS_STACK_CALL);
		(void)mtls_stack_may_admit(line);
		must((line->kind == MTLS_STACK_EMPTY) == !line->target);
	}
	must(at == size && stack->len == size && memcmp(stack->text, data, size) == 0);
}

static void there_and_back(const struct mtls_stack *stack, const struct mtls_stack_plan *plan)
{
	_cleanup_buf_ struct mtls_buf text = MTLS_BUF(1 << 20), back = MTLS_BUF(1 << 20);
	_cleanup_(mtls_stack_freep) struct mtls_stack *composed = NULL;

	must(mtls_stack_compose(stack, plan, false, &text) == 0);
	if (text.len > MTLS_STACK_FILE_MAX || stack->count + 16 > MTLS_STACK_LINES_MAX)
		return;
	must(mtls_stack_parse(text.data, text.len, &composed, NULL) == 0);
	must(mtls_stack_strip(composed, &back, NULL) == 0);
	must(back.len == stack->len && memcmp(back.data, stack->text, back.len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(mtls_stack_freep) struct mtls_stack *stack = NULL;
	_cleanup_buf_ struct mtls_buf advice = MTLS_BUF(1 << 20), stripped = MTLS_BUF(1 << 20);
	struct mtls_stack_plan plan;
	struct mtls_diag diag = { 0 };

	if (size == 0)
		return 0;
	enum mtls_stack_mode mode = data[0] & 1 ? MTLS_STACK_REQUIRED : MTLS_STACK_SUFFICIENT;
	struct source source = { .data = data + 1, .size = size - 1, .budget = 200 };
	int r = mtls_stack_parse(data + 1, size - 1, &stack, &diag);
	must((r == 0) == (diag.text[0] == '\0'));
	if (r < 0)
		return 0;
	look(stack, data + 1, size - 1);
	must(mtls_stack_advice(stack, mode, &advice) == 0);
	r = mtls_stack_strip(stack, &stripped, NULL);
	must((r == MTLS_E_NOTFOUND) == !mtls_stack_marked(stack));
	r = mtls_stack_understand(stack, mode, load, &source, &plan, &diag);
	must((r == 0) == (diag.text[0] == '\0'));
	if (r == 0)
		there_and_back(stack, &plan);
	return 0;
}
