"""What the rounds say: medians, ratios, and the checks."""

import statistics

from scenarios import BY_NAME, CHECKS, METRICS


def medians(rounds):
    """The median of each figure over the rounds; errors are added up."""
    result = {name: statistics.median(each[name] for each in rounds) for name in rounds[0] if name != "errors"}
    result["errors"] = sum(each["errors"] for each in rounds)
    result["spread"] = _spread([each["cpu"] for each in rounds]) if "cpu" in rounds[0] else 0.0
    return result


def _spread(values):
    """How far apart the rounds lie, as a part of the median: what a difference must exceed to mean anything."""
    return (max(values) - min(values)) / statistics.median(values)


def table(results, proxies):
    """One block a scenario: a row a metric, a column a proxy, then Martlet over each of the others."""
    lines = []
    for name, by_proxy in results.items():
        lines += ["", BY_NAME[name].title, "-" * len(BY_NAME[name].title)]
        present = [proxy for proxy in proxies if proxy in by_proxy]
        others = [proxy for proxy in present if proxy != "martlet"] if "martlet" in present else []
        head = ["", *present, *(f"/{other}" for other in others)]
        rows = [head]
        for metric, about in METRICS.items():
            if not any(metric in by_proxy[proxy] for proxy in present):
                continue
            row = [f"{about.title} ({about.unit})"]
            row += [f"{by_proxy[proxy][metric]:,.{about.digits}f}" for proxy in present]
            row += [ratio(by_proxy["martlet"][metric], by_proxy[other][metric]) for other in others]
            rows.append(row)
        if any(by_proxy[proxy].get("spread") for proxy in present):
            rows.append(["  rounds lie apart by", *(f"{by_proxy[proxy]['spread']:.0%}" for proxy in present)])
        lines += aligned(rows)
        for proxy in present:
            if by_proxy[proxy]["errors"]:
                lines.append(f"  {proxy}: {by_proxy[proxy]['errors']} FAILED REQUESTS, its figures mean nothing")
    return lines


def ratio(mine, other):
    return f"{mine / other:.2f}x" if other > 0 else "-"


def aligned(rows):
    columns = max(len(row) for row in rows)
    widths = [max(len(row[i]) for row in rows if i < len(row)) for i in range(columns)]
    return ["  ".join(cell.rjust(widths[i]) if i else cell.ljust(widths[i]) for i, cell in enumerate(row)) for row in rows]


def check(results):
    """Each promise with what was measured: (sentence, measured, passed), passed None when it was not measured."""
    outcome = []
    for each in CHECKS:
        mine = results.get(each.scenario, {}).get("martlet")
        if each.against is None:
            base = 1.0
        else:
            other = results.get(each.against_scenario or each.scenario, {}).get(each.against)
            base = other[each.metric] if other and not other["errors"] else None
        if mine is None or base is None:
            outcome.append((each.sentence(), None, None))
            continue
        measured = mine[each.metric] / base
        outcome.append((each.sentence(), measured, measured <= each.limit and not mine["errors"]))
    return outcome


def check_lines(outcome):
    marks = {True: "pass", False: "FAIL", None: "not measured"}
    rows = [
        [f"[{marks[passed]}]", "" if measured is None else f"{measured:,.2f}", sentence]
        for sentence, measured, passed in outcome
    ]
    width = max(len(row[0]) for row in rows)
    return [f"  {mark.ljust(width)} {measured:>9}  {sentence}" for mark, measured, sentence in rows]
