"""A bounded queue: what does not fit is refused at once and truthfully, and health never waits."""

import select
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from client import http
from conftest import wait_until
from fcgi_client import STDIN, Client, header, parameters, record, request
from pngs import promising


@pytest.fixture
def stuck(start_pixpool):
    """One worker and two places in the queue, all three taken by requests that hang until their clients leave. More
    than three are sent: once all others are refused, the three are in."""
    p = start_pixpool(test_build=True, workers=1, queue=2, deadline="120s")
    name = "photo.jpg"
    p.image = f"{p.url}/img/{name}"
    with ExitStack() as stack:
        waiting = [stack.enter_context(Client(str(p.socket))) for _ in range(9)]
        for i, c in enumerate(waiting):
            c.send(request(f"/img/{name}?x-test=hang&v={i}"))
        limit = time.monotonic() + 20
        while len(waiting) > 3 and time.monotonic() < limit:
            answered, _, _ = select.select([c.socket for c in waiting], [], [], 1)
            waiting = [c for c in waiting if c.socket not in answered]
        assert len(waiting) == 3
        yield p


def test_the_request_beyond_the_queue_gets_503_with_retry_after(stuck):
    a = http("GET", f"{stuck.image}?w=10")
    assert a.status == 503
    assert int(a.headers["Retry-After"]) >= 1
    problem = a.json()
    assert a.headers["Content-Type"] == "application/problem+json"
    assert problem["code"] == "busy"
    assert problem["retry_after"] == int(a.headers["Retry-After"])
    assert a.headers["Cache-Control"] == "no-store"


def test_uploads_are_refused_before_their_body_is_read_and_the_answer_arrives(stuck):
    for _ in range(10):
        a = http("POST", f"{stuck.url}/api/images/process?w=10", body=b"x" * 3_000_000,
                 headers={"Content-Type": "image/jpeg"})
        assert a.status == 503, "never the front end's 502"


def test_health_answers_however_full_the_queue_is(stuck):
    with ThreadPoolExecutor(40) as ex:
        busy = [ex.submit(http, "GET", f"{stuck.image}?w={10 + i}") for i in range(200)]
        health = [http("GET", f"{stuck.url}/healthz").status for _ in range(50)]
        assert Counter(b.result().status for b in busy) == {503: 200}
    assert health == [200] * 50


def test_what_needs_no_worker_is_answered_when_the_queue_is_full(stuck):
    assert http("HEAD", f"{stuck.image}?w=10").status == 200
    assert http("GET", f"{stuck.image}?w=0").status == 400
    assert http("GET", f"{stuck.url}/img/nothing.jpg").status == 404
    assert http("GET", f"{stuck.url}/readyz").status == 200


def test_waiting_past_the_deadline_gives_the_place_back(start_pixpool):
    p = start_pixpool(test_build=True, workers=1, queue=4, deadline="3s")
    name = "photo.jpg"
    with ThreadPoolExecutor(2) as ex:
        first = ex.submit(http, "GET", f"{p.url}/img/{name}?x-test=hang")
        time.sleep(0.2)
        second = ex.submit(http, "GET", f"{p.url}/img/{name}?x-test=hang&v=2")
        statuses = {first.result().status, second.result().status}
    # Whichever came second waited nearly all of its time: it got the next worker and was killed as well, or got none.
    assert statuses in ({504}, {503, 504})
    for i in range(20):
        assert http("GET", f"{p.url}/img/{name}?w={20 + i}").status == 200


def test_memory_in_flight_is_refused_like_a_full_queue(start_pixpool):
    """Two 25 MB bodies do not fit into the 40 MB that are left for requests; the second is told so at once."""
    p = start_pixpool(workers=1, queue=16, max_body="32M", max_result="8M", worker_memory="64M",
                      memory_limit="104M")

    def upload():
        body = promising(64, 64) + bytes(25_000_000)
        return http("POST", f"{p.url}/api/images/process?w=10", body, {"Content-Type": "image/png"})

    with Client(str(p.socket)) as slow:
        slow.send(header(parameters("/api/images/process?w=10", "POST", 25_000_000, CONTENT_TYPE="image/png")))
        for piece in (promising(64, 64), bytes(50_000), bytes(50_000)):  # more than what is looked at first
            slow.send(record(STDIN, piece))
        assert wait_until(lambda: upload().status == 503, 20, 0.2), "the first has its share before long"
        assert int(upload().headers["Retry-After"]) >= 1
    assert wait_until(lambda: upload().status in (200, 422), 20, 0.05), "the share of a client that left is given back"


def test_slow_readers_do_not_hold_the_queue(start_pixpool):
    """As many as there are places take a large answer and do not read it: their work is done."""
    p = start_pixpool(workers=1, queue=3)
    with ExitStack() as stack:
        for i in range(4):
            c = stack.enter_context(Client(str(p.socket)))
            c.send(request(f"/img/photo.jpg?w=1500&enlarge=1&format=png&effort=0&v={i}"))
            c.fill(1)  # the answer has begun
        answers = [http("GET", f"{p.url}/img/photo.jpg?w={20 + i}") for i in range(20)]
        assert [a.status for a in answers] == [200] * 20, answers[0].body


def test_slow_uploads_leave_a_way_through(start_pixpool):
    """More uploads that never end than there are places and threads: requests without a body go on being served."""
    p = start_pixpool(workers=1, queue=7)
    upload = header(parameters("/api/images/process?w=10", "POST", 100_000, CONTENT_TYPE="image/jpeg"))
    sound = (p.root / "plain.png").read_bytes()  # what is no image would be told so
    with ExitStack() as stack:
        for _ in range(80):
            stack.enter_context(Client(str(p.socket))).send(upload + record(STDIN, b"x"))

        def refused():
            a = http("POST", f"{p.url}/api/images/process?w=10", sound, {"Content-Type": "image/png"})
            return a.status == 503

        assert wait_until(refused, 20), "all places for uploads are taken"
        assert [http("GET", f"{p.url}/img/photo.jpg?w={20 + i}").status for i in range(40)] == [200] * 40


@pytest.mark.parametrize("pause", [0, 0.5], ids=["at once", "late"])
def test_a_peer_that_looks_only_when_it_has_sent_all_finds_its_answer(stuck, pause):
    """As Caddy does: it takes a pipe that breaks meanwhile for a failure, and its client gets a 502."""
    body = bytes(10 << 20)
    with Client(str(stuck.socket)) as c:
        c.send(header(parameters("/api/images/process?w=10", "POST", len(body))))
        time.sleep(pause)
        for at in range(0, len(body), 65535):
            c.send(record(STDIN, body[at : at + 65535]))
        c.send(record(STDIN))
        answer = c.read_response()
    assert answer.status == 503 and int(answer.headers["retry-after"]) >= 1
