# SPDX-License-Identifier: LGPL-2.1-or-later
"""
What an administrator finds out after a refusal: mtlsctl audit, explain, bind add --from-audit. Each row of
the denial matrix that leaves a record is refused once, and the explanation of its id must name the check
that failed and what to do about it; then the same binding is made from the record, and the person enters.
"""
import copy
import json
import os
import re
import signal
import subprocess
import sys

import rows
from lib import private, reasons, tap, terminal
from lib.attempt import Attempt
from lib.hosts import Sudo
from lib.private import environment
from lib.records import wait_for
from lib.world import World, run, write

TABLE = reasons.load()
MTLSCTL = environment("MTLS_SBINDIR") + "/mtlsctl"
ESCAPE = "\x1b[31m\x7f\u202e\u0085"


def ctl(*argv, user=None, text=None):
    """mtlsctl, as `user`; standard output and error apart."""
    command = [MTLSCTL, *argv] if user is None else ["runuser", "-u", user, "--", MTLSCTL, *argv]
    return subprocess.run(command, input=text or "", capture_output=True, check=False, encoding="utf-8",
                          errors="replace", timeout=terminal.DEADLINE, cwd="/")


def explain(argument, *options, **how):
    return ctl("explain", argument, *options, **how)


def failed(report):
    """{reason: what to do} of the checks that failed."""
    return {check["reason"]: check["todo"] for check in report["checks"] if check["state"] == "failed"}


def refuse(world, row):
    """The row's refusal in one host: the record that it left."""
    world.passing()
    if row.prepare:
        row.prepare(world)
    if row.change:
        row.change(world)
    name, host = next(iter(row.hosts.items()))
    attempt = Attempt(world, host, row.person, **row.second)
    if not wait_for(world.audit.records, 5):
        raise RuntimeError(f"{row.name}: no record in {name}: {attempt}")
    return world.audit.records()[-1], attempt


def why_not_explained(record, row):
    """Empty if the explanation is as it should be."""
    audit_id = record["audit_id"]
    done = explain(audit_id, "--json")
    if done.returncode != 3:
        return f"status {done.returncode}: {done.stdout} {done.stderr}"
    answer = json.loads(done.stdout)
    now = failed(answer["now"])
    if answer["now"].get("reason") != row.audit or not now.get(row.audit):
        return f"it does not say {row.audit} and what to do: {json.dumps(answer['now'], indent=1)}"
    text = explain(audit_id).stdout
    for wanted in (f"{TABLE[row.audit].text} ({row.audit})", "as then", "to do: ", audit_id):
        if wanted not in text:
            return f"the text has no {wanted!r}: {text}"
    return ""


def each_refusal(out, world):
    seen = set()
    for row in rows.ROWS:
        if row.audit is None:
            continue
        record, attempt = refuse(world, row)
        why = why_not_explained(record, row)
        if record["reason"] != row.audit:
            why = f"the record has {record['reason']}: {attempt}"
        out.result(not why, f"explained: {row.name}, {row.audit}", why)
        if record.get("verified") and "id " + record["audit_id"] not in attempt.shown:
            out.result(False, f"{row.name}: the person reads the id", attempt)
        seen.add(row.audit)
    world.passing()
    out.result(len(seen) >= 16, "the matrix left records of most reasons", sorted(seen))


def made_up(reason, number, **more):
    record = {"time": "2026-11-30T13:00:00.000001Z", "audit_id": f"{number:032x}", "verdict": "denied",
              "reason": reason, "peer": {"transport": "unix", "uid": 0, "pid": 7}, "ms": {"total": 1}}
    return {**record, **more}


def every_reason(out):
    """Those that no host can be brought to show: made-up records."""
    for reason in reasons.denials().values():
        line = json.dumps(made_up(reason.token, reason.number))
        done = explain(f"{reason.number:032x}", "--file", "-", text=line)
        good = (f"{reason.text} ({reason.token})" in done.stdout and done.returncode == 1
                and (not reason.advice or f"to do: {reason.advice}" in done.stdout))
        out.result(good, f"a record of {reason.token} is put into words", done)
    done = explain("f" * 32, "--file", "-", text=json.dumps(made_up("of-tomorrow", 2**128 - 1)))
    out.result("a reason that this version does not know" in done.stdout, "so is one of a later version",
               done)


