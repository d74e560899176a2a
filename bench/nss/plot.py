# SPDX-License-Identifier: LGPL-2.1-or-later
"""
The figures of a run as SVG: a panel a question, both axes logarithmic, a line a contender that is
named at its end. The colours follow the reader's light or dark theme.
"""
import math
from xml.sax.saxutils import escape

PANELS = (("name", "getpwnam_r, found"), ("miss", "getpwnam_r, not found"), ("groups", "getgrouplist"),
          ("first", "first lookup of a process"), ("enumeration", "getpwent_r, an entry"),
          ("id", "fork and exec of id NAME"))
COLUMNS, WIDTH, HEIGHT = 2, 470, 300
LEFT, RIGHT, TOP, BOTTOM = 62, 128, 34, 34
LABEL = 13  # least distance of two labels
ORDER = ("mtls", "bare", "module", "programs", "mtls-pool", "sss", "files", "extrausers", "cache", "db")
LIGHT = ("#0b57d0", "#5f6368", "#7aa5f0", "#3d6fb8", "#00838f", "#b3261e", "#8a5a00", "#7b1fa2", "#2e7d32", "#c2185b")
DARK = ("#8ab4f8", "#bdc1c6", "#5b86d6", "#a5b8dd", "#4dd0e1", "#f28b82", "#fdd663", "#d7aefb", "#81c995", "#ff8bcb")


def style():
    def theme(back, text, grid, colours):
        return (f".back{{fill:{back}}}text{{fill:{text}}}.halo{{fill:{back};stroke:{back};stroke-width:3}}.grid{{stroke:{grid}}}" +
                "".join(f".c{i}{{stroke:{c}}}text.c{i}{{fill:{c};stroke:none}}circle.c{i}{{fill:{c}}}"
                        for i, c in enumerate(colours)))
    return ("<style>text{font:11px sans-serif}.head{font-weight:bold;font-size:13px}"
            "polyline{fill:none;stroke-width:1.8}.mtls{stroke-width:3.2}.grid{stroke-width:.6}" +
            theme("#ffffff", "#202124", "#dadce0", LIGHT) + "@media (prefers-color-scheme:dark){" +
            theme("#17181c", "#e8eaed", "#3c4043", DARK) + "}</style>")


def unit(ns):
    for limit, name in ((1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1, "ns")):
        if ns >= limit:
            return f"{ns / limit:g} {name}"
    return f"{ns:g} ns"


class Panel:
    def __init__(self, left, top, title, lines):
        self.title, self.lines = title, lines
        self.x0, self.x1 = left + LEFT, left + WIDTH - RIGHT
        self.y0, self.y1 = top + HEIGHT - BOTTOM, top + TOP
        values = [ns for _, points in lines for _, ns in points]
        sizes = sorted({people for _, points in lines for people, _ in points})
        self.sizes = sizes
        self.low, self.high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
        self.high = max(self.high, self.low + 1)
        self.from_x, self.to_x = math.log10(sizes[0]), math.log10(sizes[-1])

    def x(self, people):
        if self.to_x == self.from_x:
            return (self.x0 + self.x1) / 2
        return self.x0 + (math.log10(people) - self.from_x) / (self.to_x - self.from_x) * (self.x1 - self.x0)

    def y(self, ns):
        return self.y0 + (math.log10(ns) - self.low) / (self.high - self.low) * (self.y1 - self.y0)

    def draw(self, labels):
        yield f'<text class="head" x="{self.x0}" y="{self.y1 - 14}">{escape(self.title)}</text>'
        for power in range(self.low, self.high + 1):
            y = self.y(10 ** power)
            yield f'<line class="grid" x1="{self.x0}" x2="{self.x1}" y1="{y:.1f}" y2="{y:.1f}"/>'
            yield f'<text x="{self.x0 - 6}" y="{y + 4:.1f}" text-anchor="end">{unit(10 ** power)}</text>'
        for people in self.sizes:
            x = self.x(people)
            yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{self.y0}" y2="{self.y1}"/>'
            anchor = "end" if people == self.sizes[-1] > self.sizes[0] else "middle"
            yield f'<text x="{x:.1f}" y="{self.y0 + 16}" text-anchor="{anchor}">{people:,}</text>'
        yield from self.draw_lines(labels)

    def draw_lines(self, labels):
        ends = {}
        for key, points in self.lines:
            colour = f"c{ORDER.index(key)}"
            where = [(self.x(people), self.y(ns)) for people, ns in points]
            yield (f'<polyline class="{colour} {key}" points="' +
                   " ".join(f"{x:.1f},{y:.1f}" for x, y in where) + '"/>')
            yield from (f'<circle class="{colour}" cx="{x:.1f}" cy="{y:.1f}" r="2.6"/>' for x, y in where)
            ends.setdefault(where[-1][0], []).append((where[-1][1], key))
        for x, there in ends.items():
            there.sort()
            for (_, key), y in zip(there, apart([y for y, _ in there], self.y0)):
                for kind in ("halo", f"c{ORDER.index(key)}"):
                    yield f'<text class="{kind}" x="{x + 8:.1f}" y="{y + 4:.1f}">{escape(labels[key])}</text>'


def apart(heights, bottom):
    """Ascending heights, moved so that labels do not cover one another and end above @bottom."""
    for i in range(1, len(heights)):
        heights[i] = max(heights[i], heights[i - 1] + LABEL)
    for i in range(len(heights) - 1, -1, -1):
        heights[i] = min(heights[i], bottom - LABEL * (len(heights) - 1 - i))
    return heights


def lines_of(sizes, question):
    """[(contender, [(people, ns)])] of those that were asked."""
    lines = []
    for key in ORDER:
        points = [(size["people"], size["median"][key][question]) for size in sizes
                  if size["median"].get(key, {}).get(question, 0) > 0]
        if points:
            lines.append((key, points))
    return lines


def svg(sizes, labels):
    sizes = sorted(sizes, key=lambda size: size["people"])
    panels = [(title, lines_of(sizes, question)) for question, title in PANELS]
    panels = [(title, lines) for title, lines in panels if lines]
    width, height = COLUMNS * WIDTH, -(-len(panels) // COLUMNS) * HEIGHT + 30
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
             f'width="{width}" height="{height}">', style(),
             f'<rect class="back" width="{width}" height="{height}"/>',
             f'<text x="{LEFT}" y="{height - 10}">across: accounts; up: time; both axes logarithmic; '
             'medians of one run</text>']
    for number, (title, lines) in enumerate(panels):
        panel = Panel(number % COLUMNS * WIDTH, number // COLUMNS * HEIGHT, title, lines)
        parts.extend(panel.draw(labels))
    return "\n".join(parts + ["</svg>", ""])
