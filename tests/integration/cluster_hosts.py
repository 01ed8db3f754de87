"""Several nodes behind one nginx with conf/nginx/cluster.conf: on ports of loopback, or as three hosts.

    CLUSTER unset       every "host" is this machine, with ports of its own
    CLUSTER=hosts       each is a network namespace with an address of its own, on one bridge (needs root)

The tests are the same: they only ever speak to addresses. A test can switch a host off, which loopback can't.
"""

import os
import re
import signal
import subprocess
from pathlib import Path

from conftest import BUILD, FOR_TEST_BUILD, SANITIZER, SANITIZER_OPTIONS, TOP, Server, free_port, kill, kill_session, wait_until
from fcgi_client import Client
from metrics import sample

HOSTS = os.environ.get("CLUSTER") == "hosts"
NODES = {"a": "10.0.0.11:9000", "b": "10.0.0.12:9000"}  # as cluster.conf has them
TOKEN = {"Authorization": "Bearer s3cret"}


class Loopback:
    def __init__(self):
        self.ports = {}

    def address(self, host):
        return ("127.0.0.1", self.ports.setdefault(host, free_port()))

    def outside(self):
        """An address for a server of the test's own, which the front reaches."""
        return "127.0.0.1"

    def command(self, host, argv):
        return argv

    def close(self):
        pass


def ip(*words):
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr.strip()}"
    return done.stdout


class Namespaces:
    """front, a and b, each on a bridge of this run alone, at whose own address the test is."""

    LAST = {"front": 2, "a": 11, "b": 12}

    def __init__(self):
        assert os.geteuid() == 0, "network namespaces need root: sudo make test-cluster"
        self.sweep()
        for stop in (signal.SIGTERM, signal.SIGHUP):  # end as Ctrl-C does: with all fixtures
            signal.signal(stop, signal.default_int_handler)
        self.run = os.getpid()
        self.bridge = f"pp{self.run}br"
        self.net = self.free_net()
        try:
            self.build()
        except BaseException:
            self.close()
            raise

    @staticmethod
    def sweep():
        """What an earlier run left that was killed before it could tidy up."""
        for name in re.findall(r"^pixpool-(\d+)-(\w+)", ip("netns", "list"), re.M):
            if not Path(f"/proc/{name[0]}").exists():
                left = f"pixpool-{name[0]}-{name[1]}"
                for pid in ip("netns", "pids", left).split():
                    kill(int(pid))
                ip("netns", "del", left)
        for pid in re.findall(r"\bpp(\d+)br[:@]", ip("-o", "link", "show", "type", "bridge")):
            if not Path(f"/proc/{pid}").exists():
                ip("link", "del", f"pp{pid}br")

    @staticmethod
    def free_net():
        """A network of the range for benchmarks (RFC 2544) that this machine has nothing in."""
        taken = ip("-o", "addr") + ip("route")
        nets = (f"198.{18 + n // 256}.{n % 256}" for n in range(os.getpid() % 500, 512))
        return next(n for n in nets if f"{n}." not in taken)

    def namespace(self, host):
        return f"pixpool-{self.run}-{host}"

    def build(self):
        ip("link", "add", self.bridge, "type", "bridge")
        ip("addr", "add", f"{self.net}.1/24", "dev", self.bridge)
        ip("link", "set", self.bridge, "up")
        for host, last in self.LAST.items():
            name, port = self.namespace(host), f"pp{self.run}{host[0]}"
            ip("netns", "add", name)
            ip("link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", name)
            ip("link", "set", port, "master", self.bridge, "up")
            ip("-n", name, "addr", "add", f"{self.net}.{last}/24", "dev", "eth0")
            ip("-n", name, "link", "set", "lo", "up")
            ip("-n", name, "link", "set", "eth0", "up")

    def address(self, host):
        return (f"{self.net}.{self.LAST[host]}", 80 if host == "front" else 9000)

    def outside(self):
        return f"{self.net}.1"

    def command(self, host, argv):
        return ["ip", "netns", "exec", self.namespace(host), *argv]

    def power(self, host, on):
        """Off: whatever is sent to it is lost, and nobody says so."""
        ip("link", "set", f"pp{self.run}{host[0]}", "up" if on else "down")

    def close(self):
        for host in self.LAST:
            subprocess.run(["ip", "netns", "del", self.namespace(host)], capture_output=True)
            subprocess.run(["ip", "link", "del", f"pp{self.run}{host[0]}"], capture_output=True)
        subprocess.run(["ip", "link", "del", self.bridge], capture_output=True)


