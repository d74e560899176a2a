# SPDX-License-Identifier: LGPL-2.1-or-later
"""README.md, "First real set-up", as an administrator reads it: the commands are taken from the text
and typed on a machine that has nothing of ours but the installed files. So the text stays true."""
import os
import re
import shutil
import subprocess
import sys

from lib import private, tap
from lib.accountd import Accountd
from lib.authd import Daemon
from lib.hosts import SECRET
from lib.private import environment
from lib.terminal import converse
from lib.world import PROGRAMS, TROUBLE, write

PHRASE = "correct horse"
PASSWORD = "the old password"
SUDO = "/etc/pam.d/sudo"
ASK_PASSWORD = r"\[sudo\] password[^\n]*: ?"
# What Debian gives: root's path, and the one of everybody else.
ROOT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
PERSON = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games"}


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


class Readme:
    """The section: `steps` has the command lines by the number of the step, `text` all of it."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.text = file.read().split("## First real set-up", 1)[1].split("\n## ", 1)[0]
        self.steps = {}
        number = 0
        for line in self.text.splitlines():
            start = re.match(r"(\d+)\. ", line)
            if start:
                number = int(start.group(1))
                self.steps[number] = []
            elif line.startswith("       ") and number:
                self.steps[number].append(line.strip())
            elif line and not line.startswith("   "):
                number = 0

    def quoted(self, before):
        """The `command` that follows these words."""
        return re.search(re.escape(before) + r"[^`]*`([^`]+)`", self.text).group(1)


def typed(line, user="root", answers=()):
    """The finished terminal after typing the line into a shell."""
    paths = ROOT if user == "root" else PERSON
    return converse(["bash", "-c", line], list(answers), user=user, environment=paths)


class Walk:
    def __init__(self, out):
        self.out = out
        self.stock = read(SUDO)
        self.readme = Readme(os.path.join(environment("top_srcdir"), "README.md"))

    def step(self, number, name, user="root", answers=()):
        """Every command of the step succeeds; the last one's terminal."""
        done = None
        for line in self.readme.steps[number]:
            done = typed(line, user, answers)
            self.out.result(done.status == 0 and not TROUBLE.search(done.text),
                            f"step {number}, {name}: {line}", f"{done.status}: {done.text}")
        return done

    def good(self, name, done):
        """`mtlsctl check` without a complaint."""
        self.asked(name, done.status == 0 and "0 errors, 0 warnings" in done.text, done)

    def asked(self, name, passed, done):
        self.out.result(passed and not TROUBLE.search(done.text), name,
                        f"{done.status}: {done.text}")


def fresh_machine():
    """As Debian leaves it, with bob, who may use sudo by his password."""
    for name in ("mtls-authd", "mtls-accountd", "mtls-signer", "mtls-ssh-keys", "bob", "alice"):
        subprocess.run(["userdel", "-r", name], check=False, stderr=subprocess.DEVNULL)
    for path in (environment("MTLS_CONFDIR"), environment("MTLS_STATEDIR")):
        shutil.rmtree(path, ignore_errors=True)
    subprocess.run(["useradd", "-m", "-s", "/bin/bash", "bob"], check=True)
    subprocess.run(["chpasswd"], input=f"bob:{PASSWORD}\n".encode(), check=True)
    write("/etc/sudoers", "Defaults env_reset, secure_path=\"" + ROOT["PATH"] + "\"\n"
          "Defaults lecture=never\nbob ALL=(ALL:ALL) ALL\n", 0o440)
    shutil.rmtree("/etc/sudoers.d", ignore_errors=True)
    os.makedirs(PROGRAMS, exist_ok=True)


def units(walk):
    """What step 3 enables is installed."""
    names = walk.readme.quoted("With systemd:").split("--now ", 1)[1].split()
    folder = os.path.dirname(environment("MTLS_SBINDIR")) + "/lib/systemd/system"
    lost = [n for n in names if not os.path.exists(f"{folder}/{n}.service")]
    walk.out.result(names == ["mtls-accountd", "mtls-authd"] and not lost,
                    "step 3: the units are installed", f"{names} {os.listdir(folder)}")


def install(walk):
    """`make install` was done by the test suite; the rest of its line is typed."""
    last = walk.readme.steps[1][-1]
    walk.out.result("make install && " in last, "step 1 installs, then makes the users", last)
    done = typed(last.split("make install && ", 1)[1])
    users = [u for u in ("mtls-authd", "mtls-accountd", "mtls-signer")
             if subprocess.run(["getent", "passwd", u], check=False,
                               stdout=subprocess.DEVNULL).returncode]
    walk.asked("step 1 makes the users", done.status == 0 and not users, done)


