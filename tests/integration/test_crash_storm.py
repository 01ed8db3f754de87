"""The crash storm: requests that crash, hang and exhaust memory, amid ordinary ones.

A given number of each must give exactly that number of 500s, 504s and 422s; every other answer must be byte-exact,
which it is not where a dead worker's descriptors or mailbox are used again; and no process may be left behind.
"""

import json
import os
import random
import signal
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest

from client import http
from conftest import kill, wait_until

CRASHES, OOMS, HANGS, ORDINARY = 60, 30, 4, 400


def ordinary_urls(p):
    """Different sizes of different images, so that a swapped answer is seen."""
    names = sorted(f.name for f in p.root.iterdir() if f.suffix in (".jpg", ".png", ".webp"))
    assert names, "the harness makes sample images"
    return [f"{p.url}/img/{quote(n)}?w={w}&format={f}" for n in names for w in (40, 90, 160) for f in ("jpeg", "png")]


def difference(url, answer, expected):
    """What was wrong: another image's answer, or bytes of this one."""
    whose = [u for u, e in expected.items() if e.body == answer.body]
    pairs = enumerate(zip(answer.body, expected[url].body))
    where = [i for i, (got, wanted) in pairs if got != wanted]
    return {"url": url, "status": answer.status, "length": len(answer.body), "expected": len(expected[url].body),
            "id": answer.headers["X-Request-Id"], "is the answer to": whose, "bytes that differ": where[:50]}


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_each_failure_costs_one_request(start_pixpool, workers):
    p = start_pixpool(test_build=True, workers=workers, queue=64, deadline="60s")
    urls = ordinary_urls(p)
    expected = {u: http("GET", u) for u in urls}
    assert all(a.status == 200 for a in expected.values())
    bad = urls[0].split("?")[0]
    plan = (
        [("crash", f"{bad}?x-test=crash&v={i}") for i in range(CRASHES)]
        + [("oom", f"{bad}?x-test=oom&v={i}") for i in range(OOMS)]
        + [("ordinary", random.choice(urls)) for _ in range(ORDINARY)]
    )
    random.shuffle(plan)
    wrong = []

    def one(item):
        kind, url = item
        a = http("GET", url)
        if kind == "ordinary" and (a.status, a.body) != (200, expected[url].body):
            wrong.append(difference(url, a, expected))
        return kind, a.status

    with ThreadPoolExecutor(16) as ex:
        got = Counter(ex.map(one, plan))
    lines = [line for line in p.log().splitlines() for w in wrong if w["id"] in line]
    assert not wrong, "\n".join([json.dumps(w) for w in wrong] + lines)
    assert got == {("crash", 500): CRASHES, ("oom", 422): OOMS, ("ordinary", 200): ORDINARY}
    assert wait_until(lambda: len(p.workers()) == workers, 20), "every dead worker is replaced, once"


def test_a_stuck_job_is_killed_at_its_deadline(start_pixpool):
    """One worker hangs at a time; the other goes on."""
    p = start_pixpool(test_build=True, workers=2, queue=64, deadline="3s")
    urls = ordinary_urls(p)
    expected = {u: http("GET", u).body for u in urls}
    stop = threading.Event()
    wrong = []

    def browse():
        while not stop.is_set():
            u = random.choice(urls)
            a = http("GET", u)
            if (a.status, a.body) != (200, expected[u]):
                wrong.append((u, a.status))

    browser = threading.Thread(target=browse)
    browser.start()
    hangs = [http("GET", f"{urls[0].split('?')[0]}?x-test=hang&v={i}") for i in range(HANGS)]
    stop.set()
    browser.join()
    assert [a.status for a in hangs] == [504] * HANGS
    assert wrong == []
    assert all(a.json()["code"] == "deadline" for a in hangs)


def test_killed_workers_lose_one_request_each_at_most(start_pixpool):
    p = start_pixpool(workers=2, queue=64, deadline="60s")
    urls = ordinary_urls(p)
    expected = {u: http("GET", u).body for u in urls}
    kills = 20
    statuses = []

    def one(u):
        a = http("GET", u)
        assert a.status != 200 or a.body == expected[u]
        return a.status

    with ThreadPoolExecutor(8) as ex:
        answers = [ex.submit(one, random.choice(urls)) for _ in range(600)]
        for _ in range(kills):
            victims = p.workers()
            if victims:
                kill(random.choice(victims))
            time.sleep(0.03)
        statuses = Counter(a.result() for a in answers)
    assert set(statuses) <= {200, 500}
    assert statuses[500] <= kills
    assert http("GET", urls[0]).status == 200


def test_a_killed_gateway_comes_back(start_pixpool):
    p = start_pixpool(workers=2)
    url = ordinary_urls(p)[0]
    before = http("GET", url)
    old = p.gateway()
    os.kill(old, signal.SIGKILL)
    assert wait_until(lambda: http("GET", url).status == 200, 20)
    assert http("GET", url).body == before.body
    assert p.gateway() != old
    assert wait_until(lambda: len(p.workers()) == 2, 20)
