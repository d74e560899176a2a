# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who enters by a rescue code, and who does not: with the real `login`, su, and the small PAM host, where
every code is the module's own."""
import os
import re
import sys

from lib import private, tap
from lib.private import PROGRAMS
from lib.records import Tail
from lib.rescue import (ASK_PASSWORD, ASKED, FILE, FOLDER, PASSWORD, STRANGERS, Host, Login, Suite, alone,
                        at_console, forget_tries, fresh, machine, stack)
from lib.terminal import converse
from lib.world import pwd_entry, run, write

typed = []  # every code of this test, which no log may have


def codes_of(*options):
    codes = fresh(*options)
    typed.extend(codes)
    return codes


def used_once(t):
    """Show 1 of the issue."""
    codes = codes_of()
    t.mark()
    done = Login("root", codes[2])
    t.check(done.entered, "a rescue code lets root in at the console", done)
    t.check("Rescue code 3 is used now: cross it out. 9 are left." in done.text,
            "its number is told, and how many are left", done)
    t.check(t.logged(r"rescue=used service='login' user='root' tty='[^']+' code=3 left=9$"),
            "and logged, with the number", t.syslog.lines())
    for again in ("a second time", "a third time"):
        t.mark()
        done = Login("root", codes[2], "wrong")
        t.check(done.asked and not done.entered and "used before" in done.text, f"refused {again}",
                done)
        t.check(t.logged(r"rescue=used-before .* code=3 left=9$"), f"refused {again}, logged",
                t.syslog.lines())
    done = Login("root", codes[3].lower().replace("-", " ").replace("1", "l").replace("0", "o"))
    t.check(done.entered, "another code, in small letters, with spaces, l for 1 and o for 0", done)
    left = Login("root", codes[4]).text
    t.check("7 are left" in left and "rescue new" not in left, "seven left: no hurry", left)


def refused(t):
    codes = codes_of()
    t.mark()
    done = Login("root", STRANGERS[0], "wrong")
    t.check(done.asked and not done.entered and "not one of the rescue codes" in done.text,
            "a wrong code, a wrong password: not entered", done)
    t.check(t.logged(r"rescue=wrong-code .*user='root'.* left=10$"), "a wrong code is logged",
            t.syslog.lines())
    done = Login("root", STRANGERS[1], PASSWORD)
    t.check(done.entered, "behind a wrong code, the password is still a way in", done)
    done = Login("root", "", PASSWORD)
    t.check(done.asked and done.entered, "so it is behind an empty answer", done)
    done = Login("bob", codes[0], PASSWORD)
    t.check(not done.asked and done.entered, "another account is asked for its password only", done)
    done = Login("root", codes[0], PASSWORD, command=("login", "-h", "far.example"))
    t.check(not done.asked, "a remote login is not asked", done)
    write("/etc/pam.d/login", stack(""))
    done = Login("root", codes[0], PASSWORD)
    t.check(not done.asked and done.entered, "a pts is no console, by default", done)
    done = at_console("root", codes[1])
    t.check(done.asked and done.entered, "tty1 is a console, by default", done)
    done = at_console("bob", codes[2], PASSWORD)
    t.check(not done.asked and done.entered, "tty1, another account", done)
    write("/etc/pam.d/login", stack("ttys=pts/*"))
    # All of them are still good.
    forget_tries()
    done = Login("root", codes[0])
    t.check(done.entered, "the code that was typed in the wrong places still works", done)


def places(t):
    """Service, terminal, remote host: by the module's own answer."""
    codes = codes_of()
    t.mark()
    for name, options in (
            ("remote host", {"extra": ("--rhost", "far")}),
            ("remote host, not fit to be sent", {"extra": ("--rhost", "far\033[2J")}),
            ("remote host 'localhost'", {"extra": ("--rhost", "localhost")}),
            ("no terminal", {"tty": ""}),
            ("pseudo-terminal", {"tty": "pts/0"}),
            ("its path", {"tty": "/dev/pts/0"}),
            ("the terminal of whoever asks", {"tty": "tty"}),
            ("tty0", {"tty": "tty0"}),
            ("tty64", {"tty": "tty64"}),
            ("a path below a console's name", {"tty": "ttyS0/../pts/0"}),
            ("ssh", {"tty": "ssh"}),
            ("a display", {"tty": ":0"}),
            ("another service", {"service": "mtls-other"}),
            ("another account", {"user": "bob"}),
            ("an account that does not exist", {"user": "nobody-at-all"}),
            ("a name with the list in it", {"user": "root,bob"}),
            ("a program that is not root", {"extra": ("--run-as", str(pwd_entry("bob").pw_uid))})):
        done = Host(codes[0], **options)
        t.check(done.asked == 0 and done.code() == "PAM_AUTHINFO_UNAVAIL" and
                not re.search("^(error|info)", done.text, re.M), f"{name}: nobody is asked", done)
    t.check(t.quiet(), "and nothing is logged for them", t.syslog.lines())
    for number, tty in enumerate(("tty1", "/dev/tty63", "ttyS0")):
        done = Host(codes[number], tty=tty)
        t.check(done.asked == 1 and done.code() == "PAM_SUCCESS", f"{tty} is a console", done)
    done = Host("root", codes[4], user="")
    t.check(done.code() == "PAM_SUCCESS" and "user: root" in done.text, "without a name it asks for one",
            done)
    done = Host("", user="")
    t.check(done.code() == "PAM_AUTHINFO_UNAVAIL", "an empty name", done)
    done = Host(extra=("--noconv",))
    t.check(done.code() == "PAM_CONV_ERR", "nobody to ask", done)
    done = Host(codes[5], extra=("--silent",))
    t.check(done.code() == "PAM_SUCCESS", "a silent program is asked all the same", done)


