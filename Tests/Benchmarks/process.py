"""Processes of a measurement: started on a core, accounted for by the kernel's own figures, ended by their id."""

import contextlib
import ctypes
import os
import resource
import signal
import socket
import subprocess
import time
from pathlib import Path

CORES = sorted(os.sched_getaffinity(0))
PROXY_CORE = CORES[0]
LOAD_CORE = CORES[-1]

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def raise_file_limit():
    """Lets this process and what it starts hold both ends of 5,000 idle connections."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 16384 if hard == resource.RLIM_INFINITY else min(hard, 16384)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return wanted


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(argv, core, log, env=None, stdout=None):
    def prepare():
        os.sched_setaffinity(0, {core})
        # A killed benchmark must not leave its servers behind.
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

    with open(log, "ab") as errors:
        return subprocess.Popen(
            [str(word) for word in argv],
            stdin=subprocess.DEVNULL,
            stdout=stdout or errors,
            stderr=errors,
            env={**os.environ, **(env or {})},
            preexec_fn=prepare,
        )


def stop(process):
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=3)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def tree(pid):
    """The process and all its descendants; none of it when it is gone."""
    found = [pid]
    for parent in found:
        with contextlib.suppress(OSError):
            for thread in os.listdir(f"/proc/{parent}/task"):
                children = Path(f"/proc/{parent}/task/{thread}/children").read_text()
                found.extend(int(child) for child in children.split())
    return found


def workers(pid):
    """Those of the tree that serve: the leaves (nginx's worker and not its master)."""
    everyone = tree(pid)
    parents = {_parent(each) for each in everyone}
    return [each for each in everyone if each not in parents]


def _parent(pid):
    return int(_stat(pid)[1])


def _stat(pid):
    """The fields of /proc/PID/stat after the command's name, which may itself hold spaces."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def cpu_seconds(pids):
    """User and system time of all threads, in the scheduler's nanoseconds where the kernel tells them."""
    total = 0.0
    for pid in pids:
        try:
            threads = os.listdir(f"/proc/{pid}/task")
            total += sum(_thread_nanoseconds(pid, thread) for thread in threads) / 1e9
        except FileNotFoundError:
            user, system = _stat(pid)[11:13]
            total += (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    return total


def _thread_nanoseconds(pid, thread):
    return int(Path(f"/proc/{pid}/task/{thread}/schedstat").read_text().split()[0])


def resident_bytes(pids):
    """Resident memory as the page tables have it; the figure in /proc/PID/status is rounded per core."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Rss:"):
                total += int(line.split()[1]) * 1024
    return total


def wait_until(true, seconds, what):
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} took longer than {seconds} s")
        time.sleep(0.02)
