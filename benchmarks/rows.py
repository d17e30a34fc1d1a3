"""The rows of the table: what is measured on a running tunnel, and how each figure is shown."""

import json
import os
import subprocess
import time
from collections import namedtuple
from contextlib import contextmanager

from processes import BenchError, resident_kib, start

IDLE_CONNECTIONS = 2000
STALLED_READERS = 32
AT_ONCE = 32

# One measurement fills several rows: its load runs once, and CPU and latency are read beside it.
Measurement = namedtuple("Measurement", "key run")
Row = namedtuple("Row", "title measurement figure digits more_is_better")


class Load:
    """The load generator and the directory it was built into."""

    def __init__(self, directory, seconds):
        self.program = os.path.join(directory, "load")
        self.seconds = seconds

    def run(self, tunnel, kind, count):
        argv = [self.program, kind, str(tunnel.port), str(count), str(self.seconds)] + [str(p) for p in tunnel.pids()]
        process = start(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            out, err = process.communicate(timeout=self.seconds + 30)
        except subprocess.TimeoutExpired:
            raise BenchError("the load generator is stuck") from None
        finally:
            process.kill()
            process.wait()
        if process.returncode != 0:
            raise BenchError(err.strip() or f"the load generator ended with {process.returncode}")
        return json.loads(out)

    @contextmanager
    def holding(self, tunnel, kind, count):
        """Connections that stay open, and are still open at the end, while something else is measured."""
        argv = [self.program, kind, str(tunnel.port), str(count), "0"]
        process = start(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            held = process.stdout.readline()
            if held:
                yield
            if not held or process.poll() is not None:
                raise BenchError(process.stderr.read().strip() or "the load generator ended early")
        finally:
            process.kill()
            process.communicate()

    def growth(self, tunnel, kind, count, settle):
        """KiB that the tunnel's processes grow by for each of the connections held."""
        before = resident_kib(tunnel.pids())
        with self.holding(tunnel, kind, count):
            time.sleep(settle)
            return (resident_kib(tunnel.pids()) - before) / count


def _bulk(kind, streams):
    def run(load, tunnel):
        result = load.run(tunnel, kind, streams)
        return {"gbit_per_s": result["bytes"] * 8 / result["seconds"] / 1e9,
                "cpu_s_per_gb": result["cpu_seconds"] / (result["bytes"] / 1e9) if tunnel.pids() else None}
    return Measurement(f"{kind}{streams}", run)


def _exchanges(kind, key, count):
    def run(load, tunnel):
        result = load.run(tunnel, kind, count)
        return {"per_s": result["answers"] / result["seconds"], "p50_us": result["p50_us"], "p99_us": result["p99_us"],
                "cpu_us": result["cpu_seconds"] * 1e6 / result["answers"] if tunnel.pids() else None,
                "errors": result["errors"]}
    return Measurement(key, run)


def _idle(load, tunnel):
    if not tunnel.pids():
        return {}
    time.sleep(0.5)  # start-up work is over
    at_rest = resident_kib(tunnel.pids()) / 1024
    return {"rest_mib": at_rest, "idle_kib": load.growth(tunnel, "idle", IDLE_CONNECTIONS, settle=1)}


def _stall(load, tunnel):
    return {"stalled_kib": load.growth(tunnel, "stall", STALLED_READERS, settle=2)} if tunnel.pids() else {}


def _beside(kind):
    """A lone visitor's requests beside readers that have stopped and downloads that run."""
    def run(load, tunnel):
        with load.holding(tunnel, "stall", 8), load.holding(tunnel, kind, 4):
            result = load.run(tunnel, "requests", 1)
        return {"p50_us": result["p50_us"], "p99_us": result["p99_us"], "errors": result["errors"]}
    return Measurement(f"beside-{kind}", run)


MEASUREMENTS = [
    _bulk("up", 1), _bulk("down", 1), _bulk("up", 8), _bulk("down", 8),
    _exchanges("requests", "requests1", 1), _exchanges("requests", "requests32", 32),
    _exchanges("requests", "requests256", 256), _exchanges("connections", "connections", AT_ONCE),
    _beside("pace"), _beside("drain"), Measurement("idle", _idle), Measurement("stall", _stall),
]

ROWS = [
    Row("1 stream up, Gbit/s", "up1", "gbit_per_s", 2, True),
    Row("1 stream down, Gbit/s", "down1", "gbit_per_s", 2, True),
    Row("8 streams up, Gbit/s", "up8", "gbit_per_s", 2, True),
    Row("8 streams down, Gbit/s", "down8", "gbit_per_s", 2, True),
    Row("CPU-s per GB, 1 stream up", "up1", "cpu_s_per_gb", 2, False),
    Row("CPU-s per GB, 1 stream down", "down1", "cpu_s_per_gb", 2, False),
    Row("CPU-s per GB, 8 streams up", "up8", "cpu_s_per_gb", 2, False),
    Row("CPU-s per GB, 8 streams down", "down8", "cpu_s_per_gb", 2, False),
] + [
    Row(title.format(count), f"requests{count}", figure, 0, more_is_better)
    for count in (1, 32, 256)
    for title, figure, more_is_better in (("requests/s, {} keep-alive", "per_s", True),
                                          ("  p50 at {}, µs", "p50_us", False), ("  p99 at {}, µs", "p99_us", False))
] + [
    Row("CPU-µs per request, 256", "requests256", "cpu_us", 1, False),
    Row("new connections/s", "connections", "per_s", 0, True),
    Row("CPU-µs per new connection", "connections", "cpu_us", 1, False),
    Row("p50 beside 200 Mbit/s, µs", "beside-pace", "p50_us", 0, False),
    Row("p99 beside 200 Mbit/s, µs", "beside-pace", "p99_us", 0, False),
    Row("p50 beside full speed, µs", "beside-drain", "p50_us", 0, False),
    Row("p99 beside full speed, µs", "beside-drain", "p99_us", 0, False),
    Row("idle connection, KiB", "idle", "idle_kib", 1, False),
    Row("stalled reader, KiB", "stall", "stalled_kib", 0, False),
    Row("at rest, MiB", "idle", "rest_mib", 1, False),
]
