"""make bench-fair: what batches cost those who only want a thumbnail, and whether two batches share.

One pixpool with two workers behind its private nginx. Thumbnails of a 24 MP photograph are asked for one after another,
each under another URL, first alone, then while batches of such photographs run (two, or as many as --batches says).
Prints the percentiles of both, and when each batch was finished, and writes them as JSON. The client shares the machine's
CPUs with what it measures: its own share is told.
"""

import argparse
import json
import resource
import sys
import tempfile
import threading
import time
from pathlib import Path

from PIL import Image

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "tests"), str(TOP / "tests/integration")]

from client import http_on, http_open, multipart  # noqa: E402
from conftest import pixpool_factory  # noqa: E402
from samples import encoded, scene, write_samples  # noqa: E402


def photograph():
    """24 MP with some noise, so that its entropy decode costs what a camera's file costs."""
    noise = Image.effect_noise((1500, 1000), 30).resize((6000, 4000))
    return encoded(Image.blend(scene((6000, 4000)), noise.convert("RGB"), 0.25), "JPEG", quality=88)


def percentile(sorted_ms, p):
    return sorted_ms[min(len(sorted_ms) - 1, int(p / 100 * len(sorted_ms)))]


def thumbnails(url, label, until):
    """Milliseconds of each, until until() says so."""
    connection, took, i = http_open(url), [], 0
    while not until(took):
        start = time.monotonic()
        answer = http_on(connection, "GET", f"{url}/img/photo.jpg?w=200&v={label}{i}")
        took.append(1000 * (time.monotonic() - start))
        assert answer.status == 200, answer.body[:200]
        i += 1
        time.sleep(0.01)
    connection.close()
    took.sort()
    return {"n": len(took), **{f"p{p}": round(percentile(took, p), 1) for p in (50, 95, 99)}}


class Batch(threading.Thread):
    """One batch; .first and .last are when its first and its last result came, in seconds since start."""

    def __init__(self, url, form, n, start):
        super().__init__()
        self.url, self.form, self.n, self.start_s = url, form, n, start
        self.first = self.last = None

    def run(self):
        body, type = self.form
        headers = {"Content-Type": type, "Accept": "application/x-ndjson"}
        connection = http_open(self.url, timeout=600)
        connection.request("POST", "/api/images/batch?w=800", body=body, headers=headers)
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()[:200]
        lines = 0
        for line in answer:
            if self.first is None:
                self.first = time.monotonic() - self.start_s
            assert b'"status":200' in line[:300] or line.startswith(b'{"manifest"'), line[:200]
            lines += 1
        assert lines == self.n + 1
        self.last = time.monotonic() - self.start_s


def measure(start, photo, n, batches_n):
    p = start(workers=2, max_pixels_in="100M")
    (p.root / "photo.jpg").write_bytes(photo)
    alone = thumbnails(p.url, "a", lambda took: len(took) >= 100)
    # Made before: threads of one Python wait for each other, and the thumbnails are asked for by one of them.
    form = multipart([("file", photo, f"{i}.jpg", "image/jpeg") for i in range(n)])
    begun = time.monotonic()
    batches = [Batch(p.url, form, n, begun) for _ in range(batches_n)]
    for b in batches:
        b.start()
    beside = thumbnails(p.url, "b", lambda took: not all(b.is_alive() for b in batches))
    for b in batches:
        b.join()
    ends = sorted(b.last for b in batches)
    client = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "photo_bytes": len(photo), "files_a_batch": n, "alone_ms": alone, "beside_batches_ms": beside,
        "batches_s": [round(b.last, 2) for b in batches], "apart_percent": round(100 * (ends[-1] / ends[0] - 1), 1),
        "client_cpu_s": round(client.ru_utime + client.ru_stime, 1), "wall_s": round(time.monotonic() - begun, 1),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=60)
    parser.add_argument("--batches", type=int, default=2)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    samples = Path(tempfile.mkdtemp(prefix="pixpool-fair-")) / "images"
    samples.mkdir()
    write_samples(samples)
    with pixpool_factory(samples) as start:
        result = measure(start, photograph(), args.files, args.batches)
    text = json.dumps(result, indent=2)
    print(text)
    if args.json:
        args.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
