# SPDX-License-Identifier: LGPL-2.1-or-later
"""`mtlsctl renew`: new certificates for the same keys, under logins; what goes wrong leaves the old one at work."""
import glob
import os
import shutil
import signal
import subprocess
import sys

from lib import private, tap
from lib.attempt import Attempt, expect_entered, expect_refused
from lib.hosts import ENTERED, SECRET, Su
from lib.initiated import Done, Initiated, fill
from lib.terminal import Terminal
from lib.world import PROGRAMS, pki, pwd_entry, run, write

DAY = pki.DAY
AGED = (-70 * DAY, 30 * DAY)     # over two thirds of its time
EXPIRED = (-30 * DAY, -DAY)
KILLS = 12
PATIENCE = "10min"


def openssl(*argv):
    return pki.openssl(*argv).decode()


def expect(out, name, done, status, *texts):
    passed = done.status == status and all(text in done.out + done.err for text in texts)
    return out.result(passed, name, f"wanted {status}, {texts}; got {done}")


def serial(path):
    return openssl("x509", "-in", path, "-noout", "-serial").strip()


def key_of(path):
    return openssl("x509", "-in", path, "-noout", "-pubkey")


def bindings():
    return run("mtlsctl", "bind", "list", "--json").stdout


def key_block(path):
    text = pki.read(path)
    return text[text.index("-----BEGIN ENCRYPTED"):text.index("-----END ENCRYPTED")]


def aged(world, person, days):
    """The person's PEM file with a certificate of these times, for the key that it has."""
    path = world.home(person, person + ".pem")
    plain = "/root/plain.key"
    openssl("pkey", "-in", path, "-passin", f"pass:{pki.PASSPHRASE}", "-out", plain)
    world.authority("user").sign("/root/aged.pem", plain, f"/CN={person}", days=days)
    key = pki.read(path)
    end = key.index("-----END ENCRYPTED PRIVATE KEY-----\n") + len("-----END ENCRYPTED PRIVATE KEY-----\n")
    write(path, key[key.index("-----BEGIN ENCRYPTED"):end] + pki.read("/root/aged.pem"), 0o600)
    os.chown(path, pwd_entry(person).pw_uid, pwd_entry(person).pw_gid)
    os.unlink(plain)
    return path


