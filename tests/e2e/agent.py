# SPDX-License-Identifier: LGPL-2.1-or-later
"""
sudo, su and another program with a key in the person's ssh-agent. The agent's place is what SSH_AUTH_SOCK says,
which sudo takes out of its environment.
"""
import os
import shutil
import signal
import sys

from lib import private, tap
from lib.attempt import Attempt, expect_entered, expect_refused
from lib.elsewhere import ED25519, pem_of
from lib.hosts import PamHost, Su, Sudo
from lib.local_agent import FakeAgent, LocalAgent, identities, string
from lib.world import World, pki, pwd_entry, run, write

FIDO = string(b"sk-ssh-ed25519@openssh.com") + string(bytes(32)) + string(b"ssh:")
GARBAGE = {
    "a protocol of another kind": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "a count without keys": identities(count=0xffffffff),
    "more than it may be": b"\xff\xff\xff\xff\x0c",
    "nothing": b"",
}


class Scene:
    def __init__(self, out):
        self.out = out
        self.world = World()
        self.settings()
        self.hosts = {"sudo": Sudo(), "su": Su(), "pam_host": PamHost()}
        self.agent = LocalAgent()
        self.agent.add(self.world.pki.key)
        self.certificates("good")
        self._ed25519()

    def settings(self, presence="not-required", **more):
        settings = {**self.world.pam_settings(), "sources": ["agent"], **more}
        if presence:
            settings["service su"] = {"presence": presence}
            settings["service mtls-test"] = {"presence": presence}
        self.world.change_settings("pam_mtls.conf", settings)

    def certificates(self, *names):
        """All that bob has in his folder."""
        self.world.give("bob", None)
        entry = pwd_entry("bob")
        for name in names:
            path = f"{entry.pw_dir}/.config/mtls/{name}.crt"
            shutil.copy(self.world.pki.leaf[name], path)
            os.chmod(path, 0o644)
            os.chown(path, entry.pw_uid, entry.pw_gid)

    def _ed25519(self):
        """A key of OpenSSH's own, with a certificate that is bound to bob."""
        self.ed25519 = "/run/mtls-test/ed25519"
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.ed25519)
        blob = run("cut", "-d", " ", "-f", "2", self.ed25519 + ".pub").stdout
        raw = pki.base64.b64decode(blob)[-32:]
        write(self.ed25519 + ".pem", pem_of(ED25519 + raw))
        self.world.pki.leaf["agent-ed25519"] = self.ed25519 + ".crt"
        self.world.pki.user_ca.sign_public(self.ed25519 + ".crt", self.ed25519 + ".pem",
                                           self.world.pki.SUBJECT)
        self.world.bind("bob", "agent-ed25519")

    def another(self, *keys, options=()):
        """A new agent of bob's instead."""
        self.agent.stop()
        self.agent = LocalAgent()
        if keys:
            self.agent.add(*keys, options=options)
        return self.agent

    def attempt(self, host="sudo", environment=None):
        return Attempt(self.world, self.hosts[host], "bob",
                       environment=self.agent.environment if environment is None else environment)

    def enters(self, name, host="sudo", environment=None):
        attempt = self.attempt(host, environment)
        expect_entered(self.out, f"{name}, {host}", attempt)
        return attempt

    def refused(self, name, token, host="sudo", environment=None, audit=None):
        attempt = self.attempt(host, environment)
        expect_refused(self.out, f"{name}, {host}", attempt, token, audit)
        return attempt

    def close(self):
        self.agent.stop()
        self.world.close()


def right_keys(scene):
    for host in scene.hosts:
        attempt = scene.enters("right key", host)
        scene.out.result("passphrase" not in attempt.shown.lower(), f"nothing is asked, {host}", attempt)
    for kind in ("P-384", "P-521"):
        scene.another(scene.world.pki.at(kind + ".key"))
        scene.certificates(kind)
        scene.enters(kind)
    scene.another(scene.ed25519)
    scene.certificates("agent-ed25519")
    scene.enters("Ed25519")
    scene.certificates()
    digest = run("sh", "-c", f"openssl pkey -pubin -in {scene.ed25519}.pem -outform DER | sha256sum")
    path = f"{scene.world.conf}/certs.d/{digest.stdout.split()[0]}.crt"
    write(path, pki.read(scene.ed25519 + ".crt"))
    scene.enters("its certificate in certs.d")
    os.unlink(path)


