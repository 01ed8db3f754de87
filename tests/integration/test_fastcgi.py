"""Peers that misbehave, at the FastCGI socket itself: whatever they do, the next request is served, and no byte of one
request is ever taken for another."""

import json
import os
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from client import http
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
from site_conf import run_site

UPLOAD = "/api/images/process?w=20"


@pytest.fixture(scope="module")
def hasty(start_pixpool_module):
    """Short timeouts; straight to the socket."""
    return start_pixpool_module(
        nginx=False, workers=2, queue=4, header_timeout="400ms", body_timeout="600ms", idle_timeout="900ms",
        write_timeout="1200ms",
    )


@pytest.fixture(scope="module")
def patient(start_pixpool_module):
    """No time limit that a test could meet: what is answered here did not wait for one to pass."""
    return start_pixpool_module(
        nginx=False, workers=2, queue=4, header_timeout="60s", body_timeout="60s", idle_timeout="60s", deadline="60s",
    )


@pytest.fixture
def photo(hasty):
    return (hasty.root / "turned.jpg").read_bytes()


def alive(p):
    with Client(p.socket) as c:
        return c.ask("/healthz").status == 200


def code(response):
    return json.loads(response.body)["code"]


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


def test_request_ids_go_into_the_answer_and_the_log(hasty):
    with Client(hasty.socket) as c:
        r = c.ask("/nowhere", HTTP_X_REQUEST_ID="trace-me.42")
    assert r.headers["x-request-id"] == "trace-me.42"
    assert b'"request_id":"trace-me.42"' in r.body

    def lines():  # written after the answer
        return [x for x in hasty.log().splitlines() if "id=trace-me.42" in x]

    assert wait_until(lines, 20)
    assert len(lines()) == 1 and "status=404" in lines()[0] and "method=GET" in lines()[0]


def test_slow_requests_say_what_was_asked(start_pixpool):
    p = start_pixpool(nginx=False, workers=1, slow_ms=1)
    with Client(p.socket) as c:
        assert c.ask("/img/photo.jpg?w=1100&q=77", HTTP_X_REQUEST_ID="slow-1").status == 200

    def lines(event):
        return [x for x in p.log().splitlines() if f"event={event} " in x and "id=slow-1" in x]

    assert wait_until(lambda: lines("slow"), 20)
    (access,), (slow,) = lines("request"), lines("slow")
    for part in ("status=200", "in=jpeg", "out=jpeg", "source=1200x800", "size=1100x", "decode_ms=", "worker="):
        assert part in access, access
    assert "level=warn" in slow and "1100" in slow and "77" in slow, slow


def test_no_log_line_is_forged(hasty):
    evil = '/x"\nevent=request id=forged status=200'
    with Client(hasty.socket) as c:
        c.send(header(parameters(evil, "GE\nT", HTTP_X_REQUEST_ID="a\nevent=forged")) + record(STDIN))
        assert c.read_response().status in (400, 404, 405)
    assert not [x for x in hasty.log().splitlines() if not x.startswith("time=")]


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


# Bodies.


@pytest.mark.parametrize("length", [None, "", "-1"])
def test_bodies_of_unknown_length(hasty, photo, length):
    with Client(hasty.socket) as c:
        assert c.ask(UPLOAD, "POST", photo, length=length, keep=True, CONTENT_TYPE="image/jpeg").status == 200
        assert c.ask("/healthz").status == 200


@pytest.mark.parametrize(
    "delta, expected", [(1, "body_short"), (100000, "body_short"), (-1, "body_long"), (-500, "body_long")]
)
def test_content_lengths_that_lie(hasty, photo, delta, expected):
    with Client(hasty.socket) as c:
        r = c.ask(UPLOAD, "POST", photo, length=len(photo) + delta, CONTENT_TYPE="image/jpeg")
        assert (r.status, code(r)) == (400, expected)


def test_a_length_that_is_no_number(hasty):
    with Client(hasty.socket) as c:
        r = c.ask(UPLOAD, "POST", b"x", length="1e3", CONTENT_TYPE="image/jpeg")
        assert (r.status, code(r)) == (400, "length_malformed")


