"""`pixpool check` of keys and of what the machine allows. What others have to do with it is in test_check.py."""

import os
import resource
import shutil
import socket
import tempfile
from pathlib import Path

import pytest

from program import BIN, complaint, run


@pytest.fixture
def sound(tmp_path):
    """Keys with which check has nothing to say."""
    (tmp_path / "images").mkdir()
    return {"listen": f"unix:{tmp_path}/p.sock", "image_root": tmp_path / "images", "workers": 2, "queue": 8}


def check(keys, **more):
    p = run("check", *(f"--{k}={v}" for k, v in keys.items()), **more)
    problems = [line for line in p.stdout.decode().splitlines() if line.startswith("PROBLEM")]
    assert p.returncode == (1 if problems else 0), (p.stdout, p.err)
    return problems


def test_check_finds_nothing_and_leaves_nothing(sound, tmp_path):
    assert check(sound) == []
    assert [p.name for p in tmp_path.iterdir()] == ["images"]
    assert b"pixpool can serve" in run("check", f"--listen={sound['listen']}").stdout


@pytest.mark.parametrize(
    "change,says",
    [
        ({"image_root": "/nonexistent"}, "image_root /nonexistent: No such file or directory: make the directory"),
        ({"image_root": "/etc/passwd"}, "image_root /etc/passwd: Not a directory"),
        ({"listen": "unix:/nonexistent/p.sock"}, "make its directory"),
        ({"listen": "unix:/etc/passwd"}, "not a socket"),
        ({"listen": "unix:/" + "x" * 120}, "1 to 107 bytes"),
        ({"listen": "127.0.0.1:port"}, "127.0.0.1:port"),
        ({"socket_group": "no-such-group"}, "no-such-group"),
        ({"memory_limit": "10T", "worker_memory": "1T"}, "lower workers"),
        ({"log": "/nonexistent/x.log"}, "log /nonexistent/x.log"),
    ],
)
def test_check_finds_the_problem(sound, change, says):
    problems = check({**sound, **change})
    assert len(problems) == 1 and says in problems[0], problems


def test_check_finds_all_problems_at_once(sound):
    assert len(check({**sound, "image_root": "/nonexistent", "log": "/nonexistent/log"})) == 2


def test_check_knows_an_address_in_use(sound):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        sound["listen"] = f"127.0.0.1:{s.getsockname()[1]}"
        assert "in use: end what uses it" in check(sound)[0]


def test_check_leaves_a_live_socket_alone(sound, tmp_path):
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(tmp_path / "p.sock"))
        s.listen()
        assert check(sound) == []
        assert b"answers there already" in run("check", f"--listen={sound['listen']}").stdout
        with socket.socket(socket.AF_UNIX) as c:
            c.connect(str(tmp_path / "p.sock"))


def test_check_for_fcgid(sound, tmp_path):
    keys = {**sound, "listen": "unix:/nowhere/p.sock", "slot_file": tmp_path / "slots"}
    assert len(check(keys)) == 1
    answer = run("check", "--fcgid", *[f"--{k}={v}" for k, v in keys.items()])
    assert answer.returncode == 0 and b"slot_file" in answer.stdout and b"listen" not in answer.stdout
    keys["slot_file"] = "/nowhere/slots"
    answer = run("check", "--fcgid", *[f"--{k}={v}" for k, v in keys.items()])
    assert answer.returncode == 1 and b"PROBLEM  slot_file: /nowhere/slots" in answer.stdout


def test_check_reads_presets(sound, tmp_path):
    conf = tmp_path / "c.conf"
    conf.write_text("[preset]\nfine = w=10\nbroken = widht=10\n")
    problems = check({**sound, "config": conf})
    assert len(problems) == 1 and "broken = widht=10" in problems[0]


def test_check_tells_a_typo_in_the_environment(sound):
    problems = check(sound, env={"PIXPOOL_DEADLNE": "1s", "PIXPOOL_PORT": "tcp://10.0.0.1:80"})
    assert len(problems) == 1 and "did you mean PIXPOOL_DEADLINE?" in problems[0]


def test_check_counts_descriptors(sound):
    few = 100
    problems = check(sound, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (few, few)))
    assert len(problems) == 1 and f"{few} descriptors are allowed" in problems[0]


# Runs nothing else: limits on processes count all of a user's, and other servers of this machine run as nobody.
STRANGER = 20000 + os.getpid() % 20000


def as_stranger(*limits):
    """What to run in the child: gives root up, for whom permissions and limits on processes mean nothing."""
    def drop():
        for limit, value in limits:
            resource.setrlimit(limit, (value, value))
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(STRANGER)
            os.setuid(STRANGER)
    return drop


@pytest.fixture
def strangers(sound):
    """Keys, and the program, where a user without rights can use them: the checkout may lie in a private folder."""
    with tempfile.TemporaryDirectory(prefix="pixpool-") as dir:
        os.chmod(dir, 0o777)
        images = Path(dir) / "images"
        images.mkdir()
        yield {**sound, "listen": f"unix:{dir}/p.sock", "image_root": images}, shutil.copy(BIN, dir)


def test_check_as_another_user(strangers):
    keys, program = strangers
    assert check(keys, program=program, preexec_fn=as_stranger()) == []
    keys["image_root"].chmod(0)
    problems = check(keys, program=program, preexec_fn=as_stranger())
    keys["image_root"].chmod(0o700)
    who = os.geteuid() or STRANGER
    assert len(problems) == 1 and f"Permission denied for user {who}: chown or chmod" in problems[0]


def test_check_counts_processes(strangers):
    keys, program = strangers
    problems = check(keys, program=program, preexec_fn=as_stranger((resource.RLIMIT_NPROC, 20)))
    assert len(problems) == 1 and "20 processes and threads are allowed" in problems[0] and "ulimit -Hu" in problems[0]


@pytest.mark.skipif(any(s in os.environ.get("PIXPOOL_BUILD", "") for s in ("asan", "tsan")),
                    reason="left out: a sanitizer reserves terabytes of address space before main")
def test_check_counts_address_space(sound):
    problems = check(sound, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20)))
    assert len(problems) == 1 and "400M of address space" in problems[0] and "ulimit -v" in problems[0]


def test_check_looks_for_a_place_for_temporary_files(sound):
    problems = check(sound, env={"TMPDIR": "/nonexistent"})
    assert len(problems) == 1 and problems[0].split(None, 1)[1].startswith("TMPDIR /nonexistent: No such file")


@pytest.mark.parametrize("keys, says", [
    ({"socket_mode": "0600"}, "set socket_mode = 0660 and socket_group"),
    ({"socket_mode": "0660", "socket_group": "www-data"}, "or in group www-data"),
    ({"socket_mode": "0666"}, "every user of this machine"),
])
def test_check_says_who_reaches_the_socket(sound, keys, says):
    p = run("check", *(f"--{k}={v}" for k, v in {**sound, **keys}.items()))
    notes = [line for line in p.stdout.decode().splitlines() if line.startswith("note")]
    assert p.returncode == 0 and any(says in n for n in notes), notes
    assert any("lets nobody else pass" in n for n in notes), "pytest's directories are private"


def test_check_refuses_sums_that_do_not_fit(sound):
    p = run("check", "--workers=2", "--queue=8", "--threads=17")
    assert "workers + queue + 8 = 18" in complaint(p, 1)
    p = run("check", "--workers=2", "--worker_memory=64M", "--memory_limit=100M")
    assert "raise memory_limit to 192M" in complaint(p, 1)
