# SPDX-License-Identifier: LGPL-2.1-or-later
# Rescue codes: for pam_mtls_rescue.so and mtlsctl. The only user of libcrypt.
noinst_LTLIBRARIES += libmtls_rescue.la
libmtls_rescue_la_SOURCES = \
	%D%/code.c %D%/code.h \
	%D%/hash.c %D%/hash.h \
	%D%/set.c %D%/set.h \
	%D%/store.c %D%/store.h

if HAVE_CMOCKA
UNIT_RESCUE = tests/unit/test_rescue_code tests/unit/test_rescue_set
check_PROGRAMS += $(UNIT_RESCUE)
TESTS += $(UNIT_RESCUE)
UNIT_RESCUE_LIBS = $(LIBMTLS_RESCUE) $(LIBMTLS_NAME) $(LIBMTLS_BASE) $(CMOCKA_LIBS)
tests_unit_test_rescue_code_SOURCES = tests/unit/test_rescue_code.c
tests_unit_test_rescue_code_LDADD = $(UNIT_RESCUE_LIBS)
tests_unit_test_rescue_set_SOURCES = tests/unit/test_rescue_set.c
tests_unit_test_rescue_set_LDADD = $(UNIT_RESCUE_LIBS)
endif

FUZZ_TARGETS += tests/fuzz/fuzz_rescue
tests_fuzz_fuzz_rescue_SOURCES = tests/fuzz/fuzz_rescue.c $(FUZZ_MAIN)
tests_fuzz_fuzz_rescue_LDADD = $(LIBMTLS_RESCUE) $(LIBMTLS_NAME) $(LIBMTLS_BASE)
tests_fuzz_fuzz_rescue_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
EXTRA_DIST += tests/fuzz/fuzz_rescue.in
