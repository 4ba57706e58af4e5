"""The clients: what makes the load, and plain sockets for a known number of requests and for idle connections."""

import json
import os
import socket
import subprocess

import build
import certificates
import http2
import process

# One line of JSON at the end is all that is read; `wrk` builds the request once, before the run.
WRK_SCRIPT = """
wrk.method = "{method}"
{headers}
{body}
function done(summary, latency, requests)
    local e = summary.errors
    io.write(string.format(
        '\\n{{"requests":%d,"microseconds":%d,"p50":%d,"p99":%d,"socket_errors":%d,"status_errors":%d,"timeouts":%d}}\\n',
        summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
        e.connect + e.read + e.write, e.status, e.timeout))
end
"""


def wrk_script(folder, scenario):
    headers = "\n".join(
        f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}" for name, value in scenario.request_headers().items()
    )
    # Lua's long brackets take the text as it is.
    body = f"wrk.body = [==[{scenario.body}]==]" if scenario.body else ""
    path = folder / f"{scenario.name}.lua"
    path.write_text(WRK_SCRIPT.format(method=scenario.method, headers=headers, body=body))
    return path


def run_wrk(script, scenario, port, seconds):
    """Runs wrk on the load core and returns what its `done` wrote."""
    url = f"{'https' if scenario.tls else 'http'}://127.0.0.1:{port}{scenario.path}"
    command = ["wrk", "-t1", f"-c{scenario.connections}", f"-d{seconds}s", "--timeout", "5s", "-s", str(script), url]
    run = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=seconds + 20,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **(certificates.client_environment(script.parent) if scenario.tls else {})},
        preexec_fn=lambda: os.sched_setaffinity(0, {process.LOAD_CORE}),
    )
    lines = [line for line in run.stdout.splitlines() if line.startswith("{")]
    if run.returncode or not lines:
        raise RuntimeError(f"wrk failed: {run.stdout[-400:]}{run.stderr[-400:]}")
    return json.loads(lines[-1])


class Wrk:
    """The load of a scenario in HTTP/1.1."""

    def __init__(self, scenario, port, folder):
        self.scenario, self.port = scenario, port
        self.script = wrk_script(folder, scenario)

    def run(self, seconds):
        done = run_wrk(self.script, self.scenario, self.port, seconds)
        errors = done.pop("socket_errors") + done.pop("status_errors") + done.pop("timeouts")
        return {**done, "errors": errors}


class Handshakes:
    """The load of a scenario with a TLS connection for each request."""

    def __init__(self, scenario, port, folder):
        request = folder / "request"
        request.write_bytes(http1_request(scenario, scenario.path))
        headers = scenario.request_headers()
        self.command = [build.handshakes(folder), scenario.handshakes, str(port), headers["Host"], str(scenario.connections)]
        self.request = request

    def run(self, seconds):
        run = subprocess.run(
            [*self.command, str(seconds), self.request],
            capture_output=True,
            text=True,
            timeout=seconds + 20,
            stdin=subprocess.DEVNULL,
            preexec_fn=lambda: os.sched_setaffinity(0, {process.LOAD_CORE}),
        )
        if run.returncode:
            raise RuntimeError(f"handshakes failed: {run.stdout[-400:]}{run.stderr[-400:]}")
        return json.loads(run.stdout)


def generator(scenario, port, folder):
    """What loads the scenario: its `run(seconds)` tells requests, microseconds, errors and, but for HTTP/2, p50 and p99."""
    kind = Handshakes if scenario.handshakes else http2.H2Load if scenario.protocol == "http2" else Wrk
    return kind(scenario, port, folder)


def connect(port, scenario, path=None):
    """A connection that speaks what the scenario's clients speak."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=10)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    speaks_http2 = scenario.protocol == "http2"
    if scenario.tls:
        name = scenario.request_headers()["Host"]
        context = certificates.client_context(name, "h2" if speaks_http2 else "http/1.1")
        sock = context.wrap_socket(sock, server_hostname=name)
    return (http2.Connection if speaks_http2 else Connection)(sock, scenario, path or scenario.path)


def http1_request(scenario, path):
    headers = dict(scenario.request_headers())
    if scenario.body:
        headers["Content-Length"] = len(scenario.body)
    head = f"{scenario.method} {path} HTTP/1.1\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n"
    return head.encode() + scenario.body.encode()


class Connection:
    """A keep-alive connection of the counting client: a blocking socket and what it has read too much."""

    def __init__(self, sock, scenario, path):
        self.socket = sock
        self.request = http1_request(scenario, path)
        self.left_over = b""

    def send(self):
        self.socket.sendall(self.request)

    def read_reply(self):
        """The reply's head and body, once all of it is there."""
        data = self.left_over
        while b"\r\n\r\n" not in data:
            data += self._more()
        head, _, body = data.partition(b"\r\n\r\n")
        status = head.split(b" ", 2)[1]
        if status != b"200":
            raise RuntimeError(f"status {status.decode()}")
        length = next(
            int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
        )
        while len(body) < length:
            body += self._more()
        self.left_over = body[length:]
        return head, body[:length]

    def _more(self):
        data = self.socket.recv(65536)
        if not data:
            raise RuntimeError("the proxy closed a keep-alive connection")
        return data

    def close(self):
        self.socket.close()


def send_exactly(connections, turns):
    """One request on every connection, then all replies, so many times over. Returns how many requests that was."""
    for _ in range(turns):
        for connection in connections:
            connection.send()
        for connection in connections:
            connection.read_reply()
    return turns * len(connections)


def open_idle(port, scenario, count):
    """Connections that have each served one request and now do nothing."""
    connections = []
    for _ in range(count):
        connection = connect(port, scenario)
        connection.send()
        connection.read_reply()
        connections.append(connection)
    return connections
