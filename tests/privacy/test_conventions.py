"""What may stand under every key of the conventions: nothing that a user wrote, and what the conventions say."""

from __future__ import annotations

import importlib
import json
import math
import pkgutil
import sys
import traceback
import types
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from types import ModuleType
from typing import Any

import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource

from sensitive import texts
from spanguard import declare, semconv
from spanguard.privacy import conventions
from spanguard.privacy.attributes import clean_attributes
from spanguard.privacy.conventions import ATTRIBUTES, RESOURCE, is_event, is_schema_url, is_scope, metric, rule_of
from spanguard.privacy.conventions.stack import APPLICATION, is_stack
from spanguard.privacy.logs import clean_log
from spanguard.privacy.names import span_name
from spanguard.privacy.rules import DROPPED, LARGEST, Content, Rule
from spanguard.vocabulary.pseudonyms import Pseudonym, pseudonym

RULES = {id(rule): (key, rule) for table in (ATTRIBUTES, RESOURCE) for key, rule in table.items()}
"""Each rule once, with one of the keys that it stands for."""
TEXTS = texts(20261121, 700)


def is_clean(shown: object) -> bool:
    """Whether nothing is left of what came in: dropped, a pseudonym, `_OTHER`, or a frame of the application's."""
    if isinstance(shown, tuple):
        return all(map(is_clean, shown))
    return shown is DROPPED or type(shown) is Pseudonym or shown in (semconv.OTHER, APPLICATION)


@pytest.mark.parametrize("form", ["text", "list", "tuple", "bytes", "dict", "nested"])
def test_no_text_of_a_users_may_stand_under_any_key(form: str) -> None:
    """Whatever a user wrote is dropped or becomes a pseudonym, under every key, in every form that an attribute can have."""
    made: dict[str, Any] = {
        "text": lambda text: text,
        "list": lambda text: [text, text],
        "tuple": lambda text: (text,),
        "bytes": lambda text: text.encode(),
        "dict": lambda text: {text: text},
        "nested": lambda text: ((text,), [text]),
    }
    values = [made[form](text) for text in TEXTS]
    leaks = [(key, value) for key, rule in RULES.values() for value in values if not is_clean(rule.clean(value))]
    assert leaks == []


def test_no_number_of_a_users_may_stand_under_any_key() -> None:
    """A number of a telephone, a card or a person, or a date, is not shown as a number: no digits of it stand in what is."""
    digits = {"".join(filter(str.isdecimal, text)) for text in TEXTS if text.isascii()}
    numbers = [int(each) for each in digits if len(each) <= 30 and int(each or 0) > LARGEST]
    assert len(numbers) > 100
    for key, rule in RULES.values():
        for number in numbers:
            for value in (number, -number, float(number), [number]):
                assert str(number) not in repr(rule.clean(value)), (key, value)


def test_no_text_of_a_users_is_a_name_or_a_key() -> None:
    """No name of an event, a scope, a metric, no schema URL and no key of an attribute can be what a user wrote."""
    known = (is_event, is_scope, is_schema_url, metric, rule_of)
    assert [(test, text) for test in known for text in TEXTS if test(text)] == []
    below = [
        rule_of(prefix + text) for prefix in ("gen_ai.prompt.", "http.request.header.", "k8s.pod.label.") for text in TEXTS
    ]
    assert all(rule is not None and rule.clean("gpt-4o") is DROPPED for rule in below)


# ------------------------------------------------------------------------------------------------------- nothing forgotten


def convention_modules(kind: str) -> Iterator[ModuleType]:
    """Yield the modules of OpenTelemetry's package that hold the names of attributes or metrics."""
    for place in ("opentelemetry.semconv", "opentelemetry.semconv._incubating"):
        package = importlib.import_module(f"{place}.{kind}")
        for module in pkgutil.iter_modules(package.__path__):
            yield importlib.import_module(f"{package.__name__}.{module.name}")


def constants(module: ModuleType) -> dict[str, str]:
    """Return the names on the wire that a module defines."""
    return {name: value for name, value in vars(module).items() if name.isupper() and isinstance(value, str)}


