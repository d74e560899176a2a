# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LTLIBRARIES += libmtls_base.la
libmtls_base_la_SOURCES = \
	%D%/cleanup.h \
	%D%/err.c %D%/err.h \
	%D%/bootword.c %D%/bootword.h \
	%D%/buf.c %D%/buf.h \
	%D%/str.c %D%/str.h \
	%D%/log.c %D%/log.h \
	%D%/file.c %D%/file.h \
	%D%/clock.c %D%/clock.h \
	%D%/stream.c %D%/stream.h \
	%D%/when.c %D%/when.h \
	%D%/wipe.c %D%/wipe.h

if HAVE_CMOCKA
UNIT_BASE = tests/unit/test_base tests/unit/test_when
check_PROGRAMS += $(UNIT_BASE)
TESTS += $(UNIT_BASE)
tests_unit_test_base_SOURCES = tests/unit/test_base.c
tests_unit_test_base_LDADD = $(LIBMTLS_BASE) $(CMOCKA_LIBS)
tests_unit_test_when_SOURCES = tests/unit/test_when.c
tests_unit_test_when_LDADD = $(LIBMTLS_BASE) $(CMOCKA_LIBS)
endif
