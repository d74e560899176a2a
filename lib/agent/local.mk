# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LTLIBRARIES += libmtls_agent.la
LIBMTLS_AGENT = libmtls_agent.la
libmtls_agent_la_SOURCES = \
	%D%/agent.c %D%/agent.h %D%/agent_impl.h \
	%D%/keys.c \
	%D%/locked.c \
	%D%/signature.c

if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_agent
TESTS += tests/unit/test_agent
tests_unit_test_agent_SOURCES = tests/unit/test_agent.c
tests_unit_test_agent_CFLAGS = $(AM_CFLAGS) -pthread
tests_unit_test_agent_LDADD = $(LIBMTLS_AGENT) $(LIBMTLS_BASE) $(CMOCKA_LIBS) -lpthread
endif

FUZZ_TARGETS += tests/fuzz/fuzz_agent
tests_fuzz_fuzz_agent_SOURCES = tests/fuzz/fuzz_agent.c $(FUZZ_MAIN)
tests_fuzz_fuzz_agent_LDADD = $(LIBMTLS_AGENT) $(LIBMTLS_BASE)
tests_fuzz_fuzz_agent_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
EXTRA_DIST += tests/fuzz/fuzz_agent.in