def certificates(scene):
    key = scene.world.pki.key
    scene.another(key)
    scene.certificates()
    scene.refused("no certificate", "no-credential")
    for name, token in (("expired", "cert-expired"), ("wrong-ca", "issuer-untrusted"),
                        ("revoked", "cert-revoked")):
        scene.certificates(name)
        scene.refused(name, token, audit=None if token == "issuer-untrusted" else token)
    scene.certificates("is-ca")
    scene.refused("a CA's", "no-credential")
    scene.certificates("expired", "good", "is-ca")
    scene.enters("expired beside good")
    scene.another(scene.world.pki.at("P-384.key"), key)
    scene.certificates("P-384", "expired")
    scene.enters("an expired one of another key")
    scene.another(scene.world.pki.at("stranger.key"))
    scene.certificates("stranger")
    for host in scene.hosts:
        scene.refused("unmapped", "unmapped", host, audit="unmapped")
    scene.another(scene.world.pki.at("carol.key"))
    scene.certificates("carol")
    for host in scene.hosts:
        scene.refused("carol's key", "mapped-to-other", host, audit="mapped-to-other")
    scene.another(key)
    scene.certificates("good")


def what_agents_hold(scene):
    scene.another()
    scene.refused("empty", "no-credential")
    scene.another(scene.world.pki.at("RSA-2048.key"))
    scene.certificates("RSA-2048")
    attempt = scene.refused("RSA alone", "key-unusable")
    scene.out.result(any("1 key of the agent cannot be used for certificate login (RSA)" in line
                         for line in scene.world.syslog.lines()), "one line says which", attempt)
    scene.certificates("good")
    scene.agent.add(scene.world.pki.key)
    scene.enters("RSA beside a good one")
    fake = FakeAgent(identities(FIDO, b"", b"\0\0\0\x0bssh-ed25519"))
    attempt = scene.refused("FIDO and damaged ones", "key-unusable", environment=fake.environment)
    scene.out.result(any("(FIDO, damaged)" in line for line in scene.world.syslog.lines()),
                     "both are named", attempt)
    fake.stop()
    scene.another()
    run("sh", "-c", "for i in $(seq 300); do ssh-keygen -q -t ed25519 -N '' -f /run/mtls-test/many.$i; done")
    many = [f"/run/mtls-test/many.{i}" for i in range(1, 301)]
    scene.agent.add(*many[:150], scene.world.pki.key, *many[150:])
    scene.out.result(scene.agent.ssh_add("-l").count("\n") == 301, "301 keys are in the agent")
    for host in scene.hosts:
        scene.enters("one of 301 keys", host)
    scene.another(scene.world.pki.key)


def locked(scene):
    scene.agent.lock()
    for host in scene.hosts:
        scene.refused("locked", "agent-refused", host)
    scene.agent.lock(False)
    scene.enters("opened again")


def confirming(scene):
    scene.another(scene.world.pki.key, options=["-c"])
    for host in scene.hosts:
        scene.agent.answer("yes")
        scene.enters("confirmed", host)
        scene.agent.answer("no")
        scene.refused("not confirmed", "agent-refused", host)
    scene.out.result(scene.agent.asked().count("Allow use of key") == 6, "once for each signature",
                     scene.agent.asked())
    scene.agent.answer("dies")
    scene.refused("gone while it signs", "agent-missing")
    scene.another(scene.world.pki.key, options=["-c"])
    scene.settings(person_timeout="2s", signer_timeout="2s")
    scene.agent.answer("stops")
    scene.refused("hangs while it signs", "signer-timeout")
    scene.settings()
    scene.another(scene.world.pki.key)


def constrained(scene):
    hosts = "/run/mtls-test/known_hosts"
    write(hosts, "far " + " ".join(pki.read(scene.ed25519 + ".pub").split()[:2]) + "\n")
    scene.another(scene.world.pki.key, options=["-H", hosts, "-h", "far"])
    scene.refused("for another machine only", "agent-refused")
    scene.another(scene.world.pki.key)


