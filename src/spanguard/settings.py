"""Every environment variable that spanguard reads, once: its default, its meaning, and what makes a value wrong.

`Settings.from_environment` reads them into one frozen object. A wrong value raises `SettingsError` with the variable, the
value's fault and what is allowed; `Settings.tolerant` (for the emitters, which must not disturb a program) takes the
default instead and names the fault.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

GENERATIONS: Final = ("1.37", "dev-2026-10")
"""Names of the generations of the GenAI conventions in `semconv.GENERATIONS`, the default first; a test compares them."""


PRIVACY: Final = "SPANGUARD_PRIVACY"
"""The variable that takes part in switching the guard off."""


class SettingsError(ValueError):
    """Raised by `spanguard.configure` when a setting has a value that it cannot have."""


def _text(value: str) -> str:
    return value


def _flag(value: str) -> bool:
    if value.lower() in ("1", "true", "yes", "on"):
        return True
    if value.lower() in ("0", "false", "no", "off"):
        return False
    raise ValueError("expected true or false")


def _seconds(value: str) -> float:
    seconds = float(value)
    if not 0 <= seconds <= 3600:  # also refuses NaN
        raise ValueError("expected seconds from 0 to 3600")
    return seconds


def _limit(value: str) -> float:
    limit = float(value)
    if not 0 <= limit <= 1e9:  # also refuses NaN
        raise ValueError("expected a number from 0 to 1000000000")
    return limit


class Secret(str):
    """Text that may be a credential: it is not shown where a setting is."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Show that there is something, and not what."""
        return "'***'" if self else "''"


