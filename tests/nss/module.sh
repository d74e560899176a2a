#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The real libnss_mtls.so.2 with the path that is compiled in.
exec sh "$top_srcdir/tests/nss/private.sh" "$top_builddir/tests/nss/test_module"
