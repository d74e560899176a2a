# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LTLIBRARIES += libmtls_roster.la
libmtls_roster_la_SOURCES = \
	%D%/roster.c %D%/roster.h %D%/roster_impl.h \
	%D%/text.c \
	%D%/colon.c \
	%D%/csv.c \
	%D%/check.c \
	%D%/write.c

if HAVE_CMOCKA
UNIT_ROSTER = tests/unit/test_roster
check_PROGRAMS += $(UNIT_ROSTER)
TESTS += $(UNIT_ROSTER)
tests_unit_test_roster_SOURCES = tests/unit/test_roster.c
tests_unit_test_roster_LDADD = $(LIBMTLS_ROSTER) $(LIBMTLS_NAME) $(LIBMTLS_BASE) $(CMOCKA_LIBS)
endif

FUZZ_TARGETS += tests/fuzz/fuzz_roster
tests_fuzz_fuzz_roster_SOURCES = tests/fuzz/fuzz_roster.c $(FUZZ_MAIN)
tests_fuzz_fuzz_roster_LDADD = $(LIBMTLS_ROSTER) $(LIBMTLS_NAME) $(LIBMTLS_BASE)
tests_fuzz_fuzz_roster_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
EXTRA_DIST += tests/fuzz/fuzz_roster.in
