#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# mtlsctl: the table of commands, init, issue. Needs no root but for what says so.
. "$top_srcdir/tests/tools/tap.sh"
dir=$work/mtls
secret='correct horse'

mode() { stat -c '%a %u' "$1"; }
issue() { # WANTED_STATUS ARGUMENT...: with the passphrase
	status=$1
	shift
	printf '%s\n' "$secret" >"$work/secret"
	run "$status" sh -c 'exec "$@" 9<"$0"' "$work/secret" "$mtlsctl" issue --dir "$dir" --passphrase-fd 9 "$@"
}
field() { openssl x509 -in "$1" -noout "$2" "$3"; }

# --- the table ---
run 0 "$mtlsctl" --help && said out 'Usage: mtlsctl COMMAND'
ok '--help'
run 0 "$mtlsctl" --version && said out 'mtlsctl (pam-mtls)'
ok '--version'
run 2 "$mtlsctl" && said err 'Usage:'
ok 'no command is a usage error'
run 2 "$mtlsctl" nonsense && said err "unknown command 'nonsense'"
ok 'an unknown command is a usage error'
run 1 sh -c '"$0" --help >/dev/full' "$mtlsctl" && said err 'cannot write'
ok 'output that cannot be written is a failure'
for command in $("$mtlsctl" --help | sed -n 's/^  \([a-z]*\) .*/\1/p'); do
	run 0 "$mtlsctl" "$command" --help && said out "Usage: mtlsctl $command"
	ok "$command --help"
	run 2 "$mtlsctl" "$command" --no-such-option
	ok "$command refuses unknown options"
done
for action in 'account add' 'account change' 'account remove' 'account list' 'account status' 'account import' \
	'account export' 'account publish' 'group add' 'group remove' 'group list' 'group join' 'group leave' \
	'bind add' 'bind remove' 'bind list'; do
	# shellcheck disable=SC2086
	run 0 "$mtlsctl" $action --help && said out "Usage: mtlsctl $action"
	ok "$action --help"
done

# --- init: refusals come before anything is made ---
run 2 "$mtlsctl" init --dir "$dir" && said err '--name is needed'
ok 'init needs a name'
run 2 "$mtlsctl" init --dir "$dir" --name 'a b' && said err 'not a DNS name'
ok 'init needs a DNS name'
run 2 "$mtlsctl" init --dir relative --name a.example && said err 'absolute path'
ok 'init needs an absolute path'
run 0 "$mtlsctl" init --dir "$dir" --name auth.example.org --dry-run && said out "would make $dir/server.pem" &&
	[ ! -e "$dir" ]
ok 'init --dry-run makes nothing'

mkdir -p "$work/open/private" && chmod 0777 "$work/open/private"
run 1 "$mtlsctl" init --dir "$work/open" --name a.example && said err "'$work/open/private' must be a folder" &&
	[ ! -e "$work/open/user-ca" ] && [ -z "$(ls "$work/open/private")" ]
ok 'init makes nothing where others may write'
if [ "$(id -u)" = 0 ]; then
	chmod 0755 "$work/open/private" && chown 12345 "$work/open/private"
	run 1 "$mtlsctl" init --dir "$work/open" --name a.example && said err 'uid 12345' &&
		[ ! -e "$work/open/user-ca" ]
	ok "init makes nothing in another's folder"
fi

# --- init ---
umask 000
run 0 "$mtlsctl" init --dir "$dir" --name auth.example.org && said out "made       $dir/user-ca/ca.pem"
ok 'init'
umask 022
[ "$(mode "$dir/private/user-ca.key")" = "600 $(id -u)" ] && [ "$(mode "$dir/private/server-ca.key")" = "600 $(id -u)" ]
ok 'the keys of the CAs are for their owner alone'
case $(mode "$dir/private/server.key") in "600 $(id -u)" | "640 $(id -u)") true ;; *) false ;; esac
ok "the server's key is not for others"
[ "$(mode "$dir/private")" = "710 $(id -u)" ] && [ "$(mode "$dir")" = "755 $(id -u)" ] &&
	[ "$(mode "$dir/server.pem")" = "644 $(id -u)" ] && [ "$(mode "$dir/authd.conf")" = "644 $(id -u)" ]
