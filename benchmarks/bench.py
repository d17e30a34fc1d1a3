#!/usr/bin/env python3
"""One table from one run: this project beside direct connections, haproxy and ssh. See README.md."""

import argparse
import json
import os
import platform
import resource
import shutil
import signal
import subprocess
import sys
import tempfile

import columns
import table
from columns import COLUMNS, ROOT
from processes import BenchError, Tunnel, free_port, start
from rows import MEASUREMENTS, Load

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.join(ROOT, ".build", "bench")
DESCRIPTORS = 20000


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="rounds whose median is shown (default 3)")
    parser.add_argument("--seconds", type=float, default=2, help="length of each timed measurement (default 2)")
    parser.add_argument("--quick", action="store_true", help="one round of one second each")
    parser.add_argument("--only", metavar="ROW,...", help="of: " + ", ".join(m.key for m in MEASUREMENTS))
    parser.add_argument("--columns", metavar="COLUMN,...", help="of: " + ", ".join(c.key for c in COLUMNS))
    parser.add_argument("--wmproxy", metavar="PROGRAM", help="another build to measure than dist/bin/wmproxy")
    parser.add_argument("--json", metavar="FILE", help="write every round's figures there as well")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 1, 1
    if options.rounds < 1 or options.seconds <= 0:
        parser.error("rounds and seconds must be positive")
    options.measurements = choose(parser, MEASUREMENTS, options.only)
    options.chosen = choose(parser, COLUMNS, options.columns)
    return options


def choose(parser, items, words):
    if not words:
        return items
    wanted = words.split(",")
    unknown = set(wanted) - {item.key for item in items}
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are: {', '.join(item.key for item in items)}")
    return [item for item in items if item.key in wanted]


def build(name):
    compiler = os.environ.get("CC") or shutil.which("cc")
    if not compiler:
        raise BenchError("no C compiler: apt-get install gcc")
    os.makedirs(BUILD, exist_ok=True)
    subprocess.run([compiler, "-O2", "-Wall", "-o", os.path.join(BUILD, name), os.path.join(HERE, name + ".c")],
                   check=True)


def available(chosen):
    """The columns that can be measured here, and their versions; says what is missing for the others."""
    usable, versions = [], {}
    for column in chosen:
        try:
            version = column.version()
        except BenchError as error:
            print(f"without the column {column.key}: {error}", file=sys.stderr)
            continue
        usable.append(column)
        if version:
            versions[column.key] = version
    return usable, versions


def measure(measurement, column, load, backend, directory):
    """A fresh tunnel for each cell: no row inherits another's warm buffers, and a crash costs one cell."""
    tunnel = Tunnel(tempfile.mkdtemp(dir=directory))
    try:
        column.start(tunnel, backend)
        tunnel.wait_until_served()
        return measurement.run(load, tunnel)
    except BenchError as error:
        raise BenchError("; ".join(filter(None, (str(error), tunnel.ended())))) from None
    finally:
        tunnel.close()


def run_rounds(options, usable, results, backend, directory):
    load = Load(BUILD, options.seconds)
    for number in range(options.rounds):
        for measurement in options.measurements:
            progress(f"round {number + 1} of {options.rounds}: {measurement.key}")
            # Every other round backwards, so that no column always runs in the wake of the same other one.
            for column in usable if number % 2 == 0 else reversed(usable):
                try:
                    results.add(measurement, column, measure(measurement, column, load, backend, directory))
                except BenchError as error:
                    results.fail(measurement, column, str(error))


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
    elif text:
        print(text, file=sys.stderr, flush=True)


def allow_descriptors():
    """The idle row needs 2,000 in the load generator and twice that in each hop; a login shell often grants 1,024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    granted = DESCRIPTORS if most == resource.RLIM_INFINITY else min(DESCRIPTORS, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (granted, most))


def machine():
    with open("/proc/cpuinfo") as file:
        models = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return {"cores": len(os.sched_getaffinity(0)), "cpu": models[0] if models else platform.machine(),
            "kernel": platform.release(), "load_before": os.getloadavg()[0]}


def main():
    options = parse_arguments()
    for number in (signal.SIGINT, signal.SIGTERM):  # both take everything down; a shell's & would ignore SIGINT
        signal.signal(number, signal.default_int_handler)
    if options.wmproxy:
        columns.wmproxy_path = os.path.abspath(options.wmproxy)
    allow_descriptors()
    try:
        build("backend")
        build("load")
    except (BenchError, subprocess.CalledProcessError) as error:
        sys.exit(f"bench: {error}")
    usable, versions = available(options.chosen)
    results = table.Results(usable, options.measurements)
    about = {"rounds": options.rounds, "seconds": options.seconds, "versions": versions, **machine()}
    status = 0
    with tempfile.TemporaryDirectory(prefix="wmproxy-bench-") as directory:
        port = free_port()
        backend = start([os.path.join(BUILD, "backend"), str(port)], stdin=subprocess.PIPE)
        try:
            run_rounds(options, usable, results, port, directory)
        except KeyboardInterrupt:
            status = 130
        finally:
            backend.kill()
            backend.communicate()
            progress("")
    if about["load_before"] > 1:
        print(f"The machine was busy before the run (load {about['load_before']:.1f}): trust the ratios only.")
    print(f"{about['cores']} cores, {about['cpu']}, Linux {about['kernel']}; {options.rounds} x {options.seconds:g} s; "
          + ", ".join(dict.fromkeys(versions.values())) + "\n")
    print(table.text(results))
    if options.json:
        with open(options.json, "w") as file:
            json.dump(table.as_json(results, about), file, indent=1)
    return status or (1 if results.failures or results.all_errors() else 0)


if __name__ == "__main__":
    sys.exit(main())
