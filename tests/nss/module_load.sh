#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Threads, children and a thousand snapshots, through glibc and the real libnss_mtls.so.2.
exec sh "$top_srcdir/tests/nss/private.sh" "$top_builddir/tests/nss/test_load" --module
