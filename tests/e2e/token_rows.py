# SPDX-License-Identifier: LGPL-2.1-or-later
"""
What happens to people with cards, TPMs and forwarded tokens, as a table: the set-up, and what must come of
it. tests/e2e/tokens.py runs it.
"""
import os
import re

from lib import cards, softhsm
from lib.cards import CARD, PIN
from lib.hosts import Login, PamHost, Su, Sudo
from lib.p11 import spki_sha256
from lib.p11server import TokenServer, client_module
from lib.records import wait_for
from lib.tpm import Tpm
from lib.world import run as run_program
from lib.world import write

ALL = (PamHost(), Sudo(), Su(), Login())
SETUID = ALL[:3]
MOST = (ALL[0], ALL[1], ALL[3])  # su waits a second before it says no
UNAVAILABLE = "PAM_AUTHINFO_UNAVAIL"
NOISE = "NOISE-OF-THE-MODULE"


class Row:
    """
    name      what happens
    prepare   function(world): the set-up
    token     the reason; None: the person enters
    code      of pam_authenticate(), where the host tells it
    audit     reason in mtls-authd's record; None: there is none
    told      texts that the person reads, besides the reason's
    unsaid    texts that the person does not read
    options   of Host.enter(), or a function of the world that gives them
    """

    def __init__(self, name, prepare, token=None, code="PAM_AUTH_ERR", audit=None, hosts=MOST,
                 told=(), unsaid=(), person="bob", logged=None, **options):
        self.name, self.prepare, self.token, self.code, self.audit = name, prepare, token, code, audit
        self.hosts, self.told, self.unsaid, self.person = hosts, told, unsaid, person
        self.logged = logged  # reasons in the log of who enters by something else
        self.options = {"passphrase": PIN, **options}

    def judge(self, attempt, host):
        if self.token is None:
            why = attempt.why_not_entered()
            if attempt.entered and self.logged:
                why = self.logged_is_not(attempt)
        else:
            why = attempt.why_not_refused(self.token, self.audit)
            if not why and isinstance(host, PamHost) and attempt.outcome.code != self.code:
                why = f"{attempt.outcome.code} instead of {self.code}: {attempt}"
        missing = [text for text in self.told if text not in attempt.shown]
        leaked = [text for text in (*self.unsaid, PIN, NOISE) if text in attempt.shown]
        if not why and (missing or leaked):
            why = f"not told {missing}, told {leaked}: {attempt}"
        return why


    def logged_is_not(self, attempt):
        if wait_for(lambda: set(attempt.logged()) == self.logged, 5):
            return ""
        return f"not logged {self.logged}: {attempt}"


class FromCard:
    """As a row's prepare: bob's card with these certificates, then one change."""

    def __init__(self, *certificates, change=None, settings=None):
        self.certificates, self.change, self.settings = certificates, change, settings or {}

    def __call__(self, world):
        card = cards.passing(world, *self.certificates, **self.settings)
        if self.change:
            self.change(world, card)


def evil(*orders, **settings):
    def prepare(world):
        cards.card(world, "good")
        cards.evil(world, *orders, **settings)
    return prepare


def of_world(function):
    """An option that is made of the world."""
    function.of_world = True
    return function


@of_world
def pulled_at_prompt(world):
    """The card is pulled when the prompt stands there."""
    def reply(_):
        world.readers.cards[CARD].pull()
        return PIN
    return reply


def on(change):
    """FromCard's change that needs the world only."""
    return lambda world, card: change(world)


ELSEWHERE = "/etc/softhsm/elsewhere.conf"


def conf_elsewhere(world, _):
    """SoftHSM does not find its settings by itself."""
    os.rename(softhsm.CONF, ELSEWHERE)
    world.undo(lambda: os.rename(ELSEWHERE, softhsm.CONF))


def other_server(world, card):
    with open(world.pki.server["wrong-name"], encoding="utf-8") as file:
        world.change(world.conf + "/server.pem", file.read())
    world.restart()


def second_card(world, card):
    """Carol's is in another reader."""
    world.readers.insert("carol's card").put(world.pki.at("carol.key"), world.pki.leaf["carol"])


def mismatched(world):
    """The certificate is bob's, the key behind the same CKA_ID is not."""
    cards.settings(world)
    cards.card(world, "good", key=world.pki.at("mismatch.key"))


def carols_card(world):
    cards.settings(world)
    cards.card(world, "carol", key=world.pki.at("carol.key"))


def garbage_only(world):
    """A key, and bytes that say that they are its certificate."""
    cards.settings(world)
    cards.card(world).put_bytes(b"\x30\x82nonsense").put_bytes(b"")


def of_kind(kind):
    def prepare(world):
        cards.settings(world)
        cards.card(world, kind, key=world.pki.at(kind + ".key"))
    return prepare


