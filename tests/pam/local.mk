# SPDX-License-Identifier: LGPL-2.1-or-later
check_PROGRAMS += tests/pam/pam_host
tests_pam_pam_host_SOURCES = tests/pam/pam_host.c
tests_pam_pam_host_LDADD = $(PAM_LIBS)

TESTS += tests/pam/module.sh
EXTRA_DIST += tests/pam/module.sh tests/pam/flows.py
if E2E
TESTS += tests/pam/flows.py
endif
