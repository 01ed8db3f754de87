"""Prefer: respond-async: jobs that are asked for, cancelled, taken over after crashes, and kept within bounds."""

import io
import os
import signal

import pytest
from PIL import Image

from client import file, http, multipart
from conftest import kill_session, wait_until
from metrics import value
from samples import encoded, scene
from test_admission import held

ASYNC = {"Prefer": "respond-async"}


@pytest.fixture
def spool(tmp_path):
    (tmp_path / "spool").mkdir()
    return tmp_path / "spool"


@pytest.fixture
def server(start_pixpool, spool):
    return start_pixpool(spool_dir=spool, workers=2, node_name="n1", max_body="1M")


def jpeg(width, height=40):
    return encoded(scene((width, height)), "JPEG")


def post(server, *parts, query="", headers=ASYNC, path="batch"):
    body, type = multipart(parts)
    return http("POST", f"{server.url}/api/images/{path}{query}", body=body, headers={"Content-Type": type, **headers})


def location(answer):
    assert answer.status == 202, answer.body[:400]
    assert answer.headers["Preference-Applied"] == "respond-async" and int(answer.headers["Retry-After"]) >= 1
    return answer.headers["Location"]


def state(server, where):
    answer = http("GET", server.url + where)
    assert answer.status == 200, answer.body[:400]
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.json()


def finished(server, where, word="done"):
    assert wait_until(lambda: state(server, where)["state"] == word, 60), state(server, where)
    return state(server, where)


def picture(server, url):
    answer = http("GET", server.url + url)
    assert answer.status == 200, answer.body[:400]
    im = Image.open(io.BytesIO(answer.body))
    im.load()
    assert answer.headers["Content-Type"] == Image.MIME[im.format]
    return im


def files(spool):
    return sorted(str(p.relative_to(spool)) for p in spool.rglob("*") if p.is_file())


# What a job tells.


def test_a_batch_in_the_background(server, spool):
    where = location(post(server, ("format", "webp"), file(jpeg(100), "ä.jpg"), file(b"no image " * 9, "b.jpg"),
                          file(jpeg(120)), file(b""), file(b"x" * 1_500_000), query="?w=50p"))
    assert where.startswith("/api/jobs/n1-") and len(where) >= len("/api/jobs/n1-") + 22
    job = finished(server, where)
    assert (job["total"], job["done"], job["failed"], job["eta_ms"]) == (5, 2, 3, 0)
    assert [i["status"] for i in job["items"]] == [200, 415, 200, 400, 413]
    first = job["items"][0]
    assert (first["index"], first["name"], first["output"]) == (0, "ä.jpg", "default")
    im = picture(server, first["url"])
    assert (im.size, im.format) == ((50, 20), "WEBP") and first["width"] == 50
    assert "error" in job["items"][1] and "url" not in job["items"][1]
    assert not [f for f in files(spool) if "in." in f or f.startswith("new/") and "secret" not in f], "no source is left"


def test_renditions_in_the_background(server):
    photo = (server.root / "photo.jpg").read_bytes()
    where = location(http("POST", f"{server.url}/api/images/renditions", body=photo,
                          headers={"Content-Type": "image/jpeg", **ASYNC}))
    job = finished(server, where)
    assert {i["output"]: picture(server, i["url"]).size for i in job["items"]} == {
        "thumb": (150, 150), "small": (320, 213), "medium": (800, 533), "large": (1200, 800), "original": (1200, 800)}
    answer = http("POST", f"{server.url}/api/images/renditions", body=b"no image " * 9,
                  headers={"Content-Type": "image/jpeg", **ASYNC})
    assert answer.status == 415, "what is no image at all is told at once"


def test_an_idempotency_key_gives_one_job(server):
    keyed = {**ASYNC, "Idempotency-Key": "order 4711"}
    first = location(post(server, file(jpeg(50)), headers=keyed))
    finished(server, first)
    assert location(post(server, file(jpeg(50)), headers=keyed)) == first
    assert location(post(server, file(jpeg(50)), headers={**ASYNC, "Idempotency-Key": "4712"})) != first
    assert location(post(server, file(jpeg(50)))) != location(post(server, file(jpeg(50))))


def test_without_a_spool_the_answer_is_synchronous(start_pixpool):
    p = start_pixpool()
    answer = post(p, file(jpeg(50)))
    assert answer.status == 200 and answer.headers["Preference-Applied"] is None
    assert http("GET", f"{p.url}/api/jobs/x").status == 404


