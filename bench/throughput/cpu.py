# SPDX-License-Identifier: LGPL-2.1-or-later
"""What processes used: CPU time from the scheduler's own nanoseconds, and resident memory."""
import os


def session_of(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return int(file.read().rsplit(")", 1)[1].split()[3])
    except (OSError, IndexError):
        return -1


def pids(leader):
    """All processes of the session that @leader began."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and session_of(name) == leader]


def kind(pid):
    """What a process of ours does; every process of others is a worker."""
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        words = file.read().split(b"\0")
    return "lookup " + words[2].decode() if b"--lookup-process" in words else "worker"


def spent(leader):
    """{pid: (kind, nanoseconds)} so far."""
    found = {}
    for pid in pids(leader):
        try:
            total = 0
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
                    total += int(file.read().split()[0])
            found[pid] = (kind(pid), total)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def between(before, after):
    """{kind: nanoseconds}; a process that has ended meanwhile is an error of the measurement."""
    gone = set(before) - set(after)
    if gone:
        raise RuntimeError(f"processes of the server ended while it was measured: {gone}")
    used = {}
    for pid, (name, total) in after.items():
        used[name] = used.get(name, 0) + total - before.get(pid, (name, 0))[1]
    return used


def resident(leader):
    """Bytes of anonymous memory of all processes: what connections make them hold."""
    total = 0
    for pid in pids(leader):
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith("RssAnon:"):
                    total += int(line.split()[1]) * 1024
    return total


def sockets(leader):
    """How many sockets the processes of the server hold."""
    count = 0
    for pid in pids(leader):
        for name in os.listdir(f"/proc/{pid}/fd"):
            try:
                count += os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:")
            except OSError:
                continue
    return count