def test_every_attribute_of_the_conventions_has_a_rule() -> None:
    """No key is forgotten, neither of the stable conventions nor of those in development, deprecated ones included."""
    keys = {value for module in convention_modules("attributes") for value in constants(module).values()}
    assert len(keys) > 800
    assert keys - ATTRIBUTES.keys() == set()
    templates = {
        value
        for module in convention_modules("attributes")
        for name, value in constants(module).items()
        if name.endswith("_TEMPLATE") and value not in {"url.template", "messaging.destination.template"}
    }
    assert [key for key in templates if rule_of(f"{key}.anything") is None] == []


def test_every_closed_list_of_the_conventions_is_known() -> None:
    """A value that the conventions list stays as it is under its key, unless nothing may stand there."""
    for module in convention_modules("attributes"):
        listings = {name.lower(): listing for name, listing in vars(module).items() if name.endswith("Values")}
        for name, key in constants(module).items():
            rule = ATTRIBUTES[key]
            for member in listings.get(name.replace("_", "").lower() + "values", ()):
                assert type(rule) is Rule or rule.clean(member.value) == member.value, key


def test_every_metric_of_the_conventions_is_known() -> None:
    """Names, units and kinds come from OpenTelemetry's package, and ours from the table of our own."""
    names = {value for module in convention_modules("metrics") for value in constants(module).values()}
    ours = {each.name for each in (*semconv.METRICS, *semconv.KEEPER_METRICS)}
    assert [name for name in names | ours if metric(name) is None] == []
    duration = metric("http.client.request.duration")
    assert duration is not None
    assert duration[:2] == ("s", "histogram")


def test_every_attribute_of_ours_has_a_rule_of_its_class() -> None:
    """What our emitters record may leave: listed values, declared names, pseudonyms, numbers and flags."""
    declare("a-name-of-the-tests")
    shown: dict[str, object] = {"name": "a-name-of-the-tests", "id": "a-name-of-the-tests", "flag": True}
    for each in semconv.ATTRIBUTES.values():
        value = each.values[0] if each.privacy == "enum" else shown.get(each.privacy)
        if value is not None:
            assert ATTRIBUTES[each.name].clean(value) == value, each.name
        if each.privacy in {"known", "pseudonym", "name"} and each.type == "string":
            other = pseudonym("anything", each.name)
            assert ATTRIBUTES[each.name].clean(other) is other, each.name
        if each.privacy == "number":
            assert ATTRIBUTES[each.name].clean(0 if each.name != semconv.HTTP_STATUS else 200) is not DROPPED, each.name


def test_no_key_is_ruled_twice_by_chance() -> None:
    """A family of keys stands in one module; only a key of ours can be widened by its convention."""
    families = [(family.__name__, set(family.TABLE)) for family in conventions._FAMILIES]
    ours, *others = families
    seen: set[str] = set()
    for _, keys in others:
        assert keys & seen == set()
        seen |= keys
    assert all(key.startswith("gen_ai.") for key in ours[1] & seen)


# --------------------------------------------------------------------------------------------------------- what is harmless

