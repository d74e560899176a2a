# SPDX-License-Identifier: LGPL-2.1-or-later
"""
sudo on a far machine with a key that stays in front of the person: real ssh to a real sshd, with ssh's own
forwarding of agents and sockets. The far machine has the person's certificates, and no key.
"""
import os
import stat
import sys

from lib import private, tap
from lib.attempt import Attempt, expect_refused
from lib.elsewhere import Agent, Elsewhere, Token
from lib.records import wait_for
from lib.sshd import Remote, Sshd, private_keys, readable_by, sudo_command
from lib.world import World, pwd_entry, run, write


class Scene:
    """bob's account on the far machine, henry in front of his own."""

    def __init__(self):
        self.world = World()
        self.world.give("bob", None)
        self.near = Elsewhere()
        self.sshd = Sshd(self.near)
        self.sshd.admit("bob", "carol")
        service = "".join(f"{kind} required pam_permit.so\n" for kind in ("account", "session"))
        self.world.install("/etc/pam.d/sshd", f"auth required {self.world.module}\n" + service)
        self.sshd.start()
        self.agent = Agent(self.near)
        self.keys = {kind: self.agent.new_key(kind) for kind in ("ed25519", "ecdsa")}
        self.token = Token(self.near).serve()
        self.runtime = f"/run/user/{pwd_entry('bob').pw_uid}"
        write(self.runtime + "/p11-kit/.made", "")
        run("chown", "-R", "bob:", self.runtime)
        run("chmod", "-R", "go=", self.runtime)
        self.sudo = Remote(self.sshd, "sudo", sudo_command())

    @property
    def forward_agent(self):
        return ("-A",), self.agent.environment

    @property
    def forward_token(self):
        return ("-R", f"{self.runtime}/p11-kit/pkcs11:{self.token.path}"), {}

    def over_ssh(self, command, options=(), environment=None):
        """What a command of bob's prints on the far machine."""
        return run("env", "-i", *[f"{k}={v}" for k, v in
                                  self.near.environment(**(environment or {})).items()],
                   *self.sshd.ssh("bob", *options), command).stdout

    def close(self):
        self.sshd.stop()
        self.agent.stop()
        self.token.stop()
        self.near.close()
        self.world.close()


def no_key_there(out, scene):
    """The search finds a key first that was put there for it."""
    write("/home/bob/.planted", "-----BEGIN PRIVATE KEY-----\n")
    run("chown", "bob", "/home/bob/.planted")
    found = private_keys()
    out.result("/home/bob/.planted" in readable_by("bob", found), "the search finds a planted key",
               found)
    run("rm", "/home/bob/.planted")
    found = private_keys()
    out.result(found and not readable_by("bob", found),
               "bob can read no private key on the far machine", found)
    # Those of the tests' own authorities were there before henry made his.
    found = [path for path in found if not path.startswith(scene.world.pki.base)]
    out.note("private keys on the far machine: " + " ".join(found))
    public = {public_half(path) for path in found}
    mine = {*scene.keys.values(), scene.token.public}
    out.result(len(mine) == 3 and not public & mine, "nor has root henry's keys there")
    out.result(public_half(scene.world.pki.key).startswith("-----BEGIN PUBLIC"),
               "public halves are what is compared")


def public_half(path):
    return run("openssl", "pkey", "-in", path, "-pubout", "-passin", "pass:", check=False).stdout


def what_is_forwarded(out, scene):
    """ssh's part, without ours."""
    options, environment = scene.forward_agent
    text = scene.over_ssh("ssh-add -l", options, environment)
    out.result("ED25519" in text and "ECDSA" in text, "the agent's keys are seen over ssh", text)
    text = scene.over_ssh("ssh-add -l; true")
    out.result("Could not open" in text, "and not without -A", text)
    options, _ = scene.forward_token
    path = options[1].split(":")[0]
    with scene.sshd.connection("bob", *options):
        out.result(wait_for(lambda: os.path.exists(path)), "the token's socket comes")
        entry = os.stat(path)
        out.result(stat.S_ISSOCK(entry.st_mode) and entry.st_uid == pwd_entry("bob").pw_uid,
                   "it is bob's", entry)


def test(out):
    scene = Scene()
    no_key_there(out, scene)
    what_is_forwarded(out, scene)
    attempt = Attempt(scene.world, scene.sudo, "bob")
    expect_refused(out, "sudo without anything", attempt, "no-credential")
    out.result(attempt.outcome.terminal_usable, "the terminal is usable afterwards", attempt)
    scene.close()
    out.result(not scene.world.problems(), "no daemon, worker or signer crashed",
               scene.world.problems())


if __name__ == "__main__":
    private.enter()
    sys.exit(tap.run(test))
