#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The manual page and the completion of mtlsctl name the commands and options that it has, no others.
. "$top_srcdir/tests/tools/tap.sh"
man=$top_srcdir/doc/mtlsctl.8
completion=$top_srcdir/dist/completion/mtlsctl

same() { # WHAT HAS WANTED
	[ "$2" = "$3" ] && return
	echo "# $1:"
	diff <(echo "$2") <(echo "$3") | sed 's/^/# /'
	return 1
}
commands() { "$mtlsctl" --help | sed -n 's/^  \([a-z-]*\) .*/\1/p'; }
# The usage lines of a command, without "mtlsctl": COMMAND [ACTION] [ARGUMENT...]
synopses() { "$mtlsctl" "$1" --help | sed -n 's/^\(Usage:\|      \) mtlsctl \(.*\)/\2/p' | sed 's/ \[OPTION\.\.\.\]$//'; }
# The actions of a command; none for most. An action is a word in small letters.
actions() { synopses "$1" | sed -n "s/^$1 \([a-z]\{1,\}\)\( .*\)\?\$/\1/p"; }
# COMMAND [ACTION]: "--name VALUE" a line
options() { "$mtlsctl" "$@" --help | sed -n 's/^  \(--[a-z0-9-]*\( [^ ]\{1,\}\)\?\)\( .*\)\?$/\1/p' | sort; }
# The section .SS of a command or action in the page.
man_section() {
	tr -d '\\' <"$man" | sed -n "/^\.SS mtlsctl $* /,/^\.S[HS] /p; /^\.SS mtlsctl $*\$/,/^\.S[HS] /p"
}
man_options() {
	man_section "$@" | sed -n 's/^\.BI\? \(--[a-z0-9-]*\)\( "\( [^"]*\)"\)\?$/\1\3/p' | sort
}
complete_words() { # WORD...: what is offered for the last one
	PATH=$top_builddir:$PATH bash -c '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _mtlsctl
		printf "%s\n" "${COMPREPLY[@]}"' bash "$completion" "$@"
}

[ -n "$(commands)" ] && same 'commands of the page' \
	"$(tr -d '\\' <"$man" | sed -n 's/^\.SS mtlsctl \([a-z-]*\).*/\1/p' | sort -u)" "$(commands | sort)"
ok 'the manual page has the commands'
same 'completion of commands' "$(complete_words mtlsctl '' | grep -v '^-')" "$(commands)"
ok 'the completion has the commands'
[ "$(complete_words mtlsctl iss)" = issue ]
ok 'the completion completes a command'

# COMMAND [ACTION]: its options are in the page, in the completion, and known to the program.
check_options() {
	same 'options of the page' "$(man_options "$@")" "$(options "$@")"
	ok "the manual page has the options of $*"
	same 'completion of options' "$(complete_words mtlsctl "$@" -- | grep -vx -- --help | sort)" \
		"$(options "$@" | cut -d ' ' -f 1 | sort)"
	ok "the completion has the options of $*"
	for option in $(options "$@" | cut -d ' ' -f 1); do
		# Nothing is done: the option, or its value, is followed by one that does not exist.
		"$mtlsctl" "$@" "$option" value --no-such-option >/dev/null 2>"$work/err" </dev/null
		[ $? = 2 ] && grep -q "'--no-such-option' is no option" "$work/err"
		ok "$* knows $option"
	done
}

for command in $(commands); do
	same 'headings of the page' "$(tr -d '\\' <"$man" | sed -n "s/^\.SS mtlsctl \($command\( .*\)\?\)$/\1/p")" \
		"$(synopses "$command")"
	ok "the manual page has the arguments of $command"
	if [ -z "$(actions "$command")" ]; then
		check_options "$command"
		continue
	fi
	same 'completion of actions' "$(complete_words mtlsctl "$command" '' | grep -v '^-')" "$(actions "$command")"
	ok "the completion has the actions of $command"
	for action in $(actions "$command"); do
		check_options "$command" "$action"
	done
done

# The exit codes of tools/ctl.h, and those of the page.
same 'exit codes' "$(sed -n '/^\.SH EXIT STATUS/,/^\.SH FILES/s/^\.B \([0-9]*\)$/\1/p' "$man")" \
	"$(sed -n 's/^\tCTL_[A-Z_]* = \([0-9]*\),.*/\1/p' "$top_srcdir/tools/ctl.h")"
ok 'the manual page has the exit codes'

while read -r want words; do
	# shellcheck disable=SC2086 # words
	complete_words mtlsctl $words | grep -qx -- "$want" || echo "# $words: $(complete_words mtlsctl $words | head -n 3)"
	# shellcheck disable=SC2086
	complete_words mtlsctl $words | grep -qx -- "$want"
	ok "completion: $words has $want"
done <<'END'
json account export --format j
issuer-serial bind add root --kind i
root issue ro
root bind list ro
root try --user ro
/etc/passwd account import --dry-run /etc/passw
/usr/bin issue root --dir /usr/b
--help account --he
--cert bind add root --dry-run --ce
END
[ -z "$(complete_words mtlsctl issue --days 3)" ] && [ -z "$(complete_words mtlsctl nothing x)" ]
ok 'the completion offers nothing where it knows nothing'

# Other shells, where they are.
skip() {
	n=$((n + 1))
	echo "ok $n - $1 # SKIP $2"
}
if command -v fish >/dev/null; then
	HOME=$work PATH=$top_builddir:$PATH fish -c "source '$top_srcdir/dist/completion/mtlsctl.fish'
		complete -C 'mtlsctl iss'; complete -C 'mtlsctl account export --format j'; complete -C 'mtlsctl issue root --dir /usr/b'" >"$work/out" 2>&1
	[ "$(cut -f 1 "$work/out" | tr '\n' ' ')" = 'issue json /usr/bin/ ' ]
	ok 'fish completes commands, values and folders'
else
	skip 'fish completes commands, values and folders' 'no fish'
fi
if command -v zsh >/dev/null; then
	cat >"$work/zsh" <<-'END'
		zmodload zsh/zpty
		zpty z zsh -f -i
		zpty -w z 'fpath=('$1' $fpath); autoload -U compinit; compinit -u -D; bindkey "^I" complete-word'
		zpty -w z $'mtlsctl iss\t'
		zpty -w z exit
		while zpty -r z line; do print -rn -- $line; done
	END
	HOME=$work PATH=$top_builddir:$PATH TERM=dumb timeout 60 zsh -f "$work/zsh" "$(realpath "$top_srcdir/dist/completion")" >"$work/out" 2>&1
	said out 'mtlsctl issue: USER is missing'
	ok 'zsh completes a command'
else
	skip 'zsh completes a command' 'no zsh'
fi

while read -r right wrong; do
	# shellcheck disable=SC2086 # words
	run 2 "$mtlsctl" $wrong && said err "did you mean '$right'?"
	ok "mistyped: $wrong"
done <<'END'
check chekc
issue issu
list account lst
--groups account add x --grops
END
run 2 "$mtlsctl" xyzzy && ! said err 'did you mean' >/dev/null && said err "'mtlsctl --help' lists"
ok 'a word that is near to nothing is not guessed'
finish
