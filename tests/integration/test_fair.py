"""Who is served when, with one worker: two batches take turns, and whoever wants a thumbnail goes before both. Judged by
the order in which answers come, not by the clock."""

import os
import select
import signal

from client import multipart, raw_socket
from conftest import wait_until
from metrics import value
from samples import encoded, scene

FILES = 8
LINE = b'"status":200'
RESULT = {"A": LINE, "B": LINE, "thumb": b"HTTP/1.1 200"}


def photograph():
    """One that takes much longer to make than its result takes to arrive."""
    return encoded(scene((1600, 1200)), "JPEG", quality=90)


def send(p, method, target, body=b"", type="text/plain", accept="*/*"):
    s = raw_socket(p.url)
    s.sendall(f"{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {type}\r\nAccept: {accept}\r\n"
              f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
    return s


def served(sockets):
    """Names of the sockets, one for each result that comes, in the order in which they come."""
    order, seen = [], {s: b"" for s in sockets}
    open_ones = set(sockets)
    while open_ones:
        for s in select.select(open_ones, [], [], 60)[0]:
            data = s.recv(65536)
            if not data:
                open_ones.remove(s)
            results = RESULT[sockets[s]]
            before = seen[s].count(results)
            seen[s] += data
            order += [sockets[s]] * (seen[s].count(results) - before)
    return order


def test_batches_take_turns_and_a_thumbnail_goes_first(start_pixpool):
    p = start_pixpool(workers=1, deadline="60s")
    photo = photograph()
    body, type = multipart([("file", photo, f"{i}.jpg", "image/jpeg") for i in range(FILES)])
    worker, = p.workers()
    os.kill(worker, signal.SIGSTOP)
    try:
        batches = {send(p, "POST", "/api/images/batch?format=webp", body, type, "application/x-ndjson"): name for name in "AB"}
        assert wait_until(lambda: value(p, "pixpool_inflight_bytes") >= 2 * FILES * len(photo), 20), "both are in"
        thumb = send(p, "GET", "/img/photo.jpg?w=50")
        assert wait_until(lambda: value(p, 'pixpool_queue_depth{lane="interactive"}') == 1, 20)
    finally:
        os.kill(worker, signal.SIGCONT)
    order = served(batches | {thumb: "thumb"})
    assert order.index("thumb") <= 2, f"at most the item that was at work came before it: {order}"
    turns = [name for name in order if name != "thumb"]
    assert turns.count("A") == turns.count("B") == FILES
    ahead = [turns[:i].count("A") - turns[:i].count("B") for i in range(len(turns) + 1)]
    assert max(map(abs, ahead)) <= 3, f"neither batch runs ahead: {order}"
