"""make bench: pixpool against its peers, interleaved in one run, one thread each, in process.

Prints a table per task and writes the same as JSON. CPU time of the process, not of the clock; the ratio of two programs
is that of their least times on a photograph, and a task's ratio the geometric mean over its photographs. The least, because
whatever else the machine did can only have added.
"""

import argparse
import json
import math
import os
import subprocess
import sys
from pathlib import Path

from sources import Sources

HERE = Path(__file__).parent


def out(w, h=0, fit="inside", fmt="jpeg", q=80, effort=4):
    return {"w": w, "h": h, "fit": fit, "format": fmt, "q": q, "effort": effort}


FIVE = [out(w) for w in (1600, 1200, 800, 400, 200)]
TASKS = {
    # name: form of the sources, outputs
    "fit800": ("baseline", [out(800, 600)]),
    "thumb200": ("baseline", [out(200, 200, "cover")]),
    "five": ("baseline", FIVE),
    "progressive": ("progressive", [out(800, 600)]),
    "png800": ("png", [out(800, 600, fmt="png")]),
    "rgba800": ("rgba", [out(800, 600, fmt="png")]),
    "webp800": ("webp", [out(800, 600, fmt="webp")]),
    "jpg2webp800": ("baseline", [out(800, 600, fmt="webp")]),
    "422": ("422", [out(800, 600)]),
    "444": ("444", [out(800, 600)]),
    "grey": ("grey", [out(800, 600)]),
    "cmyk": ("cmyk", [out(800, 600)]),
}


class Peer:
    """A contender: a child that takes one order a line and answers one line."""

    def __init__(self, name, cmd, env=None, **extra):
        self.name, self.extra = name, extra
        self.child = subprocess.Popen(cmd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                      env={**os.environ, **(env or {})})

    def order(self, src, outputs, repeat, to):
        named = [{**o, "to": str(t)} for o, t in zip(outputs, to)]
        return json.dumps({"src": str(src), "repeat": repeat, "outputs": named, **self.extra})

    def run(self, src, outputs, repeat, to):
        self.child.stdin.write(self.order(src, outputs, repeat, to) + "\n")
        self.child.stdin.flush()
        line = self.child.stdout.readline()
        if not line:
            sys.exit(f"{self.name} died on {src}")
        return json.loads(line)

    def close(self):
        self.child.stdin.close()
        self.child.wait()


class Vips(Peer):
    def order(self, src, outputs, repeat, to):
        words = [repeat, src, len(outputs)]
        for o, t in zip(outputs, to):
            words += [o["w"], o["h"], int(o["fit"] == "cover"), o["format"], o["q"], o["effort"], t]
        return "\t".join(str(x) for x in words)


def contenders(args, task):
    sharp_env = {"SHARP_FROM": args.sharp}
    node = ["node", str(HERE / "peer_sharp.mjs")]
    python = "/usr/bin/python3"
    yield Peer("pixpool", [python, str(HERE / "peer_pixpool.py"), args.pixpool])
    yield Peer("sharp", node, sharp_env)
    if TASKS[task][1][0]["format"] == "jpeg":
        yield Peer("sharp, plain Huffman", node, sharp_env, optimise=False)
    if task == "five":
        yield Peer("sharp, raw reuse", node, sharp_env, reuse=True)
    yield Vips("libvips", [args.vips])
    yield Peer("Pillow", [python, str(HERE / "peer_pillow.py")])


def quality(src, outputs, to):
    """Mean PSNR and SSIM over the outputs of one photograph."""
    cmd = ["/usr/bin/python3", HERE / "judge.py", src, outputs[0]["fit"], *to]
    return json.loads(subprocess.run(cmd, check=True, capture_output=True, text=True).stdout)


def measure(task, args, work):
    """{contender: {photograph: {...}}} of one task."""
    form, outputs = TASKS[task]
    rows = {}
    running = list(contenders(args, task))
    for src in args.sources.form(form)[: args.photos]:
        paths = {c.name: [work / f"{i}-{c.name.replace(' ', '')}.{o['format']}" for i, o in enumerate(outputs)]
                 for c in running}
        runs = {c.name: [] for c in running}
        for _ in range(args.rounds):
            for c in running:
                runs[c.name].append(c.run(src, outputs, args.repeat, paths[c.name]))
        for c in running:
            got = runs[c.name]
            row = {"cpu_ms": min(min(r["cpu_ms"]) for r in got), "bytes": sum(got[-1]["bytes"]),
                   "rss_mb": max(r["rss_kb"] for r in got) / 1024}
            if args.judge:
                row |= quality(src, outputs, paths[c.name])
            rows.setdefault(c.name, {})[src.name] = row
    for c in running:
        c.close()
    return rows