ok 'folders and public files'
! find "$dir" -name '*.??????' | grep .
ok 'no temporary file is left'
openssl verify -x509_strict -CAfile "$dir/server-ca/ca.pem" -purpose sslserver -verify_hostname auth.example.org \
	"$dir/server.pem" >"$work/out" 2>&1
ok "the server's certificate verifies for its name, as a server"
! openssl verify -CAfile "$dir/user-ca/ca.pem" "$dir/server.pem" >"$work/out" 2>&1
ok "the server's certificate does not come from the CA for persons"
! openssl verify -CAfile "$dir/server-ca/ca.pem" -purpose sslclient "$dir/server.pem" >"$work/out" 2>&1
ok "the server's certificate is no client's"
field "$dir/user-ca/ca.pem" -ext basicConstraints,keyUsage >"$work/out" &&
	said out 'CA:TRUE, pathlen:0' && said out 'Certificate Sign, CRL Sign'
ok 'the CA is a CA with path length 0'
for cert in user-ca/ca.pem server-ca/ca.pem server.pem; do
	field "$dir/$cert" -serial -text | grep -A1 'Serial Number' | grep -qE '([0-9a-f]{2}:){19}[0-9a-f]{2}$' &&
		field "$dir/$cert" -ext subjectKeyIdentifier,authorityKeyIdentifier >"$work/out" &&
		said out 'X509v3 Subject Key Identifier' && said out 'X509v3 Authority Key Identifier'
	ok "$cert has a serial of 20 octets and key identifiers"
done
field "$dir/server.pem" -checkend $((824 * 86400)) >/dev/null && ! field "$dir/server.pem" -checkend $((826 * 86400)) >/dev/null
ok "the server's certificate holds 825 days"
openssl crl -in "$dir/user-ca/crl.pem" -CAfile "$dir/user-ca/ca.pem" -noout -text >"$work/out" 2>"$work/err" &&
	said err 'verify OK' && said out 'No Revoked Certificates'
ok 'the first CRL is empty and verifies'

# --- init again ---
run 0 "$mtlsctl" init --dir "$dir" --name auth.example.org --json && python3 -c '
import json, sys
said = json.load(open(sys.argv[1]))
assert said["dry_run"] is False and {f["state"] for f in said["files"]} == {"kept"}
assert sys.argv[2] + "/user-ca/ca.pem" in [f["file"] for f in said["files"]]' "$work/out" "$dir"
ok 'init --json'
(cd "$dir" && find . -type f -exec sha256sum {} +) | sort >"$work/before"
run 0 "$mtlsctl" init --dir "$dir" --name other.example.org && said out "kept       $dir/server.pem" &&
	! grep -q '^made' "$work/out"
ok 'init again keeps everything'
(cd "$dir" && find . -type f -exec sha256sum {} +) | sort | cmp -s - "$work/before"
ok 'not a byte has changed'
mv "$dir/private/server.key" "$work/server.key"
run 1 "$mtlsctl" init --dir "$dir" --name auth.example.org && said err "there by half: '$dir/server.pem' exists" &&
	[ ! -e "$dir/private/server.key" ]
ok 'a certificate without its key is refused'
mv "$work/server.key" "$dir/private/server.key"
mv "$dir/user-ca/ca.pem" "$work/ca.pem"
rm "$dir/user-ca/crl.pem"
run 1 "$mtlsctl" init --dir "$dir" --name auth.example.org && said err "'$dir/user-ca/ca.pem' does not" &&
	[ ! -e "$dir/user-ca/crl.pem" ]
