"""HTTP and the least of FastCGI, for tests: one call, one answer, nothing hidden and nothing retried."""

import json
import socket
import struct
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPMessage
from urllib.parse import urlsplit


@dataclass
class Answer:
    status: int
    headers: HTTPMessage  # names in any case; get_all() for repeated ones
    body: bytes

    def json(self):
        return json.loads(self.body)


def http_open(url, timeout=60):
    """A kept connection, for tests that send several requests on one or hold it open."""
    u = urlsplit(url)
    return HTTPConnection(u.hostname, u.port, timeout=timeout)


def target(url):
    """What goes into the request line."""
    u = urlsplit(url)
    return (u.path or "/") + (f"?{u.query}" if u.query else "")


def http_on(connection, method, url, body=None, headers=None):
    """One request on a connection of http_open(). A body without a length (an iterator) goes out chunked."""
    connection.request(method, target(url), body=body, headers=headers or {})
    r = connection.getresponse()
    return Answer(r.status, r.headers, r.read())


def http(method, url, body=None, headers=None, timeout=60):
    """One request on a connection of its own."""
    connection = http_open(url, timeout)
    try:
        return http_on(connection, method, url, body, headers)
    finally:
        connection.close()


def raw_socket(url, timeout=60):
    """A connected TCP socket, for requests that HTTPConnection is too polite to send."""
    u = urlsplit(url)
    return socket.create_connection((u.hostname, u.port), timeout=timeout)


def multipart(fields, boundary="pixpool-test-boundary"):
    """(body, Content-Type) of a form. fields: (name, text) or (name, bytes, filename, type)."""
    out = []
    for name, value, *file in fields:
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"'
        if file:
            head += f'; filename="{file[0]}"\r\nContent-Type: {file[1]}'
        data = value if isinstance(value, bytes) else str(value).encode()
        out.append(head.encode() + b"\r\n\r\n" + data + b"\r\n")
    return b"".join(out) + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def file(data, filename="a.jpg", name="file"):
    """A part of multipart() as a form sends it."""
    return name, data, filename, "image/jpeg"


def fcgi_status(path, uri, timeout=5):
    """The status of a GET straight to the FastCGI socket: how the harness learns that pixpool is ready."""

    def record(kind, data):
        return struct.pack(">BBHHBB", 1, kind, 1, len(data), 0, 0) + data

    params = {"REQUEST_METHOD": "GET", "REQUEST_URI": uri, "QUERY_STRING": "", "REMOTE_ADDR": "127.0.0.1",
              "SERVER_PROTOCOL": "HTTP/1.1"}
    pairs = b"".join(bytes([len(k), len(v)]) + k.encode() + v.encode() for k, v in params.items())
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(timeout)
        s.connect(str(path))
        s.sendall(record(1, struct.pack(">HB5x", 1, 0)) + record(4, pairs) + record(4, b"") + record(5, b""))
        answer = b""
        while chunk := s.recv(65536):
            answer += chunk
    length = struct.unpack(">H", answer[4:6])[0] if len(answer) > 8 else 0
    head = answer[8 : 8 + length].split(b"\r\n\r\n")[0].decode("latin-1")
    for line in head.split("\r\n"):
        if line.lower().startswith("status:"):
            return int(line.split(":")[1].split()[0])
    return 200 if head else 0

