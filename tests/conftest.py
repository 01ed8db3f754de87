"""The harness: real pixpool processes, behind a real nginx with the configuration that `make run` uses.

    pixpool         one instance per test file
    start_pixpool   a function that starts more, stopped when the test ends:
                    start_pixpool(test_build=True, workers=1, deadline="2s").url

Whatever is started must be gone after its stop, and must have reported no sanitizer error: both are asserted, so that
any test can find a process that was left behind.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from client import fcgi_status, http
from samples import write_samples

TOP = Path(__file__).resolve().parents[1]
BUILD = TOP / os.environ.get("PIXPOOL_BUILD", "build")
SANITIZER = re.compile(r"^.*(?:ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:).*\n(?:.*\n){0,30}", re.M)
# A malloc that is too large fails as it does in life. The test build crashes when asked to, which is nothing to report.
SANITIZER_OPTIONS, FOR_TEST_BUILD = "allocator_may_return_null=1", ":handle_segv=0"
START_S, STOP_S = 20, 15


ports = set()


def free_port():
    """One that nobody has at this moment, and another each time."""
    while True:
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        if port not in ports:
            ports.add(port)
            return port


def listening(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def wait_until(condition, seconds, interval=0.02):
    """Whether condition() came true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(interval)
    return True


def living():
    """{pid: (parent, session, start)} of all processes that have not ended."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            # After the name, which may hold anything, in brackets: state, parent, group, session, and many more.
            words = (entry / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if words[0] != "Z":
            found[int(entry.name)] = int(words[1]), int(words[3]), words[19]
    return found


seen = {}  # {session: {pid: start}}


def sessions_processes(sessions):
    """session_processes of several, from one look at the machine: {session: pids}."""
    all, result = living(), {}
    for session in sessions:
        before = seen.get(session, {})
        found = {pid for pid, (_, sid, start) in all.items() if sid == session or before.get(pid) == start}
        while more := {pid for pid, (parent, _, _) in all.items() if parent in found} - found:
            found |= more
        seen[session] = {pid: all[pid][2] for pid in found}
        result[session] = sorted(found)
    return result


def session_processes(session):
    """Live processes of a session and those that come of them: all that start_new_session's first process left in the
    world, orphans too. Workers lead sessions of their own: orphans of that kind are known if they were seen before."""
    return sessions_processes([session])[session]


def kill(pid):
    """One that has ended meanwhile is as good as killed."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def kill_session(session):
    for pid in session_processes(session):
        kill(pid)