def beside(world):
    """The card has keys only; the certificate is the administrator's, in certs.d."""
    cards.settings(world)
    cards.card(world).put_public(world.pki.key)
    name = f"{world.conf}/certs.d/{spki_sha256(world.pki.leaf['good'])}.crt"
    with open(world.pki.leaf["good"], encoding="utf-8") as file:
        write(name, file.read())
    world.undo(lambda: os.unlink(name))


def open_key(world):
    """A key that signs for everybody, on a token that wants no login."""
    cards.settings(world)
    cards.card(world, "good", private=False)
    cards.evil(world, "unflag 4")


def password_next(world, card):
    """pam_unix stands behind pam_mtls in the PAM host's stack, and bob has a password."""
    world.change("/etc/pam.d/mtls-test", world.files["/etc/pam.d/mtls-test"][0].replace(
        f"auth required {world.module}", f"auth sufficient {world.module}\nauth required pam_unix.so"))
    run_program("chpasswd", text="bob:a password\n")
    world.undo(lambda: run_program("usermod", "-p", "!", "bob"))


PRESENCE_IS_NOT_REQUIRED = {
    f"service {host.service}": {"presence": "not-required"} for host in SETUID}
SHORT = {"signer_timeout": "700ms", "exchange_timeout": "2s"}
def choose(token):
    """The number before what lies on this token: readers are in no order."""
    return (r"Which certificate", lambda shown: re.search(f"(\\d): [^\\n]*on {token}", shown)[1])


LAST_TRY = (r"last try[^\n]*: ", "yes")

