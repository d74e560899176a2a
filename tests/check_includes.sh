#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Who may include whom (ARCHITECTURE.md, "Layers"). TAP, one result a folder.
set -u
cd "${top_srcdir:-.}" || exit 99

# folder: the folders whose headers it may include, besides its own. "lib/x" means lib/x/*.
rules='
lib/base:
lib/name:lib/base
lib/service:lib/base
lib/acctdb:lib/base lib/name
lib/conf:lib/base
lib/settings:lib/base lib/name lib/conf
lib/pamstack:lib/base
lib/rescue:lib/base lib/name
lib/roster:lib/base lib/name
lib/control:lib/base lib/wire
lib/wire:lib/base
lib/tls:lib/base lib/wire
lib/cert:lib/base lib/name lib/wire
lib/verify:lib/base lib/cert lib/wire
lib/audit:lib/base
lib/mapping:lib/base lib/name lib/wire lib/cert
lib/trust:lib/base lib/settings lib/verify lib/wire
lib/token:lib/base lib/wire
lib/agent:lib/base lib/wire
lib/client:lib/base lib/name lib/wire lib/tls lib/cert lib/settings signer
signer:lib/base lib/name lib/wire lib/tls lib/conf lib/settings lib/cert lib/token lib/agent
pam_mtls:lib/base lib/name lib/settings lib/wire lib/client signer
pam_mtls_rescue:lib/base lib/rescue pam_mtls
nss_mtls:lib/base lib/name lib/acctdb
authd:lib/base lib/service lib/name lib/wire lib/conf lib/settings lib/tls lib/cert lib/verify lib/mapping lib/trust lib/audit lib/control
accountd:lib/base lib/service lib/name lib/wire lib/conf lib/settings lib/acctdb lib/roster lib/control
tools:lib/base lib/service lib/name lib/wire lib/conf lib/settings lib/tls lib/cert lib/verify lib/mapping lib/trust lib/audit lib/client lib/acctdb lib/rescue lib/roster lib/control lib/pamstack lib/token lib/agent signer
'
# library header pattern: the only folders that may include it
owners='
libtasn1.h:lib/wire
confuse.h:lib/conf
cdb.h:lib/acctdb bench tests/nss
uv.h:authd accountd
sqlite3.h:accountd tests/unit
nettle/:signer lib/token tests
seccomp.h:authd signer accountd
crypt.h:lib/rescue
openssl/:bench
p11-kit/:lib/token tests/unit tests/e2e
libintl.h:pam_mtls
security/pam_:pam_mtls pam_mtls_rescue tools tests bench
'
n=0
result() { # ok? name details
	n=$((n + 1))
	if [ -z "$2" ]; then echo "ok $n - $1"; else
		echo "not ok $n - $1"
		echo "$2" | sed 's/^/# /'
	fi
}

for rule in $(echo "$rules" | tr ' ' ','); do
	folder=${rule%%:*}
	allowed=$(echo "${rule#*:}" | tr ',' ' ')
	bad=$(grep -HnE '^#include "' "$folder"/*.[ch] 2>/dev/null | while IFS=: read -r file line text; do
		target=$(echo "$text" | sed 's/^#include "\([^"]*\)".*/\1/')
		ok=no
		for a in $folder $allowed; do
			[ "${target%/*}" = "$a" ] && ok=yes
		done
		[ "$ok" = yes ] || echo "$file:$line includes \"$target\"; $folder may include: $folder $allowed"
	done)
	result "includes of $folder" "$bad"
done
for rule in $(echo "$owners" | tr ' ' ','); do
	header=${rule%%:*}
	allowed=$(echo "${rule#*:}" | tr ',' ' ')
	bad=$(grep -rnE "^#include <$header" --include='*.[ch]' lib signer pam_mtls pam_mtls_rescue nss_mtls authd accountd tools bench tests 2>/dev/null |
		while IFS=: read -r file line text; do
			ok=no
			for a in $allowed; do case $file in "$a"/*) ok=yes ;; esac; done
			[ "$ok" = yes ] || echo "$file:$line: <$header> is for: $allowed"
		done)
	result "users of $header" "$bad"
done
echo "1..$n"
exit 0
