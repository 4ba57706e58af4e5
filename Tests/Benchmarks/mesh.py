#!/usr/bin/env python3
"""Figures of the control plane: how fast changes reach simulated and real proxies, and what a proxy costs.

    swift build -c release --product martlet-control   (and martlet, MeshLoad)
    Tests/Benchmarks/mesh.py [--build FOLDER] [--count 1000] [--rounds 20]

Everything runs on this machine over loopback: the simulated proxies take their share of the cores, too.
"""
import argparse
import atexit
import json
import os
import pathlib
import socket
import statistics
import subprocess
import tempfile
import threading
import time
import urllib.request

TICKS = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    def __init__(self, *words, **more):
        self.process = subprocess.Popen(
            [str(word) for word in words], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, bufsize=1, **more)
        # Also when a run ends before its time.
        atexit.register(self.end)

    def line(self, containing=""):
        while True:
            line = self.process.stdout.readline()
            if not line:
                raise SystemExit(f"{self.process.args[0]} has ended")
            if containing in line:
                return line.strip()

    def quiet(self):
        threading.Thread(target=lambda: [None for _ in self.process.stdout], daemon=True).start()
        return self

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        return self.line()

    def cpu(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) * 1024

    def end(self):
        self.process.terminate()
        self.process.wait()


class Control:
    def __init__(self, build, folder):
        self.xds = free_port()
        api = free_port()
        config = folder / "control.yaml"
        config.write_text(
            f"xds: {{ address: 127.0.0.1:{self.xds} }}\napi: {{ address: 127.0.0.1:{api} }}\nstore: {{ path: {folder}/mesh.db }}\n")
        self.process = Process(build / "martlet-control", "run", "--config", config)
        self.process.line("ready")
        self.process.quiet()
        self.base = f"http://127.0.0.1:{api}/v1/namespaces/default"

    def ask(self, method, path, body):
        request = urllib.request.Request(
            self.base + path, json.dumps(body).encode(), {"content-type": "application/json"}, method=method)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def apply(self, text):
        return self.ask("POST", "/apply", {"files": [{"name": "mesh.yaml", "text": text}]})

    def register(self, name, weight):
        self.ask("PUT", f"/services/{name}/instances/1",
                 {"address": "127.0.0.1:9000", "weight": weight, "ttl_seconds": 3600})


def mesh(clusters):
    """What an edge proxy may have: a chain with a policy, and many routes and clusters."""
    routes = ", ".join(f"{{ match: {{ path: {{ prefix: /{n}/ }} }}, cluster: service-{n} }}" for n in range(clusters))
    lines = [
        "listeners:",
        "  - name: public",
        "    address: 127.0.0.1:18080",
        "    filters: [{ lua: { policy: team } }, router]",
        f"    routes: [{routes}]",
        "clusters:",
    ] + [f"  - {{ name: service-{n}, discovery: {{ service: service-{n} }} }}" for n in range(clusters)]
    return "\n".join(lines) + "\n" + policy("start")


def policy(word):
    return f"policies: [{{ name: team, inline: \"function on_response(h) h:headers():add('x-team', '{word}') end\" }}]\n"


def figures(line):
    return {name: float(value) for name, value in (pair.split("=") for pair in line.split())}


promises = []


def promise(what, value, limit):
    promises.append((what, value, limit))


def summary(name, rounds):
    """The rows of all rounds, and the median of their 99th percentiles."""
    rows = [figures(line) for line in rounds]
    for key in ("count", "p50", "p99", "max"):
        values = [row[key] for row in rows]
        print(f"  {name} {key}: median {statistics.median(values):.1f}, worst {min(values) if key == 'count' else max(values):.1f}")
    return rows, statistics.median(row["p99"] for row in rows)


