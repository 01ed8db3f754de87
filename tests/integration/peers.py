"""What the tests of peers that misbehave have in common: whom they meet, and how they see that it lives."""

import json

import pytest

from fcgi_client import Client

UPLOAD = "/api/images/process?w=20"


@pytest.fixture(scope="module")
def hasty(start_pixpool_module):
    """Short timeouts; straight to the socket."""
    return start_pixpool_module(
        nginx=False, workers=2, queue=4, header_timeout="400ms", body_timeout="600ms", idle_timeout="900ms",
        write_timeout="1200ms",
    )


@pytest.fixture(scope="module")
def patient(start_pixpool_module):
    """No time limit that a test could meet: what is answered here did not wait for one to pass."""
    return start_pixpool_module(
        nginx=False, workers=2, queue=4, header_timeout="60s", body_timeout="60s", idle_timeout="60s", deadline="60s",
    )


@pytest.fixture
def photo(hasty):
    return (hasty.root / "turned.jpg").read_bytes()


def alive(p):
    with Client(p.socket) as c:
        return c.ask("/healthz").status == 200


def code(response):
    return json.loads(response.body)["code"]
