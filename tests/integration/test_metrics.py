"""GET /metrics: judged by Prometheus's own linter, and true."""

import json
import re
import subprocess
from pathlib import Path

from client import http, multipart
from conftest import wait_until
from metrics import sample, value


def metrics(p):
    a = http("GET", f"{p.url}/metrics")
    assert (a.status, a.headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    return a.body.decode()


def total(name, text):
    """Of all series of a metric."""
    return sum(float(v) for v in re.findall(rf"^{name}{{\S* (\S+)$", text, re.M))


def test_promtool_has_no_complaint(pixpool):
    http("GET", f"{pixpool.url}/img/photo.jpg?w=50")
    http("GET", f"{pixpool.url}/img/nothing.jpg")
    r = subprocess.run(["promtool", "check", "metrics"], input=metrics(pixpool), text=True, capture_output=True)
    assert (r.returncode, r.stdout + r.stderr) == (0, "")


def test_requests_are_counted_where_they_belong(start_pixpool):
    p = start_pixpool(workers=1)
    before = metrics(p)
    for i in range(3):
        a = http("GET", f"{p.url}/img/photo.jpg?w={50 + i}")
    http("GET", f"{p.url}/img/photo.jpg?w=50", headers={"If-None-Match": http("HEAD", a_url(p)).headers["ETag"]})
    http("GET", f"{p.url}/img/nothing.jpg?w=1")
    body = (p.root / "photo.jpg").read_bytes()
    http("POST", f"{p.url}/api/images/process?w=20", body, {"Content-Type": "image/jpeg"})
    http("POST", f"{p.url}/api/images/process?w=20", b"\x89PNG\r\n\x1a\n no", {"Content-Type": "image/png"})
    assert wait_until(lambda: total("pixpool_decode_errors_total", metrics(p)) == 1, 5), "counted after the answer"
    after = metrics(p)

    def grown(series):
        return sample(after, series) - sample(before, series)

    assert grown('pixpool_requests_total{route="img",status="200"}') == 4  # and one HEAD
    assert grown('pixpool_requests_total{route="img",status="304"}') == 1
    assert grown('pixpool_requests_total{route="img",status="404"}') == 1
    assert grown('pixpool_requests_total{route="process",status="200"}') == 1
    assert grown('pixpool_cache_hits_total{kind="not_modified"}') == 1
    requests = total("pixpool_requests_total", after) - total("pixpool_requests_total", before)
    assert grown("pixpool_request_duration_seconds_count") == requests
    assert grown('pixpool_stage_duration_seconds_count{stage="decode"}') == 4
    assert grown("pixpool_bytes_in_total") == len(body) + 11
    assert grown("pixpool_bytes_out_total") > len(a.body)
    assert sample(after, 'pixpool_workers{state="idle"}') == 1
    assert sample(after, 'pixpool_queue_depth{lane="interactive"}') == 0
    for process in ("spawner", "gateway", "workers"):
        assert sample(after, f'pixpool_resident_bytes{{process="{process}"}}') > 1e6


def test_work_is_counted_whoever_asked_for_it(start_pixpool, tmp_path):
    """Two images of a batch, two of a job, renditions and stored ones: what /metrics sums is all that workers did."""
    for name in ("spool", "store"):
        (tmp_path / name).mkdir()
    p = start_pixpool(workers=1, spool_dir=tmp_path / "spool", store_dir=tmp_path / "store")
    photo = (p.root / "photo.jpg").read_bytes()
    body, kind = multipart([("file", photo, f"{i}.jpg", "image/jpeg") for i in range(2)])

    def post(path, body, kind="image/jpeg", status=200, headers={}):
        a = http("POST", f"{p.url}/api/images/{path}", body, {"Content-Type": kind, **headers})
        assert a.status == status, a.body
        return a

    def images():
        return value(p, 'pixpool_stage_duration_seconds_count{stage="encode"}')

    post("batch?w=30", body, kind)
    assert wait_until(lambda: images() == 2, 10), images()
    where = post("batch?w=30", body, kind, 202, {"Prefer": "respond-async"}).headers["Location"]
    assert wait_until(lambda: http("GET", p.url + where).json()["state"] == "done", 20)
    assert wait_until(lambda: images() == 4, 10), images()
    post("renditions", photo)
    post("renditions?store=1", photo, status=201)
    assert wait_until(lambda: images() == 6, 10), images()


def a_url(p):
    return f"{p.url}/img/photo.jpg?w=50"


def test_crashes_and_their_gateway_are_not_forgotten(start_pixpool):
    """A counter that went back with every death would tell nothing about deaths."""
    p = start_pixpool(test_build=True, workers=1)
    crash = f"{p.url}/img/photo.jpg?x-test=crash&v="
    assert [http("GET", crash + str(i)).status for i in range(3)] == [500] * 3
    assert value(p, 'pixpool_worker_restarts_total{reason="crash"}') == 3


TOP = Path(__file__).resolve().parents[2]


def test_alert_rules_are_sound():
    r = subprocess.run(["promtool", "check", "rules", TOP / "conf/prometheus/pixpool.rules.yml"], text=True,
                       capture_output=True)
    assert r.returncode == 0, r.stdout + r.stderr


def test_rules_and_dashboard_ask_for_what_there_is(pixpool):
    """A panel over a name that was changed would stay empty for ever."""
    there = set(re.findall(r"^# TYPE (\S+)", metrics(pixpool), re.M))
    there |= {n + end for n in there for end in ("_bucket", "_sum", "_count")}
    for file in ("conf/prometheus/pixpool.rules.yml", "conf/grafana/pixpool.json"):
        asked = set(re.findall(r"\bpixpool_\w+", (TOP / file).read_text()))
        assert asked and asked <= there, f"{file}: {asked - there}"
    json.loads((TOP / "conf/grafana/pixpool.json").read_text())
