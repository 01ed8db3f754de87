"""`pixpool check` where others are involved: an nginx in front, a cache, a socket that is in use. What it says of keys alone
is in test_check_keys.py."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

from conftest import BUILD, TOP, free_port
from systemd_box import as_root

CLEAN = {k: v for k, v in os.environ.items() if not k.startswith("PIXPOOL_")}


@pytest.fixture
def dir():
    """Open to everybody, as pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="pixpool-") as dir:
        os.chmod(dir, 0o755)
        yield Path(dir)


def check(dir, *words, user=None, **keys):
    """(lines that say PROBLEM, all lines)"""
    keys = {"listen": f"unix:{dir}/s", "workers": 1, "queue": 4, **keys}
    program = [shutil.copy(BUILD / "pixpool", dir)] if user else [BUILD / "pixpool"]
    if user:
        program = ["setpriv", f"--reuid={user}", "--regid=nogroup", "--clear-groups", *program]
    p = subprocess.run([*program, "check", *map(str, words), *(f"--{k}={v}" for k, v in keys.items())], env=CLEAN,
                       capture_output=True, text=True, timeout=60)
    lines = p.stdout.splitlines()
    problems = [line for line in lines if line.startswith("PROBLEM")]
    assert p.returncode == (1 if problems else 0), p.stdout + p.stderr
    return problems, lines


def nginx(dir, server, http="", main=""):
    """The words for a check of an nginx; PASS passes to pixpool's SOCKET, API is a location that does."""
    conf = dir / "nginx.conf"
    text = f"{main}\nevents {{}}\nhttp {{\n{http}\nserver {{\n{server}\n}}\n}}\n"
    conf.write_text(text.replace("API", "location /api/ { PASS }").replace("PASS", "fastcgi_pass SOCKET;")
                    .replace("SOCKET", f"unix:{dir}/s"))
    return "--nginx", conf


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "*", ""])
def test_a_port_for_everybody(dir, host):
    problems, lines = check(dir, listen=f"{host}:{free_port()}")
    note, = (line for line in lines if "open to all networks" in line)
    assert problems == [] and note.startswith("note") and "admin_allow" in note and "127.0.0.1" in note


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
def test_a_port_for_this_machine(dir, host):
    problems, lines = check(dir, listen=f"{host}:{free_port()}")
    assert problems == [] and not any("networks" in line for line in lines), lines


@pytest.mark.parametrize("server, http, says", [
    ("API", "", "location /api/: nginx answers 413 beyond client_max_body_size = 1024k, pixpool takes max_body = 32768k: "
                "set client_max_body_size 32768k; there"),
    ("API client_max_body_size 31m;", "", "client_max_body_size = 31744k"),  # said behind the location that inherits it
    ("location /api/ { PASS client_max_body_size 10k; }", "client_max_body_size 1g;", "client_max_body_size = 10k"),
    ("location / { PASS fastcgi_read_timeout 9s; } client_max_body_size 0;", "",
     "nginx answers 504 after fastcgi_read_timeout = 9000ms, pixpool works for deadline = 10000ms: set "
     "fastcgi_read_timeout 15s; there"),
    ("location /api/ { fastcgi_pass unix:/other; }", "", "nothing is passed to pixpool: fastcgi_pass unix:"),
    ("# API\nlocation / { return 200 \"PASS\"; }", "", "nothing is passed to pixpool"),
    ("location /api/ PASS", "", "nothing is passed to pixpool"),
])
def test_limits_below_pixpools(dir, server, http, says):
    problems, _ = check(dir, *nginx(dir, server, http))
    assert len(problems) == 1 and says in problems[0], problems


@pytest.mark.parametrize("server, http", [
    ("API client_max_body_size 32m;", ""),
    ("API", "client_max_body_size 0;"),
    ("API", 'client_max_body_size "1G"; fastcgi_read_timeout "1m 5s"; map $host $b { "~^x{2}$" 1; default ${host}d; }'),
    ("location ~ ^/img/.*\\.(jpg|png)$ { PASS }", ""),  # no uploads there
    ("location / { location /api/ { fastcgi_pass p; } client_max_body_size 64m; }",
     "upstream p { server SOCKET max_fails=0; }"),
])
def test_limits_that_do(dir, server, http):
    conf = nginx(dir, server, http)
    problems, lines = check(dir, *conf)
    assert problems == [] and any("1 locations pass to" in line for line in lines), lines
    # nginx itself takes it for what the test takes it for.
    p = subprocess.run(["nginx", "-t", "-e", "stderr", "-p", dir, "-c", conf[1], "-g", f"pid {dir}/pid;"],
                       capture_output=True, text=True, timeout=60)
    assert "syntax is ok" in p.stderr, p.stderr


