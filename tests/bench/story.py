"""make story: the night, replayed. 50 uploads at once, then 200 clients, for three services in one run:

    a Node service that resizes in its event loop, in pure JavaScript
    a Node service with sharp in worker threads, one for each processor
    pixpool behind nginx, as make run starts it

Every client sends a photograph of 2 megapixels and wants it as 800x600; meanwhile a probe asks for health 50 times a
second, and its own waiting for a processor is not counted. A client that is refused waits as it is told and comes again;
what it waited is part of "until served", which is what the picture shows. Memory is that of all processes, nginx's
included, shared pages divided. Prints a table, and draws it: into docs/story.svg, unless it is --quick.
"""

import argparse
import http.client
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from PIL import Image

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "tests"), str(TOP / "tests/integration")]

from conftest import free_port, pixpool_factory, session_processes, wait_until  # noqa: E402

BUILD = TOP / os.environ.get("PIXPOOL_BUILD", "build")
SCENES = [("50 uploads at once", 50), ("200 clients at once", 200)]


def photo(seed):
    """2 megapixels, as heavy as a camera's."""
    base = Image.radial_gradient("L").resize((1632, 1224)).rotate(90 * (seed % 4))
    noise = Image.effect_noise(base.size, 40)
    path = Path(tempfile.mkdtemp(prefix="pixpool-story-")) / "photo.jpg"
    Image.merge("RGB", (Image.blend(base, noise, 0.3), base.rotate(180), noise)).save(path, quality=90)
    return path.read_bytes()


def resident(sessions):
    """Bytes, shared pages divided among those who share them."""
    total = 0
    for session in sessions:
        for pid in session_processes(session):
            try:
                text = Path(f"/proc/{pid}/smaps_rollup").read_text()
                total += int(text.split("Pss:")[1].split()[0]) * 1024
            except (OSError, IndexError):
                pass
    return total


def post(port, path, image):
    """(status, milliseconds, seconds to wait)"""
    start = time.perf_counter()
    try:
        c = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
        c.request("POST", path, image, {"Content-Type": "image/jpeg"})
        r = c.getresponse()
        r.read()
        c.close()
        return r.status, (time.perf_counter() - start) * 1000, int(r.headers.get("Retry-After", 1))
    except OSError:
        return 0, (time.perf_counter() - start) * 1000, 1


def crowd(port, path, image, clients, out):
    """In a process of its own, so that the probe beside it is not slowed down."""
    answers, lock, barrier = [], threading.Lock(), threading.Barrier(clients)

    def one():
        barrier.wait()
        start, refused = time.perf_counter(), 0
        while True:
            status, ms, wait = post(port, path, image)
            if status != 503 or refused >= 20:
                break
            refused += 1
            time.sleep(wait)
        with lock:
            answers.append((status, ms, (time.perf_counter() - start) * 1000, refused))

    threads = [threading.Thread(target=one) for _ in range(clients)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    out.put(answers)


def quantile(values, q):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * q))] if values else float("nan")


def scene(port, path, sessions, image, clients):
    out = multiprocessing.Queue()
    probe = subprocess.Popen([BUILD / "tests/bench/openloop", "--rate", "50", "--seconds", "600",
                              f"http://127.0.0.1:{port}/healthz"], stdout=subprocess.PIPE, text=True)
    load = multiprocessing.Process(target=crowd, args=(port, path, image, clients, out))
    load.start()
    most, answers = 0, None
    while answers is None:
        most = max(most, resident(sessions))
        try:
            answers = out.get(timeout=0.1)
        except multiprocessing.queues.Empty:
            pass
    load.join()
    probe.terminate()
    health = json.loads(probe.communicate()[0])["status"]
    ok = [a for a in answers if a[0] == 200]
    return {"served": len(ok), "failed": len(answers) - len(ok), "refusals": sum(a[3] for a in answers),
            "average_ms": sum(a[1] for a in ok) / max(1, len(ok)), "p99_ms": quantile([a[1] for a in ok], 0.99),
            "until_served_ms": sum(a[2] for a in ok) / max(1, len(ok)),
            "until_served_p99_ms": quantile([a[2] for a in ok], 0.99),
            "health_p99_ms": health.get("200", {}).get("p99_ms", float("nan")), "memory": most}


def node(script, work):
    port = free_port()
    p = subprocess.Popen(["node", script, str(port)], cwd=work / "peers", start_new_session=True,
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert wait_until(lambda: get(port) == 200, 30), f"{script} does not start"
    return p, port


def get(port):
    try:
        c = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        c.request("GET", "/healthz")
        return c.getresponse().status
    except OSError:
        return 0


def tell(name, port, path, sessions, image, scenes):
    post(port, path, image)  # warm
    rows = []
    for title, clients in scenes:
        time.sleep(1)
        rows.append({"service": name, "scene": title} | scene(port, path, sessions, image, clients))
        print(line(rows[-1]), flush=True)
    return rows


def line(r):
    return (f"{r['scene']:20}{r['service']:28}{r['average_ms']:9.0f}{r['p99_ms']:9.0f}{r['until_served_ms']:9.0f}{r['until_served_p99_ms']:9.0f}"
            f"{r['health_p99_ms']:11.1f}{r['memory'] / 2**20:9.0f}{r['refusals']:10}{r['failed']:8}")


def notes(peers):
    def version(name):
        return json.loads((peers / "node_modules" / name / "package.json").read_text())["version"]

    node_version = subprocess.check_output(["node", "--version"], text=True).strip()
    return [f"Each sends a photograph of 2 megapixels and gets it as 800x600. {os.cpu_count()} processors, shared with the clients.",
            f"Node {node_version}: Jimp {version('jimp')} in the event loop, sharp {version('sharp')} in a worker thread per processor. "
            "Made by make story."]


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--work", type=Path, required=True)
    a.add_argument("--quick", action="store_true", help="a fifth of the clients")
    args = a.parse_args()
    scenes = [(t, n // 5 if args.quick else n) for t, n in SCENES]
    image, rows = photo(1), []
    print(f"{'':20}{'milliseconds:':28}{'average':>9}{'p99':>9}{'until':>9}{'its p99':>9}{'health p99':>11}{'MiB':>9}{'refused':>10}{'failed':>8}")
    for name, script in (("Node, event loop", "peer_eventloop.mjs"), ("Node, threads + sharp", "peer_threads.mjs")):
        p, port = node(script, args.work)
        try:
            rows += tell(name, port, "/resize", [p.pid], image, scenes)
        finally:
            p.kill()
            p.wait()
    images = Path(tempfile.mkdtemp(prefix="pixpool-story-"))
    with pixpool_factory(images) as start:
        p = start()
        port = int(p.url.rsplit(":", 1)[1])
        rows += tell("pixpool behind nginx", port, "/api/images/process?w=800&h=600&q=80", [p.pid, p.nginx.pid], image, scenes)
    (args.work / "story.json").write_text(json.dumps(rows, indent=1))
    from story_picture import draw

    picture = (args.work if args.quick else TOP / "docs") / "story.svg"
    picture.write_text(draw(rows, notes(args.work / "peers")))
    print(f"\n{picture} shows it")


main()
