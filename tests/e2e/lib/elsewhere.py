# SPDX-License-Identifier: LGPL-2.1-or-later
"""
The machine in front of the person: programs with a /home, /tmp and /run/user of their own, which nobody
else sees, not even the private root's root. All that ssh takes along goes over loopback and nothing else.
"""
import base64
import ctypes
import os
import pickle
import pwd
import signal
import subprocess
import traceback

from lib import p11, softhsm, terminal
from lib.records import wait_for
from lib.world import pki, run

CLONE_NEWNS = 0x00020000
HOME = "/home/henry"
MAKE = """set -eu
for folder in /home /tmp /run/user; do mkdir -p $folder; mount -t tmpfs -o mode=755 tmpfs $folder; done
chmod 1777 /tmp
mkdir -m 700 "$1"
chown "$2:$2" "$1"
echo ready
exec sleep infinity
"""
ED25519 = bytes.fromhex("302a300506032b6570032100")  # the public key's DER up to its 32 bytes


class Mounts:
    """The mount name space of a process, and its root folder: tests may run in a chroot."""

    def __init__(self, pid):
        self.space = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY)
        self.root = os.open(f"/proc/{pid}/root", os.O_RDONLY | os.O_DIRECTORY)

    def enter(self):
        """In a child of one thread."""
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(self.space, CLONE_NEWNS):
            raise OSError(ctypes.get_errno(), "setns")
        os.fchdir(self.root)
        os.chroot(".")

    def close(self):
        os.close(self.space)
        os.close(self.root)


class Elsewhere:
    """Its only person is henry, whose keys are made there and stay there."""

    def __init__(self):
        run("useradd", "--home-dir", HOME, "--no-create-home", "--shell", "/bin/sh", "henry")
        self.entry = pwd.getpwnam("henry")
        self.holder = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", MAKE, "sh", HOME,
             str(self.entry.pw_uid)], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
            encoding="utf-8")
        if self.holder.stdout.readline() != "ready\n":
            raise RuntimeError("the person's own machine could not be made")
        self.mounts = Mounts(self.holder.pid)

    def enter(self):
        """In a child: becomes henry, there."""
        self.mounts.enter()
        terminal.become("henry")
        os.chdir(HOME)

    def argv(self, *command):
        """The command for a program that starts as root, here: it will be henry's, there."""
        return ["nsenter", f"--mount=/proc/{self.holder.pid}/ns/mnt",
                f"--root=/proc/{self.holder.pid}/root", "--setgid",
                str(self.entry.pw_gid), "--setuid", str(self.entry.pw_uid), "--", *command]

    @staticmethod
    def environment(**more):
        return {**terminal.clean_environment("henry"), **more}

    def popen(self, *command, environment=None, **options):
        options = {"stdin": subprocess.DEVNULL, **options}
        return subprocess.Popen(command, env=self.environment(**(environment or {})),
                                preexec_fn=self.enter, start_new_session=True, **options)

    def run(self, *command, text=None, check=True, environment=None):
        """Its output; with @check it has to succeed."""
        done = self.popen(*command, environment=environment, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8")
        output, _ = done.communicate(text, timeout=terminal.DEADLINE)
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(command)}: status {done.returncode}: {output}")
        return output

    def do(self, work, environment=None):
        """work() in a child that is henry's; returns what it returned."""
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            try:
                self.enter()
                os.environ.update(environment or {})
                answer = (True, work())
            except BaseException:  # pylint: disable=broad-except
                answer = (False, traceback.format_exc())
            os.write(writer, pickle.dumps(answer))  # short, or this never ends
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader, "rb") as pipe:
            data = pipe.read()
        os.waitpid(child, 0)
        good, value = pickle.loads(data) if data else (False, "it died")
        if not good:
            raise RuntimeError(f"on the person's own machine: {value}")
        return value

    def fork(self, work):
        """A process of henry's that runs work() until it is killed; its number."""
        child = os.fork()
        if child:
            return child
        try:
            self.enter()
            work()
        except BaseException:  # pylint: disable=broad-except
            traceback.print_exc()
        os._exit(1)

    def put(self, name, text, mode=0o600):
        """A file in henry's home."""
        path = os.path.join(HOME, name)

        def work():
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            pki.write(path, text, mode)
        self.do(work)
        return path

    def exists(self, path):
        return self.do(lambda: os.path.lexists(path))

    def close(self):
        self.holder.kill()
        self.holder.wait()
        self.holder.stdout.close()
        self.mounts.close()


