#!/usr/bin/env python3
"""Heap allocations and system calls per request, against the ceilings checked in beside this file.

Both are counted over an exact number of keep-alive requests in steady state, so unlike a time they are the same on every
machine: a change that adds one to the request path fails here.
"""

import argparse
import json
import mmap
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import build
import load
import process
import proxies
import scenarios
from trial import Trial, Upstream

HERE = Path(__file__).resolve().parent
CEILINGS = HERE / "ceilings.json"
SCENARIOS = ["small", "tls", "h2c"]
CONNECTIONS = 64
WARM_UP_TURNS = 50
ALLOCATION_TURNS = 200
SYSTEM_CALL_TURNS = 50
POLLS = {"epoll_wait", "epoll_pwait", "epoll_pwait2"}


def count_allocations(proxy, scenario, upstream, folder, library):
    """Calls of malloc and its family, and the bytes asked for, per request."""
    counters = folder / f"{proxy.name}-{scenario.name}.counters"
    counters.write_bytes(bytes(16))
    env = {"LD_PRELOAD": str(library), "MALLOC_COUNT_FILE": str(counters)}
    trial = Trial(proxy, scenario, upstream.port, folder / f"{proxy.name}-{scenario.name}-allocations", env)
    connections = []
    try:
        connections = [load.connect(trial.port, scenario) for _ in range(CONNECTIONS)]
        load.send_exactly(connections, WARM_UP_TURNS)
        with open(counters, "r+b") as file, mmap.mmap(file.fileno(), 16) as shared:
            before = struct.unpack("QQ", shared[:16])
            requests = load.send_exactly(connections, ALLOCATION_TURNS)
            after = struct.unpack("QQ", shared[:16])
        if before[0] == 0:
            raise RuntimeError("allocations were not counted: the program does not use the C library's malloc")
        return {
            "allocations": (after[0] - before[0]) / requests,
            "allocated_bytes": (after[1] - before[1]) / requests,
        }
    finally:
        for connection in connections:
            connection.close()
        trial.stop()


def count_system_calls(proxy, scenario, upstream, folder):
    """System calls per request, the poll shared by all ready sockets apart."""
    trial = Trial(proxy, scenario, upstream.port, folder / f"{proxy.name}-{scenario.name}-system-calls")
    connections = []
    try:
        connections = [load.connect(trial.port, scenario) for _ in range(CONNECTIONS)]
        load.send_exactly(connections, WARM_UP_TURNS)
        with Tracer(process.workers(trial.process.pid), folder / f"{proxy.name}-{scenario.name}.strace") as tracer:
            requests = load.send_exactly(connections, SYSTEM_CALL_TURNS)
        polls = sum(count for name, count in tracer.calls.items() if name in POLLS)
        others = {name: count / requests for name, count in tracer.calls.items() if name not in POLLS}
        return {"system_calls": sum(others.values()), "polls": polls / requests, "by_name": others}
    finally:
        for connection in connections:
            connection.close()
        trial.stop()


class Tracer:
    """strace counting calls of some processes while the `with` block runs: of Martlet's workers, and of all threads of others.
    What Martlet's supervisor does now and then is no request's, and would be more of them the slower the machine is."""

    def __init__(self, pids, summary):
        self.summary = summary
        self.calls = {}
        threads = [(pid, thread) for pid in pids for thread in os.listdir(f"/proc/{pid}/task")]
        self.threads = [each for each in threads if self._name(*each).startswith("worker-")] or threads
        command = ["strace", "-c", "-U", "name,calls", "-o", str(summary)]
        for _, thread in self.threads:
            command += ["-p", thread]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    @staticmethod
    def _name(pid, thread):
        return Path(f"/proc/{pid}/task/{thread}/comm").read_text().strip()

    def __enter__(self):
        process.wait_until(self._attached, 10, "strace: attaching")
        return self

    def _attached(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"strace ended: {self.process.stderr.read().strip()}")
        return all(self._is_traced(pid, thread) for pid, thread in self.threads)

    @staticmethod
    def _is_traced(pid, thread):
        status = Path(f"/proc/{pid}/task/{thread}/status").read_text()
        return "TracerPid:\t0\n" not in status

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=10)
        for line in self.summary.read_text().splitlines():
            words = line.split()
            if len(words) == 2 and words[1].isdigit() and words[0] != "total":
                self.calls[words[0]] = int(words[1])
        if not self.calls:
            raise RuntimeError("strace counted nothing")