class Node:
    """One pixpool, reached over TCP only."""

    def __init__(self, name, hosts, dir, keys):
        self.name, self.hosts, self.dir, self.keys = name, hosts, dir, keys
        self.address = hosts.address(name)
        (dir / f"spool-{name}").mkdir()
        self.start()

    def start(self):
        host, port = self.address
        keys = {"listen": f"{host}:{port}", "node_name": self.name, "spool_dir": self.dir / f"spool-{self.name}",
                "api_token": "s3cret", "log": self.dir / f"{self.name}.log", "admin_allow": "0.0.0.0/0",
                **self.keys}
        argv = [BUILD / "test/pixpool", "serve"] + [f"--{k}={v}" for k, v in keys.items()]
        quiet = SANITIZER_OPTIONS + FOR_TEST_BUILD
        self.server = Server(self.hosts.command(self.name, argv), self.dir / f"{self.name}.out", ASAN_OPTIONS=quiet,
                             TSAN_OPTIONS=quiet)
        assert wait_until(self.ready, 20), self.server.log()

    def ready(self):
        assert self.server.process.poll() is None, self.server.log()
        try:
            return self.ask("/readyz").status == 200
        except OSError:
            return False

    def ask(self, uri):
        with Client(self.address) as c:
            return c.ask(uri)

    def connect(self):
        return Client(self.address, timeout=60)

    def value(self, series):
        return sample(self.ask("/metrics").body.decode(), series)

    def requests(self, route):
        """Answers of a route by status."""
        found = re.findall(rf'^pixpool_requests_total{{route="{route}",status="(\d+)"}} (\S+)$',
                           self.ask("/metrics").body.decode(), re.M)
        return {int(status): int(float(n)) for status, n in found}

    def end(self, how):
        """SIGKILL: all of its processes at once. SIGTERM: it drains."""
        if how == signal.SIGKILL:
            kill_session(self.server.pid)
        else:
            os.kill(self.server.pid, how)
        self.server.process.wait(60)

    def stop(self):
        self.server.stop()
        assert SANITIZER.findall(self.server.log()) == []


AROUND = """
%(user)s
daemon off;
worker_processes 2;
pid %(dir)s/nginx.pid;
events {}
http {
    client_body_temp_path %(dir)s/body;
    fastcgi_temp_path %(dir)s/fastcgi;
    proxy_temp_path %(dir)s/proxy;
    scgi_temp_path %(dir)s/scgi;
    uwsgi_temp_path %(dir)s/uwsgi;
    log_format tries '$request_method $uri: $status = $upstream_status from $upstream_addr';
    access_log %(dir)s/access.log tries;
    %(site)s
}
"""


class Cluster:
    """The nodes and their front. addresses: others for some of the nodes, {"a": "127.0.0.1:4711"}; changed: what becomes of
    the text of cluster.conf before it is used."""

    def __init__(self, hosts, dir, nodes, addresses={}, changed=str):
        self.hosts, self.dir, self.nodes = hosts, dir, nodes
        self.log = dir / "access.log"
        text = changed((TOP / "conf/nginx/cluster.conf").read_text())
        for name, shipped in NODES.items():
            assert text.count(f"server {shipped} max_fails=0;") == 3, "an upstream that this does not know of"
            address = addresses.get(name) or "%s:%d" % nodes[name].address
            text = text.replace(shipped, address)
        listen = "%s:%d" % hosts.address("front")
        text = text.replace("listen 80;", f"listen {listen};").replace("fastcgi_params;", "/etc/nginx/fastcgi_params;")
        user = "user root;" if os.geteuid() == 0 else ""
        (dir / "nginx.conf").write_text(AROUND % {"dir": dir, "user": user, "site": text})
        argv = ["nginx", "-e", dir / "error.log", "-p", dir, "-c", dir / "nginx.conf"]
        self.server = Server(hosts.command("front", argv), dir / "nginx.out")
        self.url = f"http://{listen}"
        try:
            assert wait_until(lambda: self.log.exists() and self.listens(), 20), self.complaints()
        except BaseException:
            self.server.stop()
            raise

    def listens(self):
        assert self.server.process.poll() is None, self.complaints()
        try:
            Client(self.hosts.address("front")).close()
            return True
        except OSError:
            return False

    def complaints(self):
        return self.server.log() + (self.dir / "error.log").read_text()

    def tries(self):
        """Of each request since the start, the statuses that nodes gave it."""
        return [re.findall(r"\d{3}", line.split(" = ")[1].split(" from ")[0])
                for line in self.log.read_text().splitlines()]

    def stop(self):
        self.server.stop()

