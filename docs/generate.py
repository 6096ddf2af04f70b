"""Write the reference pages from the modules that they describe: ``python docs/generate.py``.

`telemetry.md` comes from `spanguard.semconv`, `configuration.md` from `spanguard.settings`, `store.md` from
`spanguard.store`, `cli.md` from the commands. A test fails when they lag.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
import typing
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from spanguard import cli, semconv, settings
from spanguard.semconv import Event, Generation, Metric
from spanguard.slo import reference
from spanguard.store.views import VIEWS, View
from spanguard.store.views.kinds import KINDS

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
        metrics((*semconv.METRICS, *semconv.KEEPER_METRICS)),
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


QUERIES = (
    (
        "What a space cost, and how often its calls failed",
        """SELECT space, count(*) AS calls, sum(cost) AS usd, avg(NOT success) AS error_rate
FROM llm_calls GROUP BY space ORDER BY usd DESC""",
    ),
    (
        "The rules that answers break most",
        "SELECT rule, count(*) AS broken FROM validations WHERE NOT passed GROUP BY rule ORDER BY broken DESC LIMIT 5",
    ),
    (
        "Calls through breakers, counted",
        "SELECT name, result, sum(calls) FROM breaker_calls WHERE grain = 'total' GROUP BY 1, 2",
    ),
    (
        "Packages that generated code tried to use",
        """SELECT value AS package, count(*) AS generations FROM generations, json_each(dependencies)
GROUP BY package ORDER BY generations DESC""",
    ),
    (
        "Which candidate answered instead of which",
        "SELECT chain, from_candidate, candidate, count(*) FROM failovers "
        "WHERE outcome = 'success' AND from_candidate IS NOT NULL GROUP BY 1, 2, 3",
    ),
)


def columns(view: View) -> str:
    """Return a view's section: what a row is, and its columns."""
    rows = table(("column", "type", "meaning"), ((f"`{c.name}`", c.type, c.brief) for c in view.columns))
    return f"### `{view.name}`\n\n{view.brief}\n\n{rows}"


def store() -> str:
    """Return the page of the local store."""
    limits = (
        (f"`{v.name}`", f"`{v.default}`", v.brief) for name, v in settings.VARIABLES.items() if name.startswith("store")
    )
    parts = [
        "# The local store",
        NOTE,
        "One SQLite file in WAL mode, `.spanguard/telemetry.db` under the working directory, which any number of processes "
        "write and read at once. It holds spans, their events, metric points and log events as they left the privacy guard. "
        "Any SQLite client reads it; `spanguard show`, `summary` and `export` do so without one.",
        table(("variable", "default", "meaning"), limits),
        "What is older or more than that is deleted, the oldest first, a little with each batch that is written, and "
        "overwritten in the file; `spanguard purge` deletes on request. Rows of before 2020 were written by a clock that "
        "nobody had set: they go by size alone, and a process whose clock jumps deletes none by age. Writing disturbs no "
        "program: what cannot be written (disk full, no permission, locked for ten seconds), and what the SDK's queue has no "
        "room for (`OTEL_BSP_MAX_QUEUE_SIZE`; 8192 spans, or the SDK's 2048 where others make the queue), is dropped, "
        "counted, logged once, and the count is written as "
        "soon as the store can be written again: `spanguard show`, `summary` and `doctor` tell it, "
        "and `slo check` notes it beside each verdict. A batch that was written survives the end of its process, `kill -9` "
        "included. What a killed process had in memory is lost, its count of drops too. Metrics do not pass the SDK's queue, "
        "so that counts stay right. A directory that cannot be written, or that is on a network filesystem, is "
        "replaced by `spanguard/` in the user's state directory, with one warning. A file that is damaged, another "
        "program's or a newer spanguard's is left as it is, and said so.",
        "## Views",
        "Each is also a Parquet and a JSON-lines file on `spanguard export`. Views are stable: columns may be added, "
        "none goes or changes its meaning. Times are UTC. Users, spaces and tenants are pseudonyms. Rows are of spans and "
        "events, and as sampled as these; rows of `grain` `total` are of metric points, which are never sampled.",
        *map(columns, VIEWS.values()),
        "## Generic rows",
        "What the views are made of, as they are exported.",
        *map(columns, KINDS.values()),
        "## Queries",
        "`sqlite3 .spanguard/telemetry.db`, and then:",
        *(f"{title}:\n\n```sql\n{query}\n```" for title, query in QUERIES),
    ]
    return "\n\n".join(parts) + "\n"


def argument(each: click.Parameter) -> str:
    """Return how an option or an argument is written."""
    name = max(each.opts, key=len) if isinstance(each, click.Option) else (each.name or "").upper()
    if not isinstance(each, click.Option) or each.is_flag:
        return name
    if isinstance(each.type, click.Choice):
        return f"{name} {'|'.join(map(str, each.type.choices))}"
    return f"{name} {each.metavar or each.type.name.upper().replace(' RANGE', '')}"