BENIGN: dict[str, list[object]] = {
    "http.request.method": ["GET", "POST", "DELETE", "QUERY", "_OTHER"],
    "http.method": ["GET", "PATCH"],
    "http.response.status_code": [100, 200, 404, 429, 503, 599],
    "http.request.resend_count": [0, 1, 7],
    "http.request.body.size": [0, 512, 999_999, 1 << 21],
    "http.flavor": ["1.1", "2"],
    "http.route": ["/", "/users/{user_id}", "/api/v1/items/<int:item_id>", "/health"],
    "url.template": ["/v1/chat/completions"],
    "url.scheme": ["http", "https"],
    "server.address": ["api.openai.com", "bedrock-runtime.us-east-1.amazonaws.com", "localhost", "127.0.0.1"],
    "server.port": [1, 443, 8080, 65535],
    "network.protocol.name": ["http"],
    "network.protocol.version": ["1.1", "2"],
    "network.peer.address": ["127.0.0.1", "::1"],
    "network.transport": ["tcp", "unix"],
    "gen_ai.operation.name": ["chat", "embeddings", "execute_tool", "invoke_agent", "rerank"],
    "gen_ai.provider.name": ["openai", "anthropic", "aws.bedrock", "gcp.vertex_ai", "together_ai", "ollama", "openrouter"],
    "gen_ai.system": ["openai", "az.ai.openai", "vllm", "huggingface", "fireworks_ai"],
    "gen_ai.request.model": ["gpt-4o", "gpt-5.2", "claude-3-5-sonnet-20241022", "gemini-2.5-pro", "llama-3.3-70b"],
    "gen_ai.response.model": ["gpt-4o-2024-08-06"],
    "gen_ai.response.finish_reasons": [("stop",), ("tool_calls", "length"), ("end_turn",), ("MAX_TOKENS",)],
    "gen_ai.request.temperature": [0.0, 0.7, 2, 1.0],
    "gen_ai.request.top_p": [0.0, 0.95, 1],
    "gen_ai.request.top_k": [40, 40.0],
    "gen_ai.request.seed": [0, 42, 99_999],
    "gen_ai.request.max_tokens": [1, 128_000],
    "gen_ai.usage.input_tokens": [0, 1_048_576],
    "gen_ai.usage.details.reasoning_tokens": [12],
    "gen_ai.output.type": ["text", "json"],
    "gen_ai.embeddings.dimension.count": [256, 1536, 3072],
    "openinference.span.kind": ["LLM", "CHAIN"],
    "llm.token_count.total": [150],
    "llm.model_name": ["gpt-4o-mini"],
    "traceloop.span.kind": ["workflow", "task"],
    "logfire.level_num": [9, 17],
    "langfuse.observation.type": ["generation"],
    semconv.DEPENDENCIES: [("json", "requests", "numpy")],
    "error.type": ["ValueError", "openai.RateLimitError", "rate_limited", "500", "_OTHER"],
    "exception.type": ["KeyError", "json.decoder.JSONDecodeError"],
    "db.system": ["sqlite", "postgresql", "redis", "mongodb", "pinecone"],
    "db.system.name": ["postgresql", "microsoft.sql_server", "mysql"],
    "db.operation": ["SELECT", "select", "HGETALL", "find", "aggregate"],
    "db.operation.name": ["INSERT", "upsert", "BATCH INSERT"],
    "db.response.status_code": ["23505", "404"],
    "messaging.system": ["kafka", "rabbitmq", "celery"],
    "messaging.operation.type": ["send", "process", "receive"],
    "rpc.system": ["grpc", "aws-api"],
    "rpc.service": ["grpc.health.v1.Health", "DynamoDB"],
    "rpc.grpc.status_code": [0, 16],
    "rpc.response.status_code": ["OK", "DEADLINE_EXCEEDED"],
    "cloud.provider": ["aws", "gcp", "azure"],
    "cloud.region": ["us-east-1", "europe-west4", "westeurope"],
    "cloud.availability_zone": ["us-east-1a", "europe-west4-b"],
    "faas.coldstart": [True, False],
    "deployment.environment.name": ["production", "staging", "dev"],
    "telemetry.sdk.language": ["python"],
    "telemetry.sdk.name": ["opentelemetry"],
    "process.runtime.name": ["cpython"],
    "process.pid": [1, 4_194_304],
    "thread.name": ["MainThread", "Thread-12", "ThreadPoolExecutor-0_3", "asyncio_7"],
    "code.line.number": [1, 12_345],
    "code.namespace": ["json.decoder", "pytest"],
    "code.function.name": ["json.loads", "json.decoder.JSONDecoder.decode"],
    "graphql.operation.type": ["query", "mutation"],
    "feature_flag.result.reason": ["default"],
    "cpython.gc.generation": [0, 2],
    "otel.component.name": ["otlp_http_span_exporter/0", "batching_span_processor/12"],
    "mcp.method.name": ["tools/call"],
}


@pytest.mark.parametrize("key", BENIGN)
def test_what_the_conventions_say_stays_as_it_is(key: str) -> None:
    """Methods, codes, providers, models, reasons, systems and operations are shown as they were recorded."""
    assert [value for value in BENIGN[key] if ATTRIBUTES[key].clean(value) != value] == []


def test_versions_of_what_is_installed_stay() -> None:
    """The version of Python, of the SDK and of any installed distribution is shown."""
    version = metadata.version("opentelemetry-sdk")
    assert RESOURCE["telemetry.sdk.version"].clean(version) == version
    assert RESOURCE["process.runtime.version"].clean(".".join(map(str, sys.version_info[:3]))) is not DROPPED
    assert RESOURCE["service.version"].clean("732.475.6377") is DROPPED


