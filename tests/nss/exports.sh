#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# libnss_mtls.so.2 goes into every process: what it shows, what it needs, how it is linked.
set -u
n=0
result() { # name problem
	n=$((n + 1))
	if [ -z "$2" ]; then echo "ok $n - $1"; else
		echo "not ok $n - $1"
		echo "$2" | sed 's/^/# /'
	fi
}
want='_nss_mtls_endgrent
_nss_mtls_endpwent
_nss_mtls_endspent
_nss_mtls_getgrent_r
_nss_mtls_getgrgid_r
_nss_mtls_getgrnam_r
_nss_mtls_getpwent_r
_nss_mtls_getpwnam_r
_nss_mtls_getpwuid_r
_nss_mtls_getspent_r
_nss_mtls_getspnam_r
_nss_mtls_initgroups_dyn
_nss_mtls_setgrent
_nss_mtls_setpwent
_nss_mtls_setspent
_nss_x509_getgrnam_r
_nss_x509_getpwnam_r'
got=$(nm -D --defined-only "$NSS_MTLS_SO" | awk '{ print $NF }' | sort)
result "exports exactly the entry points" "$([ "$got" = "$want" ] || echo "exports: $got")"
dynamic=$(readelf -dW "$NSS_MTLS_SO")
soname=$(echo "$dynamic" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')
result "soname" "$([ "$soname" = libnss_mtls.so.2 ] || echo "soname '$soname'")"
result "stays loaded (nodelete)" "$(echo "$dynamic" | grep -q NODELETE || echo "no NODELETE")"
if [ "${MTLS_SANITIZERS:-no}" = no ]; then
	needed=$(echo "$dynamic" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | grep -v -e '^libc\.so' -e '^ld-linux')
	result "needs libc only" "$needed"
	banned=$(nm -D --undefined-only "$NSS_MTLS_SO" | awk '{ print $NF }' |
		grep -E '^(secure_)?getenv|^syslog|^pthread_|^socket|^connect|^exec|^fork|^abort|^exit|^system|^popen' |
		sed 's/@.*//' | grep -v '^pthread_setcancelstate$') # which only keeps itself whole
	result "calls nothing that a library in every process must not" "$banned"
else
	result "needs libc only # SKIP the sanitizer's runtime" ""
	result "calls nothing that a library in every process must not # SKIP the sanitizer's runtime" ""
fi
echo "1..$n"
