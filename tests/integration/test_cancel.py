"""Work that nobody waits for any more stops, wherever it is: in the queue, at a worker, behind nginx, at the end.

In what order and that it does, not how fast: that is for make bench-overload to measure.
"""

import os
import signal
import threading

import pytest

from client import http, raw_socket, target
from conftest import wait_until
from fcgi_client import STDIN, Client, header, parameters, record, request
from metrics import value

PHOTO = "/img/photo.jpg"
HANG = f"{PHOTO}?x-test=hang&v=%s"
UPLOAD = parameters("/api/images/process?w=10&x-test=hang", "POST", 100_000, CONTENT_TYPE="image/jpeg")


@pytest.fixture
def one(start_pixpool):
    """One worker, so that whoever comes second waits."""
    return start_pixpool(test_build=True, workers=1, queue=8, deadline="120s", grace="1s")


def busy(p):
    return value(p, 'pixpool_workers{state="busy"}') == 1


def waiting(p, n, lane="interactive"):
    return wait_until(lambda: value(p, f'pixpool_queue_depth{{lane="{lane}"}}') == n, 20)


def gone(pid):
    """Or about to be collected."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def replaced(p, old):
    return wait_until(lambda: gone(old) and len(p.workers()) == 1 and p.workers() != [old], 20)


def send(p, what):
    c = Client(str(p.socket))
    c.send(what)
    return c


def served(p):
    return http("GET", f"{p.url}{PHOTO}?w=21").status == 200 and value(p, "pixpool_inflight_bytes") == 0


def test_a_client_that_leaves_while_its_body_is_on_the_way(one):
    before = one.workers()
    c = send(one, header(UPLOAD) + record(STDIN, b"x" * 50_000))
    assert wait_until(lambda: value(one, "pixpool_inflight_bytes") > 0, 20)
    c.close()
    assert wait_until(lambda: value(one, "pixpool_inflight_bytes") == 0, 20)
    assert served(one) and one.workers() == before


def test_a_client_that_leaves_while_it_waits(one):
    """It takes its place with it, and no worker hears of it."""
    worker = one.workers()[0]
    with send(one, request(HANG % "at work")):
        assert wait_until(lambda: busy(one), 20)
        c = send(one, request(HANG % "waiting"))
        assert waiting(one, 1)
        c.close()
        assert waiting(one, 0)
        assert value(one, 'pixpool_cancelled_total{by="client"}') == 1
        assert busy(one) and one.workers() == [worker], "the other goes on"
    assert replaced(one, worker)
    assert served(one)
    assert value(one, "pixpool_worker_restarts_total{reason=\"client\"}") == 1


def test_a_client_that_leaves_while_a_worker_is_at_it(one):
    worker = one.workers()[0]
    c = send(one, request(HANG % 1))
    assert wait_until(lambda: busy(one), 20)
    c.close()
    assert replaced(one, worker)
    assert value(one, 'pixpool_cancelled_total{by="client"}') == 1
    assert served(one)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_browser_that_leaves(one, method):
    """nginx passes it on for what it is not going to cache."""
    worker = one.workers()[0]
    url = one.url + (HANG % 2 if method == "GET" else "/api/images/process?x-test=hang")
    body = b"" if method == "GET" else (one.root / "photo.jpg").read_bytes()
    s = raw_socket(url)
    s.sendall(f"{method} {target(url)} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    assert wait_until(lambda: busy(one), 20)
    s.close()
    assert replaced(one, worker)
    assert served(one)


def test_what_nginx_is_going_to_cache_it_lets_finish(start_pixpool):
    """Its own rule, so nobody tells us that the browser has left."""
    p = start_pixpool(test_build=True, workers=1, deadline="120s", cache=True)
    worker = p.workers()[0]
    os.kill(worker, signal.SIGSTOP)
    try:
        s = raw_socket(p.url)
        s.sendall(f"GET {PHOTO}?w=222 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert wait_until(lambda: busy(p), 20)
        s.close()
    finally:
        os.kill(worker, signal.SIGCONT)
    assert wait_until(lambda: value(p, 'pixpool_requests_total{route="img",status="200"}') == 1, 20)
    assert p.workers() == [worker] and value(p, 'pixpool_cancelled_total{by="client"}') == 0


def test_a_deadline_while_it_waits_and_while_it_works(one):
    worker = one.workers()[0]
    with send(one, request(HANG % 3)):
        assert wait_until(lambda: busy(one), 20)
        a = http("GET", one.url + HANG % 4, headers={"X-Request-Deadline-Ms": "300"})
        assert a.status == 503 and one.workers() == [worker]
        assert waiting(one, 0)
    assert replaced(one, worker)
    worker = one.workers()[0]
    assert http("GET", one.url + HANG % 5, headers={"X-Request-Deadline-Ms": "300"}).status == 504
    assert replaced(one, worker)
    assert served(one)


def test_the_end_of_all(one):
    """grace is over: whoever is still at work is stopped with it, and whoever waits is not kept."""
    pids = one.processes()
    clients = [send(one, request(HANG % 6)), send(one, request(HANG % 7))]
    assert wait_until(lambda: busy(one), 20) and waiting(one, 1)
    done = threading.Event()
    threading.Thread(target=lambda: (one.server.process.wait(), done.set())).start()
    os.kill(one.pid, signal.SIGTERM)
    assert done.wait(15)
    assert wait_until(lambda: all(gone(pid) for pid in pids), 5)
    assert all(c.closed(5) for c in clients)
