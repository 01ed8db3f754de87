"""Bodies that lie about their length, drip or break off, and answers that are read slowly or not at all."""

import time

import pytest

from conftest import wait_until
from fcgi_client import STDIN, Client, Closed, header, parameters, record, request
from peers import UPLOAD, alive, code, hasty, patient, photo  # noqa: F401: fixtures


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
