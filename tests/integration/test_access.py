"""Who may do what, through nginx: the token, other origins, request ids, and what gets into the log."""

import pytest

from client import http, multipart
from conftest import wait_until

TOKEN = "tok3n-with.dots~and-more"


@pytest.fixture(scope="module")
def server(start_pixpool_module):
    return start_pixpool_module(api_token=TOKEN, cors_origins="https://a.example, https://b.example:8443")


@pytest.fixture
def upload(server):
    body, kind = multipart([("file", (server.root / "photo.jpg").read_bytes(), "photo.jpg", "image/jpeg")])
    return lambda **headers: http("POST", f"{server.url}/api/images/process?w=20", body,
                                  {"Content-Type": kind, **{k.replace("_", "-"): v for k, v in headers.items()}})


# The token.


def test_uploads_need_the_token(upload):
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}):
        answer = upload(**headers)
        assert answer.status == 401 and answer.json()["code"] == "token", headers
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert upload(Authorization=f"Bearer {TOKEN}").status == 200


def test_every_post_needs_the_token(server):
    paths = [line.split()[1].rstrip(",") for line in http("GET", f"{server.url}/api/nothing").json()["detail"].split(", ")
             if line.startswith("POST ")]
    assert len(paths) >= 2
    for path in [*paths, "/api/images/info"]:
        assert http("POST", server.url + path, b"x", {"Content-Type": "image/jpeg"}).status == 401, path


def test_images_need_no_token(server):
    assert http("GET", f"{server.url}/img/photo.jpg?w=20").status == 200


# Other origins.


@pytest.mark.parametrize("origin, allowed", [("https://a.example", True), ("https://b.example:8443", True),
                                             ("https://b.example", False), ("null", False), (None, False)])
def test_origins(server, origin, allowed):
    headers = {"Origin": origin} if origin else {}
    for path, status in (("/img/photo.jpg?w=20", 200), ("/img/nothing.jpg", 404), ("/img/photo.jpg?w=0", 400)):
        answer = http("GET", server.url + path, headers=headers)
        assert answer.status == status
        assert answer.headers["Access-Control-Allow-Origin"] == (origin if allowed else None)
        assert answer.headers.get_all("Vary") == ["Origin"]
        assert ("X-Image-Width" in (answer.headers["Access-Control-Expose-Headers"] or "")) == allowed


def test_vary_is_one_line(server):
    answer = http("GET", f"{server.url}/img/photo.jpg?w=20&format=auto", headers={"Origin": "https://a.example"})
    assert answer.headers.get_all("Vary") == ["Accept, Origin"]


def test_preflight(server):
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    answer = http("OPTIONS", f"{server.url}/api/images/process", headers={"Origin": "https://a.example", **asks})
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == "https://a.example"
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
    answer = http("OPTIONS", f"{server.url}/api/images/process", headers={"Origin": "https://evil.example", **asks})
    assert answer.status == 204 and answer.headers["Access-Control-Allow-Origin"] is None


def test_no_origins_by_default(pixpool):
    answer = http("GET", f"{pixpool.url}/img/photo.jpg?w=20", headers={"Origin": "https://a.example"})
    assert answer.headers["Access-Control-Allow-Origin"] is None and answer.headers["Vary"] is None
    assert http("OPTIONS", f"{pixpool.url}/img/photo.jpg", headers={"Origin": "https://a.example"}).status == 405


# Ids and log lines.


@pytest.mark.parametrize("given, taken", [("a.B-9_z", True), ("x" * 64, True), ("x" * 65, False), ("a b", False),
                                          ("a=b", False), ("a;b", False), ("\u00e9", False), ("", False)])
def test_request_ids(server, given, taken):
    answer = http("GET", f"{server.url}/healthz", headers={"X-Request-Id": given.encode("latin-1")})
    assert (answer.headers["X-Request-Id"] == given) == taken
    assert len(answer.headers["X-Request-Id"]) >= 8 or taken


def test_the_log_cannot_be_forged(server):
    http("GET", f"{server.url}/img/%22%20status=200%0aevent=forged.jpg", headers={"X-Request-Id": "forged-1"})
    assert wait_until(lambda: "id=forged-1 " in server.log(), 5)
    line = next(x for x in server.log().splitlines() if "id=forged-1 " in x)
    assert "status=404" in line and 'uri="/img/%22%20status=200%0aevent=forged.jpg"' in line
    assert not any(x.startswith("event=forged") for x in server.log().splitlines())
