# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rescue codes, with the real `login` and the small PAM host, on a machine on which nothing else of ours is
set up: no daemon runs, no configuration file is there."""
import concurrent.futures
import json
import os
import re
import shutil
import signal
import subprocess
import sys

from lib import private, tap
from lib.private import PROGRAMS, environment
from lib.records import Syslog, Tail
from lib.terminal import DEADLINE, Terminal, converse
from lib.world import ENTERED, TROUBLE, run, write

CODE = r"\b(?:[0-9A-HJKMNP-TV-Z]{4}-){4}[0-9A-HJKMNP-TV-Z]{4}\b"
ASKED = r"Rescue code[^\n]*: "
PASSWORD = "the old password"
ASK_PASSWORD = r"Password: ?"
READY = "ready> "
FOLDER = environment("MTLS_CONFDIR") + "/rescue"
FILE = FOLDER + "/codes"
TRIES = environment("MTLS_RUNDIR") + "-rescue"
SYSLOG = "/run/mtls-test/syslog"
MODULE = environment("MTLS_PAMDIR") + "/pam_mtls_rescue.so"
BURST = 5


def stack(arguments):
    return (f"auth sufficient {MODULE} {arguments}\nauth required pam_unix.so\n"
            f"account sufficient {MODULE}\naccount required pam_unix.so\n"
            "session required pam_permit.so\npassword required pam_deny.so\n")


def alone(arguments=""):
    return "".join(f"{kind} required {MODULE} {arguments}\n"
                   for kind in ("auth", "account", "session", "password"))


def machine():
    """root and bob have a password; `login` asks for codes on the terminals of this test."""
    for folder in (environment("MTLS_CONFDIR"), environment("MTLS_STATEDIR"), TRIES):
        shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(PROGRAMS, exist_ok=True)
    shutil.copy(os.path.join(environment("top_builddir"), "tests/pam/pam_host"), PROGRAMS)
    write(PROGRAMS + "/entered", ENTERED, 0o755)
    run("userdel", "-r", "bob", check=False)
    run("useradd", "-m", "-s", "/bin/sh", "bob")
    run("chpasswd", text=f"root:{PASSWORD}\nbob:{PASSWORD}\n")
    run("usermod", "-s", "/bin/sh", "root")
    write("/etc/nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\n")
    write("/etc/login.defs", "LOGIN_RETRIES 1\nLOGIN_TIMEOUT 60\nENCRYPT_METHOD SHA512\n")
    write("/etc/profile", f"PS1='{READY}'\nexport PS1\n")
    write("/etc/pam.d/login", stack("ttys=pts/*"))
    # The defaults of the module, and nothing but the module.
    write("/etc/pam.d/mtls-alone", alone("services=mtls-alone"))
    write("/etc/pam.d/other-service", alone())
    write("/etc/pam.d/su", alone())


def new_codes(*options):
    """What `mtlsctl rescue new` prints on a terminal."""
    done = converse(["mtlsctl", "rescue", "new", *options], [])
    return done, re.findall(CODE, done.text)


def fresh():
    """A new set, and a machine on which nobody has tried."""
    shutil.rmtree(TRIES, ignore_errors=True)
    done, codes = new_codes()
    if done.status or len(codes) != 10:
        raise RuntimeError(f"no codes: {done.status} {done.text}")
    return codes


def login(user, code, password=""):
    """The finished terminal of `login`."""
    answers = [(r"login: $", user, False), (ASKED, code, True), (ASK_PASSWORD, password, True),
               (READY, PROGRAMS + "/entered; exit", False)]
    return converse(["login"], answers)


def entered(done, user="root"):
    return f"ENTERED uid={'0' if user == 'root' else ''}" in done.text and f"name={user}" in done.text


class Host:
    """One run of the PAM host, as root at tty1 but for what `extra` says."""

    def __init__(self, *answers, service="mtls-alone", user="root", tty="tty1", phases="auth",
                 extra=(), before=()):
        command = [*before, PROGRAMS + "/pam_host", "--service", service, "--phases", phases]
        command += [word for answer in answers for word in ("--answer", answer)]
        command += ["--user", user] if user else []
        command += ["--tty", tty] if tty else []
        done = subprocess.run([*command, *extra], check=False, env={"LC_ALL": "C"}, cwd="/",
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=DEADLINE)
        self.text = done.stdout.decode("utf-8", "replace")
        self.lines = self.text.splitlines()

    def code(self, phase="auth"):
        return next((line.split(": ")[1] for line in self.lines
                     if line.startswith(phase + ": ")), "none")

    @property
    def asked(self):
        return sum(line.startswith("prompt-") for line in self.lines)

    def said(self, pattern):
        return re.search(pattern, self.text) is not None

    def __str__(self):
        return self.text


class Suite:
    def __init__(self, out):
        self.out = out
        self.syslog = Syslog(SYSLOG)

    def check(self, passed, name, details):
        text = details.text if hasattr(details, "text") else str(details)
        self.out.result(bool(passed) and not TROUBLE.search(text), name, text)

    def logged(self, pattern):
        """A line of the module in the log since the mark; the codes are never there."""
        return self.syslog.wait(pattern) if hasattr(self.syslog, "wait") else any(
            re.search(pattern, line) for line in self.syslog.lines())


def show_of_the_issue(t):
    """A code is used once, refused twice."""
    codes = fresh()
    done = login("root", codes[2])
    t.check(entered(done), "a rescue code lets root in at the console", done)
    t.check("Rescue code 3 is used now" in done.text and "9 are left" in done.text,
            "and its number is told", done)
    for again in ("a second time", "a third time"):
        done = login("root", codes[2], "wrong")
        t.check(not entered(done) and "used before" in done.text, f"refused {again}", done)
    done = login("root", codes[3].lower().replace("-", " "))
    t.check(entered(done), "the next code, in small letters with spaces", done)


def test(out):
    t = Suite(out)
    machine()
    show_of_the_issue(t)


if __name__ == "__main__":
    private.enter()
    sys.exit(tap.run(test))
