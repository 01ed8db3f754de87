#!/usr/bin/python3
"""Prints "passed failed left_out" of a JUnit XML file. A skipped test counts as failed, for want of a tool above all, unless
its reason begins with "left out: ": what neither this user nor this build can do."""

import sys
import xml.etree.ElementTree as ET


def reason(case):
    skipped = case.find("skipped")
    return "" if skipped is None else skipped.get("message", "")


cases = list(ET.parse(sys.argv[1]).getroot().iter("testcase"))
out = [c for c in cases if reason(c).startswith("left out: ")]
bad = [c for c in cases if c not in out and any(c.find(t) is not None for t in ("failure", "error", "skipped"))]
for c in bad:
    if c.find("skipped") is not None:
        print(f"skipped, which counts as failed: {c.get('classname')}.{c.get('name')}", file=sys.stderr)
print(len(cases) - len(bad) - len(out), len(bad), len(out))