def geomean(values):
    values = list(values)
    return math.exp(sum(map(math.log, values)) / len(values))


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def print_task(task, rows, judged):
    ours = rows["pixpool"]
    print(f"\n{task}: {len(ours)} photographs")
    print(f"  {'':22}{'CPU ms':>9}{'pixpool/it':>12}{'bytes':>10}{'RSS MB':>8}" + ("     PSNR     SSIM" if judged else ""))
    for name, photos in rows.items():
        line = (f"  {name:22}{geomean(r['cpu_ms'] for r in photos.values()):9.1f}"
                f"{geomean(ours[k]['cpu_ms'] / photos[k]['cpu_ms'] for k in photos):12.2f}"
                f"{mean(r['bytes'] for r in photos.values()):10.0f}{max(r['rss_mb'] for r in photos.values()):8.0f}")
        if judged:
            line += f"{mean(r['psnr'] for r in photos.values()):9.2f}{mean(r['ssim'] for r in photos.values()):9.4f}"
        print(line)
    if judged and "sharp" in rows:
        worst = min((ours[k]["psnr"] - rows["sharp"][k]["psnr"], k) for k in ours)
        print(f"  least PSNR above sharp: {worst[0]:+.2f} dB ({worst[1]})", flush=True)


def floors(args):
    """What libjpeg alone costs on each baseline photograph, and what share of fit800 is ours."""
    found = {}
    for src in args.sources.baseline()[: args.photos]:
        text = subprocess.run([args.floors, src, "9"], check=True, capture_output=True, text=True).stdout
        found[src.name] = json.loads(text)
    return found


def print_floors(found, fit800):
    print("\ncodec floors, CPU ms (libjpeg alone)")
    print(f"  {'':34}{'entropy':>9}{'raw 8/8':>9}{'4/8':>7}{'2/8':>7}{'1/8':>7}{'encode':>8}{'fit800/floor':>14}")
    for name, f in found.items():
        share = ""
        if fit800 and name in fit800:
            share = f"{fit800[name]['cpu_ms'] / (min(f['entropy'], f['raw1']) + f['encode800']):14.2f}"
        print(f"  {name[:33]:34}{f['entropy']:9.1f}{f['raw8']:9.1f}{f['raw4']:7.1f}{f['raw2']:7.1f}{f['raw1']:7.1f}"
              f"{f['encode800']:8.2f}{share}")


def arguments():
    a = argparse.ArgumentParser(description=__doc__)
    a.add_argument("--pixpool", required=True)
    a.add_argument("--vips", required=True, help="the compiled peer_vips.c")
    a.add_argument("--floors", required=True, help="the compiled floors.c")
    a.add_argument("--sharp", required=True, help="folder whose node_modules holds sharp")
    a.add_argument("--work", required=True, help="folder for made sources and results")
    a.add_argument("--extra", help="folder of further photographs")
    a.add_argument("--tasks", default=",".join(TASKS))
    a.add_argument("--photos", type=int, default=6)
    a.add_argument("--rounds", type=int, default=3)
    a.add_argument("--repeat", type=int, default=5)
    a.add_argument("--no-judge", dest="judge", action="store_false")
    a.add_argument("--json", required=True)
    return a.parse_args()


def main():
    args = arguments()
    work = Path(args.work)
    args.sources = Sources(work / "sources", args.extra if args.extra and Path(args.extra).is_dir() else None)
    results = work / "results"
    results.mkdir(parents=True, exist_ok=True)
    report = {"tasks": {}}
    for task in args.tasks.split(","):
        report["tasks"][task] = measure(task, args, results)
        print_task(task, report["tasks"][task], args.judge)
    report["floors"] = floors(args)
    print_floors(report["floors"], report["tasks"].get("fit800", {}).get("pixpool"))
    Path(args.json).write_text(json.dumps(report, indent=1))


main()
