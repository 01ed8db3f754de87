"""A bounded queue: what does not fit is refused at once and truthfully, and health never waits."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from client import http
from fcgi_client import STDIN, Client, header, parameters, record


@pytest.fixture
def stuck(start_pixpool):
    """One worker and two places in the queue, all three taken by requests that hang until their deadline."""
    p = start_pixpool(test_build=True, workers=1, queue=2, deadline="4s")
    name = "photo.jpg"
    p.image = f"{p.url}/img/{name}"
    hung = [threading.Thread(target=http, args=("GET", f"{p.image}?x-test=hang&v={i}")) for i in range(3)]
    for t in hung:
        t.start()
    time.sleep(0.7)  # a probe for the moment when the queue is full would itself take a place in it
    yield p
    for t in hung:
        t.join()


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


def test_waiting_past_the_deadline_is_a_503_and_the_place_is_free_again(start_pixpool):
    p = start_pixpool(test_build=True, workers=1, queue=4, deadline="1s")
    name = "photo.jpg"
    with ThreadPoolExecutor(2) as ex:
        first = ex.submit(http, "GET", f"{p.url}/img/{name}?x-test=hang")
        time.sleep(0.2)
        second = ex.submit(http, "GET", f"{p.url}/img/{name}?x-test=hang&v=2")
        statuses = (first.result().status, second.result().status)
    # The second began 0.2 s later, so it got the worker with 0.2 s left, and was killed as well.
    assert statuses == (504, 504)
    for i in range(20):
        assert http("GET", f"{p.url}/img/{name}?w={20 + i}").status == 200


def test_memory_in_flight_is_refused_like_a_full_queue(start_pixpool):
    """Two 20 MB bodies do not fit into the 32 MB that are left for bodies; the second is told so at once."""
    p = start_pixpool(workers=1, queue=16, max_body="32M", worker_memory="64M", memory_limit="96M")
    image = {"Content-Type": "image/jpeg"}
    url = f"{p.url}/api/images/process?w=10"
    with Client(str(p.socket)) as slow:  # nginx would wait for the whole body before it connects
        slow.send(header(parameters("/api/images/process?w=10", "POST", 20_000_000, CONTENT_TYPE="image/jpeg")))
        slow.send(record(STDIN, b"x" * 1000))
        time.sleep(0.3)
        a = http("POST", url, b"x" * 20_000_000, image)
        assert a.status == 503
        assert int(a.headers["Retry-After"]) >= 1
    limit = time.monotonic() + 5
    while time.monotonic() < limit:
        if http("POST", url, b"x" * 20_000_000, image).status == 415:
            return
        time.sleep(0.05)
    pytest.fail("the reservation of the client that left was not given back")


def test_slow_uploads_leave_a_way_through(start_pixpool):
    """More uploads that never end than there are places and threads: requests without a body go on being served."""
    p = start_pixpool(workers=1, queue=7)
    upload = header(parameters("/api/images/process?w=10", "POST", 100_000, CONTENT_TYPE="image/jpeg"))
    with ExitStack() as stack:
        for _ in range(80):
            stack.enter_context(Client(str(p.socket))).send(upload + record(STDIN, b"x"))
        time.sleep(0.3)
        assert [http("GET", f"{p.url}/img/photo.jpg?w={20 + i}").status for i in range(40)] == [200] * 40
        refused = http("POST", f"{p.url}/api/images/process?w=10", b"x" * 1000, {"Content-Type": "image/jpeg"})
        assert refused.status == 503
