# SPDX-License-Identifier: LGPL-2.1-or-later
"""
sudo on a far machine with a key in the agent in front of the person: `ssh -A` to a real sshd. The far machine
has the person's certificates and no key; sudoers has no env_keep for SSH_AUTH_SOCK.
"""
import os
import signal
import sys
import threading

from lib import private, tap
from lib.attempt import Attempt, expect_entered, expect_refused
from lib.elsewhere import Agent, HOME
from lib.forwarding import AgentHere, Scene
from lib.hosts import PamHost
from lib.hostile import Hostile, MODES
from lib.records import wait_for
from lib.sshd import PORT, private_keys, readable_by, sudo_command
from lib.terminal import DEADLINE
from lib.world import SUDOERS, run, write

# What an agent that is not one leads to (MODES of lib/hostile.py), if not to agent-missing.
HOSTILE = {
    "trickle": "signer-timeout",
    "silent": "signer-timeout",
    "hangs when it signs": "signer-timeout",
    "refuses all": "agent-refused",
    "signs falsely": "bad-signature",
}
CODES = {"agent-missing": "PAM_AUTHINFO_UNAVAIL", "signer-timeout": "PAM_AUTHINFO_UNAVAIL",
         "agent-refused": "PAM_AUTH_ERR", "bad-signature": "PAM_AUTH_ERR"}


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
    mine = set(scene.public.values())
    out.result(len(mine) == 3 and not public & mine, "nor has root henry's keys there")
    out.result(public_half(scene.world.pki.key).startswith("-----BEGIN PUBLIC"),
               "public halves are what is compared")


def public_half(path):
    return run("openssl", "pkey", "-in", path, "-pubout", "-passin", "pass:", check=False).stdout


class Rows:
    """Attempts of bob's over ssh, and what is said about each."""

    def __init__(self, out, scene):
        self.out, self.scene = out, scene

    def attempt(self, **options):
        return Attempt(self.scene.world, self.scene.sudo, "bob", **options)

    def enters(self, name, asked=0, **options):
        attempt = self.attempt(**options)
        expect_entered(self.out, name, attempt)
        self._usable(name, attempt)
        self.out.result(attempt.outcome.asked == asked, f"{name}: {asked} questions", attempt)
        return attempt

    def refused(self, name, token, audit=None, **options):
        attempt = self.attempt(**options)
        expect_refused(self.out, name, attempt, token, audit)
        self._usable(name, attempt)
        return attempt

    def _usable(self, name, attempt):
        if not attempt.outcome.terminal_usable:
            self.out.result(False, f"{name}: the terminal is usable", attempt)


def passing(out, scene, rows):
    attempt = rows.enters("sudo with a forwarded agent")
    out.result("uid=0 " in attempt.shown and "subject=CN=bob,O=Example" in attempt.shown,
               "root afterwards, who knows the certificate", attempt)
    out.result("SSH_AUTH_SOCK" not in SUDOERS, "sudoers keeps no SSH_AUTH_SOCK")
    scene.have("ecdsa")
    rows.enters("the agent's ECDSA key")
    scene.have("ed25519", "ecdsa")
    attempt = rows.enters("two keys, a choice", asked=1, answers=[(r"\(1-2\)\? $", "2", False)])
    out.result("[Ed25519]" in attempt.shown and "[P-256]" in attempt.shown,
               "one person's two certificates are told apart by their keys", attempt)
    scene.passing()


def paths(scene, rows):
    """SSH_AUTH_SOCK is a hint: it may name anything."""
    refused = ("sudo with SSH_AUTH_SOCK ", "socket-untrusted")
    carol = AgentHere("carol")
    with_socket = "SSH_AUTH_SOCK={} " + sudo_command()
    for what, token, path in (
            ("that is gone", "agent-missing", "/tmp/gone.sock"),
            ("of carol", "socket-untrusted", carol.path),
            ("that is a file", "socket-untrusted", "/etc/passwd"),
            ("that is a device", "socket-untrusted", "/dev/zero")):
        rows.refused(refused[0] + what, token, command=with_socket.format(path))
    carol.stop()
    rows.refused("sudo without -A", "agent-missing", options=())


