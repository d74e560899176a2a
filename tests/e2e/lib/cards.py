# SPDX-License-Identifier: LGPL-2.1-or-later
"""
People with cards: the set-up of world.py, but bob's key is on a card of SoftHSM2 that is in a reader of this
machine, and pam_mtls looks for keys on cards. Rows of the matrix and tests/e2e/tokens.py start from it.
"""
import os
import shutil

from lib import softhsm
from lib.private import PROGRAMS, environment
from lib.softhsm import PIN
from lib.world import write

CARD = "bob's card"
ORDERS = "/run/mtls-test/evil-p11"
EVIL = PROGRAMS + "/libevil_p11.so"


def readers(world):
    """SoftHSM2 in this private root, made when it is first wanted."""
    if not hasattr(world, "readers"):
        world.readers = softhsm.Readers()
        source = os.path.join(environment("top_builddir"), "tests/e2e/.libs/libevil_p11.so")
        shutil.copy(source, EVIL)
    return world.readers


def settings(world, **changes):
    """pam_mtls.conf of the set-up with cards, and @changes; None leaves a key out."""
    world.change_settings("pam_mtls.conf", {
        **world.pam_settings(), "sources": ["pkcs11"], "pkcs11_modules": [readers(world).path],
        **changes})


def card(world, *certificates, key=None, label=CARD, pin=PIN, **attributes):
    """Bob has no file but a card with these certificates (names of the test PKI) and his key."""
    world.give("bob", None)
    world.undo(readers(world).clear)
    paths = [world.pki.leaf[name] for name in certificates]
    path = world.pki.key if key is None else key
    return readers(world).insert(label, pin).put(path, *paths, **attributes)


def passing(world, *certificates, **changes):
    """The set-up that a row starts from; the card."""
    settings(world, **changes)
    return card(world, *(certificates or ("good",)))


def ordered(world, *orders):
    """The path of a module that stands before that of the cards, and does what @orders say."""
    write(ORDERS, f"real {readers(world).path}\n" + "".join(order + "\n" for order in orders))
    return EVIL


def evil(world, *orders, alone=True, **changes):
    """That one is the module of this machine."""
    ordered(world, *orders)
    modules = [EVIL] if alone else [EVIL, readers(world).path]
    settings(world, pkcs11_modules=modules, **changes)


__all__ = ["CARD", "PIN", "card", "evil", "ordered", "passing", "readers", "settings"]
