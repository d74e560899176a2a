# SPDX-License-Identifier: LGPL-2.1-or-later
"""A certificate of an issuer that is not accepted: it is sent all the same, so that the person reads by
whom it is and whose are accepted, the log says so, and the daemon's record shows the certificate."""
import hashlib
import os
import ssl
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests/certs"))
# pylint: disable=wrong-import-position
import pki
from lib import private, tap
from lib.attempt import Attempt, expect_entered, expect_refused
from lib.hosts import Locker, Login, PamHost, Su, Sudo
from lib.records import wait_for
from lib.world import World

ISSUED = "It was issued by 'Other CA'"
ONE = ISSUED + "; accepted here: 'Example user CA'."


def told(out, world, host, sentence, what):
    """Refused, in so many words, for the person and in the log."""
    attempt = Attempt(world, host, "bob")
    name = f"{host.name}, {what}"
    expect_refused(out, name, attempt, "issuer-untrusted", "issuer-untrusted")
    out.result(sentence in attempt.shown, f"{name}: the person reads who and whose", attempt)
    wait_for(lambda: any(sentence in line for line in world.syslog.lines()), 5)
    out.result(any(sentence in line for line in world.syslog.lines()), f"{name}: so does the log",
               attempt)
    return attempt


def recorded(out, world, attempt):
    record = world.audit.records()[-1]
    path = world.pki.leaf["wrong-ca"]
    der = ssl.PEM_cert_to_DER_cert("-----BEGIN" + pki.read(path).split("-----BEGIN", 1)[1])
    shown = record.get("presented", {})
    out.result(shown.get("sha256") == hashlib.sha256(der).hexdigest() and
               shown.get("subject") == "CN=bob,O=Example" and
               shown.get("issuer") == "CN=Other CA,O=Other" and shown.get("serial") and
               shown.get("spki_sha256") and record.get("leaf") and "verified" not in record,
               "the record shows the certificate and calls nothing verified", record)
    done = subprocess.run(["mtlsctl", "explain", record["audit_id"]], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, encoding="utf-8", check=False)
    out.result("issuer-untrusted" in done.stdout and "CN=Other CA,O=Other" in done.stdout and
               "not proven" in done.stdout, "mtlsctl explain shows who issued it", done)
    done = subprocess.run(["mtlsctl", "audit", "--reason", "issuer-untrusted"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
                          check=False)
    out.result(record["audit_id"] in done.stdout, "mtlsctl audit lists it", done)
    out.result(record["audit_id"] not in attempt.shown, "no reply, so no id was shown", attempt)


def authorities(base, subjects):
    """Files of new CAs."""
    os.makedirs(base)
    return [pki.Authority(base, f"ca-{number}", subject).pem
            for number, subject in enumerate(subjects)]


def test(out):
    world = World()
    expect_entered(out, "sudo with the right certificate", Attempt(world, Sudo(), "bob"))
    world.give("bob", "wrong-ca")
    for host in (Sudo(), Su(), Login(), PamHost(), Locker()):
        attempt = told(out, world, host, ONE, "a wrong CA")
    attempt = told(out, world, Sudo(), ONE, "once more")
    recorded(out, world, attempt)

    settings = world.authd_settings()
    more = authorities("/etc/mtls-test-more", [f"/CN=More {n}" for n in range(6)])
    world.change_settings("authd.conf", {**settings, "ca more": {"role": "user", "files": more}})
    world.restart()
    told(out, world, Sudo(), ISSUED + "; accepted here: 'Example user CA', 'More 0', 'More 1', "
         "'More 2' and 3 more.", "seven are accepted")
    same = authorities("/etc/mtls-test-same", ["/O=Impostor/CN=Other CA"])
    world.change_settings("authd.conf", {**settings, "ca more": {"role": "user", "files": same}})
    world.restart()
    told(out, world, Sudo(), "It was issued by another 'Other CA' than the one that is accepted "
         "here.", "of the same name")
    world.passing()
    expect_entered(out, "sudo, all as before", Attempt(world, Sudo(), "bob"))
    world.close()
    out.result(not world.problems(), "no daemon, worker or signer crashed", world.problems())


if __name__ == "__main__":
    private.enter()
    sys.exit(tap.run(test))
