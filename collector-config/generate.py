#!/usr/bin/env python3
"""Write what is made of spanguard's definitions: ``python collector-config/generate.py``; a test fails when it lags.

`redaction.yaml` comes from `spanguard.semconv`; rules and dashboards from the SLIs in `spanguard.slo`, and alerts from
`prometheus/objectives.yaml`, which is yours to change; `kubernetes.yaml` holds the overlays that it names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import redaction

from spanguard.slo.dashboards import dashboards
from spanguard.slo.grafana import to_json
from spanguard.slo.openslo import load
from spanguard.slo.rule_tests import sli_tests, tests
from spanguard.slo.rules import rules, to_yaml
from spanguard.slo.sli_rules import sli_rules

HERE = Path(__file__).parent
NOTE = "# Written by collector-config/generate.py; do not edit.\n"
REDACTION = """#
# Over base.yaml: lets through what spanguard's own guard would, for whatever comes unguarded. A second line, not the first:
# it sees only what has left the process already. Keys that are not here go, and values that their key cannot have; names that
# are not known become _OTHER; messages, bodies and descriptions go. What cannot be checked is refused.

"""
IN_KUBERNETES = ("base.yaml", "container.yaml", "redaction.yaml", "span-metrics.yaml", "tail-sampling.yaml", "honeycomb.yaml")


def kubernetes() -> str:
    """Return the example for Kubernetes, with the overlays in its ConfigMap."""
    files = {
        name: (pages()[name] if name == "redaction.yaml" else (HERE / name).read_text("utf-8")) for name in IN_KUBERNETES
    }
    embedded = "".join(f"  {name}: |\n{indented(text)}" for name, text in files.items())
    arguments = "".join(f"            - --config=/etc/otelcol/{name}\n" for name in IN_KUBERNETES)
    template = (HERE / "kubernetes.yaml.in").read_text("utf-8")
    return NOTE + template.replace("# FILES\n", embedded).replace("            # ARGUMENTS\n", arguments)


def indented(text: str) -> str:
    """Return the lines of a file as those of a block in another."""
    return "".join(f"    {line}" if line.strip() else line for line in text.splitlines(keepends=True))


def generated() -> Iterator[tuple[str, str]]:
    """Give the name of each file, and what has to stand in it."""
    objectives = load(HERE / "prometheus" / "objectives.yaml")
    yield "redaction.yaml", NOTE + REDACTION + legible(to_yaml(redaction.overlay()))
    yield "prometheus/sli.rules.yml", NOTE + sli_rules()
    yield "prometheus/sli.test.yml", NOTE + sli_tests("sli.rules.yml")
    yield "prometheus/objectives.rules.yml", NOTE + rules(objectives)
    yield "prometheus/objectives.test.yml", NOTE + tests(objectives, "objectives.rules.yml")
    for each in dashboards():
        yield f"grafana/dashboards/{each.uid}.json", to_json(each)


def legible(text: str) -> str:
    """Return YAML with its strings in single quotes, as statements are full of double ones."""
    return re.sub(r'"(?:[^"\\]|\\.)*"$', lambda found: f"'{json.loads(found[0])}'", text, flags=re.MULTILINE)


def pages() -> dict[str, str]:
    """Return what is generated from definitions alone."""
    return dict(generated())


def everything() -> dict[str, str]:
    """Return every generated file."""
    return {**pages(), "kubernetes.yaml": kubernetes()}


def main() -> None:
    """Write the files."""
    for name, text in everything().items():
        (HERE / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
