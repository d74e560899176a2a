#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The manual page and the completion of mtlsctl name the commands and options that it has, no others.
. "$top_srcdir/tests/tools/tap.sh"
man=$top_srcdir/doc/mtlsctl.8
completion=$top_srcdir/dist/completion/mtlsctl

commands() { "$mtlsctl" --help | sed -n 's/^  \([a-z]*\) .*/\1/p' | sort; }
# The actions of a command; none for most.
actions() { "$mtlsctl" "$1" --help | sed -n "s/^\(Usage:\)\? *mtlsctl $1 \([a-z]*\)\( .*\)\?\$/\2/p" | grep -v "^\$"; }
# COMMAND [ACTION]
options() { "$mtlsctl" "$@" --help | grep -oE '(^|[ [])--[a-z-]+' | tr -d ' [' | grep -vx -- --help | sort -u; }
# The section .SS of a command or action in the page.
man_section() {
	sed -n "/^\.SS mtlsctl $* /,/^\.S[HS] /p; /^\.SS mtlsctl $*\$/,/^\.S[HS] /p" "$man" | tr -d '\\'
}
complete_words() { # WORD...: what is offered for the last one
	bash -c '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _mtlsctl; printf "%s\n" "${COMPREPLY[@]}"' \
		bash "$completion" "$@" | sort
}

[ -n "$(commands)" ] && [ "$(sed -n 's/^\.SS mtlsctl \([a-z]*\).*/\1/p' "$man" | sort -u)" = "$(commands)" ]
ok 'the manual page has the commands'
[ "$(complete_words mtlsctl '' | grep -v '^-')" = "$(commands)" ]
ok 'the completion has the commands'
[ "$(complete_words mtlsctl is)" = issue ]
ok 'the completion completes a command'

# COMMAND [ACTION]: its options are in the page, in the completion, and known to the program.
check_options() {
	documented=$(man_section "$@" | grep -E '^\.(BI?|TP) ' | grep -oE '(^| )--[a-z-]+' | tr -d ' ' | sort -u)
	[ "$documented" = "$(options "$@")" ] || {
		echo "# the page: $documented; the program: $(options "$@")"
		false
	}
	ok "the manual page has the options of $*"
	[ "$(complete_words mtlsctl "$@" -- | grep -vx -- --help)" = "$(options "$@")" ]
	ok "the completion has the options of $*"
	for option in $(options "$@"); do
		# With a needed value, or without: either is accepted, or fails later for another reason.
		"$mtlsctl" "$@" "$option" >/dev/null 2>"$work/err" </dev/null
		! grep -qE "unrecognized option|'$option' is no option|unknown action" "$work/err"
		ok "$* knows $option"
	done
}

for command in $(commands); do
	if [ -z "$(actions "$command")" ]; then
		check_options "$command"
		continue
	fi
	[ "$(complete_words mtlsctl "$command" '' | grep -v '^-')" = "$(actions "$command" | sort)" ]
	ok "the completion has the actions of $command"
	[ "$(sed -n "s/^\.SS mtlsctl $command \([a-z]*\).*/\1/p" "$man")" = "$(actions "$command")" ]
	ok "the manual page has the actions of $command"
	for action in $(actions "$command"); do
		man_section "$command" "$action" | grep -q .
		ok "the manual page has $command $action"
		check_options "$command" "$action"
	done
done
[ "$(complete_words mtlsctl account export --format j)" = json ]
ok 'the completion has values'
finish
