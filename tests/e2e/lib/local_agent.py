# SPDX-License-Identifier: LGPL-2.1-or-later
"""A person's ssh-agent on the machine that they log in to, and an agent that talks nonsense."""
import os
import socket
import struct
import subprocess
import threading

from lib import terminal
from lib.records import wait_for
from lib.world import pwd_entry, write

FOLDER = "/run/mtls-test/agents"
ASKED = FOLDER + "/asked"
ANSWER = FOLDER + "/answer"
ASKPASS = f"""#!/bin/sh
# Confirms the use of a key, as the test says.
echo "$1" >>{ASKED}
case $(cat {ANSWER}) in
yes) echo yes ;;
dies) kill -9 $PPID ;;
stops) kill -STOP $PPID ;;
*) exit 1 ;;
esac
"""


def folder_of(person):
    folder = f"{FOLDER}/{person}"
    os.makedirs(folder, exist_ok=True)
    os.chown(folder, pwd_entry(person).pw_uid, -1)
    os.chmod(folder, 0o700)
    return folder


class LocalAgent:
    """ssh-agent(1) of a person. Keys are added from files, which are gone then."""

    def __init__(self, person="bob", name="agent"):
        os.makedirs(FOLDER, exist_ok=True)
        os.chmod(FOLDER, 0o755)
        write(FOLDER + "/askpass", ASKPASS, 0o755)
        write(ASKED, "", 0o666)
        self.answer("no")
        self.person = person
        self.folder = folder_of(person)
        self.path = f"{self.folder}/{name}.sock"
        if os.path.exists(self.path):  # of one that was killed
            os.unlink(self.path)
        self.process = subprocess.Popen(
            ["ssh-agent", "-D", "-a", self.path], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
            preexec_fn=lambda: terminal.become(person),
            env={**terminal.clean_environment(person), "SSH_ASKPASS": FOLDER + "/askpass",
                 "SSH_ASKPASS_REQUIRE": "force"})
        if not wait_for(lambda: os.path.exists(self.path) or self.process.poll() is not None):
            raise RuntimeError("ssh-agent does not listen")

    @property
    def environment(self):
        return {"SSH_AUTH_SOCK": self.path}

    @staticmethod
    def answer(word):
        write(ANSWER, word)

    @staticmethod
    def asked():
        with open(ASKED, encoding="utf-8") as file:
            return file.read()

    def ssh_add(self, *arguments):
        """What it prints."""
        done = subprocess.run(
            ["ssh-add", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, encoding="utf-8", check=False, cwd="/",
            preexec_fn=lambda: terminal.become(self.person),
            env={**terminal.clean_environment(self.person), **self.environment})
        if done.returncode:
            raise RuntimeError(f"ssh-add {arguments}: {done.stdout}")
        return done.stdout

    def add(self, *keys, options=()):
        """Files that only root can read; each is lent for the moment."""
        paths = []
        for number, key in enumerate(keys):
            with open(key, encoding="utf-8") as file:
                paths.append(f"{self.folder}/key{number}")
                write(paths[-1], file.read(), 0o600)
            os.chown(paths[-1], pwd_entry(self.person).pw_uid, -1)
        self.ssh_add("-q", *options, *paths)
        for path in paths:
            os.unlink(path)

    def lock(self, locked=True):
        """Typed twice to lock it, once to open it."""
        with_terminal = terminal.converse(
            ["ssh-add", "-x" if locked else "-X"],
            [(r"password: $", "sesame", True), (r"[Aa]gain: $", "sesame", True)][:2 if locked else 1],
            self.person, self.environment)
        if with_terminal.status:
            raise RuntimeError(with_terminal.text)

    def stop(self):
        self.process.kill()
        self.process.wait()


def string(data):
    return struct.pack(">I", len(data)) + data


class FakeAgent:
    """Gives one answer to whatever it is asked."""

    def __init__(self, answer, person="bob"):
        self.path = folder_of(person) + "/fake.sock"
        self.answer = answer
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.path)
        os.chown(self.path, pwd_entry(person).pw_uid, -1)
        self.listener.listen(8)
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def environment(self):
        return {"SSH_AUTH_SOCK": self.path}

    def _serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                try:
                    while connection.recv(65536):
                        connection.sendall(self.answer)
                except OSError:
                    pass

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def identities(*blobs, count=None):
    """The answer of an agent that has these keys, or says that it has @count."""
    body = b"\x0c" + struct.pack(">I", len(blobs) if count is None else count)
    return string(body + b"".join(string(blob) + string(b"comment") for blob in blobs))