def as_json(done):
    return json.loads(done.stdout)


def certificates(out, world):
    """A certificate, as root and as anybody; all that is wrong with it, not the first thing."""
    leaf = world.pki.leaf
    for name, code in (("good", 0), ("expired", 3), ("no-eku", 3), ("stranger", 3)):
        done = explain(leaf[name])
        out.result(done.returncode == code, f"the certificate {name}: status {code}", done)
    done = explain(leaf["good"], "--user", "carol")
    out.result(done.returncode == 3 and "(mapped-to-other)" in done.stdout, "asked for another", done)
    done = explain(leaf["good"], "--user", "bob", "--service", "sudo", user="mallory")
    out.result(done.returncode == 0 and "would enter as 'bob'" in done.stdout, "asked by anybody", done)
    done = explain(leaf["good"], "--json")
    answer = as_json(done)
    states = {check["check"]: check["state"] for check in answer["checks"]}
    wanted = ("bounds", "path", "role", "shape", "names", "strength", "depth", "times", "key usage",
              "revocation", "purpose", "binding", "account", "this machine")
    out.result(all(states.get(name) == "passed" for name in wanted) and answer["verdict"] == "allowed"
               and answer["account"] == "bob", "every check is shown", done)
    with open(leaf["no-eku"], encoding="utf-8") as file:
        done = explain("-", "--json", "--user", "carol", "--at", "2090-01-01", text=file.read())
    out.result(failed(as_json(done)).keys() == {"cert-expired", "crl-unusable", "eku-missing",
                                                "mapped-to-other"}, "all that is wrong", done)
    done = explain(leaf["good"], "--at", "2090-01-01")
    out.result(done.returncode == 3 and "(cert-expired)" in done.stdout, "in 2090", done)
    done = explain(leaf["wrong-ca"], "--json")
    checks = {check["check"]: check for check in as_json(done)["checks"]}
    out.result(checks["path"]["state"] == "failed" and checks["times"]["state"] == "passed"
               and checks["revocation"]["state"] == "fact", "what needs no path is looked at without", done)
    world.bind("carol", "good")
    done = explain(leaf["good"])
    out.result(done.returncode == 0 and "be asked which account" in done.stdout
               and "'carol': would enter as 'carol'" in done.stdout, "bound to two: a choice", done)
    world.unbind("carol", "good")
    write("/run/mtls-test/nonsense.pem", "nonsense\n")
    done = explain("/run/mtls-test/nonsense.pem")
    out.result(done.returncode == 3 and "(certificate-refused)" in done.stdout, "no certificate", done)


def nothing_is_guessed(out, world):
    """Without the daemon's program, without its settings: unknown, not refused, not allowed."""
    program = environment("MTLS_SBINDIR") + "/mtls-authd"
    for path, what in ((program, "the lookups"), (world.conf + "/authd.conf", "the settings")):
        os.rename(path, path + ".away")
        done = explain(world.pki.leaf["good"])
        os.rename(path + ".away", path)
        out.result(done.returncode == 1 and "cannot be told" in done.stdout and "\n? " in done.stdout,
                   f"without {what} nobody can tell", done)


