"""POST /api/images/batch: many files, results in completion order, and what becomes of everything that goes wrong."""

import base64
import io
import json
import os
import select
import signal
import subprocess
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from answers import problem
from client import file, http, multipart, raw_socket
from conftest import wait_until
from metrics import value
from samples import encoded, scene

CLIENT = Path(__file__).with_name("formdata_client.mjs")
BUFFERED = """
location = /buffered {
    fastcgi_param REQUEST_URI /api/images/batch;
    include /etc/nginx/fastcgi_params;
    fastcgi_pass "unix:%s";
    client_max_body_size 0;
}
"""


@pytest.fixture(scope="module")
def server(start_pixpool_module):
    return start_pixpool_module(max_body="1M", workers=2, batch_max=20)


def jpeg(width, height=40):
    return encoded(scene((width, height)), "JPEG")


def noise(size):
    return encoded(Image.frombytes("RGB", size, os.urandom(3 * size[0] * size[1])), "JPEG", quality=95)


def post(server, *parts, query="", accept="application/x-ndjson", path="/api/images/batch"):
    body, type = multipart(parts)
    return http("POST", f"{server.url}{path}{query}", body=body, headers={"Content-Type": type, "Accept": accept})


def lines(answer):
    """Lines by (index, output), and the manifest."""
    assert answer.status == 200, answer.body[:400]
    *results, last = [json.loads(line) for line in answer.body.splitlines()]
    by = {(r["index"], r["output"]): r for r in results}
    assert len(by) == len(results) == last["manifest"]["total"]
    return by, last["manifest"]


def size(line):
    im = Image.open(io.BytesIO(base64.b64decode(line["data"], validate=True)))
    im.load()
    return im.size


# What comes back.


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_every_file_comes_back_once(start_pixpool, workers):
    p = start_pixpool(workers=workers)
    got, manifest = lines(post(p, *[file(jpeg(100 + 10 * i), f"{i}.jpg") for i in range(30)], query="?w=50p"))
    assert manifest == {"total": 30, "done": 30, "failed": 0}
    for i in range(30):
        assert got[i, "default"]["name"] == f"{i}.jpg" and size(got[i, "default"])[0] == 50 + 5 * i


def test_outputs_for_each_file(server):
    outputs = json.dumps({"format": "png", "outputs": [{"name": "a", "w": 10}, {"name": "b", "w": 20}]})
    got, _ = lines(post(server, ("operations", outputs), ("q", 50), file(jpeg(100)), file(jpeg(200))))
    assert {k: size(v)[0] for k, v in got.items()} == {(0, "a"): 10, (0, "b"): 20, (1, "a"): 10, (1, "b"): 20}
    assert {v["format"] for v in got.values()} == {"png"}


def test_bad_files_spoil_only_themselves(server):
    got, manifest = lines(post(server, file(jpeg(100)), file(b"This is a letter. " * 9, "letter.jpg"), file(b""),
                               file(b"x" * 1_500_000, "large.jpg"), file(jpeg(100)[:300]), file(jpeg(120)), query="?w=50"))
    assert {k[0]: v["status"] for k, v in got.items()} == {0: 200, 1: 415, 2: 400, 3: 413, 4: 422, 5: 200}
    assert manifest == {"total": 6, "done": 2, "failed": 4}
    assert got[1, "default"]["name"] == "letter.jpg" and "data" not in got[1, "default"]
    assert got[3, "default"]["code"] == "body_too_large" and "max_body" in got[3, "default"]["error"]


def test_zip_with_names_alike(server):
    names = ["a.jpg", "dir/a.jpg", "..\\a.png", "ä/ö.jpg", "../../etc/passwd", "."]
    answer = post(server, *[file(jpeg(60), n) for n in names], query="?w=30", accept="application/zip")
    z = zipfile.ZipFile(io.BytesIO(answer.body))
    assert z.testzip() is None
    assert sorted(z.namelist()) == ["a (2).jpg", "a (3).jpg", "a.jpg", "image.jpg", "manifest.json", "passwd.jpg", "ö.jpg"]
    told = {i["name"]: i["file"] for i in json.loads(z.read("manifest.json"))["items"]}
    assert told["ä/ö.jpg"] == "ö.jpg" and told["../../etc/passwd"] == "passwd.jpg"


