#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# A first set-up with nothing but mtlsctl, in a private root, and what `mtlsctl try` says of it: init,
# issue --bind, the real daemon, an allowed login, and refusals that change one thing each.
if [ ! -e /run/mtls-private-root ]; then
	if [ "$(id -u)" != 0 ]; then
		echo '1..0 # SKIP needs root for a private root'
		exit 0
	fi
	exec sh "$top_srcdir/tests/private_root.sh" --stage "$MTLS_STAGE" -- sh "$0"
fi
. "$top_srcdir/tests/tools/tap.sh"
. "$top_srcdir/tests/tools/accountd.sh"
accountd_folder=$work
dir=$MTLS_CONFDIR
mtlsctl=$MTLS_SBINDIR/mtlsctl
authd=$MTLS_SBINDIR/mtls-authd
daemon=

for user in mtls-authd mtls-accountd mtls-signer; do useradd -r "$user"; done
useradd -m bob
useradd -m carol
rm -rf "$dir" "$MTLS_STATEDIR"
mkdir -p "$(dirname "$MTLS_STATEDIR")" "$MTLS_RUNDIR"
chmod 0755 "$MTLS_RUNDIR"
printf 'correct horse\n' >"$work/right"
printf 'wrong horse\n' >"$work/wrong"
printf '\n' >"$work/empty"

stop_daemon() {
	[ -z "$daemon" ] || { kill "$daemon" && wait "$daemon"; } 2>/dev/null
	daemon=
}
trap 'stop_daemon; accountd_kill; rm -rf "$work"' EXIT
start_daemon() {
	"$authd" >>"$work/authd.log" 2>&1 &
	daemon=$!
	tries=0
	until python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])' \
		"$MTLS_RUNDIR/authd.sock" 2>/dev/null; do
		tries=$((tries + 1))
		if ! kill -0 "$daemon" 2>/dev/null || [ $tries -gt 100 ]; then
			sed 's/^/# authd: /' "$work/authd.log"
			exit 99
		fi
	done
}
issue() { # USER ARGUMENT...
	run 0 sh -c 'exec "$@" 9<"$0"' "$work/right" "$mtlsctl" issue --passphrase-fd 9 "$@"
}
# attempt WANTED_STATUS USER SECRET_FILE ARGUMENT...
attempt() {
	status=$1 user=$2 secret=$3
	shift 3
	run "$status" sh -c 'exec "$@" 9<"$0"' "$work/$secret" runuser -u "$user" -- "$mtlsctl" try --passphrase-fd 9 "$@"
}

run 0 "$mtlsctl" init --name auth.example.org
ok 'init'
accountd_start "$MTLS_SBINDIR/mtls-accountd" || exit 99
issue bob --bind
ok 'issue --bind'
accountd_stop
ok 'the daemon of the accounts ends'
issue carol
ok 'issue without binding'
start_daemon

attempt 0 bob right && said out 'Access granted. (allowed)' && said out "account        bob, uid $(id -u bob)" &&
	said out 'audit id' && said out 'CN=bob'
ok 'allowed'
attempt 0 bob right --json && python3 -c '
import json, sys
d = json.load(open(sys.argv[1]))
assert d["allowed"] is True and d["reason"] == "allowed" and d["account"]["name"] == "bob"
assert d["certificate"]["subject"] == "CN=bob" and d["audit_id"] and d["rule"]
assert [s["step"] for s in d["steps"]] == ["configuration", "source", "key", "unlock", "signature", "checks"], d["steps"]' \
	"$work/out"
ok 'allowed, as JSON'
attempt 0 bob right --user bob --service sudo --key ~bob/.config/mtls/bob.pem
ok 'with account, service and key named'
attempt 3 bob wrong && said out '(secret-wrong)'
ok 'wrong passphrase'
attempt 3 bob empty && said out '(secret-empty)'
ok 'no passphrase'
attempt 3 bob right --user carol && said out 'refused' && ! grep -q 'account .*carol, uid' "$work/out"
ok "another's account"
attempt 3 carol right && said out '(unmapped)' && said out 'mtlsctl bind add'
ok 'a certificate without a binding'
attempt 3 carol right --json && python3 -c '
import json, sys
d = json.load(open(sys.argv[1]))
assert d["allowed"] is False and d["reason"] == "unmapped" and d["account"] is None and d["advice"] and d["audit_id"]' \
	"$work/out"
ok 'refused, as JSON'
attempt 1 bob right --key /nowhere.pem && said err "'/nowhere.pem': No such file"
ok 'a key file that does not exist'
attempt 3 bob right --key /etc/hostname && said out 'refused'
ok 'a file that is no key'
runuser -u bob -- cp ~bob/.config/mtls/bob.pem /home/bob/.config/mtls/second.pem
attempt 3 bob right && said out 'name one with --key'
ok 'several keys and nobody to choose'
rm ~bob/.config/mtls/second.pem
mv ~bob/.config/mtls/bob.pem ~bob/kept.pem
attempt 3 bob right && said out '(no-credential)'
ok 'no key'
openssl pkey -in ~bob/kept.pem -passin file:"$work/right" -out ~bob/.config/mtls/open.pem 2>/dev/null
openssl x509 -in ~bob/kept.pem >>~bob/.config/mtls/open.pem
chown bob: ~bob/.config/mtls/open.pem
chmod 0600 ~bob/.config/mtls/open.pem
attempt 3 bob right && said out '(key-unprotected)'
ok 'a key without passphrase'
cp "$dir/pam_mtls.conf" "$work/conf"
echo 'service sudo { presence = not-required }' >>"$dir/pam_mtls.conf"
attempt 0 bob right --service sudo && said out 'presence = not-required'
ok 'a key without passphrase, where the service allows it'
attempt 3 bob right --service su && said out '(key-unprotected)'
ok 'and no other service'
cp "$work/conf" "$dir/pam_mtls.conf"
rm ~bob/.config/mtls/open.pem
mv ~bob/kept.pem ~bob/.config/mtls/bob.pem

sed 's/auth.example.org/other.example.org/' "$work/conf" >"$dir/pam_mtls.conf"
attempt 3 bob right && said out '(server-name)'
ok 'another server name'
sed 's/server-ca/user-ca/' "$work/conf" >"$dir/pam_mtls.conf"
attempt 3 bob right && said out '(server-untrusted)' && ! grep -q '^signature' "$work/out"
ok 'a server of another CA gets no signature'
{ cat "$work/conf" && echo 'min_uid = 2000000'; } >"$dir/pam_mtls.conf"
attempt 3 bob right && said out '(min-uid)'
ok 'the module would not obey'
echo 'nonsense' >"$dir/pam_mtls.conf"
attempt 3 bob right && said out '(config)' && said out "$dir/pam_mtls.conf:1"
ok 'a configuration that is wrong'
cp "$work/conf" "$dir/pam_mtls.conf"
run 1 "$mtlsctl" try && said err 'not as root'
ok 'not as root'
stop_daemon
attempt 3 bob right && said out '(unreachable)'
ok 'no daemon'
[ "$(ps -eo comm= | grep -c mtls-signer)" = 0 ]
ok 'no signer is left'
finish
