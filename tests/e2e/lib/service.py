# SPDX-License-Identifier: LGPL-2.1-or-later
"""A service manager for the tests: the other end of NOTIFY_SOCKET, and what systemd says of units."""
import os
import re
import shutil
import socket
import subprocess
import time


class Manager:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, path, patience):
        self.path, self.patience = path, patience
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        os.chmod(path, 0o777)
        self.told = []

    def wait(self, word, seconds=None):
        """The next message that has a line @word, or None; others are remembered."""
        end = time.monotonic() + (seconds or self.patience)
        try:
            while True:
                self.socket.settimeout(max(end - time.monotonic(), 0.001))
                message = self.socket.recv(4096).decode()
                self.told.append(message)
                if any(line.startswith(word) for line in message.split("\n")):
                    return message
        except socket.timeout:
            return None

    def drain(self):
        self.socket.setblocking(False)
        try:
            while True:
                self.socket.recv(4096)
        except BlockingIOError:
            pass


def unit(name):
    """Where a unit of this build is."""
    for folder in (os.environ["top_builddir"], os.environ["top_srcdir"]):
        path = os.path.join(folder, "dist/systemd", name)
        if os.path.exists(path):
            return path
    raise RuntimeError(f"{name}: no such unit")


def setting(name, key):
    with open(unit(name), encoding="utf-8") as file:
        return re.search(rf"^{key}=(.*)$", file.read(), re.M).group(1)


class Units:
    """@names, of which the first is the service of @program, checked by systemd's own tools."""

    def __init__(self, check, folder, program, names):
        self.check, self.folder, self.program, self.names = check, folder, program, names
        os.makedirs(folder)
        for name in names:
            with open(unit(name), encoding="utf-8") as file:
                text = file.read()
            if name.endswith(".service"):
                check(re.search(rf"^ExecStart=/[^@$]*/{os.path.basename(program)}$", text, re.M),
                      "the unit starts the program by its absolute path", text)
            # verify wants the program to exist, under whatever prefix.
            text = re.sub(r"^ExecStart=.*$", "ExecStart=" + program, text, flags=re.M)
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write(text)

    def _analyze(self, *words):
        return subprocess.run(["systemd-analyze", *words], check=False, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, encoding="utf-8",
                              env={**os.environ, "SYSTEMD_UNIT_PATH": self.folder + ":"})

    def verify(self):
        paths = [os.path.join(self.folder, name) for name in self.names]
        done = self._analyze("verify", "--man=no", *paths)
        # What it says of other units is not ours.
        ours = [line for line in done.stdout.splitlines() if "mtls-" in line]
        self.check(not ours, "systemd-analyze verify finds nothing in the units", done.stdout)
        with open(paths[0], "a", encoding="utf-8") as file:
            file.write("Colour=blue\n")
        done = self._analyze("verify", "--man=no", paths[0])
        self.check("Colour" in done.stdout, "and would find something", done.stdout)

    def security(self, most):
        """The exposure that systemd computes, in tenths, is at most @most."""
        options = ("--offline=true", f"--threshold={most}", "--no-pager")
        path = os.path.join(self.folder, self.names[0])
        done = self._analyze("security", *options, path)
        if "unrecognized option" in done.stdout:
            return False
        self.check(done.returncode == 0, f"systemd-analyze security: at most {most / 10}",
                   done.stdout[-200:])
        # Without one of its walls it is more.
        with open(path, encoding="utf-8") as file:
            text = file.read()
        with open(path, "w", encoding="utf-8") as file:
            file.write(re.sub(r"^(SystemCallFilter|ProtectSystem)=.*\n", "", text, flags=re.M))
        done = self._analyze("security", *options, path)
        self.check(done.returncode != 0, "and it would be more without the filter of system calls",
                   done.stdout[-200:])
        return True


def missing(program):
    """Why a part must be skipped, or None."""
    return None if shutil.which(program) else f"{program} is missing (systemd)"
