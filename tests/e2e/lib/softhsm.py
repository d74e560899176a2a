# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Cards of SoftHSM2 in a private root: readers, tokens, what is on them, and taking them out. The library
finds them by /etc/softhsm/softhsm2.conf, because signers have no environment.
"""
import glob
import os
import shutil

from lib import p11
from lib.private import inside

PIN, SO_PIN = "739154", "80082008"
FOLDER = "/run/mtls-test/softhsm"
CONF = "/etc/softhsm/softhsm2.conf"


def module():
    found = glob.glob("/usr/lib/*/softhsm/libsofthsm2.so") + glob.glob("/usr/lib/softhsm/*2.so")
    if not found:
        raise RuntimeError("SoftHSM2 is missing (softhsm2)")
    return found[0]


class Readers:
    """All tokens of the private root; `path` is the module."""

    def __init__(self):
        if not inside():
            raise RuntimeError("not in a private root")
        self.path = module()
        self.cards = {}  # label: Card
        os.makedirs(FOLDER)
        os.makedirs(FOLDER + ".away")
        os.makedirs(os.path.dirname(CONF), exist_ok=True)
        os.chmod(os.path.dirname(CONF), 0o755)
        with open(CONF, "w", encoding="utf-8") as file:
            file.write(f"directories.tokendir = {FOLDER}\nobjectstore.backend = file\n"
                       "log.level = ERROR\nslots.removable = true\n")
        os.chmod(CONF, 0o644)
        self._share()

    @staticmethod
    def _share():
        """Each person and mtls-signer may use every card, as with a real reader."""
        for base, _, files in os.walk(FOLDER):
            os.chmod(base, 0o777)
            for name in files:
                os.chmod(os.path.join(base, name), 0o666)

    def change(self, work):
        """work(module) in a process of its own."""
        p11.do_with(self.path, work)
        self._share()

    def insert(self, label, pin=PIN):
        """A new card in a reader of its own."""
        before = set(os.listdir(FOLDER))
        self.change(lambda module: module.init_token(module.free_slot(), label, SO_PIN, pin))
        card = Card(self, label, pin)
        (name,) = set(os.listdir(FOLDER)) - before
        card.folder = os.path.join(FOLDER, name)
        self.cards[label] = card
        return card

    def clear(self):
        """No card in any reader."""
        for card in self.cards.values():
            card.discard()
        self.cards = {}


class Card:
    """One token. What is put on it has the CKA_ID @ident."""

    def __init__(self, readers, label, pin):
        self.readers, self.label, self.pin = readers, label, pin
        self.folder = None
        self.parked = None

    def change(self, work):
        """work(module, session), logged in as the user."""
        self.readers.change(lambda m: work(m, m.session(m.slot(self.label), self.pin)))

    def put(self, key, *certificates, ident=b"\x01", label="login", **changes):
        """A private key and certificates for it, all PEM files; @changes are the key's attributes."""
        def work(module, session):
            if key:
                p11.put_key(module, session, key, ident, label, **changes)
            for path in certificates:
                p11.put_certificate(module, session, p11.of_pem(path), ident, label)
        self.change(work)
        return self

    def put_public(self, key, ident=b"\x01", label="login"):
        """The public half of a key beside it, as cards without a certificate have it."""
        self.change(lambda m, s: p11.put_public_key(m, s, key, ident, label))
        return self

    def put_bytes(self, der, ident=b"\x01", label="login"):
        """What claims to be a certificate."""
        self.change(lambda m, s: p11.put_certificate(m, s, der, ident, label))
        return self

    def empty(self):
        """Everything off."""
        self.change(lambda m, s: [m.destroy(s, o) for o in m.find(s, {"token": True})])
        return self

    def pull(self):
        """Out of its reader, also while somebody uses it."""
        self.parked = os.path.join(FOLDER + ".away", os.path.basename(self.folder))
        os.rename(self.folder, self.parked)

    def push(self):
        """Back in."""
        if self.parked:
            os.rename(self.parked, self.folder)
            self.parked = None

    def discard(self):
        self.push()
        shutil.rmtree(self.folder)
