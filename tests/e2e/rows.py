# SPDX-License-Identifier: LGPL-2.1-or-later
"""
The denial matrix as a table: one row a way to be refused. Each row starts from the passing set-up (or
from what `prepare` makes of it, which must pass as well), changes one thing, and names the reason.

`UNIT` lists the reasons that no host program can show, with the test that covers them.
"""
import os
import shutil
import signal

from lib import cards
from lib.hosts import Locker, Login, PamHost, Su, Sudo
from lib.local_agent import LocalAgent
from lib.p11server import TokenServer, client_module
from lib.pcscd import Refusing

ALL = ("pam_host", "login", "su", "sudo", "locker")
HOSTS = {host.name: host for host in (PamHost(), Login(), Su(), Sudo(), Locker())}


class Row:
    """
    name       what is changed, in words
    token      the reason that the person reads and that pam_mtls logs
    change     function(world) that changes the one thing; None: `second` does
    audit      the reason in mtls-authd's record; None: the daemon has none
    code       what pam_authenticate() returns (of the last phase that ran)
    hosts      names, or {name: Host} for a host of special kind
    prepare    function(world) before the passing try
    first      options of the passing try; second: of the refused one
    empty      why other hosts have no cell
    told       False: the person cannot be told
    """

    def __init__(self, name, token, change=None, audit=None, code="PAM_AUTH_ERR", hosts=ALL,
                 prepare=None, first=None, second=None, person="bob", empty="",
                 told=True):
        self.name, self.token, self.change, self.audit, self.code = name, token, change, audit, code
        self.hosts = hosts if isinstance(hosts, dict) else {h: HOSTS[h] for h in hosts}
        self.prepare, self.person, self.empty, self.told = prepare, person, empty, told
        self.first = dict(first or {})
        self.second = dict(self.first if second is None else second)


UNAVAILABLE = "PAM_AUTHINFO_UNAVAIL"


def holds(name):
    """bob's only credential becomes this one."""
    return lambda world: world.give("bob", name)


def server_shows(name):
    """mtls-authd shows another certificate."""
    def change(world):
        with open(world.pki.server[name], encoding="utf-8") as file:
            world.change(world.conf + "/server.pem", file.read())
        world.restart()
    return change


def authd_has(**settings):
    def change(world):
        world.change_settings("authd.conf", {**world.authd_settings(), **settings})
        world.restart()
    return change


def pam_has(**settings):
    return lambda world: world.change_settings("pam_mtls.conf",
                                               {**world.pam_settings(), **settings})


def evil(mode):
    return lambda world: world.evil(mode)


def stale_crl(world):
    with open(world.pki.crl_stale, encoding="utf-8") as file:
        world.change(world.conf + "/crl/user.pem", file.read())
    world.restart()


def dead(world):
    world.daemon.kill()


def hung(world):
    world.daemon.signal_all(signal.SIGSTOP)


def short_patience(world):
    """So that a row about a hung process takes half a second."""
    pam_has(exchange_timeout="500ms", signer_timeout="500ms")(world)


def signer_is(script):
    def change(world):
        world.replace_program(world.signer, "#!/bin/sh\n" + script)
    return change


def evil_signer(mode, key=None):
    return lambda world: world.evil_signer(mode, key=key and world.pki.at(key))


def damaged_key(world):
    path = world.credential("bob")  # a PEM file: its last lines are the key's
    with open(path, "r+b") as file:
        file.seek(-200, os.SEEK_END)
        file.write(b"A" * 40)


def honest_root(world):
    """A verdict for root, which pam_mtls obeys where it is allowed to."""
    pam_has(allow_root=True)(world)
    world.evil("honest", account="root", uid=0)


def bound_to_ghost(world):
    world.ghost("stranger")


def damaged_snapshot(world):
    """The file that libnss_mtls reads, cut in half, replaced as a whole."""
    world.cut_snapshot()


def frozen_lookup(world):
    """An account source that never answers the daemon; everybody else it tells nothing."""
    text = world.files["/etc/nsswitch.conf"][0]
    world.change("/etc/nsswitch.conf", text.replace("passwd: files", "passwd: hang files"))
    world.restart()


def has_card(world):
    cards.passing(world)


def card_does(*orders):
    return lambda world: cards.evil(world, *orders)


