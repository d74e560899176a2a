# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LTLIBRARIES += libmtls_trust.la
libmtls_trust_la_SOURCES = %D%/trust.c %D%/trust.h
