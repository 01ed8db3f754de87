"""The program on the command line: process, check, --print-config, --cpu, --version, and how it complains.

PIXPOOL_BIN names another binary than that of the build.
"""

import io
import os
import re
import resource
import shutil
import socket
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest
from PIL import Image
from samples import scene

TOP = Path(__file__).resolve().parents[2]
BIN = os.environ.get("PIXPOOL_BIN", TOP / os.environ.get("PIXPOOL_BUILD", "build") / "pixpool")
CLEAN = {k: v for k, v in os.environ.items() if not k.startswith("PIXPOOL_")}
TIMING = re.compile(r"cpu_s=\d+\.\d{6} wall_s=\d+\.\d{6} bytes=(\d+)")


def run(*args, stdin=b"", env=None, program=BIN, **more):
    """The program's end: .returncode, .stdout (bytes) and .err (text)."""
    p = subprocess.run([str(a) for a in (program, *args)], input=stdin, capture_output=True, timeout=60,
                       env={**CLEAN, **(env or {})}, **more)
    p.err = p.stderr.decode()
    assert p.returncode in (0, 1, 2), f"{args}: {p.returncode}\n{p.err}"
    return p


def complaint(p, status):
    """The one line of a run that failed."""
    assert p.returncode == status, p.err
    lines = p.err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("pixpool: "), p.err
    return lines[0]


def shape(path_or_bytes):
    source = io.BytesIO(path_or_bytes) if isinstance(path_or_bytes, bytes) else path_or_bytes
    with Image.open(source) as im:
        im.load()
        return im.format, im.size


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.jpg"
    scene((400, 300)).save(path, quality=90)
    return path


# Process.


@pytest.mark.parametrize(
    "name,options,want",
    [
        ("out.jpg", "w=200", ("JPEG", (200, 150))),
        ("out.JPEG", "w=200", ("JPEG", (200, 150))),
        ("out.png", "h=60", ("PNG", (80, 60))),
        ("out.webp", "w=100,h=100,fit=cover", ("WEBP", (100, 100))),
        ("out.jpg", "w=100,format=png", ("PNG", (100, 75))),
        ("out.png", "w=100,format=origin", ("JPEG", (100, 75))),
        ("out.webp", "w=100,format=auto", ("WEBP", (100, 75))),
        ("out.bin", "w=100,format=webp", ("WEBP", (100, 75))),
        ("noextension", "w=100,h=90,preset=sharp", ("JPEG", (100, 90))),
        ("out.png", "w=100,h=100,preset=sharp", ("PNG", (100, 100))),
        ("out.jpg", None, ("JPEG", (400, 300))),
    ],
)
def test_format_and_size(photo, tmp_path, name, options, want):
    out = tmp_path / name
    p = run("process", photo, "-o", out, *([options] if options else []))
    assert p.returncode == 0, p.err
    assert shape(out) == want
    assert p.stdout == b""
    assert f"{out}: {want[1][0]}x{want[1][1]} {want[0].lower()}, {out.stat().st_size} bytes" in p.err


def test_several_outputs_and_words_in_any_order(photo, tmp_path):
    a, b, c = (tmp_path / n for n in ("a.jpg", "b.webp", "c.png"))
    p = run("process", "--quiet", "-o", a, "w=200", photo, "-o", b, "-o", c, "w=50,h=50,fit=cover")
    assert (p.returncode, p.err) == (0, "")
    assert [shape(x) for x in (a, b, c)] == [("JPEG", (200, 150)), ("WEBP", (400, 300)), ("PNG", (50, 50))]


def test_outputs_of_one_decode_equal_those_alone(photo, tmp_path):
    together = [tmp_path / f"t{w}.jpg" for w in (200, 100, 50)]
    words = [x for path, w in zip(together, (200, 100, 50)) for x in ("-o", path, f"w={w}")]
    assert run("process", photo, *words).returncode == 0
    for path, w in zip(together, (200, 100, 50)):
        alone = tmp_path / "alone.jpg"
        assert run("process", photo, "-o", alone, f"w={w}").returncode == 0
        assert shape(path) == shape(alone)