def count_all(names, runnable, upstream, folder, notes):
    """Both counts, {scenario: {proxy: figures}}, for every proxy that can be counted; the rest is noted."""
    folder = folder / "counts"
    folder.mkdir()
    library = build.malloc_count(folder)
    if shutil.which("strace") is None:
        notes.append("system calls not counted: apt-get install strace")
    counts = {}
    for scenario in (scenarios.BY_NAME[name] for name in names):
        by_proxy = {proxy.name: count(proxy, scenario, upstream, folder, library, notes) for proxy in runnable}
        counts[scenario.name] = {name: figures for name, figures in by_proxy.items() if figures}
    return counts


def count(proxy, scenario, upstream, folder, library, notes):
    figures = {}
    try:
        figures.update(count_allocations(proxy, scenario, upstream, folder, library))
    except (RuntimeError, OSError) as error:
        notes.append(f"{scenario.name}: allocations of {proxy.name} not counted: {error}")
    try:
        if shutil.which("strace"):
            figures.update(count_system_calls(proxy, scenario, upstream, folder))
    except (RuntimeError, OSError) as error:
        notes.append(f"{scenario.name}: system calls of {proxy.name} not counted: {error}")
    return figures


def table(counts):
    lines = []
    for scenario, by_proxy in counts.items():
        title = f"per request, {scenarios.BY_NAME[scenario].title}, {CONNECTIONS} connections"
        lines += ["", title, "-" * len(title)]
        lines += [_row(name, figures) for name, figures in by_proxy.items()]
    return lines


def _row(name, figures):
    line = f"  {name:8}"
    if "allocations" in figures:
        line += f"  {figures['allocations']:7.3f} allocations ({figures['allocated_bytes']:,.0f} B)"
    if "system_calls" in figures:
        calls = sorted(figures["by_name"].items(), key=lambda item: -item[1])
        names = ", ".join(f"{call} {count:.2f}" for call, count in calls if count >= 0.005)
        line += f"  {figures['system_calls']:6.3f} system calls + {figures['polls']:.3f} polls  ({names})"
    return line


def verdicts(figures, limits):
    """Each ceiling with what was counted: (name, counted, ceiling, passed). What was not counted has not passed."""
    return [
        (name, figures.get(name), limit, name in figures and figures[name] <= limit) for name, limit in limits.items()
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    binary = HERE.parent.parent / ".build/release/martlet"
    parser.add_argument("--martlet", type=Path, default=binary, help="the binary")
    parser.add_argument("--proxy", default="martlet", help="count another proxy against the same ceilings")
    options = parser.parse_args()
    known = {proxy.name: proxy for proxy in proxies.all_proxies(options.martlet)}
    proxy = known.get(options.proxy) or parser.error(f"no such proxy: {options.proxy}")
    if proxy.find() is None:
        raise SystemExit(f"{proxy.name} is not there: {proxy.install}")
    notes = []
    with tempfile.TemporaryDirectory(prefix="martlet-ceilings-") as name:
        folder = Path(name)
        upstream = Upstream(build.upstream(folder), folder / "upstream.log")
        try:
            counts = count_all(SCENARIOS, [proxy], upstream, folder, notes)
        finally:
            upstream.stop()
    print("\n".join(table(counts)))
    failed = False
    for scenario, limits in json.loads(CEILINGS.read_text()).items():
        for name, counted, limit, passed in verdicts(counts.get(scenario, {}).get(proxy.name, {}), limits):
            shown = "not counted" if counted is None else f"{counted:.3f}"
            print(f"  [{'pass' if passed else 'FAIL'}] {scenario}, {name}: {shown}, ceiling {limit}")
            failed = failed or not passed
    for note in notes:
        print(f"note: {note}")
    if failed:
        sys.exit(1)


if __name__ == "__main__":
    main()