def other_agents(scene, rows):
    """Agents that are as they should be, but do not help."""
    near = scene.near
    for name, prepare, token in (
            ("without a key", lambda agent: None, "no-credential"),
            ("with another key", lambda agent: agent.new_key("ed25519", name="other"),
             "no-credential"),
            ("with an RSA key", lambda agent: agent.new_key("rsa"), "key-unusable"),
            ("that is locked", lambda agent: (agent.new_key("ed25519", name="l"), agent.lock()),
             "agent-refused")):
        agent = Agent(near, name="second")
        prepare(agent)
        rows.refused("sudo with an agent " + name, token,
                     options=scene.forward_only(agent.path))
        agent.stop()


def asking_agent(scene, rows):
    """Keys that the agent asks about before each use (ssh-add -c)."""
    for answer, token in (("true", None), ("false", "agent-refused"), ("sleep", "signer-timeout")):
        ask = scene.near.put("confirm", f"#!/bin/sh\nexec {answer} 100\n", 0o700)
        agent = Agent(scene.near, name="second",
                      environment={"SSH_ASKPASS": ask, "SSH_ASKPASS_REQUIRE": "force",
                                   "DISPLAY": ":0"})
        agent.add("-c", scene.key_file("ed25519"))
        options = scene.forward_only(agent.path)
        if token:
            rows.refused(f"sudo with an agent that asks: {answer}", token, options=options)
        else:
            rows.enters(f"sudo with an agent that asks: {answer}", options=options)
        agent.stop()


def bound_agent(scene, rows):
    """Keys that may be used for some machines only (ssh-add -h): none of them is ours."""
    for what, hop, token in (("here", f"[127.0.0.1]:{PORT}", "no-credential"),
                             ("from here", f"[127.0.0.1]:{PORT}>other.test", "agent-refused")):
        agent = Agent(scene.near, name="second")
        scene.near.run("sh", "-c", f"sed 's/^[^ ]*/other.test/' {scene.sshd.known} "
                       f">> {scene.sshd.known}")
        agent.add("-H", scene.sshd.known, "-h", f"[127.0.0.1]:{PORT}", "-h", hop,
                  scene.key_file("ed25519"))
        rows.refused(f"sudo with a key for ssh only, {what}", token,
                     options=scene.forward_only(agent.path))
        agent.stop()


def without_prompts(out, scene, rows):
    """sudo -n, as Ansible calls it: on a terminal and without one."""
    silent = sudo_command(options="-k -n")
    attempt = rows.attempt(command=silent)
    out.result(not attempt.entered and not attempt.logged(),
               "sudo -n as it comes does not ask PAM", attempt)
    scene.world.change("/etc/sudoers", "Defaults noninteractive_auth\n" + SUDOERS)
    attempt = rows.enters("sudo -n", command=silent)
    text = scene.over_ssh(silent, *scene.forward_agent, environment=scene.agent.environment)
    out.result(text.startswith("ENTERED uid=0") and len(text.splitlines()) == 1,
               "sudo -n without a terminal says nothing of its own", text)
    scene.world.change_settings("pam_mtls.conf", scene.settings(presence="required"))
    attempt = Attempt(scene.world, scene.sudo, "bob", command=silent)
    out.result(not attempt.entered and attempt.logged() == ["key-unprotected"],
               "sudo -n where presence is required", attempt)
    scene.passing()


