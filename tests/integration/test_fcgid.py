"""pixpool fcgid, started as mod_fcgid does it: many processes, a listening socket as standard input, PATH as the whole
environment, the web server's descriptors left open, one request at a time for each. Apache itself is in
test_fcgid_apache.py."""

import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from client import fcgi_status
from conftest import BUILD, SANITIZER, SANITIZER_OPTIONS, FOR_TEST_BUILD, command_line, kill, kill_session
from conftest import session_processes, sessions_processes, wait_until
from fcgi_client import Client, request
from test_priority import all_stand_back

PHOTO = "/img/photo.jpg"
QUIET = SANITIZER_OPTIONS + FOR_TEST_BUILD
SANITIZED = any(s in os.environ.get("PIXPOOL_BUILD", "") for s in ("asan", "tsan"))


class Process:
    """One of many. .pid is the first of its processes, the only one that mod_fcgid knows."""

    def __init__(self, site, n, words=None, **options):
        self.path = str(site.dir / f"{n}.sock")
        self.log_path = site.dir / f"{n}.log"
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(self.path)
        listening.listen(5)
        keys = [f"--{k}={v}" for k, v in {**site.keys, **options}.items()]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                words or [BUILD / "test/pixpool", "fcgid"] + keys, stdin=listening, stdout=log, stderr=log, cwd=site.dir,
                env={"PATH": os.environ["PATH"], "ASAN_OPTIONS": QUIET, "TSAN_OPTIONS": QUIET},
                start_new_session=True, pass_fds=site.leaked)
        listening.close()
        self.pid = self.process.pid

    def all(self, role=""):
        return [p for p in session_processes(self.pid) if command_line(p).startswith(f"pixpool: {role}")]

    def workers(self):
        return self.all("worker")

    def log(self):
        return self.log_path.read_text()

    def ask(self, uri, timeout=20, **more):
        with Client(self.path, timeout) as c:
            return c.ask(uri, **more)

    def begin(self, uri, **more):
        """A request whose answer is not read yet."""
        c = Client(self.path, 30)
        c.send(request(uri, **more))
        return c

    def gone(self, seconds=5):
        """Whether it ended, and all that belongs to it."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return wait_until(lambda: not session_processes(self.pid), 5)


class Site:
    """All processes of one user."""

    def __init__(self, dir, images, **keys):
        self.dir = dir
        self.keys = {"image_root": images, "slot_file": dir / "slots", "grace": "3s", **keys}
        self.started, self.leaked = [], ()

    def start(self, **more):
        p = Process(self, len(self.started), **more)
        self.started.append(p)
        return p

    def stop(self):
        for p in self.started:
            p.process.terminate()
        left = [p.pid for p in self.started if not p.gone()]
        for p in self.started:
            kill_session(p.pid)
            p.process.wait()
            assert SANITIZER.findall(p.log()) == []
        assert not left, f"left behind after SIGTERM: {left}"


@pytest.fixture
def site(sample_images):
    """A function that gives a user with these keys."""
    dir = Path(tempfile.mkdtemp(prefix="pixpool-"))
    sites = []

    def make(**keys):
        sites.append(Site(dir, sample_images, **keys))
        return sites[-1]

    yield make
    for s in sites:
        s.stop()
    shutil.rmtree(dir)


def all_workers(processes):
    """[(first process, worker)] of all of them, from one look at the machine."""
    found = sessions_processes([p.pid for p in processes])
    return [(first, pid) for first in found for pid in found[first] if command_line(pid).startswith("pixpool: worker")]


def hang(client, seconds=0.0):
    """Whether this request is still without an answer."""
    client.socket.settimeout(seconds or 0.01)
    try:
        client.socket.recv(1, socket.MSG_PEEK)
        return False
    except (socket.timeout, BlockingIOError):
        return True
    finally:
        client.socket.settimeout(30)


def test_one_request_after_another(site):
    p = site(workers=1, queue=0).start()
    for w in range(40, 50):
        answer = p.ask(f"{PHOTO}?w={w}")
        assert (answer.status, answer.headers["x-image-width"]) == (200, str(w))
        # A sanitizer's own work at the end may take longer than an answer waits for it.
        assert wait_until(lambda: not p.workers(), 20 if SANITIZED else 0), "it has ended before the answer went out"
    assert len(p.all()) == 2


def test_what_needs_no_pixels_needs_no_worker(site):
    s = site(workers=1, queue=0)
    busy, p = s.start(), s.start()
    held = busy.begin(f"{PHOTO}?x-test=hang")
    assert wait_until(busy.workers, 5)
    assert p.ask(PHOTO).status == 503
    for uri, status in (("/healthz", 200), ("/readyz", 200), ("/img/nothing.jpg", 404), (f"{PHOTO}?w=0", 400)):
        assert p.ask(uri).status == status, uri
    assert p.ask(PHOTO, method="HEAD").status == 200
    assert p.ask("/metrics").status == 200 and not p.workers()
    held.close()


def test_twenty_processes_run_two_jobs_queue_three_and_refuse_the_rest(site):
    s = site(workers=2, queue=3, deadline="20s")
    processes = [s.start() for _ in range(20)]
    assert all(wait_until(lambda p=p: fcgi_status(p.path, "/readyz") == 200, 20) for p in processes)
    clients = [p.begin(f"{PHOTO}?x-test=hang&v={i}") for i, p in enumerate(processes)]
    assert wait_until(lambda: sum(hang(c) for c in clients) <= 5, 10)
    waiting = [hang(c, 0.1) for c in clients]
    assert sum(waiting) == 5
    for c, waits in zip(clients, waiting):
        if not waits:
            answer = c.read_response()
            assert answer.status == 503 and int(answer.headers["retry-after"]) >= 1
            assert b'"busy"' in answer.body or b"queue is full" in answer.body
    at_work = all_workers(processes)
    assert len(at_work) == 2 and len({session for session, _ in at_work}) == 2
    # Any death lets another one in, and never more than one.
    for victim in ("spawner", "gateway", "worker"):
        before = {session for session, _ in all_workers(processes)}
        p = next(p for p in processes if p.pid in before)
        for pid in p.all(victim):
            kill(pid)
        assert wait_until(lambda: {session for session, _ in all_workers(processes)} - before, 5), victim
        time.sleep(0.05)
        assert len(all_workers(processes)) == 2, victim
    for c in clients:
        c.close()
    assert wait_until(lambda: not all_workers(processes), 5), "their clients have left"


def test_the_queue_ends_with_the_deadline(site):
    s = site(workers=1, queue=1, deadline="1s")
    busy, p = s.start(deadline="20s"), s.start()
    held = busy.begin(f"{PHOTO}?x-test=hang")
    assert wait_until(busy.workers, 5)
    answer = p.ask(PHOTO)
    assert answer.status == 503 and b"before the deadline" in answer.body
    held.close()
    assert p.ask(PHOTO).status == 200


def test_workers_stand_back(site):
    p = site(workers=1, queue=0, worker_nice=7).start()
    held = p.begin(f"{PHOTO}?x-test=hang")
    assert all_stand_back(p.workers, 1, 7)
    held.close()


def test_a_crash_costs_one_request(site):
    p = site(workers=1, queue=0).start()
    assert p.ask(f"{PHOTO}?x-test=crash").status == 500
    assert p.ask(f"{PHOTO}?w=40").status == 200


def test_retry_after_tells_what_others_learnt(site):
    """A process that has just been started has seen no job, but its answer speaks of all of them."""
    s = site(workers=1, queue=0)
    first = s.start()
    assert first.ask(f"{PHOTO}?x-test=busy").status == 200
    held = first.begin(f"{PHOTO}?x-test=hang")
    assert wait_until(first.workers, 5)
    (s.dir / "slots").write_bytes(struct.pack("dd", 8000.0, 0.0))  # jobs take 8 s
    fresh = [int(s.start().ask(PHOTO).headers["retry-after"]) for _ in range(2)]
    assert 4 <= fresh[0] < fresh[1] <= 40, f"{fresh}: half a job, and then not all at once"
    held.close()


def test_one_job_for_all_processes_that_are_asked_for_the_same(site, tmp_path):
    s = site(workers=2, queue=20, cache_dir=tmp_path)
    processes = [s.start() for _ in range(12)]
    assert all(wait_until(lambda p=p: fcgi_status(p.path, "/readyz") == 200, 20) for p in processes)
    clients = [p.begin(f"{PHOTO}?w=90&x-test=busy") for p in processes]
    answers = [c.read_response() for c in clients]
    assert {a.status for a in answers} == {200} and len({a.body for a in answers}) == 1
    made = [a.headers.get("x-cache") for a in answers]
    assert made.count("miss") == 1, made


def test_descriptors_of_the_web_server_are_closed(site):
    s = site()
    read, write = os.pipe()
    s.leaked = (read, write)
    p = s.start()
    os.close(write)
    assert p.ask("/healthz").status == 200
    pipes = {os.readlink(f"/proc/{pid}/fd/{fd}") for pid in p.all() for fd in os.listdir(f"/proc/{pid}/fd")}
    assert os.readlink(f"/proc/self/fd/{read}") not in pipes
    assert os.read(read, 1) == b"", "the other end is open nowhere"
    os.close(read)


def test_a_refused_body_is_read_to_its_end(site):
    """mod_fcgid writes all of a request before it reads an answer."""
    s = site(max_body="1M")
    p = s.start()
    noise = os.urandom(6 << 20)
    large = (Path(s.keys["image_root"]) / "photo.jpg").read_bytes() + noise
    for uri, body, length, status in (
        ("/api/images/process", large, "auto", 413),
        ("/api/images/process", large, None, 413),
        ("/api/images/process", noise, None, 415),  # as its beginning tells
        (PHOTO, large, "auto", 405),
    ):
        with Client(p.path) as c:
            c.send(request(uri, "POST", body, length=length, CONTENT_TYPE="image/jpeg"))
            assert c.read_response().status == status


def test_nothing_is_done_in_the_background(site):
    s = site()
    p = s.start(spool_dir=s.dir / "spool")
    photo = (Path(s.keys["image_root"]) / "photo.jpg").read_bytes()
    answer = p.ask("/api/images/renditions?w=40", method="POST", body=photo, CONTENT_TYPE="image/jpeg",
                   HTTP_PREFER="respond-async")
    assert answer.status == 200 and "multipart/mixed" in answer.headers["content-type"]


def test_reload(site):
    p = site(workers=1, queue=0).start()
    assert p.ask(f"{PHOTO}?w=40").status == 200
    old = p.all("gateway")
    os.kill(p.pid, signal.SIGHUP)
    assert wait_until(lambda: p.all("gateway") and p.all("gateway") != old and len(p.all("gateway")) == 1, 10), p.log()
    assert p.ask(f"{PHOTO}?w=41").status == 200


def test_it_is_not_upgraded(site):
    """The web server's next process is the new binary. This one goes on."""
    p = site(workers=1, queue=0).start()
    assert p.ask(f"{PHOTO}?w=40").status == 200
    os.kill(p.pid, signal.SIGUSR2)
    assert wait_until(lambda: "event=upgrade" in p.log(), 10)
    assert p.ask(f"{PHOTO}?w=41").status == 200
    os.kill(p.pid, signal.SIGTERM)
    assert p.gone()