def public_pem(elsewhere, public):
    """The text of OpenSSH's public key as SubjectPublicKeyInfo in PEM."""
    kind, blob = public.split()[:2]
    if kind != "ssh-ed25519":
        path = elsewhere.put("public.tmp", public)
        return elsewhere.run("ssh-keygen", "-e", "-m", "PKCS8", "-f", path)
    return pem_of(ED25519 + base64.b64decode(blob)[-32:])


def pem_of(spki):
    """The DER of a public key as PEM."""
    return ("-----BEGIN PUBLIC KEY-----\n" + base64.encodebytes(spki).decode()
            + "-----END PUBLIC KEY-----\n")


class Agent:
    """An ssh-agent of henry's. @options: as of ssh-agent; @environment: what it starts with."""

    def __init__(self, elsewhere, *options, name="agent", environment=None):
        self.elsewhere = elsewhere
        self.path = f"{HOME}/{name}.sock"
        self.process = elsewhere.popen("ssh-agent", "-D", "-a", self.path, *options,
                                       environment=environment, stdout=subprocess.DEVNULL)
        if not wait_for(lambda: elsewhere.exists(self.path) or self.process.poll() is not None):
            raise RuntimeError("ssh-agent does not listen")

    @property
    def environment(self):
        return {"SSH_AUTH_SOCK": self.path}

    def add(self, *arguments, **options):
        return self.elsewhere.run("ssh-add", "-q", *arguments, environment=self.environment,
                                  **options)

    def new_key(self, kind, *options, name=None):
        """Makes a key, adds it with these options of ssh-add, removes its file; the public half in PEM."""
        path = f"{HOME}/{name or kind}.key"
        self.elsewhere.run("ssh-keygen", "-q", "-t", kind, "-N", "", "-C", kind, "-f", path)
        public = self.elsewhere.run("cat", path + ".pub")
        self.add(*options, path)
        return public_pem(self.elsewhere, public)

    def lock(self):
        """With a password that ssh-add asks for by a program."""
        ask = self.elsewhere.put("ask", "#!/bin/sh\necho locked\n", 0o700)
        self.elsewhere.run("ssh-add", "-x", environment={
            **self.environment, "SSH_ASKPASS": ask, "SSH_ASKPASS_REQUIRE": "force"})

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.elsewhere.run("rm", "-f", self.path)


class Token:
    """A SoftHSM token of henry's with one key that was made on it; `public` is its public half in PEM."""

    LABEL = "Henry's card"

    def __init__(self, elsewhere):
        self.elsewhere, self.module = elsewhere, softhsm.module()
        self.folder = HOME + "/tokens"
        conf = elsewhere.put("softhsm2.conf", f"directories.tokendir = {self.folder}\n"
                             "objectstore.backend = file\nlog.level = ERROR\n")
        self.environment = {"SOFTHSM2_CONF": conf}
        elsewhere.run("mkdir", "-m", "700", self.folder)
        self.public = pem_of(elsewhere.do(self._make, self.environment))
        self.path = HOME + "/p11-kit.sock"
        self.process = None

    def _make(self):
        module = p11.Module(self.module)
        module.init_token(module.free_slot(), self.LABEL, softhsm.SO_PIN, softhsm.PIN)
        session = module.session(module.slot(self.LABEL), softhsm.PIN)
        return p11.new_ec_key(module, session, b"\x01", "login")

    def serve(self):
        """`p11-kit server`, at the end from which ssh forwards."""
        self.process = self.elsewhere.popen(
            "p11-kit", "server", "--foreground", "--name", self.path, "--provider", self.module,
            "pkcs11:token=Henry%27s%20card", environment=self.environment,
            stdout=subprocess.DEVNULL)
        if not wait_for(lambda: self.elsewhere.exists(self.path)
                        or self.process.poll() is not None):
            raise RuntimeError("p11-kit server does not listen")
        return self

    def stop(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.elsewhere.run("rm", "-f", self.path)
