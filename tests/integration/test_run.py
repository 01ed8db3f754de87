"""`make run`, as a person runs it: the page, pictures through the cache, uploads, and an end without leftovers."""

import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import quote

import pytest
from PIL import Image

from client import http
from conftest import BUILD, START_S, TOP, command_line, free_port, kill_session, listening, session_processes
from conftest import sessions_processes, wait_until

NAMES = ["nature/a photo.jpg", "Größe & Co.png", 'q"uote.jpg', "sub/deep/leaf.webp"]


def parent(stat):
    try:
        return int(stat.read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return 0


def leads(pid):
    try:
        return os.getsid(pid) == pid
    except ProcessLookupError:
        return False


class MakeRun:
    """One `make run` in a session of its own, with its own directory and images."""

    def __init__(self, images, port=None):
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.dir = Path(tempfile.mkdtemp(prefix="pixpool-run-"))
        self.out = self.dir / "out.txt"
        # Named as it was when it was built: the compiler's dependency files know no other name.
        build = os.path.relpath(BUILD, TOP)
        argv = ["make", "run", f"BUILD={build}", f"PORT={self.port}", f"RUN_DIR={self.dir}/run", f"IMAGES={images}"]
        env = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
        with open(self.out, "wb") as out:
            self.make = subprocess.Popen(
                argv, cwd=TOP, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
            )

        self.seen = {}

    def text(self):
        return self.out.read_text("utf-8", "replace")

    def wait_ready(self):
        def ready():
            assert self.make.poll() is None, self.text()
            return "pixpool is ready" in self.text()

        assert wait_until(ready, START_S), self.text()
        self.servers()
        return self

    def servers(self):
        """The sessions that run.sh made, by their leader's name: {"pixpool": pid, "nginx": pid}."""
        parents = {int(p.parent.name): parent(p) for p in Path("/proc").glob("[0-9]*/stat")}
        below = {self.make.pid}
        while more := {pid for pid, up in parents.items() if up in below} - below:
            below |= more
        leaders = [pid for pid in below - {self.make.pid} if leads(pid) and not leads(parents[pid])]  # not a worker
        self.seen |= {"nginx" if "nginx" in command_line(pid) else "pixpool": pid for pid in leaders}
        sessions_processes(self.seen.values())  # so that they are known when they are orphans
        return self.seen

    def stop(self, how=signal.SIGTERM):
        if self.make.poll() is None:
            self.make.send_signal(how)
        return self.make.wait(20)

    def clean(self):
        for session in [self.make.pid, *self.servers().values()]:
            kill_session(session)
        self.make.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


@pytest.fixture(scope="module")
def images(sample_images, tmp_path_factory):
    """A tree of sound pictures with the names that trip up quoting."""
    root = tmp_path_factory.mktemp("run") / "my images"
    for name in NAMES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        source = {"png": "alpha.png", "webp": "still.webp", "jpg": "photo.jpg"}[name.rsplit(".", 1)[1]]
        shutil.copy(sample_images / source, root / name)
    (root / ".hidden").mkdir()
    shutil.copy(sample_images / "photo.jpg", root / ".hidden" / "secret.jpg")
    (root / "notes.txt").write_text("not a picture")
    return root


@pytest.fixture(scope="module")
def running(images):
    run = MakeRun(images)
    try:
        yield run.wait_ready()
    finally:
        run.stop()
        run.clean()


@pytest.fixture
def make_run(images):
    started = []

    def start(images=images, **kw):
        started.append(MakeRun(images, **kw))
        return started[-1]

    yield start
    for run in started:
        run.clean()


def picture(answer):
    assert answer.status == 200, answer.body
    return Image.open(io.BytesIO(answer.body))


def test_the_url_is_printed_and_serves_the_page(running):
    url = re.search(r"http://\S+", running.text()).group()
    page = http("GET", url)
    assert page.status == 200 and b"<title>pixpool</title>" in page.body
    for name in re.findall(rb'(?:href|src)="(\w+\.(?:css|js))"', page.body):
        assert http("GET", url + name.decode()).status == 200


def test_the_gallery_lists_the_images_photographs_first(running):
    listed = json.loads(http("GET", f"{running.url}/gallery.json").body)
    assert sorted(listed) == sorted(NAMES)
    assert listed[0] == "nature/a photo.jpg"


@pytest.mark.parametrize("name", NAMES)
def test_thumbnails_decode(running, name):
    a = http("GET", f"{running.url}/img/{quote(name)}?w=320&h=240&fit=cover&format=jpeg")
    im = picture(a)
    im.load()
    assert im.format == "JPEG" and im.size == (320, 240) or name.endswith(("png", "webp"))
    assert im.width / im.height == pytest.approx(4 / 3, abs=0.02)


def test_an_upload_by_curl(running, images, tmp_path):
    out = tmp_path / "out.webp"
    subprocess.run(
        ["curl", "-sS", "--fail-with-body", "-F", f"file=@{images}/nature/a photo.jpg",
         f"{running.url}/api/images/process?w=300&format=webp", "-o", out],
        check=True,
    )
    im = Image.open(out)
    assert (im.format, im.size) == ("WEBP", (300, 200))


def test_an_upload_beyond_nginx_s_usual_megabyte(running, tmp_path):
    noise = Image.effect_noise((1600, 1200), 90)
    noise.save(tmp_path / "noise.png")
    body = (tmp_path / "noise.png").read_bytes()
    assert len(body) > 1 << 20
    a = http("POST", f"{running.url}/api/images/process?w=100&format=jpeg", body, {"Content-Type": "image/png"})
    assert picture(a).size == (100, 75)


def test_head_then_get_through_the_cache(running):
    url = f"{running.url}/img/{quote(NAMES[0])}?w=111"
    head = http("HEAD", url)
    assert (head.status, head.body) == (200, b"")
    first = http("GET", url)
    assert picture(first).size == (111, 74) and first.headers["X-Cache"] == "MISS"
    # nginx has the answer in its cache a moment after the client has it.
    assert wait_until(lambda: http("GET", url).headers["X-Cache"] == "HIT", 5)
    assert http("GET", url).body == first.body


def test_the_cache_keeps_negotiated_formats_apart(running):
    url = f"{running.url}/img/{quote(NAMES[0])}?w=112&format=auto"
    kinds = [http("GET", url, headers={"Accept": accept}).headers["Content-Type"]
             for accept in ("image/avif,image/webp,*/*", "image/png,*/*;q=0.5", "image/webp", "*/*")]
    assert kinds == ["image/webp", "image/jpeg", "image/webp", "image/jpeg"]


def test_errors_are_not_cached(running):
    url = f"{running.url}/img/none.jpg"
    answers = [http("GET", url) for _ in range(3)]
    assert [(a.status, a.headers["X-Cache"]) for a in answers] == [(404, "MISS")] * 3


def test_what_lies_outside_is_not_served(running):
    for path in ("/img/.hidden/secret.jpg", "/img/%2e%2e/out.txt", "/nginx.conf", "/../nginx.conf"):
        assert http("GET", running.url + path).status in (400, 404), path


def test_a_large_folder_gives_a_list_of_24_and_an_empty_one_none(make_run, tmp_path, sample_images):
    for count, shown in ((3000, 24), (0, 0)):
        folder = tmp_path / str(count)
        folder.mkdir()
        for i in range(count):
            (folder / f"a rather long name of a picture {i}.jpg").hardlink_to(sample_images / "grey.jpg")
        run = make_run(images=folder).wait_ready()
        assert len(json.loads(http("GET", f"{run.url}/gallery.json").body)) == shown
        run.stop()


def test_sigterm_leaves_nothing(make_run):
    run = make_run().wait_ready()
    servers = run.servers()
    assert set(servers) == {"pixpool", "nginx"}
    run.stop()
    for session in [run.make.pid, *servers.values()]:
        assert wait_until(lambda: not session_processes(session), 5), f"left: {session_processes(session)}"
    assert not listening(run.port)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGHUP])
