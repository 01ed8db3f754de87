"""Peers that misbehave, at the FastCGI socket itself: whatever they do, the next request is served."""

import os
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import wait_until
from fcgi_client import (
    AUTHORIZER,
    GET_VALUES,
    GET_VALUES_RESULT,
    PARAMS,
    STDERR,
    STDIN,
    UNKNOWN_TYPE,
    Client,
    Closed,
    ProtocolError,
    begin,
    header,
    pairs,
    parameters,
    record,
    request,
    stream,
)
from peers import UPLOAD, alive, hasty, patient, photo  # noqa: F401: fixtures


# Answers.


def test_an_answer_is_exactly_one_well_formed_stream(hasty):
    with Client(hasty.socket) as c:
        r = c.ask("/img/photo.jpg?w=300")
        assert r.status == 200
        assert int(r.headers["content-length"]) == len(r.body)
        assert r.body[:2] == b"\xff\xd8" and r.body[-2:] == b"\xff\xd9"
        assert r.headers["x-content-type-options"] == "nosniff"
        assert "decode;dur=" in r.headers["server-timing"]
        assert c.closed()


def test_the_request_id_is_any_the_server_chose(hasty):
    for rid in (1, 2, 255, 256, 65535):
        with Client(hasty.socket) as c:
            c.send(request("/healthz", request_id=rid))
            assert c.read_response(rid).status == 200


@pytest.mark.parametrize("uri, kept", [
    ("/img/photo.jpg?w=0", "1"), ("/img/photo.jpg?expires=1", "1"), ("/img/broken/text.jpg", "1"),
    ("/img/photo.jpg?explain=1", None),  # another address is told more
    ("/img/photo.jpg?w=30", None), ("/img/nothing.jpg", None), ("/api/options?x=", None), ("/status", None),
])
def test_only_pictures_are_displaced_by_refusals(hasty, uri, kept):
    """In nginx's cache; see conf/nginx/cached.conf."""
    with Client(hasty.socket) as c:
        r = c.ask(uri, REMOTE_ADDR="192.0.2.1")
    assert r.headers.get("x-accel-expires") == kept
    if kept:
        assert r.status in (400, 410, 415) and r.headers["cache-control"] == "no-store"


def test_keep_conn_over_hundreds_of_requests(hasty, photo):
    image = None
    with Client(hasty.socket) as c:
        for i in range(300):
            if i % 50 == 0:
                r = c.ask("/img/photo.jpg?w=400", keep=True)
                assert image in (None, r.body)
                image = r.body
            elif i % 50 == 1:
                r = c.ask(UPLOAD, "POST", photo, keep=True, CONTENT_TYPE="image/jpeg")
            elif i % 3 == 0:
                assert c.ask("/nothing", keep=True).status == 404
                continue
            else:
                r = c.ask("/healthz", method="HEAD" if i % 2 else "GET", keep=True)
            assert r.status == 200
        c.send(request("/healthz"))  # without the flag: the last one
        assert c.read_response().status == 200
        assert c.closed()


# Headers in pieces, and none.


def test_every_split_of_a_request(hasty):
    data = request("/healthz")
    for at in range(1, len(data)):
        with Client(hasty.socket) as c:
            c.send(data[:at])
            if at % 8 == 0:
                time.sleep(0.005)
            c.send(data[at:])
            assert c.read_response().status == 200, at


def test_a_request_in_small_pieces(hasty, photo):
    data = request(UPLOAD, "POST", photo, CONTENT_TYPE="image/jpeg")
    for size in (16, 61, 509, 4096):
        with Client(hasty.socket) as c:
            c.send_pieces(data, size)
            assert c.read_response().status == 200, size


def test_params_and_stdin_in_records_of_any_size(hasty, photo):
    for size in (1, 3, 100, 1000):
        params = pairs(parameters(UPLOAD, "POST", len(photo), CONTENT_TYPE="image/jpeg"))
        with Client(hasty.socket) as c:
            c.send(begin(keep=True) + stream(PARAMS, params, size=max(size, 8)) + stream(STDIN, photo, size=size))
            assert c.read_response().status == 200
            assert c.ask("/healthz").status == 200


def half_sent(p):
    data = request("/healthz")
    half = [Client(p.socket) for _ in range(60)]  # more than there are threads
    for i, c in enumerate(half):
        c.send(data[: 1 + i % (len(data) - 17)])
    return half


def test_half_sent_headers_hold_no_thread(patient):
    half = half_sent(patient)
    assert alive(patient)
    for c in half:
        c.close()


def test_half_sent_headers_meet_the_timeout(hasty):
    half = half_sent(hasty)
    assert all(c.closed(20) for c in half)
    for c in half:
        c.close()


def test_silent_and_kept_connections_hold_no_thread(hasty):
    silent = [Client(hasty.socket) for _ in range(100)]
    for c in silent[::2]:
        assert c.ask("/healthz", keep=True).status == 200
    assert alive(hasty)
    assert all(c.closed(20) for c in silent), "idle_timeout"
    for c in silent:
        c.close()