def not_an_agent(scene):
    for name, answer in GARBAGE.items():
        if not answer:
            scene.settings(signer_timeout="2s")
        fake = FakeAgent(answer)
        token = "agent-missing" if answer else "signer-timeout"
        scene.refused(f"garbage: {name}", token, environment=fake.environment)
        fake.stop()
    for host in scene.hosts:
        os.kill(scene.agent.process.pid, signal.SIGSTOP)
        scene.refused("hung", "signer-timeout", host)
    scene.settings()
    scene.refused("hung, with patience", "agent-missing")
    os.kill(scene.agent.process.pid, signal.SIGCONT)
    scene.enters("and on again")


def sockets(scene):
    for host in scene.hosts:
        scene.refused("no agent is named", "agent-missing", host, environment={})
    scene.refused("nothing there", "agent-missing",
                  environment={"SSH_AUTH_SOCK": "/run/mtls-test/none"})
    path = scene.agent.path
    scene.agent.stop()
    scene.refused("a socket that nobody listens at", "agent-missing",
                  environment={"SSH_AUTH_SOCK": path})
    scene.another(scene.world.pki.key)
    carols = LocalAgent("carol")
    carols.add(scene.world.pki.key)
    os.chmod(carols.folder, 0o755)
    os.chmod(carols.path, 0o777)
    for host in scene.hosts:
        scene.refused("carol's agent with bob's key", "socket-untrusted", host,
                      environment=carols.environment)
    link = scene.agent.folder + "/link"
    os.symlink(carols.path, link)
    scene.refused("a link to it", "socket-untrusted", environment={"SSH_AUTH_SOCK": link})
    scene.refused("a file", "socket-untrusted",
                  environment={"SSH_AUTH_SOCK": scene.world.credential("bob")})
    carols.stop()


def presence(scene):
    scene.settings(presence=None)
    scene.enters("by default")
    for host in ("su", "pam_host"):
        scene.refused("presence is required", "key-unprotected", host)
    scene.settings(presence=None, **{"service sudo": {"presence": "required"}})
    scene.refused("presence is required", "key-unprotected")
    scene.settings()


def nobody_to_ask(scene):
    """An agent's key needs nobody, and nothing is said to nobody."""
    for option in ("--silent", "--noconv"):
        attempt = Attempt(scene.world, scene.hosts["pam_host"], "bob", extra=[option],
                          environment=scene.agent.environment)
        expect_entered(scene.out, option, attempt)
        lines = [line for line in attempt.outcome.text.splitlines() if not line.endswith("PAM_SUCCESS")]
        scene.out.result(not [line for line in lines if "assphrase" in line or "ertificate" in line],
                         f"and no word, {option}", attempt)
    attempt = Attempt(scene.world, scene.hosts["pam_host"], "bob", extra=["--noconv"], environment={})
    why = attempt.why_not_refused("agent-missing", told=False)
    scene.out.result(not why and "agent" not in attempt.shown, "nor without an agent, --noconv", why or attempt)


def sources(scene):
    """One after the other."""
    scene.settings(sources=["agent", "file"])
    scene.world.give("bob", "good")
    attempt = scene.enters("a file behind an agent that is not there", environment={})
    scene.out.result("passphrase" in attempt.shown.lower(), "its passphrase is asked", attempt)
    scene.certificates("good")
    scene.enters("the agent before the file")
    scene.settings()


def daemon(scene):
    scene.world.daemon.stop()
    for host in scene.hosts:
        scene.refused("no daemon", "unreachable", host)
    scene.world.daemon.start()
    scene.enters("the daemon is back")


def test(out):
    scene = Scene(out)
    for part in (right_keys, certificates, what_agents_hold, locked, confirming, constrained, not_an_agent,
                 sockets, presence, nobody_to_ask, sources, daemon):
        part(scene)
    scene.close()
    problems = scene.world.problems()
    out.result(not problems, "no daemon, worker or signer crashed", problems)


if __name__ == "__main__":
    private.enter()
    sys.exit(tap.run(test))
