# SPDX-License-Identifier: LGPL-2.1-or-later
"""Certificates of the tests, made at check time with openssl: nothing of them is in the tree.

    pki.py FOLDER       makes all of them

Everything of one kind of test shares a key and differs from the good certificate in one thing.
"""
import base64
import os
import subprocess
import sys
import time

PASSPHRASE = "correct horse"
SERVER_NAME = "auth.test"
DAY = 86400

LEAF = {
    "basicConstraints": "critical,CA:FALSE",
    "keyUsage": "critical,digitalSignature",
    "extendedKeyUsage": "clientAuth",
    "subjectKeyIdentifier": "hash",
    "authorityKeyIdentifier": "keyid",
}
SERVER = dict(LEAF, extendedKeyUsage="serverAuth", subjectAltName=f"DNS:{SERVER_NAME}")
AUTHORITY = {
    "basicConstraints": "critical,CA:TRUE",
    "keyUsage": "critical,keyCertSign,cRLSign",
    "subjectKeyIdentifier": "hash",
}
CONFIG = """
[ca]
default_ca = it
[it]
dir = {folder}
database = $dir/index.txt
new_certs_dir = $dir/issued
certificate = {name}.pem
private_key = {name}.key
default_md = sha256
policy = any
rand_serial = yes
unique_subject = no
string_mask = utf8only
[any]
commonName = optional
organizationName = optional
countryName = optional
"""


def openssl(*arguments, text=None):
    done = subprocess.run(["openssl", *arguments], input=text, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False)
    if done.returncode:
        raise RuntimeError(f"openssl {' '.join(arguments)}: {done.stderr.decode()}")
    return done.stdout


def stamp(offset):
    return time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + offset))


