# SPDX-License-Identifier: LGPL-2.1-or-later
"""`mtlsctl enroll`: persons get what a login needs, and enter; what is wrong is refused before anything is made."""
import os
import shutil
import subprocess
import sys

from lib import private, tap
from lib.attempt import Attempt, expect_entered, expect_refused
from lib.hosts import Login, Su, Sudo
from lib.initiated import Done, Initiated, fill
from lib.world import pki, pwd_entry, run


def expect(out, name, done, status, *texts):
    """The command ended so, and said this."""
    passed = done.status == status and all(text in done.out + done.err for text in texts)
    return out.result(passed, name, f"wanted {status}, {texts}; got {done}")


def owner_and_mode(path):
    found = os.stat(path)
    return found.st_uid, found.st_mode & 0o7777


def certs_of(world):
    return sorted(os.listdir(world.at("certs.d")))


def new_keys(out, world):
    """A key of our making, PEM and PKCS#12."""
    done = Done(["enroll", "bob", "--dry-run"], None)
    expect(out, "a dry run says what it would do", done, 0, "would make", "would bind", "nothing was changed")
    out.result(not os.path.exists(os.path.dirname(world.home("bob"))), "and does nothing of it", done)
    done = Done(["enroll", "bob", "--json"])
    out.result(done.status == 0 and done.json.get("proven") is True and done.json["bound"] and
               done.json["try"]["account"]["name"] == "bob", "enroll bob: tried by a live exchange", done)
    path = world.home("bob", "bob.pem")
    out.result(owner_and_mode(path) == (pwd_entry("bob").pw_uid, 0o600), "the file is bob's alone", path)
    out.result("ENCRYPTED PRIVATE KEY" in pki.read(path), "its key is encrypted", path)
    for host in (Sudo(), Su(), Login()):
        expect_entered(out, f"{host.name} by bob", Attempt(world, host, "bob"))
    before = pki.read(path)
    done = Done(["enroll", "bob"])
    expect(out, "a second time is refused", done, 1, "exists already and is kept", "mtlsctl renew bob")
    out.result(pki.read(path) == before, "and changes nothing", done)

    done = Done(["enroll", "carol", "--format", "pkcs12"])
    expect(out, "enroll carol --format pkcs12", done, 0, "carol.p12", "bound", "tried", "allowed")
    for host in (Sudo(), Su(), Login()):
        expect_entered(out, f"{host.name} by carol, PKCS#12", Attempt(world, host, "carol"))
    shown = subprocess.run(["openssl", "pkcs12", "-in", world.home("carol", "carol.p12"), "-info", "-nokeys",
                            "-passin", f"pass:{pki.PASSPHRASE}"], check=False, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT).stdout.decode()
    out.result("MAC: sha256" in shown and shown.count("PBES2") >= 2 and "AES-256" in shown and
               shown.count("BEGIN CERTIFICATE") == 2, "PBES2 with AES-256, SHA-256, and the CA's certificate", shown)
    done = Done(["enroll", "nobody-here"])
    expect(out, "nobody", done, 1, "there is no account", "mtlsctl account add")
    done = Done(["enroll", "daemon"])
    expect(out, "a system account", done, 1, "system accounts cannot be bound")
    done = Done(["enroll", "dave"], "")
    expect(out, "an empty passphrase", done, 1, "passphrase is empty")