def test_a_body_cut_off_with_its_connection_costs_nothing(hasty, photo):
    data = request(UPLOAD, "POST", photo, CONTENT_TYPE="image/jpeg")
    for at in range(len(data) - len(photo), len(data), 997):
        with Client(hasty.socket) as c:
            c.send(data[:at])
    assert wait_until(lambda: alive(hasty), 20)
    with Client(hasty.socket) as c:
        assert c.ask(UPLOAD, "POST", photo, CONTENT_TYPE="image/jpeg").status == 200


def test_a_dripping_body_is_a_408(hasty, photo):
    start = time.monotonic()
    with Client(hasty.socket) as c:
        c.send(header(parameters(UPLOAD, "POST", len(photo), CONTENT_TYPE="image/jpeg"), keep=True))
        for i in range(12):
            try:
                c.send(record(STDIN, photo[i * 10 : i * 10 + 10]))
            except ConnectionError:
                break
            time.sleep(0.06)
        r = c.read_response()
        assert (r.status, code(r)) == (408, "body_timeout")
        assert time.monotonic() - start > 0.5
        assert c.closed(20)


def begun_uploads(p, photo):
    slow = [Client(p.socket, timeout=30) for _ in range(40)]
    for c in slow:
        c.send(header(parameters(UPLOAD, "POST", len(photo), CONTENT_TYPE="image/jpeg")) + record(STDIN, photo[:10]))
    return slow


def test_dripping_uploads_leave_threads_for_others(patient, photo):
    slow = begun_uploads(patient, photo)
    assert all(alive(patient) for _ in range(10))
    for c in slow:
        c.close()


def test_dripping_uploads_are_late_or_too_many(hasty, photo):
    slow = begun_uploads(hasty, photo)
    statuses = [c.read_response().status for c in slow]
    assert set(statuses) == {408, 503}
    for c in slow:
        c.close()


def test_a_peer_that_does_not_read_loses_the_connection(hasty):
    """An answer larger than the socket takes: its thread comes back after write_timeout, and the rest is never sent."""
    big = "/img/photo.jpg?w=1200&format=png&effort=0"
    with Client(hasty.socket) as c:
        assert len(c.ask(big).body) > 400_000, "twice a socket's buffer"
    with Client(hasty.socket) as c:
        c.send(request(big, HTTP_X_REQUEST_ID="deaf"))
        assert wait_until(lambda: "id=deaf " in hasty.log(), 20), "the end of the request"
        assert alive(hasty)
        with pytest.raises(Closed):
            c.read_response()


def test_a_slow_reader_gets_everything(start_pixpool):
    """write_timeout is for each half megabyte: slower than that in all is fine."""
    p = start_pixpool(nginx=False, workers=1, write_timeout="4s")
    with Client(p.socket, timeout=30) as c:
        c.send(request("/img/photo.jpg?w=3600&enlarge=1&format=png&effort=0"))
        c.fill(1)
        start, size = time.monotonic(), 0
        while size < 1_600_000:  # half a megabyte in 1.5 s; when late, faster
            time.sleep(max(0, start + size / 350_000 - time.monotonic()))
            size += 50_000
            c.fill(size)
        assert time.monotonic() - start > 4
        assert c.read_response().status == 200


# Smuggling.


