"""Write the reference pages from the modules that they describe: ``python docs/generate.py``.

`telemetry.md` comes from `spanguard.semconv`, `configuration.md` from `spanguard.settings`. A test fails when they lag.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from spanguard import semconv, settings
from spanguard.semconv import Event, Generation, Metric

HERE = Path(__file__).parent
NOTE = "<!-- Written by docs/generate.py; do not edit. -->"
PRIVACY = {
    "enum": "one of a closed list",
    "known": "from a known vocabulary, otherwise a pseudonym or `_OTHER`",
    "name": "clear if literal or declared, otherwise a pseudonym",
    "pseudonym": "keyed pseudonym `h:` and 16 hex digits",
    "number": "a number",
    "flag": "true or false",
    "id": "random",
}
SPANS = (
    ("`{operation} {model}`", "CLIENT", "`traced_llm_call`", "one call of a model, until the last byte of its answer"),
    ("`repair {name}`", "INTERNAL", "`traced_repair`", "a repair loop, all its attempts included"),
    (
        "`retry {name}`",
        "INTERNAL",
        "`traced_retry`",
        "a retry loop; inside another span only once an attempt has failed, backdated",
    ),
    ("`attempt`", "INTERNAL", "`operation.attempts()`", "one try inside a repair or retry loop"),
)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def names(values: Iterable[str]) -> str:
    """Return names as code, separated by commas."""
    return ", ".join(f"`{value}`" for value in values)


def metrics(rows: Iterable[Metric]) -> str:
    """Return the table of some metrics."""
    head = ("metric", "kind, unit", "meaning", "attributes")
    return table(head, ((f"`{m.name}`", f"{m.kind}, {m.unit}", m.brief, names(m.attributes)) for m in rows))


def generation(each: Generation) -> str:
    """Return the metrics of one generation of the GenAI conventions."""
    tokens = {token.metric.name: token.metric for token in each.tokens}.values()
    rows = metrics((each.duration, each.first_chunk, each.per_chunk, *tokens))
    return f"### Generation `{each.name}`\n\nSchema URL `{each.schema_url}`.\n\n{rows}"


def event(each: Event) -> tuple[str, str, str, str]:
    """Return the row of one event."""
    return f"`{each.name}`", each.severity, each.brief, names(each.attributes)


def telemetry() -> str:
    """Return the page of everything that is emitted."""
    attributes = (
        (f"`{a.name}`", a.type, a.brief + (f" One of {names(a.values)}." if a.values else ""), PRIVACY[a.privacy])
        for a in semconv.ATTRIBUTES.values()
    )
    lists = (
        ("operation outcome", semconv.OUTCOMES),
        ("attempt outcome", semconv.ATTEMPT_OUTCOMES),
        ("error category", semconv.ERROR_CATEGORIES),
        ("not recoverable", sorted(semconv.UNRECOVERABLE)),
    )
    parts = [
        "# Telemetry",
        NOTE,
        f"Everything that spanguard {semconv.VERSION} emits: spans, events, metrics and attributes. What is not here is not "
        f"emitted. Scope `{semconv.SCOPE}` (schema URL `{semconv.SCHEMA_URL}`) for `resilience.*`, scope "
        f"`{semconv.SCOPE_GENAI}` for `gen_ai.*`, whose generation `SPANGUARD_SEMCONV` chooses.",
        "## Spans",
        table(("span", "kind", "made by", "meaning"), SPANS),
        "An operation that recovered is Unset and has no `error.type`: its failed attempts have the error. Status "
        "descriptions are always empty.",
        "## Events",
        "On the span that is recording; as log records where none is, or where `SPANGUARD_EVENTS` says so.",
        table(("event", "severity", "meaning", "attributes"), map(event, semconv.EVENTS.values())),
        "## Metrics",
        metrics(semconv.METRICS),
        *map(generation, semconv.GENERATIONS.values()),
        "## Attributes",
        table(("attribute", "type", "meaning", "privacy"), attributes),
        "## Closed lists",
        table(("list", "values"), ((name, names(values)) for name, values in lists)),
    ]
    return "\n\n".join(parts) + "\n"


def configuration() -> str:
    """Return the page of every environment variable."""
    ours = ((f"`{v.name}`", f"`{v.default}`" if v.default else "", v.brief) for v in settings.VARIABLES.values())
    standard = ((f"`{name}`", brief) for name, brief in settings.STANDARD_VARIABLES.items())
    parts = [
        "# Configuration",
        NOTE,
        "`spanguard.configure()` reads the environment. Its arguments beat these variables; a wrong value is an error "
        "that names the variable. Libraries that only use the verbs need no configuration: where nobody configures "
        "OpenTelemetry, nothing is recorded.",
        "## Variables of spanguard",
        table(("variable", "default", "meaning"), ours),
        "## Standard variables",
        "The meaning is that of the OpenTelemetry specification; all others of the SDK hold as well.",
        table(("variable", "meaning"), standard),
    ]
    return "\n\n".join(parts) + "\n"


PAGES = {"telemetry.md": telemetry, "configuration.md": configuration}


def main() -> None:
    """Write the pages."""
    for name, page in PAGES.items():
        (HERE / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
