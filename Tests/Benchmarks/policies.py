#!/usr/bin/env python3
"""Measures what a request costs more with each policy of Filters/, beside the same proxy without it. Prints a Markdown table.

A proxy of one worker without the policy and one with it stand side by side on the first core; wrk and the upstream are on the
last. Rounds alternate. Of each round: the processor time of the proxy's threads, and its user-space instructions where `perf
stat` can count them, over the requests that completed. The table has the medians of the differences between neighbouring
rounds, and behind the time how far apart the middle half of them lies; and from `GET /policies` a bound for the instructions of the
budget that 99 of 100 runs of a hook stay within (for cheap policies a coarse one).
"""

import argparse
import hashlib
import hmac
import json
import math
import shutil
import signal
import statistics
import subprocess
import tempfile
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import build
import load
import process
from scenarios import HOST, ORDINARY_HEADERS
from tokens import base64url
from trial import Upstream

REPOSITORY = Path(__file__).resolve().parent.parent.parent
SECRET = "measured-measured-measured-measured"


@dataclass(frozen=True)
class Case:
    """A policy with parameters, the files it reads, and a request that it lets pass."""

    policy: str
    note: str = ""
    config: dict = field(default_factory=dict)
    data: dict = field(default_factory=dict)
    path: str = "/100"
    headers: dict = field(default_factory=dict)
    # What the route answers itself, for policies that need a response of their own.
    respond: dict | None = None
    # Lua for wrk: a function that makes each request another one.
    each: str = ""

    # What load.py asks of a scenario.
    method = "GET"
    body = ""
    connections = 32
    protocol = "http1"
    tls = False
    name = "policies"

    def request_headers(self):
        return {"Host": HOST, **ORDINARY_HEADERS, **self.headers}


def blocks(count):
    return [f"{100 + n // 65536}.{n // 256 % 256}.{n % 256}.0/24" for n in range(count)]


def signed_url():
    text = f"/100?expires={int(time.time()) + 86400}&key=a"
    return text + "&signature=" + hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()


def token(algorithm, sign):
    claims = {"sub": "alice", "iss": "https://id.example.com", "exp": int(time.time()) + 86400, "groups": ["a", "b"]}
    text = ".".join(base64url(json.dumps(part).encode()) for part in ({"alg": algorithm, "typ": "JWT"}, claims))
    return text + "." + base64url(sign(text.encode()))


def rsa(folder):
    """A new key: how to sign with it, and its public half."""
    key = folder / "key.pem"
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    public = subprocess.run(["openssl", "rsa", "-in", key, "-pubout"], check=True, capture_output=True).stdout.decode()

    def sign(text):
        command = ["openssl", "dgst", "-sha256", "-sign", key]
        return subprocess.run(command, input=text, check=True, capture_output=True).stdout

    return sign, public


def cases(folder):
    sign, public = rsa(folder)
    symmetric = token("HS256", lambda text: hmac.new(SECRET.encode(), text, hashlib.sha256).digest())
    claims = {"claims": {"sub": "x-user", "groups": "x-groups"}, "issuer": "https://id.example.com"}
    records = [{"id": n, "name": f"customer {n}", "ssn": "078-05-1120", "card": {"number": "4111"}} for n in range(12)]
    answer = {"status": 200, "headers": {"content-type": "application/json"}, "body": json.dumps(records)}
    agents = "\n".join(f"bot-number-{n}" for n in range(50))
    # Another target each time: nothing that was remembered helps.
    other_targets = """local n = 0
function request()
  n = n + 1
  return wrk.format(nil, "/items/100?limit=20&offset=" .. n .. "&q=rock+and+roll")
end"""
    return [
        Case("ab-cookie", "has the cookie", {"buckets": {"a": 90, "b": 10}}, headers={"Cookie": "theme=dark; ab=a"}),
        Case("ab-cookie", "new client", {"buckets": {"a": 90, "b": 10}}),
        Case("basic-waf", "targets seen before", path="/items/100?limit=20&offset=40&q=rock+and+roll"),
        Case("basic-waf", "a new target each time", path="/items/100?q=rock+and+roll", each=other_targets),
        Case("block-list", "1,000 blocks, 50 agents", data={"addresses": "\n".join(blocks(1000)), "agents": agents}),
        Case("canary-by-cookie", "10% by cookie", {"percent": 10, "id_cookie": "session"}),
        Case("geo-header", "10,000 blocks", data={"countries": "\n".join(f"{block},DE" for block in blocks(10000))}),
        Case("jwt-claim-header", "HS256", claims, {"secret": SECRET}, headers={"Authorization": f"Bearer {symmetric}"}),
        Case(
            "jwt-claim-header", "RS256", claims, {"public_key": public},
            headers={"Authorization": "Bearer " + token("RS256", sign)},
        ),
        Case("maintenance-page", "let through by address", {"allow": ["127.0.0.0/8"]}),
        Case("mask-json", "1 KiB, 12 records", {"fields": ["ssn"], "paths": ["*.card.number"]}, respond=answer),
        Case("request-tag", "a new id, no log line", {"log": False}),
        Case("require-header", "", headers={"X-Team": "red"}),
        Case("signed-url", "", data={"keys": f"a {SECRET}"}, path=signed_url()),
        Case("team-quota", "", {"requests": 1000000000}, headers={"X-Team": "red"}),
    ]


