# SPDX-License-Identifier: LGPL-2.1-or-later
check_PROGRAMS += tests/pam/pam_host
tests_pam_pam_host_SOURCES = tests/pam/pam_host.c
tests_pam_pam_host_LDADD = $(PAM_LIBS)

# Stands before the allocator, so it is built without a sanitizer.
check_LTLIBRARIES += tests/pam/libnomem.la
tests_pam_libnomem_la_SOURCES = tests/pam/nomem.c
tests_pam_libnomem_la_CFLAGS = -std=gnu11 -D_GNU_SOURCE -fvisibility=hidden -fno-builtin $(WARN_CFLAGS)
tests_pam_libnomem_la_LDFLAGS = -module -avoid-version -shared -rpath /nowhere

TESTS += tests/pam/module.sh
EXTRA_DIST += tests/pam/module.sh tests/pam/flows.py tests/pam/nomem.py
if E2E
TESTS += tests/pam/flows.py tests/pam/nomem.py
endif
