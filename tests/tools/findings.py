# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Every warning and error that `mtlsctl check` can give was seen, with its advice:

    findings.py SEEN ELSEWHERE

SEEN has all that check printed in test_check.sh. ELSEWHERE lists the findings that another test shows, or
that none can: FORMAT<TAB>TEST, or FORMAT<TAB>-<TAB>why not. A finding is a call of check_add() in tools/,
known by its format, or by its advice where the text comes from somewhere else. TAP without a plan.
"""
import glob
import os
import re
import sys

TOP = os.environ["top_srcdir"]
CALL = re.compile(r"\bcheck_add\(")
DIRECTIVE = re.compile(r"%[-+ #0]*\d*(?:\.\d+)?(?:hh|h|ll|l|z|j)?[diouxXcsp%]")
ROW = re.compile(r'\{\s*(CHECK_(?:ERROR|WARNING)),\s*"\w+",\s*((?:"(?:\\.|[^"\\])*"\s*)+)\}')
FOUND = re.compile(r"\bfound\(c")


def arguments(text, start):
    """Of the call whose parenthesis opens before @start."""
    found, depth, begin, i = [], 0, start, start
    while True:
        char = text[i]
        if char == '"':
            i += 1
            while text[i] != '"':
                i += 2 if text[i] == "\\" else 1
        elif char in "([{":
            depth += 1
        elif char in ")]}" and depth:
            depth -= 1
        elif char == "," and not depth:
            found.append(text[begin:i])
            begin = i + 1
        elif char == ")":
            return found + [text[begin:i]]
        i += 1


def literal(text, macros):
    """A string of literals and macros as one; None if it is something else."""
    value = ""
    for part in re.findall(r'"(?:\\.|[^"\\])*"|[A-Za-z_]\w*|\S', text):
        if part[0] == '"':
            value += part[1:-1].encode().decode("unicode_escape")
        elif part in macros:
            value += macros[part]
        else:
            return None
    return value


def macros_of(text):
    found = {}
    for name, body in re.findall(r'^#define\s+(\w+)\s+((?:.*\\\n)*.*)$', text, re.M):
        body = body.replace("\\\n", " ")
        if re.fullmatch(r'(\s*"(?:\\.|[^"\\])*"|\s*[A-Z_]+)+\s*', body):
            value = literal(body, {**found, **{n: os.environ.get(n, "") for n in (
                "MTLS_SYSCONFDIR", "MTLS_STATEDIR", "MTLS_RUNDIR")}})
            if value is not None:
                found[name] = value
    return found


def pattern(text):
    """What the format or advice looks like when it is printed."""
    parts = DIRECTIVE.split(text)
    return re.compile(".*".join(re.escape(part) for part in parts))


def findings():
    """(file, severity, format or advice)"""
    for path in sorted(glob.glob(TOP + "/tools/ctl_*.c")):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        macros = {**macros_of(text), "MTLS_STATEDIR": os.environ.get("MTLS_STATEDIR", "")}
        name = os.path.basename(path)
        for severity, advice in ROW.findall(text):  # a table of troubles, and who reports them
            yield name, severity, literal(advice, macros), literal(advice, macros)
        for match in FOUND.finditer(text):
            yield name, "found", literal(arguments(text, match.end())[2], macros), ""
        for match in CALL.finditer(text):
            if text[:match.start()].rstrip().endswith("void"):
                continue
            given = arguments(text, match.end())
            if re.fullmatch(r"\s*CHECK_(OK|NOTE)", given[1]) or "troubles[" in given[1]:
                continue
            advice, words = literal(given[3], macros), literal(given[4], macros)
            if given[3].strip() == "advice":
                advice = ""  # a parameter: it is seen behind the line, or not
            if words is not None and words.strip("%s ' :"):
                yield name, given[1], words, advice
            else:
                yield name, given[1], advice, advice


def main(seen_path, elsewhere_path):
    with open(seen_path, encoding="utf-8", errors="replace") as file:
        seen = file.read().splitlines()
    with open(elsewhere_path, encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t") for line in file if line.strip() and line[0] != "#"]
    elsewhere = {row[0]: row[1:] for row in rows}
    missing, used = [], set()
    for name, severity, words, advice in findings():
        if words is None:
            missing.append(f"{name}: {severity}: neither text nor advice is a string that can be found")
            continue
        if advice is None:  # NULL, or what nobody can find in the source
            missing.append(f"{name}: '{words}' has no advice")
        if words in elsewhere:
            used.add(words)
            test = elsewhere[words][0]
            if test != "-" and not os.path.exists(os.path.join(TOP, test)):
                missing.append(f"{name}: '{words}' should be shown by {test}, which is not there")
            continue
        wanted = pattern(words)
        if not any(wanted.search(line) for line in seen):
            missing.append(f"{name}: '{words}' was never seen")
    for row in set(elsewhere) - used:
        missing.append(f"{elsewhere_path} names '{row}', which check cannot say")
    alone = [line for line, after in zip(seen, seen[1:] + [""])
             if re.match("(error|warning) ", line) and not re.match(r"\s+-> \S", after)]
    for line in missing + [f"no advice behind: {line}" for line in alone]:
        print(f"# {line}")
    sys.exit(1 if missing or alone else 0)


main(*sys.argv[1:])
