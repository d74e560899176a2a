# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Cards, TPMs and forwarded tokens in real programs: each row of token_rows.py in sudo, su, login on a terminal
of this machine, and the PAM host. What people read, what is logged, what mtls-authd recorded, and which PAM
code came out. Names on the command line: only these rows.
"""
import glob
import os
import sys
import time
import traceback

import token_rows as rows
from lib import private, tap
from lib.alone import status_of
from lib.attempt import Attempt
from lib.cards import PIN
from lib.world import World, pwd_entry

BUDGET = 30.0  # seconds: what no login may take, whatever hangs


def run(out, world, row):
    for host in row.hosts:
        name = f"{row.name}, {host.name}"
        try:
            world.passing()
            row.prepare(world)
            options = {k: v(world) if getattr(v, "of_world", False) else v
                       for k, v in row.options.items()}
            began = time.monotonic()
            attempt = Attempt(world, host, row.person, **options)
            took = time.monotonic() - began
            why = row.judge(attempt, host)
            if took > BUDGET:
                why = f"took {took:.1f} s; {why}"
        except Exception:  # pylint: disable=broad-except
            why = traceback.format_exc()
        out.result(not why, f"{name}: {row.token or 'enters'}", why)


def owners_of(program):
    """The four uids of each process of that name (the kernel keeps 15 letters)."""
    found = []
    for path in glob.glob("/proc/[0-9]*"):
        try:
            fields = status_of(os.path.basename(path))
        except (FileNotFoundError, ProcessLookupError):
            continue
        if fields.get("Name") == program[:15]:
            found.append(fields["Uid"].split("\t"))
    return found


def whose_signer(out, world):
    """The person's where they have started the host; where root has, the user for such things."""
    for host, owner in zip(rows.ALL, ("bob", "bob", "bob", "mtls-signer")):
        world.passing()
        rows.FromCard()(world)
        seen = []

        def reply(_, seen=seen):
            seen += owners_of("mtls-signer-token")
            return PIN
        attempt = Attempt(world, host, "bob", passphrase=reply)
        uid = str(pwd_entry(owner).pw_uid)
        out.result(attempt.entered and seen == [[uid] * 4],
                   f"{host.name}: the signer of cards runs as {owner}", f"{seen} {attempt}")


def test(out):
    world = World()
    names = set(sys.argv[1:])
    for row in rows.CARD_ROWS + rows.TPM_ROWS + rows.P11_KIT_ROWS:
        if not names or row.name in names:
            run(out, world, row)
    if not names:
        whose_signer(out, world)
    world.passing()
    world.close()
    out.result(not world.problems(), "no daemon, worker or signer crashed", world.problems())


if __name__ == "__main__":
    private.enter()
    sys.exit(tap.run(test))
