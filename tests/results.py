# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Sums up the results of `make check`, one TAP line a result, from the *.trs files of a build.

    results.py --skips FILE [--status N] [--label TEXT] [--add FILE] BUILD
    results.py --total FILE

Prints what failed and each skip that FILE does not list, then `N passed, N failed, N skipped`, and
exits with 1 unless all is well. With --add the numbers are added to FILE instead, for a last line that
--total prints. --status: 1 if make itself failed.
"""
import argparse
import os
import re
import sys

RESULT = re.compile(r"^:test-result: (\w+)", re.MULTILINE)
FAILED = {"FAIL", "ERROR", "XPASS"}


def texts(log, test):
    """{word: [text, ...]}: the names of the results are in the log only."""
    found = {}
    line = re.compile(r"^(\w+): (\S*" + re.escape(os.path.basename(test)) + r"\S*) (.*)$")
    with open(log, encoding="utf-8", errors="replace") as file:
        for match in filter(None, map(line.match, file)):
            found.setdefault(match.group(1), []).append(match.group(3))
    return found


def results(build):
    """(test, word, text) of each TAP line; a test without any result is an error."""
    for base, folders, files in os.walk(build):
        folders.sort()
        for name in sorted(f for f in files if f.endswith(".trs")):
            path = os.path.join(base, name)
            test = os.path.relpath(path, build)[:-len(".trs")]
            with open(path, encoding="utf-8", errors="replace") as file:
                words = RESULT.findall(file.read())
            names = texts(path[:-len(".trs")] + ".log", test)
            for word in words or ["ERROR"]:
                left = names.get(word)
                yield test, word, left.pop(0) if left else "no name"


def expected_skips(path):
    """Rows [TEST, RESULT, REASON], separated by tabs in the file."""
    with open(path, encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t") for line in file if not line.startswith("#")]
    return [row for row in rows if len(row) == 3]


def is_expected(skips, test, text):
    return any(test == row[0] and (row[1] == "all" or row[1] in text) and row[2] in text
               for row in skips)


def judge(options):
    """(passed, failed, skipped) of one build."""
    skips = expected_skips(options.skips)
    passed = failed = skipped = 0
    for test, word, text in results(options.build):
        if word in FAILED:
            failed += 1
            print(f"{word}: {test}: {text}")
        elif word == "SKIP":
            skipped += 1
            if not is_expected(skips, test, text):
                failed += 1
                print(f"SKIP that tests/skips.expected does not list: {test}: {text}")
        else:
            passed += 1
    if options.status or passed == 0:
        failed += 1
        print("ERROR: make check did not come to its end")
    return passed, failed, skipped


def last_line(numbers):
    print("{} passed, {} failed, {} skipped".format(*numbers))
    return 0 if numbers[1] == 0 and numbers[0] > 0 else 1


def total(path):
    with open(path, encoding="utf-8") as file:
        rows = [[int(n) for n in line.split()] for line in file]
    return last_line([sum(column) for column in zip(*rows)])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--skips")
    parser.add_argument("--status", type=int, default=0)
    parser.add_argument("--add")
    parser.add_argument("--total")
    parser.add_argument("build", nargs="?")
    options = parser.parse_args()
    if options.total:
        return total(options.total)
    numbers = judge(options)
    if not options.add:
        return last_line(numbers)
    with open(options.add, "a", encoding="utf-8") as file:
        file.write("{} {} {}\n".format(*numbers))
    return 0


if __name__ == "__main__":
    sys.exit(main())
