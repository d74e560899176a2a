# SPDX-License-Identifier: LGPL-2.1-or-later
# CTL_ACCOUNT_SOURCES and what they need stand in accountd/local.mk.
sbin_PROGRAMS += mtlsctl
mtlsctl_SOURCES = \
	%D%/mtlsctl.c %D%/ctl.h \
	%D%/ctl_common.c %D%/ctl_common.h \
	%D%/ctl_init.c \
	%D%/ctl_issue.c \
	%D%/ctl_x509.c %D%/ctl_x509.h
mtlsctl_LDADD = \
	$(LIBMTLS_CERT) $(LIBMTLS_CONF) $(LIBMTLS_NAME) \
	$(GNUTLS_LIBS) $(LIBMTLS_BASE)

TESTS += tests/tools/test_mtlsctl.sh tests/tools/test_issue_home.sh
EXTRA_DIST += tests/tools/tap.sh tests/tools/test_mtlsctl.sh tests/tools/test_issue_home.sh
