# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LTLIBRARIES += libmtls_settings.la
libmtls_settings_la_SOURCES = \
	%D%/accountd.c %D%/accountd.h \
	%D%/authd.c %D%/authd.h \
	%D%/pam_mtls.c %D%/pam_mtls.h \
	%D%/settings.h %D%/value.c

if HAVE_CMOCKA
UNIT_SETTINGS = tests/unit/test_settings
check_PROGRAMS += $(UNIT_SETTINGS)
TESTS += $(UNIT_SETTINGS)
tests_unit_test_settings_SOURCES = tests/unit/test_settings.c
# The test lets allocations of our own code fail one after another.
tests_unit_test_settings_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=calloc,--wrap=malloc,--wrap=realloc \
	-Wl,--wrap=reallocarray,--wrap=strdup,--wrap=strndup
tests_unit_test_settings_LDADD = $(LIBMTLS_CONF) $(LIBMTLS_NAME) $(LIBMTLS_BASE) $(CMOCKA_LIBS)
endif

FUZZ_TARGETS += tests/fuzz/fuzz_conf
tests_fuzz_fuzz_conf_SOURCES = tests/fuzz/fuzz_conf.c $(FUZZ_MAIN)
tests_fuzz_fuzz_conf_LDADD = $(LIBMTLS_CONF) $(LIBMTLS_NAME) $(LIBMTLS_BASE)
tests_fuzz_fuzz_conf_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
EXTRA_DIST += tests/fuzz/fuzz_conf.in
