# SPDX-License-Identifier: LGPL-2.1-or-later
"""
mtlsctl enable, the return, and disable, killed before each of their steps: the service file is always
the old one or the new one, and the way back works. Then the death of the process that watches.
"""
import fcntl
import hashlib
import json
import os
import signal
import sys

from lib import private, tap
from lib.enable import (BOB, LONG, PAM, STATE, Stocked, by_certificate, by_password, change_state, ctl,
                        enable, let_time_pass, phase, read, stack, states, sudo, watchers)
from lib.private import SANITIZER, environment
from lib.records import wait_for
from lib.hosts import SECRET
from lib.terminal import Terminal, converse
from lib.world import PASSPHRASE, run, write

SHIM = os.path.join(environment("top_builddir"), "tests/e2e/.libs/libkill_at.so")
STEPS_MAX = 200


def killed(step, *words, answers=()):
    """mtlsctl that dies before its step-th write, rename or removal; the finished terminal."""
    return converse(["mtlsctl"] + list(words), list(answers),
                    environment={"LD_PRELOAD": SHIM, "KILL_AT": str(step)})


def died(done):
    return done.status == -signal.SIGKILL


def each_step(t, name, prepare, words, answers, judge):
    """Kills the command before step 1, 2, ... until it comes to its end; judge(done) says what is wrong."""
    wrong, step = [], 0
    for step in range(1, STEPS_MAX):
        prepare()
        done = killed(step, *words, answers=answers)
        why = judge(done)
        if why:
            wrong.append(f"step {step}: {why}: {done.status} {done.text} {states()}")
        t.clean()
        if not died(done):
            break
    t.check(not wrong and 3 < step < STEPS_MAX - 1, f"{name}, killed before each of {step - 1} steps",
            "\n".join(wrong) or f"{step} steps; the last one's status {done.status}")


def all_back():
    """Whoever comes first brings back what is due; the deadline is put into the past for the rest."""
    if phase("sudo") == "pending":
        let_time_pass("sudo")
    run("mtlsctl", "enable", "--restore-expired")


def enable_killed(t):
    """Between any two steps: old or new, and back."""
    def judge(done):
        now = stack("sudo")
        new = "auth\tsufficient\tpam_mtls.so\n"
        if now != t.stock["sudo"] and (new not in now or now.count("# pam-mtls: ") != 6):
            return f"neither the old nor the new file: {now!r}"
        was_new = new in now
        all_back()
        if stack("sudo") != t.stock["sudo"]:
            return f"not back: {stack('sudo')!r}"
        if os.stat(f"{PAM}/sudo").st_mode & 0o7777 != 0o644:
            return "another mode"
        t.seen_new |= was_new and died(done)
        return ""

    t.seen_new = False
    each_step(t, "enable", lambda: None, ("enable", "sudo", "--user", BOB, "--confirm", LONG),
              by_certificate(), judge)
    t.check(t.seen_new, "some of them had the new file in place", "none")


def enabled(t):
    write(f"{PAM}/sudo", t.stock["sudo"])
    enable("sudo", "--confirm", LONG)
    for pid in watchers():
        os.kill(pid, signal.SIGKILL)


def return_killed(t):
    """The return itself dies: the next one goes on. The file was edited, which must not be lost."""
    def prepare():
        enabled(t)
        write(f"{PAM}/sudo", stack("sudo") + "# edited\n")
        let_time_pass("sudo")

    def judge(_):
        run("mtlsctl", "enable", "--restore-expired")
        kept = [name for name in os.listdir(STATE) if name.startswith("sudo.kept.")
                and open(f"{STATE}/{name}", encoding="utf-8").read().endswith("# edited\n")]
        if stack("sudo") != t.stock["sudo"]:
            return f"not back: {stack('sudo')!r}"
        return "" if kept else "the edited file is lost"

    each_step(t, "the return", prepare, ("enable", "--restore-expired"), (), judge)