ok 'a key without its certificate is refused, and nothing else is made'
ln -s /nowhere "$dir/user-ca/ca.pem"
run 1 "$mtlsctl" init --dir "$dir" --name auth.example.org
ok 'a dangling link is not a certificate, and is not followed'
rm "$dir/user-ca/ca.pem"
mv "$work/ca.pem" "$dir/user-ca/ca.pem"
run 0 "$mtlsctl" init --dir "$dir" --name auth.example.org && said out "made       $dir/user-ca/crl.pem" &&
	openssl crl -in "$dir/user-ca/crl.pem" -CAfile "$dir/user-ca/ca.pem" -noout >"$work/out" 2>&1 && said out 'verify OK'
ok 'a missing CRL is made by the CA that was kept'
rm "$dir/server.pem" "$dir/private/server.key"
run 0 "$mtlsctl" init --dir "$dir" --name new.example.org &&
	openssl verify -CAfile "$dir/server-ca/ca.pem" -verify_hostname new.example.org "$dir/server.pem" >"$work/out" 2>&1
ok "a server's certificate is made by the CA that was kept"
chmod 0644 "$dir/private/server-ca.key"
rm "$dir/server.pem" "$dir/private/server.key"
run 1 "$mtlsctl" init --dir "$dir" --name new.example.org && said err 'is a secret that others may read'
ok 'a CA key that others may read is refused'
chmod 0600 "$dir/private/server-ca.key"
cp "$dir/private/server-ca.key" "$work/key"
cp "$dir/private/user-ca.key" "$dir/private/server-ca.key"
run 1 "$mtlsctl" init --dir "$dir" --name new.example.org && said err 'does not belong to the certificate'
ok 'a CA key of another certificate is refused'
cp "$work/key" "$dir/private/server-ca.key"
run 0 "$mtlsctl" init --dir "$dir" --name new.example.org
ok 'and with the right one it goes on'

# --- issue ---
out=$work/person.pem
issue 0 person --out "$out" && said out "made       $out" && [ "$(mode "$out")" = "600 $(id -u)" ]
ok 'issue'
openssl verify -x509_strict -crl_check -CAfile "$dir/user-ca/ca.pem" -CRLfile "$dir/user-ca/crl.pem" -purpose sslclient \
	"$out" >"$work/out" 2>&1
ok "a person's certificate verifies as a client's"
! openssl verify -CAfile "$dir/user-ca/ca.pem" -purpose sslserver "$out" >"$work/out" 2>&1
ok "a person's certificate is no server's"
[ "$(field "$out" -subject -nameopt=RFC2253)" = 'subject=CN=person' ]
ok 'its name is the account by default'
openssl pkey -in "$out" -passin "pass:$secret" -pubout >"$work/a" 2>/dev/null && field "$out" -pubkey -noout >"$work/b" &&
	cmp -s "$work/a" "$work/b"
ok 'the key belongs to the certificate'
grep -q 'BEGIN ENCRYPTED PRIVATE KEY' "$out" && ! grep -q 'BEGIN PRIVATE KEY' "$out" &&
	! openssl pkey -in "$out" -passin pass:wrong -noout 2>/dev/null
ok 'the key is encrypted'
issue 1 person --out "$out" && said err "'$out' exists already and is kept"
ok 'issue never overwrites'
sha=$(openssl x509 -in "$out" -outform DER | sha256sum | cut -d' ' -f1)
spki=$(openssl x509 -in "$out" -pubkey -noout | openssl pkey -pubin -outform DER | sha256sum | cut -d' ' -f1)
serial=$(field "$out" -serial -noout | sed 's/.*=//' | tr A-F a-f)
issue 0 person --out "$work/json.pem" --json && python3 -c '
import json, sys
said = json.load(open(sys.argv[1]))
kinds = [key.split(":")[0] for key in said["keys"]]
assert kinds == ["sha256", "spki-sha256", "issuer-serial", "subject"] and said["file"] == sys.argv[2]
assert said["account"] == "person" and said["bound"] is False' "$work/out" "$work/json.pem"
ok 'issue --json'
issue 0 person --out "$work/second.pem" --cn 'Ms. Person, "quoted"' --days 10
sha=$(openssl x509 -in "$work/second.pem" -outform DER | sha256sum | cut -d' ' -f1)
spki=$(openssl x509 -in "$work/second.pem" -pubkey -noout | openssl pkey -pubin -outform DER | sha256sum | cut -d' ' -f1)
serial=$(field "$work/second.pem" -serial -noout | sed 's/.*=//' | tr A-F a-f)
said out "sha256:$sha" && said out "spki-sha256:$spki" &&
	said out "issuer-serial:$serial:CN=auth.example.org user CA" &&
	said out 'subject:CN=Ms. Person\, \"quoted\"'