def _one_of(*allowed: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value not in allowed:
            raise ValueError(f"expected one of {', '.join(allowed)}")
        return value

    return parse


class Variable(NamedTuple):
    """One environment variable: its name, its default as text, how its text is read, and what it means."""

    name: str
    default: str
    parse: Callable[[str], object]
    brief: str


VARIABLES: Final = {
    "debug": Variable(
        "SPANGUARD_DEBUG", "false", _flag, "Print spans, events and metrics to stderr, a line each, and export nothing."
    ),
    "store": Variable(
        "SPANGUARD_STORE",
        "",
        _text,
        "File of the local store, or `off`. Default: `.spanguard/telemetry.db` in the working directory.",
    ),
    "store_days": Variable(
        "SPANGUARD_STORE_DAYS", "30", _limit, "Days that rows stay in the local store; 0 for as long as there is room."
    ),
    "store_mb": Variable(
        "SPANGUARD_STORE_MB",
        "500",
        _limit,
        "Megabytes that the local store may take; then its oldest rows go. 0 for no limit.",
    ),
    "spool_mb": Variable(
        "SPANGUARD_SPOOL_MB",
        "64",
        _limit,
        "Megabytes of telemetry that may wait on disk (`spool.db`, beside the local store) for an OTLP endpoint that is "
        "down; then the oldest goes first. 0 for none.",
    ),
    "run": Variable(
        "SPANGUARD_RUN",
        "",
        _text,
        "Name of this run, the same for all processes that belong to it. Default: random, and handed on to child processes.",
    ),
    "events": Variable(
        "SPANGUARD_EVENTS",
        "span",
        _one_of("span", "log", "both"),
        "Where events go: on the span that is recording (`span`), to log records (`log`), or to `both`. "
        "With no span recording they are log records in any case.",
    ),
    "started": Variable(
        "SPANGUARD_STARTED",
        "false",
        _flag,
        "Tell the begin of each operation as a log record too, so that a process that is killed leaves a trace of it.",
    ),
    "semconv": Variable(
        "SPANGUARD_SEMCONV",
        GENERATIONS[0],
        _one_of(*GENERATIONS),
        "Generation of the GenAI conventions: " + " or ".join(f"`{name}`" for name in GENERATIONS) + ".",
    ),
    "token_histograms": Variable(
        "SPANGUARD_TOKEN_HISTOGRAMS",
        "false",
        _flag,
        "In generation `dev-2026-10`, record with each call how many tokens it sent and received, for percentiles: two "
        "histograms, which cost as much as the span. The counters tell the totals in any case.",
    ),
    "prices": Variable(
        "SPANGUARD_PRICES",
        "false",
        _flag,
        "Take the cost of a call from the package `genai-prices` (extra `prices`) where neither the response nor the program "
        "states one. Its prices come with the package; nothing is fetched.",
    ),
    "privacy": Variable(
        PRIVACY,
        "strict",
        _one_of("strict", "balanced", "off"),
        "How much may leave: `strict`, known names and values alone; `balanced`, also what looks harmless (best effort); "
        '`off`, everything, and only if `configure(privacy="off")` says so too.',
    ),
    "privacy_file": Variable(
        "SPANGUARD_PRIVACY_FILE",
        "",
        _text,
        "TOML file with the names and keys that are safe to show. Default: the table `[tool.spanguard.privacy]` in the "
        "`pyproject.toml` of the working directory.",
    ),
    "guard": Variable(
        "SPANGUARD_GUARD",
        "",
        _one_of("process", "own"),
        "Whose telemetry is guarded: all of the `process`, or our `own` exporters alone. Default: `process` with "
        "`configure()` and `spanguard run`; with `opentelemetry-instrument` nothing unless it is set.",
    ),
    "exit_timeout": Variable(
        "SPANGUARD_EXIT_TIMEOUT",
        "2",
        _seconds,
        "Seconds that the end of the process may wait for telemetry to be sent.",
    ),
    "prometheus_headers": Variable(
        "SPANGUARD_PROMETHEUS_HEADERS",
        "",
        Secret,
        "Headers of each request to `--prometheus`, for example `Authorization=Bearer%20...`; separated by commas, values "
        "percent-encoded, as in `OTEL_EXPORTER_OTLP_HEADERS`.",
    ),
    "webhook": Variable(
        "SPANGUARD_WEBHOOK", "", Secret, "Address that alerts are posted to as JSON (`spanguard watch`); it is never shown."
    ),
    "serve_token": Variable(
        "SPANGUARD_SERVE_TOKEN",
        "",
        Secret,
        "Token that `spanguard serve` asks for, at least 16 characters. Default: random, and printed once.",
    ),
    "token_budget": Variable(
        "SPANGUARD_TOKEN_BUDGET", "0", _limit, "Tokens an hour; 20 % more raise an alert. 0 for no such alert."
    ),
    "capacity": Variable(
        "SPANGUARD_CAPACITY", "0", _limit, "Calls of models a second; 50 % more raise an alert. 0 for no such alert."
    ),
}
# Read by OpenTelemetry itself or by `configure`; the specification gives their meaning.
STANDARD_VARIABLES: Final = {
    "OTEL_SDK_DISABLED": "`true` switches everything off: nothing is recorded, stored or sent.",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "Send all signals there by OTLP instead of keeping them in the local store.",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "The same for spans alone; also `..._METRICS_ENDPOINT`, `..._LOGS_ENDPOINT`.",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "`http/protobuf` (default) or `grpc`; also for each signal: `..._TRACES_PROTOCOL` etc.",
    "OTEL_EXPORTER_OTLP_HEADERS": "Headers of each export, for example an API key.",
    "OTEL_TRACES_EXPORTER": "Names of exporters, separated by commas: `otlp`, `spanguard` (the local store), `console`, "
    "`none`, or any installed one; likewise `OTEL_METRICS_EXPORTER` and `OTEL_LOGS_EXPORTER`.",
    "OTEL_SERVICE_NAME": "Name of the service.",
    "OTEL_RESOURCE_ATTRIBUTES": "Further attributes of the resource.",
    "OTEL_TRACES_SAMPLER": "Which traces are recorded; with `OTEL_TRACES_SAMPLER_ARG`.",
    "OTEL_METRIC_EXPORT_INTERVAL": "Milliseconds between exports of metrics (default 60000; 5000 for the local store).",
    "OTEL_BSP_SCHEDULE_DELAY": "Milliseconds between exports of spans; with the other `OTEL_BSP_*`.",
}


class Settings(NamedTuple):
    """What the environment says, read once and immutable."""

    debug: bool = False
    store: str = ""
    store_days: float = 30.0
    store_mb: float = 500.0
    spool_mb: float = 64.0
    run: str = ""
    events: str = "span"
    started: bool = False
    semconv: str = GENERATIONS[0]
    token_histograms: bool = False
    prices: bool = False
    privacy: str = "strict"
    privacy_file: str = ""
    guard: str = ""
    exit_timeout: float = 2.0
    prometheus_headers: str = Secret()
    webhook: str = Secret()
    serve_token: str = Secret()
    token_budget: float = 0.0
    capacity: float = 0.0

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Read the environment, and raise `SettingsError` at the first value that cannot be."""
        settings, faults = cls.tolerant(environment)
        if faults:
            raise SettingsError(faults[0])
        return settings

    @classmethod
    def tolerant(cls, environment: Mapping[str, str] = os.environ) -> tuple[Settings, list[str]]:
        """Read the environment, take the default for a value that cannot be, and list such faults.

        A fault names the variable and what is allowed, never the value: somebody may have pasted a secret there.
        """
        values: dict[str, object] = {}
        faults: list[str] = []
        for field, variable in VARIABLES.items():
            text = environment.get(variable.name, "").strip()
            if text:
                try:
                    values[field] = parse(field, text)
                except SettingsError as fault:
                    faults.append(str(fault))
        return cls()._replace(**values), faults  # type: ignore[arg-type]


def parse(field: str, text: str) -> object:
    """Read the text of one setting; raises `SettingsError`, which names the variable and what is allowed."""
    variable = VARIABLES[field]
    try:
        return variable.parse(text)
    except ValueError as error:
        expected = str(error) if str(error).startswith("expected") else "expected a number"
        raise SettingsError(f"{variable.name}: {expected}") from None


in_force: Settings | None = None
"""The settings that `spanguard.configure` took; None until then. Both wings read it: it is where they meet."""


def use(settings: Settings) -> None:
    """Take these settings from now on, for the whole process."""
    global in_force
    in_force = settings


def sdk_disabled(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether ``OTEL_SDK_DISABLED`` switches everything off; as in the specification, only ``true`` does."""
    return environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


def state_directory() -> Path | None:
    """Return spanguard's directory in the user's state directory, which need not be there; None where there is no home.

    ``$XDG_STATE_HOME/spanguard`` or ``~/.local/state/spanguard``; on Windows ``%LOCALAPPDATA%``.
    """
    from pathlib import Path  # with what it needs a fourth of the time that `traced_llm_call` takes to load

    given = os.environ.get("LOCALAPPDATA" if sys.platform == "win32" else "XDG_STATE_HOME", "")
    if Path(given).is_absolute():  # the XDG specification: a relative path is to be ignored
        return Path(given) / "spanguard"
    try:
        return Path.home() / ".local" / "state" / "spanguard"
    except RuntimeError:  # no home directory
        return None
