# SPDX-License-Identifier: LGPL-2.1-or-later
"""
The contenders of bench/login.py, as far as they are installed: a key, a service for each, and what the
services need. One P-256 key in SoftHSM, with one certificate, for all that use tokens; one P-256 key in
one ssh-agent for all that use agents.
"""
import glob
import os
import shutil
import subprocess

import pki
from lib.world import PASSPHRASE, pwd_entry, run, write

SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"
TOKENS, AGENT = "/run/mtls-test/tokens", "/run/mtls-test/agent"
PKCS11_CONF = """pam_pkcs11 {
  nullok = false;
  debug = false;
  use_first_pass = false;
  try_first_pass = false;
  card_only = false;
  wait_for_card = false;
  use_pkcs11_module = softhsm;
  pkcs11_module softhsm {
    module = %s;
    slot_description = "none";
    ca_dir = /etc/pam_pkcs11/cacerts;
    crl_dir = /etc/pam_pkcs11/crls;
    support_threads = false;
    cert_policy = ca,signature;
    token_type = "card";
  }
  use_mappers = cn;
  mapper cn { debug = false; module = internal; ignorecase = false; mapfile = "none"; }
}
""" % SOFTHSM


def module(name):
    """True where the PAM module is installed."""
    return any(glob.glob(f"{folder}/security/{name}") for folder in ("/lib/*", "/usr/lib/*", "/lib", "/usr/lib"))


def owned_by(person, *paths):
    for path in paths:
        for base, folders, files in os.walk(path):
            for name in folders + files:
                os.chown(os.path.join(base, name), person.pw_uid, person.pw_gid)
        os.chown(path, person.pw_uid, person.pw_gid)


def public_line(public_pem):
    """A public key as a line of authorized_keys."""
    return run("ssh-keygen", "-i", "-m", "PKCS8", "-f", public_pem).stdout


class Peers:
    """Sets up what is installed here; `services` is the text of each, `missing` says what is not."""

    def __init__(self, world):
        self.world, self.services, self.missing = world, {}, []
        self.bob = pwd_entry("bob")
        self.agent = None
        self.environment = dict(os.environ)
        self.settings = world.pam_settings()
        self.services["pam_permit"] = "auth required pam_permit.so\n"
        self.services["pam_unix"] = "auth required pam_unix.so\n"
        self.ours("pam_mtls", presence="not-required", sources=["file"])
        self.ours("pam_mtls-secret", sources=["file"])
        self.agents()
        self.tokens()
        world.change_settings("pam_mtls.conf", self.settings)

    def ours(self, service, **settings):
        self.services[service] = f"auth required {self.world.module}\n"
        self.settings[f"service {service}"] = settings

    def signer(self, name):
        """True where this version has that signer."""
        return os.path.exists(os.path.join(os.path.dirname(self.world.signer), name))

    # A key in an agent.

    def agents(self):
        if not (shutil.which("ssh-agent") and module("pam_ssh_agent_auth.so")):
            self.missing.append("pam_ssh_agent_auth (libpam-ssh-agent-auth, openssh-client)")
            return
        key = "/run/mtls-test/agent.key"
        run("ssh-keygen", "-q", "-t", "ecdsa", "-b", "256", "-m", "PKCS8", "-N", "", "-f", key)
        shutil.copy(key + ".pub", "/etc/mtls-test-agent.pub")
        os.chmod("/run/mtls-test", 0o711)
        os.makedirs(AGENT)
        owned_by(self.bob, AGENT, key)
        socket = AGENT + "/socket"
        demote = {"user": self.bob.pw_uid, "group": self.bob.pw_gid, "extra_groups": []}
        self.agent = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.PIPE, **demote)
        self.agent.stdout.readline()
        self.environment["SSH_AUTH_SOCK"] = socket
        subprocess.run(["ssh-add", "-q", key], env={"SSH_AUTH_SOCK": socket, "PATH": os.environ["PATH"]},
                       check=True, **demote)
        self.services["pam_ssh_agent_auth"] = \
            "auth required pam_ssh_agent_auth.so file=/etc/mtls-test-agent.pub\n"
        if self.signer("mtls-signer-agent"):
            self.certify("agent", key)
            self.ours("pam_mtls-agent", presence="not-required", sources=["agent"])

    def give_certificates(self):
        """What lies beside a key that has no room for its certificate."""
        target = self.bob.pw_dir + "/.config/mtls/agent.crt"
        if "agent" in self.world.pki.leaf:
            shutil.copy(self.world.pki.leaf["agent"], target)
            owned_by(self.bob, target)

    def certify(self, name, key):
        """bob's certificate for @key; he may enter with it."""
        path = self.world.pki.leaf[name] = self.world.pki.at(name + ".crt")
        self.world.pki.user_ca.sign(path, key, pki.Pki.SUBJECT)
        self.world.bind("bob", name)
        return path

    # A key in a token.

    def tokens(self):
        if not (os.path.exists(SOFTHSM) and shutil.which("pkcs11-tool")):
            self.missing.append("SoftHSM (softhsm2, opensc), so nothing with tokens")
            return
        write("/etc/softhsm/softhsm2.conf", f"directories.tokendir = {TOKENS}\n"
              "objectstore.backend = file\nlog.level = ERROR\n")
        os.chmod("/etc/softhsm", 0o755)
        os.makedirs(TOKENS, exist_ok=True)
        run("softhsm2-util", "--init-token", "--free", "--label", "bob", "--so-pin", "12345678",
            "--pin", PASSPHRASE)
        key, public, der = (f"/run/mtls-test/token.{end}" for end in ("key", "pub", "der"))
        pki.new_key(key)
        run("softhsm2-util", "--import", key, "--token", "bob", "--label", "bob", "--id", "01", "--pin",
            PASSPHRASE)
        certificate = self.certify("token", key)
        run("openssl", "x509", "-in", certificate, "-outform", "DER", "-out", der)
        run("pkcs11-tool", "--module", SOFTHSM, "--login", "--pin", PASSPHRASE, "--write-object", der,
            "--type", "cert", "--id", "01", "--label", "bob")
        run("openssl", "pkey", "-in", key, "-pubout", "-out", public)
        owned_by(self.bob, TOKENS)
        self.p11(public)
        self.pkcs11()
        if self.signer("mtls-signer-token"):
            self.settings["pkcs11_modules"] = [SOFTHSM]
            self.ours("pam_mtls-pkcs11", sources=["pkcs11"])

    def p11(self, public):
        if not module("pam_p11.so"):
            self.missing.append("pam_p11 (libpam-p11)")
            return
        folder = self.bob.pw_dir + "/.ssh"
        write(folder + "/authorized_keys", public_line(public))
        owned_by(self.bob, folder)
        self.services["pam_p11"] = f"auth required pam_p11.so {SOFTHSM}\n"

    def pkcs11(self):
        if not module("pam_pkcs11.so"):
            self.missing.append("pam_pkcs11 (libpam-pkcs11)")
            return
        folder = "/etc/pam_pkcs11/cacerts"
        write("/etc/pam_pkcs11/pam_pkcs11.conf", PKCS11_CONF)
        os.makedirs("/etc/pam_pkcs11/crls", exist_ok=True)
        write(folder + "/user-ca.pem", pki.read(self.world.pki.user_ca.pem))
        run("openssl", "rehash", folder)
        self.services["pam_pkcs11"] = "auth required pam_pkcs11.so\n"

    def close(self):
        if self.agent:
            self.agent.kill()
            self.agent.wait()