ok 'issue prints the keys to bind, of every kind'
field "$work/second.pem" -checkend $((9 * 86400)) >/dev/null && ! field "$work/second.pem" -checkend $((11 * 86400)) >/dev/null
ok '--days'
issue 0 person --out "$work/long.pem" --days 3650 &&
	! openssl x509 -in "$work/long.pem" -noout -checkend $((3650 * 86400 + 60)) >/dev/null
ok 'a certificate does not outlive its CA'
secret=''
issue 1 person --out "$work/empty.pem" && said err 'the passphrase is empty' && [ ! -e "$work/empty.pem" ]
ok 'an empty passphrase is refused'
secret=short
issue 0 person --out "$work/short.pem" && said err 'less than 8 characters'
ok 'a short passphrase is warned of'
secret=$(printf 'a\tb')
issue 1 person --out "$work/control.pem" && said err 'control character'
ok 'a passphrase with a control character is refused'
secret=$(printf '%0513d' 0)
issue 1 person --out "$work/long2.pem" && said err 'over a limit'
ok 'a passphrase over the limit is refused'
secret='correct horse'
run 1 setsid "$mtlsctl" issue person --dir "$dir" --out "$work/tty.pem" && said err 'no terminal'
ok 'without a terminal it says so'
ask1() { run "$1" python3 "$top_srcdir/tests/tools/ask.py" "$2" -- "$mtlsctl" issue person --dir "$dir" --out "$work/$3"; }
ask2() { run "$1" python3 "$top_srcdir/tests/tools/ask.py" "$2" "$3" -- "$mtlsctl" issue person --dir "$dir" --out "$work/$4"; }
ask2 0 'typed words' 'typed words' typed.pem && openssl pkey -in "$work/typed.pem" -passin 'pass:typed words' -noout &&
	said out 'The same again: ' && ! grep -q 'typed words' "$work/out"
ok 'the passphrase is asked twice, and not shown'
ask2 1 'typed words' 'other words' differ.pem && said out 'the two passphrases differ' && [ ! -e "$work/differ.pem" ]
ok 'two passphrases that differ'
ask1 1 '' nothing.pem && said out 'the passphrase is empty' && [ ! -e "$work/nothing.pem" ]
ok 'an empty answer'
ask1 130 '^C' interrupted.pem && [ ! -e "$work/interrupted.pem" ]
ok 'the interrupt key ends it, and the terminal shows what is typed again'
for bad in '../x' 'a b' '' "$(printf 'a\nb')"; do
	issue 2 "$bad" --out "$work/bad.pem" && said err 'not an account name'
	ok "the account name '$(echo "$bad" | tr '\n' '?')' is refused"
done
issue 2 --out "$work/bad.pem" && said err 'USER is missing'
ok 'issue needs a person'
for bad in 0 3651 x -1; do
	issue 2 person --out "$work/bad.pem" --days "$bad"
	ok "--days $bad is refused"
done
issue 1 no-such-account-x && said err "there is no account 'no-such-account-x' here"
ok 'a person without an account needs --out'
chmod 0640 "$dir/private/user-ca.key"
[ "$(id -u)" = 0 ] && chgrp 12345 "$dir/private/user-ca.key"
issue 1 person --out "$work/bad.pem" && said err 'is a secret that others may read'
ok 'issue refuses a CA key that others may read'
chmod 0600 "$dir/private/user-ca.key"
rm "$dir/private/user-ca.key"
issue 1 person --out "$work/bad.pem" && said err "cannot open '$dir/private/user-ca.key'" && [ ! -e "$work/bad.pem" ]
ok 'issue without a CA key names the file'
finish