def test_includes(dir):
    """Relative to the first file, by patterns, in the block where they stand."""
    (dir / "sites").mkdir()
    (dir / "sites/a.conf").write_text("server { include snip.conf; }")
    (dir / "snip.conf").write_text(f"location /api/ {{ fastcgi_pass unix:{dir}/s; }}")
    conf = dir / "nginx.conf"
    conf.write_text("events {} http { client_max_body_size 64m; include sites/*.conf; include none/*.conf; }")
    assert check(dir, "--nginx", conf)[0] == []
    conf.write_text("events {} http { include sites/*.conf; }")
    assert "413" in check(dir, "--nginx", conf)[0][0]
    (dir / "snip.conf").write_text("include snip.conf;")
    assert "nested too deeply" in check(dir, "--nginx", conf)[0][0]
    assert "No such file" in check(dir, "--nginx", dir / "missing")[0][0]


def test_the_examples_have_no_problem(dir):
    tried = set()
    for example in sorted((TOP / "conf/nginx").glob("*.conf")):
        text = example.read_text().replace("unix:/run/pixpool/pixpool.sock", f"unix:{dir}/s")
        if f"unix:{dir}/s" not in text:  # that of several machines
            continue
        (dir / "example.conf").write_text(text)
        assert check(dir, "--nginx", dir / "example.conf")[0] == [], example
        tried.add(example.name)
    assert tried == {"pixpool.conf", "cached.conf", "static.conf"}


@as_root
@pytest.mark.parametrize("keys, closed, problem", [
    ({}, False, "the socket is closed to user www-data, as whom the web server runs: set socket_group"),
    ({"socket_mode": "0600", "socket_group": "www-data"}, False, "the socket is closed to user www-data"),
    ({"socket_group": "www-data"}, True, "is closed to user www-data, as whom the web server runs: chmod o+x"),
    ({"socket_group": "www-data"}, False, None),
    ({"socket_mode": "0666"}, False, None),
])
def test_the_user_of_the_web_server(dir, keys, closed, problem):
    """Told before the first request, and what is told is so: the user itself tries."""
    conf = nginx(dir, "API", "client_max_body_size 64m;", "user www-data;")
    dir.chmod(0o700 if closed else 0o755)
    problems, lines = check(dir, *conf, **keys)
    if problem:
        assert len(problems) == 1 and problem in problems[0], problems
    else:
        assert problems == [] and any("www-data, as whom the web server runs, may use" in line for line in lines), lines
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(dir / "s"))
        shutil.chown(dir / "s", group=keys.get("socket_group", "root"))
        os.chmod(dir / "s", int(keys.get("socket_mode", "0660"), 8))
        s.listen()
        p = subprocess.run(["setpriv", "--reuid=www-data", "--regid=www-data", "--clear-groups", "/usr/bin/python3", "-c",
                            f"import socket; socket.socket(socket.AF_UNIX).connect('{dir}/s')"], capture_output=True)
        assert (p.returncode != 0) == bool(problem), p.stderr
        # As it is now counts, whatever pixpool would make of it: systemd may have made it.
        assert bool(check(dir, *conf, socket_mode="0644")[0]) == bool(problem)


def test_a_user_that_does_not_exist(dir):
    conf = nginx(dir, "API", "client_max_body_size 64m;", "user no-such-user;")
    assert "there is no user no-such-user" in check(dir, *conf)[0][0]


@as_root
def test_a_cache_that_cannot_be_written(dir):
    cache = dir / "cache"
    cache.mkdir(mode=0o755)
    dir.chmod(0o777)
    problems, _ = check(dir, user="nobody", cache_dir=cache)
    assert len(problems) == 1 and f"cache_dir {cache}: Permission denied for user" in problems[0], problems
    assert "chown or chmod it" in problems[0]
    cache.chmod(0o777)
    assert check(dir, user="nobody", cache_dir=cache)[0] == []
    (cache / ".pixpool").mkdir(mode=0o700)
    problems, _ = check(dir, user="nobody", cache_dir=cache)
    assert len(problems) == 1 and f"cache_dir {cache} is user 0's" in problems[0], problems
    os.chown(cache / ".pixpool", pwd.getpwnam("nobody").pw_uid, -1)
    assert check(dir, user="nobody", cache_dir=cache)[0] == check(dir, cache_dir=cache)[0] == []