@pytest.mark.parametrize(
    "name",
    [
        "spanguard",
        "spanguard.genai",
        "opentelemetry.instrumentation.httpx",
        "opentelemetry.instrumentation.openai_v2",
        "openinference.instrumentation.langchain",
        "langfuse-sdk",
        "pydantic-ai",
        "pytest",
        "json.decoder",
    ],
)
def test_scopes_of_known_instrumentations_and_installed_modules_are_known(name: str) -> None:
    """A scope is shown if it is a known instrumentation's or an installed module's."""
    assert is_scope(name)


def test_modules_of_the_application_are_no_scopes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even when one of them has the name of a module of the standard library or of a package."""
    for name in ("acme_billing", "acme_billing.orders", "colorsys", "pytest.orders"):
        own = types.ModuleType(name)
        own.__file__ = "/srv/acme/orders.py"
        monkeypatch.setitem(sys.modules, name, own)
        assert not is_scope(name)
    assert not is_scope("__main__")
    assert not is_scope("opentelemetry.instrumentation.acme_billing")
    assert not is_scope(__name__)


@pytest.mark.parametrize("name", ["exception", "gen_ai.choice", "gen_ai.evaluation.result", *semconv.EVENTS])
def test_events_of_the_conventions_are_known(name: str) -> None:
    """The names of events in the conventions and ours are shown."""
    assert is_event(name)


def test_schema_urls_are_opentelemetrys_or_ours() -> None:
    """A version of the schema has small numbers; a telephone's number or a date in its place is none."""
    ours = [generation.schema_url for generation in semconv.GENERATIONS.values()]
    for url in (semconv.SCHEMA_URL, *ours, "https://opentelemetry.io/schemas/1.11.0"):
        assert is_schema_url(url)
    for end in ("732.475.6377", "1.2026.1121", "1.01.0", "1.4.1.0", "1.٣.0", "1..0", "latest", "1.37.0 "):
        assert not is_schema_url(f"https://opentelemetry.io/schemas/{end}")
    assert not is_schema_url("https://acme.example/schemas/1.37.0")


# ------------------------------------------------------------------------------------------------ content, sizes, the stack


@pytest.mark.parametrize(
    "key",
    [
        "gen_ai.input.messages",
        "gen_ai.prompt.0.content",
        "gen_ai.completion.1.tool_calls.0.arguments",
        "gen_ai.system_instructions",
        "gen_ai.tool.call.arguments",
        "llm.request.functions.0.parameters",
        "llm.input_messages.0.message.content",
        "input.value",
        "traceloop.association.properties.user",
        "traceloop.entity.input",
        "langfuse.observation.input",
        "pydantic_ai.all_messages",
        "logfire.msg",
        "db.query.text",
        "db.query.parameter.id",
        "http.request.header.authorization",
        "rpc.grpc.request.metadata.token",
        "url.full",
        "exception.message",
    ],
)
def test_content_is_told_from_other_keys(key: str) -> None:
    """What holds a user's or a model's words is known to, so that it can be counted."""
    rule = rule_of(key)
    assert type(rule) is Content
    assert rule.content
    assert rule.clean("anything") is DROPPED


def test_sizes_above_a_mebibyte_are_rounded_up_to_a_power_of_two() -> None:
    """Ten million bytes are 16 MiB, so that no long number is shown."""
    rule = ATTRIBUTES["http.response.body.size"]
    assert [rule.clean(size) for size in (0, 999_999, 10_000_000, 4_111_111_111)] == [0, 999_999, 1 << 24, 1 << 32]
    assert rule.clean(4_111_111_111_111_111) is DROPPED


def test_values_of_metrics_are_shown_in_three_digits_beyond_the_largest_count() -> None:
    """A gauge of bytes stays useful; no number of a person's can be read from it."""
    memory = metric("process.memory.usage")
    assert memory is not None
    assert [memory.shown(value) for value in (1024, 7_325_551_234, 7_325_551_234.5)] == [1024, 7_330_000_000, 7_330_000_000.0]
    assert [memory.shown(value) for value in (math.nan, math.inf, 4_111_111_111_111_111)] == [None, None, None]


