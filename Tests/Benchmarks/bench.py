#!/usr/bin/env python3
"""Runs Martlet beside nginx, HAProxy and Envoy and prints what a request costs each of them.

See README.md in this folder for what is measured and how to read it.
"""

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from pathlib import Path

import build
import ceilings
import process
import proxies
import report
import scenarios
from trial import Trial, Upstream

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
REPOSITORY = HERE.parent.parent


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [scenario.name for scenario in scenarios.SCENARIOS]
    parser.add_argument("--martlet", type=Path, default=REPOSITORY / ".build/release/martlet", help="the binary")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="length of a round")
    parser.add_argument("--only", type=words, metavar="A,B", help=f"scenarios of {','.join(names)}")
    parser.add_argument("--proxies", type=words, default=["martlet", "nginx", "haproxy", "envoy"], metavar="A,B")
    parser.add_argument("--quick", action="store_true", help="3 rounds of 1 s, and without --only the small scenario alone")
    parser.add_argument("--no-counts", action="store_true", help="without allocations and system calls per request")
    parser.add_argument("--strict", action="store_true", help="exit 1 unless every check passes")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 3, 1
    options.only = options.only or (["small"] if options.quick else names)
    unknown = set(options.only) - set(names)
    if unknown:
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}")
    return options


def words(text):
    return [word for word in text.split(",") if word]


def installed(options):
    """The proxies to run, and a note for each that is not there."""
    known = {proxy.name: proxy for proxy in proxies.all_proxies(options.martlet)}
    found, notes = [], []
    for name in options.proxies:
        if name not in known:
            raise SystemExit(f"no such proxy: {name}; there are {', '.join(known)}")
        if known[name].find():
            found.append(known[name])
        else:
            notes.append(f"{name} is not there: {known[name].install}")
    return found, notes


def run_scenario(scenario, runnable, upstreams, folder, options, notes):
    """Interleaved rounds (A B C A B C ...), so that a change of the machine's mood falls on all alike."""
    trials, rounds = start_all(scenario, runnable, upstreams, folder, notes), {}
    try:
        if scenario.idle_connections:
            count, measure = 1, Trial.idle_round
        else:
            count, measure = options.rounds, lambda trial: trial.round(options.seconds)
            for trial in list(trials):
                attempt(trial, lambda warming: warming.round(1), trials, notes)
        for number in range(count):
            for trial in list(trials):
                progress(f"{scenario.name}: round {number + 1}/{count}, {trial.name}")
                figures = attempt(trial, measure, trials, notes)
                if figures:
                    rounds.setdefault(trial.name, []).append(figures)
    finally:
        for trial in trials:
            trial.stop()
    return rounds


def start_all(scenario, runnable, upstreams, folder, notes):
    """Every proxy that can run the scenario, started; and Martlet in the baseline's configuration where there is one."""
    contestants = [(proxy.name, proxy, scenario) for proxy in runnable]
    if scenario.baseline:
        base = scenarios.BY_NAME[scenario.baseline]
        contestants += [(scenarios.BASELINE, proxy, base) for proxy in runnable if proxy.name == "martlet"]
    trials = []
    for name, proxy, each in contestants:
        lack = proxy.lacks(each)
        if lack:
            notes.append(f"{scenario.name}: {name} skipped, {lack}")
            continue
        try:
            trials.append(Trial(proxy, each, upstreams[each.upstream_protocol].port, folder / scenario.name / name, name=name))
        except (RuntimeError, TimeoutError) as error:
            notes.append(f"{scenario.name}: {name} skipped, {error}")
    return trials


def attempt(trial, measure, trials, notes):
    """One round; a proxy that fails it is noted and leaves the scenario, and the others go on."""
    try:
        return measure(trial)
    except (RuntimeError, OSError) as error:
        notes.append(f"{trial.scenario.name}: {trial.name} left out, {error}")
        trial.stop()
        trials.remove(trial)
        return None


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def machine():
    model = next(
        (line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "unknown"
    )
    return f"{model}, {os.cpu_count()} cores, Linux {platform.release()}"


def save(record):
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / time.strftime("%Y%m%d-%H%M%S.json")
    path.write_text(json.dumps(record, indent=1))
    return path


def main():
    options = arguments()
    for tool, package in (("wrk", "wrk"), ("h2load", "nghttp2-client")):
        if shutil.which(tool) is None:
            raise SystemExit(f"{tool} is missing: apt-get install {package} (or `Scripts/install-packages bench`)")
    process.raise_file_limit()
    runnable, notes = installed(options)
    if len(process.CORES) < 2:
        notes.append("one core only: load and proxy share it, so only the CPU per request means something")
    rounds, counts = {}, {}
    with tempfile.TemporaryDirectory(prefix="martlet-bench-") as name:
        folder = Path(name)
        upstreams = {"http1": Upstream(build.upstream(folder), folder / "upstream.log")}
        try:
            upstreams["http2"] = Upstream(build.upstream_grpc(folder), folder / "upstream_grpc.log")
            for scenario in (scenarios.BY_NAME[each] for each in options.only):
                rounds[scenario.name] = run_scenario(scenario, runnable, upstreams, folder, options, notes)
            if not options.no_counts:
                names = [name for name in ceilings.SCENARIOS if name in options.only]
                counts = ceilings.count_all(names, runnable, upstreams["http1"], folder, notes)
        finally:
            for upstream in upstreams.values():
                upstream.stop()
    progress("")
    outcome = report.check(rounds)
    print(f"{machine()}; {options.rounds} interleaved rounds of {options.seconds} s, medians")
    print("\n".join(report.table(rounds)))
    if counts:
        print("\n".join(ceilings.table(counts)))
    print("\nPromised:")
    print("\n".join(report.check_lines(outcome)))
    for note in notes:
        print(f"note: {note}")
    checks = [dict(zip(("promise", "measured", "passed"), each)) for each in outcome]
    record = {"machine": machine(), "medians": report.medians(rounds), "rounds": rounds}
    record |= {"counts": counts, "checks": checks, "notes": notes}
    print(f"\nwritten to {save(record).relative_to(REPOSITORY)}")
    if options.strict and not all(passed for _, _, passed in outcome):
        sys.exit(1)


if __name__ == "__main__":
    main()
