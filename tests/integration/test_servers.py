"""Behind each web server, with the very files of conf/, only their paths replaced: what has to arrive whatever stands in
front. nginx has its own tests; it is here as the one the others are compared with."""

import json
import os
import pwd
import random
import re
import select
import socket
import struct
from pathlib import Path

import pytest
from PIL import Image

from answers import image, problem
from client import http, http_on, http_open, multipart, raw_socket
from conftest import Server, command_line, free_port, kill, session_processes, wait_until
from fcgi_client import Client
from fcgid_site import FcgidSite
from metrics import sample

TOP = Path(__file__).resolve().parents[2]
SOCKET = "/run/pixpool/pixpool.sock"
MODULES = "mpm_event authz_core proxy proxy_fcgi env setenvif"


def ours(path, p):
    """A file of conf/ with the socket of this instance."""
    text = (TOP / "conf" / path).read_text()
    assert SOCKET in text
    return text.replace(SOCKET, str(p.socket))


def nginx(p, dir, port):
    (dir / "nginx.conf").write_text(f"""daemon off; user {pwd.getpwuid(os.geteuid()).pw_name}; error_log stderr; pid {dir}/nginx.pid; worker_processes 1;
events {{}}
http {{
    access_log off; client_body_temp_path {dir}; proxy_temp_path {dir}; fastcgi_temp_path {dir}; uwsgi_temp_path {dir};
    scgi_temp_path {dir};
    server {{ listen 127.0.0.1:{port}; root {dir};
{ours("nginx/pixpool.conf", p).replace("fastcgi_params", "/etc/nginx/fastcgi_params")}
    }}
}}
""")
    return ["nginx", "-e", "stderr", "-p", dir, "-c", dir / "nginx.conf"]


def apache(p, dir, port):
    loaded = "\n".join(f"LoadModule {m}_module /usr/lib/apache2/modules/mod_{m}.so" for m in MODULES.split())
    (dir / "apache.conf").write_text(f"""{loaded}
ServerName localhost
Listen 127.0.0.1:{port}
PidFile {dir}/apache.pid
Mutex file:{dir}
DocumentRoot {dir}
ErrorLog /dev/stderr
{ours("apache/pixpool.conf", p)}
""")
    return ["apache2", "-X", "-f", dir / "apache.conf"]


def lighttpd(p, dir, port):
    (dir / "lighttpd.conf").write_text(f"""server.document-root = "{dir}"
server.bind = "127.0.0.1"
server.port = {port}
server.upload-dirs = ( "{dir}" )
{ours("lighttpd/pixpool.conf", p)}
""")
    return ["lighttpd", "-D", "-f", dir / "lighttpd.conf"]


def caddy(p, dir, port):
    (dir / "Caddyfile").write_text(f"""{{
    admin off
    auto_https off
    storage file_system {dir}
}}
http://127.0.0.1:{port} {{
{ours("caddy/Caddyfile", p)}
}}
""")
    return ["caddy", "run", "--adapter", "caddyfile", "--config", dir / "Caddyfile"]


SERVERS = {"nginx": nginx, "apache": apache, "lighttpd": lighttpd, "caddy": caddy}


@pytest.fixture(scope="module", params=[*SERVERS, "fcgid"])
def server(request, start_pixpool_module, sample_images):
    """One instance behind one web server; with mod_fcgid, as many as it starts."""
    keys = {"test_build": True, "api_token": "s3cret", "workers": 1, "max_body": "12M", "deadline": "60s"}
    if request.param == "fcgid":
        p = FcgidSite(sample_images, **keys)
        yield p
        p.stop()
        return
    p = start_pixpool_module(nginx=False, queue=1, **keys)
    dir, port = p.dir, free_port()
    front = Server(SERVERS[request.param](p, dir, port), dir / "front.log", HOME=str(dir))
    try:
        front.wait_listening(port)
        p.url, p.front = f"http://127.0.0.1:{port}", request.param
        yield p
    finally:
        front.stop()