def command_line(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        return ""


class Server:
    """A program in a session of its own, its output in a file."""

    def __init__(self, argv, log, **environment):
        self.log_path = log
        with open(log, "ab") as out:
            self.process = subprocess.Popen(
                [str(a) for a in argv],
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        self.pid = self.process.pid

    def log(self):
        return self.log_path.read_text("utf-8", "replace")

    def wait_listening(self, port, more_log=lambda: ""):
        """Until somebody answers on the port; fails where the program ends before that."""
        def answers():
            assert self.process.poll() is None, self.log() + more_log()
            return listening(port)

        assert wait_until(answers, START_S), self.log() + more_log()

    def stop(self):
        """SIGTERM and the wait for it; the exit status. Asserts that nothing is left."""
        session_processes(self.pid)  # so that they are known when they are orphans
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_S)
            gone = wait_until(lambda: not session_processes(self.pid), 5)
        except subprocess.TimeoutExpired:
            gone = False
        left = [(pid, command_line(pid)) for pid in session_processes(self.pid)]
        kill_session(self.pid)
        self.process.wait()
        assert gone, f"left behind after SIGTERM: {left}\n{self.log()}"
        return self.process.returncode


class Pixpool:
    """What tests see of one instance."""

    def __init__(self, dir, binary, keys):
        self.dir = dir
        self.socket = dir / "pixpool.sock"
        self.root = Path(keys["image_root"])
        self.url = None
        self.nginx = None
        options = {"listen": f"unix:{self.socket}", "grace": "3s", **keys}
        argv = [binary, "serve"] + [f"--{k}={v}" for k, v in options.items()]
        quiet = SANITIZER_OPTIONS + (FOR_TEST_BUILD if Path(binary).parent.name == "test" else "")
        self.server = Server(argv, dir / "pixpool.log", ASAN_OPTIONS=quiet, TSAN_OPTIONS=quiet)
        self.pid = self.server.pid

    def log(self):
        return self.server.log()

    def nginx_log(self):
        return (self.dir / "nginx-error.log").read_text("utf-8", "replace")

    def processes(self):
        """Pids of all its processes but the first, which is .pid."""
        return [p for p in session_processes(self.pid) if p != self.pid]

    def with_role(self, role):
        return [p for p in self.processes() if command_line(p).startswith(f"pixpool: {role}")]

    def workers(self):
        return self.with_role("worker")

    def gateway(self):
        found = self.with_role("gateway")
        assert len(found) == 1, f"one gateway expected: {[(p, command_line(p)) for p in self.processes()]}"
        return found[0]

    def wait_ready(self):
        def ready():
            assert self.server.process.poll() is None, f"pixpool did not start:\n{self.log()}"
            try:
                return fcgi_status(self.socket, "/readyz") == 200
            except OSError:
                return False

        assert wait_until(ready, START_S), f"pixpool is not ready after {START_S} s:\n{self.log()}"

    def start_nginx(self, extra, cache):
        port = free_port()
        (self.dir / "tmp").mkdir()
        (self.dir / "www").mkdir()
        (self.dir / "extra.conf").write_text(extra + "\n")
        conf = subprocess.check_output(
            [TOP / "tools/nginx_conf.sh", self.dir, str(port), self.socket, self.dir / "extra.conf"],
            env={**os.environ, "CACHE": "on" if cache else "off"},
            text=True,
        )
        self.run_nginx(conf, port)

    def run_nginx(self, text, port):
        """A configuration of its own, listening on port; everything nginx writes has to lie below .dir."""
        conf = self.dir / "nginx.conf"
        conf.write_text(text)
        self.nginx = Server(["nginx", "-e", self.dir / "nginx-error.log", "-p", self.dir, "-c", conf],
                            self.dir / "nginx.out")
        self.nginx.wait_listening(port, self.nginx_log)
        self.url = f"http://127.0.0.1:{port}"

    def stop(self):
        """Stops nginx and pixpool; pixpool's exit status. Asserts that nothing is left and no sanitizer complained."""
        try:
            if self.nginx:
                self.nginx.stop()
        finally:
            status = self.server.stop()
        assert SANITIZER.findall(self.log()) == []
        return status


@pytest.fixture(scope="session")
def sample_images(tmp_path_factory):
    """A read-only master copy; every instance gets its own."""
    root = tmp_path_factory.mktemp("samples") / "images"
    root.mkdir()
    write_samples(root)
    for path in root.rglob("*"):  # they have lain there for a while: what was just written is not cached
        if path.is_file() and not path.is_symlink():
            os.utime(path, (time.time() - 3600,) * 2)
    return root


# Tests end some time: workers don't wait for whatever else this machine does. Measurements take pixpool as it is.
FOR_TESTS = {"worker_nice": 0}


@contextmanager
def pixpool_factory(samples, **usual):
    """Yields start_pixpool; stops what it started. usual: keys of those that are started without a configuration."""
    started, dirs = [], []

    def start(binary=None, nginx=True, nginx_extra="", test_build=False, cache=False, **keys):
        """One instance, ready. test_build: the one with x-test operations; cache: nginx's in front of it; the other
        keywords are pixpool's configuration keys."""
        keys = keys if "config" in keys else {**usual, **keys}
        dir = Path(tempfile.mkdtemp(prefix="pixpool-"))  # short: a socket's path has room for 107 bytes
        dirs.append(dir)
        if "image_root" not in keys:
            keys["image_root"] = shutil.copytree(samples, dir / "images")
        p = Pixpool(dir, binary or BUILD / ("test/pixpool" if test_build else "pixpool"), keys)
        started.append(p)
        p.wait_ready()
        if nginx:
            p.start_nginx(nginx_extra, cache)
        return p

    try:
        yield start
    finally:
        errors = []
        for p in reversed(started):
            try:
                p.stop()
            except AssertionError as e:
                errors.append(str(e))
        for dir in dirs:
            shutil.rmtree(dir, ignore_errors=True)
        assert not errors, "\n".join(errors)


@pytest.fixture
def start_pixpool(sample_images):
    with pixpool_factory(sample_images, **FOR_TESTS) as start:
        yield start


@pytest.fixture(scope="module")
def start_pixpool_module(sample_images):
    """The same for fixtures of module scope."""
    with pixpool_factory(sample_images, **FOR_TESTS) as start:
        yield start


@pytest.fixture(scope="module")
def pixpool(start_pixpool_module):
    return start_pixpool_module()


@pytest.fixture
def get(server):
    """GETs from what a test file calls its server: get("/img/photo.jpg", X_Request_Id="a")."""
    return lambda target, **headers: http("GET", f"{server.url}{target}",
                                          headers={k.replace("_", "-"): v for k, v in headers.items()})
