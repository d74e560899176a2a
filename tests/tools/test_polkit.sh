#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The rule for polkit, run by the interpreter that polkit has: what user mtls-signer may do, and others.
. "$top_srcdir/tests/tools/tap.sh"
rule=$top_srcdir/dist/polkit/50-pam-mtls.rules

ask() { # USER ACTION
	{
		# As polkit's own rules/init.js has them.
		cat <<-'END'
			var rule, polkit = { Result: { NO: "no", YES: "yes", NOT_HANDLED: null },
				addRule: function (given) { rule = given; } };
		END
		cat "$rule"
		printf 'print(String(rule({ id: "%s" }, { user: "%s" })));\n' "$2" "$1"
	} >"$work/rule.js"
	duk "$work/rule.js"
}
says() { # USER ACTION ANSWER
	local answer
	answer=$(ask "$1" "$2")
	[ "$answer" = "$3" ] || echo "# $1, $2: $answer, wanted $3"
	[ "$answer" = "$3" ]
}
readers() { # USER ANSWER
	 says "$1" org.debian.pcsc-lite.access_pcsc "$2" && says "$1" org.debian.pcsc-lite.access_card "$2"; }
# The first two are "yes" for everybody by default: programs that stay, and work that holds up a shutdown.
others() { # USER ANSWER
	says "$1" org.freedesktop.login1.set-self-linger "$2" &&
		says "$1" org.freedesktop.login1.inhibit-delay-shutdown "$2" &&
		says "$1" org.freedesktop.systemd1.manage-units "$2"
}

if ! command -v duk >/dev/null; then
	echo "1..0 # SKIP no duk (package duktape)"
	exit 0
fi
readers mtls-signer yes
ok "the signer may use readers and cards"
others mtls-signer no
ok "and may do nothing else"
readers alice null
ok "for others the rule says nothing of readers"
others alice null
ok "nor of anything else"
finish
