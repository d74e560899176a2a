# SPDX-License-Identifier: LGPL-2.1-or-later
"""A program on a pseudo-terminal of its own, used as a person would, with deadlines."""
import os
import pty
import pwd
import re
import select
import signal
import termios
import time

DEADLINE = 30.0  # seconds: a limit for failures, nothing waits for it to pass


class Hung(Exception):
    """What was expected did not come; the message has what came instead."""


def become(user):
    """In a child: the groups, group and user of an account, for good."""
    entry = pwd.getpwnam(user)
    os.initgroups(user, entry.pw_gid)
    os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
    os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)


def clean_environment(user):
    entry = pwd.getpwnam(user)
    return {
        "HOME": entry.pw_dir,
        "LOGNAME": user,
        "USER": user,
        "SHELL": entry.pw_shell or "/bin/sh",
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "TERM": "dumb",
        "LC_ALL": "C",
    }


class Terminal:
    """Starts argv as user; `text` is all that was shown so far."""

    def __init__(self, argv, user="root", environment=None):
        self.text = ""
        self.seen = 0  # end of the last match in text
        self.status = None
        env = clean_environment(user)
        env.update(environment or {})
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            self._child(argv, user, env)

    @staticmethod
    def _child(argv, user, env):
        try:
            entry = pwd.getpwnam(user)
            os.fchown(0, entry.pw_uid, -1)
            if user != "root":
                become(user)
            os.chdir("/")
            for number in (signal.SIGPIPE, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            os.execvpe(argv[0], argv, env)
        except OSError as error:
            os.write(2, f"cannot start {argv[0]}: {error}\n".encode())
        os._exit(126)

    def _read(self, until):
        """Reads once; False at the end of the terminal."""
        left = until - time.monotonic()
        if left <= 0:
            raise Hung(f"nothing more came; shown so far: {self.text!r}")
        ready, _, _ = select.select([self.master], [], [], left)
        if not ready:
            return True
        try:
            data = os.read(self.master, 65536)
        except OSError:  # EIO: no process has the terminal any more
            return False
        self.text += data.decode("utf-8", "replace")
        return bool(data)

    def expect(self, patterns, deadline=DEADLINE):
        """Index of the first of the regular expressions that appears, None if the program ended."""
        until = time.monotonic() + deadline
        while True:
            for index, pattern in enumerate(patterns):
                match = re.compile(pattern).search(self.text, self.seen)
                if match:
                    self.seen = match.end()
                    return index
            if not self._read(until):
                return None

    def wait_hidden(self, deadline=DEADLINE):
        """Returns when the terminal shows no input: what is typed before may be thrown away."""
        until = time.monotonic() + deadline
        while termios.tcgetattr(self.master)[3] & termios.ECHO:
            if time.monotonic() > until:
                raise Hung(f"the input would be shown: {self.text!r}")
            select.select([], [], [], 0.001)

    def send(self, line):
        os.write(self.master, line.encode() + b"\n")

    def finish(self, deadline=DEADLINE):
        """Reads to the end; the exit status, or minus the signal."""
        until = time.monotonic() + deadline
        try:
            while self._read(until):
                pass
        except Hung:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            os.close(self.master)
            raise
        _, status = os.waitpid(self.pid, 0)
        os.close(self.master)
        self.status = os.waitstatus_to_exitcode(status)
        return self.status


def converse(argv, answers, user="root", environment=None, deadline=DEADLINE):
    """
    Runs argv; whenever one of the patterns of answers [(pattern, reply, hidden)] appears, its reply is
    typed (a function of all that was shown: what it returns). Each answer is used once, in any order. Returns the finished
    terminal.
    """
    terminal = Terminal(argv, user, environment)
    left = list(answers)
    until = time.monotonic() + deadline
    while left:
        index = terminal.expect([a[0] for a in left], max(0.0, until - time.monotonic()))
        if index is None:
            break
        _, reply, hidden = left.pop(index)
        if hidden:
            terminal.wait_hidden()
        terminal.send(reply(terminal.text) if callable(reply) else reply)
    terminal.finish(max(1.0, until - time.monotonic()))
    return terminal