def simulated(build, count, rounds):
    with tempfile.TemporaryDirectory() as name:
        control = Control(build, pathlib.Path(name))
        control.apply(mesh(50))
        for n in range(50):
            control.register(f"service-{n}", 1)
        bare = control.process.memory()
        load = Process(build / "MeshLoad", "127.0.0.1", control.xds, count)
        load.line("ready")
        before = control.process.cpu()
        print(f"{count} simulated proxies, 50 clusters each; milliseconds")
        print(f"  connect at once, until each is whole: {load.ask('connect')}")
        print(f"  control plane: {(control.process.cpu() - before) / count * 1000:.2f} ms of CPU a proxy that connects")
        time.sleep(10)
        print(f"  control plane: {(control.process.memory() - bare) / count / 1024:.0f} KiB a proxy ({control.process.memory() >> 20} MiB)")
        before = control.process.cpu()
        time.sleep(10)
        print(f"  control plane at rest: {(control.process.cpu() - before) / 10 * 100:.1f}% of a core")

        before, lines = control.process.cpu(), []
        for n in range(rounds):
            load.ask("arm ClusterLoadAssignment service-7")
            start = time.monotonic_ns()
            control.register("service-7", 2 + n)
            lines.append(load.ask(f"collect {start}"))
        rows, p99 = summary("endpoint change", lines)
        promise("endpoint change to all, p99 in ms", p99, 200)
        promise("proxies that an endpoint change did not reach", count - min(row["count"] for row in rows), 0)
        print(f"  endpoint change: {(control.process.cpu() - before) / rounds / count * 1e6:.0f} us of CPU a proxy")

        before, lines = control.process.cpu(), []
        for n in range(rounds):
            load.ask("arm TypedExtensionConfig team")
            start = time.monotonic_ns()
            control.apply(policy(f"word{n}"))
            lines.append(load.ask(f"collect {start}"))
        rows, _ = summary("policy change", lines)
        promise("policy on all, slowest in ms", max(row["max"] for row in rows), 5000)
        promise("proxies that a policy did not reach", count - min(row["count"] for row in rows), 0)
        print(f"  policy change: {(control.process.cpu() - before) / rounds / count * 1e6:.0f} us of CPU a proxy")
        for n in range(3):
            load.ask("drop")
            line = load.ask("connect")
            print(f"  reconnect at once, until each is whole: {line}")
            promise("proxies that did not come back at once", count - figures(line)["count"], 0)
        load.end()
        control.process.end()


def real(build, rounds):
    with tempfile.TemporaryDirectory() as name:
        control = Control(build, pathlib.Path(name))
        ports = [free_port() for _ in range(3)]
        text = "listeners:\n" + "".join(
            f"  - {{ name: public-{n}, proxies: {{ ids: [edge-{n}] }}, address: 127.0.0.1:{port}, "
            "filters: [{ lua: { policy: team } }, router], routes: [{ match: {}, respond: { status: 200, body: ok } }] }\n"
            for n, port in enumerate(ports))
        control.apply(text + policy("start"))
        proxies = [
            Process(build / "martlet", "run", "--control-plane", f"127.0.0.1:{control.xds}", "--node", f"edge-{n}",
                    "--admin-address", f"127.0.0.1:{free_port()}", "--workers", "1")
            for n in range(3)
        ]
        for proxy in proxies:
            proxy.line(" ready: ")
            proxy.quiet()

        def team(port):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answer:
                return answer.headers["x-team"]

        times = []
        for n in range(rounds):
            file = pathlib.Path(name) / "policy.yaml"
            file.write_text(policy(f"word{n}"))
            start = time.monotonic()
            subprocess.run(
                [build / "martlet-control", "apply", "--server", control.base.split("/v1")[0], "-f", file],
                check=True, stdout=subprocess.DEVNULL)
            while not all(team(port) == f"word{n}" for port in ports):
                time.sleep(0.001)
            times.append((time.monotonic() - start) * 1000)
        print(f"3 real proxies, from `martlet apply` until requests at all meet the new policy; milliseconds")
        print(f"  median {statistics.median(times):.0f}, worst {max(times):.0f} of {rounds}")
        promise("policy in force on 3 real proxies, slowest in ms", max(times), 1000)
        for proxy in proxies:
            proxy.end()
        control.process.end()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path(".build/release"))
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--strict", action="store_true", help="exit with 1 when a promise is broken")
    options = parser.parse_args()
    real(options.build, options.rounds)
    simulated(options.build, options.count, options.rounds)
    print("\nPromised:")
    for what, value, limit in promises:
        print(f"  [{'pass' if value <= limit else 'FAIL'}] {value:8.1f}  {what}: at most {limit}")
    if options.strict and any(value > limit for _, value, limit in promises):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
