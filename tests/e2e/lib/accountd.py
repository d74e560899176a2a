# SPDX-License-Identifier: LGPL-2.1-or-later
"""
mtls-accountd for tests: started as a service manager does it, ready when it says so.

    accountd.py start PIDFILE LOGFILE PROGRAM [ARGUMENT...]   returns when it is ready
    accountd.py stop PIDFILE                                  returns when it has ended
    accountd.py kill PIDFILE                                  at once, its processes too

For shell scripts there is tests/tools/accountd.sh. `start` exits with 1 and shows the log if the
daemon ends, or says nothing for too long; `stop` exits with 1 if it does not end when told to.
"""
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time

READY_SECONDS = 120  # under a sanitizer, beside other tests; it ends by the event, not by this
STOP_SECONDS = 60


class Manager:
    """The socket of NOTIFY_SOCKET."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="mtls-notify.", dir="/run")
        os.chmod(self.folder, 0o711)
        self.path = os.path.join(self.folder, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self.socket.bind(self.path)
        os.chmod(self.path, 0o666)
        self.status = ""

    def close(self):
        self.socket.close()
        os.unlink(self.path)
        os.rmdir(self.folder)

    def wait_ready(self, process, seconds=READY_SECONDS):
        """None, or why it is not ready."""
        end = os.pidfd_open(process.pid)
        try:
            poll = select.poll()
            poll.register(self.socket, select.POLLIN)
            poll.register(end, select.POLLIN)
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                events = dict(poll.poll(max(0, (until - time.monotonic()) * 1000)))
                if self.socket.fileno() in events:
                    lines = self.socket.recv(8192).decode("utf-8", "replace").splitlines()
                    self.status = next((line for line in lines if line.startswith("STATUS=")),
                                       self.status)
                    if "READY=1" in lines:
                        return None
                elif end in events:
                    return f"ended with {process.wait()}"
            return f"is not ready after {seconds} s"
        finally:
            os.close(end)


def environment(manager):
    return {"PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin"), "LC_ALL": "C",
            "NOTIFY_SOCKET": manager.path}


class Accountd:
    """One daemon; its log is appended to @log."""

    def __init__(self, program, log, arguments=()):
        self.argv, self.log = [program, *arguments], log
        self.process = None
        self.manager = None

    def start(self):
        self.manager = Manager()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, cwd="/", start_new_session=True,
                                            env=environment(self.manager))
        why = self.manager.wait_ready(self.process)
        if why:
            self.kill()
            with open(self.log, encoding="utf-8", errors="replace") as text:
                raise RuntimeError(f"{self.argv[0]} {why}: {text.read()}")

    def ended(self):
        return self.process is None or self.process.poll() is not None

    def stop(self):
        """Asks it to end; the exit status."""
        if self.process is None:
            return 0
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        self._forget()
        return status

    def restart(self):
        status = self.stop()
        if status != 0:
            raise RuntimeError(f"{self.argv[0]} ended with {status}")
        self.start()

    def kill(self):
        if self.process is not None:
            kill_session(self.process.pid)
            self.process.wait()
            self._forget()

    def _forget(self):
        self.process = None
        self.manager.close()
        self.manager = None


def session_of(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return int(file.read().rsplit(")", 1)[1].split()[3])
    except (OSError, IndexError):
        return -1


def kill_session(leader):
    for name in os.listdir("/proc"):
        if name.isdigit() and session_of(name) == leader:
            try:
                os.kill(int(name), signal.SIGKILL)
            except ProcessLookupError:
                pass


# For shell scripts: the daemon outlives this process.

def start(pidfile, log, *argv):
    daemon = Accountd(argv[0], log, argv[1:])
    try:
        daemon.start()
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    with open(pidfile, "w", encoding="ascii") as file:
        file.write(f"{daemon.process.pid}\n")
    # It may go on talking to the manager; nobody listens, which sd_notify(3) allows for.
    daemon.process.returncode = 0  # not ours any more: no complaint at the end of Python
    return 0


def read_pid(pidfile):
    with open(pidfile, encoding="ascii") as file:
        pid = int(file.read())
    os.unlink(pidfile)
    return pid


def stop(pidfile):
    pid = read_pid(pidfile)
    try:
        end = os.pidfd_open(pid)
    except ProcessLookupError:
        print(f"{pid} is not there any more", file=sys.stderr)
        return 1
    signal.pidfd_send_signal(end, signal.SIGTERM)
    ended, _, _ = select.select([end], [], [], STOP_SECONDS)
    if not ended:
        kill_session(pid)
        print(f"{pid} does not end", file=sys.stderr)
        return 1
    return 0


def kill(pidfile):
    pid = read_pid(pidfile)
    try:
        end = os.pidfd_open(pid)
    except ProcessLookupError:
        return 0
    kill_session(pid)
    select.select([end], [], [], STOP_SECONDS)
    return 0


if __name__ == "__main__":
    sys.exit({"start": start, "stop": stop, "kill": kill}[sys.argv[1]](*sys.argv[2:]))
