# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LTLIBRARIES += libmtls_conf.la
libmtls_conf_la_SOURCES = \
	%D%/conf.c %D%/conf.h %D%/internal.h \
	%D%/args.c \
	%D%/doc.c \
	%D%/dump.c \
	%D%/file.c \
	%D%/guard.c \
	%D%/value.c

if HAVE_CMOCKA
UNIT_CONF = tests/unit/test_conf
check_PROGRAMS += $(UNIT_CONF)
TESTS += $(UNIT_CONF)
tests_unit_test_conf_SOURCES = tests/unit/test_conf.c
tests_unit_test_conf_LDADD = libmtls_conf.la $(CONFUSE_LIBS) $(LIBMTLS_BASE) $(CMOCKA_LIBS)
endif