def people(out, world):
    done = explain("bob")
    out.result(done.returncode == 0 and "'bob' would enter" in done.stdout
               and "published, and mtls-authd is told of it" in done.stdout, "bob, by root", done)
    done = explain("bob", user="bob")
    out.result(done.returncode == 0 and "'bob' would enter" in done.stdout, "bob, by himself", done)
    done = explain("bob", user="carol")
    out.result(done.returncode == 1 and "only root and the person may look" in done.stdout,
               "bob, by carol: nobody can tell", done)
    done = explain("mallory")
    out.result(done.returncode == 3 and "mtlsctl enroll mallory" in done.stdout
               and "mtlsctl bind add mallory" in done.stdout, "mallory, who has nothing", done)
    done = explain("root")
    out.result(done.returncode == 3
               and "would not enter" in done.stdout, "root", done)
    world.change_settings("pam_mtls.conf", {**world.pam_settings(), "service sudo": {"sources": ["agent", "file"]}})
    done = explain("mallory", "--service", "sudo")
    out.result(done.returncode == 1 and "keys of an agent and forwarded cards are not looked at" in done.stdout
               and "may enter or not" in done.stdout, "an agent's keys are not looked at: unknown, not refused", done)
    done = explain("bob", "--service", "sudo")
    out.result(done.returncode == 0 and "'bob' would enter" in done.stdout, "a file that enters beside them", done)
    world.passing()
    done = explain("not-here")
    out.result(done.returncode == 3 and "does not exist" in done.stdout, "nobody", done)
    world.give("bob", "expired")
    done = explain("bob", "--json")
    answer = as_json(done)
    out.result(done.returncode == 3 and "cert-expired" in failed(answer["certificates"][0]),
               "his expired certificate", done)
    world.give("bob", "unprotected")
    done = explain("bob", "--json")
    out.result("key-unprotected" in failed(as_json(done)["certificates"][0]), "his unprotected key", done)
    folder = f"{os.path.expanduser('~bob')}/.config/mtls"
    os.symlink("/etc/shadow", folder + "/a.pem")
    done = explain("bob")
    os.unlink(folder + "/a.pem")
    out.result("a.pem" in done.stdout and "root:" not in done.stdout, "a link out of his folder", done)
    world.passing()


def resting(out, world):
    """A binding whose account a source has taken away: kept, not published, and why."""
    path = world.conf + "/accounts.d/lab.passwd"

    def known():
        return run("getent", "passwd", "eve", check=False).returncode == 0

    write(path, "eve:x:2000300001:2000300001:Eve:/home/eve:/bin/sh\n")
    out.result(wait_for(known, 20), "a source gives eve")
    run("mtlsctl", "bind", "add", "eve", "--cert", world.pki.leaf["stranger"])
    done = explain("eve")
    out.result("published, and mtls-authd is told of it" in done.stdout, "her binding holds", done)
    write(path, "# nobody\n")
    out.result(wait_for(lambda: not known(), 20), "the source takes her away")
    done = explain("eve")
    out.result(done.returncode == 3 and "does not exist" in done.stdout
               and "kept, not published: it was bound to the 'eve' of uid 2000300001" in done.stdout,
               "her binding rests, and it is said why", done)
    done = explain("eve", user="mallory")
    out.result("only root may ask mtls-accountd" in done.stdout, "to root only", done)
    run("mtlsctl", "bind", "remove", "eve", "--cert", world.pki.leaf["stranger"])
    os.unlink(path)


def bind_from(audit_id, *options, user="bob", **how):
    return ctl("bind", "add", user, "--from-audit", audit_id, *options, **how)


