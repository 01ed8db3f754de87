"""make bench-peers: what slow and silent peers cost everybody else.

One pixpool behind its private nginx, as the tests start it. GETs are timed one after another, first alone, then while four
times as many peers as pixpool has threads hold connections to its FastCGI socket: silent ones, ones that drip a request
header, and ones that drip a body. Prints both distributions and the ratio of their p99, and writes them as JSON.
"""

import argparse
import json
import multiprocessing
import os
import select
import socket
import sys
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "tests"), str(TOP / "tests/integration")]

from client import http  # noqa: E402
from conftest import pixpool_factory  # noqa: E402
from fcgi_client import STDIN, header, parameters, record, request  # noqa: E402
from samples import write_samples  # noqa: E402


class Peers:
    """Misbehaving peers, one byte each every 50 ms; one that is closed comes back a second later, as told."""

    def __init__(self, path, n):
        self.path = path
        upload = header(parameters("/api/images/process?w=10", "POST", 100_000, CONTENT_TYPE="image/jpeg"))
        kinds = [b"", request("/img/photo.jpg?w=100"), upload + record(STDIN, b"x" * 50_000)]
        heads = [0, 0, len(upload) + 8]
        self.kinds = list(zip(kinds, heads))
        self.peers = [self.connect(i) for i in range(n)]
        self.away = []  # (when to come back, kind)

    def connect(self, i):
        """[socket, kind, bytes, next byte]"""
        s = socket.socket(socket.AF_UNIX)
        s.connect(str(self.path))
        data, at = self.kinds[i % len(self.kinds)]
        s.sendall(data[:at])
        s.setblocking(False)
        return [s, i, data, at]

    def run(self):
        while True:
            time.sleep(0.05)
            gone, _, _ = select.select([p[0] for p in self.peers], [], [], 0)
            for p in [p for p in self.peers if p[0] in gone or p[2] and p[3] >= len(p[2]) - 9]:
                p[0].close()
                self.peers.remove(p)
                self.away.append((time.monotonic() + 1, p[1]))
            for p in self.peers:
                self.drip(p)
            back = [a for a in self.away if a[0] <= time.monotonic()]
            self.away = [a for a in self.away if a not in back]
            self.peers += [self.connect(i) for _, i in back]

    @staticmethod
    def drip(p):
        try:
            p[3] += p[0].send(p[2][p[3] : p[3] + 1]) if p[2] else 0
        except OSError:
            pass  # seen as closed in the next round


def timed_gets(url, n):
    """(sorted milliseconds, {status: count})"""
    ms, statuses = [], {}
    for i in range(n):
        t = time.perf_counter()
        status = http("GET", f"{url}/img/photo.jpg?w=100&v={i}").status
        ms.append((time.perf_counter() - t) * 1000)
        statuses[status] = statuses.get(status, 0) + 1
    return sorted(ms), statuses


def summary(ms, statuses):
    def at(share):
        return round(ms[min(len(ms) - 1, int(len(ms) * share))], 2)

    return {"p50_ms": at(0.5), "p90_ms": at(0.9), "p99_ms": at(0.99), "max_ms": at(1), "statuses": statuses}


def main():
    a = argparse.ArgumentParser(description=__doc__)
    a.add_argument("--requests", type=int, default=1000)
    a.add_argument("--times", type=int, default=4, help="peers per thread of pixpool")
    a.add_argument("--json", required=True)
    args = a.parse_args()
    samples = Path(tempfile.mkdtemp(prefix="pixpool-bench-")) / "images"
    samples.mkdir()
    write_samples(samples)
    with pixpool_factory(samples) as start:
        p = start(workers=2, queue=16)
        threads = len(os.listdir(f"/proc/{p.gateway()}/task")) - 1
        timed_gets(p.url, 100)  # warm
        report = {"threads": threads, "alone": summary(*timed_gets(p.url, args.requests))}
        n = args.times * threads
        peers = multiprocessing.Process(target=lambda: Peers(p.socket, n).run(), daemon=True)
        peers.start()
        time.sleep(2)
        report["with_peers"] = summary(*timed_gets(p.url, args.requests)) | {"peers": n}
        peers.terminate()
        peers.join()
    report["p99_ratio"] = round(report["with_peers"]["p99_ms"] / report["alone"]["p99_ms"], 2)
    for k, v in report.items():
        print(f"{k:12}{v}")
    Path(args.json).write_text(json.dumps(report, indent=1))


main()
