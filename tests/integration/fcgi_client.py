"""A FastCGI client that may misbehave: builds records by hand, sends them in pieces, and checks every byte it gets.

Used by the hostile tests, and good for trying things by hand:

    python3 tests/integration/fcgi_client.py /run/pixpool.sock '/img/a.jpg?w=300'
"""

import socket
import struct
import sys
import time

BEGIN, ABORT, END, PARAMS, STDIN, STDOUT, STDERR = 1, 2, 3, 4, 5, 6, 7
GET_VALUES, GET_VALUES_RESULT, UNKNOWN_TYPE = 9, 10, 11
RESPONDER, AUTHORIZER, FILTER = 1, 2, 3


class ProtocolError(Exception):
    """What came back is not FastCGI."""


class Closed(Exception):
    """The connection ended before the answer did."""


def record(kind, content=b"", request_id=1, padding=0, version=1):
    return struct.pack(">BBHHBB", version, kind, request_id, len(content), padding, 0) + content + b"\0" * padding


def stream(kind, content, request_id=1, size=65535):
    """content as a stream: records of at most size bytes, then the empty one."""
    pieces = [content[i : i + size] for i in range(0, len(content), size)]
    return b"".join(record(kind, p, request_id) for p in pieces) + record(kind, b"", request_id)


def begin(request_id=1, role=RESPONDER, keep=False):
    return record(BEGIN, struct.pack(">HB5x", role, 1 if keep else 0), request_id)


def pair(name, value):
    def length(n):
        return struct.pack(">B", n) if n < 128 else struct.pack(">I", n | 0x80000000)

    name, value = (x.encode() if isinstance(x, str) else x for x in (name, value))
    return length(len(name)) + length(len(value)) + name + value


def pairs(params):
    return b"".join(pair(k, v) for k, v in params.items())


def parameters(uri="/healthz", method="GET", length=None, **more):
    path, _, query = uri.partition("?")
    out = {
        "REQUEST_METHOD": method,
        "REQUEST_URI": uri,
        "QUERY_STRING": query,
        "SCRIPT_NAME": path,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
    }
    if length is not None:
        out["CONTENT_LENGTH"] = str(length)
    out.update(more)
    return out


def header(params, request_id=1, keep=False, role=RESPONDER):
    return begin(request_id, role, keep) + stream(PARAMS, pairs(params), request_id)


def request(uri="/healthz", method="GET", body=b"", keep=False, length="auto", request_id=1, **more):
    """All the bytes of one request. length: "auto" is the body's (none for a GET without one)."""
    if length == "auto":
        length = len(body) if body or method == "POST" else None
    return header(parameters(uri, method, length, **more), request_id, keep) + stream(STDIN, body, request_id)


class Response:
    def __init__(self, stdout, records):
        head, gap, self.body = stdout.partition(b"\r\n\r\n")
        if not gap:
            raise ProtocolError("no end of headers in %r" % stdout[:200])
        self.records = records
        self.headers = {}
        for line in head.decode("latin-1").split("\r\n"):
            name, colon, value = line.partition(": ")
            if not colon:
                raise ProtocolError("not a header line: %r" % line)
            self.headers[name.lower()] = value
        self.status = int(self.headers["status"].split()[0])

    def __repr__(self):
        return "<Response %d %r %d bytes>" % (self.status, self.headers, len(self.body))


class Client:
    """One connection. address: path of a unix socket, or (host, port), of either family."""

    def __init__(self, address, timeout=10.0):
        self.buffer = b""
        if isinstance(address, tuple):
            self.socket = socket.create_connection(address, timeout)
            return
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(str(address))

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def send_pieces(self, data, size, pause=0.0):
        for i in range(0, len(data), size):
            self.socket.sendall(data[i : i + size])
            if pause:
                time.sleep(pause)

    def fill(self, n):
        """Reads until n bytes lie in the buffer."""
        while len(self.buffer) < n:
            got = self.socket.recv(65536)
            if not got:
                raise Closed("after %d of %d bytes" % (len(self.buffer), n))
            self.buffer += got

    def read_record(self):
        """(type, request id, content) of the next record."""
        self.fill(8)
        version, kind, request_id, length, padding, _ = struct.unpack(">BBHHBB", self.buffer[:8])
        if version != 1:
            raise ProtocolError("version %d in %r" % (version, self.buffer[:32]))
        self.fill(8 + length + padding)
        content = self.buffer[8 : 8 + length]
        self.buffer = self.buffer[8 + length + padding :]
        return kind, request_id, content

    def read_response(self, request_id=1):
        """One whole answer: STDOUT records, the empty one, END_REQUEST, and nothing else."""
        out, records, ended = b"", 0, False
        while True:
            kind, rid, content = self.read_record()
            records += 1
            if rid != request_id:
                raise ProtocolError("record of request %d" % rid)
            if kind == STDOUT and not ended:
                out += content
                ended = not content
            elif kind == END and ended:
                app, protocol = struct.unpack(">IB3x", content)
                if app or protocol:
                    raise ProtocolError("END_REQUEST %d %d" % (app, protocol))
                return Response(out, records)
            else:
                raise ProtocolError("record of type %d" % kind)

    def ask(self, *args, **kwargs):
        self.send(request(*args, **kwargs))
        return self.read_response(kwargs.get("request_id", 1))

    def closed(self, timeout=5.0):
        """Whether the peer ends the connection within timeout, without a further byte."""
        if self.buffer:
            return False
        self.socket.settimeout(timeout)
        try:
            return self.socket.recv(1) == b""
        except ConnectionError:
            return True
        except socket.timeout:
            return False


if __name__ == "__main__":
    with Client(sys.argv[1]) as client:
        answer = client.ask(sys.argv[2])
        print(answer.headers, file=sys.stderr)
        sys.stdout.buffer.write(answer.body)