def has_forwarded_token(world):
    """Bob's card is served at the place where p11-kit looks by itself."""
    has_card(world)
    world.token_server = TokenServer("bob", world.readers.path, cards.CARD).start()
    world.undo(world.token_server.stop)
    cards.settings(world, sources=["p11-kit"], pkcs11_modules=None, p11_kit_client=client_module())


def readers_refused(world):
    """No card can be seen, because nobody may use a reader."""
    world.readers.cards[cards.CARD].pull()
    world.undo(Refusing().stop)


def has_agent(*options):
    """Bob's key is in his ssh-agent, his certificate in his folder."""
    def prepare(world):
        shutil.copy(world.pki.leaf["good"], world.credential("bob"))
        world.agent = LocalAgent()
        world.undo(world.agent.stop)
        world.agent.add(world.pki.key, options=options)
        world.agent.answer("yes")
        no_presence = {"presence": "not-required"}
        pam_has(sources=["agent"], **{"service su": no_presence,
                                      "service mtls-test": no_presence})(world)
    return prepare


PIN = {"passphrase": cards.PIN}
AGENT = {"environment": {"SSH_AUTH_SOCK": "/run/mtls-test/agents/bob/agent.sock"}}

ROWS = [
    # The certificate.
    Row("another key for that certificate", "key-unusable", holds("other-key"),
        code=UNAVAILABLE),
    Row("another key, and a signer that does not mind", "bad-signature",
        evil_signer("honest", key="mismatch.key"), "bad-signature", prepare=evil_signer("honest")),
    Row("wrong CA", "issuer-untrusted", holds("wrong-ca"), "issuer-untrusted"),
    Row("host-CA certificate as user", "cert-role", holds("host-ca-leaf"), "cert-role"),
    Row("expired", "cert-expired", holds("expired"), "cert-expired"),
    Row("not yet valid", "cert-not-yet-valid", holds("not-yet"), "cert-not-yet-valid"),
    Row("revoked", "cert-revoked", holds("revoked"), "cert-revoked"),
    Row("CRL out of date", "crl-unusable", stale_crl, "crl-unusable"),
    Row("no EKU", "eku-missing", holds("no-eku"), "eku-missing"),
    Row("server EKU only", "eku-wrong", holds("server-eku"), "eku-wrong"),
    Row("keyUsage without digitalSignature", "ku-wrong", holds("no-signing"), "ku-wrong"),
    Row("RSA key of 1,024 bits", "certificate-bounds", holds("short-rsa"), "certificate-bounds"),
    Row("RSA key of 16,384 bits", "certificate-bounds", holds("huge-rsa"), "certificate-bounds"),
    Row("RSA key below min_rsa_bits", "cert-weak", authd_has(min_rsa_bits=3072), "cert-weak",
        prepare=holds("RSA-2048")),
    Row("six intermediates over max_depth", "chain-depth", authd_has(), "chain-depth",
        prepare=lambda world: (authd_has(max_depth=8)(world), world.give("bob", "level6-leaf"))),
    Row("200 certificates", "key-unusable", holds("200-certificates"), code=UNAVAILABLE),
    Row("a CA as leaf", "cert-shape", holds("is-ca"), "cert-shape"),
    Row("control character in the name", "cert-identity", holds("control-character"),
        "cert-identity"),
    # The account.
    Row("unmapped", "unmapped", holds("stranger"), "unmapped"),
    Row("mapped to another", "mapped-to-other", holds("carol"), "mapped-to-other"),
    Row("su bob by alice", "mapped-to-other", None, "mapped-to-other", hosts=("su", "pam_host"),
        person="alice", second={"target": "bob"}, empty="needs a caller and a target"),
    Row("account deleted", "account-unknown", bound_to_ghost, "account-unknown",
        hosts=("pam_host",), first={"target": ""}, empty="refuses unknown accounts itself"),
    Row("account below min_uid of the daemon", "account-refused", authd_has(min_uid=50000),
        "account-refused"),
    Row("snapshot damaged", "lookup-failed", damaged_snapshot, "lookup-failed", code=UNAVAILABLE),
    Row("account source hangs", "lookup-timeout", frozen_lookup, "lookup-timeout",
        code=UNAVAILABLE, prepare=authd_has(lookup_timeout="300ms")),
    # The server.
    Row("dead daemon", "unreachable", dead, code=UNAVAILABLE),
    Row("hung daemon", "timeout", hung, code=UNAVAILABLE, prepare=short_patience),
    Row("wrong server name", "server-name", server_shows("wrong-name"), code=UNAVAILABLE),
    Row("server certificate from the user CA", "server-untrusted", server_shows("from-user-ca"),
        code=UNAVAILABLE),
    Row("server certificate expired", "server-expired", server_shows("expired"), code=UNAVAILABLE),
    Row("server certificate not yet valid", "server-not-yet-valid", server_shows("not-yet"),
        code=UNAVAILABLE),
    Row("server certificate without serverAuth", "server-purpose", server_shows("client-eku"),
        code=UNAVAILABLE),
    # A lying daemon, with the true key.
    Row("verdict with another nonce", "nonce-mismatch", evil("other-nonce"), prepare=evil("honest")),
    Row("verdict with a name outside the grammar", "name-grammar", evil("bad-name"),
        prepare=evil("honest")),
    Row("verdict about another account", "name-mismatch", evil("other-account"),
        prepare=evil("honest")),
    Row("verdict about an account that is not here", "local-unknown", evil("nobody"),
        prepare=evil("honest"), hosts=("pam_host",), first={"target": ""},
        empty="another name than PAM_USER's is refused before"),
    Row("verdict naming uid 0", "local-uid", evil("uid0"), prepare=evil("honest")),
    Row("verdict with a uid that is not the local one", "local-uid", evil("other-uid"),
        prepare=evil("honest")),
    Row("verdict for root without allow_root", "root", pam_has(), prepare=honest_root,
        hosts=("su", "pam_host"), first={"target": "root"},
        empty="sudo asks for the caller; login reads no key for root"),
    Row("min_uid of this machine", "min-uid", pam_has(min_uid=50000)),
    Row("answer that is no message", "protocol", evil("garbage"), code=UNAVAILABLE,
        prepare=evil("honest")),
    Row("connection closed without an answer", "protocol", evil("hang-up"), code=UNAVAILABLE,
        prepare=evil("honest")),
    Row("verdict of another version", "version", evil("version"), code=UNAVAILABLE,
        prepare=evil("honest")),
    Row("TLS 1.2", "handshake", evil("tls12"), code=UNAVAILABLE, prepare=evil("honest")),
    Row("no ALPN", "protocol", evil("no-alpn"), code=UNAVAILABLE, prepare=evil("honest")),
    Row("silence after the handshake", "timeout", evil("silent"), code=UNAVAILABLE,
        prepare=lambda world: (short_patience(world), world.evil("honest"))),
    # The key and the person.
    Row("no credential", "no-credential", holds(None), code=UNAVAILABLE),
    Row("unprotected key", "key-unprotected", holds("unprotected")),
    Row("wrong passphrase", "secret-wrong", second={"passphrase": "wrong"}),
    Row("empty passphrase", "secret-empty", second={"passphrase": ""}, code=UNAVAILABLE),
    Row("damaged key", "key-unusable", damaged_key, code=UNAVAILABLE),
    Row("signer that talks nonsense", "signer-failed", evil_signer("garbage"), code=UNAVAILABLE,
        prepare=evil_signer("honest")),
    Row("signer that asks for no secret", "key-unprotected", evil_signer("no-secret"),
        prepare=evil_signer("honest")),
    Row("signer that saw no secret", "key-unprotected", evil_signer("no-presence"),
        prepare=evil_signer("honest")),
    Row("signer that ends", "signer-failed", signer_is("exit 1\n"), code=UNAVAILABLE),
    Row("signer that hangs", "signer-timeout", signer_is("exec sleep 100\n"), code=UNAVAILABLE,
        prepare=short_patience),
    # Cards.
    Row("no card", "no-token", lambda world: world.readers.cards[cards.CARD].pull(),
        code=UNAVAILABLE, prepare=has_card, first=PIN),
    Row("card gone at login", "token-gone", card_does("fail C_Login 32"), code=UNAVAILABLE,
        prepare=has_card, first=PIN),
    Row("wrong PIN", "pin-wrong", prepare=has_card, first=PIN, second={"passphrase": "000000"}),
    Row("PIN locked", "pin-locked", card_does("flags 40000"), code=UNAVAILABLE, prepare=has_card,
        first=PIN),
    Row("driver of cards that does not start", "module-failed", card_does("fail C_Initialize 5"),
        code=UNAVAILABLE, prepare=has_card, first=PIN),
    Row("card at a terminal that is not local", "not-local",
        lambda world: cards.settings(world, local_ttys=["tty1"]), code=UNAVAILABLE,
        prepare=has_card, first=PIN),
    Row("another's socket for a forwarded token", "socket-untrusted",
        lambda world: world.token_server.give_to("carol"), code=UNAVAILABLE,
        prepare=has_forwarded_token, first=PIN, hosts=("pam_host", "su", "sudo"),
        empty="uses no forwarded token"),
    Row("service for readers that refuses", "reader-refused", readers_refused, code=UNAVAILABLE,
        prepare=has_card, first=PIN),
    # Agents.
    Row("agent that has gone", "agent-missing", lambda world: world.agent.stop(), code=UNAVAILABLE,
        prepare=has_agent(), first=AGENT, hosts=("pam_host", "su", "sudo"), empty="asks no agent"),
    Row("use of the agent's key not confirmed", "agent-refused",
        lambda world: world.agent.answer("no"), prepare=has_agent("-c"), first=AGENT,
        hosts=("pam_host", "su", "sudo"), empty="asks no agent"),
    Row("unprivileged program asks for another", "not-person", second={"target": "carol"},
        hosts=("locker",), empty="runs as root"),
    Row("remote host", "no-source", code=UNAVAILABLE,
        hosts={"pam_host": PamHost(kind="root")},
        second={"extra": ("--rhost", "client.test")}, empty="sets no PAM_RHOST here"),
    Row("unknown account", "user-unknown", code="PAM_USER_UNKNOWN", second={"target": "not-here"},
        hosts=("pam_host",), empty="refuses unknown accounts itself"),
    Row("no server_name", "config", pam_has(server_name=None), code=UNAVAILABLE),
    Row("no certificate where one is demanded", "certificate-required",
        pam_has(**{"service mtls-test": {"account": "enforce"}}),
        code="PAM_PERM_DENIED", hosts={"pam_host": PamHost(phases="acct")},
        first={"extra": ("--phases", "auth,acct")}, second={}, empty="have no other way in"),
    Row("no conversation", "conversation", code="PAM_CONV_ERR",
        hosts=("pam_host",), second={"extra": ("--noconv",)},
        empty="always has one", told=False),
    Row("SSLKEYLOGFILE in the environment", "keylog",
        hosts={"pam_host": PamHost(kind="root")},
        second={"environment": {"SSLKEYLOGFILE": "/tmp/keys"}},
        empty="setuid, or starts with a clean environment"),
    Row("PAM_USER changed between phases", "user-changed", code="PAM_PERM_DENIED",
        hosts={"pam_host": PamHost(phases="auth,acct")}, second={"extra": ("--change-user", "carol")},
        empty="does not change PAM_USER"),
    Row("PAM_USER changed before the session", "user-changed", code="PAM_SESSION_ERR",
        hosts={"pam_host": PamHost(kind="root", phases="auth,open")},
        second={"extra": ("--change-user", "carol")}, empty="does not change PAM_USER"),
]

# Reasons that no host program can be brought to show: the test of the part that decides.
UNIT = {
    "account-not-peer": ("tests/unit/test_request.c",
                         "pam_mtls refuses before it asks for another: not-person"),
    "bad-choice": ("tests/unit/test_request.c", "pam_mtls names only what it was offered"),
    "role": ("tests/unit/test_roles.c", "the hosts connect as the table of roles expects"),
    "bad-request": ("tests/unit/test_request.c", "pam_mtls sends no malformed request"),
    "busy": ("tests/unit/test_result.c",
             "needs a flood; tests/e2e/authd_load.py shows the daemon's part"),
    "penalty": ("tests/unit/test_penalties.c",
                "needs failures beforehand; tests/e2e/authd_load.py shows the daemon's part"),
    "internal": ("tests/unit/test_request.c", "no input leads to it"),
    "choice-timeout": ("tests/unit/test_result.c",
                       "needs a minute's wait; tests/e2e/tls_outside.py shows the daemon's part"),
    "certificate-refused": ("tests/unit/test_exchange.c",
                            "the signer refuses to show what cannot be decoded"),
}
