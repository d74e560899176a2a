# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LTLIBRARIES += libmtls_audit.la
libmtls_audit_la_SOURCES = \
	%D%/lines.c %D%/lines.h \
	%D%/reader.c %D%/reader.h \
	%D%/record.c %D%/record.h

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_audit_reader
TESTS += tests/unit/test_audit_reader
tests_unit_test_audit_reader_SOURCES = tests/unit/test_audit_reader.c
tests_unit_test_audit_reader_LDADD = $(LIBMTLS_AUDIT) $(LIBMTLS_BASE) $(JANSSON_LIBS) $(CMOCKA_LIBS)
endif

FUZZ_TARGETS += tests/fuzz/fuzz_audit
tests_fuzz_fuzz_audit_SOURCES = tests/fuzz/fuzz_audit.c $(FUZZ_MAIN)
tests_fuzz_fuzz_audit_LDADD = $(LIBMTLS_AUDIT) $(LIBMTLS_BASE) $(JANSSON_LIBS)
tests_fuzz_fuzz_audit_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
EXTRA_DIST += tests/fuzz/fuzz_audit.in
