# SPDX-License-Identifier: LGPL-2.1-or-later
"""OpenMetrics text, line by line: what mtlsctl metrics may print, and nothing else."""
import re

LINE = re.compile(r'(?P<name>[a-zA-Z_][a-zA-Z0-9_]*)(\{[a-z_]+="([^"\\\n]|\\["\\n])*"(,[a-z_]+="([^"\\\n]|\\["\\n])*")*\})? [0-9]+(\.[0-9]+)?')
HEAD = re.compile(r"# (?P<what>TYPE|UNIT|HELP) (?P<name>[a-z_]+) (?P<text>.+)")
SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}


def faults(text):
    """What is wrong with OpenMetrics text, by lines: the exact form, order and names."""
    wrong, family, kind, heads, families = [], None, None, [], set()
    lines = text.split("\n")
    if lines[-2:] != ["# EOF", ""]:
        wrong.append("it does not end in # EOF and a newline")
    for line in lines[:-2]:
        head = HEAD.fullmatch(line)
        if head and head["what"] == "TYPE":
            if head["name"] in families:
                wrong.append(f"family twice: {line}")
            family, kind, heads = head["name"], head["text"], []
            families.add(family)
            if kind not in SUFFIXES:
                wrong.append(f"type: {line}")
        elif head:
            if head["name"] != family or head["what"] in heads:
                wrong.append(f"out of place: {line}")
            if head["what"] == "UNIT" and not family.endswith("_" + head["text"]):
                wrong.append(f"unit: {line}")
            heads.append(head["what"])
        else:
            sample = LINE.fullmatch(line)
            if not sample or sample["name"] not in [f"{family}{suffix}" for suffix in SUFFIXES.get(kind, ())] or "HELP" not in heads:
                wrong.append(f"sample: {line}")
    return wrong
