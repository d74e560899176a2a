# SPDX-License-Identifier: LGPL-2.1-or-later
"""What mtlsctl shows of the running system: status, reload, top, metrics against the real daemons, and PAM services
in the states that mtlsctl enable leaves them in. What odd daemons say is in tests/tools/test_status.py."""
import json
import os
import sys

from lib import private, tap
from lib.enable import LONG, PAM, Stocked, by_certificate, ctl, enable, read, sudo
from lib.private import environment
from lib.records import wait_for
from lib.world import run, write

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests/tools"))
from openmetrics import faults  # noqa: E402 pylint: disable=wrong-import-position

STATE = environment("MTLS_STATEDIR") + "/pam.d/sudo.json"


def status_json(*words):
    done = run("mtlsctl", *words, "--json", check=False)
    return done.returncode, json.loads(done.stdout)


def metrics():
    text = run("mtlsctl", "metrics").stdout
    return text, dict(line.rsplit(" ", 1) for line in text.splitlines() if line and line[0] != "#")


def as_it_is(t):
    _, said = status_json("status")
    authd, accountd = said["authd"], said["accountd"]
    t.check(authd["state"] == "running" and authd["daemon"]["pid"] == t.world.daemon.process.pid
            and authd["workers"] and authd["listeners"] == [{"address": "unix:" + t.world.socket}],
            "status: mtls-authd, as it runs", said)
    t.check({ca["name"]: ca["role"] for ca in authd["cas"]} == {"people": "user", "machines": "host"}
            and authd["certificates"][0]["file"] == t.world.conf + "/server.pem" and authd["crls"][0]["ca"] == "people",
            "status: certificates, CAs, revocation lists", said)
    t.check(accountd["status"]["users"] == 1 and accountd["status"]["published"] == accountd["status"]["generation"],
            "status: mtls-accountd", said)
    shown = run("mtlsctl", "status", check=False).stdout
    t.check("mtls-authd: running" in shown and t.world.socket in shown and "1 users" in shown, "status for people", shown)


def counted(t):
    before = metrics()[1]
    write(f"{PAM}/sudo", t.stock["sudo"].replace("@include common-auth", "auth sufficient pam_mtls.so\n@include common-auth", 1))
    done = sudo(by_certificate())
    text, after = metrics()
    name = 'mtls_authd_verdicts_total{reason="allowed"}'
    t.check(int(after[name]) == int(before.get(name, 0)) + 1, "metrics: a login is one verdict more", done.text + text)
    t.check(not faults(text), "metrics: every line is OpenMetrics", "\n".join(faults(text)))
    t.check(after["mtls_authd_up"] == after["mtls_accountd_up"] == "1" and after["mtls_accountd_users"] == "1"
            and any(key.startswith('mtls_authd_certificate_not_after_seconds{role="server"') for key in after), "metrics: both daemons", text)
    code, said = status_json("status")
    rows = {row["service"]: row for row in said["services"]}
    t.check(rows["sudo"]["uses"] is True and "phase" not in rows["sudo"], "status: a service that was written by hand", rows)
    done = run("mtlsctl", "top", "--once", "--interval", "1", check=False)
    t.check(done.returncode == 0 and "allowed" in done.stdout and "handshakes" in done.stdout and "\033" not in done.stdout, "top --once", done.stdout)


def reloads(t):
    conf = t.world.conf + "/authd.conf"
    good = read(conf)
    code, said = status_json("reload")
    t.check(code == 0 and said["generation"] == 2, "reload: another generation", said)
    _, said = status_json("status")
    t.check(said["authd"]["daemon"]["generation"] == 2 and said["authd"]["reload"]["result"] == "ok", "status: it is used", said)
    write(conf, good + "wrokers = 1\n")
    line = len(good.splitlines()) + 1
    done = run("mtlsctl", "reload", check=False)
    t.check(done.returncode == 1 and f"authd.conf:{line}" in done.stdout and "nothing was changed" in done.stdout, "reload: a mistake, with its line", done.stdout)
    code, said = status_json("status")
    t.check(code == 1 and said["authd"]["reload"]["result"] == "failed" and any("wrokers" in f["text"] and "mtlsctl reload" in f["advice"]
            for f in said["attention"]), "status: the mistake needs attention", said)
    _, after = metrics()
    t.check(after["mtls_authd_last_reload_success"] == "0" and after["mtls_authd_configuration_generation"] == "2", "metrics: a reload that failed", after)
    write(conf, good)
    t.check(run("mtlsctl", "reload", check=False).returncode == 0, "reload: put right", "")


