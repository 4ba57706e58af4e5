"""The two proxies as processes: started with one configuration, ended by their ids."""

import ctypes
import json
import os
import signal
import subprocess
import threading

import to_envoy
import to_martlet

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)
START_SECONDS = 60


class NotStarted(Exception):
    pass


class Proxy:
    """Reads its log on a thread of its own and is ready when a line says so."""

    ready = ""

    def __init__(self, program, folder):
        self.program = program
        self.folder = folder
        self.process = None
        self.log = []
        self._changed = threading.Condition()

    def start(self, sites, clusters, ports):
        """`ports`: site name to port. `clusters`: name to (use, endpoint ports)."""
        command = self.command(sites, clusters, ports)
        self.log = []

        def prepare():
            # A killed run must not leave its proxies behind.
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

        self.process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            preexec_fn=prepare,
            env={**os.environ, **self.environment},
        )
        threading.Thread(target=self._read, daemon=True).start()
        with self._changed:
            self._changed.wait_for(lambda: self._is_ready() or self._has_ended(), START_SECONDS)
            if not self._is_ready():
                raise NotStarted(f"{self.program} did not start:\n" + "\n".join(self.log[-30:]))

    environment = {}

    def _read(self):
        for line in self.process.stderr:
            with self._changed:
                self.log.append(line.rstrip())
                self._changed.notify_all()
        self.process.wait()
        with self._changed:
            self._changed.notify_all()

    def _is_ready(self):
        return any(self.ready in line for line in self.log)

    def _has_ended(self):
        return self.process.poll() is not None

    @property
    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def write(self, name, content):
        path = self.folder / name
        path.write_text(json.dumps(content, indent=1))
        return path

    def command(self, sites, clusters, ports):
        raise NotImplementedError


class Envoy(Proxy):
    name = "envoy"
    ready = "starting main dispatch loop"

    def command(self, sites, clusters, ports):
        config = to_envoy.bootstrap(
            [to_envoy.listener(site, ports[site.name]) for site in sites],
            [to_envoy.cluster(name, *use) for name, use in clusters.items()],
        )
        file = self.write("envoy.json", config)
        return [self.program, "-c", file, "--concurrency", "1", "--disable-hot-restart", "-l", "info"]


class Martlet(Proxy):
    name = "martlet"
    ready = " ready: "

    def __init__(self, program, folder, admin):
        super().__init__(program, folder)
        self.admin = admin

    def command(self, sites, clusters, ports):
        config = to_martlet.file(
            [to_martlet.listener(site, ports[site.name]) for site in sites],
            [to_martlet.cluster(name, *use) for name, use in clusters.items()],
            self.admin,
        )
        file = self.write("martlet.yaml", config)
        return [self.program, "run", "--config", file]
