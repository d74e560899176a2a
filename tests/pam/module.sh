#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The module in the small PAM host, as far as it gets without a signer and a daemon: configuration,
# phases without an authenticate of ours, kinds of host program. TAP.
set -u
[ "$(id -u)" -eq 0 ] || { echo "1..0 # SKIP needs root: files that root owns, other uids"; exit 0; }
host=$top_builddir/tests/pam/pam_host
dir=$(mktemp -d) || exit 99
trap 'rm -rf "$dir"' EXIT
chmod 755 "$dir"
# A copy: the build folder may be closed to the unprivileged rows.
module=$dir/pam_mtls.so
cp "$PAM_MTLS_SO" "$module" && chmod 644 "$module" || exit 99
n=0

# Service files. After an IGNORE of ours the deny is jumped over, so the phase succeeds; after a
# SUCCESS it denies; a failure is returned as it is.
service() { # name arguments
	cat >"$dir/$1" <<-END
		auth [ignore=1 success=ok default=die] $module $2
		auth requisite pam_deny.so
		auth required pam_permit.so
		account [ignore=1 success=ok default=die] $module $2
		account requisite pam_deny.so
		account required pam_permit.so
		session [ignore=1 success=ok default=die] $module $2
		session requisite pam_deny.so
		session required pam_permit.so
		password [ignore=1 success=ok default=die] $module $2
		password requisite pam_deny.so
		password required pam_permit.so
	END
}

# expect NAME SERVICE "LINE LINE..." ARGS...: every LINE (spaces written as ~) must be printed.
expect() {
	name=$1 service=$2 lines=$3
	shift 3
	out=$("$host" --confdir "$dir" --service "$service" "$@" 2>&1)
	rc=$?
	bad=
	[ $rc -eq 0 ] || bad="exit $rc"
	for line in $lines; do
		want=$(echo "$line" | tr '~' ' ')
		echo "$out" | grep -qxF -- "$want" || bad="$bad; no line '$want'"
	done
	n=$((n + 1))
	if [ -z "$bad" ]; then
		echo "ok $n - $name"
	else
		echo "not ok $n - $name"
		echo "# $bad"
		echo "$out" | head -30 | sed 's/^/# /'
	fi
	last=$out
}
lacks() { # NAME PATTERN: the last output has no such line
	n=$((n + 1))
	if echo "$last" | grep -qE -- "$2"; then echo "not ok $n - $1"; else echo "ok $n - $1"; fi
}

good=$dir/good.conf
echo 'server_name = "auth.internal"' >"$good"
echo 'server_name = ' >"$dir/syntax.conf"
echo 'no_such_key = 1' >"$dir/key.conf"
cp "$good" "$dir/writable.conf"
chmod 666 "$dir/writable.conf"
mkdir "$dir/folder.conf"
ln -s "$good" "$dir/link.conf"
service missing "config=$dir/none.conf"
for kind in good syntax key writable folder link; do
	service "$kind" "config=$dir/$kind.conf"
done
service relative "config=good.conf"
service twice "config=$good config=$good"
service argument "config=$good no_such_argument=1"
service enforce "config=$good account=enforce"

unset SSLKEYLOGFILE
config='error:~Certificate~login~is~not~set~up~correctly.~(config)'
for kind in missing syntax key writable folder link relative twice argument; do
	expect "configuration: $kind" "$kind" "auth:~PAM_AUTHINFO_UNAVAIL $config" --user root
	expect "configuration: $kind, account phase" "$kind" "acct:~PAM_PERM_DENIED $config" \
		--user root --phases acct
	expect "configuration: $kind, other phases" "$kind" \
		"setcred:~PAM_SUCCESS open:~PAM_SUCCESS close:~PAM_SUCCESS delete:~PAM_SUCCESS chauthtok:~PAM_SUCCESS" \
		--user root --phases setcred,open,close,delete,chauthtok
done
expect "silent, as sudo is: the reason is told" missing "auth:~PAM_AUTHINFO_UNAVAIL $config" \
	--user root --silent
expect "no conversation" missing "auth:~PAM_AUTHINFO_UNAVAIL" --user root --noconv

expect "a login of others is none of ours" good \
	"acct:~PAM_SUCCESS setcred:~PAM_SUCCESS open:~PAM_SUCCESS close:~PAM_SUCCESS" \
	--user root --phases acct,setcred,open,close