def binding(out, world):
    """unmapped → bound from the record → enters."""
    row = copy.copy(next(r for r in rows.ROWS if r.token == "unmapped"))
    record, attempt = refuse(world, row)
    audit_id = record["audit_id"]
    told = re.search(r"\[id ([0-9a-f]+)\]", attempt.shown)
    out.result(told and told.group(1) == audit_id, "the person reads the id of the record", attempt)
    command = f"mtlsctl bind add bob --from-audit {audit_id}"
    done = explain(audit_id)
    out.result(command in done.stdout, "explain prints the command", done)
    done = bind_from(audit_id)
    out.result(done.returncode == 1 and "nobody is there" in done.stderr, "without a terminal: --yes", done)
    done = bind_from(audit_id, "--dry-run")
    out.result(done.returncode == 0 and "dry run" in done.stdout, "a dry run", done)
    said = terminal.converse(command.split(), [(r"\[y/N\] ", "n", False)])
    out.result(said.status == 1 and "nothing was bound" in said.text, "no is no", said.text)
    out.result(not Attempt(world, Sudo(), "bob").entered, "still refused")
    done = bind_from(audit_id, "--kind", "nonsense", "--yes")
    out.result(done.returncode == 2, "a kind that there is not", done)
    said = terminal.converse(command.split(), [(r"\[y/N\] ", "y", False)])
    out.result(said.status == 0 and "is bound to 'bob'" in said.text
               and record["verified"]["sha256"] in said.text, "yes is yes", said.text)
    why = Attempt(world, Sudo(), "bob").why_not_entered()
    out.result(not why, "the same person enters", why)
    done = explain(audit_id)
    out.result(done.returncode == 0 and "no longer unmapped: would enter as 'bob'" in done.stdout,
               "explain: no longer", done)
    allowed = world.audit.records()[-1]
    done = bind_from(allowed["audit_id"], "--yes")
    out.result(done.returncode == 1 and "no refusal" in done.stderr, "an allowed attempt", done)
    done = explain(allowed["audit_id"])
    out.result(done.returncode == 0 and "ask about the person" in done.stdout, "explained all the same", done)
    done = bind_from("0" * 32, "--yes")
    out.result(done.returncode == 1 and "no record has the id" in done.stderr, "an unknown id", done)
    done = bind_from("../x", "--yes")
    out.result(done.returncode == 2, "no id at all", done)
    world.unbind("bob", "stranger")


def not_bound(out, world):
    """Records that must not become bindings."""
    proof = "nobody has proved"
    for token, words in (("bad-signature", proof), ("issuer-untrusted", proof),
                         ("cert-expired", "(cert-expired)"), ("cert-revoked", "(cert-revoked)"),
                         ("cert-role", "(cert-role)"), ("eku-missing", "(eku-missing)")):
        row = next(r for r in rows.ROWS if r.audit == token)
        record, _ = refuse(world, row)
        done = bind_from(record["audit_id"], "--yes", user="mallory")
        out.result(done.returncode == 1 and words in done.stderr, f"{token} is not bound", done)
    row = next(r for r in rows.ROWS if r.token == "unmapped")
    record, _ = refuse(world, row)
    for change, words, name in (
            ({"verified": None}, proof, "a record that says nothing of the signature"),
            ({"verified": {**record["verified"], "sha256": "00" * 32}}, "contradicts itself",
             "a record of another certificate"),
            ({"leaf": "AAAA"}, "the record's certificate", "a record of no certificate"),
            ({"leaf": None}, "no certificate", "a record without one")):
        forged = {k: v for k, v in {**record, **change, "audit_id": "ab" * 16}.items() if v is not None}
        with open(world.audit.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(forged) + "\n")
        done = bind_from("ab" * 16, "--yes")
        out.result(done.returncode == 1 and words in done.stderr, f"{name} is not bound", done)
    os.chmod(world.audit.path, 0o666)
    done = bind_from(record["audit_id"], "--yes")
    os.chmod(world.audit.path, 0o600)
    out.result(done.returncode == 1 and "can be written by others" in done.stderr,
               "nor is one of a file that anybody writes", done)
    with open(world.audit.path, encoding="utf-8") as file:
        kept = [line for line in file if '"ab' + "ab" * 15 not in line]
    write(world.audit.path, "".join(kept), 0o600)
    world.passing()


