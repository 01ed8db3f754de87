"""An ordinary nginx around a server block of a test's own, where the configuration of `make run` is not what is meant."""

import os

from conftest import free_port

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
    server {
        listen 127.0.0.1:%(port)d;
        %(server)s
    }
}
"""


def run_site(p, server, http=""):
    """Puts nginx in front of p, which was started without; stopped with it."""
    port = free_port()
    user = "user root;" if os.getuid() == 0 else ""
    p.run_nginx(AROUND % {"dir": p.dir, "port": port, "user": user, "server": server, "http": http}, port)