CARD_ROWS = [
    Row("right PIN", FromCard(), audit="allowed", told=(f"PIN for {CARD}",), hosts=ALL),
    Row("wrong PIN", FromCard(), "pin-wrong", passphrase="000000", hosts=ALL),
    Row("no card", FromCard(change=lambda world, card: card.pull()), "no-token", UNAVAILABLE,
        unsaid=("PIN for",), hosts=ALL),
    Row("card pulled while the PIN is asked for", FromCard(), "token-gone", UNAVAILABLE,
        passphrase=pulled_at_prompt, hosts=ALL),
    Row("empty PIN", FromCard(), "secret-empty", UNAVAILABLE, passphrase="", hosts=ALL),
    Row("empty PIN, then the password", FromCard(change=password_next), hosts=SETUID[:1],
        logged={"secret-empty"}, told=("secret-empty",), passphrase="",
        more=[("Password: ", "a password")]),
    Row("PIN locked", evil("flags 40000"), "pin-locked", UNAVAILABLE, unsaid=("PIN for",), hosts=ALL),
    Row("last try, taken", evil("flags 20000"), audit="allowed", more=[LAST_TRY]),
    Row("last try, not taken", evil("flags 20000"), "secret-empty", UNAVAILABLE,
        more=[(LAST_TRY[0], "no")], unsaid=("PIN for",)),
    Row("few tries left", evil("flags 10000"), audit="allowed"),
    Row("few tries left, and one less", evil("flags 10000"), "pin-wrong", passphrase="000000",
        told=("Only a few tries are left.",), hosts=SETUID[:2]),
    Row("last try, wrong", evil("flags 20000"), "pin-wrong", passphrase="000000", more=[LAST_TRY],
        told=("1 try left.",), hosts=SETUID[:2]),
    Row("PIN on the reader's keypad", evil("pad " + PIN), audit="allowed", told=("keypad",)),
    Row("wrong PIN on the reader's keypad", evil("pad 000000"), "pin-wrong",
        hosts=SETUID[:1]),
    # What is on the card.
    Row("expired beside good", FromCard("expired", "good"), audit="allowed"),
    Row("expired only", FromCard("expired"), "cert-expired", audit="cert-expired"),
    Row("wrong CA", FromCard("wrong-ca"), "issuer-untrusted", audit="issuer-untrusted"),
    Row("revoked", FromCard("revoked"), "cert-revoked", audit="cert-revoked"),
    Row("mismatched key", mismatched, "bad-signature", audit="bad-signature"),
    Row("forged signature", evil("forge"), "bad-signature", audit="bad-signature"),
    Row("garbage beside good", FromCard(change=lambda w, c: c.put_bytes(b"\x30\x82nonsense")),
        audit="allowed"),
    Row("garbage only", garbage_only, "no-credential", UNAVAILABLE, unsaid=("PIN for",)),
    Row("a CA's certificate only", FromCard("is-ca"), "no-credential", UNAVAILABLE,
        unsaid=("PIN for",)),
    Row("key that wants its PIN for each use", lambda world: (
        cards.settings(world), cards.card(world, "good", always_authenticate=True)),
        audit="allowed"),
    Row("key without PIN", open_key, "key-unprotected", unsaid=("PIN for",)),
    Row("key without PIN where that is enough", lambda world: (
        open_key(world), cards.evil(world, "unflag 4", **PRESENCE_IS_NOT_REQUIRED)),
        hosts=SETUID, audit="allowed", unsaid=("PIN for",)),
    Row("certificate in certs.d", beside, audit="allowed"),
    *[Row(f"{kind} key", of_kind(kind), audit="allowed", hosts=SETUID[:2])
      for kind in ("P-384", "P-521", "Ed25519", "RSA-2048")],
    # Whose card it is.
    Row("unmapped", lambda world: (
        cards.settings(world), cards.card(world, "stranger", key=world.pki.at("stranger.key"))),
        "unmapped", audit="unmapped"),
    Row("another's card", carols_card, "mapped-to-other", audit="mapped-to-other", hosts=SETUID),
    Row("a card, and nobody has typed a name", carols_card, hosts=ALL[3:], audit="allowed",
        told=("uid=1002 name=carol",), unsaid=("login:",)),
    Row("two cards, the own chosen", FromCard(change=second_card), audit="allowed",
        more=[choose(CARD)], told=("carol's card",)),
    Row("two cards, the other chosen", FromCard(change=second_card), "mapped-to-other", hosts=SETUID,
        audit="mapped-to-other", more=[choose("carol's card")]),
    Row("two cards, a URI picks the token",
        FromCard(change=second_card, settings={"pkcs11_uri": ["pkcs11:token=bob%27s%20card"]}),
        audit="allowed", unsaid=("Which", "carol")),
    Row("no token that a URI picks",
        FromCard(settings={"pkcs11_uri": ["pkcs11:token=another"]}), "no-token", UNAVAILABLE),
    Row("module whose settings lie elsewhere", FromCard(change=conf_elsewhere), "module-failed",
        UNAVAILABLE, hosts=SETUID[:1]),
    Row("module whose settings lie elsewhere, and root says where",
        FromCard(change=conf_elsewhere, settings={"pkcs11_environment": ["SOFTHSM2_CONF=" + ELSEWHERE]}),
        audit="allowed", hosts=SETUID[:2]),
    # The server.
    Row("wrong server", FromCard(change=other_server), "server-name", UNAVAILABLE),
    Row("dead daemon", FromCard(change=on(lambda world: world.daemon.kill())), "unreachable",
        UNAVAILABLE),
    # The module.
    Row("module that is not there", FromCard(settings={"pkcs11_modules": ["/usr/lib/no.so"]}),
        "module-failed", UNAVAILABLE),
    Row("module that does not start", evil("fail C_Initialize 5"), "module-failed", UNAVAILABLE),
    Row("module that does not start, and another", evil("fail C_Initialize 5", alone=False),
        audit="allowed"),
    Row("module that hangs when it starts", evil("hang C_Initialize", **SHORT), "signer-timeout",
        UNAVAILABLE),
    Row("module that hangs in the search", evil("hang C_FindObjectsInit", **SHORT),
        "signer-timeout", UNAVAILABLE),
    Row("module that hangs at login", evil("hang C_Login", **SHORT), "signer-timeout", UNAVAILABLE),
    Row("module that hangs at signing", evil("hang C_Sign", person_timeout="1s", **SHORT),
        "signer-timeout", UNAVAILABLE),
    Row("module that crashes in the search", evil("crash C_FindObjectsInit"), "signer-failed",
        UNAVAILABLE),
    Row("module that crashes at login", evil("crash C_Login"), "signer-failed", UNAVAILABLE),
    Row("module that crashes at signing", evil("crash C_Sign"), "signer-failed", UNAVAILABLE),
    Row("card gone at signing", evil("fail C_Sign 32"), "token-gone", UNAVAILABLE),
    Row("card fails at signing", evil("fail C_Sign 30"), "module-failed", UNAVAILABLE),
    Row("noisy module", evil("noise C_Initialize", "noise C_Login", "noise C_Sign"),
        audit="allowed"),
    # Where the person is.
    Row("terminal that is not local", FromCard(settings={"local_ttys": ["tty1"]}), "not-local",
        UNAVAILABLE),
    Row("remote host", FromCard(), "no-source", UNAVAILABLE, hosts=(PamHost(kind="root"),),
        extra=("--rhost", "client.test")),
    Row("setuid, remote host", FromCard(), "not-local", UNAVAILABLE, hosts=SETUID[:1],
        extra=("--rhost", "client.test")),
]


