"""What an instance says of itself on /metrics."""

import re

from client import http


def sample(text, series):
    """The value of one series; 0 where there is none yet of a metric that there is."""
    assert re.search(rf"^# TYPE {re.split('_count|_sum|{', series)[0]} ", text, re.M), f"no metric {series}"
    found = re.search(rf"^{re.escape(series)} (\S+)$", text, re.M)
    return float(found[1]) if found else 0.0


def value(p, series):
    return sample(http("GET", f"{p.url}/metrics").body.decode(), series)
