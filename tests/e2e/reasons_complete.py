# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every deny reason has a row of the denial matrix, or a unit test that is named and that mentions it;
and every deny reason has a mutant. Needs no root."""
import os
import re
import sys

import rows
from lib import private, reasons, tap

TOP = private.environment("top_srcdir")
# The ways back are not the daemon's business; these of the conversation and of memory refuse nobody.
WITHOUT_REASON = ("rescue-", "bootword-", "failed-question", "greeter-pause", "only-token",
                  "memory-")
sys.path.insert(0, os.path.join(TOP, "tests/mutants"))
import run as mutants  # noqa: E402 pylint: disable=wrong-import-position


def mentions(path, reason):
    try:
        with open(os.path.join(TOP, path), encoding="utf-8") as file:
            return re.search(rf"\bMTLS_REASON_{reason.name}\b", file.read()) is not None
    except FileNotFoundError:
        return False


def why_uncovered(token, reason):
    if any(token in (row.token, row.audit) and row.hosts for row in rows.ROWS):
        return "" if token not in rows.UNIT else "has a row and stands in UNIT as well"
    if token not in rows.UNIT:
        return "no row in tests/e2e/rows.py, and not in its UNIT"
    path, why = rows.UNIT[token]
    if not mentions(path, reason):
        return f"{path} does not test MTLS_REASON_{reason.name}"
    return "" if why else "UNIT does not say why no host can show it"


def why_no_mutant(token, all_mutants):
    return "" if any(token in m.reasons for m in all_mutants) else \
        "no patch in tests/mutants says 'Reason: " + token + "'"


def why_mutant_wrong(mutant, denials):
    unknown = [token for token in mutant.reasons if token not in denials]
    if unknown:
        return f"reasons that do not exist: {unknown}"
    if not mutant.reasons and not mutant.name.startswith(WITHOUT_REASON):
        return "names no reason"
    if mutant.row and mutant.row not in {row.name for row in rows.ROWS}:
        return f"'{mutant.row}' is no row"
    if mutant.unit and not os.path.exists(os.path.join(TOP, mutant.unit + ".c")):
        return f"{mutant.unit}.c does not exist"
    if mutant.test and not os.path.exists(os.path.join(TOP, mutant.test[0])):
        return f"{mutant.test[0]} does not exist"
    return ""


def test(out):
    denials = reasons.denials()
    all_mutants = mutants.all_mutants()
    for token, reason in denials.items():
        why = why_uncovered(token, reason)
        out.result(not why, f"{token} has a row or a unit test", why)
        why = why_no_mutant(token, all_mutants)
        out.result(not why, f"{token} has a mutant", why)
    for mutant in all_mutants:
        why = why_mutant_wrong(mutant, denials)
        out.result(not why, f"mutant {mutant.name} names what exists", why)
    names = [row.name for row in rows.ROWS]
    out.result(len(names) == len(set(names)), "names of rows are unique")
    unknown = [row.token for row in rows.ROWS if row.token not in denials]
    out.result(not unknown, "rows name reasons that exist", str(unknown))


if __name__ == "__main__":
    sys.exit(tap.run(test))
