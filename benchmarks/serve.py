"""How long the page and the scrape take over a large store, against reading the same metric points once.

    python benchmarks/serve.py [--spans 1000000] [--points 100000] [--hours 20] [--rounds 7]

Everything is asked of a real server over HTTP, after it has read the store. Seconds are for orientation, as machines are
shared and noisy (what the processor was busy is less so); the ratios are of the same run. Budgets: the overview of all the
spans within 1.5 s, a scrape within 0.1 s.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

from spanguard import semconv
from spanguard.serve.options import Limits, Options
from spanguard.serve.server import Server
from spanguard.store import Database

SECOND = 10**9
TOKEN = "a token for the benchmark"
MODELS = ("gpt-5.2", "claude-5")


def spans(count: int, seconds: int, runs: int) -> Iterator[Any]:
    """Give spans as a program leaves them: three a trace, some failed, some with dependencies of generated code."""
    random, now = Random(1), time.time_ns()
    wanted = json.dumps({semconv.DEPENDENCIES: ["numpy", "json"]}, separators=(",", ":"))
    for place in range(count):
        trace, member = divmod(place, 3)
        start = now - (count - place) * seconds * SECOND // count
        ids = (
            (trace + 1).to_bytes(16, "big"),
            (place + 1).to_bytes(8, "big"),
            None if not member else (place).to_bytes(8, "big"),
        )
        failed = random.random() < 0.1
        name, kind = (("repair invoice", "INTERNAL"), ("attempt", "INTERNAL"), ("chat gpt-5.2", "CLIENT"))[member]
        promoted: dict[str, Any] = {"error_type": "TimeoutError" if failed else None}
        if member == 2:
            promoted |= {
                "operation": "chat",
                "provider": "openai",
                "model": MODELS[trace % 2],
                "input_tokens": 900,
                "cost": 0.01,
            }
        elif member == 1:
            promoted |= {"attempt": 1}
        else:
            promoted |= {"outcome": "failed" if failed else "success", "policy_type": "repair", "policy_name": "invoice"}
        columns = tuple(promoted.get(column) for column in semconv_columns())
        status = "ERROR" if failed else "UNSET"
        attributes = wanted if not member and random.random() < 0.05 else '{"server.address":"api.openai.com"}'
        yield (
            *ids,
            1 + place * runs // count,
            "spanguard",
            name,
            kind,
            start,
            start + SECOND,
            status,
            *columns,
            attributes,
            None,
        )


def semconv_columns() -> tuple[str, ...]:
    """Return the promoted columns in their order."""
    from spanguard.store.columns import PROMOTED

    return tuple(PROMOTED.values())


def points(count: int, seconds: int, runs: int) -> Iterator[Any]:
    """Give points as exports leave them, of everything that SLIs are made of."""
    random, now = Random(2), time.time_ns()
    by = {semconv.POLICY_TYPE: "repair", semconv.POLICY_NAME: "invoice"}
    duration = semconv.GENERATIONS["1.37"].duration
    series: list[tuple[semconv.Metric, dict[str, str]]] = [
        *((semconv.OPERATION_DURATION, {**by, semconv.OUTCOME: each}) for each in semconv.OUTCOMES),
        *((semconv.OPERATION_ATTEMPTS, {**by, semconv.OUTCOME: each}) for each in ("success", "recovered")),
        *((duration, {semconv.GEN_AI_OPERATION: "chat", semconv.GEN_AI_MODEL: each}) for each in MODELS),
        (duration, {semconv.GEN_AI_OPERATION: "chat", semconv.GEN_AI_MODEL: MODELS[0], semconv.ERROR_TYPE: "TimeoutError"}),
        *((semconv.TOKEN_USAGE, {**by, semconv.DISPOSITION: each}) for each in semconv.DISPOSITIONS),
        *((semconv.CACHE_LOOKUPS, {semconv.CACHE_RESULT: each}) for each in ("hit", "miss")),
        *(
            (semconv.BREAKER_STATE_NOW, {semconv.POLICY_NAME: "openai", semconv.BREAKER_STATE: each})
            for each in ("open", "closed")
        ),
        (semconv.LIMITER_WAIT, {semconv.POLICY_NAME: "openai", semconv.LIMITER_RESULT: "delayed"}),
    ]
    texts = [json.dumps(attributes, separators=(",", ":"), sort_keys=True) for _, attributes in series]
    for place in range(count):
        metric, text = series[place % len(series)][0], texts[place % len(series)]
        at = now - (count - place) * seconds * SECOND // count
        kind = {"observable_up_down_counter": "up_down_sum", "counter": "sum"}.get(metric.kind, metric.kind)
        head = (1 + place * runs // count, semconv.SCOPE, metric.name, metric.unit, kind, "DELTA", at - 5 * SECOND, at, text)
        if kind != "histogram":
            yield (*head, random.randint(0, 1), *(None,) * 6)
            continue
        counts = [0] * (len(metric.boundaries) + 1)
        for _ in range(5):
            counts[random.randrange(len(counts))] += 1
        yield (*head, None, 5, 5.0, 0.1, 3.0, json.dumps(metric.boundaries), json.dumps(counts))


def fill(db: Database, given: argparse.Namespace) -> None:
    """Write the store."""
    runs = 20
    db.write({"resources": [(each + 1, f"run-{each}", "shop", "{}") for each in range(runs)]})
    for table, rows in (
        ("spans", spans(given.spans, given.hours * 3600, runs)),
        ("metric_points", points(given.points, given.hours * 3600, runs)),
    ):
        batch: list[Any] = []
        for row in rows:
            batch.append(row)
            if len(batch) == 50_000:
                db.write({table: batch})
                batch = []
        db.write({table: batch})


class Client:
    """Asks a server, over one connection."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)

    def get(self, path: str) -> bytes:
        self._connection.request("GET", path, headers={"authorization": f"Bearer {TOKEN}"})
        answer = self._connection.getresponse()
        body = answer.read()
        assert answer.status in (200, 503), (path, answer.status)
        if answer.status == 503:
            print(f"  {path}: cut off, as it took too long")
        return body