def own_keys(out, world):
    """The local CA's certificate for a key that the person has."""
    key = world.own_key("mallory", "own.key")
    csr = world.home("mallory", "own.csr")
    world.as_person("mallory", "openssl", "req", "-new", "-key", key, "-passin", f"pass:{pki.PASSPHRASE}",
                    "-subj", "/CN=root", "-out", csr)
    done = Done(["enroll", "mallory", "--csr", csr, "--json"], None)
    out.result(done.status == 0 and done.json["proven"] is None and done.json["subject"] == "CN=mallory",
               "by a request: the name is ours to give, the proof the person's", done)
    out.result(owner_and_mode(done.json["file"]) == (0, 0o644) and "PRIVATE" not in pki.read(done.json["file"]),
               "the certificate lies in certs.d, root's", done)
    for host in (Sudo(), Su(), Login()):
        expect_entered(out, f"{host.name} by mallory, whose certificate is in certs.d",
                       Attempt(world, host, "mallory"))
    os.unlink(done.json["file"])
    attempt = Attempt(world, Su(), "mallory")
    out.result(not attempt.entered, "without it mallory does not enter", attempt)

    key = world.own_key("dave", "dave.key")
    done = Done(["enroll", "dave", "--key", key, "--json"])
    out.result(done.status == 0 and done.json["proven"] is True, "by the key, read as dave: tried", done)
    expect_entered(out, "su by dave", Attempt(world, Su(), "dave"))
    done = Done(["enroll", "dave", "--key", key], "wrong")
    expect(out, "a wrong passphrase", done, 1, "is the passphrase right?")
    plain = world.own_key("dave", "plain.key", None)
    done = Done(["enroll", "dave", "--key", plain], None)
    expect(out, "a key without a passphrase is told", done, 3, "REFUSED", "key-unprotected")
    os.unlink(plain)
    secret = pki.write("/root/secret.key", pki.read(key))
    done = Done(["enroll", "dave", "--key", secret])
    expect(out, "a key that dave may not read", done, 1, "Permission denied")
    bad = pki.write("/root/bad.csr", pki.read(csr).replace("M", "N", 3))
    before = certs_of(world)
    done = Done(["enroll", "dave", "--csr", bad], None)
    out.result(done.status == 1 and certs_of(world) == before, "a damaged request makes nothing", done)


def key_of_erin(world):
    plain = "/root/erin.plain"
    pki.openssl("pkey", "-in", world.home("erin", "erin.key"), "-passin", f"pass:{pki.PASSPHRASE}", "-out", plain)
    return plain


def outside(out, world):
    """Another CA's certificate for a key that the person has."""
    key = world.own_key("erin", "erin.key")
    csr = world.home("erin", "erin.csr")
    world.as_person("erin", "openssl", "req", "-new", "-key", key, "-passin", f"pass:{pki.PASSPHRASE}",
                    "-subj", "/O=Example/CN=erin", "-out", csr)
    public = world.home("erin", "erin.pub")
    world.as_person("erin", "openssl", "pkey", "-in", key, "-passin", f"pass:{pki.PASSPHRASE}", "-pubout",
                    "-out", public)
    cert = "/root/erin.crt"
    world.pki.user_ca.sign_public(cert, public, "/O=Example/CN=erin")
    before = certs_of(world)
    done = Done(["enroll", "erin", "--key", key, "--cert", cert])
    expect(out, "of a CA that authd.conf does not have", done, 1, "no CA of authd.conf accepts it")
    out.result(certs_of(world) == before, "and nothing is made", certs_of(world))
    world.append("authd.conf", {"ca corp": {"files": [world.pki.user_ca.pem]}})
    world.restart()
    done = Done(["enroll", "erin", "--key", key, "--cert", world.pki.leaf["good"]])
    expect(out, "another key's certificate", done, 1, "is not the certificate of the key")
    done = Done(["enroll", "erin", "--cert", world.pki.leaf["expired"]], None)
    expect(out, "an expired one", done, 1, "cert-expired")
    done = Done(["enroll", "erin", "--cert", world.pki.user_ca.pem], None)
    expect(out, "a CA's own", done, 1, "would be refused")
    done = Done(["enroll", "erin", "--cert", cert], None)
    expect(out, "without the key: left for erin to try", done, 0, "not tried", "runuser -u erin")
    expect_entered(out, "su by erin with a certificate of an outside CA", Attempt(world, Su(), "erin"))
    done = Done(["enroll", "erin", "--key", key, "--cert", cert, "--json"])
    out.result(done.status == 0 and done.json["proven"] is True and done.json["replaced"],
               "with the key: proven; again is no harm", done)
    world.pki.user_ca.sign("/root/turned.crt", key_of_erin(world), "/O=Example/CN=erin\u202egnp")
    shown = Done(["enroll", "erin", "--cert", "/root/turned.crt", "--dry-run"], None)
    out.result(shown.status in (0, 1) and "erin?gnp" in shown.out + shown.err and
               "\u202e" not in shown.out + shown.err,
               "a name that turns the line around is shown without what turns it", shown)
    # Beside it an expired one of the same key, which somebody left there.
    shutil.copy(done.json["file"], world.at("certs.d/erin.crt"))
    world.pki.user_ca.sign(world.at("certs.d/old.crt"), world.pki.key, "/CN=old", days=(-9 * pki.DAY, -pki.DAY))
    old = pki.read(world.at("certs.d/old.crt"))
    pki.write(world.at("certs.d/erin.crt"), old + pki.read(cert), 0o644)
    for leftover in ("certs.d/old.crt.csr", "certs.d/old.crt.ext"):
        os.unlink(world.at(leftover))
    expect_entered(out, "su by erin among others' and expired certificates", Attempt(world, Su(), "erin"))