def test_refusals(server, spool):
    for path in ("x", "n1-" + "A" * 22, "..", "%2e%2e", "a/b", "x/results/0/a", "x/results/", "n" * 300, "", "."):
        answer = http("GET", f"{server.url}/api/jobs/{path}")
        assert answer.status in (404, 400), path
    assert http("DELETE", f"{server.url}/api/jobs/n1-AAAA").status == 404
    assert http("POST", f"{server.url}/api/jobs/x").headers["Allow"] == "GET, HEAD, DELETE"
    where = location(post(server, file(jpeg(50))))
    finished(server, where)
    for rest in ("0/other", "1/default", "-1/default", "0/", "0", "0/../0/default", "99999999999999999999/default"):
        assert http("GET", f"{server.url}{where}/results/{rest}").status in (404, 400), rest
    assert post(server, ("w", 5)).json()["code"] == "file_missing"
    assert post(server, file(jpeg(50)), ("w", 5)).json()["code"] == "operations_after_file"
    assert post(server, file(jpeg(50)), headers={**ASYNC, "Idempotency-Key": "x" * 300}).status == 400
    assert len([f for f in files(spool) if f.endswith("job.json")]) == 1, "refused ones leave nothing"
    assert not [f for f in files(spool) if f.startswith("new/")]


def test_clients_from_elsewhere_need_a_token(start_pixpool, spool):
    p = start_pixpool(spool_dir=spool, api_token="secret")
    assert post(p, file(jpeg(50))).status == 401
    where = location(post(p, file(jpeg(50)), headers={**ASYNC, "Authorization": "Bearer secret"}))
    assert http("GET", p.url + where).status == 401
    assert http("GET", p.url + where, headers={"Authorization": "Bearer secret"}).status == 200


# Cancelling.


def test_delete_stops_what_works_and_removes_all(start_pixpool, spool):
    p = start_pixpool(test_build=True, spool_dir=spool, workers=2, deadline="120s")
    before = p.workers()
    where = location(post(p, *[file(jpeg(50))] * 6, query="?x-test=hang"))
    assert wait_until(lambda: value(p, 'pixpool_workers{state="busy"}') == 2, 10)
    assert state(p, where)["state"] == "running"
    assert http("DELETE", p.url + where).status == 204
    assert state(p, where)["state"] == "cancelled"
    assert wait_until(lambda: not set(p.workers()) & set(before), 10), "workers that hang are killed"
    assert wait_until(lambda: not [f for f in files(spool) if "/in." in f or "/out." in f], 10)
    finished(p, location(post(p, file(jpeg(50)), query="?w=5")))


def test_delete_of_a_finished_job_removes_its_results(server, spool):
    where = location(post(server, file(jpeg(50))))
    url = finished(server, where)["items"][0]["url"]
    assert http("DELETE", server.url + where).status == 204
    job = state(server, where)
    assert job["state"] == "cancelled" and "url" not in job["items"][0]
    assert http("GET", server.url + url).status == 404
    assert wait_until(lambda: not [f for f in files(spool) if "/out." in f], 10)


def test_delete_of_a_job_that_is_just_being_finished_removes_its_results(start_pixpool, spool):
    """In a directory full of other files, which takes time to look through, and so does the job's end."""
    p = start_pixpool(test_build=True, spool_dir=spool, workers=1, deadline="60s")
    with held(p):
        where = location(post(p, file(jpeg(50))))
        job = spool / "jobs" / where.split("/")[-1]
        for i in range(5000):
            (job / f"other{i}").touch()
    while state(p, where)["state"] != "done":
        pass
    assert http("DELETE", p.url + where).status == 204
    assert wait_until(lambda: not list(job.glob("out.*")), 10)


# Crashes, restarts, bounds.