def disable_killed(t):
    def judge(_):
        run("mtlsctl", "disable", "sudo", check=False)
        return "" if stack("sudo") == t.stock["sudo"] and not states() else "not disabled"

    each_step(t, "disable", lambda: enabled(t), ("disable", "sudo"), (), judge)


def confirm_killed(t):
    """Killed while confirming: it waits, or it is confirmed."""
    enable("sudo", "--confirm", LONG)
    script = f"LD_PRELOAD={SHIM} KILL_AT=2 mtlsctl confirm"
    converse(["sudo", "-k", "sh", "-c", script], by_certificate(), user=BOB)
    t.check(phase("sudo") == "pending", "confirm, killed before its rename: it still waits", states())
    let_time_pass("sudo")
    t.check(wait_for(lambda: stack("sudo") == t.stock["sudo"]), "and goes back", states())


# --- the watcher ---

def watcher_killed(t):
    """Nothing watches any more: the next mtlsctl of root brings it back, whatever it was asked."""
    enabled(t)
    t.check(wait_for(lambda: not watchers()), "the watcher is dead", watchers())
    let_time_pass("sudo")
    done = ctl("bind", "list")
    t.says("the next mtlsctl of root brings it back, and says so", done, 0,
           "'sudo' is as it was before: the change was not confirmed in time")
    t.untouched("the watcher was killed")


def watcher_told_to_end(t):
    enable("sudo", "--confirm", LONG)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        for pid in watchers():
            os.kill(pid, number)
    t.check(len(watchers()) == 1 and phase("sudo") == "pending",
            "hangup, interrupt and quit leave the watcher alone", watchers())
    for pid in watchers():
        os.kill(pid, signal.SIGTERM)
    t.check(wait_for(lambda: not watchers()), "told to end, it ends", watchers())
    t.untouched("told to end, it brings the file back first")


