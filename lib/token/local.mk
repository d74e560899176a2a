# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_LTLIBRARIES += libmtls_token.la
libmtls_token_la_SOURCES = \
	%D%/admin.c \
	%D%/filter.c \
	%D%/module.c \
	%D%/object.c \
	%D%/result.c \
	%D%/session.c \
	%D%/sign.c \
	%D%/slots.c \
	%D%/spki.c \
	%D%/text.c \
	%D%/token.h %D%/token_impl.h
