"""Uploads beside each other: slow ones keep nobody out, and those that wait are not in memory."""

import re
import select
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from client import http, raw_socket
from conftest import wait_until
from fcgi_client import STDIN, Client, header, parameters, record, request

PROCESS = "/api/images/process?w=10"


def upload(p, body, query="", **headers):
    return http("POST", f"{p.url}{PROCESS}{query}", body, {"Content-Type": "image/png"} | headers)


def status(p):
    return http("GET", f"{p.url}/status.json").json()["queue"]


def begin(stack, p, length, first=b""):
    """An upload of which no more than that is sent for now."""
    c = stack.enter_context(Client(str(p.socket), timeout=30))
    c.send(header(parameters(PROCESS, "POST", length, CONTENT_TYPE="image/png")) + record(STDIN, first or b"\x89"))
    return c


def end(c, rest):
    for at in range(0, len(rest), 60000):
        c.send(record(STDIN, rest[at : at + 60000]))
    c.send(record(STDIN))
    return c.read_response()


def resident(pid, field="VmRSS"):
    text = open(f"/proc/{pid}/status").read()
    return int(re.search(rf"{field}:\s+(\d+) kB", text)[1]) * 1024


def large_png(p, size):
    """A PNG of so many bytes: most of them are a chunk that nobody reads."""
    png = (p.root / "plain.png").read_bytes()
    data = bytes(size)
    chunk = b"juNk" + data
    return png[:-12] + len(data).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big") + png[-12:]


def begin_slowly(stack, p, png, others):
    """One more that is let in beside so many others. It is not slow from its first moment on, so it may be refused until
    one before it is."""

    def let_in():
        c = begin(stack, p, len(png), png[:20])
        while status(p)["admitted"] + status(p)["slow_uploads"] <= others:
            if select.select([c.socket], [], [], 0.01)[0]:
                return None
        return c

    found = []
    assert wait_until(lambda: found.append(let_in()) or found[-1], 10), status(p)
    return found[-1]


def test_slow_uploads_keep_no_others_out(start_pixpool):
    """Far more of them than there are places. Each gets its answer in the end, and so does who comes later."""
    p = start_pixpool(workers=1, queue=7)
    png = (p.root / "plain.png").read_bytes()
    with ExitStack() as stack:
        slow = []
        while len(slow) < 40:
            slow.append(begin_slowly(stack, p, png, len(slow)))
        assert wait_until(lambda: upload(p, png).status == 200, 10), "the last ones are slow as well by now"
        assert [upload(p, png).status for _ in range(30)] == [200] * 30
        assert status(p)["slow_uploads"] >= 33
        assert [end(c, png[20:]).status for c in slow] == [200] * 40
    assert wait_until(lambda: (status(p)["admitted"], status(p)["slow_uploads"]) == (0, 0), 10)


def test_nginx_passes_slow_uploads_on(start_pixpool):
    """So that a batch of them, each a tenth of a second after the other, is slow in pixpool, and not in files."""
    p = start_pixpool(workers=1, queue=7)
    png = (p.root / "plain.png").read_bytes()
    with ExitStack() as stack:
        slow = []
        for _ in range(12):
            c = stack.enter_context(raw_socket(p.url))
            c.sendall(f"POST {PROCESS} HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: {len(png)}\r\n"
                      "Connection: close\r\n\r\n".encode() + png[:20])
            slow.append(c)
            assert wait_until(lambda: upload(p, png).status == 200, 10), "there is a place again"
        assert wait_until(lambda: status(p)["slow_uploads"] >= 5, 10), status(p)
        for c in slow:
            c.sendall(png[20:])
            assert c.makefile("rb").readline().split()[1] == b"200"


@pytest.fixture
def stuck(start_pixpool):
    """Its one worker is busy until p.release is called."""
    p = start_pixpool(test_build=True, workers=1, queue=40, memory_limit="1G", deadline="60s")
    with Client(str(p.socket)) as c:
        c.send(request("/img/photo.jpg?x-test=hang"))
        assert wait_until(lambda: status(p)["running_ms"] is not None and status(p)["admitted"] == 1, 10)
        p.release = c.close
        yield p


def test_uploads_that_wait_are_not_in_memory(stuck):
    """30 of 4 MB: three of them are read, for the worker and beside it."""
    png = large_png(stuck, 4_000_000)
    before = resident(stuck.gateway())
    with ThreadPoolExecutor(30) as pool:
        answers = [pool.submit(upload, stuck, png) for _ in range(30)]
        assert wait_until(lambda: status(stuck)["waiting"] == 30, 20), status(stuck)
        stuck.release()
        assert [a.result().status for a in answers] == [200] * 30
    most = resident(stuck.gateway(), "VmHWM")
    assert most - before < 12 * 4_000_000, f"{(most - before) / 1e6:.0f} MB for 30 bodies of 4 MB"


def test_who_leaves_before_its_turn_is_gone(stuck):
    png = large_png(stuck, 200_000)
    with ExitStack() as stack:
        waiting = [begin(stack, stuck, len(png), png[:60000]) for _ in range(20)]
        assert wait_until(lambda: status(stuck)["admitted"] == 21, 10)
        for c in waiting:
            c.close()
        assert wait_until(lambda: status(stuck)["admitted"] == 1 and status(stuck)["waiting"] == 0, 10), status(stuck)
    stuck.release()
    assert upload(stuck, png).status == 200


def test_the_deadline_holds_for_who_waits_for_its_turn(stuck):
    png = large_png(stuck, 200_000)
    with ThreadPoolExecutor(10) as pool:
        late = [pool.submit(upload, stuck, png, **{"X-Request-Deadline-Ms": "700"}) for _ in range(10)]
        for a in late:
            assert a.result().status == 503 and int(a.result().headers["Retry-After"]) >= 1
    stuck.release()
    assert upload(stuck, png).status == 200


def test_what_is_refused_at_sight_does_not_wait_for_a_turn(stuck):
    """The turns are all taken, and the worker as well."""
    png = large_png(stuck, 200_000)
    with ExitStack() as stack, ThreadPoolExecutor(5) as pool:
        others = [pool.submit(upload, stuck, png) for _ in range(5)]
        assert wait_until(lambda: status(stuck)["waiting"] == 5, 10)
        assert upload(stuck, b"no image").status == 415
        stuck.release()
        assert [o.result().status for o in others] == [200] * 5
