"""What the program says about itself: configuration, help, manual pages, completion; and how it complains."""

import re
import subprocess
from pathlib import Path

import pytest

from conftest import TOP
from program import BIN, CLEAN, complaint, run


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


def test_serve_refuses_a_preset_that_cannot_be_understood(tmp_path):
    conf = tmp_path / "c.conf"
    conf.write_text("[preset]\nfine = w=10&h=10\nbroken = widht=10\n")
    said = complaint(run("serve", "--config", conf, f"--listen=unix:{tmp_path}/s"), 1)
    assert f"{conf}: line 3: broken = widht=10: preset \"broken\" is broken: widht is not a known option" in said
