# SPDX-License-Identifier: LGPL-2.1-or-later
# Everything but the entry points is a library of its own, so that tests and the fuzzer give it a
# snapshot of theirs.
noinst_LTLIBRARIES += libnss_mtls_core.la
libnss_mtls_core_la_SOURCES = \
	%D%/db.c %D%/db.h \
	%D%/lookup.h \
	%D%/pack.c %D%/pack.h \
	%D%/walk.c %D%/walk.h \
	%D%/passwd.c %D%/group.c %D%/initgroups.c %D%/shadow.c %D%/x509.c

LIBNSS_MTLS_CORE = libnss_mtls_core.la libmtls_acctdb_read.la $(CDB_PIC_LIBS) $(LIBMTLS_NAME) $(LIBMTLS_BASE)

# glibc looks for lib*.so.2 and nothing else: no development link, no further version.
# "exec" in the name makes automake install it before the hook below runs.
nssexecdir = $(nssdir)
nssexec_LTLIBRARIES = libnss_mtls.la
libnss_mtls_la_SOURCES = %D%/entry.c %D%/entry.h
libnss_mtls_la_LIBADD = $(LIBNSS_MTLS_CORE)
libnss_mtls_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -shared -shrext .so.2 $(MODULE_LDFLAGS) \
	-Wl,--gc-sections -Wl,--version-script=$(srcdir)/%D%/nss_mtls.map
EXTRA_libnss_mtls_la_DEPENDENCIES = %D%/nss_mtls.map
EXTRA_DIST += %D%/nss_mtls.map

# One library under two names: the second serves certificate keys (service x509).
INSTALL_EXEC_HOOKS += install-nss-hook
install-nss-hook:
	cd '$(DESTDIR)$(nssdir)' && rm -f libnss_mtls.la && ln -sf libnss_mtls.so.2 libnss_x509.so.2
UNINSTALL_HOOKS += uninstall-nss-hook
uninstall-nss-hook:
	rm -f '$(DESTDIR)$(nssdir)/libnss_mtls.so.2' '$(DESTDIR)$(nssdir)/libnss_x509.so.2'

NSS_FIXTURE = tests/nss/fixture.c tests/nss/fixture.h tests/nss/people.c tests/nss/people.h
NSS_RAW = tests/nss/raw.c tests/nss/raw.h
NSS_MODEL = tests/nss/model.c tests/nss/model.h $(NSS_RAW)
LIBNSS_TEST = libnss_mtls_core.la $(LIBMTLS_ACCTDB) $(LIBMTLS_NAME) $(LIBMTLS_BASE)

check_PROGRAMS += tests/nss/test_load tests/nss/test_module tests/nss/ask
tests_nss_ask_SOURCES = tests/nss/ask.c
tests_nss_test_load_SOURCES = tests/nss/test_load.c $(NSS_FIXTURE)
tests_nss_test_load_LDADD = $(LIBNSS_TEST) -lpthread
tests_nss_test_module_SOURCES = tests/nss/test_module.c $(NSS_FIXTURE)
tests_nss_test_module_LDADD = $(LIBNSS_TEST) -ldl -lpam

TESTS += tests/nss/test_load tests/nss/exports.sh
NSS_ROOT_TESTS = tests/nss/module.sh tests/nss/module_load.sh tests/nss/accounts.sh
EXTRA_DIST += tests/nss/exports.sh tests/nss/private.sh tests/nss/format1.cdb $(NSS_ROOT_TESTS)
# They need root and the folder that the state folder lies in.
if E2E
TESTS += $(NSS_ROOT_TESTS)
endif

if HAVE_CMOCKA
NSS_UNIT = tests/nss/test_nss tests/nss/test_property tests/nss/test_evil tests/nss/test_formats \
	tests/nss/test_walk
check_PROGRAMS += $(NSS_UNIT)
TESTS += $(NSS_UNIT)
tests_nss_test_nss_SOURCES = tests/nss/test_nss.c $(NSS_FIXTURE)
tests_nss_test_nss_LDADD = $(LIBNSS_TEST) $(CMOCKA_LIBS)
tests_nss_test_property_SOURCES = tests/nss/test_property.c $(NSS_MODEL) $(NSS_FIXTURE)
tests_nss_test_property_LDADD = $(LIBNSS_TEST) $(CMOCKA_LIBS)
tests_nss_test_evil_SOURCES = tests/nss/test_evil.c $(NSS_MODEL) $(NSS_FIXTURE)
tests_nss_test_evil_LDADD = $(LIBNSS_TEST) $(CMOCKA_LIBS)
tests_nss_test_formats_SOURCES = tests/nss/test_formats.c $(NSS_MODEL) $(NSS_FIXTURE)
tests_nss_test_formats_LDADD = $(LIBNSS_TEST) $(CMOCKA_LIBS)
tests_nss_test_walk_SOURCES = tests/nss/test_walk.c $(NSS_FIXTURE)
tests_nss_test_walk_LDADD = $(LIBNSS_TEST) $(CMOCKA_LIBS) -lpthread
endif

dist_man_MANS += doc/nss_mtls.8
