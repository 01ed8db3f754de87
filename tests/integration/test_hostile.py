"""Peers that mean harm, more of them than there are threads: the others are served all the while."""

import os
from contextlib import ExitStack

import pytest

from client import http
from conftest import wait_until
from fcgi_client import PARAMS, STDIN, Client, begin, header, pair, parameters, record, request, stream


def served(p, n=15):
    answers = [http("GET", f"{p.url}/img/photo.jpg?w={30 + i}") for i in range(n)]
    return [a.status for a in answers] == [200] * n and http("GET", f"{p.url}/healthz").status == 200


LARGE = "/img/photo.jpg?w=1500&enlarge=1&format=png&effort=0&v=%d"


def test_who_never_reads_does_not_hold_a_place_for_ever(start_pixpool):
    """More large answers than threads that nobody takes: each costs at most write_timeout, and the queue is free again."""
    p = start_pixpool(workers=1, queue=6, write_timeout="1s")
    with ExitStack() as stack:
        for i in range(60):
            stack.enter_context(Client(str(p.socket))).send(request(LARGE % i))
        assert wait_until(lambda: http("GET", f"{p.url}/healthz").status == 200, 5)
        assert wait_until(lambda: served(p), 30)


@pytest.mark.parametrize("cached", [False, True], ids=["results", "cached ones"])
def test_more_who_never_read_than_threads(start_pixpool, tmp_path, cached):
    """Their answers wait for them, and nobody else does; who takes up reading gets the whole."""
    keys = {"cache_dir": tmp_path} if cached else {}
    p = start_pixpool(workers=1, queue=3, write_timeout="60s", memory_limit="1G", **keys)
    threads = len(os.listdir(f"/proc/{p.gateway()}/task"))
    url = "/img/photo.jpg?w=1000&format=png&effort=0"
    whole = http("GET", p.url + url).body
    assert len(whole) > 400_000, "more than a socket holds"
    with ExitStack() as stack:
        slow = []
        for i in range(threads + 10):
            slow.append(stack.enter_context(Client(str(p.socket))))
            slow[-1].send(request(url if cached else f"{url}&v={i}"))
            slow[-1].fill(1)  # the answer has begun
        assert served(p)
        told = lambda: http("GET", f"{p.url}/status.json").json()["queue"]["slow_readers"]
        assert wait_until(lambda: told() == len(slow), 20)
        for c in slow[::7]:
            assert c.read_response().body == whole
        assert served(p)
    assert wait_until(lambda: b"\npixpool_inflight_bytes 0\n" in http("GET", f"{p.url}/metrics").body, 20)
    assert p.log().count("route=img") >= threads + 10


@pytest.mark.parametrize("params", [
    pytest.param(b"".join(pair(f"K{i}", "") for i in range(8000)), id="8000 names"),
    pytest.param(pair("", "") * 30000, id="30000 empty pairs"),
    pytest.param(pair("HTTP_X_LONG", "x" * 60000), id="a value of 60 KB"),
])
def test_params_bombs_are_requests_like_others_or_none(start_pixpool, params):
    p = start_pixpool(workers=1, queue=6)
    with ExitStack() as stack:
        for _ in range(40):
            c = stack.enter_context(Client(str(p.socket)))
            own = b"".join(pair(k, v) for k, v in parameters("/healthz").items())
            c.send(begin() + stream(PARAMS, own + params) + record(STDIN))
        assert served(p)


def test_a_header_without_end_is_given_up(start_pixpool):
    p = start_pixpool(workers=1, queue=6, header_timeout="1s")
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(str(p.socket))) for _ in range(40)]
        for c in clients:
            c.send(begin() + record(PARAMS, pair("A", "b" * 100)) * 300)
        assert served(p)
        assert all(c.closed(10) for c in clients)


def test_all_of_them_together(start_pixpool):
    p = start_pixpool(workers=1, queue=8, header_timeout="2s", body_timeout="2s", write_timeout="2s")
    upload = header(parameters("/api/images/process?w=10", "POST", 100_000, CONTENT_TYPE="image/jpeg"))
    with ExitStack() as stack:
        for i in range(30):
            for what in (b"", begin(), begin() + record(PARAMS, b"\x0f\x0f"), upload, upload + record(STDIN, b"x"),
                         request(LARGE % i)):
                c = stack.enter_context(Client(str(p.socket)))
                if what:
                    c.send(what)
        assert wait_until(lambda: served(p), 30)
    assert wait_until(lambda: served(p, 30), 10)
