"""The story as one picture: bars of three services, for each scene and figure, on a logarithmic scale. Plain SVG."""

import math
from html import escape

FIGURES = [("average_ms", "average", "ms"), ("p99_ms", "p99", "ms"), ("health_p99_ms", "health check, p99", "ms"),
           ("memory", "memory", "MiB")]
COLOURS = {"Node, event loop": "#b4b9b8", "Node, threads + sharp": "#e59e2f", "pixpool behind nginx": "#0f8a7e"}
WIDTH, LEFT, BAR, GAP, FULL = 860, 190, 17, 14, 520


def show(value, unit):
    if unit == "MiB":
        return f"{value:.0f} MiB"
    return f"{value / 1000:.1f} s" if value >= 1000 else f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"


def text(x, y, s, size=13, colour="#3b4644", more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" {more}>{escape(s)}</text>'


def draw(rows):
    out, y = [], 34
    services = list(dict.fromkeys(r["service"] for r in rows))
    x = LEFT
    for s in services:
        out.append(f'<rect x="{x}" y="{y - 11}" width="12" height="12" rx="3" fill="{COLOURS.get(s, "#888")}"/>')
        out.append(text(x + 18, y, s))
        x += 40 + 7.2 * len(s)
    y += 14
    for scene in dict.fromkeys(r["scene"] for r in rows):
        y += 34
        out.append(text(16, y, scene, 16, "#111a18", 'font-weight="600"'))
        y += 12
        for key, name, unit in FIGURES:
            values = [(r["service"], r[key] / 2**20 if unit == "MiB" else r[key]) for r in rows if r["scene"] == scene]
            known = [v for _, v in values if v == v and v > 0]
            low, high = min(known) / 2, max(known)
            out.append(text(16, y + 13 + BAR * len(values) / 2 - 8, name))
            for service, v in values:
                share = math.log(max(v, low * 1.01) / low) / math.log(high / low) if v == v else 0
                w = max(3, share * FULL)
                out.append(f'<rect x="{LEFT}" y="{y}" width="{w:.1f}" height="{BAR - 3}" rx="3" fill="{COLOURS.get(service, "#888")}"/>')
                out.append(text(LEFT + w + 7, y + 11.5, show(v, unit) if v == v else "no answer", 12))
                y += BAR
            y += GAP
    y += 6
    out.append(text(16, y + 8, "Bars are logarithmic: twice as long is not twice as much. Made by make story.", 12, "#7a8583"))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 26:.0f}" '
            'font-family="system-ui, Segoe UI, Helvetica, Arial, sans-serif">'
            f'<rect width="100%" height="100%" fill="#fff"/>{"".join(out)}</svg>\n')
