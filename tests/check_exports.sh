#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# What the PAM modules and the TLS half show to a host program, and what they bring into it. TAP.
set -u
libs=${top_builddir:-.}/.libs
module=${PAM_MTLS_SO:-$libs/pam_mtls.so}
half=$libs/libmtls_exchange.so
rescue=$libs/pam_mtls_rescue.so
n=0
same() { # name wanted found
	n=$((n + 1))
	if [ "$2" = "$3" ]; then
		echo "ok $n - $1"
	else
		echo "not ok $n - $1"
		echo "# wanted: $2" | tr '\n' ' '
		echo
		echo "# found:  $3" | tr '\n' ' '
		echo
	fi
}
exports() { # file: the defined dynamic symbols, one line
	nm -D --defined-only "$1" | awk '{ print $NF }' | LC_ALL=C sort | tr '\n' ' '
}
needs() { # file pattern: matching entries of DT_NEEDED, one line
	readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | grep -E "$2" | tr '\n' ' '
}

for file in "$module" "$rescue"; do
	same "$(basename "$file") exports the six entry points" \
		"pam_sm_acct_mgmt pam_sm_authenticate pam_sm_chauthtok pam_sm_close_session pam_sm_open_session pam_sm_setcred " \
		"$(exports "$file")"
done
same "libmtls_exchange.so exports its table" "mtls_half " "$(exports "$half")"
same "pam_mtls.so brings no crypto, ASN.1 or TLS half with it" "" \
	"$(needs "$module" 'gnutls|tasn1|nettle|hogweed|p11|crypto|ssl|mtls')"
# The way back depends on nothing that may be broken.
same "pam_mtls_rescue.so needs libpam, libcrypt and the C library" "libcrypt.so.1 libpam.so.0 " \
	"$(needs "$rescue" '.' | tr ' ' '\n' | grep -vE '^(libc\.so|ld-linux|libasan|libubsan|libtsan)' | LC_ALL=C sort | tr '\n' ' ' | sed 's/^ *//')"
same "libmtls_exchange.so names GnuTLS itself" "libgnutls.so.30 " "$(needs "$half" gnutls)"
for file in "$module" "$half" "$rescue"; do
	same "$(basename "$file") stays mapped and is bound at once" "NODELETE NOW " \
		"$(readelf -d "$file" | sed -n 's/.*(FLAGS_1).*Flags: //p' | tr ' ' '\n' | LC_ALL=C sort | tr '\n' ' ' | sed 's/^ *//')"
done
echo "1..$n"
