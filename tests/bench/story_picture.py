"""The story as one picture: bars of three services, for each scene and figure, on a logarithmic scale. Plain SVG, in the
colours that its reader prefers, light or dark."""

import math
from html import escape

MIB = 2**20
# key in a row, what it is called, how it is written
FIGURES = [("until_served_ms", "average until served", "ms"), ("until_served_p99_ms", "p99 until served", "ms"),
           ("health_p99_ms", "health check, p99", "ms"), ("memory", "memory, at most", "MiB"),
           ("refusals", "told to come back", "")]
WIDTH, LEFT, BAR, GAP, FULL = 860, 190, 17, 12, 520
STYLE = """
svg { font-family: system-ui, "Segoe UI", Helvetica, Arial, sans-serif; font-size: 13px }
.paper { fill: #ffffff } text { fill: #3b4644 } .title { fill: #111a18; font-size: 16px; font-weight: 600 }
.value, .note { font-size: 12px } .note { fill: #6b7775 }
.s0 { fill: #a3aaa9 } .s1 { fill: #e0962b } .s2 { fill: #0f8a7e }
@media (prefers-color-scheme: dark) {
  .paper { fill: #0d1413 } text { fill: #c4cecc } .title { fill: #eef4f3 } .note { fill: #8b9795 }
  .s0 { fill: #6d7675 } .s1 { fill: #d9952f } .s2 { fill: #2bb3a5 }
}
"""


def show(value, unit):
    if value != value:
        return "no answer"
    if unit == "ms":
        return f"{value / 1000:.1f} s" if value >= 1000 else f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"
    return f"{value:.0f} {unit}".strip() if value else "none"


def text(x, y, s, kind="name"):
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(s)}</text>'


def bar(x, y, w, h, service):
    return f'<rect class="s{service}" x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h}" rx="3"/>'


def lengths(values):
    """In pixels. The least of them has something to show too; what is nothing has none."""
    known = [v for v in values if v == v and v > 0]
    if not known:
        return [0] * len(values)
    low, high = min(known) / 2, max(known)
    return [math.log(v / low) / math.log(high / low) * FULL if v == v and v > 0 else 0 for v in values]


def legend(services, y):
    out, x = [], LEFT
    for i, s in enumerate(services):
        out += [bar(x, y - 11, 12, 12, i), text(x + 18, y, s)]
        x += 46 + 7.2 * len(s)
    return out


def figure(rows, key, name, unit, y):
    values = [r[key] / MIB if unit == "MiB" else r[key] for r in rows]
    out = [text(16, y + BAR * len(rows) / 2 + 3, name)]
    for i, (v, w) in enumerate(zip(values, lengths(values))):
        if w:
            out.append(bar(LEFT, y, w, BAR - 3, i))
        out.append(text(LEFT + w + (7 if w else 0), y + 11.5, show(v, unit), "value"))
        y += BAR
    return out, y + GAP


def draw(rows, notes):
    services = list(dict.fromkeys(r["service"] for r in rows))
    out, y = legend(services, 34), 48
    for scene in dict.fromkeys(r["scene"] for r in rows):
        y += 32
        out.append(text(16, y, scene, "title"))
        y += 12
        of_scene = sorted((r for r in rows if r["scene"] == scene), key=lambda r: services.index(r["service"]))
        for key, name, unit in FIGURES:
            drawn, y = figure(of_scene, key, name, unit, y)
            out += drawn
    for note in ["The scale is logarithmic: a bar twice as long stands for far more than twice as much.", *notes]:
        y += 16
        out.append(text(16, y, note, "note"))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 16:.0f}" role="img" '
            f'aria-label="Three image services under load"><style>{STYLE}</style>'
            f'<rect class="paper" width="100%" height="100%"/>{"".join(out)}</svg>\n')
