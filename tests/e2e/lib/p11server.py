# SPDX-License-Identifier: LGPL-2.1-or-later
"""
`p11-kit server` of a person: what ssh forwards a token from. Here without ssh: the socket stands where the
far end of the forwarding would.
"""
import glob
import os
import pwd
import signal
import socket
import subprocess

from lib import terminal
from lib.records import wait_for


def client_module():
    found = glob.glob("/usr/lib/*/pkcs11/p11-kit-client.so")
    if not found:
        raise RuntimeError("p11-kit-client.so is missing (p11-kit-modules)")
    return found[0]


class TokenServer:
    """Serves one token of a module on a unix socket that is the person's."""

    def __init__(self, person, module, token, path=None):
        entry = pwd.getpwnam(person)
        self.person, self.module, self.token = person, module, token
        self.folder = f"/run/user/{entry.pw_uid}/p11-kit"
        self.path = path or self.folder + "/pkcs11"
        self.process = None
        for folder, mode in ((f"/run/user/{entry.pw_uid}", 0o700), (self.folder, 0o700)):
            os.makedirs(folder, exist_ok=True)
            os.chown(folder, entry.pw_uid, entry.pw_gid)
            os.chmod(folder, mode)

    def start(self):
        uri = "pkcs11:token=" + "".join(c if c.isalnum() else f"%{ord(c):02x}" for c in self.token)
        self.process = subprocess.Popen(
            ["p11-kit", "server", "--foreground", "--name", self.path, "--provider", self.module,
             uri], cwd="/", env=terminal.clean_environment(self.person), start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            preexec_fn=lambda: terminal.become(self.person))
        if not wait_for(lambda: self.process.poll() is not None or answers(self.path)):
            raise RuntimeError("p11-kit server does not listen")
        if self.process.poll() is not None:
            raise RuntimeError(f"p11-kit server ended: {self.process.stderr.read()}")
        return self

    def freeze(self):
        """It accepts, and says nothing."""
        os.killpg(self.process.pid, signal.SIGSTOP)

    def give_to(self, other):
        """The socket is another person's."""
        os.chown(self.path, pwd.getpwnam(other).pw_uid, -1)

    def stop(self):
        if self.process:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process.stderr.close()
            self.process = None
        if os.path.lexists(self.path):
            os.unlink(self.path)


def answers(path):
    with socket.socket(socket.AF_UNIX) as sock:
        try:
            sock.connect(path)
        except OSError:
            return False
    return True
