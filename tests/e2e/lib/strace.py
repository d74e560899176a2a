# SPDX-License-Identifier: LGPL-2.1-or-later
"""
What the processes of a login did, by strace, told apart: the host program with all its modules, up to the
moment when a child becomes another program; each signer; and the rest, which is what the person got.
"""
import glob
import os
import re
import shutil

from lib import terminal
from lib.hosts import Outcome

FOLDER = "/run/mtls-test/strace"
CALLS = ("%file,connect,bind,sendmsg,recvmsg,mmap,clone,clone3,fork,vfork,open_by_handle_at,io_uring_setup,"
         "pidfd_getfd,ptrace,process_vm_readv")
BORN = re.compile(r"^(?:clone|clone3|fork|vfork)\(.*\) += (\d+)")
EXEC = re.compile(r'^execve\("([^"]*)".*\) += 0$')


def traced(command, person=None):
    """The command line that traces @command, as @person where that is not root."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    os.makedirs(FOLDER)
    as_person = ["-u", person] if person else []
    return ["strace", "-ff", "-qq", "-y", "-s", "4096", "-o", FOLDER + "/t", "-e", "trace=" + CALLS,
            "-e", "signal=none", *as_person, "--", *command]


class Trace:
    """`host`: lines of the host program; `signers`: {program: lines}; `rest`: {program: lines}."""

    def __init__(self):
        self.calls = {}
        for path in glob.glob(FOLDER + "/t.*"):
            with open(path, encoding="utf-8", errors="backslashreplace") as file:
                self.calls[int(path.rsplit(".", 1)[1])] = file.read().splitlines()
        self.host, self.signers, self.rest = [], {}, {}
        born = {int(match.group(1)) for lines in self.calls.values()
                for match in map(BORN.match, lines) if match}
        (first,) = set(self.calls) - born
        self._follow(first, self.host, first=True)

    def _follow(self, pid, target, first=False):
        """A process and its children: they go on as what their parent was."""
        for line in self.calls.pop(pid, ()):
            target.append(line)
            program = EXEC.match(line)
            if program and not first:
                name = os.path.basename(program.group(1))
                kind = self.signers if name.startswith("mtls-signer") else self.rest
                target = kind.setdefault(name, [])
            first &= not program
            child = BORN.match(line)
            if child:
                self._follow(int(child.group(1)), target)


class Login:
    """A host program under strace; enter() as in lib/hosts.py."""

    def __init__(self, host):
        self.host = host
        self.name = self.service = host.name
        self.trace = None

    def enter(self, person, **options):
        converse = terminal.converse

        def converse_traced(command, answers, user="root", environment=None):
            child = None if user == "root" else user
            full = {**terminal.clean_environment(user), **(environment or {})}
            return converse(traced(command, child), answers, "root", full)

        terminal.converse = converse_traced
        try:
            outcome = self.host.enter(person, **options)
        finally:
            terminal.converse = converse
        self.trace = Trace()
        return outcome


__all__ = ["Login", "Outcome", "Trace", "traced"]
