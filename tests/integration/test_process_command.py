"""pixpool process: one image on the command line, into one result or several."""

import io
import os
import re
import resource
import stat
import subprocess

import pytest
from PIL import Image

from program import BIN, CLEAN, complaint, run
from samples import encoded, scene

TIMING = re.compile(r"cpu_s=\d+\.\d{6} wall_s=\d+\.\d{6} bytes=(\d+)")


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
    p = run("process", "-", "-o", "-", stdin=encoded(noise))
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


def test_a_result_that_can_not_be_small_enough_is_told(photo, tmp_path):
    p = run("process", photo, "-o", tmp_path / "o.jpg", "max_bytes=1024")
    assert p.returncode == 0 and p.err.endswith(" bytes; more than max_bytes\n")
    (tmp_path / "half.jpg").write_bytes(photo.read_bytes()[: photo.stat().st_size // 2])
    p = run("process", tmp_path / "half.jpg", "-o", tmp_path / "o.jpg", "max_bytes=1024")
    assert p.returncode == 0 and p.err.endswith(" bytes; more than max_bytes; warning: truncated\n")


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


def test_restrictions_are_for_requests(photo, tmp_path):
    """Whoever has the command line has the machine."""
    keys = ["--only_presets=1", "--allowed_options=q", "--allowed_sizes=64"]
    p = run("process", photo, "-o", tmp_path / "a.jpg", "w=40,effort=3", *keys)
    assert p.returncode == 0 and shape(tmp_path / "a.jpg") == ("JPEG", (40, 30)), p.err