def in_and_back(walk, by_password):
    """Step 7 and the way back."""
    before = walk.stock
    line = re.search(r"^7\.[^`]*`([^`]+)`", walk.readme.text, re.M).group(1)
    done = typed(line, "bob", [(SECRET, PHRASE, True)])
    walk.asked(f"step 7: {line}", "'sudo' stays: 'bob' entered by certificate" in done.text, done)
    walk.asked("step 7 asks for no password", not re.search(ASK_PASSWORD, done.text), done)
    line = "sudo -k; sudo id"
    done = typed(line, "bob", [(SECRET, PHRASE, True)])
    walk.asked("sudo by certificate", "uid=0(root)" in done.text, done)
    done = typed(line, "bob", [(SECRET, "", True)] + by_password)
    walk.asked("an empty passphrase falls through to the password", "uid=0(root)" in done.text, done)
    back = walk.readme.quoted("**The way back**")
    done = typed(back)
    walk.asked(f"the way back: {back}", done.status == 0, done)
    walk.out.result(read(SUDO) == before, "the file is what it was", read(SUDO))
    done = typed(line, "bob", by_password)
    walk.asked("afterwards sudo asks for the password and nothing else",
               "uid=0(root)" in done.text and not re.search(SECRET, done.text), done)


def shown_first(walk):
    """What step 6 says of --dry-run."""
    line = walk.readme.quoted("6. Let sudo take the certificate")
    done = typed(line)
    walk.asked(f"step 6: {line}", done.status == 0 and "+auth\tsufficient\tpam_mtls.so" in done.text and
               read(SUDO) == walk.stock, done)


def accounts(walk):
    line = walk.readme.quoted("Accounts that exist nowhere else:")
    done = typed(line)
    walk.asked(line, done.status == 0, done)
    with open("/etc/nsswitch.conf", encoding="utf-8") as file:
        text = file.read()
    write("/etc/nsswitch.conf", re.sub(r"^((?:passwd|group):\s+files)\b", r"\1 mtls", text,
                                       flags=re.M))
    done = typed("id alice")
    walk.asked("mtls behind files: the account exists for every program",
               "(alice)" in done.text, done)
    walk.good("mtlsctl check with accounts of its own", typed("mtlsctl check"))


def stopped(walk):
    """What the text promises of lookups without the daemon."""
    promised = "Lookups do not need the daemon" in walk.readme.text
    done = typed("id alice")
    walk.asked("the accounts stay when the daemon is stopped", promised and "(alice)" in done.text,
               done)


def test(out):
    walk = Walk(out)
    fresh_machine()
    install(walk)
    units(walk)
    walk.step(2, "init")
    accountd, authd = (line.split() for line in walk.readme.steps[3])
    out.result(accountd == ["mtls-accountd"], "step 3 starts the daemon of the accounts", accountd)
    keeper = Accountd(accountd[0], "/run/mtls-test/accountd.log", accountd[1:])
    keeper.start()
    daemon = Daemon(authd, environment("MTLS_RUNDIR") + "/authd.sock", "/run/mtls-test/authd.log")
    daemon.start()
    new = [(r"Passphrase for the new key: ", PHRASE, True), (r"again: ", PHRASE, True)]
    walk.step(4, "certificate", answers=new)
    dry = typed(walk.readme.steps[5][0], "bob", [(SECRET, PHRASE, True)])
    walk.asked(f"step 5 as bob: {walk.readme.steps[5][0]}", dry.status == 0, dry)
    check = walk.readme.steps[5][1]
    walk.good(f"step 5 as root: {check}", typed(check))
    shown_first(walk)
    walk.step(6, "PAM", answers=[(SECRET, PHRASE, True)])
    walk.good(f"{check}, now with a service", typed(check))
    in_and_back(walk, [(ASK_PASSWORD, PASSWORD, True)])
    accounts(walk)
    status = daemon.stop()
    out.result(status == 0, "mtls-authd ends as asked", daemon.log.lines())
    status = keeper.stop()
    out.result(status == 0, "mtls-accountd ends as asked", status)
    stopped(walk)


if __name__ == "__main__":
    private.enter()
    os.setsid()  # a developer's terminal is no session of what is tested
    sys.exit(tap.run(test))