def test_after_kill_9_of_everything_a_restart_goes_on(start_pixpool, spool):
    first = start_pixpool(test_build=True, spool_dir=spool, workers=1, deadline="60s", worker_nice=0)
    held = location(post(first, *[file(jpeg(50))] * 3, query="?x-test=hang"))
    assert wait_until(lambda: state(first, held)["state"] == "running", 10)
    waits = location(post(first, *[file(jpeg(60 + i)) for i in range(4)], query="?w=30"))
    stale = spool / "new" / "left"
    stale.mkdir()
    (stale / "lock").touch()
    (stale / "in.0000").write_bytes(b"x")
    torn = next((spool / "jobs").glob(waits.split("/")[-1]))
    (torn / "out.0001.default.jpeg.tmp").write_bytes(b"half")
    (torn / "out.0002.default.jpeg").write_bytes(b"nobody has told of it")
    kill_session(first.pid)
    assert wait_until(lambda: not first.processes(), 10)
    first.server.process.wait()

    second = start_pixpool(spool_dir=spool, workers=2)
    job = finished(second, waits)
    assert (job["done"], job["failed"]) == (4, 0)
    assert [picture(second, i["url"]).size[0] for i in job["items"]] == [30] * 4
    assert http("GET", second.url + held).json()["state"] == "failed", "this build knows no x-test, and says so"
    assert not stale.exists()
    assert not [f for f in files(spool) if "/in." in f or f.endswith(".tmp")]


def test_a_restart_in_the_middle_loses_no_finished_result(start_pixpool, spool):
    first = start_pixpool(spool_dir=spool, workers=1)
    photo = (first.root / "photo.jpg").read_bytes()
    where = location(post(first, *[file(photo)] * 40, query="?w=700"))
    assert wait_until(lambda: 2 <= state(first, where)["done"], 20)
    first.stop()
    kept = {p: p.stat().st_mtime_ns for p in spool.rglob("out.*.jpeg")}
    assert kept
    second = start_pixpool(spool_dir=spool, workers=2)
    job = finished(second, where)
    assert job["done"] == 40
    told = {p: p.stat().st_mtime_ns for p in kept if p.exists()}
    assert len(told) == len(kept) and sum(told[p] != kept[p] for p in kept) <= 1, "at most what was at work is done again"


def test_a_reload_hands_jobs_over(start_pixpool, spool):
    p = start_pixpool(spool_dir=spool, workers=1)
    photo = (p.root / "photo.jpg").read_bytes()
    where = location(post(p, *[file(photo)] * 60, query="?w=700"))
    assert wait_until(lambda: 2 <= state(p, where)["done"], 20)
    old = p.gateway()
    os.kill(p.pid, signal.SIGHUP)
    assert wait_until(lambda: old not in p.processes(), 20), "the old generation ends although the job does not"
    assert p.log().count("event=job_begin") >= 1
    assert finished(p, where)["done"] == 60


def test_a_watermark_is_kept_with_its_job(server, spool):
    red, grey = encoded(Image.new("RGB", (40, 40), (255, 0, 0))), encoded(Image.new("RGB", (200, 200), (90, 90, 90)))
    mark = ("watermark", red, "mark.png", "image/png")
    parts = [mark, ("mark-pos", "center"), file(grey, "a.png")]
    for path, output in (("batch", "default"), ("renditions", "original")):
        job = finished(server, location(post(server, *parts, query="?mark-scale=50", path=path)))
        url = next(i["url"] for i in job["items"] if i["output"] == output)
        im = picture(server, url).convert("RGB")
        assert im.getpixel((100, 100))[0] > 240 and im.getpixel((5, 5)) == (90, 90, 90), path


def test_two_instances_share_a_spool(start_pixpool, spool):
    a = start_pixpool(spool_dir=spool, workers=1)
    b = start_pixpool(spool_dir=spool, workers=1)
    where = location(post(a, *[file(jpeg(50 + i)) for i in range(10)], query="?w=30"))
    assert finished(b, where)["done"] == 10
    assert state(a, where) == state(b, where)


def test_old_jobs_go(start_pixpool, spool):
    p = start_pixpool(spool_dir=spool, spool_age="1s")
    where = location(post(p, file(jpeg(50))))
    assert wait_until(lambda: http("GET", p.url + where).status == 404, 15)
    assert not [f for f in files(spool) if f.startswith("jobs/")]


def test_the_oldest_finished_job_makes_room(start_pixpool, spool):
    p = start_pixpool(spool_dir=spool, spool_max="1M", workers=1)
    data = os.urandom(300_000)
    jobs = []
    for i in range(4):
        jobs.append(location(post(p, file(jpeg(50) + data, f"{i}.jpg"), query="?w=400&enlarge=1&format=png")))
        finished(p, jobs[-1])
    assert state(p, jobs[-1])["state"] == "done"
    answer = post(p, file(b"x" * 900_000), file(b"x" * 900_000))
    assert (answer.status, answer.json()["code"]) == (507, "spool_full")
    assert http("GET", p.url + jobs[0]).status == 404, "the oldest went first"
    assert not [f for f in files(spool) if f.startswith("new/")]
