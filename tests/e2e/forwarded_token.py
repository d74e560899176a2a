# SPDX-License-Identifier: LGPL-2.1-or-later
"""
sudo on a far machine with a card in front of the person: `p11-kit server` there, forwarded by `ssh -R` to a real
sshd. The PIN is asked on the far machine's terminal and goes back to the card.
"""
import os
import signal
import sys

from lib import private, tap
from lib.attempt import Attempt, expect_entered, expect_refused
from lib.forwarding import Scene
from lib.hostile import TOKEN_MODES, Hostile
from lib.softhsm import PIN
from lib.sshd import sudo_command
from lib.world import SUDOERS

ASKED = r"Henry's card[^\n]*: ?$"


class Rows:
    def __init__(self, out, scene):
        self.out, self.scene = out, scene

    def attempt(self, pin=PIN, host=None, **options):
        options.setdefault("answers", [(ASKED, pin, True)])
        return Attempt(self.scene.world, host or self.scene.sudo_token, "bob", **options)

    def enters(self, name, **options):
        attempt = self.attempt(**options)
        expect_entered(self.out, name, attempt)
        self.usable(name, attempt)
        return attempt

    def refused(self, name, token, audit=None, **options):
        attempt = self.attempt(**options)
        expect_refused(self.out, name, attempt, token, audit)
        self.usable(name, attempt)
        self.out.result(PIN not in attempt.shown, f"{name}: no PIN on the terminal", attempt)
        return attempt

    def usable(self, name, attempt):
        if not attempt.outcome.terminal_usable:
            self.out.result(False, f"{name}: the terminal is usable", attempt)


def pins(out, rows):
    attempt = rows.enters("sudo with a forwarded card")
    out.result(attempt.outcome.asked == 1, "asked once, by the card's name", attempt)
    rows.refused("wrong PIN", "pin-wrong", pin="000000")
    rows.refused("empty PIN", "secret-empty", pin="")
    rows.enters("the right PIN again")


def elsewhere(out, scene, rows):
    """A socket in bob's home, which he names in his environment; sudo's own is clean."""
    path = scene.bob.pw_dir + "/.card"
    options = ("-R", f"{path}:{scene.token.path}")
    named = f"P11_KIT_SERVER_ADDRESS=unix:path={path} " + sudo_command()
    rows.enters("P11_KIT_SERVER_ADDRESS names the socket", options=options, command=named)
    rows.refused("nobody names the socket", "no-token", options=options)
    os.chown(path, 0, 0)
    rows.refused("root's socket", "socket-untrusted", options=(), command=named)
    os.unlink(path)
    os.symlink(f"{scene.runtime}/p11-kit/pkcs11", path)
    rows.refused("a link to his socket", "socket-untrusted", command=named)
    os.unlink(path)
    missing = rows.refused("the folder for the socket is missing", "no-token", options=(
        "-R", f"{scene.runtime}/missing/pkcs11:{scene.token.path}"))
    out.result("remote port forwarding failed" in missing.shown, "ssh says so", missing)


def gone(scene, rows):
    """The card, its server, the socket."""
    token = scene.token
    rows.refused("no socket", "no-token", options=())
    os.killpg(token.process.pid, signal.SIGSTOP)
    rows.refused("stopped server", "signer-timeout")
    os.killpg(token.process.pid, signal.SIGCONT)
    rows.enters("the server goes on")

    def pull():
        scene.near.run("mv", token.folder, token.folder + ".away")
        scene.near.run("mkdir", token.folder)
        return PIN

    def push():
        scene.near.run("rm", "-rf", token.folder)
        scene.near.run("mv", token.folder + ".away", token.folder)
    rows.refused("card pulled while the PIN is asked", "token-gone", pin=pull)
    push()

    def kill():
        token.stop()
        return PIN
    rows.refused("server killed while the PIN is asked", "token-gone", pin=kill)
    rows.refused("server gone, socket there", "module-failed")
    token.serve()
    rows.enters("the server is back")


def hostile(out, scene, rows):
    scene.token.stop()
    scene.world.change_settings("pam_mtls.conf", {**scene.settings(), "signer_timeout": "700ms"})
    for mode in TOKEN_MODES:
        server = Hostile(scene.near, scene.token.path, mode, modes=TOKEN_MODES)
        attempt = rows.attempt()
        # p11-kit's client waits for ever for what it takes for the rest of an answer.
        token = "module-failed" if attempt.logged() == ["module-failed"] else "signer-timeout"
        expect_refused(out, f"a server of cards: {mode}", attempt, token)
        rows.usable(mode, attempt)
        server.stop()
    scene.passing()
    scene.token.serve()


def rules(out, scene, rows):
    silent = sudo_command(options="-k -n")
    scene.world.change("/etc/sudoers", "Defaults noninteractive_auth\n" + SUDOERS)
    attempt = rows.attempt(command=silent)
    out.result(not attempt.entered and attempt.outcome.asked == 0,
               "sudo -n asks for no PIN", attempt)
    scene.passing()
    scene.world.change_settings("pam_mtls.conf", scene.settings(sources=["p11-kit", "agent"]))
    both = scene.forward_token + scene.forward_only(scene.agent.path)
    attempt = rows.enters("card and agent: the first of `sources`", options=both)
    out.result(attempt.outcome.asked == 1, "which asks for its PIN", attempt)
    scene.world.change_settings("pam_mtls.conf", scene.settings(
        sources=["agent", "p11-kit"]))
    attempt = rows.enters("agent and card, the other way round", options=both)
    out.result(attempt.outcome.asked == 0, "which asks nothing", attempt)
    scene.world.change_settings("pam_mtls.conf", scene.settings(presence="required"))
    rows.enters("presence required: a PIN is given")
    scene.passing()
    scene.world.daemon.kill()
    rows.refused("dead daemon", "unreachable")
    scene.passing()


def test(out):
    scene = Scene("p11-kit")
    rows = Rows(out, scene)
    pins(out, rows)
    elsewhere(out, scene, rows)
    gone(scene, rows)
    hostile(out, scene, rows)
    rules(out, scene, rows)
    scene.close()
    out.result(not scene.world.problems(), "no daemon, worker or signer crashed",
               scene.world.problems())


if __name__ == "__main__":
    private.enter()
    sys.exit(tap.run(test))