TOKEN = {"Authorization": "Bearer s3cret"}
RETRY_AFTER = re.compile(rb"\r\nretry-after: [1-9]\d*\r\n", re.I)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A picture of 10 MB."""
    path = tmp_path_factory.mktemp("large") / "noise.png"
    Image.frombytes("RGB", (1900, 1900), random.Random(7).randbytes(1900 * 1900 * 3)).save(path, compress_level=0)
    assert path.stat().st_size > 10 << 20
    return path.read_bytes()


def test_get_in_both_forms(server):
    query = http("GET", f"{server.url}/img/photo.jpg?w=60&h=60&fit=cover")
    path = http("GET", f"{server.url}/img/w=60,h=60,fit=cover/photo.jpg")
    assert image(query).size == image(path).size == (60, 60) and query.body == path.body
    assert image(http("GET", f"{server.url}/img/w=60/photo.jpg.webp")).format == "WEBP"
    assert image(http("GET", f"{server.url}/img/w=50%25/photo.jpg")).size == (600, 400)


def test_head_and_not_modified(server):
    head = http("HEAD", f"{server.url}/img/photo.jpg?w=61")
    assert (head.status, head.body, head.headers["X-Image-Width"]) == (200, b"", "61")
    full = http("GET", f"{server.url}/img/photo.jpg?w=61")
    assert full.headers["ETag"] == head.headers["ETag"] and len(full.body) > 500
    again = http("GET", f"{server.url}/img/photo.jpg?w=61", headers={"If-None-Match": full.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")
    with_connection = http_open(server.url)  # nothing is left over on a kept connection
    for method, status in (("HEAD", 200), ("GET", 200), ("HEAD", 200)):
        assert http_on(with_connection, method, f"{server.url}/img/photo.jpg?w=61").status == status
    with_connection.close()


def test_errors_are_pixpool_s_own(server):
    problem(http("GET", f"{server.url}/img/nothing.jpg"), 404, "no_such_image")
    problem(http("GET", f"{server.url}/img/photo.jpg?w=0"), 400, "option_range", "w")
    problem(http("GET", f"{server.url}/img/broken/text.jpg"), 415, "format")
    problem(http("DELETE", f"{server.url}/img/photo.jpg"), 405, "method_not_allowed")
    problem(http("GET", f"{server.url}/api/nothing"), 404, "no_such_endpoint")
    problem(http("POST", f"{server.url}/api/images/process", b"x", {"Content-Type": "image/png"}), 401, "token")


def test_odd_paths(server):
    assert image(http("GET", f"{server.url}/img/ein%20B%C3%A4r%20%26%20100%25.jpg?w=30")).size == (30, 20)
    assert image(http("GET", f"{server.url}/img/w=30,bg=%23fff/photo.jpg")).size == (30, 20)
    assert image(http("GET", f"{server.url}/img/rect=0,0,60,40,w=30/photo.jpg")).size == (30, 20)
    assert image(http("GET", f"{server.url}/img/sub/deep/leaf.jpg?v=a+b%26c")).size == (500, 400)
    (server.root / "a+b.jpg").write_bytes((server.root / "grey.jpg").read_bytes())
    assert image(http("GET", f"{server.url}/img/a+b.jpg?w=40")).size == (40, 30)
    assert image(http("GET", f"{server.url}/img/a%2Bb.jpg?w=40")).size == (40, 30)
    for odd in ("sub%2Fdeep%2Fleaf.jpg", "%2e%2e/%2e%2e/etc/passwd", "..%2f..%2fetc/passwd", "a%00b.jpg",
                "sub//deep/leaf.jpg"):
        answer = http("GET", f"{server.url}/img/{odd}")
        assert b"root:" not in answer.body, odd
        if "etc" not in odd:  # those a server may take for paths outside of /img/, and answer itself
            assert answer.status in (301, 400, 404), odd


def test_large_uploads(server, large):
    kind = {"Content-Type": "image/png", **TOKEN}
    raw = http("POST", f"{server.url}/api/images/process?w=64&format=png", large, kind)
    assert image(raw).size == (64, 64)
    body, form = multipart([("file", large, "noise.png", "image/png"), ("w", "64"), ("format", "png")])
    fields = http("POST", f"{server.url}/api/images/process", body, {"Content-Type": form, **TOKEN})
    assert fields.status == 200 and fields.body == raw.body


def test_uploads_of_unknown_length(server):
    """Chunked: some servers tell no length then, some -1, some collect the body first."""
    data = (server.root / "photo.jpg").read_bytes()
    pieces = (data[i : i + 5000] for i in range(0, len(data), 5000))
    answer = http("POST", f"{server.url}/api/images/process?w=40", pieces, {"Content-Type": "image/jpeg", **TOKEN})
    assert image(answer).size == (40, 27)


def test_several_results(server):
    """Every part whole, whatever the server does with a body without length."""
    body, kind = multipart([("operations", '{"outputs":[{"name":"a","w":40},{"name":"b","w":50}]}'),
                            ("file", (server.root / "photo.jpg").read_bytes(), "photo.jpg", "image/jpeg")])
    answer = http("POST", f"{server.url}/api/images/renditions", body,
                  {"Content-Type": kind, "Accept": "application/x-ndjson", **TOKEN})
    assert answer.status == 200 and answer.body.count(b"\n") >= 2
    assert b'"a"' in answer.body and b'"b"' in answer.body


def test_overload_is_a_503(server):
    """With one worker and one place to wait, of many at once most are told to come back, in pixpool's words."""
    sockets = []
    for i in range(24):
        s = raw_socket(server.url)
        s.sendall(f"GET /img/photo.jpg?w={1000 + i}&format=webp&effort=9 HTTP/1.1\r\nHost: {server.url[7:]}\r\n"
                  "Connection: close\r\n\r\n".encode())
        sockets.append(s)
    answers = [rest(s) for s in sockets]
    statuses = [int(a.split()[1]) for a in answers]
    assert set(statuses) == {200, 503}, statuses
    for refused in (a for a, status in zip(answers, statuses) if status == 503):
        assert RETRY_AFTER.search(refused), refused[:500]
        assert b"application/problem+json" in refused