def whole(world, person):
    """None, or what is wrong with the person's file: a key, its certificate, nothing half."""
    path = world.home(person, person + ".pem")
    done = subprocess.run(["openssl", "pkey", "-in", path, "-passin", f"pass:{pki.PASSPHRASE}", "-pubout"],
                          check=False, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode or done.stdout.decode() != key_of(path):
        return done.stderr.decode() + pki.read(path)
    return None


def persons(out, world):
    path = world.home("bob", "bob.pem")
    Done(["enroll", "bob"])
    before, keys, bound = pki.read(path), key_block(path), bindings()
    expect_entered(out, "su by bob, before", Attempt(world, Su(), "bob"))
    done = Done(["renew", "bob", "--dry-run"], None)
    expect(out, "a dry run", done, 0, "would-renew", path)
    out.result(pki.read(path) == before, "changes nothing", done)
    done = Done(["renew", "bob", "--if-due", "--json"], None)
    out.result(done.status == 0 and done.json["items"][0]["state"] == "not-due" and pki.read(path) == before,
               "--if-due: it is not due", done)
    old = serial(path)
    done = Done(["renew", "bob"], None)
    expect(out, "renew bob, without a passphrase", done, 0, "renewed")
    out.result(serial(path) != old and key_block(path) == keys and bindings() == bound,
               "another certificate, the same key, the same binding", done)
    out.result(os.listdir(world.home("bob")) == ["bob.pem"], "nothing else is left", os.listdir(world.home("bob")))
    expect_entered(out, "su by bob, after", Attempt(world, Su(), "bob"))
    done = Done(["renew", "bob", "--days", "10"])
    expect(out, "with the passphrase a login is tried", done, 0, "a login was tried and allowed")
    aged(world, "bob", AGED)
    old = serial(path)
    done = Done(["renew", "bob", "--if-due"], None)
    out.result(done.status == 0 and serial(path) != old, "--if-due: it is due", done)
    aged(world, "bob", EXPIRED)
    expect_refused(out, "su by bob whose certificate has expired", Attempt(world, Su(), "bob"), "cert-expired",
                   "cert-expired")
    done = Done(["renew", "--all"], None)
    expect(out, "--all renews no expired one", done, 0, "skipped", "it has expired: mtlsctl renew bob")
    expect(out, "renew bob does", Done(["renew", "bob"], None), 0, "renewed")
    expect_entered(out, "su by bob, again", Attempt(world, Su(), "bob"))


def pkcs12(out, world):
    Done(["enroll", "carol", "--format", "pkcs12"])
    path, beside = world.home("carol", "carol.p12"), world.home("carol", "carol.crt")
    plain = "/root/carol.key"
    openssl("pkcs12", "-in", path, "-passin", f"pass:{pki.PASSPHRASE}", "-nocerts", "-nodes", "-out", plain)
    world.authority("user").sign("/root/carol.pem", plain, "/CN=carol", days=EXPIRED)
    openssl("pkcs12", "-export", "-inkey", plain, "-in", "/root/carol.pem", "-passout", f"pass:{pki.PASSPHRASE}",
            "-out", path)
    expect_refused(out, "su by carol, expired", Attempt(world, Su(), "carol"), "cert-expired", "cert-expired")
    with open(path, "rb") as file:
        before = file.read()
    done = Done(["renew", "carol"], None, prefix=("setsid",))
    expect(out, "PKCS#12 without a passphrase", done, 1, "seen with the passphrase only")
    done = Done(["renew", "carol"], "wrong")
    expect(out, "with a wrong one", done, 1, "wrong passphrase")
    done = Done(["renew", "carol"])
    expect(out, "with the right one: the new certificate lies beside", done, 0, "carol.crt", "beside the PKCS#12 file")
    with open(path, "rb") as file:
        out.result(file.read() == before and os.stat(beside).st_uid == pwd_entry("carol").pw_uid,
                   "the PKCS#12 file is as it was", done)
    expect_entered(out, "su by carol with both", Attempt(world, Su(), "carol"))
    old = serial(beside)
    done = Done(["renew", "carol"], None)
    out.result(done.status == 0 and serial(beside) != old and
               sorted(os.listdir(world.home("carol"))) == ["carol.crt", "carol.p12"],
               "the next time without a passphrase", done)
    expect_entered(out, "su by carol, again", Attempt(world, Su(), "carol"))


def certs_d(out, world):
    key = world.own_key("mallory", "own.key")
    laid = Done(["enroll", "mallory", "--key", key, "--json"]).json["file"]
    old = serial(laid)
    done = Done(["renew", "mallory"], None)
    out.result(done.status == 0 and serial(laid) != old, "a certificate in certs.d", done)
    expect_entered(out, "su by mallory", Attempt(world, Su(), "mallory"))

    world.append("authd.conf", {"ca corp": {"files": [world.pki.user_ca.pem]}})
    world.restart()
    key = world.own_key("erin", "erin.key")
    plain = "/root/erin.key"
    openssl("pkey", "-in", key, "-passin", f"pass:{pki.PASSPHRASE}", "-out", plain)
    world.pki.user_ca.sign("/root/erin.crt", plain, "/O=Example/CN=erin")
    Done(["enroll", "erin", "--cert", "/root/erin.crt"], None)
    done = Done(["renew", "erin"], None)
    expect(out, "of another CA", done, 1, "another CA has made it", "enroll erin --cert")
    done = Done(["renew", "dave"], None)
    expect(out, "of nobody", done, 1, "no certificate is known of 'dave'", "mtlsctl enroll dave")


def not_theirs(out, world):
    """What a person may put into the own file."""
    Done(["enroll", "dave"])
    path = world.home("dave", "dave.pem")
    good = pki.read(path)
    bob = pki.read(world.home("bob", "bob.pem"))
    crt = bob[bob.index("-----BEGIN CERT"):]
    write(path, good[:good.index("-----BEGIN CERT")] + crt, 0o600)
    done = Done(["renew", "dave"], None)
    expect(out, "another person's certificate in the file", done, 1, "is not bound to 'dave'")
    os.unlink(path)
    os.makedirs("/root/trap", exist_ok=True)
    write("/root/trap/dave.pem", good, 0o600)
    os.symlink("/root/trap/dave.pem", path)
    done = Done(["renew", "dave"], None)
    out.result(done.status == 1 and pki.read("/root/trap/dave.pem") == good, "a link to root's file", done)
    os.unlink(path)
    world.as_person("dave", "mkfifo", path)
    expect(out, "a pipe does not hang", Done(["renew", "dave"], None), 1, "not a regular file")
    os.unlink(path)
    write(path, good, 0o600)
    os.chown(path, pwd_entry("dave").pw_uid, pwd_entry("dave").pw_gid)
    os.symlink("/root/trap/new", world.home("dave", ".dave.pem.old"))
    done = Done(["renew", "dave"], None)
    out.result(done.status == 0 and os.listdir("/root/trap") == ["dave.pem"], "a link in the place of the backup", done)
    expect_entered(out, "su by dave", Attempt(world, Su(), "dave"))


def revoked(out, world):
    ca = world.authority("user")
    path = aged(world, "dave", AGED)
    ca.revoke("/root/aged.pem")
    good = pki.read(world.at("user-ca/crl.pem"))
    pki.write(world.at("user-ca/crl.pem"), pki.read(ca.crl("/root/crl.pem")), 0o644)
    before = pki.read(path)
    done = Done(["renew", "dave"], None)
    expect(out, "a revoked certificate is not renewed", done, 1, "is revoked in", "mtlsctl enroll")
    out.result(pki.read(path) == before, "and stays what it was", done)

    # mtls-authd reads all lists of a file.
    ours = pki.read(world.at("user-ca/crl.pem"))
    theirs = pki.read(world.pki.user_ca.crl("/root/theirs.pem"))
    pki.write(world.at("user-ca/crl.pem"), theirs + ours, 0o644)
    done = Done(["renew", "dave"], None)
    expect(out, "nor one that the second list of a file has", done, 1, "is revoked in")
    pki.write(path, before)
    pki.write(world.at("user-ca/crl.pem"), ours + theirs, 0o644)
    done = Done(["renew", "--crl"], None)
    both = pki.read(world.at("user-ca/crl.pem"))
    out.result(done.status == 0 and theirs in both and ours not in both and both.count("BEGIN X509 CRL") == 2,
               "another CA's list in the same file stays", done)
    pki.write(world.at("user-ca/crl.pem"), theirs + ours, 0o644)
    done = Done(["renew", "--crl"], None)
    both = pki.read(world.at("user-ca/crl.pem"))
    out.result(done.status == 0 and theirs in both and ours not in both and both.count("BEGIN X509 CRL") == 2,
               "ours is found behind it", done)
    pki.write(world.at("user-ca/crl.pem"), ours, 0o644)
    done = Done(["renew", "--crl"], None)
    expect(out, "the list is renewed, mtls-authd uses it", done, 0, "renewed", "mtls-authd uses it")
    text = openssl("crl", "-in", world.at("user-ca/crl.pem"), "-noout", "-text")
    out.result("Serial Number" in text and text.split("CRL Number:")[1].split()[0] == "127",
               "with its entries, and the next number", text)
    run("mtlsctl", "reload")
    attempt = Attempt(world, Su(), "dave")
    expect_refused(out, "su by dave, revoked", attempt, "cert-revoked", "cert-revoked")
    done = Done(["renew", "--crl", "--if-due", "--json"], None)
    out.result(done.json["items"][0]["state"] == "not-due", "--if-due: it is not due", done)
    pki.write(world.at("user-ca/crl.pem"), good, 0o644)
    run("mtlsctl", "reload")
    os.chmod(world.at("private/user-ca.key"), 0o644)
    done = Done(["renew", "dave", "--crl"], None)
    out.result(done.status == 1 and done.out.count("others may read") == 2,
               "a CA's key that others may read is told, and not taken for another CA's", done)
    os.chmod(world.at("private/user-ca.key"), 0o600)
    done = Done(["renew", "--crl"], None)
    expect(out, "the list of init lasts as long as its CA", done, 0, "not-due", "as long as its CA")
    Done(["renew", "dave"], None)


def full_disk(out, world):
    folder = world.home("dave").rstrip("/")
    good = pki.read(world.home("dave", "dave.pem"))
    uid = pwd_entry("dave").pw_uid
    run("mount", "-t", "tmpfs", "-o", f"size=12k,mode=0700,uid={uid}", "tmpfs", folder)
    write(folder + "/dave.pem", good, 0o600)
    os.chown(folder + "/dave.pem", uid, -1)
    fill(f"{folder}/fill")
    done = Done(["renew", "dave"], None)
    out.result(done.status == 1 and "No space left" in done.out and pki.read(folder + "/dave.pem") == good,
               "a full disk: the old file is whole", done)
    expect_entered(out, "su by dave on a full disk", Attempt(world, Su(), "dave"))
    run("umount", folder)


def killed(out, world, argv, check, name):
    """Killed at moments all over its run: what it works on is old or new, never none."""
    wrong = []
    for number in range(KILLS):
        process = subprocess.Popen(["mtlsctl", *argv], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            process.wait(0.005 * number)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        problem = check()
        if problem:
            wrong.append(f"{number}: {problem}")
    out.result(not wrong, f"{name}, killed {KILLS} times: old or new, never none", wrong)
    done = Done(argv, None)
    expect(out, f"{name}, left alone again", done, 0, "renewed")


def kill_persons(out, world):
    killed(out, world, ["renew", "dave"], lambda: whole(world, "dave"), "renew dave")
    expect_entered(out, "su by dave, after all that", Attempt(world, Su(), "dave"))


# The server.

def running(name):
    """Processes of this name in the private root."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if pki.read(f"/proc/{pid}/comm").strip() == name:
                found.append(pid)
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def server_whole(world):
    key = openssl("pkey", "-in", world.at("private/server.key"), "-pubout")
    return None if key_of(world.at("server.pem")) == key else "the certificate is not the key's"


def leftovers(world):
    return [name for name in os.listdir(world.conf) + os.listdir(world.at("private"))
            if name not in ("authd.conf", "pam_mtls.conf", "server.pem", "server.key", "user-ca", "server-ca",
                            "user-ca.key", "server-ca.key", "certs.d", "private", "access.d", "rules.d")]


def server(out, world):
    path = world.at("server.pem")
    expect_entered(out, "su by bob, before", Attempt(world, Su(), "bob"))
    waiting = Terminal(["su", "bob", "-c", PROGRAMS + "/entered"], user="bob")
    waiting.expect([SECRET])
    old, mode = serial(path), os.stat(path)
    done = Done(["renew", "--server"], None)
    expect(out, "renew --server under the running daemon", done, 0, "renewed", "mtls-authd shows it")
    new = os.stat(path)
    out.result(serial(path) != old and not server_whole(world) and not leftovers(world) and
               (new.st_uid, new.st_mode) == (mode.st_uid, mode.st_mode), "a new certificate, nothing left over",
               leftovers(world))
    waiting.wait_hidden()
    waiting.send(pki.PASSPHRASE)
    waiting.finish()
    out.result(ENTERED in waiting.text, "who was at the prompt meanwhile enters", waiting.text)
    expect_entered(out, "su by bob, after", Attempt(world, Su(), "bob"))
    done = Done(["renew", "--server", "--if-due", "--json"], None)
    out.result(done.status == 0 and done.json["items"][0]["state"] == "not-due", "--if-due: it is not due", done)
    old = pki.read(path)
    done = Done(["renew", "--server", "--dry-run"], None)
    out.result(done.status == 0 and "would-renew" in done.out and pki.read(path) == old, "a dry run", done)
    killed(out, world, ["renew", "--server"], lambda: server_whole(world), "renew --server")
    # What a killed process could not remove is nobody's: temporary files, and the copy of the old one.
    for name in glob.glob(path + ".*"):
        os.unlink(name)
    expect_entered(out, "su by bob, after all that", Attempt(world, Su(), "bob"))


def unfinished(out, world):
    """A run that died behind the writing: mtls-authd still shows the old certificate, and the new one is not due."""
    path = world.at("server.pem")
    shutil.copy(path, path + ".old")
    world.authority("server").sign("/root/newer-server.pem", world.at("private/server.key"),
                                   f"/CN={pki.SERVER_NAME}", pki.SERVER, days=(-DAY, 300 * DAY))
    pki.write(path, pki.read("/root/newer-server.pem"), 0o644)
    done = Done(["renew", "--server", "--if-due"], None)
    expect(out, "the timer's next run finishes what a killed one began", done, 0, "renewed", "was not finished",
           "mtls-authd shows it")
    out.result(pki.read(path) == pki.read("/root/newer-server.pem") and not leftovers(world), "nothing is left over",
               leftovers(world))
    expect(out, "and the run after it has nothing to do", Done(["renew", "--server", "--if-due"], None), 0, "not-due")
    expect_entered(out, "su by bob", Attempt(world, Su(), "bob"))


def due(out, world):
    """`mtlsctl check` and --if-due agree."""
    path = world.at("server.pem")
    out.result("two thirds" not in Done(["check"], None).out, "check: a new certificate is not due", path)
    world.authority("server").sign("/root/aged-server.pem", world.at("private/server.key"),
                                   f"/CN={pki.SERVER_NAME}", pki.SERVER, days=(-70 * DAY, 32 * DAY))
    pki.write(path, pki.read("/root/aged-server.pem"), 0o644)
    done = Done(["check"], None)
    out.result("has used up two thirds of its time" in done.out and "mtls-renew.timer" in done.out and
               "mtlsctl renew --server" in done.out, "check: it is due, and what to type", done)
    done = Done(["renew", "--server", "--crl", "--if-due"], None)
    expect(out, "what the timer runs", done, 0, "renewed", "mtls-authd shows it")
    out.result("two thirds" not in Done(["check"], None).out, "check: content again", done)
    expect_entered(out, "su by bob", Attempt(world, Su(), "bob"))


def refused_reload(out, world):
    """The daemon does not take the new set-up, for whatever reason: the old certificate comes back."""
    path = world.at("server.pem")
    world.change(world.at("authd.conf"), world.files[world.at("authd.conf")][0] +
                 'ca missing { files = { "/nowhere.pem" } }\n')
    before = pki.read(path)
    done = Done(["renew", "--server"], None)
    expect(out, "mtls-authd refuses its configuration", done, 1, "failed", "/nowhere.pem", "the old certificate is back")
    out.result(pki.read(path) == before and not leftovers(world), "the old one is there", leftovers(world))
    expect_entered(out, "su by bob", Attempt(world, Su(), "bob"))
    write(world.at("authd.conf"), *world.files[world.at("authd.conf")])
    world.dirty.clear()


def stopped(out, world):
    world.stop()
    done = Done(["renew", "--server"], None)
    expect(out, "without mtls-authd", done, 0, "renewed", "does not run", "server.pem.old")
    os.unlink(world.at("server.pem.old"))
    world.daemon.start()
    expect_entered(out, "su by bob with the daemon started later", Attempt(world, Su(), "bob"))


def full_conf(out, world):
    run("cp", "-a", world.conf, "/root/conf.copy")
    run("mount", "-t", "tmpfs", "-o", "size=128k,mode=0755", "tmpfs", world.conf)
    run("sh", "-c", f"cp -a /root/conf.copy/. {world.conf}/")
    fill(f"{world.conf}/fill")
    before = pki.read(world.at("server.pem"))
    done = Done(["renew", "--server"], None)
    out.result(done.status == 1 and "No space left" in done.out and pki.read(world.at("server.pem")) == before,
               "a full disk: the old certificate is whole", done)
    expect_entered(out, "su by bob", Attempt(world, Su(), "bob"))
    run("umount", world.conf)
    shutil.rmtree("/root/conf.copy")


GOOD = """#!/bin/sh
# A CA that signs what it is asked, with the names of the request, from this moment on: a later second.
set -e
begun=$(date +%s)
while [ "$(date +%s)" = "$begun" ]; do sleep 0.05; done
[ "$MTLS_SERVER_NAME" = auth.test ] && [ -r "$MTLS_PRIVATE_KEY" ] && [ -r "$MTLS_CERTIFICATE" ]
[ -z "$HOME" ] && [ "$1" = "two words" ] && [ "$(pwd)" = / ]
openssl x509 -req -in "$MTLS_REQUEST" -CA /etc/mtls-test-pki/server-ca.pem -CAkey /etc/mtls-test-pki/server-ca.key \\
    -days 400 -copy_extensions copyall -extfile /root/eku.cnf -extensions it -out "$MTLS_OUTPUT"
"""

# What the command does instead: a name, its script, what is said.
BAD = (
    ("another key", 'cp /root/other.pem "$MTLS_OUTPUT"', "it is not for the key"),
    ("another name", 'cp /root/wrong-name.pem "$MTLS_OUTPUT"', "does not carry the name 'auth.test'"),
    ("an expired one", 'cp /root/expired.pem "$MTLS_OUTPUT"', "it is not valid now"),
    ("of another CA", 'cp /root/other-ca.pem "$MTLS_OUTPUT"', "does not come from server_ca"),
    ("for another purpose", 'cp /root/client.pem "$MTLS_OUTPUT"', "no extendedKeyUsage serverAuth"),
    ("the old one", 'cp "$MTLS_CERTIFICATE" "$MTLS_OUTPUT"', "it is the old one"),
    ("rubbish", 'echo rubbish >"$MTLS_OUTPUT"', "no PEM certificate"),
    ("a link", 'ln -s "$MTLS_CERTIFICATE" "$MTLS_OUTPUT"', "cannot open"),
    ("nothing", ":", "brought no certificate"),
    ("a failure", "exit 3", "failed with status 3"),
    ("a hang", "sleep 1000 & exec sleep 1000", "took longer than 700 ms and was killed"),
    ("its own death", "kill -9 $$", "ended by signal 9"),
)


def prepare_command(world):
    """The server's certificate is of a CA that is not init's."""
    server_ca = world.pki.server_ca
    for target, source in (("server.pem", world.pki.server["good"]), ("private/server.key", world.pki.server_key)):
        mode = os.stat(world.at(target)).st_mode & 0o7777
        pki.write(world.at(target), pki.read(source), mode)
    pki.write("/root/eku.cnf", "[it]\nextendedKeyUsage = serverAuth\nkeyUsage = critical,digitalSignature\n"
              "basicConstraints = critical,CA:FALSE\n")
    key, long = world.pki.server_key, (-DAY, 800 * DAY)
    name = f"/CN={pki.SERVER_NAME}"
    server_ca.sign("/root/other.pem", pki.new_key("/root/other.key"), name, pki.SERVER, days=long)
    server_ca.sign("/root/wrong-name.pem", key, name, dict(pki.SERVER, subjectAltName="DNS:other.test"), days=long)
    server_ca.sign("/root/expired.pem", key, name, pki.SERVER, days=EXPIRED)
    server_ca.sign("/root/client.pem", key, name, dict(pki.SERVER, extendedKeyUsage="clientAuth"), days=long)
    world.pki.user_ca.sign("/root/other-ca.pem", key, name, pki.SERVER, days=long)
    text = pki.read(world.at("pam_mtls.conf")).replace(world.at("server-ca/ca.pem"), server_ca.pem)
    world.install(world.at("pam_mtls.conf"), text)
    world.restart()


def command(out, world):
    prepare_command(world)
    path, script = world.at("server.pem"), "/usr/local/sbin/mtls-new-certificate"
    before = pki.read(path)
    done = Done(["renew", "--server"], None)
    expect(out, "of another CA, and no command", done, 1, "set renew_command in authd.conf")
    world.append("authd.conf", {"renew_command": [script, "two words"], "renew_timeout": PATIENCE})
    for name, text, said in BAD:
        write(script, "#!/bin/sh\n" + text + "\n", 0o755)
        # Only what hangs meets a short limit: a busy machine must not make the others hang.
        settings = world.files[world.at("authd.conf")][0]
        write(world.at("authd.conf"), settings.replace(PATIENCE, "700ms") if "700 ms" in said else settings)
        done = Done(["renew", "--server"], None)
        out.result(done.status == 1 and said in done.out and pki.read(path) == before and not leftovers(world),
                   f"the command brings {name}: the old one stays", f"{done} {leftovers(world)}")
    write(world.at("authd.conf"), world.files[world.at("authd.conf")][0])
    out.result(not running("sleep"),
               "what hung has ended, with its children", "")
    for name, spoil, said in (("that others may write", lambda: os.chmod(script, 0o777), "is writable by group"),
                              ("that is not there", lambda: os.unlink(script), "No such file")):
        write(script, GOOD, 0o755)
        spoil()
        done = Done(["renew", "--server"], None)
        expect(out, f"a command {name}", done, 1, said)
    expect_entered(out, "su by bob, as before", Attempt(world, Su(), "bob"))
    write(script, GOOD + 'cat "$MTLS_PRIVATE_KEY" >>"$MTLS_OUTPUT"\n', 0o755)
    done = Done(["renew", "--server"], None, environment={"HOME": "/root", "SECRET": "x"})
    expect(out, "the command brings a good one", done, 0, "renewed", "mtls-authd shows it")
    out.result(pki.read(path) != before and not server_whole(world) and not leftovers(world),
               "which is in place", leftovers(world))
    out.result(pki.read(path).startswith("-----BEGIN CERT") and "PRIVATE" not in pki.read(path),
               "without the private key that the command put behind it", pki.read(path))
    expect_entered(out, "su by bob, after", Attempt(world, Su(), "bob"))


def everything(out, world):
    done = Done(["renew", "--all", "--if-due", "--json"], None)
    kinds = {item["kind"] for item in done.json.get("items", [])}
    out.result(done.status == 0 and kinds == {"server", "crl", "person", "certs.d"} and not done.json["failed"],
               "renew --all --if-due --json", done)
    for argv, said in ((["renew"], "what: a USER"), (["renew", "--server", "--days", "0"], "--days"),
                       (["renew", "a", "b", "--passphrase-fd", "0"], "one USER")):
        expect(out, " ".join(argv), Done(argv, None), 2, said)
    done = Done(["renew", "bob"], None, prefix=("runuser", "-u", "bob", "--"))
    expect(out, "not root", done, 1, "only root")


def test(out):
    world = Initiated()
    for part in (persons, pkcs12, certs_d, not_theirs, revoked, full_disk, kill_persons, server, unfinished, due,
                 refused_reload, stopped, full_conf, command, everything):
        part(out, world)
    world.close()
    out.result(not world.problems(), "no daemon, worker or signer crashed", world.problems())


if __name__ == "__main__":
    private.enter()
    sys.exit(tap.run(test))
