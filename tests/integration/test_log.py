"""The log: one line a request, with what it was and what became of it, and no line that a client wrote."""

from answers import image
from client import http
from conftest import wait_until
from fcgi_client import STDIN, Client, header, parameters, record
from peers import hasty  # noqa: F401: a fixture


def test_the_access_line(pixpool):
    image(http("GET", f"{pixpool.url}/img/photo.jpg?h=50&width=63&fit=inside", headers={"X-Request-Id": "line-1"}))
    assert wait_until(lambda: "id=line-1 " in pixpool.log(), 5)  # it is written after the answer
    line = next(x for x in pixpool.log().splitlines() if "id=line-1 " in x)
    for part in ("status=200", "route=img", "in=jpeg", "source=1200x800", "out=jpeg", "size=63x42", "worker="):
        assert part in line, line


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
