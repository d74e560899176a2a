# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LTLIBRARIES += libmtls_pamstack.la
libmtls_pamstack_la_SOURCES = \
	%D%/pamstack.h \
	%D%/edit.c \
	%D%/parse.c \
	%D%/shape.c

if HAVE_CMOCKA
UNIT_PAMSTACK = tests/unit/test_pamstack
check_PROGRAMS += $(UNIT_PAMSTACK)
TESTS += $(UNIT_PAMSTACK)
tests_unit_test_pamstack_SOURCES = tests/unit/test_pamstack.c
tests_unit_test_pamstack_LDADD = $(LIBMTLS_PAMSTACK) $(LIBMTLS_BASE) $(CMOCKA_LIBS)
endif

FUZZ_TARGETS += tests/fuzz/fuzz_pamstack
tests_fuzz_fuzz_pamstack_SOURCES = tests/fuzz/fuzz_pamstack.c $(FUZZ_MAIN)
tests_fuzz_fuzz_pamstack_LDADD = $(LIBMTLS_PAMSTACK) $(LIBMTLS_BASE)
tests_fuzz_fuzz_pamstack_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
EXTRA_DIST += tests/fuzz/fuzz_pamstack.in
