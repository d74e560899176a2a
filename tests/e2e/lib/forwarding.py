# SPDX-License-Identifier: LGPL-2.1-or-later
"""
The scene of tests with ssh: bob's account on the far machine, which has his certificates and no key; henry,
who is bob elsewhere, in front of his own machine with an agent and a card.
"""
import base64
import contextlib
import os
import shutil
import subprocess

from lib import terminal
from lib.elsewhere import HOME, Agent, Elsewhere, Token
from lib.records import wait_for
from lib.sshd import Remote, Sshd, sudo_command
from lib.world import SUDOERS, World, pwd_entry, run, settings_text, write

class Scene:
    """@sources: of service sudo."""

    def __init__(self, *sources):
        self.sources = list(sources)
        self.world = world = World()
        self.bob = pwd_entry("bob")
        self.near = Elsewhere()
        self.sshd = Sshd(self.near)
        self.sshd.admit("bob", "carol")
        later = "".join(f"{kind} required pam_permit.so\n" for kind in ("account", "session"))
        world.install("/etc/pam.d/sshd", f"auth required {world.module}\n" + later)
        world.install(world.conf + "/pam_mtls.conf", settings_text(self.settings()))
        world.install("/etc/sudoers", SUDOERS, 0o440)
        self.sshd.start()
        self.agent = Agent(self.near)
        self.public = {kind: self.agent.new_key(kind) for kind in ("ed25519", "ecdsa")}
        self.token = Token(self.near).serve()
        self.public["token"] = self.token.public
        self.certificates = {}
        for name, public in self.public.items():
            self.certify(name, public)
            run("mtlsctl", "bind", "add", "bob", "--cert", self.certificates[name])
        self._runtime()
        self.have("ed25519", "token")
        self.sudo = Remote(self.sshd, "sudo", sudo_command(), *self.forward_agent,
                           environment=self.agent.environment)
        self.sudo_token = Remote(self.sshd, "sudo", sudo_command(), *self.forward_token,
                                 environment=self.agent.environment)

    def settings(self, **sudo):
        """@sudo: of its section. The test's own service has the sources of sudo."""
        return {**self.world.pam_settings(), "signer_timeout": "1s", "person_timeout": "2s",
                "service sudo": {"sources": self.sources, **sudo},
                "service mtls-test": {"sources": self.sources, "presence": "not-required"}}

    def certify(self, name, public, subject="/O=Example/CN=bob"):
        """A certificate of the far machine's authority for a key that it does not have."""
        base = self.world.pki.at("henry-" + name)
        write(base + ".pub", public)
        self.certificates[name] = base + ".crt"
        self.world.pki.user_ca.sign_public(base + ".crt", base + ".pub", subject)
        return base + ".crt"

    def _runtime(self):
        """What pam_systemd would make."""
        self.runtime = f"/run/user/{self.bob.pw_uid}"
        for folder in ("/run/user", self.runtime, self.runtime + "/p11-kit"):
            os.makedirs(folder, exist_ok=True)
        for folder in (self.runtime, self.runtime + "/p11-kit"):
            os.chown(folder, self.bob.pw_uid, self.bob.pw_gid)
            os.chmod(folder, 0o700)

    def have(self, *names):
        """The certificates in bob's folder on the far machine, and nothing else."""
        self.world.give("bob", None)
        folder = self.bob.pw_dir + "/.config/mtls"
        for name in names:
            path = f"{folder}/{name}.crt"
            shutil.copy(self.certificates[name], path)
            os.chown(path, self.bob.pw_uid, self.bob.pw_gid)

    @property
    def forward_agent(self):
        return ("-A",)

    @staticmethod
    def forward_only(path):
        """Another agent than ssh's own, which would never open the door if that one hung."""
        return ("-o", "ForwardAgent=" + path)

    @property
    def forward_token(self):
        return ("-R", f"{self.runtime}/p11-kit/pkcs11:{self.token.path}")

    @staticmethod
    def key_file(kind):
        return f"{HOME}/{kind}.key"

    def blob(self, name):
        """The public key as agents show it; of Ed25519 only."""
        spki = base64.b64decode("".join(self.public[name].splitlines()[1:-1]))
        return b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + spki[-32:]

    @contextlib.contextmanager
    def forwarded_socket(self, *options):
        """While an ssh is there: the path of the agent that it forwards."""
        with subprocess.Popen(
                self.sshd.ssh("bob", *options) + ["echo $SSH_AUTH_SOCK; exec cat"], cwd="/",
                env=self.near.environment(**self.agent.environment), stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, encoding="utf-8") as ssh:
            try:
                yield ssh.stdout.readline().strip()
            finally:
                ssh.kill()

    def over_ssh(self, command, *options, environment=None):
        """What a command of bob's prints on the far machine, without a terminal."""
        variables = self.near.environment(**(environment or {}))
        return run("env", "-i", *[f"{key}={value}" for key, value in variables.items()],
                   *self.sshd.ssh("bob", *options), command, check=False).stdout

    def passing(self):
        self.world.passing()
        self.have("ed25519", "token")

    def close(self):
        self.sshd.stop()
        self.agent.stop()
        self.token.stop()
        self.near.close()
        self.world.close()


class AgentHere:
    """An ssh-agent of somebody's on the far machine, whose socket anybody may connect to."""

    def __init__(self, person):
        self.folder = f"/run/agent.{person}"
        self.path = self.folder + "/socket"
        os.makedirs(self.folder)
        os.chown(self.folder, pwd_entry(person).pw_uid, -1)
        self.process = subprocess.Popen(
            ["ssh-agent", "-D", "-a", self.path], cwd="/", stdout=subprocess.DEVNULL,
            preexec_fn=lambda: terminal.become(person))
        if not wait_for(lambda: os.path.exists(self.path)):
            raise RuntimeError("ssh-agent does not listen")
        os.chmod(self.path, 0o777)

    def stop(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder)
