# SPDX-License-Identifier: LGPL-2.1-or-later
include %D%/store.mk
include %D%/source_files.mk

# Everything but main.c is a library, which the unit tests link too.
noinst_LTLIBRARIES += libmtls_accountd.la
libmtls_accountd_la_SOURCES = \
	%D%/accountd.h \
	%D%/audit.c %D%/audit.h \
	%D%/configuration.c %D%/configuration.h \
	%D%/conn.c %D%/conn.h \
	%D%/feed.c %D%/feed.h \
	%D%/import.c %D%/import.h \
	%D%/keeper.c %D%/keeper.h \
	%D%/landlock.c %D%/landlock.h \
	%D%/process.c %D%/process.h \
	%D%/publisher.c %D%/publisher.h \
	%D%/report.h \
	%D%/sandbox.c %D%/sandbox.h \
	%D%/sources.c %D%/sources.h \
	%D%/status.c %D%/status.h \
	%D%/supervisor.c %D%/supervisor.h \
	%D%/verbs.c %D%/verbs.h
if SANITIZERS
libmtls_accountd_la_SOURCES += %D%/sandbox_sanitizer.c
else
libmtls_accountd_la_SOURCES += %D%/sandbox_plain.c
endif
EXTRA_DIST += %D%/sandbox_sanitizer.c %D%/sandbox_plain.c

LIBMTLS_ACCOUNTD = libmtls_accountd.la libaccountd_store.la libaccountd_sources.la $(LIBMTLS_ROSTER) $(LIBMTLS_CONTROL) $(LIBMTLS_WIRE) \
	$(LIBMTLS_ACCTDB) $(LIBMTLS_CONF) $(LIBMTLS_NAME) $(LIBMTLS_SERVICE) $(LIBMTLS_BASE) \
	$(SQLITE_LIBS) $(UV_LIBS) $(SECCOMP_LIBS)

sbin_PROGRAMS += mtls-accountd
mtls_accountd_SOURCES = %D%/main.c
mtls_accountd_LDADD = $(LIBMTLS_ACCOUNTD)

# The daemon alone: as root, in a mount name space of its own.
ACCOUNTD_ROOT_TESTS = tests/accountd/start.py tests/accountd/hostile.py tests/accountd/faults.py \
	tests/accountd/service.py tests/accountd/crash.py tests/accountd/sources.py
EXTRA_DIST += $(ACCOUNTD_ROOT_TESTS) tests/accountd/world.py tests/accountd/snapshot.py
if E2E
TESTS += $(ACCOUNTD_ROOT_TESTS)
endif

# The crash test's faults.
check_LTLIBRARIES += tests/accountd/libcrash_shim.la
tests_accountd_libcrash_shim_la_SOURCES = tests/accountd/crash_shim.c
tests_accountd_libcrash_shim_la_CFLAGS = -std=gnu11 $(WARN_CFLAGS)
tests_accountd_libcrash_shim_la_LDFLAGS = -module -avoid-version -shared -rpath /nowhere

dist_man_MANS += doc/mtls-accountd.8

check_PROGRAMS += tests/accountd/confined
tests_accountd_confined_SOURCES = tests/accountd/confined.c
tests_accountd_confined_LDADD = $(LIBMTLS_ACCOUNTD)
if E2E
TESTS += tests/accountd/confined
endif
