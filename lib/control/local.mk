# SPDX-License-Identifier: LGPL-2.1-or-later
noinst_HEADERS += %D%/client.h %D%/accounts.h
