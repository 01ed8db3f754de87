"""make bench-overload: ten times what it can do, from a client that does not slow down with it.

One pixpool behind its private nginx, as the tests start it. First the capacity, from a few clients that each wait for
their answers; then, at once after it, ten times as many requests a second from an open-loop client, with a health probe
beside them. Prints both, the processor time that client and nginx took meanwhile, and how the bars were met:

    only 200 and 503; goodput >= 90 % of (capacity x the share of the processors that client and nginx left);
    503 within 10 ms for half of them; /healthz within 10 ms for 99 of 100; a killed worker is back in 5 ms, and costs
    one request at most; work whose client left stops in 50 ms, and a second after 1,000 have left none is done for them.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from PIL import Image

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP / "tests"), str(TOP / "tests/integration")]

from client import http  # noqa: E402
from conftest import command_line, pixpool_factory, session_processes  # noqa: E402
from fcgi_client import Client, request  # noqa: E402
from samples import write_samples  # noqa: E402

BUILD = TOP / os.environ.get("PIXPOOL_BUILD", "build")
CLIENT = BUILD / "tests/bench/openloop"
KILLS = 10
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_s(session):
    total = 0
    for pid in session_processes(session):
        try:
            total += sum(map(int, Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]))
        except OSError:
            pass
    return total / TICKS


def client(url, *args):
    return subprocess.Popen([CLIENT, *map(str, args), url], stdout=subprocess.PIPE, text=True)


def answers(process):
    return json.loads(process.communicate()[0])


def count(result, status):
    """While it ran: what a queue gives afterwards is no goodput."""
    return result["status"].get(str(status), {}).get("in_time", 0)


def photo(path, megapixels):
    """Noise over gradients, as heavy to decode as a camera's."""
    w = int((megapixels * 1e6 * 4 / 3) ** 0.5)
    base = Image.radial_gradient("L").resize((w, w * 3 // 4))
    noise = Image.effect_noise(base.size, 40)
    Image.merge("RGB", (Image.blend(base, noise, 0.3), base.rotate(180), noise)).save(path, quality=90)


def worked(p):
    """A worker that has been given something. One that dies young and idle, and its successor too, looks like a crash
    loop, for which there is a brake."""
    http("GET", f"{p.url}/img/photo.jpg?w={random.randint(1, 1400)}&v={random.random()}")
    return max(http("GET", f"{p.url}/status.json").json()["workers"], key=lambda w: w["jobs"])["pid"]


def births(p, kills):
    """Milliseconds from the kill of a worker until another one in its place says that it waits for work."""
    out = []
    for _ in range(kills):
        victim = worked(p)
        with open(p.server.log_path, errors="replace") as log:
            log.seek(0, os.SEEK_END)
            start, said = time.perf_counter(), ""
            os.kill(victim, signal.SIGKILL)
            while "event=born" not in said and time.perf_counter() < start + 5:
                said += log.read()
                time.sleep(0.0001)
            out.append((time.perf_counter() - start) * 1000)
        time.sleep(0.05)
    return sorted(out)


def killed_at_work(p, url, seconds, kills):
    """Workers killed one after another while all are busy: what the clients saw."""
    flood = client(url, "--closed", 8, "--seconds", seconds)
    for _ in range(kills):
        time.sleep(seconds / (kills + 1))
        os.kill(random.choice(p.workers()), signal.SIGKILL)
    return {k: v["n"] for k, v in answers(flood)["status"].items()}


def busy(p):
    return [w["pid"] for w in http("GET", f"{p.url}/status.json").json()["workers"] if w["state"] == "busy"]


def stops(p, times):
    """Milliseconds from a client's leaving until the worker that was at its image, for seconds to come, is gone."""
    out = []
    for i in range(times):
        with Client(str(p.socket)) as c:
            c.send(request(f"/img/load.jpg?w=3500&format=webp&effort=6&v={i}"))
            while not busy(p):
                pass
            victim = busy(p)[0]
        start = time.perf_counter()
        while command_line(victim) and time.perf_counter() < start + 5:
            time.sleep(0.0002)
        out.append((time.perf_counter() - start) * 1000)
    return sorted(out)


def cpu_after_leaving(p, clients):
    """Share of a processor that pixpool takes in the second after the first one in which they are all gone."""
    with ExitStack() as stack:
        for i in range(clients):
            stack.enter_context(Client(str(p.socket))).send(request(f"/img/load.jpg?w=700&v={i}"))
        time.sleep(1)
    time.sleep(1)
    before = cpu_s(p.pid)
    time.sleep(1)
    return cpu_s(p.pid) - before


def gateway_back(p, rounds):
    """The same for a gateway: until it serves."""
    out = []
    for _ in range(rounds):
        start = time.perf_counter()
        os.kill(p.gateway(), signal.SIGKILL)
        assert http("GET", f"{p.url}/img/photo.jpg?w=20").status in (200, 502)
        while http("GET", f"{p.url}/img/photo.jpg?w=21").status != 200:
            pass
        out.append(round((time.perf_counter() - start) * 1000))
        time.sleep(0.2)
    return sorted(out)


def measure(p, args):
    url = f"{p.url}/img/load.jpg?w=800&v=%d"
    answers(client(f"{p.url}/img/load.jpg?w=800&v=w%d", "--closed", 8, "--seconds", 2))  # learnt
    alone = answers(client(url.replace("v=", "v=c"), "--closed", 8, "--seconds", args.seconds))
    capacity = count(alone, 200) / args.seconds
    before = cpu_s(p.nginx.pid)
    flood = client(url, "--rate", max(20, args.times * capacity), "--seconds", args.seconds)
    health = client(f"{p.url}/healthz", "--rate", 50, "--seconds", args.seconds)
    flood, health = answers(flood), answers(health)
    others = flood["client_cpu_s"] + health["client_cpu_s"] + cpu_s(p.nginx.pid) - before
    share = others / (args.seconds * os.cpu_count())
    return {"capacity": round(capacity, 1), "offered": round(flood["sent"] / args.seconds), "flood": flood,
            "health": health, "goodput": round(count(flood, 200) / args.seconds, 1),
            "others_cpu_s": round(others, 2), "others_share": round(share, 3)}


def median(values):
    return values[len(values) // 2]


def bars(r):
    flood, health = r["flood"]["status"], r["health"]["status"]
    due = 0.9 * r["capacity"] * (1 - r["others_share"])
    yield "only 200 and 503", ", ".join(f"{k}: {v['n']}" for k, v in flood.items()), set(flood) <= {"200", "503"}
    yield "goodput", f"{r['goodput']}/s of {due:.1f}/s due", r["goodput"] >= due
    yield "503 p50", f"{flood.get('503', {}).get('p50_ms', 0)} ms", flood.get("503", {}).get("p50_ms", 0) <= 10
    yield "/healthz p99", f"{health['200']['p99_ms']} ms", set(health) == {"200"} and health["200"]["p99_ms"] <= 10
    back, late = median(r["births_ms"]), r["births_ms"][-1]
    yield "worker back", f"{back:.1f} ms, of {len(r['births_ms'])} the worst {late:.1f} ms", back <= 5
    yield "gateway back", f"{median(r['gateway_ms'])} ms", median(r["gateway_ms"]) < 100
    killed, lost = r["killed"], sum(n for k, n in r["killed"].items() if k != "200")
    yield "lost per kill", f"{lost} of {KILLS} kills at work ({killed})", lost <= KILLS and set(killed) <= {"200", "500"}
    yield "work stops", f"{median(r['stops_ms']):.1f} ms, of 10 the worst {r['stops_ms'][-1]:.1f} ms", r["stops_ms"][-1] <= 50
    yield "1,000 that left", f"{100 * r['left_cpu']:.0f} % of a processor a second later", r["left_cpu"] <= 0.05


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--seconds", type=float, default=15)
    a.add_argument("--times", type=float, default=10)
    a.add_argument("--megapixels", type=float, default=12)
    a.add_argument("--json", required=True)
    args = a.parse_args()
    samples = Path(tempfile.mkdtemp(prefix="pixpool-bench-")) / "images"
    samples.mkdir()
    write_samples(samples)
    photo(samples / "load.jpg", args.megapixels)
    with pixpool_factory(samples) as start:
        p = start()
        report = measure(p, args)
        report["killed"] = killed_at_work(p, f"{p.url}/img/load.jpg?w=800&v=k%d", args.seconds, KILLS)
        report["left_cpu"] = cpu_after_leaving(p, 1000)
        report["stops_ms"] = stops(p, 10)
        report["births_ms"] = births(p, 21)
        report["gateway_ms"] = gateway_back(p, 5)
    print(f"capacity {report['capacity']}/s, offered {report['offered']}/s for {args.seconds:.0f} s; client and nginx took "
          f"{report['others_cpu_s']} s of processor time, {100 * report['others_share']:.0f} % of what there is\n")
    for name, value, ok in bars(report):
        print(f"  {'yes' if ok else 'NO ':4}{name:20}{value}")
    Path(args.json).write_text(json.dumps(report, indent=1))


main()