def flowing(text: str) -> str:
    """Return a docstring with its paragraphs on one line each."""
    return "\n\n".join(" ".join(part.split()) for part in inspect.cleandoc(text).split("\n\n"))


def command(name: str, each: click.Command) -> str:
    """Return the section of one command, or of a group and its commands."""
    if isinstance(each, click.Group):
        inner = (command(f"{name} {sub}", found) for sub, found in each.commands.items())
        return "\n\n".join((f"## spanguard {name}", flowing(each.help or ""), *inner))
    arguments = [a for a in each.params if not isinstance(a, click.Option)]
    written = "".join(f" {argument(a)}" if a.required else f" [{argument(a)}]" for a in arguments)
    options = [
        (f"`{argument(o)}`", (o.help or "") + (f" Default: `{o.default}`." if o.show_default and o.default else ""))
        for o in each.params
        if isinstance(o, click.Option)
    ]
    parts = [f"## spanguard {name}", f"`spanguard {name}{written} [OPTIONS]`", flowing(each.help or "")]
    parts += [table(("option", "meaning"), options)] if options else []
    return "\n\n".join(parts + list(printed(each)))


def printed(each: click.Command) -> Iterator[str]:
    """Give the schema of the object that a command prints, if its module declares one as ``PRINTED``."""
    declared = getattr(importlib.import_module(getattr(each.callback, "__module__", "")), "PRINTED", {})
    for name, schema in declared.items():
        command_, _, option = name.partition(" ")
        if command_ == each.name:
            lines = name in ("watch", "show --follow")
            yield f"{'A line' if lines else 'The object'} that `{f'{option} ' if option else ''}--json` prints:"
            yield "\n".join(fields(loaded(schema)))


def loaded(schema: type | str) -> type:
    """Return a class, which may be named as `module:class`."""
    if not isinstance(schema, str):
        return schema
    module, _, name = schema.partition(":")
    return typing.cast("type", getattr(importlib.import_module(module), name))


def fields(kind: type, depth: int = 0) -> Iterator[str]:
    """Give a line for each field of a dataclass, and below it those of the dataclass that it holds."""
    about = dict(re.findall(r'^    (\w+):[^\n]*\n    """(.*?)"""', inspect.getsource(kind), re.MULTILINE | re.DOTALL))
    hints = typing.get_type_hints(kind)
    for each in dataclasses.fields(kind):
        held = [part for part in (hints[each.name], *typing.get_args(hints[each.name])) if dataclasses.is_dataclass(part)]
        brief = about.get(each.name) or (flowing(held[0].__doc__ or "").partition("\n")[0] if held else "")
        yield "  " * depth + f"- `{each.name}`: {plain(hints[each.name])}" + (f". {brief}" if brief else "")
        for inner in held:
            yield from fields(typing.cast("type", inner), depth + 1)


def plain(hint: object) -> str:
    """Return a type in JSON's words."""
    inner = typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        return "object"
    if typing.get_origin(hint) in (tuple, list):
        return f"list of {plain(inner[0])}s"
    if typing.get_origin(hint) is dict:
        return f"object of {plain(inner[1])}s"
    if type(None) in inner:
        return " or ".join([*(plain(each) for each in inner if each is not type(None)), "null"])
    words = {int: "integer", float: "number", str: "string", bool: "boolean", Path: "string", object: "value"}
    return words.get(typing.cast("type", hint), "value")


def commands() -> str:
    """Return the page of the command line."""
    found = ((name, cli.main.get_command(click.Context(cli.main), name)) for name in cli.COMMANDS)
    parts = [
        "# The command line",
        NOTE,
        "`spanguard COMMAND`, or `python -m spanguard COMMAND`. Every command has `--json` and `--help`. Exit codes: 0 fine, "
        "1 the answer is no, 2 it could not be told, with one sentence on stderr. Colour is for terminals, and not where "
        "`NO_COLOR` is set; bars of progress are on stderr and only where that is a terminal. TIME is `90s`, `15m`, `1h`, "
        "`2d` or `1w` ago, or a date and time in UTC such as `2026-11-21T05:14`. In JSON times ending in `_ns` are "
        "nanoseconds since 1970, durations are seconds, rates are shares from 0 to 1, costs are USD, and `null` is unknown.",
        table(
            ("command", "meaning"), ((f"[`{name}`](#spanguard-{name})", brief) for name, (_, brief) in cli.COMMANDS.items())
        ),
        *(command(name, each) for name, each in found if each is not None),
    ]
    return "\n\n".join(parts) + "\n"


def objectives() -> str:
    """Return the page of service levels, of which the definitions are generated."""
    return reference.page((HERE / "slo.md").read_text(encoding="utf-8"))


PAGES = {
    "telemetry.md": telemetry,
    "configuration.md": configuration,
    "store.md": store,
    "cli.md": commands,
    "slo.md": objectives,
}


def main() -> None:
    """Write the pages."""
    for name, page in PAGES.items():
        (HERE / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
