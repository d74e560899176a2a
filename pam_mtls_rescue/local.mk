# SPDX-License-Identifier: LGPL-2.1-or-later
# The module of last resort: libpam, libcrypt, libc, and nothing that may be missing or broken.
noinst_LTLIBRARIES += libpam_mtls_rescue_core.la
libpam_mtls_rescue_core_la_SOURCES = \
	%D%/options.c %D%/options.h \
	%D%/result.c %D%/result.h \
	%D%/tries.c %D%/tries.h

pammod_LTLIBRARIES += pam_mtls_rescue.la
pam_mtls_rescue_la_SOURCES = \
	%D%/module.c \
	%D%/rescue.c %D%/rescue.h
pam_mtls_rescue_la_LIBADD = libpam_mtls_rescue_core.la libpam_mtls_host.la $(LIBMTLS_RESCUE) \
	$(LIBMTLS_NAME) $(LIBMTLS_BASE) $(PAM_LIBS)
pam_mtls_rescue_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared $(MODULE_LDFLAGS) \
	-Wl,--version-script=$(srcdir)/%D%/pam_mtls_rescue.map
EXTRA_pam_mtls_rescue_la_DEPENDENCIES = %D%/pam_mtls_rescue.map
EXTRA_DIST += %D%/pam_mtls_rescue.map

dist_man_MANS += doc/pam_mtls_rescue.8

if HAVE_CMOCKA
UNIT_PAM_RESCUE = tests/unit/test_rescue_tries tests/unit/test_rescue_module
check_PROGRAMS += $(UNIT_PAM_RESCUE)
TESTS += $(UNIT_PAM_RESCUE)
UNIT_PAM_RESCUE_LIBS = libpam_mtls_rescue_core.la $(LIBMTLS_RESCUE) $(LIBMTLS_NAME) \
	$(LIBMTLS_BASE) $(CMOCKA_LIBS)
tests_unit_test_rescue_tries_SOURCES = tests/unit/test_rescue_tries.c
tests_unit_test_rescue_tries_LDADD = $(UNIT_PAM_RESCUE_LIBS)
tests_unit_test_rescue_module_SOURCES = tests/unit/test_rescue_module.c
tests_unit_test_rescue_module_LDADD = $(UNIT_PAM_RESCUE_LIBS)
endif