def start_counter(pid):
    """Counts the user-space instructions of the process from now on; None where nothing can."""
    if shutil.which("perf") is None:
        return None
    command = ["perf", "stat", "-x,", "-e", "instructions:u", "-p", str(pid)]
    counter = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    time.sleep(0.1)
    return counter


def stop_counter(counter):
    if counter is None:
        return float("nan")
    counter.send_signal(signal.SIGINT)
    counted = counter.communicate(timeout=10)[1].split(",")[0].strip()
    # A virtual machine may have no counter.
    return int(counted) if counted.isdigit() else float("nan")


class Contestant:
    """One proxy, with the policy or without it."""

    def __init__(self, program, case, upstream, folder, with_policy):
        folder.mkdir(parents=True)
        self.case, self.port, self.admin = case, process.free_port(), process.free_port()
        self.script = load.wrk_script(folder, case)
        with open(self.script, "a") as script:
            script.write(case.each + "\n")
        (folder / "martlet.yaml").write_text(configuration(self, folder, upstream, with_policy))
        self.process = process.start(
            [program, "run", "--config", folder / "martlet.yaml", "--workers", "1"], process.PROXY_CORE, folder / "log"
        )
        process.wait_until(self._answers, 10, f"{case.policy}: a first answer")

    def _answers(self):
        try:
            connection = load.connect(self.port, self.case)
        except OSError:
            return False
        connection.send()
        connection.read_reply()
        connection.close()
        return True

    def round(self, seconds):
        """Microseconds and instructions a request."""
        counter = start_counter(self.process.pid)
        before = process.cpu_seconds([self.process.pid])
        result = load.run_wrk(self.script, self.case, self.port, seconds)
        spent = process.cpu_seconds([self.process.pid]) - before
        counted = stop_counter(counter)
        if result["status_errors"] or result["socket_errors"] or result["timeouts"]:
            raise RuntimeError(f"{self.case.policy}: requests failed: {result}")
        return spent * 1e6 / result["requests"], counted / result["requests"]

    def budget_used(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/policies", timeout=5) as answer:
            return json.load(answer)["policies"][0]["instructions"]["p99"]

    def stop(self):
        process.stop(self.process)


def configuration(contestant, folder, upstream, with_policy):
    """JSON is YAML."""
    case, port = contestant.case, contestant.port
    route = {"match": {}, **({"respond": case.respond} if case.respond else {"cluster": "upstream"})}
    filters = [{"lua": {"policy": case.policy, "config": case.config}}] if with_policy else []
    listener = {"name": "bench", "address": f"127.0.0.1:{port}", "filters": [*filters, "router"], "routes": [route]}
    config = {
        "admin": {"address": f"127.0.0.1:{contestant.admin}"},
        "access_log": "off",
        "listeners": [listener],
        "clusters": [{"name": "upstream", "endpoints": [f"127.0.0.1:{upstream}"]}],
    }
    if with_policy:
        for name, text in case.data.items():
            (folder / f"{name}.txt").write_text(text + "\n")
        policy = {"name": case.policy, "file": str(REPOSITORY / "Filters" / case.policy / "policy.lua")}
        if case.data:
            policy["data"] = {name: f"{name}.txt" for name in case.data}
        config["policies"] = [policy]
    return json.dumps(config)


def measure(case, program, upstream, folder, options):
    """The medians of what the policy adds."""
    pair = []
    try:
        for with_policy in (False, True):
            pair.append(Contestant(program, case, upstream, folder / str(with_policy), with_policy))
        for contestant in pair:
            contestant.round(1)
        differences = []
        for _ in range(options.rounds):
            without, with_it = (contestant.round(options.seconds) for contestant in pair)
            differences.append([b - a for a, b in zip(without, with_it)])
        times, counts = zip(*differences)
        quarters = statistics.quantiles(times, n=4)
        return statistics.median(times), quarters[2] - quarters[0], statistics.median(counts), pair[1].budget_used()
    finally:
        for contestant in pair:
            contestant.stop()


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--martlet", type=Path, default=REPOSITORY / ".build/release/martlet", help="the binary")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=1, help="length of a round")
    parser.add_argument("--only", help="the policies whose names contain this")
    return parser.parse_args()


def main():
    options = arguments()
    for tool in ("wrk", "openssl"):
        if shutil.which(tool) is None:
            raise SystemExit(f"{tool} is missing")
    with tempfile.TemporaryDirectory(prefix="martlet-policies-") as name:
        folder = Path(name)
        upstream = Upstream(build.upstream(folder), folder / "upstream.log")
        print("| policy | measured | microseconds | apart by | user-space instructions | budget, at most |\n|---|---|---|---|---|---|")
        try:
            for number, case in enumerate(cases(folder)):
                if options.only and options.only not in case.policy:
                    continue
                more, apart, count, budget = measure(case, options.martlet, upstream.port, folder / str(number), options)
                counted = "not counted" if math.isnan(count) else f"{count:+,.0f}"
                print(f"| {case.policy} | {case.note} | {more:+.1f} | {apart:.1f} | {counted} | {budget} |", flush=True)
        finally:
            upstream.stop()


if __name__ == "__main__":
    main()
