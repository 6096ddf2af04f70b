# ruff: noqa: E501, T201  (a table of replacements)
"""Take away one layer of the guard at a time, and see that the tests turn red.

    python tests/privacy/mutations.py [--jobs 2] [NAME ...]

Each mutant is one replacement of text in a copy of the tree, whose tests in tests/privacy run until the first that fails.
Prints a table; exit status 1 if a mutant survives, 2 if a replacement no longer fits the code.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
GUARD = "src/spanguard/privacy"
WORDS = "src/spanguard/vocabulary"
# The quick ones first; where one text is enough to tell, the first of many is.
TESTS = (
    *("test_adversary.py", "test_span_views.py", "test_process_guard.py", "test_guard.py", "test_keys.py", "test_points.py"),
    *(
        "test_garbage.py",
        "test_declarations.py",
        "test_dropped.py",
        "test_rewritten_logs.py",
        "test_balanced.py",
        "test_channels.py",
        "test_conventions.py",
    ),
)


class Mutant(NamedTuple):
    """A layer, the file it is in, and what is replaced by what."""

    layer: str
    file: str
    old: str
    new: str


def place(name: str, owner: str, call: str) -> Mutant:
    """Take away one place of the process guard."""
    return Mutant(f"place {owner}.{name}".replace("..", "."), f"{GUARD}/process.py", call, "")


MUTANTS = (
    place("on_start", "SynchronousMulti", '    Place(_TRACE, "SynchronousMultiSpanProcessor", "on_start", _on_start),\n'),
    place(
        "_on_ending", "SynchronousMulti", '    Place(_TRACE, "SynchronousMultiSpanProcessor", "_on_ending", _on_ending),\n'
    ),
    place("on_end", "SynchronousMulti", '    Place(_TRACE, "SynchronousMultiSpanProcessor", "on_end", _on_end),\n'),
    place(
        "on_start", "ConcurrentMulti", '    Place(_TRACE, "ConcurrentMultiSpanProcessor", "on_start", _on_start_together),\n'
    ),
    place(
        "_on_ending",
        "ConcurrentMulti",
        '    Place(_TRACE, "ConcurrentMultiSpanProcessor", "_on_ending", _on_ending_together),\n',
    ),
    place("on_end", "ConcurrentMulti", '    Place(_TRACE, "ConcurrentMultiSpanProcessor", "on_end", _on_end_together),\n'),
    place("_readable_span", "Span", '    Place(_TRACE, "Span", "_readable_span", _readable),\n'),
    place("to_json", "ReadableSpan", '    Place(_TRACE, "ReadableSpan", "to_json", _to_json(clean_span, "span")),\n'),
    place(
        "__init__",
        "TracerProvider",
        '    Place(_TRACE, "TracerProvider", "__init__", _list_of("active_span_processor", _SPAN_LISTS, _PrivacySpanList)),\n',
    ),
    place("on_emit", "SynchronousMultiLog", '    Place(_LOGS, "SynchronousMultiLogRecordProcessor", "on_emit", _on_emit),\n'),
    place(
        "on_emit",
        "ConcurrentMultiLog",
        '    Place(_LOGS, "ConcurrentMultiLogRecordProcessor", "on_emit", _on_emit_together),\n',
    ),
    place(
        "__init__",
        "LoggerProvider",
        '    Place(_LOGS, "LoggerProvider", "__init__", _list_of("multi_log_record_processor", _LOG_LISTS, _PrivacyLogList)),\n',
    ),
    place("to_json", "ReadableLogRecord", '    Place(_LOGS, "ReadableLogRecord", "to_json", _to_json(clean_log, "log")),\n'),
    place(
        "collect",
        "MetricReaderStorage",
        '    Place(f"{_METRICS}.metric_reader_storage", "MetricReaderStorage", "collect", _collect),\n',
    ),
    place(
        "to_json",
        "MetricsData",
        '    Place(f"{_METRICS}.point", "MetricsData", "to_json", _to_json(clean_metrics, "metric")),\n',
    ),
    place("encode spans", "OTLP", '    Place(f"{_ENCODERS}.trace_encoder", "", "_encode_resource_spans", _encode_spans),\n'),
    place("encode logs", "OTLP", '    Place(f"{_ENCODERS}._log_encoder", "", "_encode_resource_logs", _encode_logs),\n'),
    place(
        "encode metrics",
        "OTLP",
        '    Place(f"{_ENCODERS}.metrics_encoder", "", "_encode_resource_metrics", _encode_metrics),\n',
    ),
    place("outbound", "all", "    *outbound.PLACES,\n"),
    place("start", "multiprocessing", '    Place("multiprocessing.process", "BaseProcess", "start", _start),\n'),
    Mutant(
        "log: each its own at the same time",
        f"{GUARD}/process.py",
        "        self._submit_and_wait(own)\n",
        '        if (clean := guarded("log", clean_log, log_record)) is not None:\n            original(self, clean)\n',
    ),
    Mutant("dropped keys: those of code alone", f"{GUARD}/dropped.py", "if key in standing]", "]"),
    Mutant(
        "baggage",
        f"{GUARD}/outbound.py",
        '"inject", _injected(clean_baggage)),\n    Place("opentelemetry.propagators.jaeger"',
        '"none", _injected(clean_baggage)),\n    Place("opentelemetry.propagators.jaeger"',
    ),
    Mutant(
        "trace state on requests", f"{GUARD}/outbound.py", "_injected(without_state)", "_injected(lambda context: context)"
    ),
    Mutant("OpenTelemetry's own log lines", f"{GUARD}/own_logs.py", "record.msg = _told(record)", "pass"),
    Mutant("arguments of own log lines", f"{GUARD}/own_logs.py", "tuple(map(_kept, arguments))", "tuple(arguments)"),
    Mutant(
        "traceback of own log lines",
        f"{GUARD}/own_logs.py",
        "record.exc_info = record.exc_text = record.stack_info = None",
        "pass",
    ),
    Mutant("own log lines of the SDK's import", "src/spanguard/pipeline/__init__.py", "with quiet():", "if True:"),
    Mutant("own log lines made at run time", f"{GUARD}/own_logs.py", "not _stands_in_code(text)", "False"),
    Mutant(
        "span: attributes", f"{GUARD}/spans.py", 'attributes = clean_attributes(raw, "span")', "attributes = dict(raw or {})"
    ),
    Mutant("span: name", f"{GUARD}/spans.py", "span_name(span._name, attributes)", "span._name"),
    Mutant(
        "span: status",
        f"{GUARD}/spans.py",
        '"_status": _UNSET if code is _UNSET_CODE else _STATUS.get(code, _UNSET),',
        '"_status": status,',
    ),
    Mutant("span: events", f"{GUARD}/spans.py", "tuple(map(clean_event, span.events))", "tuple(span.events)"),
    Mutant("span: names of events", f"{GUARD}/spans.py", 'event_name(event.name, "event")', "event.name"),
    Mutant("span: links", f"{GUARD}/spans.py", "tuple(map(clean_link, span.links))", "tuple(span.links)"),
    Mutant("span: trace state of links", f"{GUARD}/spans.py", 'clean_context(link.context, "link")', "link.context"),
    Mutant("span: attributes of links", f"{GUARD}/spans.py", 'clean_attributes(link.attributes, "link")', "link.attributes"),
    Mutant("span: trace state", f"{GUARD}/spans.py", 'context = clean_context(context, "span")', "pass"),
    Mutant(
        "span: times",
        f"{GUARD}/spans.py",
        "if type(start) is not int or type(end) is not int or not OLDEST <= start <= end < NEWEST:",
        "if False:",
    ),
    Mutant("span: resource", f"{GUARD}/spans.py", "clean_resource(span._resource)", "span._resource"),
    Mutant("span: scope", f"{GUARD}/spans.py", "clean_scope(span._instrumentation_scope)", "span._instrumentation_scope"),
    Mutant("span: lets go of what is raw", f"{GUARD}/spans.py", "            self._raw = None\n", ""),
    Mutant(
        "span: cleaned when looked at",
        f"{GUARD}/spans.py",
        "        self._dropped: tuple[int, int, int]\n",
        "        self._dropped: tuple[int, int, int]\n        _cleaned(span)\n",
    ),
    Mutant(
        "span: emptied by a fault", f"{GUARD}/spans.py", "fields = _emptied(raw)", 'fields = {**_BARE, "_name": raw._name}'
    ),
    Mutant(
        "span: known by its class",
        f"{GUARD}/spans.py",
        "    if type(span) is CleanSpan or",
        '    if "h:" in repr(span._attributes) or',
    ),
    Mutant(
        "live span: attributes",
        f"{GUARD}/processors.py",
        'return guarded("span", clean_attributes, self._live._attributes, "span") or {}',
        "return self._live.attributes",
    ),
    Mutant(
        "live span: name",
        f"{GUARD}/processors.py",
        'return guarded("span", _name_of, self._live) or EMPTIED',
        "return self._live.name",
    ),
    Mutant(
        "live span: events",
        f"{GUARD}/processors.py",
        'tuple(guarded_each("event", clean_event, self._live.events))',
        "tuple(self._live.events)",
    ),
    Mutant("live span: at all", f"{GUARD}/processors.py", "    return LiveSpan(span)\n", "    return span\n"),
    Mutant("processor: spans", f"{GUARD}/processors.py", 'guarded("span", clean_span, span)', "span"),
    Mutant("processor: logs", f"{GUARD}/processors.py", 'guarded("log", clean_log, log_record)', "log_record"),
    Mutant("exporter: metrics", f"{GUARD}/exporters.py", 'guarded("metric", clean_metrics, metrics_data)', "metrics_data"),
    Mutant("exporter: spans", f"{GUARD}/exporters.py", 'guarded_each("span", clean_span, spans)', "list(spans)"),
    Mutant("exporter: logs", f"{GUARD}/exporters.py", 'guarded_each("log", clean_log, batch)', "list(batch)"),
    Mutant("provider: metrics", f"{GUARD}/providers.py", 'guarded("metric", clean_metrics, found)', "found"),
    Mutant(
        "provider: processors added later",
        f"{GUARD}/providers.py",
        "original(_around(processor, guard))",
        "original(processor)",
    ),
    Mutant(
        "border: faults", f"{GUARD}/border.py", "        lost(signal, error)\n        return None\n", "        raise error\n"
    ),
    Mutant(
        "log: body",
        f"{GUARD}/logs.py",
        "    cleaned = _bare(record)\n",
        "    cleaned = _bare(record)\n    cleaned.body = body\n",
    ),
    Mutant(
        "log: attributes",
        f"{GUARD}/logs.py",
        'attributes = clean_attributes(record.attributes, "log")',
        "attributes = dict(record.attributes or {})",
    ),
    Mutant("log: severity", f"{GUARD}/logs.py", "_severity(record.severity_text)", "record.severity_text"),
    Mutant("log: name of the event", f"{GUARD}/logs.py", 'event_name(record.event_name, "log") or None', "record.event_name"),
    Mutant(
        "log: resource and scope",
        f"{GUARD}/logs.py",
        "resource=resource, instrumentation_scope=scope)",
        "resource=data.resource)",
    ),
    Mutant("log: each processor its own", f"{GUARD}/process.py", "            log_record = clean\n", "            pass\n"),
    Mutant("log: ids", f"{GUARD}/logs.py", "clean_id(record.trace_id, 128)", "record.trace_id"),
    Mutant("metric: sums", f"{GUARD}/metrics.py", "if isinstance(data, Sum):  #", "if False:  #"),
    Mutant(
        "metric: sums of bytes",
        f"{GUARD}/conventions/metrics.py",
        "return _rounded(value, 1 << 20)",
        "return value",
    ),
    Mutant(
        "metric: how long a sum took",
        f"{GUARD}/conventions/metrics.py",
        "LARGEST * max(1.0, nanoseconds / _MINUTE)",
        "LARGEST * 10_000",
    ),
    Mutant(
        "metric: names",
        f"{GUARD}/metrics.py",
        "if rule is None and not (is_declared(metric.name) or is_declared_key(metric.name)):",
        "if False:",
    ),
    Mutant(
        "metric: description", f"{GUARD}/metrics.py", 'Metric(metric.name, "",', "Metric(metric.name, metric.description,"
    ),
    Mutant("metric: unit", f"{GUARD}/metrics.py", "rule.unit, _with_points", "metric.unit, _with_points"),
    Mutant(
        "metric: attributes",
        f"{GUARD}/measured.py",
        '"attributes": clean_attributes(point.attributes, "metric")',
        '"attributes": point.attributes',
    ),
    Mutant(
        "metric: exemplars",
        f"{GUARD}/measured.py",
        "filtered_attributes={}",
        "filtered_attributes=exemplar.filtered_attributes",
    ),
    Mutant(
        "metric: ranges",
        f"{GUARD}/measured.py",
        "or not -largest <= value <= largest:\n        raise",
        "or False:\n        raise",
    ),
    Mutant(
        "metric: bounds",
        f"{GUARD}/measured.py",
        "or not -LARGEST_SUM <= bound <= LARGEST_SUM:\n        return False\n",
        "or True:\n        return True\n",
    ),
    Mutant("metric: counts", f"{GUARD}/measured.py", "not low <= number <= high:", "False:"),
    Mutant(
        "metric: lists of counts", f"{GUARD}/measured.py", "type(numbers) is not list and type(numbers) is not tuple", "False"
    ),
    Mutant("metric: times", f"{GUARD}/measured.py", "clean_time(point.time_unix_nano)", "point.time_unix_nano"),
    Mutant(
        "metric: kind of the data",
        f"{GUARD}/metrics.py",
        "AggregationTemporality(data.aggregation_temporality)",
        "data.aggregation_temporality",
    ),
    Mutant("context: ids that are numbers", f"{GUARD}/parts.py", "type(trace_id) is type(span_id) is int", "True"),
    Mutant("attributes: longest list", f"{GUARD}/attributes.py", "if len(value) > MOST_ELEMENTS:", "if False:"),
    Mutant(
        "attributes: exact texts of keys",
        f"{GUARD}/attributes.py",
        "            if type(key) is not str:\n                return False\n",
        "",
    ),
    Mutant(
        "live span: faults",
        f"{GUARD}/processors.py",
        'guarded("span", clean_context, self._live.context, "span") or INVALID',
        'clean_context(self._live.context, "span") or INVALID',
    ),
    Mutant(
        "counts: a span that ends meanwhile",
        f"{GUARD}/redactions.py",
        "_lock = threading.RLock()  #",
        "_lock = threading.Lock()  #",
    ),
    Mutant("metric: scopes", f"{GUARD}/metrics.py", "scope = clean_scope(each.scope) or", "scope = each.scope or"),
    Mutant(
        "metric: resource",
        f"{GUARD}/metrics.py",
        "ResourceMetrics(clean_resource(each.resource)",
        "ResourceMetrics(each.resource",
    ),
    Mutant("metric: joined points", f"{GUARD}/metrics.py", "merged(points, by_time=isinstance(data, Gauge))", "points"),
    Mutant("points: sums", f"{GUARD}/points.py", "value=first.value + second.value", "value=first.value"),
    Mutant("points: scales", f"{GUARD}/points.py", ">> steps", ">> 0"),
    Mutant(
        "parts: trace state",
        f"{GUARD}/parts.py",
        "clean_flags(context.trace_flags))",
        "clean_flags(context.trace_flags), state)",
    ),
    Mutant("parts: version of the scope", f"{GUARD}/parts.py", "(not version or is_version(version))", "True"),
    Mutant("parts: schema URL", f"{GUARD}/parts.py", "    if is_schema_url(url):\n", "    if url:\n"),
    Mutant(
        "parts: a resource for each edition",
        f"{GUARD}/parts.py",
        "last[2] == declared.edition and last[3] is in_force.mode",
        "True",
    ),
    Mutant("attributes: quick look", f"{GUARD}/attributes.py", "if value not in texts[key]:", "if key not in texts:"),
    Mutant("attributes: numbers", f"{GUARD}/attributes.py", "if not low <= value <= high:", "if False:"),
    Mutant("attributes: whole numbers", f"{GUARD}/attributes.py", "if value < low or value > high:", "if False:"),
    Mutant("attributes: lists", f"{GUARD}/attributes.py", "if type(element) is not str or element not in kept:", "if False:"),
    Mutant(
        "attributes: unknown keys", f"{GUARD}/free.py", "    if not (declared or balanced):\n        return DROPPED\n", ""
    ),
    Mutant("attributes: length of content", f"{GUARD}/attributes.py", "bucket(content)", "content"),
    Mutant(
        "attributes: resource",
        f"{GUARD}/attributes.py",
        "DROPPED if rule is None else rule.clean(value)",
        "value if rule is None else rule.clean(value)",
    ),
    Mutant(
        "rule: nothing",
        f"{GUARD}/rules.py",
        '        """Return what may leave in place of the value, or `DROPPED`."""\n        return DROPPED\n',
        '        """Return it."""\n        return value\n',
    ),
    Mutant(
        "rule: number", f"{GUARD}/rules.py", "return value if self.low <= value <= self.high else DROPPED", "return value"
    ),
    Mutant(
        "rule: size",
        f"{GUARD}/rules.py",
        "return value if value <= 1 << 20 else 1 << (value - 1).bit_length()",
        "return value",
    ),
    Mutant("rule: flag", f"{GUARD}/rules.py", "return value if type(value) is bool else DROPPED", "return value"),
    Mutant("rule: text", f"{GUARD}/rules.py", "(self._known(value) or is_declared(value))", "True"),
    Mutant("rule: longest text", f"{GUARD}/rules.py", "len(value) <= LONGEST and (self._known", "(self._known"),
    Mutant(
        "rule: remembers what it accepted alone",
        f"{GUARD}/rules.py",
        "        return DROPPED if self._otherwise is None",
        "        self.kept[value] = value\n        return DROPPED if self._otherwise is None",
    ),
    Mutant(
        "rule: list",
        f"{GUARD}/rules.py",
        "cleaned = [self.rule.clean(element) for element in value[:MOST_ELEMENTS]]",
        "cleaned = list(value)",
    ),
    Mutant(
        "rule: identity",
        f"{GUARD}/rules.py",
        "return pseudonym(value, self._of) if type(value) is str and value else DROPPED",
        "return value",
    ),
    Mutant("names: of spans", f"{GUARD}/names.py", "if name in WORDS or is_declared(name):", "if True:"),
    Mutant("names: what follows a known word", f"{GUARD}/names.py", "_stands_in(rest, attributes))", "True)"),
    Mutant(
        "names: of balanced mode",
        f"{GUARD}/names.py",
        'len(_accepted) < _MOST_KEPT and in_force.mode == "strict"',
        "len(_accepted) < _MOST_KEPT",
    ),
    Mutant("balanced: keys of services", f"{GUARD}/modes.py", "if word.startswith(_MARKS):", "if False:"),
    Mutant("balanced: long parts", f"{GUARD}/modes.py", "len(part) >= _LONGEST_SOLID and not part.isalpha()", "False"),
    Mutant("balanced: keys of people", f"{GUARD}/free.py", "(declared or not _is_about_people(key))", "True"),
    Mutant("balanced: harmless texts", f"{GUARD}/free.py", "looks_harmless(value)", "True"),
    Mutant("key: mode of the file", f"{GUARD}/keys.py", "os.O_EXCL, 0o600)", "os.O_EXCL, 0o644)"),
    Mutant(
        "key: mode of the directory",
        f"{GUARD}/keys.py",
        "directory.mkdir(mode=0o700, parents=True, exist_ok=True)",
        "directory.mkdir(parents=True, exist_ok=True)",
    ),
    Mutant("key: one process at a time", f"{GUARD}/keys.py", "    with _alone(directory):\n", "    if True:\n"),
    Mutant("key: never written through a link", f"{GUARD}/keys.py", "os.path.lexists(path)", "path.exists()"),
    Mutant("key: owner", f"{GUARD}/keys.py", "if status.st_uid != os.getuid():", "if False:"),
    Mutant("key: life", f"{GUARD}/keys.py", "key is not None and now - key.made < LIFE", "key is not None"),
    Mutant("key: closing one that is open", f"{GUARD}/keys.py", "os.fchmod(file.fileno(), 0o600)", "pass"),
    Mutant(
        "pseudonyms: separate for each attribute",
        f"{WORDS}/pseudonyms.py",
        'begun.update(of.encode("utf-8", "surrogatepass") + b"\\0")',
        "pass",
    ),
    Mutant("pseudonyms: keyed", f"{WORDS}/pseudonyms.py", "blake2b(digest_size=8, key=_key)", "blake2b(digest_size=8)"),
    Mutant(
        "canary: spans",
        f"{GUARD}/canary.py",
        "zip(SIGNALS, texts, strict=True) if not spans or _any_has(each, canary)",
        "zip(SIGNALS, texts, strict=True) if not spans",
    ),
    Mutant("canary: what it says is heeded", f"{GUARD}/guard.py", "return not survived", "return True"),
    Mutant(
        "off: said twice", f"{GUARD}/guard.py", '== "off"):\n        raise SettingsError(f\'', '== "off"):\n        print(f\''
    ),
    Mutant("declared: the environment's names alone", f"{GUARD}/guard.py", "if key.strip() in _SERVICE:", "if key:"),
    Mutant("before instrumenting: refuses", f"{GUARD}/guard.py", "    if not held:\n        refuse()\n", ""),
    Mutant(
        "counts: keys",
        f"{GUARD}/redactions.py",
        '_counts[signal, field, "unknown_key"] += 1',
        "_counts[signal, field, key] += 1",
    ),
    Mutant("counts: after a fork", f"{GUARD}/redactions.py", "    _counts.clear()  # the parent tells of its own\n", ""),
)


def tried(mutant: Mutant, tree: Path) -> tuple[Mutant, str]:
    """Return what became of the mutant: the name of the test that killed it, `survived`, or `does not fit`."""
    target = tree / mutant.file
    text = target.read_text()
    if text.count(mutant.old) != 1:
        return mutant, f"does not fit ({text.count(mutant.old)} places)"
    target.write_text(text.replace(mutant.old, mutant.new))
    tests = [f"tests/privacy/{name}" for name in TESTS]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        "-o",
        "addopts=--import-mode=importlib",
        *tests,
    ]
    environment = {**os.environ, "PYTHONPATH": str(tree / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, timeout=400)
    except subprocess.TimeoutExpired:
        return mutant, "a test that never ends"
    finally:
        target.write_text(text)
    if not done.returncode:
        return mutant, "survived"
    failed = [line.split()[1] for line in done.stdout.splitlines() if line.startswith(("FAILED tests", "ERROR tests"))]
    return mutant, failed[0].partition("::")[2].partition("[")[0] if failed else f"exit status {done.returncode}"


def main() -> int:
    """Try all mutants, or those whose layers hold one of the words, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("words", nargs="*")
    asked = parser.parse_args()
    mutants = [each for each in MUTANTS if not asked.words or any(word in each.layer for word in asked.words)]
    with tempfile.TemporaryDirectory() as directory, ThreadPoolExecutor(asked.jobs) as pool:
        trees = [Path(directory, str(number)) for number in range(asked.jobs)]
        for tree in trees:
            for name in ("src", "tests"):
                shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
            shutil.copy(ROOT / "pyproject.toml", tree)
        free = list(trees)

        def run(mutant: Mutant) -> tuple[Mutant, str]:
            tree = free.pop()
            try:
                return tried(mutant, tree)
            finally:
                free.append(tree)

        outcomes = []
        for mutant, outcome in pool.map(run, mutants):
            outcomes.append(outcome)
            print(f"{mutant.layer:44}{outcome}", flush=True)
    lived, unfit = outcomes.count("survived"), sum(each.startswith("does not fit") for each in outcomes)
    print(f"{len(outcomes) - lived - unfit} of {len(outcomes)} killed, {lived} survived, {unfit} do not fit")
    return 2 if unfit else int(bool(lived))


if __name__ == "__main__":
    sys.exit(main())
