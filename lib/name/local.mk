# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LTLIBRARIES += libmtls_name.la
libmtls_name_la_SOURCES = \
	%D%/account.c %D%/account.h %D%/packaged.c \
	%D%/id.c %D%/id.h \
	%D%/dn.c %D%/dn_parse.c %D%/dn.h %D%/dn_types.h \
	%D%/key.c %D%/key.h

if HAVE_CMOCKA
UNIT_NAME = tests/unit/test_account tests/unit/test_dn tests/unit/test_key
check_PROGRAMS += $(UNIT_NAME)
TESTS += $(UNIT_NAME)
tests_unit_test_account_SOURCES = tests/unit/test_account.c
tests_unit_test_account_LDADD = $(LIBMTLS_NAME) $(LIBMTLS_BASE) $(CMOCKA_LIBS)
tests_unit_test_dn_SOURCES = tests/unit/test_dn.c
tests_unit_test_dn_LDADD = $(LIBMTLS_NAME) $(LIBMTLS_BASE) $(CMOCKA_LIBS)
tests_unit_test_key_SOURCES = tests/unit/test_key.c
tests_unit_test_key_LDADD = $(LIBMTLS_NAME) $(LIBMTLS_BASE) $(CMOCKA_LIBS)
endif

FUZZ_TARGETS += tests/fuzz/fuzz_dn
tests_fuzz_fuzz_dn_SOURCES = tests/fuzz/fuzz_dn.c $(FUZZ_MAIN)
tests_fuzz_fuzz_dn_LDADD = $(LIBMTLS_NAME) $(LIBMTLS_BASE)
tests_fuzz_fuzz_dn_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
EXTRA_DIST += tests/fuzz/fuzz_dn.in
