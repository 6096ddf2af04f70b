#!/usr/bin/env python3
"""Find in a configuration what the collector's own `validate` does not: ``python lint.py base.yaml jaeger.yaml ...``.

Prints a line for each finding, and exits with 1 if there is one. Needs PyYAML. The files are taken as the collector merges
them. Looked at are the order of processors, queues that are not on disk, variables that are not set, addresses that others
can reach, secrets in plain text, metrics computed after sampling, pipelines that are not redacted, what nothing uses.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import yaml  # type: ignore[import-untyped]

HERE = Path(__file__).parent
KINDS = ("receivers", "processors", "exporters", "connectors", "extensions")
VARIABLE = re.compile(r"\$\{env:(\w+)(:-[^}]*)?\}")
SECRET = re.compile(r"(?i)authorization|api[-_]?key|token|password|secret|x-honeycomb-team")
Config = dict[str, Any]


def merged(texts: Sequence[str]) -> Config:
    """Return files laid over each other: maps are merged, all else is replaced."""
    whole: Config = {}
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # many times as fast, where PyYAML is built with it
    for text in texts:
        _lay(whole, yaml.load(text, loader))  # noqa: S506
    return whole


def _lay(below: Config, above: Mapping[str, Any]) -> None:
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(below.get(key), dict):
            _lay(below[key], cast("Config", value))
        else:
            below[key] = value


def findings(texts: Sequence[str], environment: Mapping[str, str], *, container: bool = False) -> list[str]:
    """Return what is wrong with files that are laid over each other, each in a sentence."""
    whole = merged(texts)
    told = (_order, _queues, _policies, _sampling, _redaction, _unused)
    found = [each for check in told for each in check(whole)]
    return [*found, *_variables(texts, environment), *_values(whole, "", container=container)]


def _pipelines(whole: Config) -> dict[str, Config]:
    return cast("dict[str, Config]", whole.get("service", {}).get("pipelines", {}))


def _outermost(whole: Config) -> dict[str, Config]:
    """Return the pipelines that take something from outside, and not from another pipeline alone."""
    connectors = whole.get("connectors", {})
    return {name: p for name, p in _pipelines(whole).items() if any(r not in connectors for r in p.get("receivers", ()))}


def _kind(component: str) -> str:
    return component.partition("/")[0]


def _order(whole: Config) -> Iterator[str]:
    for name, pipeline in _outermost(whole).items():
        processors = [_kind(each) for each in pipeline.get("processors", ())]
        if processors[:1] != ["memory_limiter"]:
            yield f"{name}: memory_limiter is not the first processor"
    for name, pipeline in _pipelines(whole).items():
        if "batch" in map(_kind, pipeline.get("processors", ())):
            yield f"{name}: batches belong into the sending queue, where they are on disk"


def _queues(whole: Config) -> Iterator[str]:
    running = whole.get("service", {}).get("extensions", ())
    for name, exporter in whole.get("exporters", {}).items():
        if not _kind(name).startswith("otlp"):
            continue
        storage = exporter.get("sending_queue", {}).get("storage")
        if storage is None:
            yield f"{name}: its queue is not on disk"
        elif storage not in whole.get("extensions", {}) or storage not in running:
            yield f"{name}: its queue is in {storage}, which is not running"
        if exporter.get("retry_on_failure", {}).get("max_elapsed_time") != "0s":
            yield f"{name}: gives up after a while; retry_on_failure.max_elapsed_time has to be 0s"


def _policies(whole: Config) -> Iterator[str]:
    """Look at what the collector finds only when it starts."""
    for each in whole.get("processors", {}).get("tail_sampling", {}).get("policies", ()):
        about = each.get(each["type"])
        if about is None and each["type"] != "always_sample":
            yield f"tail_sampling: the policy {each['name']} says nothing of {each['type']}"
        elif set((about or {}).get("status_codes", ())) - {"OK", "ERROR", "UNSET"}:
            yield f"tail_sampling: the policy {each['name']} has a status code that does not exist"


def _sampling(whole: Config) -> Iterator[str]:
    pipelines = _pipelines(whole)
    connectors = whole.get("connectors", {})

    def sampled(name: str) -> bool:
        """Whether a pipeline, or one that it takes its data from, has sampled."""
        pipeline = pipelines[name]
        if any("sampl" in each for each in pipeline.get("processors", ())):
            return True
        inner = [each for each in pipeline.get("receivers", ()) if each in connectors]
        return any(sampled(other) for other, p in pipelines.items() for c in inner if c in p.get("exporters", ()))

    for name, pipeline in pipelines.items():
        if "span_metrics" in map(_kind, pipeline.get("exporters", ())) and sampled(name):
            yield f"{name}: metrics of spans are computed after sampling"


def _redaction(whole: Config) -> Iterator[str]:
    redacted = {name: "transform/allowed" in p.get("processors", ()) for name, p in _outermost(whole).items()}
    if any(redacted.values()):
        yield from (f"{name}: is not redacted, and others are" for name, well in redacted.items() if not well)


def _unused(whole: Config) -> Iterator[str]:
    service = whole.get("service", {})
    used = {*service.get("extensions", ())}
    for pipeline in _pipelines(whole).values():
        used.update(*(pipeline.get(kind, ()) for kind in ("receivers", "processors", "exporters")))
    for kind in KINDS:
        for name in whole.get(kind, {}):
            if name not in used and kind != "exporters":  # a backend takes another one's place
                yield f"{kind}: nothing uses {name}"


def _variables(texts: Sequence[str], environment: Mapping[str, str]) -> Iterator[str]:
    needed = {found[1]: found[2] for text in texts for found in VARIABLE.finditer(_without_comments(text))}
    for name, default in needed.items():
        if default is None and not environment.get(name):
            yield f"the variable {name} is not set"


def _without_comments(text: str) -> str:
    return re.sub(r"(?m)(^|\s)#.*$", "", text)


def _values(value: object, path: str, *, container: bool) -> Iterator[str]:
    if isinstance(value, dict):
        for key, each in cast("Config", value).items():
            yield from _values(each, f"{path}::{key}" if path else key, container=container)
    elif isinstance(value, list):
        for each in cast("list[object]", value):
            yield from _values(each, path, container=container)
    elif isinstance(value, str):
        if not container and re.search(r"0\.0\.0\.0|\[::\]|^:\d+$", value):
            yield f"{path}: everybody can reach {value}"
        if SECRET.search(path.rpartition("::")[2]) and "processors::" not in path and not VARIABLE.search(value):
            yield f"{path}: a secret in plain text"


def main() -> None:
    """Print what is wrong with the files that are named."""
    paths = [path if path.exists() else HERE / path for path in map(Path, sys.argv[1:])]
    container = any(path.name == "container.yaml" for path in paths)
    found = findings([path.read_text("utf-8") for path in paths], os.environ, container=container)
    sys.exit("\n".join(found) or None)


if __name__ == "__main__":
    main()
