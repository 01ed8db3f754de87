"""An Apache with mod_fcgid and conf/apache/fcgid.conf, only its paths replaced. pixpool has no process of its own here:
Apache starts them."""

import os
import shutil
import tempfile
from pathlib import Path

from conftest import BUILD, SANITIZER, Server, free_port

TOP = Path(__file__).resolve().parents[2]
MODULES = Path("/usr/lib/apache2/modules")
PROGRAM, CONFIG = "/usr/bin/pixpool", "/etc/pixpool/pixpool.conf"


def loaded(names):
    return "\n".join(f"LoadModule {m}_module {MODULES}/mod_{m}.so" for m in names.split())


class FcgidSite:
    """.url, .root (the images), .pid (Apache's, and the session of all of it), .front."""

    front = "fcgid"

    def __init__(self, samples, test_build=False, **keys):
        self.dir = Path(tempfile.mkdtemp(prefix="pixpool-"))
        self.root = shutil.copytree(samples, self.dir / "images")
        # Apache's children are another user where the tests run as root, and can't look into a private checkout.
        shutil.copy(BUILD / ("test/pixpool" if test_build else "pixpool"), self.dir / "pixpool")
        keys = {"image_root": self.root, "slot_file": self.dir / "run/slots", **keys}
        (self.dir / "pixpool.conf").write_text("".join(f"{k} = {v}\n" for k, v in keys.items()))
        (self.dir / "run").mkdir()
        self.dir.chmod(0o755)
        (self.dir / "run").chmod(0o777)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.server = Server(["apache2", "-DFOREGROUND", "-f", self.configuration()], self.dir / "front.log")
        self.pid = self.server.pid
        self.server.wait_listening(self.port)

    def configuration(self):
        text = (TOP / "conf/apache/fcgid.conf").read_text()
        assert PROGRAM in text and CONFIG in text
        text = text.replace(PROGRAM, str(self.dir / "pixpool")).replace(CONFIG, str(self.dir / "pixpool.conf"))
        user = "User www-data\nGroup www-data" if os.getuid() == 0 else ""
        path = self.dir / "apache.conf"
        path.write_text(f"""{loaded("mpm_event authz_core env fcgid")}
{user}
ServerName localhost
Listen 127.0.0.1:{self.port}
PidFile {self.dir}/run/apache.pid
Mutex file:{self.dir}/run
DocumentRoot {self.dir}/run
FcgidIPCDir {self.dir}/run/ipc
FcgidProcessTableFile {self.dir}/run/table
ErrorLog /dev/stderr
{text}
""")
        return path

    def log(self):
        return self.server.log()

    def stop(self):
        try:
            self.server.stop()
            assert SANITIZER.findall(self.log()) == []
        finally:
            shutil.rmtree(self.dir)
