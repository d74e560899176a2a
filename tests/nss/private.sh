#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Runs a program with an empty state folder of its own and this build's libnss_mtls as both
# services: in a mount name space, so that the machine's own files are neither seen nor touched.
#	private.sh PROGRAM [ARGUMENT...]
set -eu
if [ "${1:-}" != --inside ]; then
	if [ "$(id -u)" != 0 ]; then
		echo "1..0 # SKIP needs root for a private mount name space"
		exit 0
	fi
	modules=$(mktemp -d)
	trap 'rm -rf "$modules"' EXIT
	ln -s "$NSS_MTLS_SO" "$modules/libnss_mtls.so.2"
	ln -s "$NSS_MTLS_SO" "$modules/libnss_x509.so.2"
	status=0
	unshare -m sh "$0" --inside "$modules" "$@" || status=$?
	exit "$status"
fi
modules=$2
shift 2
above=${MTLS_STATEDIR%/*}
[ -d "$above" ] || { echo "Bail out! there is no $above"; exit 99; }
mount -t tmpfs -o mode=755 tmpfs "$above"
mount -t tmpfs -o mode=755 tmpfs /run
touch /run/mtls-test-private
LD_LIBRARY_PATH=$modules exec "$@"
