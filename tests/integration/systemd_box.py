"""A systemd of the tests' own, with this machine's files as they are and its writes kept aside: services run there under
every restriction of their units, packages can be installed and removed, and this machine never notices. With
PIXPOOL_BOX_ROOT the files are those below that directory: a Debian without anything (`make test-deb`).

What is in the box is reached at root (files, sockets) and with run() (commands); changes() is what was written.
"""

import filecmp
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from stat import S_ISCHR, S_ISREG

import pytest

from conftest import wait_until

SCRIPT = Path(__file__).with_suffix(".sh")
LOWER = os.environ.get("PIXPOOL_BOX_ROOT") or "/"
NAMESPACES = ("--mount", "--pid", "--fork", "--kill-child", "--net", "--uts", "--ipc")


def may_make_worlds():
    """Root may, but for a root of containers that are not trusted with it."""
    return os.geteuid() == 0 and subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"],
                                                stderr=subprocess.DEVNULL).returncode == 0


ROOT = may_make_worlds()
as_root = pytest.mark.skipif(not ROOT, reason="left out: needs root that may make namespaces")


class Box:
    def __init__(self):
        self.dir = Path(tempfile.mkdtemp(prefix="pixpool-box-"))
        self.out = open(self.dir.with_suffix(".log"), "w+b")
        # Should the tests be killed, the kernel kills it, and with it all that is in the box.
        self.unshare = subprocess.Popen(["setpriv", "--pdeathsig=KILL", "unshare", *NAMESPACES, SCRIPT, self.dir, LOWER],
                                        stdin=subprocess.DEVNULL, stdout=self.out, stderr=self.out, start_new_session=True)
        assert wait_until(self.booted, 30, 0.1), self.log()
        self.root = Path(f"/proc/{self.pid()}/root")

    def log(self):
        return Path(self.out.name).read_text("utf-8", "replace")

    def pid(self):
        """systemd's, as this machine counts; 0 before it is there."""
        try:
            children = Path(f"/proc/{self.unshare.pid}/task/{self.unshare.pid}/children").read_text().split()
        except OSError:
            children = []
        return int(children[0]) if children else 0

    def booted(self):
        assert self.unshare.poll() is None, self.log()
        pid = self.pid()
        if not pid or Path(f"/proc/{pid}/comm").read_text().strip() != "systemd":
            return False
        return self.run("systemctl", "is-active", "sysinit.target", check=False).stdout.strip() == "active"

    def run(self, *argv, check=True, timeout=120):
        p = subprocess.run(["nsenter", "--all", f"--target={self.pid()}", "env", "-i", "LC_ALL=C.UTF-8",
                            "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive", *map(str, argv)],
                           stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout)
        assert not check or p.returncode == 0, f"{argv}: {p.returncode}\n{p.stdout}{p.stderr}"
        return p

    def journal(self, unit):
        return self.run("journalctl", "--no-pager", "-u", unit).stdout

    def changes(self):
        """Paths of the file system that differ from what they were, with how: new, changed, gone. Not /run, /tmp, /dev."""
        written, found = f"{self.root}/run/written", set()
        for dir, dirs, files in os.walk(written):
            for name in dirs + files:
                top = os.path.join(dir, name)
                path = top[len(written):]
                lower, stat = Path(LOWER) / path.lstrip("/"), os.lstat(top)
                if S_ISCHR(stat.st_mode) and stat.st_rdev == 0:  # how overlayfs notes a removal
                    found.add(f"gone {path}")
                elif not os.path.lexists(lower):
                    found.add(f"new {path}")
                elif S_ISREG(stat.st_mode) and not filecmp.cmp(top, lower, shallow=False):
                    found.add(f"changed {path}")
        return found

    def stop(self):
        """All of its processes end with its first one; mounts end with the last that sees them."""
        self.unshare.send_signal(signal.SIGKILL)
        self.unshare.wait()
        self.out.close()
        Path(self.out.name).unlink()
        self.remove_group()
        self.dir.rmdir()

    def remove_group(self):
        """Once the last process is out of it. In a namespace of mounts, since where control groups are mounted differs."""
        group = self.dir / self.dir.name
        script = f"mount -t cgroup2 cgroup2 {self.dir} && {{ [ ! -e {group} ] || find {group} -depth -type d -delete; }}"
        end = time.monotonic() + 10
        while subprocess.run(["unshare", "--mount", "sh", "-c", script], capture_output=True).returncode:
            assert time.monotonic() < end, f"control group {group} stays"
            time.sleep(0.1)
