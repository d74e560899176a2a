# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Real screen lockers on a screen without a monitor: i3lock, which shows a ring and no words, and xscreensaver,
which shows what PAM says. Both ask PAM as the person whose screen it is.
"""
import os
import select
import socket
import sys

from lib import cards, private, tap
from lib.attempt import Attempt, expect_entered
from lib.cards import PIN
from lib.lockers import I3lock, Xscreensaver
from lib.world import PASSPHRASE, World, pwd_entry, write
from lib.xvfb import DISPLAY, Xvfb, open_folder


def make(world):
    for service in ("i3lock", "xscreensaver"):
        world.install("/etc/pam.d/" + service, f"auth required {world.module}\n"
                      f"account required pam_permit.so\naccount required {world.module}\n")
    screen = Xvfb("bob")
    return screen, (I3lock(screen), Xscreensaver(screen))


def refused(out, name, attempt, token, told=True):
    """i3lock has no place for words."""
    why = attempt.why_not_refused(token, told=told and not isinstance(attempt.host, I3lock))
    out.result(not why, f"{name}: stays locked, {token}", why)


def local(world, certificate="good", **changes):
    """Bob's card in a reader of this machine, and the screen is one of this machine's."""
    return cards.passing(world, certificate, **{"local_ttys": ["pts/*", DISPLAY], **changes})


def from_file(out, world, locker):
    attempt = Attempt(world, locker, "bob", shot="file-right")
    expect_entered(out, f"{locker.name}, a file: its passphrase", attempt)
    attempt = Attempt(world, locker, "bob", passphrase="wrong", shot="file-wrong")
    refused(out, f"{locker.name}, a file: a wrong passphrase", attempt, "secret-wrong")


def from_card(out, world, locker):
    """Each row from a new card: what is changed before the locker asks, what is typed, what comes of it."""
    def evil(order):
        return lambda card: cards.evil(world, order, local_ttys=["pts/*", DISPLAY])
    for name, change, typed, token in (
            ("right PIN", None, PIN, None),
            ("wrong PIN", None, "000000", "pin-wrong"),
            ("no card", lambda card: card.pull(), PIN, "no-token"),
            ("locked card", evil("flags 40000"), PIN, "pin-locked"),
            ("card that goes when it signs", evil("fail C_Sign 32"), PIN, "token-gone"),
            ("driver that crashes", evil("crash C_Login"), PIN, "signer-failed")):
        card = local(world)
        if change:
            change(card)
        attempt = Attempt(world, locker, "bob", passphrase=typed, shot=name.replace(" ", "-"))
        if token is None:
            expect_entered(out, f"{locker.name}, a card: {name}", attempt)
        else:
            refused(out, f"{locker.name}, a card: {name}", attempt, token)
        out.result(PIN not in attempt.shown, f"{locker.name}, a card: {name}: no PIN in its log")
        world.passing()


def pulled_at_prompt(out, world, locker):
    card = local(world)
    attempt = Attempt(world, locker, "bob", shot="pulled-at-the-prompt",
                      passphrase=lambda: card.pull() or PIN)
    refused(out, f"{locker.name}, a card that is pulled at the prompt", attempt, "token-gone")
    world.passing()


def others(out, world, locker):
    """Whose key, and from where."""
    cards.settings(world, local_ttys=["pts/*", DISPLAY])
    cards.card(world, "carol", key=world.pki.at("carol.key"))
    attempt = Attempt(world, locker, "bob", passphrase=PIN, shot="card-of-another")
    refused(out, f"{locker.name}, another's card", attempt, "mapped-to-other")
    world.passing()
    local(world, local_ttys=["pts/*"])
    attempt = Attempt(world, locker, "bob", passphrase=PIN)
    refused(out, f"{locker.name}, a screen that is not said to be here", attempt, "not-local")
    world.passing()


def keeps_off_sockets(out, world, locker):
    """An agent would unlock without anybody there: not even presence = not-required gets it asked."""
    path = "/run/mtls-test/asked.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        os.chown(path, pwd_entry("bob").pw_uid, -1)
        listener.listen(1)
        listener.setblocking(False)
        for sources in (["agent"], ["p11-kit"]):
            cards.settings(world, sources=sources, **{
                "service " + locker.service: {"presence": "not-required"}})
            locker.environment = {"SSH_AUTH_SOCK": path,
                                  "P11_KIT_SERVER_ADDRESS": "unix:path=" + path}
            attempt = Attempt(world, locker, "bob", passphrase=PIN)
            locker.environment = {}
            refused(out, f"{locker.name}, source {sources[0]}", attempt, "no-source")
            out.result(not select.select([listener], [], [], 0)[0],
                       f"{locker.name}, source {sources[0]}: nobody connected")
            world.passing()
    os.unlink(path)


def next_module(out, world, locker):
    """Return alone: whoever stands behind pam_mtls asks, as if it were not there."""
    mark = "/run/mtls-test/next"
    write(mark, "")
    os.chmod(mark, 0o666)
    write("/run/mtls-test/next.sh", f"#!/bin/sh\necho asked >> {mark}\n", 0o755)
    world.change("/etc/pam.d/" + locker.service,
                 f"auth sufficient {world.module}\nauth required pam_exec.so /run/mtls-test/next.sh\n"
                 "auth required pam_deny.so\naccount required pam_permit.so\n")
    attempt = Attempt(world, locker, "bob", passphrase="")
    refused(out, f"{locker.name}, nothing typed", attempt, "secret-empty", told=False)
    out.result(os.stat(mark).st_size > 0, f"{locker.name}, nothing typed: the next module is asked")
    world.passing()


def second_try(out, world, locker):
    """After a wrong passphrase the same locker opens with the right one."""
    world.mark()
    locker.lock()
    first = locker.answer("wrong", lambda moment: None)
    locker.again()
    second = locker.answer(PASSPHRASE, lambda moment: None)
    locker.release()
    out.result(not first.entered and second.entered and
               world.syslog.tokens() == ["secret-wrong", "allowed"],
               f"{locker.name}: wrong, then right", (first, second, world.syslog.lines()))


def test(out):
    world = World()
    screen, lockers = make(world)
    for locker in lockers:
        from_file(out, world, locker)
        from_card(out, world, locker)
        others(out, world, locker)
        keeps_off_sockets(out, world, locker)
        next_module(out, world, locker)
    second_try(out, world, lockers[0])
    pulled_at_prompt(out, world, lockers[1])  # i3lock has what was typed before it asks
    screen.close()
    world.close()
    out.result(not world.problems(), "no daemon, worker or signer crashed", world.problems())


if __name__ == "__main__":
    open_folder()
    private.enter()
    sys.exit(tap.run(test))