def watcher_is_alone(t):
    """What the caller's shell, terminal and session do is nothing to it."""
    enable("sudo", "--confirm", LONG)
    pid = watchers()[0]
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    t.check(fields[4] == "0" and int(fields[3]) != os.getsid(0) and fields[1] == "1",
            "the watcher has no terminal, a session of its own, no parent of ours", fields)
    def targets():
        found = {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
        return {x for x in found if not x.startswith(SANITIZER)}

    # Its own lock, for a moment, when enable has given it up.
    wanted = {"/dev/null", "anon_inode:[timerfd]", "anon_inode:inotify"}
    t.check(wait_for(lambda: targets() == wanted) and os.readlink(f"/proc/{pid}/cwd") == "/",
            "and no descriptor of the caller's", targets())


def lock_held(t):
    """A process that was stopped with the lock keeps nobody out for good."""
    enable("sudo", "--confirm", LONG)
    with open(STATE + "/lock", "rb+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        let_time_pass("sudo")
        t.check(wait_for(lambda: phase("sudo") == "returned", 120),
                "somebody holds the lock for ever: it goes back all the same", states())
        t.untouched("somebody holds the lock")


def asked_meanwhile(t):
    """While another enable waits for a passphrase, what is due goes back."""
    enable("sudo", "--confirm", LONG)
    other = Terminal(["mtlsctl", "enable", "login", "--user", BOB])
    other.expect([SECRET])
    let_time_pass("sudo")
    t.check(wait_for(lambda: stack("sudo") == t.stock["sudo"]), "it goes back while somebody is asked",
            states())
    write(f"{PAM}/login", t.stock["login"] + "# meanwhile\n")
    other.wait_hidden()
    other.send(PASSPHRASE)
    other.finish()
    t.says("a file that was changed while it was proven is not written", other, 1,
           "'login' was changed by somebody else meanwhile")
    t.check(stack("login") == t.stock["login"] + "# meanwhile\n", "and keeps that change", stack("login"))
    t.check(not [x for x in os.listdir(environment("MTLS_RUNDIR")) if x.startswith("trial.")],
            "no trial leaves a folder", os.listdir(environment("MTLS_RUNDIR")))


def cannot_go_back_yet(t):
    """A change that was not finished and cannot be brought back just now: the watcher does not give up."""
    enable("login", "--confirm", LONG)
    write(f"{PAM}/su", "# half\n")
    unfinished = dict(json.loads(read(f"{STATE}/login.json")), service="su", phase="writing", deadline_ms=0,
                      before=hashlib.sha256(t.stock["su"].encode()).hexdigest())
    write(f"{STATE}/su.json.new", json.dumps(unfinished), 0o600)
    os.rename(f"{STATE}/su.json.new", f"{STATE}/su.json")
    t.check(wait_for(lambda: any("'su' CANNOT be brought back" in x for x in t.world.syslog.lines())),
            "a backup that is not there: the log says so", t.world.syslog.lines())
    write(f"{STATE}/su.before", t.stock["su"], 0o600)
    t.check(wait_for(lambda: phase("su") == "returned", 60), "when it is there, it goes back", phase("su"))
    t.untouched("not finished", "su")
    t.check(len(watchers()) == 1 and phase("login") == "pending", "and the other one is watched still",
            watchers())


def stopped_with_lock(t):
    """Who goes on after all writes nothing that nobody watches: the watcher outlives a lock that is held."""
    enable("sudo", "--confirm", LONG)
    with open(STATE + "/lock", "rb+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        text = stack("sudo")
        let_time_pass("sudo")
        t.check(wait_for(lambda: phase("sudo") == "returned", 120), "the lock is held: it goes back", states())
        write(f"{PAM}/sudo", text)
        change_state("sudo", phase="pending")
    t.check(wait_for(lambda: stack("sudo") == t.stock["sudo"], 60), "written after that: it goes back too",
            watchers())


def restarted(t):
    """Another boot: whatever the clock says, the time is over."""
    enabled(t)
    change_state("sudo", boot="of another boot")
    done = ctl("enable", "--restore-expired")
    t.says("after a restart", done, 0, "the machine was started anew before the change was confirmed")
    t.untouched("after a restart")


def backup_lost(t):
    """Without the backup our marks are what is left."""
    enabled(t)
    os.unlink(f"{STATE}/sudo.before")
    let_time_pass("sudo")
    ctl("enable", "--restore-expired")
    t.untouched("the backup is lost")
    enabled(t)
    write(f"{STATE}/sudo.before", "auth sufficient pam_permit.so\n", 0o600)
    let_time_pass("sudo")
    ctl("enable", "--restore-expired")
    t.untouched("the backup is damaged")


def file_lost(t):
    enabled(t)
    os.unlink(f"{PAM}/sudo")
    let_time_pass("sudo")
    ctl("enable", "--restore-expired")
    t.untouched("the service file is gone")
    t.says("sudo by password", sudo(by_password(False)), 0, "uid=0")


def state_of_others(t):
    """Files that are not root's alone are not believed."""
    enabled(t)
    os.chmod(f"{STATE}/sudo.json", 0o666)
    let = ctl("confirm", "sudo")
    t.says("a state that others may write to", let, 1, "writable by group or others")
    os.chmod(f"{STATE}/sudo.json", 0o600)
    os.chmod(STATE, 0o777)
    done = enable("login", ask=False)
    t.says("a folder that others may write to", done, 1, "nobody else may write to")
    os.chmod(STATE, 0o700)


def test(out):
    t = Stocked(out)
    for part in (watcher_is_alone, watcher_killed, watcher_told_to_end, asked_meanwhile, lock_held, stopped_with_lock,
                 cannot_go_back_yet, restarted, backup_lost, file_lost,
                 state_of_others, confirm_killed, disable_killed, return_killed, enable_killed):
        t.part(part)
    t.close()


if __name__ == "__main__":
    private.enter()
    os.setsid()  # a developer's terminal is no session of what is tested
    sys.exit(tap.run(test))
