# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rescue codes: a machine on which nothing else of ours is set up (no daemon, no configuration file), and
the ways to use them."""
import os
import re
import shutil
import socket
import subprocess

from lib.private import PROGRAMS, environment
from lib.records import Syslog, wait_for
from lib.terminal import DEADLINE, clean_environment, converse
from lib.world import ENTERED, TROUBLE, run, write

GROUP = "[0-9A-HJKMNP-TV-Z]{4}"
CODE = rf"\b(?:{GROUP}-){{4}}{GROUP}\b"
ASKED = r"Rescue code[^\n]*: "
PASSWORD = "the old password"
ASK_PASSWORD = r"Password: ?"
READY = "ready> "
CONF = environment("MTLS_CONFDIR")
FOLDER = CONF + "/rescue"
FILE = FOLDER + "/codes"
TRIES = environment("MTLS_RUNDIR") + "-rescue"
MODULE = environment("MTLS_PAMDIR") + "/pam_mtls_rescue.so"
BURST = 5
MINUTE = 60000
# Well-formed, and none of any set but by a chance of 2^-95.
STRANGERS = ["0000-0000-0000-0000-0012", "0000-0000-0000-0000-0024", "0000-0000-0000-0000-00G5"]


def stack(arguments):
    """As pam_mtls_rescue(8) has it, with passwords behind it."""
    return (f"auth sufficient {MODULE} {arguments}\nauth required pam_unix.so\n"
            f"account sufficient {MODULE}\naccount required pam_unix.so\n"
            "session required pam_permit.so\npassword required pam_deny.so\n")


def alone(arguments=""):
    """Nothing but the module: what it does not grant is refused."""
    return "".join(f"{kind} required {MODULE} {arguments}\n"
                   for kind in ("auth", "account", "session", "password"))


def machine():
    """root and bob have a password; `login` asks for codes on the terminals of this test."""
    for folder in (CONF, environment("MTLS_STATEDIR"), TRIES):
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
    write("/etc/pam.d/mtls-alone", alone("services=mtls-alone"))
    write("/etc/pam.d/mtls-other", alone())


def make_codes(*options):
    """The finished terminal of `mtlsctl rescue new`, and the codes that it showed."""
    done = converse(["mtlsctl", "rescue", "new", *options], [])
    return done, re.findall(CODE, done.text)


def fresh(*options, count=10):
    """A new set, on a machine on which nobody has tried."""
    shutil.rmtree(TRIES, ignore_errors=True)
    done, codes = make_codes(*options)
    if done.status or len(codes) != count:
        raise RuntimeError(f"no codes: {done.status} {done.text}")
    return codes


def forget_tries():
    shutil.rmtree(TRIES, ignore_errors=True)


def let_time_pass(milliseconds):
    """For the counter of tries: as if they had passed since the last one."""
    with open(TRIES + "/tries", encoding="ascii") as file:
        left, since = file.read().split()
    with open(TRIES + "/tries", "w", encoding="ascii") as file:
        file.write(f"{left} {max(0, int(since) - milliseconds)}\n")


class Login:
    """`login` as getty starts it: user, code, password are typed where they are asked for."""

    def __init__(self, user, code="", password="", command=("login",)):
        answers = [(r"login: $", user, False), (ASKED, code, True), (ASK_PASSWORD, password, True),
                   (READY, PROGRAMS + "/entered; exit", False)]
        done = converse(list(command), answers)
        self.text, self.user = done.text, user
        self.asked = re.search(ASKED, self.text) is not None

    @property
    def entered(self):
        return re.search(rf"ENTERED uid=\d+ name={self.user}\b", self.text) is not None


# A terminal whose name is a console's: what is opened by a bind mount has the mount's name. (A pseudo-terminal
# cannot be the real one, and `login` asks the kernel for the name.)
CONSOLE = ("sh", "-c", ": >/dev/tty1; mount --bind \"$(tty)\" /dev/tty1 && exec login </dev/tty1 >/dev/tty1 2>&1")


def at_console(user, code="", password=""):
    """`login` at tty1."""
    done = Login(user, code, password, command=CONSOLE)
    run("umount", "/dev/tty1")
    return done


class Host:
    """One run of the PAM host; as root at tty1, but for what is said otherwise."""

    def __init__(self, *answers, service="mtls-alone", user="root", tty="tty1", phases="auth",
                 extra=(), before=(), start=True):
        command = [*before, PROGRAMS + "/pam_host", "--service", service, "--phases", phases]
        command += [word for answer in answers for word in ("--answer", answer)]
        command += ["--user", user] if user else []
        command += ["--tty", tty] if tty else []
        self.process = subprocess.Popen(
            [*command, *extra], env=clean_environment("root"), cwd="/", stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.text = ""
        if start:
            self.finish()

    def finish(self):
        self.text = self.process.communicate(timeout=DEADLINE)[0].decode("utf-8", "replace")
        return self

    def code(self, phase="auth"):
        return next((line.split(": ")[1] for line in self.text.splitlines()
                     if line.startswith(phase + ": ")), "none")

    @property
    def asked(self):
        return len(re.findall(r"^prompt-o", self.text, re.M))


class Suite:
    def __init__(self, out):
        self.out = out
        self.syslog = Syslog("/run/mtls-test/syslog")

    def check(self, passed, name, details=""):
        text = getattr(details, "text", details)
        self.out.result(bool(passed) and not TROUBLE.search(str(text)), name, text)

    def mark(self):
        self.syslog.mark()

    def logged(self, pattern):
        """The module has logged this since mark(); the collector may be a moment late."""
        return wait_for(lambda: any("pam_mtls_rescue(" in line and re.search(pattern, line)
                                    for line in self.syslog.lines()))

    def quiet(self):
        """It has logged nothing since mark(): after a line that was logged later has come."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
            log.sendto(b"<13>mark: here", "/dev/log")
        wait_for(lambda: any("mark: here" in line for line in self.syslog.lines()))
        return not any("pam_mtls_rescue" in line for line in self.syslog.lines())