def write(path, text, mode=0o600):
    with open(path, "w", encoding="utf-8", opener=lambda p, f: os.open(p, f, mode)) as file:
        file.write(text)
    return path


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def new_key(path, kind="P-256"):
    options = {
        "P-256": ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
        "P-384": ["EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
        "P-521": ["EC", "-pkeyopt", "ec_paramgen_curve:P-521"],
        "Ed25519": ["ED25519"],
        "RSA-1024": ["RSA", "-pkeyopt", "rsa_keygen_bits:1024"],
        "RSA-2048": ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    }[kind]
    openssl("genpkey", "-algorithm", *options, "-out", path)
    return path


def extensions(path, values):
    return write(path, "[it]\n" + "".join(f"{k} = {v}\n" for k, v in values.items()))


class Authority:
    """A certificate authority in a folder, NAME.pem and NAME.key beside it."""

    def __init__(self, base, name, subject, issuer=None, extra=None, days=(-DAY, 3650 * DAY)):
        self.base, self.name = base, name
        self.folder = os.path.join(base, name + ".d")
        self.pem = os.path.join(base, name + ".pem")
        self.key = new_key(os.path.join(base, name + ".key"))
        self.path = os.path.join(base, name)
        os.makedirs(self.folder + "/issued")
        write(self.folder + "/index.txt", "")
        write(self.folder + "/ca.cnf", CONFIG.format(folder=self.folder, name=self.path))
        values = dict(AUTHORITY, **(extra or {}))
        signer = issuer or self
        if issuer:
            values["authorityKeyIdentifier"] = "keyid"
        signer.sign(self.pem, self.key, subject, values, days=days, selfsign=issuer is None)

    def sign(self, out, key, subject, values=None, days=(-DAY, 365 * DAY), selfsign=False,
             digest="sha256"):
        """A certificate for the public half of key."""
        request = out + ".csr"
        openssl("req", "-new", "-key", key, "-subj", subject, "-utf8", "-out", request)
        self._issue(out, request, values, days, selfsign, digest)

    def _issue(self, out, request, values, days, selfsign, digest):
        options = ["-selfsign"] if selfsign else []
        openssl("ca", "-batch", "-notext", "-config", self.folder + "/ca.cnf",
                "-startdate", stamp(days[0]), "-enddate", stamp(days[1]), "-md", digest,
                "-extfile", extensions(out + ".ext", values or LEAF), "-extensions", "it",
                "-preserveDN", "-in", request, "-out", out, *options)

    def sign_public(self, out, public_key, subject, values=None):
        """As sign(), for a key that cannot or should not sign a request."""
        request = out + ".csr"
        openssl("req", "-new", "-key", self.key, "-subj", subject, "-out", request)
        openssl("x509", "-req", "-in", request, "-force_pubkey", public_key, "-CA", self.pem,
                "-CAkey", self.key, "-days", "30", "-extfile",
                extensions(out + ".ext", values or LEAF), "-extensions", "it", "-out", out)

    def revoke(self, certificate):
        openssl("ca", "-config", self.folder + "/ca.cnf", "-revoke", certificate)

    def crl(self, out, days=(-DAY, 30 * DAY)):
        openssl("ca", "-config", self.folder + "/ca.cnf", "-gencrl", "-crl_lastupdate",
                stamp(days[0]), "-crl_nextupdate", stamp(days[1]), "-out", out)
        return out


def der(tag, body):
    length = len(body)
    if length < 128:
        head = bytes([length])
    else:
        size = (length.bit_length() + 7) // 8
        head = bytes([0x80 | size]) + length.to_bytes(size, "big")
    return bytes([tag]) + head + body


def integer(value):
    return der(2, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def huge_rsa_key(path):
    """A valid RSA key of 16,384 bits without a search: one Mersenne and one Proth prime."""
    p, q, e = 2**11213 - 1, 34601 * 2**5155 + 1, 65537
    d = pow(e, -1, (p - 1) * (q - 1))
    values = (0, p * q, e, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p))
    body = der(0x30, b"".join(integer(v) for v in values))
    text = base64.encodebytes(body).decode()
    write(path, f"-----BEGIN RSA PRIVATE KEY-----\n{text}-----END RSA PRIVATE KEY-----\n")
    return path


def protect(key, out, passphrase=PASSPHRASE):
    """The key as encrypted PKCS#8."""
    openssl("pkcs8", "-topk8", "-in", key, "-out", out, "-v2", "aes-256-cbc", "-passout",
            "pass:" + passphrase)
    return out


def person_pem(out, certificates, key):
    """What a person keeps: chain and key in one file."""
    return write(out, "".join(read(c) for c in certificates) + read(key))


def person_p12(out, certificate, key, passphrase=PASSPHRASE):
    openssl("pkcs12", "-export", "-in", certificate, "-inkey", key, "-out", out, "-passout",
            "pass:" + passphrase)
    os.chmod(out, 0o600)
    return out


class Pki:
    """All of them; `leaf[name]` and `server[name]` are certificates, `file[name]` a person's file."""

    SUBJECT = "/O=Example/CN=bob"

    def __init__(self, base):
        os.makedirs(base, exist_ok=True)
        self.base = base
        self.user_ca = Authority(base, "user-ca", "/O=Example/CN=Example user CA")
        self.host_ca = Authority(base, "host-ca", "/O=Example/CN=Example host CA")
        self.server_ca = Authority(base, "server-ca", "/O=Example/CN=Example server CA")
        self.other_ca = Authority(base, "other-ca", "/O=Other/CN=Other CA")
        self.leaf, self.file, self.server = {}, {}, {}
        self.key = new_key(self.at("bob.key"))
        self.protected = protect(self.key, self.at("bob.enc"))
        self.server_key = new_key(self.at("server.key"))
        self._leaves()
        self._mismatch()
        self._foreign_keys()
        self._chains()
        self._servers()
        self._crls()

    def at(self, name):
        return os.path.join(self.base, name)

    def add(self, name, authority, subject=SUBJECT, key=None, protected=None, chain=(), **options):
        """A leaf and the person's file with it."""
        self.leaf[name] = self.at(name + ".crt")
        authority.sign(self.leaf[name], key or self.key, subject, **options)
        self._person(name, [self.leaf[name], *chain], protected or self.protected)

    def _person(self, name, certificates, protected):
        self.file[name] = person_pem(self.at(name + ".pem"), certificates, protected)

    def _leaves(self):
        no_eku = {k: v for k, v in LEAF.items() if k != "extendedKeyUsage"}
        ca, add = self.user_ca, self.add
        add("good", ca)
        add("expired", ca, days=(-30 * DAY, -DAY))
        add("not-yet", ca, days=(DAY, 30 * DAY))
        add("revoked", ca)
        add("no-eku", ca, values=no_eku)
        add("server-eku", ca, values=dict(LEAF, extendedKeyUsage="serverAuth"))
        add("no-signing", ca, values=dict(LEAF, keyUsage="critical,keyEncipherment"))
        add("is-ca", ca, values=dict(AUTHORITY, extendedKeyUsage="clientAuth",
                                     keyUsage="critical,digitalSignature,keyCertSign"))
        add("unknown-critical", ca, values={**LEAF, "1.2.3.4.5": "critical,DER:0500"})
        add("control-character", ca, subject="/O=Example/CN=bob\x01")
        add("wrong-ca", self.other_ca)
        add("host-ca-leaf", self.host_ca)
        unprotected = self.at("unprotected.pem")
        self.file["unprotected"] = person_pem(unprotected, [self.leaf["good"]], self.key)
        self.file["p12"] = person_p12(self.at("bob.p12"), self.leaf["good"], self.key)

    def _mismatch(self):
        """Another key for that certificate."""
        other = new_key(self.at("mismatch.key"))
        self._person("other-key", [self.leaf["good"]], protect(other, self.at("mismatch.enc")))

    def _foreign_keys(self):
        for name in ("alice", "carol", "stranger"):
            key = new_key(self.at(name + ".key"))
            self.add(name, self.user_ca, f"/O=Example/CN={name}", key,
                     protect(key, self.at(name + ".enc")))
        key = new_key(self.at("short.key"), "RSA-1024")
        self.add("short-rsa", self.user_ca, key=key, protected=protect(key, self.at("short.enc")))
        for kind in ("P-384", "P-521", "Ed25519", "RSA-2048"):
            key = new_key(self.at(kind + ".key"), kind)
            self.add(kind, self.user_ca, key=key, protected=protect(key, self.at(kind + ".enc")))
        key = huge_rsa_key(self.at("huge.key"))
        public = self.at("huge.pub")
        openssl("pkey", "-in", key, "-pubout", "-out", public)
        self.leaf["huge-rsa"] = self.at("huge-rsa.crt")
        self.user_ca.sign_public(self.leaf["huge-rsa"], public, self.SUBJECT)
        self._person("huge-rsa", [self.leaf["huge-rsa"]], protect(key, self.at("huge.enc")))

    def _chains(self):
        issuer, chain = self.user_ca, []
        for level in range(1, 7):
            issuer = Authority(self.base, f"level{level}", f"/O=Example/CN=Level {level}", issuer)
            chain.insert(0, issuer.pem)
            if level in (1, 6):
                self.add(f"level{level}-leaf", issuer, chain=list(chain))
        many = [self.leaf["good"]] + [self.user_ca.pem] * 199
        self._person("200-certificates", many, self.protected)

    def _servers(self):
        kinds = {
            "good": (self.server_ca, {}),
            "wrong-name": (self.server_ca, {"values": dict(SERVER,
                                                           subjectAltName="DNS:evil.test")}),
            "from-user-ca": (self.user_ca, {}),
            "expired": (self.server_ca, {"days": (-30 * DAY, -DAY)}),
            "not-yet": (self.server_ca, {"days": (DAY, 30 * DAY)}),
            "client-eku": (self.server_ca, {"values": dict(SERVER,
                                                           extendedKeyUsage="clientAuth")}),
        }
        for name, (authority, options) in kinds.items():
            out = self.at(f"server-{name}.pem")
            authority.sign(out, self.server_key, "/CN=" + SERVER_NAME,
                           **{"values": SERVER, **options})
            self.server[name] = out

    def _crls(self):
        self.crl_stale = self.user_ca.crl(self.at("stale.crl"), (-30 * DAY, -DAY))
        self.user_ca.revoke(self.leaf["revoked"])
        self.crl = self.user_ca.crl(self.at("user.crl"))


if __name__ == "__main__":
    Pki(sys.argv[1])