def services(t):
    t.says("enable", enable("sudo", "--confirm", LONG), 0, "mtlsctl confirm")
    code, said = status_json("status")
    rows = {row["service"]: row for row in said["services"]}
    t.check(code == 1 and rows["sudo"]["phase"] == "pending" and rows["sudo"]["uses"] and any("mtlsctl confirm" in f["advice"]
            for f in said["attention"]), "status: a change that waits needs attention", said)
    shown = run("mtlsctl", "status", check=False).stdout
    t.check("certificate-or-password" in shown and "goes back to what it was in" in shown, "status for people", shown)
    done = run("mtlsctl", "check", check=False)
    t.check("goes back to what it was in" in done.stdout, "check: a change that waits", done.stdout)


def overdue(t):
    """Nobody confirms, and the file cannot be brought back: not before somebody takes the hindrance away."""
    t.says("enable for two seconds", enable("sudo", "--confirm", "2s"), 0, "mtlsctl confirm")
    run("mount", "--bind", PAM, PAM)
    run("mount", "-o", "remount,bind,ro", PAM)
    t.check(wait_for(lambda: "has not gone back yet" in run("mtlsctl", "check", check=False).stdout, 60),
            "check: a change that should have gone back", run("mtlsctl", "check", check=False).stdout)
    run("umount", PAM)
    run("mtlsctl", "enable", "--restore-expired", check=False)
    with open(f"{PAM}/sudo", encoding="utf-8") as file:
        t.check(file.read() == t.stock["sudo"], "then it does", "")


def damaged(t):
    """What is remembered of a service cannot be read."""
    t.says("enable once more", enable("sudo", "--confirm", "none"), 0, "sudo")
    with open(STATE, encoding="utf-8") as file:
        state = file.read()
    write(STATE, "{")
    for command in ("check", "status"):
        done = run("mtlsctl", command, check=False)
        t.check(done.returncode != 0 and "what is known of the enabled service 'sudo' cannot be read" in done.stdout,
                f"{command}: a state that is damaged", done.stdout)
    done = run("mtlsctl", "enable", "--list", check=False)
    t.check(done.returncode == 1 and "is damaged" in done.stdout, "enable --list fails then", done)
    write(STATE, state)
    t.says("disable it", ctl("disable", "sudo"), 0, "without pam_mtls")


def taken_out(t):
    """Somebody takes the line of a confirmed change out of the file."""
    t.says("enable without a confirmation", enable("sudo", "--confirm", "none"), 0, "sudo")
    write(f"{PAM}/sudo", t.stock["sudo"])
    _, said = status_json("status")
    t.check(any("does not use pam_mtls any more" in f["text"] for f in said["attention"]), "status: a line that was taken out", said)


def down(t):
    t.world.stop()
    code, said = status_json("status")
    t.check(code == 4 and said["authd"]["state"] == "down" and any("nobody can log in" in f["text"] for f in said["attention"]), "status: mtls-authd is down", said)
    text, after = metrics()
    t.check(after["mtls_authd_up"] == "0" and after["mtls_accountd_up"] == "1" and not faults(text), "metrics: mtls-authd is down", text)
    t.world.daemon.start()


def test(out):
    t = Stocked(out)
    for part in (as_it_is, counted, reloads, services, overdue, damaged, taken_out, down):
        t.part(part)
    t.close()


if __name__ == "__main__":
    private.enter()
    os.setsid()
    sys.exit(tap.run(test))
