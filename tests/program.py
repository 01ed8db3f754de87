"""The program on the command line. PIXPOOL_BIN names another binary than that of the build."""

import os
import subprocess

from conftest import BUILD

BIN = os.environ.get("PIXPOOL_BIN", BUILD / "pixpool")
CLEAN = {k: v for k, v in os.environ.items() if not k.startswith("PIXPOOL_")}


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
