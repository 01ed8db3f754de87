"""Uploads beside each other: slow ones keep nobody out, and those that wait are not in memory."""

import io
import os
import re
import select
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from PIL import Image

from client import http, raw_socket
from conftest import wait_until
from fcgi_client import STDIN, Client, header, parameters, record, request
from pngs import chunk, promising

TSAN = "tsan" in os.environ.get("PIXPOOL_BUILD", "")  # it holds a multiple
PROCESS = "/api/images/process?w=10"


def upload(p, body, query="", **headers):
    return http("POST", f"{p.url}{PROCESS}{query}", body, {"Content-Type": "image/png"} | headers)


def queue(p):
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
    return png[:-12] + chunk(b"juNk", bytes(size)) + png[-12:]


def begin_slowly(stack, p, png, others):
    """One more that is let in beside so many others. It is not slow from its first moment on, so it may be refused until
    one before it is."""

    def let_in():
        c = begin(stack, p, len(png), png[:20])
        while queue(p)["admitted"] + queue(p)["slow_uploads"] <= others:
            if select.select([c.socket], [], [], 0.01)[0]:
                return None
        return c

    found = []
    assert wait_until(lambda: found.append(let_in()) or found[-1], 10), queue(p)
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
        assert queue(p)["slow_uploads"] >= 33
        assert [end(c, png[20:]).status for c in slow] == [200] * 40
    assert wait_until(lambda: (queue(p)["admitted"], queue(p)["slow_uploads"]) == (0, 0), 10)


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
        assert wait_until(lambda: queue(p)["slow_uploads"] >= 5, 10), queue(p)
        for c in slow:
            c.sendall(png[20:])
            assert c.makefile("rb").readline().split()[1] == b"200"


def test_silent_uploads_hold_no_turns(start_pixpool):
    """More of them than there are turns, of the largest size and with a good beginning; others have a second."""
    p = start_pixpool(workers=1, queue=20, deadline="1s", memory_limit="2G")
    png = large_png(p, 200_000)
    with ExitStack() as stack:
        for _ in range(8):
            begin(stack, p, 30_000_000, png[:60_000]).send(record(STDIN, bytes(30_000)))
        assert wait_until(lambda: queue(p)["admitted"] == 8, 10)
        assert [upload(p, png).status for _ in range(3)] == [200] * 3


@pytest.fixture
def stuck(start_pixpool):
    """Its one worker is busy until p.release is called."""
    p = start_pixpool(test_build=True, workers=1, queue=40, memory_limit="1G", deadline="60s")
    with Client(str(p.socket)) as c:
        c.send(request("/img/photo.jpg?x-test=hang"))
        assert wait_until(lambda: queue(p)["running_ms"] is not None and queue(p)["admitted"] == 1, 10)
        p.release = c.close
        yield p


@pytest.mark.parametrize("chunked", [False, True], ids=["known", "chunked"])
def test_uploads_that_wait_are_not_in_memory(stuck, chunked):
    """30 of 4 MB: three of them are read, for the worker and beside it."""
    png = large_png(stuck, 4_000_000)
    before = resident(stuck.gateway())
    body = (lambda: iter([png])) if chunked else lambda: png
    with ThreadPoolExecutor(30) as pool:
        answers = [pool.submit(upload, stuck, body()) for _ in range(30)]
        assert wait_until(lambda: queue(stuck)["waiting"] == 30, 20), queue(stuck)
        stuck.release()
        assert [a.result().status for a in answers] == [200] * 30
    most = resident(stuck.gateway(), "VmHWM")
    assert most - before < 12 * 4_000_000 or TSAN, f"{(most - before) / 1e6:.0f} MB for 30 bodies of 4 MB"


def test_who_leaves_before_its_turn_is_gone(stuck):
    """nginx has all of what they sent, or has passed it on, and tells that they are gone all the same."""
    png = large_png(stuck, 200_000)
    head = f"POST {PROCESS} HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: {len(png)}\r\n\r\n".encode()
    with ExitStack() as stack:
        leaving = [stack.enter_context(raw_socket(stuck.url)) for _ in range(20)]
        for c in leaving:
            c.sendall(head + png)
        assert wait_until(lambda: queue(stuck)["waiting"] == 20, 10), queue(stuck)
    assert wait_until(lambda: queue(stuck)["admitted"] == 1 and queue(stuck)["waiting"] == 0, 10), queue(stuck)
    stuck.release()
    assert upload(stuck, png).status == 200


