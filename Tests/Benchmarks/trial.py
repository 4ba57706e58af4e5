"""One proxy in one scenario: started, warmed, measured a round at a time, stopped."""

import time
from pathlib import Path

import load
import process
from scenarios import HOST

MEBIBYTE = 1024 * 1024


class Upstream:
    """An origin server, compiled from upstream.c or upstream_grpc.c, on the load core."""

    def __init__(self, program, log):
        self.process = process.start([program], process.LOAD_CORE, log, stdout=-1)
        self.port = int(self.process.stdout.readline())

    def stop(self):
        process.stop(self.process)
        self.process.stdout.close()


class Trial:
    """`name` tells apart two configurations of one proxy in one scenario."""

    def __init__(self, proxy, scenario, upstream_port, folder, env=None, name=None):
        self.proxy = proxy
        self.name = name or proxy.name
        self.scenario = scenario
        self.folder = Path(folder)
        self.folder.mkdir(parents=True)
        self.port = process.free_port()
        self.log = self.folder / f"{proxy.name}.log"
        argv = proxy.configure(self.folder, scenario, self.port, upstream_port)
        self.process = process.start(argv, process.PROXY_CORE, self.log, env=env)
        try:
            self.generator = load.generator(scenario, self.port, self.folder)
            process.wait_until(self._answers, 20, f"{proxy.name}: a first answer")
            self._verify()
        except Exception:
            self.stop()
            raise

    def _answers(self):
        if self.process.poll() is not None:
            last = self.log.read_text(errors="replace").strip().splitlines()[-3:]
            raise RuntimeError(f"{self.proxy.name} ended with status {self.process.returncode}: {' / '.join(last)}")
        try:
            connection = load.connect(self.port, self.scenario)
        except OSError:
            return False
        try:
            connection.send()
            connection.read_reply()
        except (RuntimeError, StopIteration, OSError):
            return False
        finally:
            connection.close()
        return True

    def _verify(self):
        """The proxy does the work it is measured at: one that skipped the policy would look cheap."""
        echo = self.scenario.path if self.scenario.grpc else self.scenario.path.rpartition("/")[0] + "/echo"
        connection = load.connect(self.port, self.scenario, path=echo)
        try:
            connection.send()
            head, body = connection.read_reply()
        finally:
            connection.close()
        if self.scenario.grpc:
            if body != self.scenario.body.encode() or not connection.trailers:
                raise RuntimeError(f"{self.proxy.name} does not pass on the message and the trailers")
            return
        expected = [(body, b"host: " + HOST.encode())]
        if self.scenario.protocol != "tcp":
            expected.append((body, b"x-forwarded-for: "))
        if self.scenario.filters != "chain" or self.proxy.name == "martlet":
            seen = self.scenario.policies_seen
        else:
            seen = []
        for up, down in seen:
            expected += [(body, up.encode()), (head, down.encode())]
        for text, header in expected:
            if header not in text.lower():
                raise RuntimeError(f"{self.proxy.name} does not send `{header.decode().strip()}`")

    def round(self, seconds):
        """Loads the proxy for so long and returns the figures of one round."""
        pids = process.tree(self.process.pid)
        before = process.cpu_seconds(pids)
        done = self.generator.run(seconds)
        spent = process.cpu_seconds(pids) - before
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.proxy.name} ended under load with status {self.process.returncode}")
        requests = done["requests"]
        if requests == 0:
            raise RuntimeError(f"{self.proxy.name} answered nothing")
        figures = {
            "cpu": spent / requests * 1e6,
            "throughput": requests / done["microseconds"] * 1e6,
            "memory": process.resident_bytes(process.workers(self.process.pid)) / MEBIBYTE,
            "errors": done["errors"],
        }
        figures |= {name: done[name] for name in ("p50", "p99") if name in done}
        if self.scenario.handshakes:
            figures["per_core"] = requests / spent
        return figures

    def idle_round(self):
        """Memory of each connection that has served one request and waits for the next."""
        # The first connections fill pools and tables that stay, which is not what an idle connection costs.
        warm = load.open_idle(self.port, self.scenario, 100)
        load.send_exactly(warm, 10)
        for connection in warm:
            connection.close()
        time.sleep(0.3)
        pids = process.workers(self.process.pid)
        before = process.resident_bytes(pids)
        count = self.scenario.idle_connections
        connections = load.open_idle(self.port, self.scenario, count)
        try:
            time.sleep(0.5)
            after = process.resident_bytes(pids)
            # A proxy that had closed them would look thrifty.
            load.send_exactly(connections[::50], 1)
        finally:
            for connection in connections:
                connection.close()
        return {"idle_bytes": (after - before) / count, "memory": after / MEBIBYTE, "errors": 0}

    def stop(self):
        process.stop(self.process)