def findings(out, world):
    """What `mtlsctl check` says of certs.d, with what to do. A row: text, advice, how it comes about."""
    laid = Done(["enroll", "erin", "--cert", "/root/erin.crt", "--json"], None).json["file"]
    good = pki.read(laid)
    key = "/root/erin.plain"
    pki.openssl("pkey", "-in", world.home("erin", "erin.key"), "-passin", f"pass:{pki.PASSPHRASE}", "-out", key)

    def lay(days, values=None):
        world.pki.user_ca.sign("/root/erin.new", key, "/O=Example/CN=erin", values, days=days)
        pki.write(laid, pki.read("/root/erin.new"), 0o644)

    def many():
        for number in range(65):
            pki.write(world.at(f"certs.d/{number:03d}.crt"), good, 0o644)

    name = world.at("certs.d/x.crt")
    rows = (
        ("expired on", "mtlsctl renew USER", lambda: lay((-30 * pki.DAY, -pki.DAY))),
        ("expires on", "mtlsctl enroll USER --cert FILE", lambda: lay((-90 * pki.DAY, 20 * pki.DAY))),
        ("is refused: ", "mtlsctl renew USER", lambda: lay((-pki.DAY, 365 * pki.DAY), pki.SERVER)),
        ("is writable by group", "chmod 0644", lambda: os.chmod(laid, 0o666)),
        ("holds a private key", "take the key for stolen", lambda: pki.write(name, good + pki.read(key), 0o644)),
        ("x.crt'", "remove it", lambda: pki.write(name, "rubbish", 0o644)),
        ("has the name of another key", "mv it", lambda: pki.write(world.at(f"certs.d/{64 * 'a'}.crt"), good, 0o644)),
        ("files have other names", "give each the name", many),
    )
    for text, advice, make in rows:
        make()
        done = Done(["check"], None)
        at = [i for i, line in enumerate(done.out.splitlines()) if "certs.d" in line and text in line]
        after = done.out.splitlines()[at[0] + 1] if at else ""
        out.result(advice in after, f"check: {text}", f"{at}, {after!r}, {done}")
        for other in certs_of(world):
            if world.at("certs.d/" + other) != laid and not other.startswith("erin"):
                os.unlink(world.at("certs.d/" + other))
        os.chmod(laid, 0o644)
        pki.write(laid, good, 0o644)
    done = Done(["check"], None)
    out.result(f"'{laid}' of 'erin' is valid until" in done.out and "warning  certs.d" not in done.out,
               "check: content with what is good", done)