def raised() -> str:
    """Return a traceback through the standard library, with a message and lines of source that are private."""
    try:
        json.loads('{"patient": Alice}')
    except ValueError:
        return traceback.format_exc()
    return ""


def test_a_stack_shows_frames_of_installed_packages_alone() -> None:
    """Module, function and line of the library; `app` for the program's own; no file, no source, no message."""
    rule = ATTRIBUTES["exception.stacktrace"]
    frames = str(rule.clean(raised())).split("\n")
    assert frames[0] == "app"
    assert [frame.rpartition(":")[0] for frame in frames[1:]] == [
        "json:loads",
        "json.decoder:decode",
        "json.decoder:raw_decode",
    ]


def test_a_stack_of_threads_and_groups_is_read_too() -> None:
    """Frames inside closures of a library are named; the marks that stand before the lines of a group are skipped."""
    with ThreadPoolExecutor(1) as pool:
        error = pool.submit(json.loads, "{").exception()
    assert error is not None
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    grouped = "".join(f"  | {line}\n" for line in text.splitlines())
    rule = ATTRIBUTES["exception.stacktrace"]
    assert rule.clean(grouped) == rule.clean(text)
    assert str(rule.clean(text)).startswith("concurrent.futures.thread:run:")


@pytest.mark.parametrize(
    "text",
    [
        'File "/home/alice/x.py", line 3, in patient_alice',
        f'File "{json.__file__}", line 4111111111111111, in loads',
        f'File "{json.__file__}", line 12, in alice',
        'File "<frozen alice>", line 1, in <module>',
        'File "<frozen importlib._bootstrap>", line 1, in alice',
        'File "", line 1, in alice',
        "alice",
        "",
    ],
)
def test_a_stack_that_somebody_made_up_shows_nothing_of_his(text: str) -> None:
    """Files must be loaded modules' and functions theirs; a number is a line's only if it is small."""
    shown = ATTRIBUTES["exception.stacktrace"].clean(f"Traceback\n  {text}\n    alice = 4111111111111111\nError: alice")
    assert "alice" not in repr(shown)
    assert "4111" not in repr(shown)


def test_an_auditor_can_tell_a_cleaned_stack() -> None:
    """Its modules must be installed and its functions stand in them; they need not be loaded."""
    assert is_stack(str(ATTRIBUTES["exception.stacktrace"].clean(raised())))
    assert is_stack("app\njson.tool:main:12\njson:?:1\njson:<module>:3")
    for made_up in (
        "alice",
        "json:alice:1",
        "alice:bob:3",
        "json:loads:4111111111111111",
        "json:loads:1\nalice",
        "..:?:1",
        "",
    ):
        assert not is_stack(made_up)
    assert not any(is_stack(text) for text in TEXTS)


def test_a_stack_has_at_most_fifty_frames() -> None:
    """The innermost ones are kept."""
    deep = "Traceback\n" + '  File "/a.py", line 1, in f\n' * 500 + f'  File "{json.__file__}", line 7, in loads\n'
    frames = str(ATTRIBUTES["exception.stacktrace"].clean(deep)).split("\n")
    assert len(frames) == 50
    assert frames[-1] == "json:loads:7"


# -------------------------------------------------------------------------------------------------------------- hostile input


def refuse(*_: object) -> Any:
    """Stand for a method that does what nobody expects of it."""
    raise RuntimeError("a rule has called a method of a value")


METHODS = (
    "__eq__ __ne__ __lt__ __le__ __gt__ __ge__ __hash__ __len__ __iter__ __contains__ __getitem__ __str__ __repr__"
).split()
METHODS += ("__format__ __int__ __float__ __neg__ __bool__ lower upper encode startswith partition split").split()
HostileText: Any = type("HostileText", (str,), dict.fromkeys(METHODS, refuse))
HostileInt: Any = type("HostileInt", (int,), dict.fromkeys(METHODS, refuse))
HostileList: Any = type("HostileList", (list,), dict.fromkeys(METHODS, refuse))
HostileThing: Any = type("HostileThing", (), {"__class__": property(refuse), **dict.fromkeys(METHODS, refuse)})