def seconds(work: Callable[[], object], rounds: int) -> list[float]:
    """Return the times of some work, in order."""
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return sorted(times)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--spans", type=int, default=1_000_000)
    parser.add_argument("--points", type=int, default=100_000)
    parser.add_argument("--hours", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "telemetry.db"
        with Database.open(path) as db:
            begin = time.perf_counter()
            fill(db, given)
            print(
                f"{given.spans:,} spans, {given.points:,} points over {given.hours} h, {path.stat().st_size / 2**20:.0f} MB"
            )
            print(f"  writing them              {time.perf_counter() - begin:7.2f} s")
            once = statistics.median(seconds(lambda: db.rows("SELECT * FROM metric_points"), 3))
            print(f"  reading all points once   {once:7.3f} s   1.00x")
        measure(path, given.rounds, once)


def measure(path: Path, rounds: int, once: float) -> None:
    limits = Limits(per_second=1e6, burst=10**6)
    server = Server(Options(path, TOKEN, port=0, limits=limits))
    thread = threading.Thread(target=server.run)
    begin = time.perf_counter()
    thread.start()
    client = Client(server.options.port)
    client.get("/healthz")
    first = seconds(lambda: client.get("/?window=24h"), 1)[0]
    print(f"  overview at once          {first:7.3f} s   {first / once:.2f}x   (it says how much of the store was read)")
    while json.loads(client.get("/api/slo"))["checked"] is None:
        time.sleep(0.05)
    print(f"  until all was read        {time.perf_counter() - begin:7.3f} s   {(time.perf_counter() - begin) / once:.2f}x")
    told = json.loads(client.get("/api/runs"))["runs"]
    print(f"  spans in the window       {sum(each['spans'] for each in told):,}")
    for name, asked, budget in (
        ("overview, 24 h", "/?window=24h", 1.5),
        ("overview, 1 h", "/?window=1h", 1.5),
        ("scrape", "/metrics", 0.1),
        ("current figures", "/api/metrics/current?window=24h", 0),
        ("a history by hours", "/api/metrics/historical?type=llmLatency&aggregation=hour", 0),
        ("newest traces", "/traces", 0),
        ("traces with an error", "/traces?error=TimeoutError", 0),
        ("traces by a rare name", "/traces?name=nowhere&window=1h", 0),
        ("one run", "/run?run=run-19", 0),
    ):
        begin = time.process_time()
        times = seconds(lambda asked=asked: client.get(asked), rounds)
        busy, middle, most = (time.process_time() - begin) / rounds, statistics.median(times), times[-1]
        kept = f"   budget {budget} s: {'kept' if middle < budget else 'MISSED'}" if budget else ""
        print(
            f"  {name:<25} {middle:7.3f} s   {middle / once:.2f}x   at most {most:.3f} s, of the processor {busy:.3f} s{kept}"
        )
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    print(f"  memory of it all          {resident:7.0f} MB")
    server.stop()
    thread.join()


if __name__ == "__main__":
    main()
