"""make soak: hours of an ordinary and a bad day in a few minutes of each, and what memory is left with at the end.

GETs of all formats and sizes, uploads, broken and hostile files, clients that leave, workers that are killed, reloads.
Resident memory (shared pages divided) is sampled every second; that of the end (the mean of the last minute) must be
within a tenth of that of minute two. Prints a line every half minute.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from urllib.parse import quote

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "tests"), str(TOP / "tests/integration")]

import test_bombs as bombs  # noqa: E402
from client import http  # noqa: E402
from conftest import pixpool_factory, session_processes  # noqa: E402
from fcgi_client import STDIN, Client, header, parameters, record, request  # noqa: E402
from samples import write_samples  # noqa: E402

FORMATS = ("jpeg", "png", "webp")


def resident(p):
    total = 0
    for pid in session_processes(p.pid):
        try:
            total += int(Path(f"/proc/{pid}/smaps_rollup").read_text().split("Pss:")[1].split()[0])
        except (OSError, IndexError):
            pass
    return total / 1024


class Day:
    def __init__(self, p, seconds):
        self.end = time.monotonic() + seconds
        self.calm_until, self.calm_from = time.monotonic() + 120, self.end - 120
        self.p, self.over, self.got, self.lock = p, threading.Event(), Counter(), threading.Lock()
        self.names = sorted(f.name for f in p.root.iterdir() if f.is_file())
        self.bodies = [(p.root / n).read_bytes() for n in self.names]
        cheap = [n for n in bombs.BOMBS if "gigapixels" in n or "chunks" in n or "EXIF" in n or "comments" in n]
        self.hostile = [bombs.BOMBS[n][0]() for n in cheap] + [os.urandom(5000), b"", self.bodies[0][:3000]]

    def note(self, what):
        with self.lock:
            self.got[what] += 1

    def browse(self):
        name = random.choice(self.names)
        options = f"w={random.randint(1, 1400)}&format={random.choice(FORMATS)}&enlarge=1&v={random.random()}"
        self.note(http("GET", f"{self.p.url}/img/{quote(name)}?{options}").status)

    def upload(self):
        body = random.choice(self.bodies if random.random() < 0.7 else self.hostile)
        self.note(http("POST", f"{self.p.url}/api/images/process?w={random.randint(1, 900)}", body,
                       {"Content-Type": "image/jpeg"}).status)

    def leave(self):
        upload = header(parameters("/api/images/process?w=10", "POST", 100_000, CONTENT_TYPE="image/jpeg"))
        with Client(str(self.p.socket)) as c:
            c.send(random.choice([b"\x01\x01", request("/img/photo.jpg?w=900"), upload + record(STDIN, b"x" * 5000)]))
            time.sleep(random.random() / 20)
        self.note("left")

    def run(self):
        while not self.over.is_set():
            try:
                random.choices([self.browse, self.upload, self.leave], [6, 3, 1])[0]()
            except OSError as e:
                self.note(type(e).__name__)

    def disturb(self):
        """Once in a while a worker dies, and the configuration is read again; not in the minutes that are compared nor
        just before them, since new processes are small ones."""
        while not self.over.wait(20):
            if not self.calm_until < time.monotonic() < self.calm_from:
                continue
            victims = self.p.workers()
            if victims:
                os.kill(random.choice(victims), signal.SIGKILL)
            if random.random() < 0.3:
                os.kill(self.p.pid, signal.SIGHUP)


class Cage:
    """A memory cgroup of the size that pixpool says it stays within: the kernel would kill what goes beyond."""

    def __init__(self, p):
        limit = http("GET", f"{p.url}/status.json").json()["memory"]["limit"]
        v1 = Path("/sys/fs/cgroup/memory")
        self.dir = (v1 if v1.is_dir() else Path("/sys/fs/cgroup")) / f"pixpool-soak-{p.pid}"
        self.dir.mkdir()
        self.v1, self.limit = v1.is_dir(), limit
        (self.dir / ("memory.limit_in_bytes" if self.v1 else "memory.max")).write_text(str(limit))
        for pid in [p.pid, *session_processes(p.pid)]:
            (self.dir / "cgroup.procs").write_text(str(pid))

    def tell(self):
        events = (self.dir / ("memory.oom_control" if self.v1 else "memory.events")).read_text()
        kills = int(events.split("oom_kill ")[1].split()[0])
        most = int((self.dir / ("memory.max_usage_in_bytes" if self.v1 else "memory.peak")).read_text())
        return f"in a cgroup of {self.limit >> 20} MiB: at most {most >> 20} MiB, page cache included; {kills} kills", kills


def mean(samples, begin, end):
    part = [m for t, m in samples if begin <= t < end]
    return sum(part) / max(1, len(part))


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--seconds", type=int, default=1200)
    a.add_argument("--json", required=True)
    a.add_argument("--cgroup", action="store_true", help="within a memory cgroup of memory_limit; needs root")
    args = a.parse_args()
    samples, images = [], Path(tempfile.mkdtemp(prefix="pixpool-soak-")) / "images"
    images.mkdir()
    write_samples(images)
    with pixpool_factory(images) as start:
        p = start(grace="30s")
        cage = Cage(p) if args.cgroup else None
        day = Day(p, args.seconds)
        threads = [threading.Thread(target=t) for t in [day.run] * 8 + [day.disturb]]
        for t in threads:
            t.start()
        begin = time.monotonic()
        while (now := time.monotonic() - begin) < args.seconds:
            samples.append((now, resident(p)))
            if len(samples) % 30 == 0:
                print(f"{now:6.0f} s  {samples[-1][1]:7.1f} MiB  {dict(day.got)}", flush=True)
            time.sleep(1)
        day.over.set()
        for t in threads:
            t.join()
        words, kills = cage.tell() if cage else ("", 0)
    early = mean(samples, min(60, args.seconds / 4), min(120, args.seconds / 2))
    late = mean(samples, args.seconds - min(60, args.seconds / 4), args.seconds)
    print(f"\nminute 2: {early:.1f} MiB, the end: {late:.1f} MiB, {100 * (late / early - 1):+.1f} %")
    Path(args.json).write_text(json.dumps({"early": early, "late": late, "answers": dict(day.got), "samples": samples}))
    if words:
        print(words)
        cage.dir.rmdir()
    sys.exit(0 if late <= 1.1 * early and kills == 0 else 1)


main()
