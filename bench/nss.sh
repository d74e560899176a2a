#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Lookups of libnss_mtls beside a bare cdb and `files`, at 1,000 and 100,000 accounts.
exec sh "$top_srcdir/tests/nss/private.sh" "$top_builddir/bench/bench_nss" "$@"