def rest(s):
    """All that still comes."""
    data = b""
    while chunk := s.recv(65536):
        data += chunk
    s.close()
    return data


def begin(server, method, path, body=b"", length=None, **headers):
    """A connection on which a request was sent, or length bytes of it were announced."""
    s = raw_socket(server.url)
    told = {"Host": server.url[7:], "Connection": "close", "Content-Length": length or len(body), **TOKEN, **headers}
    head = "".join(f"{k.replace('_', '-')}: {v}\r\n" for k, v in told.items())
    s.sendall(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
    return s


def workers(server):
    return [pid for pid in session_processes(server.pid) if command_line(pid).startswith("pixpool: worker")]


def metrics(server):
    """Straight from its socket: not every server in front passes on /metrics."""
    with Client(server.socket) as c:
        return c.ask("/metrics").body.decode()


def busy(text):
    return sample(text, 'pixpool_workers{state="busy"}')


def kill_workers(server):
    for pid in workers(server):
        kill(pid)


def send_large(server, body):
    """The answer to an upload that is refused before it is read. Caddy passes that on while the client still sends, and
    then closes: who sends on gets an error, and has to read what came before it."""
    s = begin(server, "POST", "/api/images/process?w=30", length=len(body), Content_Type="image/png")
    try:
        s.sendall(body)
    except (BrokenPipeError, ConnectionResetError):
        assert server.front == "caddy"
    return rest(s)


def test_too_large_an_upload_is_told_by_pixpool(server):
    answer = send_large(server, b"\x89PNG\r\n\x1a\n" + bytes(13 << 20))
    assert answer.startswith(b"HTTP/1.1 413") and b'"code":"body_too_large"' in answer, answer[:500]


# Who is in is not to be seen in front of mod_fcgid; test_fcgid_apache.py has this.
@pytest.mark.parametrize("server", SERVERS, indirect=True)
def test_an_upload_that_finds_no_place_hears_when_to_come_again(server, large):
    held = [begin(server, "GET", f"/img/photo.jpg?x-test=hang&v={i}") for i in range(2)]
    assert wait_until(lambda: sample(metrics(server), 'pixpool_queue_depth{lane="interactive"}') == 1, 20)
    answers = [send_large(server, large) for _ in range(3)]
    for s in held:
        leave(s)
    assert wait_until(lambda: nothing_left(server) or kill_workers(server), 30, 0.05), metrics(server)
    for answer in answers:
        assert answer.startswith(b"HTTP/1.1 503") and RETRY_AFTER.search(answer), answer[:500]


def more(s):
    got = s.recv(65536)
    assert got, "the answer ends too early"
    return got


def test_results_of_a_batch_come_one_by_one(server):
    """The first while the second is still at work: it does not end before this test has seen the first."""
    photo = (server.root / "photo.jpg").read_bytes()
    body, kind = multipart([("file", b"no image at all " * 9, "a.jpg", "image/jpeg"),
                            ("file", photo, "b.jpg", "image/jpeg")])
    s = begin(server, "POST", "/api/images/batch?x-test=hang", body, Content_Type=kind, Accept="application/x-ndjson")
    got = b""
    while b'"a.jpg"' not in got:
        got += more(s)
    assert b'"b.jpg"' not in got
    while b"manifest" not in got:
        if select.select([s], [], [], 0.2)[0]:
            got += more(s)
        else:
            kill_workers(server)
    rest(s)
    lines = {line["name"]: line["status"] for line in map(json.loads, re.findall(rb'^\{"index.*\}', got, re.M))}
    assert lines == {"a.jpg": 415, "b.jpg": 500}


# mod_fcgid takes the whole of a request first, and none beyond FcgidMaxRequestLen.
@pytest.mark.parametrize("server", SERVERS, indirect=True)
def test_a_batch_of_any_size_is_worked_on_while_it_arrives(server, large):
    """More than the largest upload; and the first results are made before the last file is sent."""
    body, kind = multipart([("file", large, f"{i}.png", "image/png") for i in range(7)])
    assert len(body) > 64 << 20
    made = 'pixpool_stage_duration_seconds_count{stage="encode"}'
    before, half = sample(metrics(server), made), len(body) // 2
    s = begin(server, "POST", "/api/images/batch?w=30", body[:half], len(body), Content_Type=kind,
              Accept="application/x-ndjson")
    assert wait_until(lambda: sample(metrics(server), made) > before, 20)
    s.sendall(body[half:])
    assert b'{"manifest":{"total":7,"done":7,"failed":0}}' in rest(s)


# Clients that leave.


def threads(server):
    return len(list(Path(f"/proc/{server.gateway()}/task").iterdir()))


def nothing_left(server):
    """No connection but the one that asks, no byte, nobody at work. (Of mod_fcgid's processes each has its own.)"""
    if server.front == "fcgid":
        return not workers(server)
    text = metrics(server)
    return (sample(text, "pixpool_connections"), sample(text, "pixpool_inflight_bytes"), busy(text)) == (1, 0, 0)


def seen(server):
    return workers(server) if server.front == "fcgid" else metrics(server)


def leave(s):
    """At once, and without a goodbye."""
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def upload(server):
    return begin(server, "POST", "/api/images/process?w=50", bytes(3 << 20), 9 << 20, Content_Type="image/png")


def unread(server):
    s = begin(server, "GET", "/img/photo.jpg?w=3000&enlarge=1&format=png&effort=0")
    assert s.recv(1000)
    return s


@pytest.mark.parametrize("where", [upload, unread])
def test_clients_that_leave_leave_nothing(server, where):
    before = threads(server) if server.front != "fcgid" else None
    for _ in range(6):
        leave(where(server))
    assert wait_until(lambda: nothing_left(server), 30), seen(server)
    assert image(http("GET", f"{server.url}/img/photo.jpg?w=62")).size == (62, 41)
    assert before is None or threads(server) == before


def test_a_client_that_leaves_while_it_is_worked_for(server):
    """nginx tells, and the work ends. The others do not: it goes on to its deadline, and costs one worker that long."""
    s = begin(server, "GET", "/img/photo.jpg?x-test=hang")
    # One of mod_fcgid's has a worker for as long as it works.
    at_work = lambda: workers(server) if server.front == "fcgid" else busy(metrics(server)) == 1
    assert wait_until(at_work, 20)
    leave(s)
    if server.front != "nginx":
        kill_workers(server)
    assert wait_until(lambda: nothing_left(server), 20), seen(server)
    assert image(http("GET", f"{server.url}/img/photo.jpg?w=63")).size == (63, 42)