def tpm(change=None, **settings):
    """Bob's key is in the TPM of this machine, which is made anew: wrong PINs count for long."""
    def prepare(world):
        world.give("bob", None)
        world.tpm = Tpm()
        world.undo(world.tpm.discard)
        certificate = world.pki.at("chip.crt")
        world.tpm.insert("chip").new_key(world.pki.user_ca, certificate, "/O=Example/CN=bob")
        world.pki.leaf["chip"] = certificate
        world.bind("bob", "chip")
        world.undo(lambda: world.unbind("bob", "chip"))
        cards.settings(world, pkcs11_modules=[world.tpm.path], **settings)
        if change:
            change(world)
    return prepare


def three_wrong_pins(world):
    world.tpm.guess("chip", "000000", 4)


@of_world
def tpm_stops_at_prompt(world):
    def reply(_):
        world.tpm.stop()
        return PIN
    return reply


TPM_ROWS = [
    Row("TPM, right PIN", tpm(), audit="allowed", told=("PIN for chip",), hosts=ALL),
    Row("TPM, wrong PIN", tpm(), "pin-wrong", passphrase="000000", hosts=ALL),
    Row("TPM, empty PIN", tpm(), "secret-empty", UNAVAILABLE, passphrase="", hosts=SETUID[:2]),
    Row("TPM, locked by wrong PINs", tpm(three_wrong_pins), "pin-locked", UNAVAILABLE, hosts=ALL),
    Row("TPM, nothing on it", tpm(lambda world: world.tpm.forget()), "no-token", UNAVAILABLE,
        hosts=ALL),
    Row("TPM is not there", tpm(lambda world: world.tpm.stop()), "module-failed", UNAVAILABLE),
    Row("TPM goes while the PIN is asked for", tpm(), "module-failed", UNAVAILABLE,
        passphrase=tpm_stops_at_prompt, hosts=ALL),
    Row("TPM hangs", tpm(lambda world: world.tpm.freeze(), **SHORT), "signer-timeout",
        UNAVAILABLE),
]


def served(change=None, orders=(), attributes=None, **settings):
    """Bob's card is served by `p11-kit server`, as if his ssh had forwarded it."""
    def prepare(world):
        cards.settings(world, sources=["p11-kit"], pkcs11_modules=None,
                       p11_kit_client=client_module(), **settings)
        cards.card(world, "good", **(attributes or {}))
        module = cards.ordered(world, *orders) if orders else world.readers.path
        world.server = TokenServer("bob", module, CARD).start()
        world.undo(world.server.stop)
        if change:
            change(world)
    return prepare


@of_world
def address(world):
    return {"P11_KIT_SERVER_ADDRESS": "unix:path=" + world.server.path}


@of_world
def server_stops_at_prompt(world):
    def reply(_):
        world.server.stop()
        return PIN
    return reply


@of_world
def served_card_pulled(world):
    def reply(_):
        world.readers.cards[CARD].pull()
        return PIN
    return reply


def served_row(name, prepare, *reason, **options):
    return Row("p11-kit, " + name, prepare, *reason,
               **{"environment": address, "hosts": SETUID, **options})


FREE_KEY = served(orders=["unflag 4"], attributes={"private": False})


P11_KIT_ROWS = [
    served_row("right PIN", served(), audit="allowed", told=(f"PIN for {CARD}",)),
    served_row("wrong PIN", served(), "pin-wrong", passphrase="000000"),
    served_row("empty PIN", served(), "secret-empty", UNAVAILABLE, passphrase=""),
    served_row("no server", served(lambda world: world.server.stop()), "no-token", UNAVAILABLE),
    served_row("server goes while the PIN is asked for", served(), "token-gone", UNAVAILABLE,
               passphrase=server_stops_at_prompt),
    served_row("card pulled while the PIN is asked for", served(), "token-gone", UNAVAILABLE,
               passphrase=served_card_pulled),
    served_row("no card", served(lambda world: world.readers.cards[CARD].pull()), "no-token",
               UNAVAILABLE),
    served_row("server hangs", served(lambda world: world.server.freeze(), **SHORT),
               "signer-timeout", UNAVAILABLE),
    served_row("another's socket", served(lambda world: world.server.give_to("carol")),
               "socket-untrusted", UNAVAILABLE),
    served_row("PIN locked", served(orders=["flags 40000"]), "pin-locked", UNAVAILABLE),
    served_row("module hangs at login", served(orders=["hang C_Login"], **SHORT), "signer-timeout",
               UNAVAILABLE),
    served_row("module crashes at signing", served(orders=["crash C_Sign"]), "token-gone",
               UNAVAILABLE),
    served_row("key without PIN in su", FREE_KEY, "key-unprotected", hosts=SETUID[2:]),
    served_row("key without PIN in sudo", FREE_KEY, audit="allowed", hosts=SETUID[1:2],
               unsaid=("PIN for",)),
    served_row("a terminal that is not local", served(local_ttys=["tty1"]), audit="allowed"),
]
