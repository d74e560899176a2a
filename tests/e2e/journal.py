# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Audit records in the journal, where authd.conf names no file: a real journald in the private root. What
mtls-authd wrote is found, what others sent there under the same names is not.
"""
import json
import os
import socket
import subprocess
import sys

import rows
from lib import private, tap, terminal
from lib.attempt import Attempt
from lib.hosts import Sudo
from lib.private import environment
from lib.records import wait_for
from lib.world import World, run

JOURNALD = "/lib/systemd/systemd-journald"
SOCKET = "/run/systemd/journal/socket"
MTLSCTL = environment("MTLS_SBINDIR") + "/mtlsctl"


def start_journald():
    os.makedirs("/run/systemd/journal", exist_ok=True)
    if not os.path.exists("/etc/machine-id") or not os.path.getsize("/etc/machine-id"):
        with open("/etc/machine-id", "w", encoding="ascii") as file:
            file.write("0123456789abcdef0123456789abcdef\n")
    with open("/run/mtls-test/journald.out", "w", encoding="utf-8") as log:
        process = subprocess.Popen([JOURNALD], stdout=log, stderr=log)
    if not wait_for(lambda: os.path.exists(SOCKET)):
        raise RuntimeError("journald does not come up")
    return process


def ctl(*argv):
    run("journalctl", "--sync")
    return subprocess.run([MTLSCTL, *argv], stdin=subprocess.DEVNULL, capture_output=True, check=False,
                          encoding="utf-8", errors="replace", timeout=terminal.DEADLINE)


def records(*options):
    done = ctl("audit", "--json", *options)
    return [json.loads(line) for line in done.stdout.splitlines()] if done.returncode == 0 else []


def forge(record, user=None):
    """What the daemon would send, but from somebody else."""
    fields = {"MESSAGE": "forged", "SYSLOG_IDENTIFIER": "mtls-authd", "MTLS_AUDIT": json.dumps(record),
              "MTLS_AUDIT_ID": record["audit_id"], "MTLS_VERDICT": "denied", "MTLS_REASON": "unmapped"}
    data = "".join(f"{key}={value}\n" for key, value in fields.items()).encode()
    child = os.fork()
    if child == 0:
        if user:
            terminal.become(user)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(data, SOCKET)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        raise RuntimeError("nothing was sent")


def test(out):
    journald = start_journald()
    world = World()
    world.change_settings("authd.conf", {**world.authd_settings(), "audit_file": None})
    world.restart()
    done = ctl("audit")
    out.result(done.returncode == 3 and not done.stdout, "no record yet", done)
    follower = terminal.Terminal(["mtlsctl", "audit", "--follow", "--denied"])
    next(row for row in rows.ROWS if row.token == "unmapped").change(world)
    refused = Attempt(world, Sudo(), "bob")
    out.result(not refused.entered, "refused", refused)
    found = records("--denied")
    out.result(len(found) == 1 and found[0]["reason"] == "unmapped", "its record is found", found)
    record = found[0]
    out.result(follower.expect([record["audit_id"]]) == 0, "--follow shows it", follower.text)
    done = ctl("explain", record["audit_id"])
    out.result(done.returncode == 3 and f"bind add bob --from-audit {record['audit_id']}" in done.stdout,
               "explain finds it", done)

    for user in (None, "mallory"):
        forged = {**record, "audit_id": os.urandom(16).hex()}
        forge(forged, user)
        run("journalctl", "--sync")
        sent = run("journalctl", "-q", "--all", "-o", "cat", f"MTLS_AUDIT_ID={forged['audit_id']}").stdout
        out.result("forged" in sent, f"{user or 'root'} sent a record to the journal", sent)
        done = ctl("bind", "add", "mallory", "--from-audit", forged["audit_id"], "--yes")
        out.result(done.returncode == 1 and "no record has the id" in done.stderr, "it is none", done)
    out.result([r["audit_id"] for r in records("--denied")] == [record["audit_id"]], "nor is it listed")

    done = ctl("bind", "add", "bob", "--from-audit", record["audit_id"], "--yes")
    out.result(done.returncode == 0, "the real one is bound", done)
    why = Attempt(world, Sudo(), "bob").why_not_entered()
    out.result(not why, "and the person enters", why)
    both = records("--limit", "0")
    out.result([r["verdict"] for r in both] == ["denied", "allowed"], "in the order of time", both)
    out.result(records("--limit", "1") == both[1:], "the newest", both)
    out.result(records("--since", "-1h") == both and not records("--until", "-1h"), "since and until")
    os.kill(follower.pid, 2)
    out.result(follower.finish() == -2, "--follow ends when it is interrupted")

    os.rename("/usr/bin/journalctl", "/usr/bin/journalctl.away")
    done = subprocess.run([MTLSCTL, "audit"], capture_output=True, check=False, encoding="utf-8")
    os.rename("/usr/bin/journalctl.away", "/usr/bin/journalctl")
    out.result(done.returncode == 1 and "journalctl" in done.stderr, "without journalctl: words", done)
    os.unlink(SOCKET)
    done = subprocess.run([MTLSCTL, "audit"], capture_output=True, check=False, encoding="utf-8")
    out.result(done.returncode == 1 and "set audit_file" in done.stderr, "without a journal: words", done)
    world.unbind("bob", "stranger")
    world.passing()
    journald.terminate()
    journald.wait()
    world.close()
    out.result(not world.problems(), "no daemon, worker or signer crashed", world.problems())


if __name__ == "__main__":
    private.enter()
    if not os.path.exists(JOURNALD) or not os.path.exists("/usr/bin/journalctl"):
        tap.skip_all("systemd-journald is missing (systemd)")
    sys.exit(tap.run(test))