def test_the_deadline_holds_for_who_waits_for_its_turn(stuck):
    png = large_png(stuck, 200_000)
    with ThreadPoolExecutor(10) as pool:
        late = [pool.submit(upload, stuck, png, **{"X-Request-Deadline-Ms": "700"}) for _ in range(10)]
        for a in late:
            assert a.result().status == 503 and int(a.result().headers["Retry-After"]) >= 1
    lines = [line for line in stuck.log().splitlines() if "status=503" in line]
    waited = [line for line in lines if "bytes_in=65536 " in line]
    assert len(waited) >= 7, "whose turn did not come was not read further"
    assert all(float(line.split("queue_ms=")[1].split()[0]) > 300 for line in waited), waited[0]
    stuck.release()
    assert upload(stuck, png).status == 200


def test_what_is_refused_at_sight_does_not_wait_for_a_turn(stuck):
    """The turns are all taken, and the worker as well."""
    png = large_png(stuck, 200_000)
    with ExitStack() as stack, ThreadPoolExecutor(5) as pool:
        others = [pool.submit(upload, stuck, png) for _ in range(5)]
        assert wait_until(lambda: queue(stuck)["waiting"] == 5, 10)
        assert upload(stuck, b"no image").status == 415
        stuck.release()
        assert [o.result().status for o in others] == [200] * 5


def cost(p):
    lanes = http("GET", f"{p.url}/status.json").json()["lanes"]
    return next(lane["cost_ms"] for lane in lanes if lane["name"] == "upload")


def test_the_cost_of_uploads_that_wait_is_known(stuck):
    """Though nearly all of them is with their clients still: four of 6 megapixels, and four like them of a few pixels."""
    large = io.BytesIO()
    Image.effect_noise((600, 400), 60).resize((3000, 2000)).convert("RGB").save(large, "PNG", compress_level=1)
    with ThreadPoolExecutor(20) as pool:
        fill = [pool.submit(upload, stuck, large_png(stuck, 200_000)) for _ in range(3)]
        assert wait_until(lambda: queue(stuck)["waiting"] == 3, 10), "they have all turns"
        before = cost(stuck)
        few = [pool.submit(upload, stuck, large_png(stuck, 200_000)) for _ in range(4)]
        assert wait_until(lambda: queue(stuck)["waiting"] == 7, 10)
        between = cost(stuck)
        many = [pool.submit(upload, stuck, large.getvalue()) for _ in range(4)]
        assert wait_until(lambda: queue(stuck)["waiting"] == 11, 20)
        assert cost(stuck) - between > 20 * (between - before)
        stuck.release()
        assert [a.result().status for a in fill + few + many] == [200] * 11


@pytest.mark.parametrize("first, status", [(promising(64000, 64000), 422), (b"Dear Sir or Madam, ", 415)],
                         ids=["promises too many pixels", "is no image"])
@pytest.mark.parametrize("door", [PROCESS, "/api/images/renditions?w=10", "/api/images/info"])
def test_what_the_beginning_forbids_is_told_before_the_rest(stuck, door, first, status):
    """Of 5 MB, with the worker and all turns taken, and nothing sent but the first 100 KB."""
    with ExitStack() as stack, ThreadPoolExecutor(3) as pool:
        others = [pool.submit(upload, stuck, large_png(stuck, 200_000)) for _ in range(3)]
        assert wait_until(lambda: queue(stuck)["waiting"] == 3, 10)
        c = stack.enter_context(Client(str(stuck.socket), timeout=30))
        c.send(header(parameters(door, "POST", 5_000_000, CONTENT_TYPE="application/octet-stream")))
        for piece in (first + bytes(50_000), bytes(50_000)):
            c.send(record(STDIN, piece))
        assert c.read_response().status == status
        stuck.release()
        assert [o.result().status for o in others] == [200] * 3