def test_quality_changes_the_size(photo, tmp_path):
    low, high = tmp_path / "low.jpg", tmp_path / "high.jpg"
    run("process", photo, "-o", low, "q=10", "-o", high, "q=95")
    assert low.stat().st_size * 2 < high.stat().st_size


def test_standard_input_and_output(photo):
    p = run("process", "-", "-o", "-", "w=100", "--quiet", stdin=photo.read_bytes())
    assert (p.returncode, p.err) == (0, "")
    assert shape(p.stdout) == ("JPEG", (100, 75)), "without an extension the source's format stays"
    p = run("process", "-", "-o", "-", "w=100,format=png", stdin=photo.read_bytes())
    assert shape(p.stdout) == ("PNG", (100, 75))
    assert "-: 100x75 png" in p.err


def test_large_input_through_a_pipe(tmp_path):
    """Larger than the first read, of unknown size."""
    noise = Image.frombytes("RGB", (600, 500), os.urandom(600 * 500 * 3))
    data = io.BytesIO()
    noise.save(data, "PNG")
    p = run("process", "-", "-o", "-", stdin=data.getvalue())
    assert p.returncode == 0, p.err
    assert Image.open(io.BytesIO(p.stdout)).tobytes() == noise.tobytes()


def test_repeat_and_timing(photo, tmp_path):
    out = tmp_path / "o.jpg"
    p = run("process", photo, "-o", out, "w=100", "--repeat", "3", "--timing", "--quiet")
    assert p.returncode == 0
    lines = [TIMING.fullmatch(line) for line in p.err.splitlines()]
    assert len(lines) == 3 and all(lines), p.err
    assert {int(m[1]) for m in lines} == {out.stat().st_size}


def test_a_result_replaces_the_file_whole(photo, tmp_path):
    out = tmp_path / "out.jpg"
    out.write_text("old")
    out.chmod(0o600)
    old = os.umask(0o027)
    try:
        assert run("process", photo, "-o", out, "w=10").returncode == 0
    finally:
        os.umask(old)
    assert shape(out) == ("JPEG", (10, 8))
    assert stat.S_IMODE(out.stat().st_mode) == 0o640
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.jpg", "photo.jpg"]


def test_a_failure_leaves_the_old_result(photo, tmp_path):
    out = tmp_path / "out.jpg"
    out.write_text("old")
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8\xff\xe0 no image")
    complaint(run("process", tmp_path / "bad.jpg", "-o", out), 1)
    assert out.read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.jpg", "out.jpg", "photo.jpg"]


def test_what_is_no_file_is_written_not_replaced(photo, tmp_path):
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    with subprocess.Popen([str(BIN), "process", str(photo), "-o", str(pipe), "w=20"], env=CLEAN,
                          stderr=subprocess.PIPE) as p:
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        p.wait(30)
        assert p.returncode == 0
        data = os.read(reader, 65536)
        os.close(reader)
    assert shape(data) == ("PNG", (20, 15))
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_full_disk_leaves_no_rubbish(photo, tmp_path):
    """restore_signals=False: Python's ignored SIGXFSZ is handed on, so that the write fails instead."""
    p = run("process", photo, "-o", tmp_path / "o.png", restore_signals=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)))
    assert "o.png: File too large" in complaint(p, 1)
    assert [p.name for p in tmp_path.iterdir()] == ["photo.jpg"]


