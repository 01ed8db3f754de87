"""Behind each web server, with the very files of conf/, only their paths replaced: what has to arrive whatever stands in
front. nginx has its own tests; it is here as the one the others are compared with."""

import os
import pwd
import random
import socket
from pathlib import Path

import pytest
from PIL import Image

from client import http, http_on, http_open, multipart, raw_socket
from conftest import Server, free_port, wait_until
from fcgid_site import FcgidSite
from test_api import image, problem

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
    if request.param == "fcgid":
        p = FcgidSite(sample_images, api_token="s3cret", workers=1)
        yield p
        p.stop()
        return
    p = start_pixpool_module(nginx=False, api_token="s3cret", workers=1, queue=1, threads="auto")
    dir, port = p.dir, free_port()
    front = Server(SERVERS[request.param](p, dir, port), dir / "front.log", HOME=str(dir))

    def listening():
        assert front.process.poll() is None, front.log()
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", port)) == 0

    try:
        assert wait_until(listening, 20), front.log()
        p.url, p.front = f"http://127.0.0.1:{port}", request.param
        yield p
    finally:
        front.stop()


TOKEN = {"Authorization": "Bearer s3cret"}


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
    connections = []
    for i in range(24):
        s = raw_socket(server.url)
        s.sendall(f"GET /img/photo.jpg?w={1000 + i}&format=webp&effort=9 HTTP/1.1\r\nHost: {server.url[7:]}\r\n"
                  "Connection: close\r\n\r\n".encode())
        connections.append(s)
    answers = []
    for s in connections:
        data = b""
        while chunk := s.recv(65536):
            data += chunk
        answers.append(data)
        s.close()
    statuses = [int(a.split()[1]) for a in answers]
    assert set(statuses) == {200, 503}, statuses
    refused = next(a for a, status in zip(answers, statuses) if status == 503)
    assert b"etry-" in refused and b"application/problem+json" in refused
