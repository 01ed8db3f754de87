"""No byte of one request is ever taken for another, however bodies and kept connections are made up."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from client import http
from fcgi_client import Client, Closed, header, parameters, request
from peers import UPLOAD, code, hasty, patient, photo  # noqa: F401: fixtures
from site_conf import run_site


@pytest.mark.parametrize(
    "method, uri, claim",
    [("GET", "/healthz", None), ("GET", "/healthz", 0), ("POST", "/nowhere", "auto"), ("POST", "/healthz", 100)],
)
def test_no_part_of_a_body_becomes_a_request(patient, method, uri, claim):
    """The body of a request that nobody asked for holds whole FastCGI requests one behind the other, at every offset:
    wherever reading stops, in one of the cases a request begins there. It must never be served."""
    inner = request("/img/photo.jpg?w=11", keep=True)

    def attack(shift):
        size = 150_000 if shift % 8 == 0 else 20_000
        body = (b"\0" * shift + inner * (size // len(inner) + 1))[:size]
        with Client(patient.socket) as c:
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
    assert "size=11x" not in patient.log()


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