def test_truncated_source_is_delivered_and_told(photo, tmp_path):
    half = tmp_path / "half.jpg"
    half.write_bytes(photo.read_bytes()[: photo.stat().st_size // 2])
    p = run("process", half, "-o", tmp_path / "o.jpg", "w=100")
    assert p.returncode == 0 and "truncated" in p.err
    assert "half.jpg" in complaint(run("process", half, "-o", tmp_path / "o.jpg", "w=100,strict=1"), 1)


@pytest.mark.parametrize(
    "args,says",
    [
        (["photo.jpg"], "-o OUT is missing"),
        (["-o", "o.jpg"], "IN is missing"),
        (["photo.jpg", "-o"], "-o needs a file"),
        (["photo.jpg", "other.jpg", "-o", "o.jpg"], "not expected: other.jpg"),
        (["photo.jpg", "-x", "-o", "o.jpg"], "not expected: -x"),
        (["photo.jpg", "-o", "o.jpg", "-o", "o.jpg"], "given twice"),
        (["photo.jpg", "-o", "o.gif"], "no format is known by this extension"),
        (["photo.jpg", "-o", "o"], "no format is known by this extension"),
        (["photo.jpg", "-o", "o.jpg", "w=0"], "o.jpg: "),
        (["photo.jpg", "-o", "o.jpg", "widht=9"], "width"),
        (["photo.jpg", "-o", "o.jpg", "w=9,width=9"], "o.jpg: "),
        (["photo.jpg", "-o", "o.jpg", "--repeat", "0"], "--repeat takes"),
        (["photo.jpg", "-o", "o.jpg", "--repeat=x"], "--repeat takes"),
        (["photo.jpg", "-o", "o.jpg", "--max_boby=1M"], "did you mean max_body?"),
        (["photo.jpg", "-o", "o.jpg", "--max_body=1"], "1K to 4G"),
        (["photo.jpg"] + [x for i in range(33) for x in ("-o", f"{i}.jpg")], "too many outputs"),
    ],
)
def test_wrong_calls_are_2(photo, tmp_path, args, says):
    assert says in complaint(run("process", *args, cwd=tmp_path), 2)
    assert [p.name for p in tmp_path.iterdir()] == ["photo.jpg"]


@pytest.mark.parametrize(
    "args,starts",
    [
        (["gone.jpg", "-o", "o.jpg"], "pixpool: gone.jpg: No such file or directory"),
        ([".", "-o", "o.jpg"], "pixpool: .: Is a directory"),
        (["text.jpg", "-o", "o.jpg"], "pixpool: text.jpg: "),
        (["empty.jpg", "-o", "o.jpg"], "pixpool: empty.jpg: "),
        (["photo.jpg", "-o", "none/o.jpg"], "pixpool: none/o.jpg: No such file or directory"),
        (["photo.jpg", "-o", "o.jpg", "--max_body=1K"], "pixpool: photo.jpg: larger than 1024 bytes"),
        (["photo.jpg", "-o", "o.jpg", "--max_pixels_in", "100K"], "pixpool: photo.jpg: "),
        (["photo.jpg", "-o", "o.jpg", "--max_result=1K"], "pixpool: photo.jpg: "),
        (["photo.jpg", "-o", "o.jpg", "--config=gone.conf"], "pixpool: gone.conf: No such file"),
    ],
)
def test_failures_are_1_and_name_the_file(photo, tmp_path, args, starts):
    (tmp_path / "text.jpg").write_text("hello " * 100)
    (tmp_path / "empty.jpg").write_text("")
    line = complaint(run("process", *args, cwd=tmp_path), 1)
    assert line.startswith(starts) and len(line) > len("pixpool: photo.jpg: "), line
    assert not (tmp_path / "o.jpg").exists()


def test_one_failed_output_keeps_the_others(photo, tmp_path):
    good, bad = tmp_path / "good.jpg", tmp_path / "bad.png"
    p = run("process", photo, "-o", bad, "w=400", "-o", good, "w=20", "--max_result=4K", "--quiet")
    assert "bad.png" in complaint(p, 1)
    assert shape(good) == ("JPEG", (20, 15))
    assert not bad.exists()


def test_presets_of_the_configuration(photo, tmp_path):
    conf = tmp_path / "pixpool.conf"
    conf.write_text("[preset]\nthumb = w=40,h=40,fit=cover\n")
    assert run("process", photo, "-o", tmp_path / "o.png", "preset=thumb", "--config", conf).returncode == 0
    assert shape(tmp_path / "o.png") == ("PNG", (40, 40))
    p = run("process", photo, "-o", tmp_path / "p.png", "preset=thumb,w=20", env={"PIXPOOL_CONFIG": str(conf)})
    assert p.returncode == 0, p.err
    assert shape(tmp_path / "p.png") == ("PNG", (20, 40))
    complaint(run("process", photo, "-o", tmp_path / "q.png", "preset=thumb"), 2)


# What it says about itself.


def test_print_config_is_the_sample_file():
    p = run("--print-config")
    assert p.returncode == 0
    assert p.stdout.decode() == (TOP / "conf" / "pixpool.conf").read_text()


def test_print_config_with_values(tmp_path):
    conf = tmp_path / "c.conf"
    conf.write_text("queue = 5\ndeadline = 3s\n")
    text = run("--print-config", "--config", conf, "--queue=6", env={"PIXPOOL_GRACE": "7s"}).stdout.decode()
    for line in ("queue = 6", "deadline = 3s", "grace = 7s", "listen = unix:/run/pixpool/pixpool.sock"):
        assert f"\n{line}\n" in text
    conf.write_text(text)
    assert run("--print-config", "--config", conf).stdout.decode() == text


def test_cpu_and_version():
    lines = run("--cpu").stdout.decode().splitlines()
    assert lines and all(re.fullmatch(r"\w+ (c|avx2|avx512|neon)", line) for line in lines), lines
    plain = run("--cpu", env={"PIXPOOL_ISA": "c"}).stdout.decode().splitlines()
    assert [line.split()[0] for line in plain] == [line.split()[0] for line in lines]
    assert all(line.endswith(" c") for line in plain)
    version = run("--version").stdout.decode()
    assert version.count("\n") == 1
    for word in ("pixpool", "jpeg", "png", "webp"):
        assert word in version, version


def test_help_names_commands_keys_and_options():
    text = run("--help").stdout.decode()
    for word in ("pixpool serve", "pixpool check", "pixpool process", "--deadline=10s", "--image_root=", "quality",
                 "gravity"):
        assert word in text, word
    assert run("process", "--help").stdout.decode() == text


def test_restrictions_are_for_requests(photo, tmp_path):
    """Whoever has the command line has the machine."""
    keys = ["--only_presets=1", "--allowed_options=q", "--allowed_sizes=64"]
    p = run("process", photo, "-o", tmp_path / "a.jpg", "w=40,effort=3", *keys)
    assert p.returncode == 0 and shape(tmp_path / "a.jpg") == ("JPEG", (40, 30)), p.err


def test_the_reference_is_up_to_date():
    """docs/options.md and conf/pixpool.conf; `make docs` writes them."""
    p = subprocess.run([TOP / "tools/docs.sh", "--check"], capture_output=True, text=True, timeout=60,
                       env={**CLEAN, "BUILD": str(Path(BIN).parent)})
    assert p.returncode == 0, p.stdout + p.stderr


def names_of_the_tables():
    """Every configuration key and every option of the build."""
    keys = re.findall(r"^([a-z_]+) =", run("--print-config").stdout.decode().split("\n[")[0], re.M)
    options = re.findall(r"^\| `([^`]+)`", run("--print-options").stdout.decode(), re.M)
    assert len(keys) > 20 and len(options) > 30
    return keys, options


def test_manual_pages_name_everything():
    keys, options = names_of_the_tables()
    for section, names, heading in (("1", options, "OPTIONS OF IMAGES"), ("5", keys, "KEYS")):
        page = run("--man", section).stdout.decode()
        assert page.startswith(".TH pixpool") and f".SH {heading}" in page
        for name in names:
            assert re.search(rf"^\.B {re.escape(name)}(,|$)", page, re.M), name
        macros = set(re.findall(r"^[.'](\w*)", page, re.M))
        assert macros <= {"TH", "SH", "SS", "TP", "B", "BR", "I", "RI", "PP", "br", "nf", "fi"}, macros
    complaint(run("--man"), 2)
    complaint(run("--man", "3"), 2)


def test_the_manual_pages_are_well_formed():
    for section in "15":
        p = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z"], input=run("--man", section).stdout,
                           capture_output=True, timeout=60)
        assert (p.returncode, p.stderr) == (0, b"")


@pytest.mark.parametrize("line, has, lacks", [
    ("pixpool ", ["serve", "process", "check", "--help"], ["w="]),
    ("pixpool se", ["serve"], ["process"]),
    ("pixpool serve --deadl", ["--deadline="], ["--listen="]),
    ("pixpool serve --sandbox=", ["off", "limits"], ["w="]),
    ("pixpool check --n", ["--nginx="], []),
    ("pixpool check --f", ["--fcgid"], ["--nginx="]),
    ("pixpool serve --", ["--config=", "--listen="], ["--nginx=", "--key="]),
    ("pixpool batch photos --", ["--out=", "--outputs=", "--force", "--queue="], ["--timing"]),
    ("pixpool process a.jpg -o b.jpg fi", ["fit=", "filter-kernel="], ["w=", "serve"]),
    ("pixpool process a.jpg -o b.jpg w=300,fit=co", ["cover", "contain"], ["inside"]),
    ("pixpool process a.jpg -o b.jpg w=300,gra", ["300,gravity="], []),
    ("pixpool process a.jpg -o b", [], ["bg="]),
])
def test_completion(line, has, lacks):
    script = run("--completion").stdout.decode() + """
COMP_LINE=$1 COMP_POINT=${#1}
_pixpool
printf '%s\\n' "${COMPREPLY[@]}"
"""
    p = subprocess.run(["bash", "-c", script, "bash", line], capture_output=True, text=True, timeout=60)
    offered = p.stdout.split()
    assert p.stderr == "" and set(has) <= set(offered) and not set(lacks) & set(offered), (offered, p.stderr)


@pytest.mark.parametrize("args", [[], ["fly"], ["serve", "extra"], ["check", "-x"], ["serve", "--lsten=x"]])
def test_calls_that_make_no_sense(args):
    complaint(run(*args), 2)


def test_a_full_disk_is_no_success():
    with open("/dev/full", "wb") as full:
        p = subprocess.run([str(BIN), "--help"], stdout=full, stderr=subprocess.PIPE, env=CLEAN, timeout=60)
    assert p.returncode == 1 and b"standard output" in p.stderr


@pytest.mark.parametrize(
    "keys,says",
    [
        (["--listen=unix:/nonexistent/p.sock"], "/nonexistent/p.sock"),
        (["--listen=nonsense"], "nonsense"),
        (["--listen=unix:{tmp}/s.sock", "--socket_group=no-such-group"], "no-such-group"),
        (["--listen=unix:{tmp}/s.sock", "--log=/nonexistent/log"], "/nonexistent/log"),
        (["--config={tmp}/gone.conf"], "gone.conf: No such file"),
    ],
)
def test_serve_that_cannot_start_says_why(tmp_path, keys, says):
    p = run("serve", *(k.format(tmp=tmp_path) for k in keys))
    assert says in complaint(p, 1)
    assert not (tmp_path / "s.sock").exists()


# Check.


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


NOBODY = 65534


def as_nobody(*limits):
    """What to run in the child: gives root up, for whom permissions and limits on processes mean nothing."""
    def drop():
        for limit, value in limits:
            resource.setrlimit(limit, (value, value))
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
    return drop


@pytest.fixture
def nobodys(sound):
    """Keys, and the program, where a user without rights can use them: the checkout may lie in a private folder."""
    with tempfile.TemporaryDirectory(prefix="pixpool-") as dir:
        os.chmod(dir, 0o777)
        images = Path(dir) / "images"
        images.mkdir()
        yield {**sound, "listen": f"unix:{dir}/p.sock", "image_root": images}, shutil.copy(BIN, dir)


def test_check_as_another_user(nobodys):
    keys, program = nobodys
    assert check(keys, program=program, preexec_fn=as_nobody()) == []
    keys["image_root"].chmod(0)
    problems = check(keys, program=program, preexec_fn=as_nobody())
    keys["image_root"].chmod(0o700)
    who = os.geteuid() or NOBODY
    assert len(problems) == 1 and f"Permission denied for user {who}: chown or chmod" in problems[0]


def test_check_counts_processes(nobodys):
    keys, program = nobodys
    problems = check(keys, program=program, preexec_fn=as_nobody((resource.RLIMIT_NPROC, 20)))
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


def test_serve_refuses_a_preset_that_cannot_be_understood(tmp_path):
    conf = tmp_path / "c.conf"
    conf.write_text("[preset]\nfine = w=10&h=10\nbroken = widht=10\n")
    said = complaint(run("serve", "--config", conf, f"--listen=unix:{tmp_path}/s"), 1)
    assert f"{conf}: line 3: broken = widht=10: preset \"broken\" is broken: widht is not a known option" in said
