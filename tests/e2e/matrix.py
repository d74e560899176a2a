# SPDX-License-Identifier: LGPL-2.1-or-later
"""
The denial matrix: each row of rows.py in each host program that can show it. The passing set-up enters;
one thing changes; the same is refused for exactly that reason. Names on the command line: only these
rows or reasons. `--mutant NAME`: see mutant().
"""
import sys
import traceback

import rows
from lib import private, tap
from lib.attempt import Attempt
from lib.hosts import PamHost
from lib.world import World

COLUMNS = ("pam_host", "login", "su", "sudo", "locker")


def judge(row, name, host, before, after):
    """Empty if the cell is as it should be; @before: why the passing set-up did not enter."""
    if before:
        return f"the passing set-up does not pass: {before}"
    why = after.why_not_refused(row.token, row.audit, row.told)
    if not why and isinstance(host, PamHost) and after.outcome.code != row.code:
        why = f"{after.outcome.code} instead of {row.code}: {after}"
    return f"{name}: {why}" if why else ""


def try_row(world, row):
    """{host: why the cell is wrong, or empty}"""
    world.passing()
    if row.prepare:
        row.prepare(world)
    cells = {}
    before = {}
    for name, host in row.hosts.items():
        before[name] = Attempt(world, host, row.person, **row.first).why_not_entered()
    if row.change:
        row.change(world)
    for name, host in row.hosts.items():
        after = Attempt(world, host, row.person, **row.second)
        cells[name] = judge(row, name, host, before[name], after)
    return cells


def print_grid(out, results):
    width = max(len(row.name) for row, _ in results)
    out.note(f"{'':{width}}  " + " ".join(f"{c:9}" for c in COLUMNS) + " reason")
    for row, cells in results:
        marks = ["-" if c not in cells else "WRONG" if cells[c] else "refused" for c in COLUMNS]
        empty = f"; -: {row.empty}" if row.empty else ""
        out.note(f"{row.name:{width}}  " + " ".join(f"{m:9}" for m in marks) + f" {row.token}{empty}")


def selected():
    names = set(sys.argv[1:])
    return [row for row in rows.ROWS if not names or row.token in names or row.name in names]


def test(out):
    world = World()
    results = []
    for row in selected():
        try:
            cells = try_row(world, row)
        except Exception:  # pylint: disable=broad-except
            cells = {name: traceback.format_exc() for name in row.hosts}
        for name, why in cells.items():
            out.result(not why, f"{row.name}, {name}: {row.token}", why)
        results.append((row, cells))
    world.passing()
    world.close()
    out.result(not world.problems(), "no daemon, worker or signer crashed", world.problems())
    print_grid(out, results)


def mutant(name):
    """
    For tests/mutants/run.py: 3 if the row was seen to enter in a host where the passing set-up enters,
    0 if it was refused for its reason everywhere, 1 otherwise.
    """
    world = World()
    row = next(r for r in rows.ROWS if r.name == name)
    cells = try_row(world, row)
    for host, why in cells.items():
        print(f"{host}: {why or 'refused'}")
    if any(why.startswith(f"{host}: ENTERED") for host, why in cells.items()):
        return 3
    return 1 if any(cells.values()) else 0


if __name__ == "__main__":
    private.enter()
    sys.exit(mutant(sys.argv[2]) if sys.argv[1:2] == ["--mutant"] else tap.run(test))
