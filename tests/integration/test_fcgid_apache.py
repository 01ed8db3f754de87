"""Behind Apache's mod_fcgid, with conf/apache/fcgid.conf: many requests at once, and every way in which Apache stops.

What it has in common with the other servers is in test_servers.py; processes without Apache are in test_fcgid.py."""

import collections
import io
import os
import signal
import threading

import pytest
from PIL import Image, ImageChops, ImageStat

from client import http
from conftest import command_line, kill, session_processes, wait_until
from fcgid_site import FcgidSite

PHOTO = "/img/photo.jpg"


@pytest.fixture
def site(sample_images):
    s = FcgidSite(sample_images, test_build=True, workers=2, deadline="300s")
    yield s
    s.stop()


def ours(site):
    return [p for p in session_processes(site.pid) if command_line(p).startswith("pixpool: ")]


class Watch(threading.Thread):
    """The most workers that were ever seen at one time."""

    def __init__(self, site):
        super().__init__()
        self.session, self.most, self.looks, self.ended = site.pid, 0, 0, threading.Event()
        self.start()

    def run(self):
        while not self.ended.is_set():
            found = session_processes(self.session)
            self.most = max(self.most, sum(command_line(pid).startswith("pixpool: worker") for pid in found))
            self.looks += 1

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.ended.set()
        self.join()


def at_once(urls):
    """Their answers, in the order of urls."""
    answers = [None] * len(urls)

    def ask(i):
        answers[i] = http("GET", urls[i])

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(len(urls))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return answers


def right(answer, width, original):
    """Whether it is this picture at this width, by the eyes of somebody else's decoder and scaler."""
    got = Image.open(io.BytesIO(answer.body)).convert("RGB")
    if got.width != width:
        return False
    wanted = original.resize(got.size, Image.Resampling.LANCZOS)
    return max(ImageStat.Stat(ImageChops.difference(got, wanted)).mean) < 4


def test_forty_at_once(site, sample_images):
    """Twenty processes, two workers: never more than two jobs, the rest waits or is refused, and all is right."""
    original = Image.open(sample_images / "photo.jpg").convert("RGB")
    with Watch(site) as watch:
        answers = at_once([f"{site.url}{PHOTO}?w={100 + i}&x-test=busy" for i in range(40)])
    assert all(answers), f"connections without an answer: {answers.count(None)}\n{site.log()[-3000:]}"
    statuses = collections.Counter(a.status for a in answers)
    print(f"{dict(statuses)}, at most {watch.most} workers in {watch.looks} looks")
    assert set(statuses) <= {200, 503} and statuses[200] >= 14, statuses
    assert watch.most == 2
    for i, a in enumerate(answers):
        if a.status == 200:
            assert right(a, 100 + i, original), i
        else:
            assert int(a.headers["Retry-After"]) >= 1 and a.headers["Content-Type"] == "application/problem+json"
    # Once more, now that the processes are there: 20 of them, 2 at work, 12 in the queue, and the rest is told so at once.
    hanging = [f"{site.url}{PHOTO}?x-test=hang&v={i}" for i in range(20)]
    refused = []

    def ask(url):
        a = http("GET", url)
        if a.status == 503 and b"queue is full" in a.body:
            refused.append(a)

    threads = [threading.Thread(target=ask, args=(u,)) for u in hanging]
    for t in threads:
        t.start()
    enough = wait_until(lambda: len(refused) >= 4, 15)
    upload = http("POST", f"{site.url}/api/images/process", os.urandom(10 << 20), {"Content-Type": "image/jpeg"})
    for pid in ours(site):  # nobody waits for what hangs
        if command_line(pid) == "pixpool: spawner":
            kill(pid)
    for t in threads:
        t.join()
    assert enough, len(refused)
    assert upload.status == 503 and int(upload.headers["Retry-After"]) >= 1 and upload.json()["code"] == "busy"
    assert wait_until(lambda: not [p for p in ours(site)], 5), "killed, with all that is theirs"
    assert http("GET", f"{site.url}{PHOTO}?w=50").status == 200, "slots are free, and Apache starts new ones"


def test_a_refused_upload_hears_why(site):
    """The body is with mod_fcgid, which reads no answer before it has written all of it."""
    answer = http("POST", f"{site.url}/api/images/process?w=nonsense", os.urandom(10 << 20), {"Content-Type": "image/jpeg"})
    assert answer.status == 400 and answer.json()["option"] == "w"
    answer = http("POST", f"{site.url}/api/images/process", os.urandom(40 << 20), {"Content-Type": "image/jpeg"})
    assert answer.status == 413 and answer.json()["code"] == "body_too_large"


def busy(site):
    """One request at work, some processes idle."""
    at_once([f"{site.url}{PHOTO}?w={60 + i}" for i in range(3)])
    t = threading.Thread(target=lambda: quiet(f"{site.url}{PHOTO}?x-test=hang"))
    t.start()
    assert wait_until(lambda: [p for p in ours(site) if command_line(p).startswith("pixpool: worker")], 10)
    return t


def quiet(url):
    try:
        http("GET", url)
    except OSError:
        pass  # the server is stopped meanwhile


def test_graceful_restart_leaves_nothing(site):
    t = busy(site)
    before = set(ours(site))
    os.kill(site.pid, signal.SIGUSR1)
    assert wait_until(lambda: not before & set(ours(site)), 10), "the old ones have ended"
    t.join()
    assert http("GET", f"{site.url}{PHOTO}?w=50").status == 200


def test_stop_leaves_nothing(site):
    t = busy(site)
    os.kill(site.pid, signal.SIGTERM)
    assert wait_until(lambda: not session_processes(site.pid), 15), [command_line(p) for p in ours(site)]
    t.join()


def test_kill_leaves_nothing(site):
    t = busy(site)
    for pid in session_processes(site.pid):
        if not command_line(pid).startswith("pixpool: "):
            kill(pid)
    assert wait_until(lambda: not session_processes(site.pid), 5), [command_line(p) for p in ours(site)]
    t.join()
