"""What the rounds say: medians, ratios, and the checks.

Everywhere `rounds` is {scenario: {proxy: [figures of round 1, of round 2, ...]}}.
"""

import statistics

from scenarios import BY_NAME, CHECKS, METRICS


def medians(rounds):
    return {
        scenario: {proxy: _medians(each) for proxy, each in by_proxy.items()} for scenario, by_proxy in rounds.items()
    }


def _medians(rounds):
    """The median of each figure over the rounds; errors are added up."""
    result = {name: statistics.median(each[name] for each in rounds) for name in rounds[0] if name != "errors"}
    result["errors"] = sum(each["errors"] for each in rounds)
    result["spread"] = _spread([each["cpu"] for each in rounds]) if "cpu" in rounds[0] else 0.0
    return result


def _spread(values):
    """How far apart the rounds lie, as a part of the median: what a difference must exceed to mean anything."""
    return (max(values) - min(values)) / statistics.median(values)


def ratio(mine, others, metric):
    """The median of the ratios of neighbouring rounds: a slow spell of the machine slows both sides of a ratio."""
    pairs = [(a[metric], b[metric]) for a, b in zip(mine, others)]
    if not pairs or any(other <= 0 for _, other in pairs):
        return None
    return statistics.median(a / b for a, b in pairs)


def table(rounds):
    """One block a scenario: a row a metric, a column a proxy, then Martlet over each of the others."""
    lines = []
    for scenario, by_proxy in medians(rounds).items():
        lines += ["", BY_NAME[scenario].title, "-" * len(BY_NAME[scenario].title)]
        present = list(by_proxy)
        others = [proxy for proxy in present if proxy != "martlet"] if "martlet" in present else []
        rows = [["", *present, *(f"/{other}" for other in others)]]
        for metric, about in METRICS.items():
            if not any(metric in figures for figures in by_proxy.values()):
                continue
            row = [f"{about.title} ({about.unit})"]
            row += [f"{figures[metric]:,.{about.digits}f}" for figures in by_proxy.values()]
            for other in others:
                value = ratio(rounds[scenario]["martlet"], rounds[scenario][other], metric)
                row.append("-" if value is None else f"{value:.2f}x")
            rows.append(row)
        if any(figures["spread"] for figures in by_proxy.values()):
            rows.append(["  rounds lie apart by", *(f"{figures['spread']:.0%}" for figures in by_proxy.values())])
        lines += _aligned(rows)
        for proxy, figures in by_proxy.items():
            if figures["errors"]:
                lines.append(f"  {proxy}: {figures['errors']} FAILED REQUESTS, its figures mean nothing")
    return lines


def _aligned(rows):
    columns = max(len(row) for row in rows)
    widths = [max(len(row[i]) for row in rows if i < len(row)) for i in range(columns)]
    return ["  ".join(cell.rjust(widths[i]) if i else cell.ljust(widths[i]) for i, cell in enumerate(row)) for row in rows]


def check(rounds):
    """Each promise with what was measured: (sentence, measured, passed); passed is None when it was not measured."""
    outcome = []
    for each in CHECKS:
        by_proxy = rounds.get(each.scenario, {})
        mine = by_proxy.get("martlet")
        others = [by_proxy.get(name) for name in ([each.against] if isinstance(each.against, str) else each.against or [])]
        other = others[0] if others and all(others) else None
        measured = None
        if mine and each.against is None:
            measured = statistics.median(figures[each.metric] for figures in mine)
        elif mine and other and each.shared_by:
            measured = statistics.median(a[each.metric] - b[each.metric] for a, b in zip(mine, other)) / each.shared_by
        elif mine and other:
            ratios = [ratio(mine, rounds_of_one, each.metric) for rounds_of_one in others]
            # Against the best of several: the ratio that looks worst.
            measured = None if None in ratios else min(ratios) if each.at_least else max(ratios)
        failed = sum(figures["errors"] for of_one in [mine, *others] for figures in of_one or [])
        kept = measured is not None and (measured >= each.limit if each.at_least else measured <= each.limit)
        passed = None if measured is None else kept and failed == 0
        outcome.append((each.sentence(), measured, passed))
    return outcome


def check_lines(outcome):
    marks = {True: "[pass]", False: "[FAIL]", None: "[not measured]"}
    width = max(len(marks[passed]) for _, _, passed in outcome)
    return [
        f"  {marks[passed].ljust(width)} {'' if measured is None else f'{measured:,.2f}':>9}  {sentence}"
        for sentence, measured, passed in outcome
    ]
