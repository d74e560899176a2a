# SPDX-License-Identifier: LGPL-2.1-or-later
# Everything speaks TAP: cmocka programs, shell and Python scripts. A unit test or fuzz target is
# registered in the local.mk of the module that it tests; here stands what belongs to no module.
TEST_EXTENSIONS = .sh .py
LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
SH_LOG_DRIVER = $(LOG_DRIVER)
PY_LOG_DRIVER = $(LOG_DRIVER)
SH_LOG_COMPILER = $(SHELL)
PY_LOG_COMPILER = $(PYTHON3) -B

AM_TESTS_ENVIRONMENT = \
	LC_ALL=C; export LC_ALL; \
	CMOCKA_MESSAGE_OUTPUT=TAP; export CMOCKA_MESSAGE_OUTPUT; \
	top_srcdir='$(abs_top_srcdir)'; export top_srcdir; \
	top_builddir='$(abs_top_builddir)'; export top_builddir; \
	MTLS_SANITIZERS='$(MTLS_SANITIZERS)'; export MTLS_SANITIZERS; \
	PAM_MTLS_SO='$(abs_top_builddir)/.libs/pam_mtls.so'; export PAM_MTLS_SO; \
	NSS_MTLS_SO='$(abs_top_builddir)/.libs/libnss_mtls.so.2'; export NSS_MTLS_SO; \
	MTLS_STAGE='$(E2E_STAGE)'; export MTLS_STAGE; \
	MTLS_PAMDIR='$(pamdir)'; export MTLS_PAMDIR; \
	MTLS_NSSDIR='$(nssdir)'; export MTLS_NSSDIR; \
	MTLS_LIBEXECDIR='$(pkglibexecdir)'; export MTLS_LIBEXECDIR; \
	MTLS_SBINDIR='$(sbindir)'; export MTLS_SBINDIR; \
	MTLS_CONFDIR='$(mtlssysconfdir)'; export MTLS_CONFDIR; \
	MTLS_STATEDIR='$(mtlsstatedir)'; export MTLS_STATEDIR; \
	MTLS_RUNDIR='$(mtlsrundir)'; export MTLS_RUNDIR;

# What has threads: .ci/run repeats these under --enable-sanitizers=thread.
TSAN_TESTS = tests/nss/test_load tests/nss/module_load.sh tests/nss/test_walk tests/unit/test_msg

TESTS += tests/check_includes.sh
EXTRA_DIST += tests/check_includes.sh tests/lint.sh

# A fuzz target is a C file with LLVMFuzzerTestOneInput. Built with --enable-fuzzing it is a
# libFuzzer program; else replay.c is its main() and `make check` runs it over its corpus,
# tests/fuzz/NAME.in/, one TAP line a file.
if FUZZING
FUZZ_MAIN =
else
FUZZ_MAIN = tests/fuzz/replay.c
TESTS += $(FUZZ_TARGETS)
endif
EXTRA_DIST += tests/fuzz/replay.c

check_DATA =
include tests/e2e/local.mk
