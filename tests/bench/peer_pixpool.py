"""pixpool's command line as a contender: one JSON order a line on stdin, one JSON answer a line on stdout.

A process of its own, and a small one: the kernel counts what a parent held at the fork into a child's peak memory."""

import json
import os
import subprocess
import sys


def options(o):
    box = f"w={o['w']}" + (f",h={o['h']}" if o["h"] else "")
    return f"{box},fit={o['fit']},enlarge={int(o['fit'] == 'cover')},format={o['format']},q={o['q']},effort={o['effort']}"


def run(binary, order):
    cmd = [binary, "process", order["src"], "--repeat", str(order["repeat"]), "--timing"]
    for o in order["outputs"]:
        cmd += ["-o", o["to"], options(o)]
    with subprocess.Popen(cmd, stderr=subprocess.PIPE, text=True) as p:
        err = p.stderr.read()
        _, status, usage = os.wait4(p.pid, 0)
        p.returncode = os.waitstatus_to_exitcode(status)
    if p.returncode:
        sys.exit(f"pixpool: {err}")
    cpu = [float(part[6:]) * 1000 for line in err.splitlines() for part in line.split() if part.startswith("cpu_s=")]
    sizes = [os.path.getsize(o["to"]) for o in order["outputs"]]
    return {"cpu_ms": cpu, "bytes": sizes, "rss_kb": usage.ru_maxrss}


for line in sys.stdin:
    print(json.dumps(run(sys.argv[1], json.loads(line))), flush=True)
