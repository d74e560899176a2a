# SPDX-License-Identifier: LGPL-2.1-or-later
"""The tables on the terminal, and the aims of the product beside what was measured."""
import statistics

import peers

HEADS = {"name": "name", "uid": "uid", "miss": "miss", "groups": "getgrouplist",
         "enumeration": "an entry", "first": "first", "id": "id NAME"}


def duration(ns):
    for limit, unit, divisor in ((1e3, "ns", 1), (1e6, "µs", 1e3), (1e9, "ms", 1e6)):
        if abs(ns) < limit:
            return f"{ns / divisor:.{0 if divisor == 1 else 3 - len(str(int(abs(ns) / divisor)))}f} {unit}"
    return f"{ns / 1e9:.2f} s"


def medians(rounds):
    """[{question: ns}] to {question: median}"""
    questions = {q for each in rounds for q in each}
    return {q: statistics.median(each[q] for each in rounds if q in each) for q in questions}


def table(people, chosen, results, out):
    """One row a contender; in brackets how many times what `mtls` needs."""
    base = results.get("mtls", {})
    reasons = []
    print(f"\n{people:,} accounts".ljust(20) + "".join(f"{HEADS[q]:>20}" for q in peers.QUESTIONS), file=out)
    for peer in chosen:
        cells = []
        for question in peers.QUESTIONS:
            why = peer.why_not(question, people)
            if why:
                if why not in reasons:
                    reasons.append(why)
                cells.append(f"- ({reasons.index(why) + 1})")
                continue
            ns = results[peer.key][question]
            ratio = f" ({ratio_text(ns / base[question])})" if base.get(question) and peer.key != "mtls" else ""
            cells.append(duration(ns) + ratio)
        print(f"  {peer.label:<18}" + "".join(f"{cell:>20}" for cell in cells), file=out)
    for number, why in enumerate(reasons, 1):
        print(f"  ({number}) {why}", file=out)


def ratio_text(ratio):
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:,.0f}"


def aims(people, results, other):
    """[(text, measured, limit)]: in ns, or as ratios."""
    mtls, bare = results.get("mtls", {}), results.get("bare", {})
    rows = []

    def row(text, measured, limit):
        if measured is not None and limit is not None:
            rows.append((text, measured, limit))

    if people == 1000000:
        if "name" in bare:
            row("getpwnam_r hit <= 1.5 x bare cdb + 0.15 µs", mtls.get("name"), 1.5 * bare["name"] + 150)
        sss = results.get("sss", {}).get("name")
        if sss:
            row("getpwnam_r hit <= 0.5 x sss hit, same names", results.get("mtls-pool", {}).get("name"),
                0.5 * sss)
            row("getpwnam_r hit of all names <= 0.5 x sss hit of its own", mtls.get("name"), 0.5 * sss)
    row("miss <= 0.5 µs", mtls.get("miss"), 500)
    row("getgrouplist <= 1.5 µs", mtls.get("groups"), 1500)
    row("enumeration <= 0.25 µs an entry", mtls.get("enumeration"), 250)
    if "cdb_make" in other:
        for key, text in (("build", "publish, from memory"), ("publish", "publish, from the store")):
            row(f"{text} <= 1.5 x cdb_make", other.get(key), 1.5 * other["cdb_make"])
    return rows


def aims_table(people, results, other, out):
    for text, measured, limit in aims(people, results, other):
        print(f"  aim: {text:<58} {duration(measured):>9} of {duration(limit):>9}  "
              f"{'met' if measured <= limit else 'missed, ' + ratio_text(measured / limit) + ' times'}",
              file=out)


OTHER = {
    "cdb_make": "bare cdb of the same records, with fsync",
    "build": "snapshot by the publisher's code, from memory, with fsync",
    "import": "mtlsctl account import into an empty store, published",
    "publish": "publish of the store: SQLite, pipe, checks, file, fsync",
    "add": "mtlsctl account add, until it returned",
    "visible": "mtlsctl account add, from its start until a running process saw it",
}


def other_table(other, out):
    for key, text in OTHER.items():
        if key in other:
            ratio = f"  {other[key] / other['cdb_make']:.2f} x cdb_make" if key in ("build", "publish") else ""
            print(f"  {text:<68} {duration(other[key]):>9}{ratio}", file=out)
    if "rss_kib" in other:
        print(f"  memory of the snapshot in a process after one lookup: {other['rss_kib']} KiB, "
              f"{other['private_kib']} of them its own", file=out)