def wrong_beside(out, world):
    """A certificate that lies beside another key."""
    world.forget("dave")
    key = world.own_key("dave", "new.key")
    pki.write(world.at("certs.d/dave.crt"), pki.read(world.pki.leaf["good"]), 0o644)
    attempt = Attempt(world, Su(), "dave")
    expect_refused(out, "su by dave with a certificate of another key", attempt, "key-unusable")
    os.unlink(world.at("certs.d/dave.crt"))
    os.unlink(key)


TRAPS = (
    ("a link in the place of the folder", "mkdir -p ~/.config && ln -s /root/trap ~/.config/mtls"),
    ("a link in the place of the file", "mkdir -p ~/.config/mtls && ln -s /root/trap/x ~/.config/mtls/dave.pem"),
    ("a pipe in the place of the file", "mkdir -p ~/.config/mtls && mkfifo ~/.config/mtls/dave.pem"),
    ("a file in the place of the folder", "mkdir -p ~/.config && touch ~/.config/mtls"),
    ("a folder without rights", "mkdir -p ~/.config/mtls && chmod 0500 ~/.config/mtls"),
)


def bindings(person):
    return run("mtlsctl", "bind", "list", person, "--json").stdout


def hostile_homes(out, world):
    os.makedirs("/root/trap", exist_ok=True)
    for name, prepare in TRAPS:
        world.forget("dave")
        world.as_person("dave", "sh", "-c", prepare)
        before = bindings("dave")
        done = Done(["enroll", "dave"])
        out.result(done.status == 1 and not os.listdir("/root/trap") and bindings("dave") == before,
                   f"{name}: refused, nothing written, nothing bound", done)
        world.as_person("dave", "sh", "-c", "chmod -R u+w ~/.config; rm -rf ~/.config")
    world.as_person("dave", "sh", "-c", "mkdir -p ~/.config/mtls")
    os.chown(world.home("dave"), 0, 0)
    done = Done(["enroll", "dave"])
    out.result(done.status == 1 and "Permission denied" in done.err, "a folder of another's: refused", done)
    shutil.rmtree(os.path.dirname(world.home("dave").rstrip("/")))
    fifo = os.path.join(pwd_entry("dave").pw_dir, "key")
    world.as_person("dave", "mkfifo", fifo)
    done = Done(["enroll", "dave", "--key", fifo], None)
    expect(out, "a pipe as --key does not hang", done, 1, "not a regular file")
    os.unlink(fifo)


def full_disk(out, world):
    folder = world.home("dave").rstrip("/")
    world.as_person("dave", "mkdir", "-p", folder)
    run("mount", "-t", "tmpfs", "-o", "size=8k,mode=0700,uid=%d" % pwd_entry("dave").pw_uid, "tmpfs", folder)
    fill(f"{folder}/fill")
    done = Done(["enroll", "dave"])
    out.result(done.status == 1 and "No space left" in done.err and os.listdir(folder) == ["fill"] and
               bindings("dave").strip() == "[]", "a full disk: nothing is left, nothing is bound", done)
    run("umount", folder)


def without_daemons(out, world):
    world.stop()
    done = Done(["enroll", "dave", "--json"])
    out.result(done.status == 0 and done.json["proven"] is None and "unreachable" in done.json["text"],
               "without mtls-authd: enrolled, and told that the try is still to do", done)
    world.daemon.start()
    expect_entered(out, "su by dave, later", Attempt(world, Su(), "dave"))
    world.forget("dave")
    world.accountd.stop()
    done = Done(["enroll", "dave"])
    out.result(done.status == 4 and not os.path.exists(world.home("dave", "dave.pem")),
               "without mtls-accountd nothing is made", done)
    world.accountd.start()


def test(out):
    world = Initiated()
    for part in (new_keys, own_keys, outside, findings, wrong_beside, hostile_homes, full_disk, without_daemons):
        part(out, world)
    world.close()
    out.result(not world.problems(), "no daemon, worker or signer crashed", world.problems())


if __name__ == "__main__":
    private.enter()
    sys.exit(tap.run(test))
