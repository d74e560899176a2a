# SPDX-License-Identifier: LGPL-2.1-or-later
"""mtls-authd, or something that listens in its place: start, stop, freeze."""
import os
import signal
import socket
import subprocess

from lib.records import Tail, wait_for


def answers(path):
    """True if something accepts connections on this unix socket."""
    with socket.socket(socket.AF_UNIX) as sock:
        try:
            sock.connect(path)
        except OSError:
            return False
    return True


class Daemon:
    """One process that listens on a unix socket; what it writes goes to a log file."""

    def __init__(self, argv, path, log):
        self.argv, self.path, self.log = argv, path, Tail(log)
        self.process = None

    def start(self, expect_ready=True):
        self.log.mark()
        with open(self.log.path, "ab") as log:
            self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, cwd="/", start_new_session=True,
                                            env={"PATH": os.environ["PATH"], "LC_ALL": "C"})
        if expect_ready and not wait_for(lambda: self.ended() or answers(self.path)):
            raise RuntimeError(f"{self.argv[0]} does not listen: {self.log.lines()}")
        if expect_ready and self.ended():
            raise RuntimeError(f"{self.argv[0]} ended: {self.log.lines()}")

    def ended(self):
        return self.process is None or self.process.poll() is not None

    def wait_end(self, deadline=20):
        """Exit status of a process that should end by itself."""
        return self.process.wait(deadline)

    def stop(self):
        """Asks it to end; the exit status."""
        if self.process is None:
            return 0
        if not self.ended():
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        self.process = None
        return status

    def kill(self):
        """At once, with its workers and helpers; leaves the socket behind, as a crash would."""
        if self.process is None:
            return
        self.signal_all(signal.SIGKILL)
        self.process.wait()
        self.process = None

    def signal_all(self, number):
        """To the daemon and all its processes (it is the leader of a session)."""
        for pid in self.pids():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def pids(self):
        found = []
        for name in os.listdir("/proc"):
            if name.isdigit() and session_of(name) == self.process.pid:
                found.append(int(name))
        return found


def session_of(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return int(file.read().rsplit(")", 1)[1].split()[3])
    except (OSError, IndexError):
        return -1
