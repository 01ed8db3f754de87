"""An ordinary nginx around a server block of a test's own, where the configuration of `make run` is not what is meant."""

import os

from conftest import TOP, free_port

AROUND = """
%(user)s
daemon off;
pid %(dir)s/nginx.pid;
events {}
http {
    access_log off;
    client_body_temp_path %(dir)s/body;
    fastcgi_temp_path %(dir)s/fastcgi;
    proxy_temp_path %(dir)s/proxy;
    scgi_temp_path %(dir)s/scgi;
    uwsgi_temp_path %(dir)s/uwsgi;
    %(http)s
}
"""
SERVER = """
    server {
        listen 127.0.0.1:%(port)d;
        %(server)s
    }
"""


def run_http(p, http, port):
    """Puts nginx in front of p, which was started without; stopped with it."""
    user = "user root;" if os.getuid() == 0 else ""
    p.run_nginx(AROUND % {"dir": p.dir, "user": user, "http": http}, port)


def run_site(p, server, http=""):
    """The same with a server block of a site's own."""
    port = free_port()
    run_http(p, http + SERVER % {"port": port, "server": server}, port)


def run_shipped(p, file, changes):
    """A whole file of conf/nginx as it is shipped, but for the port, the socket and what changes says."""
    text, port = (TOP / "conf/nginx" / file).read_text(), free_port()
    for old, new in {"listen 80;": f"listen 127.0.0.1:{port};", "/run/pixpool/pixpool.sock": str(p.socket),
                     "include fastcgi_params;": "include /etc/nginx/fastcgi_params;", **changes}.items():
        assert old in text, f"{file}: no {old}"
        text = text.replace(old, new)
    run_http(p, text, port)
