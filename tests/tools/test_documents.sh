#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The manual page and the completion of mtlsctl name the commands and options that it has, no others.
. "$top_srcdir/tests/tools/tap.sh"
man=$top_srcdir/doc/mtlsctl.8
completion=$top_srcdir/dist/completion/mtlsctl

commands() { "$mtlsctl" --help | sed -n 's/^  \([a-z]*\) .*/\1/p' | sort; }
options() { "$mtlsctl" "$1" --help | grep -oE '(^|[ [])--[a-z-]+' | tr -d ' [' | grep -vx -- --help | sort -u; }
# The section .SS of a command in the page.
man_section() {
	sed -n "/^\.SS mtlsctl $1 /,/^\.S[HS] /p; /^\.SS mtlsctl $1\$/,/^\.S[HS] /p" "$man" | tr -d '\\'
}
complete_words() { # WORD...: what is offered for the last one
	bash -c '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _mtlsctl; printf "%s\n" "${COMPREPLY[@]}"' \
		bash "$completion" "$@" | sort
}

[ -n "$(commands)" ] && [ "$(sed -n 's/^\.SS mtlsctl \([a-z]*\).*/\1/p' "$man" | sort)" = "$(commands)" ]
ok 'the manual page has the commands'
[ "$(complete_words mtlsctl '' | grep -v '^-')" = "$(commands)" ]
ok 'the completion has the commands'
[ "$(complete_words mtlsctl is)" = issue ]
ok 'the completion completes a command'
for command in $(commands); do
	case $command in account | bind) continue ;; esac
	documented=$(man_section "$command" | grep -E '^\.(BI?|TP) ' | grep -oE '(^| )--[a-z-]+' | tr -d ' ' | sort -u)
	[ "$documented" = "$(options "$command")" ] || {
		echo "# the page: $documented; the program: $(options "$command")"
		false
	}
	ok "the manual page has the options of $command"
	[ "$(complete_words mtlsctl "$command" -- | grep -vx -- --help)" = "$(options "$command")" ]
	ok "the completion has the options of $command"
	for option in $(options "$command"); do
		# With a needed value, or without: either is accepted, or fails later for another reason.
		"$mtlsctl" "$command" "$option" >/dev/null 2>"$work/err" </dev/null
		! grep -q 'unrecognized option' "$work/err"
		ok "$command knows $option"
	done
done
finish