def test_it_ends_with_whoever_started_it(site):
    """Apache killed hard tells nobody to end."""
    s = site()
    sh = f'exec 5<&0; "{BUILD}/test/pixpool" fcgid --image_root="{s.keys["image_root"]}" --slot_file="{s.dir}/s" <&5 & wait'
    p = s.start(words=["/bin/sh", "-c", sh])
    assert wait_until(lambda: fcgi_status(p.path, "/readyz") == 200, 10)
    held = p.begin(f"{PHOTO}?x-test=hang")
    assert wait_until(p.workers, 5)
    os.kill(p.pid, signal.SIGKILL)
    p.process.wait()
    held.close()
    assert wait_until(lambda: not session_processes(p.pid), 5)


def test_as_pixpool_fcgi(site):
    """Under the name of a script, with its configuration beside it."""
    s = site()
    web = s.dir / "web"
    shutil.copytree(s.keys["image_root"], web / "photos")
    shutil.copy(BUILD / "test/pixpool", web / "pixpool.fcgi")
    (web / "pixpool.conf").write_text("image_root = photos\nslot_file = slots\nworkers = 1\n")
    p = s.start(words=[web / "pixpool.fcgi"])
    assert p.ask(f"{PHOTO}?w=40").status == 200
    assert (web / "slots").exists() and len(p.all()) == 2


@pytest.mark.parametrize("words, why", [
    (["fcgid"], "listening socket"),
    (["fcgid", "--workers=0"], "at least 1"),
    (["fcgid", "--slot_file=/nowhere/at/all"], "slot_file"),
])
def test_what_it_can_t_do_is_said(site, words, why):
    s = site()
    if len(words) == 1:
        got = subprocess.run([BUILD / "test/pixpool"] + words, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        assert got.returncode == 2 and why in got.stderr
        return
    p = s.start(words=[BUILD / "test/pixpool"] + words)
    assert wait_until(lambda: why in p.log(), 10)
    p.process.wait(10)