def slips(t):
    codes = codes_of()
    wrong = codes[0][:-1] + ("0" if codes[0][-1] != "0" else "1")
    done = Host(wrong, PASSWORD, codes[0])
    t.check(done.asked == 3 and done.code() == "PAM_SUCCESS" and done.text.count("no rescue code") == 2,
            "a slip, then the password: asked again, and the third answer counts", done)
    for _ in range(4):
        done = Host(wrong, "x" * 300, "\t")
        t.check(done.asked == 3 and done.code() == "PAM_AUTH_ERR", "three slips are the end of it", done)
    done = Host(codes[1])
    t.check(done.code() == "PAM_SUCCESS", "slips are no tries", done)
    done = Host("")
    t.check(done.code() == "PAM_AUTHINFO_UNAVAIL" and "error" not in done.text, "an empty answer", done)
    shown = Host(codes[2])
    write("/etc/pam.d/mtls-alone", alone("services=mtls-alone echo"))
    echoed = Host(codes[3])
    t.check("prompt-off: Rescue" in shown.text and "prompt-on: Rescue" in echoed.text,
            "what is typed is not shown, but with `echo`", shown.text + echoed.text)
    write("/etc/pam.d/mtls-alone", alone("services=mtls-alone echo=yes"))
    t.mark()
    done = Host(codes[4])
    t.check(done.asked == 0 and done.code() == "PAM_AUTHINFO_UNAVAIL" and
            t.logged("rescue=config .*detail=.*echo=yes"), "an argument that is not known: closed", done)
    write("/etc/pam.d/mtls-alone", alone("services=mtls-alone"))


def exhausted(t):
    forget_tries()
    shown = converse(["mtlsctl", "rescue", "new", "--count", "2"], []).text
    codes = re.findall(r"^ +\d +(\S+)", shown, re.M)
    typed.extend(codes)
    done = Login("root", codes[0])
    t.check(done.entered and "1 is left. Make new ones: mtlsctl rescue new" in done.text,
            "few left: told to make new ones", done)
    Login("root", codes[1])
    t.mark()
    done = Login("root", codes[1], PASSWORD)
    t.check(done.entered and not done.asked and "All rescue codes are used" in done.text,
            "all used: not asked any more, but told", done)
    t.check(t.logged("rescue=exhausted .* left=0"), "and logged", t.syslog.lines())
    run("mtlsctl", "rescue", "remove")
    done = Login("root", codes[1], PASSWORD)
    t.check(done.entered and not done.asked and "escue" not in done.text,
            "no set at all: as if the line was not there", done)
    os.rmdir(FOLDER)
    t.check(Login("root", "", PASSWORD).entered, "no folder: likewise")


def phases(t):
    codes = codes_of()
    done = Host(codes[0], phases="auth,acct,setcred")
    t.check([done.code(p) for p in ("auth", "acct", "setcred")] == ["PAM_SUCCESS"] * 3,
            "account and setcred after a code", done)
    for phase, want in (("acct", "PAM_PERM_DENIED"), ("setcred", "PAM_CRED_ERR")):
        done = Host(codes[1 if phase == "acct" else 2], phases=f"auth,{phase}",
                    extra=("--change-user", "bob"))
        t.check(done.code() == "PAM_SUCCESS" and done.code(phase) == want,
                f"{phase} after the name was changed", done)
    for phase in ("acct", "setcred", "open", "close", "chauthtok"):
        done = Host(phases=phase)
        t.check(done.code(phase) not in ("PAM_SUCCESS", "none"), f"{phase} alone lets nobody in", done)
        done = Host(STRANGERS[0], phases=f"auth,{phase}")
        t.check(done.code(phase) not in ("PAM_SUCCESS", "none"), f"{phase} after a wrong code", done)
        forget_tries()


def beyond(t):
    """An account that has ended, so that pam_unix refuses it; su where the administrator wants it."""
    codes = codes_of()
    run("chage", "-E", "1", "root")
    done = Login("root", "", PASSWORD)
    t.check(not done.entered, "an account that has ended: not by password", done)
    done = Login("root", codes[0])
    t.check(done.entered, "an account that has ended: by a code, with `account sufficient`", done)
    run("chage", "-E", "-1", "root")
    command = ["su", "root", "-c", PROGRAMS + "/entered"]
    write("/etc/pam.d/su", stack("services=login,su ttys=pts/*"))
    done = converse(command, [(ASKED, codes[1], True)], user="bob")
    t.check("ENTERED uid=0" in done.text, "su, where `services` names it", done)
    write("/etc/pam.d/su", stack("ttys=pts/*"))
    done = converse(command, [(ASKED, codes[2], True), (ASK_PASSWORD, "wrong", True)], user="bob")
    t.check("ENTERED" not in done.text and not re.search(ASKED, done.text),
            "su, by default: not asked", done)
    codes = codes_of("--user", "bob,root")
    done = Login("bob", codes[0])
    t.check(done.entered, "a set for bob and root: bob", done)
    done = Login("root", codes[0], "wrong")
    t.check(not done.entered, "what bob used is used for root too", done)
    done = Login("root", codes[1])
    t.check(done.entered, "a set for bob and root: root", done)


def test(out):
    t = Suite(out)
    machine()
    for part in (used_once, refused, places, slips, exhausted, phases, beyond):
        part(t)
    log = "\n".join(Tail("/run/mtls-test/syslog").lines()).upper().replace("-", "")
    t.check(typed and not [c for c in typed if c.replace("-", "") in log], "no code is in the log")
    with open(FILE, encoding="ascii") as file:
        kept = file.read().upper().replace("-", "")
    t.check(not [c for c in typed if c.replace("-", "") in kept], "nor in the file")


if __name__ == "__main__":
    private.enter()
    sys.exit(tap.run(test))