def rules(out, scene, rows):
    """What has nothing to do with agents holds for them too."""
    world = scene.world
    world.change_settings("pam_mtls.conf", scene.settings(presence="required"))
    rows.refused("presence required", "key-unprotected")
    scene.passing()
    world.daemon.kill()
    rows.refused("dead daemon", "unreachable")
    scene.passing()
    run("mtlsctl", "bind", "remove", "bob", "--cert", scene.certificates["ed25519"])
    rows.refused("unmapped", "unmapped", "unmapped")
    run("mtlsctl", "bind", "add", "carol", "--cert", scene.certificates["ed25519"])
    rows.refused("mapped to carol", "mapped-to-other", "mapped-to-other")
    run("mtlsctl", "bind", "remove", "carol", "--cert", scene.certificates["ed25519"])
    run("mtlsctl", "bind", "add", "bob", "--cert", scene.certificates["ed25519"])
    rows.enters("sudo, all as before")


def hung_agent(scene, rows):
    """It stops once ssh is there, and goes on when sudo has given up: ssh itself waits that long."""
    agent = Agent(scene.near, name="second")
    agent.add(scene.key_file("ed25519"))
    options = scene.forward_only(agent.path)

    def go_on():
        wait_for(lambda: "signer-timeout" in scene.world.syslog.tokens(), DEADLINE)
        os.kill(agent.process.pid, signal.SIGCONT)

    def stop():
        os.kill(agent.process.pid, signal.SIGSTOP)
        threading.Thread(target=go_on).start()
        return ""
    rows.refused("sudo with a stopped agent", "signer-timeout", options=options,
                 command="echo STOP; read -r line; " + sudo_command(),
                 answers=[("STOP", stop, False)])
    rows.enters("sudo when the agent goes on", options=options)
    agent.stop()


def hostile_agents(out, scene, rows):
    """By real sudo, which does not tell its PAM code, and by a PAM host on the same forwarding."""
    path = HOME + "/hostile.sock"
    options = scene.forward_only(path)
    with scene.forwarded_socket(*options) as far:
        for mode in MODES:
            token = HOSTILE.get(mode, "agent-missing")
            hostile = Hostile(scene.near, path, mode, [scene.blob("ed25519")])
            rows.refused(f"sudo with an agent: {mode}", token, options=options)
            outcome = PamHost().enter("bob", environment={"SSH_AUTH_SOCK": far})
            out.result(outcome.code == CODES[token], f"{mode}: {CODES[token]}", outcome)
            hostile.stop()


def other_hosts(out, scene):
    """Whose agent it is follows from the process: root's programs and lockers have none."""
    scene.world.change_settings("pam_mtls.conf", {
        **scene.settings(), "service mtls-test": {"sources": ["agent"], "presence": "not-required"}})
    with scene.forwarded_socket(*scene.forward_agent) as far:
        socket = {"SSH_AUTH_SOCK": far}
        attempt = Attempt(scene.world, PamHost(), "bob", environment=socket)
        expect_entered(out, "setuid program of bob's", attempt)
        attempt = Attempt(scene.world, PamHost(kind="setuid"), "carol", environment=socket)
        expect_refused(out, "setuid program of carol's with bob's socket", attempt,
                       "agent-missing")  # she does not get there
        for host in (PamHost(kind="root"), PamHost(kind="user", phases="auth")):
            attempt = Attempt(scene.world, host, "bob", environment=socket)
            expect_refused(out, f"{host.kind}'s program", attempt, "no-source")


def test(out):
    scene = Scene("agent", "p11-kit", "file")
    rows = Rows(out, scene)
    no_key_there(out, scene)
    passing(out, scene, rows)
    paths(scene, rows)
    other_agents(scene, rows)
    asking_agent(scene, rows)
    bound_agent(scene, rows)
    without_prompts(out, scene, rows)
    rules(out, scene, rows)
    hung_agent(scene, rows)
    hostile_agents(out, scene, rows)
    other_hosts(out, scene)
    scene.close()
    out.result(not scene.world.problems(), "no daemon, worker or signer crashed",
               scene.world.problems())


if __name__ == "__main__":
    private.enter()
    sys.exit(tap.run(test))
