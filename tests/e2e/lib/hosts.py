# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Programs that a person enters by: real login, su, sudo, and the small PAM host. What is typed may be a
function of what was shown, which is called when its prompt stands there; `more` are further prompts with their replies.
"""
import os
import pwd
import re
import subprocess
import threading

from lib import terminal
from lib.world import PROGRAMS, PASSPHRASE

SECRET = r"(?i)(?:passphrase|\bPIN for )[^\n]*: ?"
ENTERED = "ENTERED uid="
READY = "ready> "


class Outcome:
    """How it ended: entered or not, what was shown, the PAM code where the host tells it."""

    def __init__(self, text, status, code=None, entered=None):
        self.text, self.status, self.code = text, status, code
        self.entered = (ENTERED in text) if entered is None else entered

    def __str__(self):
        return f"entered={self.entered} code={self.code} status={self.status} shown={self.text!r}"


class Host:
    """enter(person): PERSON goes the usual way. `service` is the PAM service."""

    name = service = ""

    def secret(self, passphrase):
        return [(SECRET, passphrase, True)]

    def enter(self, person, passphrase=PASSPHRASE, target=None, more=(), environment=None):
        raise NotImplementedError

    def answers(self, passphrase, more):
        return [(pattern, reply, False) for pattern, reply in more] + self.secret(passphrase)


class Sudo(Host):
    name = service = "sudo"

    def enter(self, person, passphrase=PASSPHRASE, target=None, more=(), environment=None):
        command = ["sudo", "-k", "-u", target or "root", "--", PROGRAMS + "/entered"]
        done = terminal.converse(command, self.answers(passphrase, more), person,
                                 environment)
        return Outcome(done.text, done.status)


class Su(Host):
    name = service = "su"

    def enter(self, person, passphrase=PASSPHRASE, target=None, more=(), environment=None):
        command = ["su", target or person, "-c", PROGRAMS + "/entered"]
        done = terminal.converse(command, self.answers(passphrase, more), person,
                                 environment)
        return Outcome(done.text, done.status)


class Login(Host):
    """`login` as getty starts it; the person types the name."""

    name = service = "login"

    def enter(self, person, passphrase=PASSPHRASE, target=None, more=(), environment=None):
        answers = [(r"login: $", target or person, False)] + self.answers(passphrase, more)
        answers.append((READY, PROGRAMS + "/entered; exit", False))
        done = terminal.converse(["login"], answers, environment=environment)
        return Outcome(done.text, done.status)


class PamHost(Host):
    """
    tests/pam/pam_host; by default as a setuid program that the person started, for all phases that a
    login has. Target "": PAM_USER is not set. `extra`: further options.
    """

    name = "pam_host"
    KINDS = {"setuid": "--setuid-of", "user": "--run-as"}

    def __init__(self, service="mtls-test", kind="setuid", phases="auth,acct,setcred,open,close"):
        self.service, self.kind, self.phases = service, kind, phases

    def command(self, person, target, extra):
        command = [PROGRAMS + "/pam_host", "--service", self.service, "--phases", self.phases,
                   "--tty", "pts/0"]
        if target != "":
            command += ["--user", target or person]
        if self.kind in self.KINDS:
            command += [self.KINDS[self.kind], str(pwd.getpwnam(person).pw_uid)]
        return command + list(extra)

    def enter(self, person, passphrase=PASSPHRASE, target=None, more=(), environment=None,
              extra=()):
        env = dict(terminal.clean_environment(person), **(environment or {}))
        if more or callable(passphrase):
            return self._converse(person, self.answers(passphrase, more), target, extra, env)
        extra = ["--answer", passphrase] + list(extra)
        done = subprocess.run(self.command(person, target, extra), check=False, env=env, cwd="/",
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=terminal.DEADLINE)
        return self.outcome(done.stdout.decode("utf-8", "replace"), done.returncode)

    def _converse(self, person, answers, target, extra, env):
        """With prompts that are looked at before they are answered."""
        reader, writer = os.pipe()
        command = self.command(person, target, ["--ask-fd", str(reader), *extra])
        with subprocess.Popen(command, env=env, cwd="/", pass_fds=[reader], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            os.close(reader)
            timer = threading.Timer(terminal.DEADLINE, process.kill)
            timer.start()
            text = ""
            for line in process.stdout:
                line = line.decode("utf-8", "replace")
                text += line
                if line.startswith("prompt-"):
                    self._reply(writer, text, line, answers)
            timer.cancel()
            os.close(writer)
            return self.outcome(text, process.wait())

    @staticmethod
    def _reply(writer, shown, line, answers):
        for answer in answers:
            if re.search(answer[0].rstrip("$"), line):
                answers.remove(answer)
                reply = answer[1](shown) if callable(answer[1]) else answer[1]
                os.write(writer, reply.encode() + b"\n")
                return
        raise RuntimeError(f"no answer to {line!r}")

    def outcome(self, text, status):
        wanted = self.phases.split(",")
        codes = [line.split(": ", 1) for line in text.splitlines()
                 if line.split(":")[0] in wanted]
        bad = [code for _, code in codes if code != "PAM_SUCCESS"]
        entered = len(codes) == len(wanted) and not bad
        return Outcome(text, status, bad[0] if bad else "PAM_SUCCESS", entered)


class Locker(PamHost):
    """An unprivileged host program: a screen locker that the person runs."""

    name = "locker"

    def __init__(self):
        super().__init__(service="mtls-locker", kind="user", phases="auth")


def all_hosts():
    return [PamHost(), Login(), Su(), Sudo(), Locker()]