lacks "a login of others: nothing said, nothing set" '^(error|info|env)'
expect "a login of others where a certificate is enforced" enforce \
	"acct:~PAM_PERM_DENIED error:~A~certificate~is~needed~here,~and~none~was~used.~(certificate-required)" \
	--user root --phases acct

expect "nobody known" good \
	"auth:~PAM_USER_UNKNOWN error:~Unknown~account.~(user-unknown)" --user no-such-user
expect "a name outside the grammar" good "auth:~PAM_USER_UNKNOWN" --user '../../etc/x y'
no_source='error:~No~key~can~be~used~with~this~program.~(no-source)'
expect "root at a root host" good "auth:~PAM_AUTHINFO_UNAVAIL $no_source" --user root
expect "from a remote host" good "auth:~PAM_AUTHINFO_UNAVAIL $no_source" --user nobody --rhost far
expect "from a remote host that cannot be sent on" good "auth:~PAM_AUTHINFO_UNAVAIL $no_source" \
	--user nobody --rhost "$(printf 'far\033[2J')"
expect "no name, none given" good \
	"auth:~PAM_USER_UNKNOWN error:~Unknown~account.~(user-unknown)" --answer ''
expect "no name, asked for" good "prompt-on:~login: auth:~PAM_AUTHINFO_UNAVAIL user:~root" \
	--answer root
expect "no name, nobody to ask" good "auth:~PAM_CONV_ERR" --noconv
expect "no name, silent" good "prompt-on:~login: auth:~PAM_AUTHINFO_UNAVAIL" --silent --answer root
expect "a locker asks for another" good \
	"auth:~PAM_AUTH_ERR error:~You~cannot~unlock~another~person's~account~here.~(not-person)" \
	--user root --run-as 65534
expect "a caller without account" good "auth:~PAM_USER_UNKNOWN" --user root --setuid-of 54321
expect "later phases after a failed authenticate" good \
	"auth:~PAM_AUTHINFO_UNAVAIL acct:~PAM_SUCCESS open:~PAM_SUCCESS" \
	--user root --phases auth,acct,open

# The kernel's word, in a mount namespace of its own. IGNORE shows as the success of what follows.
cmdline=$dir/cmdline
echo 'root=/dev/vda1 ro mtls=off quiet' >"$cmdline"
plain=$host
host=$dir/host
cat >"$host" <<-END
	#!/bin/sh
	exec unshare -m sh -c 'mount --bind $cmdline /proc/cmdline && exec $plain "\$@"' pam_host "\$@"
END
chmod 755 "$host"
expect "mtls=off: authenticate steps aside" good "auth:~PAM_SUCCESS" --user root
lacks "mtls=off: nothing is said" '^(error|info|prompt)'
expect "mtls=off: a broken configuration too" missing \
	"auth:~PAM_SUCCESS acct:~PAM_SUCCESS setcred:~PAM_SUCCESS open:~PAM_SUCCESS" \
	--user root --phases auth,acct,setcred,open
expect "mtls=off: nothing is enforced" enforce "acct:~PAM_SUCCESS" --user root --phases acct
echo 'root=/dev/vda1 ro mtls=offline quiet' >"$cmdline"
expect "mtls=offline is another word" good "auth:~PAM_AUTHINFO_UNAVAIL $no_source" --user root
echo 'root=/dev/vda1 ro mtls=off quiet' >"$cmdline"
chown 65534 "$cmdline"
expect "mtls=off from a file that is not root's" good "auth:~PAM_AUTHINFO_UNAVAIL $no_source" \
	--user root
host=$plain

SSLKEYLOGFILE=$dir/keys
export SSLKEYLOGFILE
expect "secrets shall be written" good \
	"auth:~PAM_AUTH_ERR error:~This~program~is~told~to~write~the~secrets~of~its~connections~to~a~file.~(keylog)" \
	--user nobody
unset SSLKEYLOGFILE

expect "threads" good "1:~auth:~PAM_AUTHINFO_UNAVAIL 8:~auth:~PAM_AUTHINFO_UNAVAIL children:~0" \
	--user root --threads 8 --repeat 20 --sigchld ignore
n=$((n + 1))
if echo "$last" | awk '/^fds: / { same = $2 == $3 } END { exit !same }'; then
	echo "ok $n - no descriptor is left"
else
	echo "not ok $n - no descriptor is left"
fi
echo "1..$n"
