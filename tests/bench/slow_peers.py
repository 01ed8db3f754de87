"""make bench-peers: what slow and silent peers cost everybody else.

One pixpool behind its private nginx, as the tests start it. GETs are timed one after another, first alone, then while four
times as many peers as pixpool has threads hold connections to its FastCGI socket: silent ones, ones that have sent half a
header and no more, ones that drip a header, ones that drip a body, and ones that ask for a large answer and never read
it. Prints both distributions and the ratio of their p99, and writes them as JSON.
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
from fcgi_client import PARAMS, STDIN, begin, header, parameters, record, request  # noqa: E402
from samples import write_samples  # noqa: E402


class Peer:
    """What it sends at once, and what it then sends byte by byte. Who never reads hears of nothing but the end."""

    def __init__(self, at_once=b"", drip=b"", reads=True):
        self.at_once, self.drip, self.reads = at_once, drip, reads


UPLOAD = header(parameters("/api/images/process?w=10", "POST", 100_000, CONTENT_TYPE="image/jpeg"))
LARGE = "/img/photo.jpg?w=1000&format=png&effort=0"
KINDS = {"silent": Peer(), "half open": Peer(begin() + record(PARAMS, b"\x0f")),
         "dripping header": Peer(drip=request("/img/photo.jpg?w=100")),
         "dripping body": Peer(UPLOAD + b"\x01\x05", record(STDIN, b"x" * 50_000)[2:]),
         "never reading": Peer(request(LARGE), reads=False)}


class Peers:
    """Misbehaving peers, one byte each every 50 ms; one that is closed comes back a second later, as told."""

    def __init__(self, path, n):
        self.path, self.poll, self.peers, self.away = path, select.poll(), {}, []
        for i in range(n):
            self.connect(list(KINDS.values())[i % len(KINDS)])

    def connect(self, kind):
        s = socket.socket(socket.AF_UNIX)
        s.connect(str(self.path))
        s.sendall(kind.at_once)
        s.setblocking(False)
        self.peers[s.fileno()] = [s, kind, 0]
        self.poll.register(s, select.POLLIN if kind.reads else select.POLLRDHUP)

    def leave(self, fd):
        self.poll.unregister(fd)
        s, kind, _ = self.peers.pop(fd)
        s.close()
        self.away.append((time.monotonic() + 1, kind))

    def run(self):
        while True:
            time.sleep(0.05)
            for fd, _ in self.poll.poll(0):
                self.leave(fd)
            for fd in list(self.peers):
                self.drip(fd)
            back = [a for a in self.away if a[0] <= time.monotonic()]
            self.away = [a for a in self.away if a not in back]
            for _, kind in back:
                self.connect(kind)

    def drip(self, fd):
        s, kind, at = p = self.peers[fd]
        if not kind.drip:
            return
        try:
            p[2] += s.send(kind.drip[at : at + 1])
        except OSError:
            return  # seen as closed in the next round
        if p[2] >= len(kind.drip) - 9:
            self.leave(fd)


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
        time.sleep(12)  # the work for those who never read is done, and its results wait for them
        report["with_peers"] = summary(*timed_gets(p.url, args.requests)) | {"peers": n, "kinds": ", ".join(KINDS)}
        peers.terminate()
        peers.join()
    report["p99_ratio"] = round(report["with_peers"]["p99_ms"] / report["alone"]["p99_ms"], 2)
    for k, v in report.items():
        print(f"{k:12}{v}")
    Path(args.json).write_text(json.dumps(report, indent=1))


main()