def test_headers_over_64_kb(hasty):
    with Client(hasty.socket) as c:
        c.send(header(parameters("/healthz", HTTP_COOKIE="x" * 60000)) + record(STDIN))
        assert c.read_response().status == 200
    with Client(hasty.socket) as c:
        try:
            c.send(header(parameters("/healthz", HTTP_COOKIE="x" * 66000)) + record(STDIN))
        except ConnectionError:
            pass
        assert c.closed()
    assert alive(hasty)


# Other records.


def test_get_values(hasty):
    with Client(hasty.socket) as c:
        c.send(record(GET_VALUES, pairs({"FCGI_MAX_CONNS": "", "FCGI_MPXS_CONNS": "", "WHO": ""}), 0, padding=3))
        kind, rid, content = c.read_record()
        assert (kind, rid) == (GET_VALUES_RESULT, 0)
        assert b"FCGI_MPXS_CONNS0" in content and b"WHO" not in content
        c.send(record(99, b"what", 0))
        assert c.read_record() == (UNKNOWN_TYPE, 0, b"c" + b"\0" * 7)
        assert c.ask("/healthz", keep=True).status == 200
        c.send(record(GET_VALUES, pairs({"FCGI_MAX_REQS": ""}), 0))
        assert c.read_record()[0] == GET_VALUES_RESULT


def test_other_roles_are_refused(hasty):
    with Client(hasty.socket) as c:
        c.send(begin(7, AUTHORIZER) + stream(PARAMS, b"", 7))
        assert c.read_record() == (3, 7, b"\0\0\0\0\3\0\0\0")
        assert c.closed()


def test_names_that_claim_gigabytes(hasty):
    for lie in (b"\xff" * 8, b"\x7f\xff\xff\xff" * 2, b"\x80\x00\xff\xff\x01"):
        with Client(hasty.socket) as c:
            c.send(begin() + record(PARAMS, lie) + record(PARAMS) + record(STDIN))
            assert c.closed()
        with Client(hasty.socket) as c:  # inside of STDIN, where libfcgi meets it
            c.send(header(parameters(UPLOAD, "POST", 5)) + record(GET_VALUES, lie, 0) + stream(STDIN, b"hello"))
            try:
                assert c.read_response().status >= 400
            except (ProtocolError, Closed):
                pass
    assert alive(hasty)


def test_garbage(hasty, photo):
    """Random bytes, and sound requests with random bytes in them."""
    rng = random.Random(20240229)
    gateway = hasty.gateway()
    sound = request(UPLOAD, "POST", photo[:300], keep=True, CONTENT_TYPE="image/jpeg")
    for i in range(300):
        data = bytearray(sound if i % 3 else rng.randbytes(rng.randrange(1, 400)))
        for _ in range(rng.randrange(1, 5)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        with Client(hasty.socket, timeout=0.02) as c:
            try:
                c.send(bytes(data))
                c.read_response()
            except (OSError, ProtocolError, Closed, ValueError, KeyError):
                pass
    assert wait_until(lambda: alive(hasty), 20)
    assert hasty.gateway() == gateway, "the same gateway, not another"


# Many, and the end.


def test_more_peers_than_threads(patient):
    """Each gets an answer of its own: 503, until there is room."""

    def visit(i):
        r = None
        while r is None or r.status == 503:
            time.sleep(0.02)
            with Client(patient.socket, timeout=60) as c:
                r = c.ask(f"/img/photo.jpg?w={20 + i % 50}", HTTP_X_REQUEST_ID=f"visit-{i}")
                assert r.headers["x-request-id"] == f"visit-{i}"
        return r.status, int(r.headers["x-image-width"]) - i % 50

    with ThreadPoolExecutor(64) as ex:
        assert set(ex.map(visit, range(400))) == {(200, 20)}


def test_sigterm_serves_what_was_accepted(start_pixpool):
    p = start_pixpool(nginx=False, workers=1, grace="20s")
    gateway = p.gateway()
    kept = Client(p.socket)
    assert kept.ask("/healthz", keep=True).status == 200
    fresh = Client(p.socket)
    half = Client(p.socket)
    data = request("/img/photo.jpg?w=40")
    half.send(data[:60])
    time.sleep(0.1)  # until both are accepted; the fresh one has a second then
    os.kill(gateway, signal.SIGTERM)
    assert kept.closed(), "an idle kept connection ends at once"
    assert fresh.ask("/healthz", keep=True).status == 200
    assert fresh.read_record() == (STDERR, 1, b""), "which makes nginx let go"
    assert fresh.closed(), "and no longer kept"
    half.send(data[60:])
    assert half.read_response().status == 200
    for c in (kept, fresh, half):
        c.close()


def test_a_reload_of_peers_during_a_drain_ends_in_time(start_pixpool):
    """Peers that never end do not hold the process beyond grace."""
    p = start_pixpool(nginx=False, workers=1, grace="1s", header_timeout="60s", idle_timeout="60s")
    data = request("/healthz")
    peers = [Client(p.socket) for _ in range(20)]
    for i, c in enumerate(peers):
        c.send(data[: i * 3])
    time.sleep(0.1)
    start = time.monotonic()
    assert p.stop() == 0
    assert time.monotonic() - start < 12
    for c in peers:
        c.close()