def test_form_data_is_read_by_node(server, tmp_path):
    for i in range(3):
        (tmp_path / f"{i}.jpg").write_bytes(jpeg(60 + i))
    (tmp_path / "bad.jpg").write_text("no image")
    out = subprocess.run(["node", CLIENT, f"{server.url}/api/images/batch?w=30", *sorted(tmp_path.iterdir())],
                         capture_output=True, text=True, timeout=60)
    assert out.returncode == 0, out.stderr
    fields = {f["name"]: f for f in json.loads(out.stdout)}
    assert set(fields) == {"0", "1", "2", "3", "manifest.json"}
    assert fields["1"]["file"] == "1.jpg"
    assert json.loads(fields["3"]["text"])["code"] == "format"
    assert json.loads(fields["manifest.json"]["text"])["failed"] == 1


def test_a_watermark_for_all_files(server):
    red, grey = encoded(Image.new("RGB", (40, 40), (255, 0, 0))), encoded(Image.new("RGB", (200, 200), (90, 90, 90)))
    got, _ = lines(post(server, ("watermark", red, "mark.png", "image/png"), ("mark-pos", "center"),
                        *[file(grey, f"{i}.png") for i in range(3)], query="?mark-scale=50&format=png"))
    for i in range(3):
        im = Image.open(io.BytesIO(base64.b64decode(got[i, "default"]["data"]))).convert("RGB")
        assert im.getpixel((100, 100))[0] > 240 and im.getpixel((5, 5)) == (90, 90, 90)


# Refusals.


@pytest.mark.parametrize("late", [("operations", '{"w":5}'), ("w", 5), ("watermark", b"x", "m.png", "image/png")])
def test_what_concerns_all_comes_first(server, late):
    problem(post(server, file(jpeg(50)), late), 400, "operations_after_file")


def test_refusals(server):
    problem(post(server, ("w", 5)), 400, "file_missing")
    problem(post(server), 400, "file_missing")
    problem(post(server, *[file(jpeg(20))] * 21), 400, "files_many")
    problem(post(server, file(jpeg(50)), query="?widht=5"), 400, "option_unknown", "widht")
    problem(post(server, ("widht", 5), file(jpeg(50))), 400, "option_unknown", "widht")
    problem(post(server, ("operations", "{"), file(jpeg(50))), 400, "option_malformed", "operations")
    problem(post(server, ("operations", '{"outputs":[]}'), file(jpeg(50))), 400, "outputs_malformed", "outputs")
    problem(post(server, ("w", "9" * 70000), file(jpeg(50))), 400, "multipart_malformed")

    def send(body, type):
        return http("POST", f"{server.url}/api/images/batch", body=body, headers={"Content-Type": type})

    body, type = multipart([file(jpeg(50))])
    problem(send(body, "multipart/form-data"), 400, "multipart_malformed")
    problem(send(body, "multipart/form-data; boundary=other"), 400, "multipart_malformed")
    problem(send(body[:-20], type), 400, "multipart_malformed")
    problem(send(jpeg(50), "image/jpeg"), 415, "content_type")
    problem(send(b"", type), 400, "body_empty")
    assert http("GET", f"{server.url}/api/images/batch").headers["Allow"] == "POST"
    assert lines(post(server, file(jpeg(50)), query="?w=5"))[1]["done"] == 1, "and it goes on"


def test_results_that_find_no_room_fail_by_themselves(start_pixpool):
    p = start_pixpool(workers=1, batch_spool="1M")
    got, manifest = lines(post(p, file(jpeg(50)), file(noise((900, 900)), "big.jpg"), query="?format=png"))
    assert (got[0, "default"]["status"], got[1, "default"]["status"]) == (200, 507)
    assert got[1, "default"]["code"] == "batch_spool"


