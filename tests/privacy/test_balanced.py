"""Balanced mode: names that stand in code and short harmless values pass; content, addresses, paths and secrets do not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from channels import finished, wire
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, TraceFlags

from sensitive import texts
from spanguard.privacy import modes, names
from spanguard.privacy.attributes import clean_attributes
from spanguard.privacy.conventions import ATTRIBUTES
from spanguard.privacy.parts import clean_resource, event_name
from spanguard.privacy.spans import clean_span
from support import EPOCH

SECRET = "Alice's diagnosis 4111"
CONTENT = sorted(key for key, rule in ATTRIBUTES.items() if rule.content)


@pytest.fixture(autouse=True)
def _balanced() -> Iterator[None]:
    accepted = set(names._accepted)
    modes.use("balanced")
    yield
    modes.use("strict")
    names._accepted.clear()
    names._accepted.update(accepted)


@pytest.mark.parametrize("value", ["gold", "two words", 3, 2.5, True, "eu-1"])
def test_short_values_under_plain_keys_pass(value: object) -> None:
    """Of conventions that nobody knows."""
    assert clean_attributes({"shop.plan": value}, "span") == {"shop.plan": value}


@pytest.mark.parametrize(
    "value",
    [
        *("alice@example.com", "/home/alice", "C:\\Users\\alice", "~alice/x", "token=abc", "a" * 25, "call me on 555 1234"),
        *("one two three four", "4111111111111111", "{'a': 1}", "https://x.example", "a\nb", "x" * 65, b"gold", ["gold"]),
        *({"a": "gold"}, 10**8, float("inf"), "", None, "$HOME", "rm -rf *", "+49 151 23"),
    ],
)
def test_what_has_a_mark_of_something_private_does_not(value: object) -> None:
    """An address, a path, an assignment, a long word, many digits, prose, markup; nor what is nested."""
    assert clean_attributes({"shop.plan": value}, "span") == {}


@pytest.mark.parametrize("key", ["Alice Smith", "1st", "a/b", "x" * 65, "", "shop plan", "card4111111111"])
def test_a_key_must_look_like_one(key: str) -> None:
    """Anybody's words can be a key."""
    assert clean_attributes({key: "gold"}, "span") == {}


@pytest.mark.parametrize("key", CONTENT)
def test_content_never_passes(key: str) -> None:
    """However harmless it looks: under a key of content nothing but its length is told."""
    kept = clean_attributes({key: "gold"}, "span")
    assert kept == {"resilience.privacy.content.length": 4, "resilience.privacy.content.fields": 1}


def test_the_conventions_keys_are_as_strict_as_ever() -> None:
    """A known key has a rule: a user's name under it is no more harmless in this mode."""
    kept = clean_attributes({"user.id": "alice", "gen_ai.request.model": "alice-model", "user.email": "alice"}, "span")
    assert sorted(kept) == ["gen_ai.request.model", "user.id"]
    assert all(str(value).startswith("h:") for value in kept.values())


@pytest.mark.parametrize("name", ["hf_load", "npm_install", "key-rotation", "sk-learn", "load_invoices_of_customers_v2"])
def test_short_names_are_no_keys(name: str) -> None:
    """However they begin."""
    assert event_name(name, "event") == name


def test_names_that_stand_in_code_pass() -> None:
    """Of spans and events; any other is a pseudonym as in strict mode."""
    context = SpanContext(7, 8, is_remote=False, trace_flags=TraceFlags(1))
    span = clean_span(ReadableSpan(name="load_invoice", context=context, start_time=EPOCH, end_time=EPOCH))
    assert span.name == "load_invoice"
    assert event_name("cache_miss", "event") == "cache_miss"
    assert event_name(SECRET, "event").startswith("h:")


def test_the_mode_stands_on_the_resource() -> None:
    """So that whoever reads the telemetry knows; and nothing that it accepted is accepted in strict mode afterwards."""
    one = Resource({})
    modes.use("strict")
    assert clean_resource(one).attributes == {}
    modes.use("balanced")
    assert clean_resource(one).attributes == {"resilience.privacy.mode": "balanced"}
    context = SpanContext(7, 8, is_remote=False, trace_flags=TraceFlags(1))
    raw = ReadableSpan(name="load_invoice", context=context, start_time=EPOCH, end_time=EPOCH)
    assert clean_span(raw).name == "load_invoice"
    modes.use("strict")
    assert clean_span(raw).name.startswith("h:")
    assert clean_resource(Resource({})).attributes == {}


def test_long_texts_never_pass() -> None:
    """Prompts, keys, tokens and tracebacks are longer than any name."""
    for text in [text for text in texts(7, 400) if len(text) > 64][:60]:
        assert text.encode("utf-8", "replace") not in wire(spans=finished(text))


@pytest.mark.parametrize(
    "secret",
    [
        *("AKIAIOSFODNNEXAMPLE", "ghp_abcdefghijklmnop", "sk-proj-abcdefgh", "xoxb-abcdefgh-ijkl", "hf_abcdefghijklmn"),
        *("eyJhbGciOi.eyJz.c2ln", "gsk_abcdefghijkl", "SG.abcdefg.hijkl", "glpat-abcdefghij", "AIzaSyabcdefghij"),
        "Zm9vYmFyYmF6cXV4MTI",
    ],
)
def test_a_key_of_a_service_passes_nowhere(secret: str) -> None:
    """However plain its letters: not as value, as key, or as name."""
    assert clean_attributes({"shop.plan": secret, secret: "gold", "shop.tier": f"is {secret}"}, "span") == {}
    assert event_name(secret, "event").startswith("h:")


@pytest.mark.parametrize(
    "key",
    ["prompt", "user_input", "chat.message", "customer.name", "question", "api.token", "db_password", "Last-Name", "email"],
)
def test_keys_of_what_people_write_and_are_take_no_texts(key: str) -> None:
    """No convention knows them, their words tell it; numbers and flags pass, and texts if the key was declared."""
    assert clean_attributes({key: "acute leukemia"}, "span") == {}
    assert clean_attributes({key: 7}, "span") == {key: 7}
