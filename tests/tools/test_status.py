#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""mtlsctl status, reload, metrics against daemons that say what real ones seldom say: certificates that are
over, workers that crash, reloads that failed, nothing at all, nonsense. TAP; root, in a mount name space of its own."""
import fcntl
import json
import os
import re
import signal
import stat
import struct
import subprocess
import sys
import termios
import time

TOP = os.environ["top_srcdir"]
if sys.argv[1:] != ["--inside"]:
    os.execvp("sh", ["sh", f"{TOP}/tests/nss/private.sh", sys.executable, "-B", __file__, "--inside"])

sys.path[:0] = [f"{TOP}/tests/tools", f"{TOP}/tests/e2e"]
# pylint: disable=wrong-import-position
from fake_daemon import END, FAILED, OK, REFUSED, Daemon, end, item, tlv  # noqa: E402
from openmetrics import faults  # noqa: E402
from lib.tap import Tap  # noqa: E402
from lib.terminal import Terminal  # noqa: E402

CTL = os.environ["top_builddir"] + "/mtlsctl"
RUN = os.environ["MTLS_RUNDIR"]
AUTHD, ACCOUNTD = RUN + "/authd-control.sock", RUN + "/accountd-control.sock"
LIMIT_S = 60
DAY = 86400
NOW = int(time.time())
tap = Tap()


def mtlsctl(args, authd=None, accountd=None, **options):
    """The answers are bytes; b"": it closes; None: it does not run. Status, standard output, standard error."""
    daemons = [Daemon(path, [answer or None]) for path, answer in ((AUTHD, authd), (ACCOUNTD, accountd)) if answer is not None]
    done = subprocess.run([CTL] + args, capture_output=True, text=True, timeout=LIMIT_S, check=False,
                          stdin=subprocess.DEVNULL, **options)
    for daemon in daemons:
        daemon.stop()
    return done.returncode, done.stdout, done.stderr


def check(name, args, authd, accountd, status, words):
    """words: what is said; a word with "!" before it is not. Returns standard output."""
    got, out, err = mtlsctl(args, authd, accountd)
    wrong = [f"status {got} instead of {status}"] if got != status else []
    for word in words:
        if (word[1:] in out + err) if word.startswith("!") else (word not in out + err):
            wrong.append(f"said or not said: {word}")
    tap.result(not wrong, name, "\n".join(wrong + [out, err]))
    return out


def counter(value, label_value, name="mtls_authd_verdicts_total", kind="counter", label="reason", words="Verdicts, by reason."):
    fields = {"name": name, "type": kind, "value": str(value), "help": words}
    if label:
        fields.update({"label": label, "label-value": label_value})
    return item("counter", **fields)


# --- what a healthy mtls-authd says ---

WHO = {"version": "0.1.0", "pid": "4711", "started": str(NOW - 7300), "generation": "3",
       "config": "/etc/mtls/authd.conf", "state": "running"}
WORKER = {"slot": "0", "pid": "4712", "generation": "3", "state": "running", "started": str(NOW - 7300),
          "restarts": "2", "connections": "14"}


def authd(who=None, workers=None, server=400 * DAY + 3600, ca=3000 * DAY, crl=30 * DAY, more=b"", code=OK):
    parts = [item("daemon", **{**WHO, **(who or {})})]
    for number, worker in enumerate(workers if workers is not None else [{}, {}]):
        parts.append(item("worker", **{**WORKER, "slot": str(number), **worker}))
    parts += [item("listener", address="unix:/run/mtls/authd.sock"),
              item("certificate", file="/etc/mtls/server.pem", subject="CN=auth.example", not_after=str(NOW + server)),
              item("ca", name="users", role="user", file="/etc/mtls/user-ca/ca.pem", subject='CN=a "CA" \\ 1',
                   not_after=str(NOW + ca)),
              item("crl", ca="users", file="/etc/mtls/user-ca/crl.pem", next_update=str(NOW + crl)),
              counter(120, "allowed"), counter(3, "unmapped"),
              counter(7, "handshake", "mtls_authd_connections", "gauge", "state", "Open connections.")]
    for bound, count in (("0.5", "1"), ("+Inf", "4")):
        parts.append(counter(count, bound, "mtls_authd_verdict_duration_seconds_bucket", "histogram", "le", "Time."))
    parts += [counter("1.25", None, "mtls_authd_verdict_duration_seconds_sum", "histogram", None, "Time."),
              counter(4, None, "mtls_authd_verdict_duration_seconds_count", "histogram", None, "Time.")]
    return b"".join(parts) + more + end(code, generation="3")


def reload_item(result, **more):
    return item("reload", time=str(NOW - 60), result=result, **more)


STATUS = {"generation": "7", "published": "7", "users": "5", "groups": "2", "bindings": "6", "tombstones": "1",
          "next_uid": "2000200009", "next_gid": "2000200003", "publisher": "running", "store": "/var/lib/mtls/accountd/store.db"}


def accountd(more=b"", **other):
    return item("status", **{**STATUS, **other}) + item("source", name="corp", users="2", groups="0", state="good") + more + end(OK)


BAD_RELOAD = reload_item("failed", error="/etc/mtls/authd.conf:3: unknown key 'wrokers'")

# --- status ---

check("all is well", ["status"], authd(), accountd(), 0,
      ["Nothing needs attention", "pid 4711", "version 0.1.0", "2 h", "generation 3", "2 of 2 running", "28 connections",
       "started again 4 times", "unix:/run/mtls/authd.sock", "CN=auth.example", "400 days", "users (user)", "5 users, 2 groups, 6 bindings",
       "corp: good", "published 7", "!\033["])
check("a reload that went well", ["status"], authd(more=reload_item("ok")), accountd(), 0, ["last reload", "good"])
check("nothing runs", ["status"], None, None, 4,
      ["mtls-authd: does not run", "mtls-accountd: does not run", "nobody can log in by certificate", "start it"])
check("only mtls-accountd runs", ["status"], None, accountd(), 4, ["mtls-authd: does not run", "5 users"])
check("only mtls-authd runs", ["status"], authd(), None, 4, ["pid 4711", "mtls-accountd: does not run"])
for name, answer, words in (
        ("a reload that failed", authd(more=BAD_RELOAD), ["authd.conf:3: unknown key", "mtlsctl reload", "failed"]),
        ("a server certificate that is over", authd(server=-3 * DAY), ["error: the server's certificate", "every login"]),
        ("a server certificate that ends soon", authd(server=12 * DAY + 60), ["warning: the server's certificate", "ends in 12 days"]),
        ("a CA that is over", authd(ca=-1), ["error: a CA's certificate"]),
        ("a revocation list that is out of date", authd(crl=-DAY), ["error: a revocation list", "crl.pem", "mtlsctl reload"]),
        ("a revocation list that ends soon", authd(crl=DAY), ["warning: a revocation list"]),
        ("a worker that waits", authd(workers=[{}, {"state": "waiting", "restarts": "9", "error": "signal 11"}]), ["worker 1 ended 9 times", "again: signal 11", "1 of 2 running"]),
        ("no worker", authd(workers=[{"state": "waiting"}]), ["no running worker", "journalctl"]),
        ("draining", authd({"state": "draining"}, [{"state": "draining"}]), ["about to end", "!no running worker"]),
        ("it says nothing of itself", end(OK), ["does not say how it is"]),
        ("it refuses", end(REFUSED, "not you"), ["does not say how it is"]),
        ("nonsense", b"\x30\x03abc", ["could not be asked"])):
    check(name, ["status"], answer, accountd(), 1, ["Needs attention", "->"] + words)
check("a name that turns the line around", ["status"],
      authd(more=item("ca", name="others", role="user", file="/o.pem", subject="CN=\u202egnp", not_after=str(NOW - 5))),
      accountd(), 1, ["others (user): CN=?gnp", "!\u202e"])
check("workers start", ["status"], authd(workers=[{"state": "starting"}]), accountd(), 0, ["0 of 1 running"])
check("an old worker drains", ["status"], authd(workers=[{}, {"state": "draining"}]), accountd(), 0,
      ["1 of 1 running, 1 of before the reload"])
check("changes that are not published", ["status"], authd(), accountd(published="6", error="No space left on device"), 1,
      ["No space left on device", "Needs attention"])
check("a broken source", ["status"], authd(), accountd(item("source", name="old", state="broken", error="line 3")), 1, ["'old' cannot be read: line 3"])
check("kinds and fields of a later version", ["status"], authd({"mood": "fine"}, more=item("weather", sky="blue")), accountd(), 0, ["!weather", "!mood"])
check("an argument too many", ["status", "now"], None, None, 2, ["unexpected argument 'now'"])

said = json.loads(check("as JSON", ["status", "--json"], authd(more=BAD_RELOAD), accountd(), 1, []))
tap.result(said["authd"]["state"] == "running" and said["authd"]["daemon"]["pid"] == 4711
           and said["authd"]["workers"][1]["connections"] == 14 and said["authd"]["reload"]["error"].endswith("'wrokers'")
           and said["authd"]["certificates"][0]["not-after"] == NOW + 400 * DAY + 3600 and len(said["authd"]["counters"]) == 7
           and said["accountd"]["status"]["users"] == 5 and said["accountd"]["sources"][0]["name"] == "corp"
           and [f["severity"] for f in said["attention"]] == ["error"] and "mtlsctl reload" in said["attention"][0]["advice"],
           "what the JSON has", json.dumps(said, indent=1))
said = json.loads(check("down, as JSON", ["status", "--json"], None, None, 4, []))
tap.result(said["authd"]["state"] == "down" and said["accountd"]["state"] == "down" and "workers" not in said["authd"]
           and said["attention"], "what the JSON has then", json.dumps(said))

# --- reload ---

check("reload", ["reload"], end(OK, generation="4"), None, 0, ["generation 4", "!reads its configuration"])
check("a reload that fails", ["reload"], end(REFUSED, "/etc/mtls/authd.conf:3: unknown key 'wrokers'"), None, 1,
      ["nothing was changed: /etc/mtls/authd.conf:3: unknown key 'wrokers'"])
check("a reload that fails without a word", ["reload"], end(FAILED), None, 1, ["see its log"])
check("reload without a daemon", ["reload"], None, None, 4, ["does not run", "Start it with"])
check("a daemon that goes away", ["reload"], b"", None, 1, ["what was done is not known", "mtlsctl status"])
said = json.loads(check("reload as JSON", ["reload", "--json"], end(OK, generation="4"), None, 0, []))
tap.result(said == {"generation": 4}, "what the JSON of reload has", json.dumps(said))

# --- errors have one shape ---

for name, args, status, word in (("a daemon that does not run", ["reload", "--json"], 4, "does not run"),
                                 ("a wrong option", ["status", "--json", "--jsn"], 2, "--jsn"),
                                 ("an unknown action", ["account", "lst", "--json"], 2, "lst"),
                                 ("an unknown command", ["stats", "--json"], 2, "status"),
                                 ("no daemon for accounts", ["account", "status", "--json"], 4, "Start it with")):
    got, out, err = mtlsctl(args)
    try:
        said = json.loads(out)
    except ValueError:
        said = {}
    tap.result(got == status and set(said) == {"error"} and set(said["error"]) == {"code", "text"} and said["error"]["code"] == status
               and word in said["error"]["text"] and said["error"]["text"] in err, f"as JSON: {name}", f"{got} {out} {err}")

# --- metrics ---

def parsed(text):
    """By a strict parser, where there is one: name and labels -> value."""
    from prometheus_client.openmetrics.parser import text_string_to_metric_families  # pylint: disable=import-outside-toplevel
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text) for sample in family.samples}


try:
    parsed("# EOF\n")
    strict = parsed
except ImportError:
    strict = None

for good, text in ((True, "# TYPE a counter\n# HELP a b\na_total 1\n# EOF\n"), (False, "# TYPE a counter\n# HELP a b\na 1\n# EOF\n"),
                   (False, "# TYPE a gauge\n# HELP a b\na 1\n"), (False, '# TYPE a gauge\n# HELP a b\na{b="c\\d"} 1\n# EOF\n'),
                   (False, "# TYPE a gauge\n# HELP a b\na 1\n# TYPE b gauge\n# HELP b b\na 1\n# EOF\n")):
    tap.result(bool(faults(text)) != good, f"the line checks see what is {'right' if good else 'wrong'}", text)

text = check("metrics", ["metrics"], authd(more=reload_item("ok")), accountd(error="disk full", published="6"), 0, [])
tap.result(not faults(text), "every line is OpenMetrics", "\n".join(faults(text)) + text)
for line in ('mtls_authd_up 1', 'mtls_authd_build_info{version="0.1.0"} 1', 'mtls_authd_configuration_generation 3',
             'mtls_authd_last_reload_success 1', 'mtls_authd_worker_connections{slot="1"} 14', 'mtls_authd_worker_restarts_total{slot="0"} 2',
             f'mtls_authd_certificate_not_after_seconds{{role="server",file="/etc/mtls/server.pem",subject="CN=auth.example"}} {NOW + 400 * DAY + 3600}',
             f'mtls_authd_certificate_not_after_seconds{{role="user",ca="users",file="/etc/mtls/user-ca/ca.pem",subject="CN=a \\"CA\\" \\\\ 1"}} {NOW + 3000 * DAY}',
             'mtls_authd_verdicts_total{reason="allowed"} 120', 'mtls_authd_verdicts_total{reason="unmapped"} 3',
             'mtls_authd_connections{state="handshake"} 7', 'mtls_authd_verdict_duration_seconds_bucket{le="+Inf"} 4',
             'mtls_authd_verdict_duration_seconds_sum 1.25', '# UNIT mtls_authd_verdict_duration_seconds seconds',
             'mtls_accountd_published_generation 6', 'mtls_accountd_users 5', 'mtls_accountd_publish_failing 1',
             'mtls_accountd_source_good{source="corp"} 1'):
    tap.result(line in text.split("\n"), f"metrics have {line.rsplit(' ', 1)[0]}", text)
if strict:
    try:
        values = strict(text)
        tap.result(values[("mtls_authd_verdicts_total", (("reason", "allowed"),))] == 120
                   and values[("mtls_authd_certificate_not_after_seconds",
                               (("ca", "users"), ("file", "/etc/mtls/user-ca/ca.pem"), ("role", "user"), ("subject", 'CN=a "CA" \\ 1')))] == NOW + 3000 * DAY,
                   "a strict parser reads them, labels unescaped", values)
    except ValueError as error:
        tap.result(False, "a strict parser reads them, labels unescaped", f"{error}\n{text}")
else:
    tap.skip("a strict parser reads them, labels unescaped", "no prometheus_client (python3-prometheus-client)")

down = check("metrics without daemons", ["metrics"], None, None, 0, ["mtls_authd_up 0", "mtls_accountd_up 0", "!pid"])
tap.result(not faults(down) and len([line for line in down.split("\n") if line and line[0] != "#"]) == 2, "nothing but that they are down", down)
odd = authd(more=counter(1, "x", name="bad-name") + counter("-1", "x") + counter(1, "x", label="la bel") + counter(1, "x", kind="wrong")
            + counter(1, 'a"b\\c', name="mtls_authd_odd_total"))
text = check("metrics of a daemon that says odd things", ["metrics"], odd, accountd(), 0, ['reason="a\\"b\\\\c"', "!bad-name", "!la bel"])
tap.result(not faults(text), "are lines of OpenMetrics too", "\n".join(faults(text)))
check("metrics of a daemon that talks nonsense", ["metrics"], b"\x30\x03abc", accountd(), 0, ["mtls_authd_up 0", "mtls_accountd_up 1"])
check("metrics of one that refuses", ["metrics"], end(REFUSED, "no"), accountd(), 0, ["mtls_authd_up 0"])

folder = RUN + "/metrics"
os.makedirs(folder)
file = folder + "/mtls.prom"
os.umask(0o077)
with open(file, "w", encoding="ascii") as before:
    before.write("old\n")
inode = os.stat(file).st_ino
check("metrics into a file", ["metrics", "--output", file], authd(), accountd(), 0, ["!mtls_authd_up"])
with open(file, encoding="utf-8") as after:
    text = after.read()
tap.result(not faults(text) and "mtls_authd_up 1" in text and stat.S_IMODE(os.stat(file).st_mode) == 0o644
           and os.stat(file).st_ino != inode and os.listdir(folder) == ["mtls.prom"],
           "the file is another one, whole, readable for all, alone", text + str(os.listdir(folder)))
check("metrics into no folder", ["metrics", "--output", folder + "/no/mtls.prom"], authd(), accountd(), 1, [folder + "/no"])
os.umask(0o022)

# --- who may ask ---

os.makedirs(RUN, exist_ok=True)
os.chmod(RUN, 0o755)
copy = RUN + "/mtlsctl-for-all"
subprocess.run(["install", "-m", "0755", CTL, copy], check=True)
daemons = [Daemon(path, [None]) for path in (AUTHD, ACCOUNTD)]
for path in (AUTHD, ACCOUNTD):
    os.chmod(path, 0o600)
for args, words in ((["status"], ["only root may ask it", "!Nothing needs", "could not be asked"]), (["metrics"], ["only root may ask mtls-authd"]),
                    (["reload"], ["only root may reload"])):
    done = subprocess.run([copy] + args, capture_output=True, text=True, timeout=LIMIT_S, check=False, user=65534, group=65534, extra_groups=[])
    tap.result(done.returncode == 1 and all((word.lstrip("!") in done.stdout + done.stderr) != word.startswith("!") for word in words) and "mtls_authd_up 0" not in done.stdout,
               f"{args[0]} as somebody else", done.stdout + done.stderr)
for daemon in daemons:
    daemon.stop()

# --- on a terminal ---


def on_terminal(environment):
    daemons = [Daemon(AUTHD, [authd(server=-DAY)]), Daemon(ACCOUNTD, [accountd()])]
    terminal = Terminal([CTL, "status"], environment=environment)
    terminal.finish()
    for daemon in daemons:
        daemon.stop()
    return terminal.text


text = on_terminal({"TERM": "xterm"})
tap.result("\033[1;31merror\033[0m" in text and "\033[1mmtls-authd\033[0m" in text, "colours on a terminal", repr(text))
for name, environment in (("NO_COLOR", {"TERM": "xterm", "NO_COLOR": "1"}), ("TERM=dumb", {"TERM": "dumb"}), ("no TERM", {"TERM": ""})):
    text = on_terminal(environment)
    tap.result("\033" not in text and "error: the server" in text, f"no colours: {name}", repr(text))
text = on_terminal({"TERM": "xterm", "NO_COLOR": ""})
tap.result("\033[" in text, "an empty NO_COLOR is none", repr(text))
daemon = Daemon(AUTHD, [end(OK, generation="4")])
terminal = Terminal([CTL, "reload"])
terminal.finish()
daemon.stop()
tap.result("reads its configuration" in terminal.text and "generation 4" in terminal.text, "progress on a terminal", repr(terminal.text))

# --- top ---

ENTER, LEAVE = "\033[?1049h", "\033[?1049l"


def growing(allowed, more=b"", **other):
    return authd(more=more + counter(allowed, "ok", "mtls_authd_handshakes_total", label="result"), **other)


FIRST, LATER = growing(100), growing(112)


def top(args, answers, environment=None):
    """On a terminal, against a daemon that gives the answers, then the last one again."""
    return Daemon(AUTHD, answers, always=True), Terminal([CTL, "top", "--interval", "1"] + args, environment=environment)


def ended(daemon, terminal, name, status, words):
    got = terminal.finish()
    daemon.stop()
    tap.result(got == status and all(word in terminal.text for word in words), name, f"{got} {terminal.text!r}")


daemon = Daemon(AUTHD, [FIRST, FIRST, LATER], always=True)
done = subprocess.run([CTL, "top", "--once", "--json", "--interval", "1"], capture_output=True, text=True, timeout=LIMIT_S, check=False)
daemon.stop()
said = json.loads(done.stdout)
tap.result(done.returncode == 0 and abs(said["rates"]["mtls_authd_handshakes_total"]["ok"] * said["seconds"] - 12) < 0.001
           and said["rates"]["mtls_authd_verdicts_total"] == {"allowed": 0, "unmapped": 0}
           and said["gauges"]["mtls_authd_connections"]["handshake"] == 7 and "mtls_authd_verdict_duration_seconds_sum" not in said["rates"],
           "top: rates are what counters grew by", done.stdout)
restarted = growing(5, who={"started": str(NOW - 1)})
daemon = Daemon(AUTHD, [FIRST, FIRST, restarted], always=True)
done = subprocess.run([CTL, "top", "--once", "--json", "--interval", "1"], capture_output=True, text=True, timeout=LIMIT_S, check=False)
daemon.stop()
said = json.loads(done.stdout)
tap.result(abs(said["rates"]["mtls_authd_handshakes_total"]["ok"] * said["seconds"] - 5) < 0.001,
           "top: a daemon that was started again counts from nothing", done.stdout)
daemon = Daemon(AUTHD, [FIRST], always=True)
done = subprocess.run([CTL, "top", "--once", "--interval", "1"], capture_output=True, text=True, timeout=LIMIT_S, check=False)
tap.result(done.returncode == 0 and "\033" not in done.stdout and "q ends" not in done.stdout
           and all(word in done.stdout for word in ("allowed", "denied", "unmapped", "connections", "handshake 7", "4712")),
           "top --once on no terminal: plain", done.stdout)
with subprocess.Popen([CTL, "top", "--interval", "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as follower:
    lines = [follower.stdout.readline() for _ in range(3)]
    follower.stdout.close()
    status = follower.wait(LIMIT_S)
daemon.stop()
tap.result(lines[0].startswith("time") and re.match(r"20\d\d-\d\d-\d\d .* 0\.0 ", lines[1]) and status == 1, "top on no terminal: a line each time, until nobody reads",
           f"{status} {lines}")
check("top without a daemon", ["top"], None, None, 4, ["does not run"])
daemon = Daemon(AUTHD, [end(OK)], always=True)
check("top of a daemon that says nothing", ["top"], None, None, 1, ["does not say how it is"])
daemon.stop()
check("top with a wrong interval", ["top", "--interval", "0"], None, None, 2, ["--interval needs a number from 1"])

daemon, terminal = top([], [FIRST, FIRST, LATER], {"TERM": "xterm"})
terminal.expect([re.escape(ENTER)])
terminal.expect([r"handshakes[^\n]* 1[0-9]\.\d/s"])
echo = termios.tcgetattr(terminal.master)[3] & termios.ECHO
os.write(terminal.master, b"xq")
ended(daemon, terminal, "top on a terminal, until q; the screen of before comes back", 0, [LEAVE, "\033[?25h", "q ends"])
tap.result(not echo, "keys are not shown")
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
    daemon, terminal = top([], [FIRST])
    terminal.expect(["q ends"])
    os.kill(terminal.pid, number)
    ended(daemon, terminal, f"top ended by {number.name}: the screen of before comes back", -number, [LEAVE])
daemon, terminal = top([], [FIRST])
terminal.expect(["q ends"])
fcntl.ioctl(terminal.master, termios.TIOCSWINSZ, struct.pack("HHHH", 5, 30, 0, 0))
terminal.expect([r"(?s)\033\[H.*\033\[J"])
after = terminal.text[terminal.text.rindex("\033[H"):]
rows = re.sub(r"\033\[[0-9;?]*[A-Za-z]", "", after).split("\r\n")
os.write(terminal.master, b"q")
ended(daemon, terminal, "top on a terminal that was made smaller", 0, [LEAVE])
tap.result(len(rows) == 5 and all(len(row) <= 30 for row in rows), "it fits", repr(rows))
daemon, terminal = top([], [FIRST])
terminal.expect(["q ends"])
daemon.stop()
terminal.expect(["(?s)mtls-authd does not answer.*waiting"])
daemon = Daemon(AUTHD, [FIRST], always=True)
terminal.expect(["q ends"])
terminal.expect(["allowed"])
os.write(terminal.master, b"q")
ended(daemon, terminal, "a daemon that goes away is waited for", 0, [LEAVE])
daemon, terminal = top([], [FIRST])
terminal.expect(["q ends"])
os.kill(terminal.pid, signal.SIGTSTP)
_, status = os.waitpid(terminal.pid, os.WUNTRACED)
terminal.expect([re.escape(LEAVE)])
stopped = os.WIFSTOPPED(status)
os.kill(terminal.pid, signal.SIGCONT)
terminal.expect([re.escape(ENTER)])
os.write(terminal.master, b"q")
ended(daemon, terminal, "top gives the screen back while it is stopped", 0, [LEAVE])
tap.result(stopped, "it was stopped")
tap.plan()
