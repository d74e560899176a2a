#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Lists what a reader may find too long. Informs; never fails.
cd "${1:-.}" || exit 1
echo "functions over 60 lines:"
find lib signer pam_mtls pam_mtls_rescue nss_mtls authd accountd tools tests bench -name '*.c' | while read -r f; do
	awk -v f="$f" '/^[a-z].*\)$/ { name = $0 } /^\{/ { start = NR } /^\}/ { if (start && NR - start > 60)
		printf "  %4d  %s: %s\n", NR - start, f, name; start = 0 }' "$f"
done | sort -rn
echo "files over 600 lines:"
find lib signer pam_mtls pam_mtls_rescue nss_mtls authd accountd tools tests bench -name '*.[ch]' -exec wc -l {} + |
	awk '$2 != "total" && $1 > 600 { printf "  %4d  %s\n", $1, $2 }' | sort -rn