# Streams.


@pytest.mark.parametrize("path", ["/api/images/batch", "/buffered"])
def test_a_large_batch_at_full_speed_through_nginx(start_pixpool, path):
    p = start_pixpool(workers=2, nginx=False)
    p.start_nginx(BUFFERED % p.socket, False)
    large = noise((1700, 1500))
    assert 2_500_000 < len(large) < 4_000_000
    got, manifest = lines(post(p, *[file(large, f"{i}.jpg") for i in range(60)], query="?w=64", path=path))
    assert manifest == {"total": 60, "done": 60, "failed": 0}


def test_a_batch_larger_than_the_memory_for_it(start_pixpool):
    """64 MB for all bodies and results in flight, and 80 MB of files that each might be 32 MB large."""
    p = start_pixpool(workers=2, memory_limit="576M")
    large = noise((1400, 1000))
    _, manifest = lines(post(p, *[file(large)] * 40, query="?w=64"))
    assert manifest["done"] == 40


def begin_batch(p, parts, length, query="", boundary="pixpool-test-boundary"):
    """A connection on which the head and some parts of a form of so many bytes were sent."""
    s = raw_socket(p.url)
    head = (f"POST /api/images/batch{query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAccept: application/x-ndjson\r\n"
            f"Content-Type: multipart/form-data; boundary={boundary}\r\nContent-Length: {length}\r\n\r\n")
    s.sendall(head.encode() + parts)
    return s


def test_work_begins_while_the_body_arrives(start_pixpool):
    p = start_pixpool(workers=1, worker_jobs=1)
    body, _ = multipart([file(jpeg(90)), file(jpeg(100))])
    half = body.index(b"--pixpool", 50) + 60
    before = p.workers()
    s = begin_batch(p, body[:half], len(body), "?w=30")
    assert wait_until(lambda: p.workers() not in (before, []), 10), "a worker lives for one job, and the first is done"
    assert select.select([s], [], [], 0.2)[0] == [], "but nothing is answered before the body's end"
    s.sendall(body[half:])
    answer = b"".join(iter(lambda: s.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200") and b'"done":2' in answer


def test_results_arrive_before_the_last_job_ends(start_pixpool):
    p = start_pixpool(workers=1, deadline="30s")
    photo = (p.root / "photo.jpg").read_bytes()
    body, _ = multipart([file(photo)] * 60)
    s = begin_batch(p, body, len(body), "?w=600")
    got = s.recv(65536)
    worker = p.workers()[0]
    os.kill(worker, signal.SIGSTOP)  # with a second's work still to be done
    try:
        while select.select([s], [], [], 1)[0]:
            part = s.recv(65536)
            assert part, f"all was done before the worker stood still: {got[-300:]}"
            got += part
        assert 1 <= got.count(b'"status":200') < 60 and b"manifest" not in got
    finally:
        os.kill(worker, signal.SIGCONT)
    got += b"".join(iter(lambda: s.recv(65536), b""))
    assert b'"done":60' in got


@pytest.mark.parametrize("sent", ["half", "all"])
def test_when_the_client_leaves_the_work_stops(start_pixpool, sent):
    p = start_pixpool(test_build=True, workers=2, deadline="120s")
    body, _ = multipart([file(jpeg(90))] * 8)
    open_files = lambda: len(os.listdir(f"/proc/{p.gateway()}/fd"))
    before, files = p.workers(), open_files()
    s = begin_batch(p, body if sent == "all" else body[: len(body) // 2], len(body), "?x-test=hang")
    assert wait_until(lambda: value(p, 'pixpool_workers{state="busy"}') == 2, 10)
    s.close()
    assert wait_until(lambda: not set(p.workers()) & set(before) and len(p.workers()) == 2, 10), "both were killed"
    assert wait_until(lambda: open_files() <= files, 10), "the spool is closed"
    assert value(p, "pixpool_inflight_bytes") == 0, "and the memory is given back"
    assert lines(post(p, file(jpeg(50)), query="?w=5"))[1]["done"] == 1