def nested(depth: int) -> list[object]:
    """Return a list in a list, and so on."""
    inner: list[object] = []
    for _ in range(depth):
        inner = [inner]
    return inner


HOSTILE: list[object] = [
    HostileText("gpt-4o"),
    [HostileText("stop")],
    (HostileText("stop"),),
    HostileInt(200),
    HostileList(["stop"]),
    HostileThing(),
    [HostileThing()],
    10**400,
    -(10**400),
    math.nan,
    math.inf,
    -math.inf,
    [math.nan],
    "x" * 10_000_000,
    'File "' * 1_000_000,
    "9" * 100_000,
    "a." * 100_000,
    ["x"] * 1_000_000,
    "\ud800",
    "\udcff" * 50,
    "\0",
    "",
    " ",
    "٣",
    nested(100_000),
    {"a": nested(1000)},
    None,
    object(),
    b"\xff" * 1000,
    bytearray(b"x"),
    {1, 2},
    True,
    1e308,
    5e-324,
    2**63,
    -(2**63),
    complex(1, 1),
    type,
]


def test_rules_never_raise() -> None:
    """Whatever is recorded: texts that fight back, numbers without end, halves of surrogates, deep nests, ten megabytes."""
    for key, rule in RULES.values():
        for value in HOSTILE:
            shown = rule.clean(value)
            assert shown is DROPPED or type(shown) in {Pseudonym, str, bool, int, float, tuple}, key
            assert not (type(shown) is float and not math.isfinite(shown)), key
            assert not (type(shown) is str and len(shown) > 300), key


def test_names_and_keys_never_raise() -> None:
    """Neither do the tests for names, whatever they are given."""
    for value in HOSTILE:
        name: Any = value
        assert rule_of(name) is None
        assert not is_event(name)
        assert not is_scope(name)
        assert not is_schema_url(name)
        assert metric(name) is None


def test_a_pseudonym_is_told_by_its_class() -> None:
    """A text that looks like one gets a pseudonym of its own; a real one stays."""
    real = pseudonym("alice", "user.id")
    rule = ATTRIBUTES["user.id"]
    assert rule.clean(real) is real
    assert rule.clean(str.__str__(real)) != real


def test_a_declared_value_stays_but_never_under_a_key_that_is_a_pseudonym() -> None:
    """Names of the program's own are shown where names stand; users are never shown."""
    declare("a-declared-agent")
    assert ATTRIBUTES["gen_ai.agent.name"].clean("a-declared-agent") == "a-declared-agent"
    assert type(ATTRIBUTES["user.id"].clean("a-declared-agent")) is Pseudonym


@pytest.mark.parametrize(
    ("key", "number"),
    [
        *(("gen_ai.request.temperature", value) for value in (2.5, -0.1, math.nan, math.inf, 4_111_111_111_111_111.0)),
        *(("http.response.status_code", value) for value in (99, 600, -1, 4_111_111_111_111_111)),
    ],
)
def test_the_quick_look_knows_the_ranges(key: str, number: float) -> None:
    """Where everything else may leave as it is, a number that is out of its range does not go along."""
    others = {"http.request.method": "GET", "gen_ai.usage.input_tokens": 7}
    assert clean_attributes(others, "span") == others
    assert clean_attributes({**others, key: number}, "span") == others


@pytest.mark.parametrize("folded", ["\u017felect", "\u0131nsert", "SELECT\u200b", "SELECT ", "selec\uff54"])
def test_letters_that_only_look_like_a_words_are_not_its(folded: str) -> None:
    """Some become the plain ones in upper case: a long s, an i without its dot."""
    assert clean_attributes({"db.operation.name": folded}, "span") != {"db.operation.name": folded}
    assert clean_attributes({"db.operation.name": "select"}, "span") == {"db.operation.name": "select"}
    assert span_name(folded, {}) != folded


@pytest.mark.parametrize("text", ["\u0131nfo", "\u017fuccess", "INFO ", "inf\uff4f"])
def test_a_severity_is_written_in_plain_letters(text: str) -> None:
    """In either case."""
    records = [LogRecord(severity_text=each) for each in (text, "info", "INFO")]
    cleaned = [clean_log(ReadableLogRecord(each, Resource({}))).log_record.severity_text for each in records]
    assert cleaned == [None, "info", "INFO"]