def test_ctrl_c_and_a_terminal_that_closes_leave_nothing(make_run, how):
    run = make_run().wait_ready()
    servers = run.servers()
    os.killpg(run.make.pid, how)  # what the terminal does
    run.make.wait(20)
    for session in [run.make.pid, *servers.values()]:
        assert wait_until(lambda: not session_processes(session), 5), f"left: {session_processes(session)}"


@pytest.mark.parametrize("victim", ["pixpool", "nginx"])
def test_when_one_server_dies_the_other_is_stopped_and_it_says_so(make_run, victim):
    run = make_run().wait_ready()
    servers = run.servers()
    os.kill(servers[victim], signal.SIGKILL)
    assert run.make.wait(20) != 0
    assert f"{victim} has ended" in run.text()
    for session in servers.values():
        assert wait_until(lambda: not session_processes(session), 5), f"left: {session_processes(session)}"


def test_a_port_in_use_is_named(make_run):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        run = make_run(port=s.getsockname()[1])
        assert run.make.wait(20) != 0
        assert f"port {run.port} is in use" in run.text()
    assert run.servers() == {}


def test_two_at_a_time(running, make_run):
    other = make_run().wait_ready()
    for url in (running.url, other.url):
        assert picture(http("GET", f"{url}/img/{quote(NAMES[0])}?w=50")).size == (50, 33)
    other.stop()
    assert picture(http("GET", f"{running.url}/img/{quote(NAMES[0])}?w=51")).size == (51, 34)