def hostile(out, world):
    """What strangers put into records, and what a crash leaves."""
    before = len(ctl("audit", "--json", "--limit", "0").stdout.splitlines())
    evil = made_up("unmapped", 0xe11, detail=ESCAPE, claimed={"service": ESCAPE, "account": ESCAPE,
                                                              "tty": ESCAPE, "remote_host": ESCAPE},
                   verified={"subject": "CN=" + ESCAPE, "issuer": ESCAPE, "sha256": ESCAPE},
                   bindings=[{"key": ESCAPE, "accounts": [ESCAPE]}], account={"name": ESCAPE})
    with open(world.audit.path, "ab") as file:
        file.write(json.dumps(evil).encode() + b"\n")
        file.write(b"\x1b[2Jnonsense\n")
        file.write(b"{\"time\":\"" + b"x" * 1_000_000 + b"\"}\n")
        file.write(json.dumps(made_up("unmapped", 0xe12)).encode() + b"\n")
        file.write(b'{"time":"2026-11-30T13:')
    for command in (("audit",), ("audit", "--json"), ("audit", "--limit", "0", "--json"),
                    ("explain", f"{0xe11:032x}"), ("explain", f"{0xe11:032x}", "--json")):
        done = ctl(*command)
        shown = done.stdout + done.stderr
        clean = not any(c in shown for c in ("\x1b", "\x7f", "\u202e", "\u0085"))
        out.result(clean and f"{0xe11:032x}" in done.stdout, f"{' '.join(command)}: nothing of it reaches "
                   "the terminal", done)
    done = ctl("audit", "--json", "--limit", "0")
    out.result(len(done.stdout.splitlines()) == before + 2 and "2 lines were no records" in done.stderr
               and "at byte" in done.stderr, "broken lines are counted, half a line is not", done)
    with open(world.audit.path, "ab") as file:  # what the daemon writes next is a line of its own
        file.write(b"\n")


def ids_of(done):
    """Of records as --json prints them, a line each."""
    try:
        return [json.loads(line)["audit_id"] for line in done.stdout.splitlines()]
    except ValueError as error:
        raise RuntimeError(f"not records: {done}") from error


def selecting(out, world):
    Attempt(world, Sudo(), "bob")
    last = world.audit.records()[-1]
    for options, found in ((("--user", "bob"), True), (("--service", "sudo"), True),
                           (("--service", "sshd"), False), (("--denied", "--id", last["audit_id"]), False),
                           (("--id", last["audit_id"]), True), (("--since", "-1h"), True),
                           (("--until", "2026-01-01"), False), (("--reason", "busy"), False),
                           (("--since", "today", "--limit", "1"), True)):
        done = ctl("audit", "--json", *options)
        ids = ids_of(done)
        good = (last["audit_id"] in ids) == found and done.returncode == (0 if ids else 3)
        out.result(good, f"audit {' '.join(options)}", done)
    done = ctl("audit", user="mallory")
    out.result(done.returncode == 1 and "try sudo" in done.stderr, "records are not for anybody", done)
    for options in (("--since", "soon"), ("--reason", "nonsense"), ("--limit", "-1"), ("--id", "x"),
                    ("--since", "now", "--until", "-1h"), ("--follow", "--until", "now")):
        done = ctl("audit", *options)
        out.result(done.returncode == 2, f"audit {' '.join(options)} is refused", done)


def following(out, world):
    """New records appear, before and after the file was rotated."""
    follower = terminal.Terminal(["mtlsctl", "audit", "--follow", "--limit", "1"])
    follower.expect(["REASON"])
    world.mark()
    Attempt(world, Sudo(), "bob")
    first = world.audit.records()[-1]["audit_id"]
    out.result(follower.expect([first]) == 0, "a new record appears", follower.text)
    os.rename(world.audit.path, world.audit.path + ".1")
    world.restart()
    Attempt(world, Sudo(), "bob")
    second = world.audit.records()[-1]["audit_id"]
    out.result(follower.expect([second]) == 0, "so it does when the file is another", follower.text)
    os.kill(follower.pid, signal.SIGINT)
    out.result(follower.finish() == -signal.SIGINT, "until interrupted")
    done = ctl("audit", "--limit", "2", "--json")
    ids = ids_of(done)
    out.result(ids == [first, second], "the rotated file is read, too", done)


def test(out):
    world = World()
    certificates(out, world)
    nothing_is_guessed(out, world)
    people(out, world)
    resting(out, world)
    every_reason(out)
    binding(out, world)
    not_bound(out, world)
    each_refusal(out, world)
    hostile(out, world)
    selecting(out, world)
    following(out, world)
    world.close()
    out.result(not world.problems(), "no daemon, worker or signer crashed", world.problems())


if __name__ == "__main__":
    private.enter()
    sys.exit(tap.run(test))
