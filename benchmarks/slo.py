"""How long a gate takes over a store of 100,000 rows: all SLIs together, against reading the same rows once.

    python benchmarks/slo.py [--rows 100000] [--rounds 5]

Seconds are for orientation, as machines are shared and noisy; the ratio is of the same run, and the budget is one second.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from random import Random
from typing import Any

from spanguard import semconv
from spanguard.slo.evaluate import Scope, check
from spanguard.slo.indicators import INDICATORS
from spanguard.slo.openslo import Slo, loads
from spanguard.slo.reading import StoreSource
from spanguard.store import Database

SECOND = 10**9


def objectives() -> list[Slo]:
    """Return an objective on each SLI."""
    documents = [
        {
            "apiVersion": "openslo/v1",
            "kind": "SLO",
            "metadata": {"name": name.replace("_", "-")},
            "spec": {
                "service": "shop",
                "indicator": {"spec": {"thresholdMetric": {"metricSource": {"type": "spanguard", "spec": {"sli": name}}}}},
                "timeWindow": [{"duration": "30d"}],
                "budgetingMethod": "Occurrences",
                "objectives": [{"op": "gte" if each.better == "high" else "lte", "value": 0.5, "target": 0.9}],
            },
        }
        for name, each in INDICATORS.items()
    ]
    return loads(json.dumps(documents), is_json=True)


def fill(db: Database, rows: int) -> None:
    """Write points as exports of 5 s leave them: a few series each, for as long as it takes."""
    random, now = Random(1), time.time_ns()
    by = {semconv.POLICY_TYPE: "repair", semconv.POLICY_NAME: "invoice"}
    calls = semconv.GENERATIONS["1.37"].duration
    points = []
    while len(points) < rows:
        at = now - (rows - len(points)) * SECOND // 4
        for metric, attributes in (
            *((semconv.OPERATION_DURATION, {**by, semconv.OUTCOME: each}) for each in ("success", "recovered", "failed")),
            *((semconv.OPERATION_ATTEMPTS, {**by, semconv.OUTCOME: each}) for each in ("success", "recovered")),
            *((calls, {semconv.GEN_AI_OPERATION: "chat", semconv.GEN_AI_MODEL: each}) for each in ("gpt-5.2", "claude-5")),
            *((semconv.TOKEN_USAGE, {**by, semconv.DISPOSITION: each}) for each in semconv.DISPOSITIONS),
            *((semconv.CACHE_LOOKUPS, {semconv.CACHE_RESULT: each}) for each in ("hit", "miss")),
        ):
            points.append(point(metric, attributes, at, random))
    db.write({"resources": [(1, "run-1", "shop", "{}")], "metric_points": points[:rows]})


def point(metric: semconv.Metric, attributes: dict[str, str], at: int, random: Random) -> Any:
    text = json.dumps(attributes, separators=(",", ":"), sort_keys=True)
    head = (1, semconv.SCOPE, metric.name, metric.unit, metric.kind, "DELTA", at - 5 * SECOND, at, text)
    if metric.kind != "histogram":
        return (*head, random.randint(1, 500), None, None, None, None, None, None)
    counts = [0] * (len(metric.boundaries) + 1)
    for _ in range(5):
        counts[random.randrange(len(counts))] += 1
    bounds = json.dumps(metric.boundaries, separators=(",", ":"))
    return (*head, None, 5, 5.0, 0.1, 3.0, bounds, json.dumps(counts, separators=(",", ":")))


def seconds(work: Callable[[], object], rounds: int) -> float:
    """Return the median time of some work."""
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    slos, now = objectives(), datetime.now(timezone.utc)
    with tempfile.TemporaryDirectory() as directory, Database.open(Path(directory) / "telemetry.db") as db:
        fill(db, given.rows)
        at = time.time_ns()
        once = seconds(lambda: db.rows("SELECT * FROM metric_points"), given.rounds)
        gate = seconds(lambda: check(slos, StoreSource(db, at), Scope(), now), given.rounds)
        one = seconds(lambda: check(slos[:1], StoreSource(db, at), Scope(), now), given.rounds)
    print(f"{given.rows:,} points, {len(slos)} objectives, median of {given.rounds}")
    print(f"  reading all points once   {once:7.3f} s")
    print(f"  one objective             {one:7.3f} s   {one / once:.2f}x")
    print(f"  all objectives            {gate:7.3f} s   {gate / once:.2f}x   budget 1 s: {'kept' if gate < 1 else 'MISSED'}")


if __name__ == "__main__":
    main()
