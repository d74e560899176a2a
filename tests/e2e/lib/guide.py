# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guides as an administrator reads them: the commands are taken from the text and typed, on a machine that
has nothing of ours but the installed files. So the text stays true."""
import os
import re
import shutil
import subprocess

from lib.private import PROGRAMS, environment
from lib.terminal import converse
from lib.world import TROUBLE, write

PHRASE = "correct horse"
PASSWORD = "the old password"
ASK_PASSWORD = r"\[sudo\] password[^\n]*: ?"
# What Debian gives: root's path, and the one of everybody else.
ROOT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
PERSON = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games"}


class Guide:
    """
    A guide of this source tree, or one section of a file: `steps` has the command lines by the number of the
    step, `text` all of it.
    """

    def __init__(self, path, section=None):
        with open(os.path.join(environment("top_srcdir"), path), encoding="utf-8") as file:
            self.text = file.read()
        if section:
            self.text = self.text.split(section, 1)[1].split("\n## ", 1)[0]
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


def apart():
    """The terminal that the test was started from is none of the persons' terminals."""
    if os.getpid() != os.getsid(0):
        os.setsid()


def typed(line, user="root", answers=()):
    """The finished terminal after typing the line into a shell."""
    paths = ROOT if user == "root" else PERSON
    return converse(["bash", "-c", line], list(answers), user=user, environment=paths)


class Walk:
    """A guide, typed step by step."""

    def __init__(self, out, guide):
        self.out = out
        self.guide = guide

    def step(self, number, name, user="root", answers=()):
        """Every command of the step succeeds; the last one's terminal."""
        done = None
        for line in self.guide.steps[number]:
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
