# SPDX-License-Identifier: LGPL-2.1-or-later
"""
The figures of a run as SVG: CPU time of each authentication, by process, and memory of silent
connections, a bar a contender. The colours follow the reader's theme, as bench/nss/plot.py has them.
"""
from xml.sax.saxutils import escape

import plot
import table

WIDTH, LEFT, RIGHT, ROW, TOP = 860, 230, 210, 24, 34
PARTS = {"worker": "c0", "lookup x509": "c2", "lookup accounts": "c4"}
STYLE = "<style>.bar{stroke-width:12}.other{opacity:.75}</style>"


def bar(y, start, end, colour):
    return f'<line class="{colour} bar" x1="{start:.1f}" x2="{end:.1f}" y1="{y}" y2="{y}"/>'


def panel(top, title, rows):
    """rows: (label, [(colour, value)], text behind the bar)"""
    most = max(sum(value for _, value in parts) for _, parts, _ in rows)
    yield f'<text class="head" x="{LEFT}" y="{top + 18}">{escape(title)}</text>'
    for number, (label, parts, text) in enumerate(rows):
        y, x = top + TOP + number * ROW, float(LEFT)
        yield f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{escape(label)}</text>'
        for colour, value in parts:
            end = x + value / most * (WIDTH - LEFT - RIGHT)
            yield bar(y, x, end, colour)
            x = end
        yield f'<text x="{x + 8:.1f}" y="{y + 4}">{escape(text)}</text>'


def handshakes(figures):
    median, labels = figures["median"], dict(figures["labels"], floor=table.FLOOR)
    peer = median.get(table.PEER, {}).get("cpu_us")
    for key in sorted(labels, key=lambda key: median[key]["cpu_us"]):
        row = median[key]
        ours = len(row["parts_us"]) > 1
        parts = [(PARTS[name], row["parts_us"][name]) for name in PARTS if name in row["parts_us"]] \
            if ours else [("c1", row["cpu_us"])]
        times = f", {peer / row['cpu_us']:.2f} x {table.PEER}" if peer and key != "floor" else ""
        yield labels[key], parts, f"{row['cpu_us']:.0f} µs, {1e6 / row['cpu_us']:.0f} a second{times}"


def idle(figures):
    for count, found in figures["idle"].items():
        for key, size in sorted(found.items(), key=lambda item: item[1]):
            colour = "c0" if key.startswith(table.OURS) else "c1"
            yield f"{figures['labels'][key]}, {int(count):,}", [(colour, size)], f"{size / 1024:.1f} KiB"


def svg(figures):
    panels = [("CPU time of the server for one authentication: worker, lookups of certificate and account",
               list(handshakes(figures))),
              ("memory of one silent connection", list(idle(figures)))]
    parts, top = [], 10
    for title, rows in panels:
        if rows:
            parts += panel(top, title, rows)
            top += TOP + len(rows) * ROW + 20
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" width="{WIDTH}" '
                      f'height="{top}">', plot.style(), STYLE,
                      f'<rect class="back" width="{WIDTH}" height="{top}"/>', *parts, "</svg>", ""])