@pytest.mark.parametrize(
    "method, uri, claim",
    [("GET", "/healthz", None), ("GET", "/healthz", 0), ("POST", "/nowhere", "auto"), ("POST", "/healthz", 100)],
)
def test_no_part_of_a_body_becomes_a_request(hasty, method, uri, claim):
    """The body of a request that nobody asked for holds whole FastCGI requests one behind the other, at every offset:
    wherever reading stops, in one of the cases a request begins there. It must never be served."""
    inner = request("/img/photo.jpg?w=11", keep=True)

    def attack(shift):
        size = 150_000 if shift % 8 == 0 else 20_000
        body = (b"\0" * shift + inner * (size // len(inner) + 1))[:size]
        with Client(hasty.socket) as c:
            try:
                c.send(request(uri, method, body, keep=True, length=claim))
            except ConnectionError:
                pass  # it has answered and gone
            assert c.read_response().headers["content-type"] != "image/jpeg"
            try:  # what is small is read, and the connection kept
                assert c.ask("/healthz").headers["content-type"] != "image/jpeg", shift
            except (Closed, ConnectionError):
                pass

    with ThreadPoolExecutor(8) as ex:
        for a in [ex.submit(attack, shift) for shift in range(len(inner))]:
            a.result()
    assert "size=11x" not in hasty.log()


def test_no_part_of_an_upload_becomes_a_request(hasty, photo):
    """The same where the body is read: CONTENT_LENGTH ends before the hidden request."""
    inner = request("/img/photo.jpg?w=11", keep=True)
    for offset in (len(photo), len(photo) + 1, 8192, 20000):
        body = photo.ljust(offset, b"\0") + inner
        with Client(hasty.socket) as c:
            c.send(request(UPLOAD, "POST", body, keep=True, length=offset, CONTENT_TYPE="image/jpeg"))
            r = c.read_response()
            assert (r.status, code(r)) == (400, "body_long")
            assert c.closed()


KEPT = "upstream pixpool { server unix:%s; keepalive 4; }"
KEEPING = """
    client_max_body_size 8m;
    location / {
        include /etc/nginx/fastcgi_params;
        fastcgi_keep_conn on;
        fastcgi_request_buffering %s;
        fastcgi_pass pixpool;
    }
"""


@pytest.mark.parametrize("buffering", ["on", "off"])
def test_smuggling_through_nginx(start_pixpool, buffering):
    """nginx keeps its connections to pixpool, and the requests of others go over them: what an attacker's body holds
    must never be answered, or a visitor gets the attacker's answer."""
    p = start_pixpool(nginx=False, workers=1)
    run_site(p, KEEPING % buffering, KEPT % p.socket)
    inner = request("/img/photo.jpg?w=11", keep=True)
    refused = ["GET /healthz 200", "POST /healthz 405", "POST /api/images/process?w=0 400", "POST /nowhere 404"]

    def attack(i):
        """Hidden requests one behind the other, shifted by every offset that there is: wherever reading stops, one of
        the attacks has a request begin there. Small bodies are read, large ones are not."""
        method, uri, status = refused[i % len(refused)].split()
        body = (b"\0" * (i % len(inner)) + inner * (150_000 // len(inner) + 1))[: 150_000 if i % 3 else 20_000]
        try:
            return http(method, p.url + uri, body, {"Content-Type": "image/jpeg"}).status, int(status)
        except ConnectionError:  # nginx closes while the rest of the body is on its way
            return int(status), int(status)

    def visit(i):
        a = http("GET", f"{p.url}/img/nothing-{i}.jpg", headers={"X-Request-Id": f"visit-{i}"})
        return a.status, a.headers["X-Request-Id"]

    with ThreadPoolExecutor(8) as ex:
        attacks, visits = [], []
        for i in range(13 * len(inner)):  # so that each offset meets each way to be refused and each size
            attacks.append(ex.submit(attack, i))
            visits.append(ex.submit(visit, i))
        for a in attacks:
            # 502: nginx chose a kept connection at the moment at which pixpool, which had not read the end of another
            # attacker's body, closed it. GETs without a body are repeated by nginx, and must never see this.
            got, expected = a.result()
            assert got in (expected, 502)
        assert [v.result() for v in visits] == [(404, f"visit-{i}") for i in range(len(visits))]
    assert "size=11x" not in p.log(), "a hidden request was served"


def test_stdin_that_does_not_end_is_not_kept(patient):
    with Client(patient.socket) as c:
        c.send(header(parameters("/healthz"), keep=True))
        assert c.read_response().status == 200
        assert c.closed()


def test_pipelined_requests_get_one_answer(hasty):
    with Client(hasty.socket) as c:
        c.send(request("/healthz", keep=True) * 5)
        assert c.read_response().status == 200
        assert c.closed()


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
