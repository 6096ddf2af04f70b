"""Nothing that somebody wrote reaches the wire, by whatever channel of OpenTelemetry's API it came."""

from __future__ import annotations

import base64
import json
from random import Random
from urllib.parse import quote

import pytest
from channels import collected, emitted, finished, quiet_warnings, wire

from sensitive import texts
from spanguard.privacy.redactions import counts

CANARIES = [text for text in texts(20261121, 300) if len(text) >= 6][:120]


def encoded(text: str) -> list[str]:
    """Return the text in the encodings that it is likely to travel in."""
    return [text, quote(text), base64.b64encode(text.encode()).decode(), text.encode().hex(), json.dumps({"a": text})]


def has(sent: bytes, text: str) -> bool:
    """Whether the text is in the bytes, as it is or encoded."""
    return any(each.encode("utf-8", "replace") in sent for each in encoded(text))


@pytest.mark.parametrize("text", CANARIES)
def test_no_text_leaves_by_a_span(text: str) -> None:
    """Name, status, attributes, events, links, exceptions, trace state, scope and resource carry nothing of it."""
    spans = finished(text)
    assert spans
    assert not has(wire(spans=spans), text)


@pytest.mark.parametrize("text", CANARIES[:60])
def test_no_text_leaves_by_a_log_record(text: str) -> None:
    """Body, severity, event name, attributes, scope and resource carry nothing of it."""
    with quiet_warnings():
        records = emitted(text)
    assert len(records) == 4
    assert not has(wire(logs=records), text)


@pytest.mark.parametrize("text", CANARIES[:60])
def test_no_text_leaves_by_a_metric(text: str) -> None:
    """Names, descriptions, units, attributes, exemplars, scope and resource carry nothing of it."""
    data = collected(text)
    names = [m.name for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics]
    assert "http.server.request.duration" in names
    assert not has(wire(metrics=data), text)


@pytest.mark.parametrize(
    "way", [quote, lambda t: base64.b64encode(t.encode()).decode(), lambda t: json.dumps(json.dumps([t]))]
)
def test_no_encoded_text_leaves(way: object) -> None:
    """What is encoded is as unknown as what is not."""
    for text in CANARIES[:10]:
        assert not has(wire(spans=finished(way(text))), text)  # type: ignore[operator]


def test_a_text_split_over_attributes_does_not_leave() -> None:
    """A piece of a text is not known either."""
    random = Random(1)
    for text in CANARIES[:20]:
        at = random.randrange(2, len(text) - 2)
        first, second = text[:at], text[at:]
        sent = wire(spans=finished(first)) + wire(spans=finished(second))
        assert not [part for part in (first, second) if len(part) > 5 and part.encode() in sent]


def test_what_was_removed_is_counted_and_not_told() -> None:
    """The counts name signal, field and reason, each from a closed list."""
    finished("something that nobody may see")
    said = json.dumps([dict(attributes) for _, attributes in counts()])
    assert "nobody" not in said
    assert '"resilience.privacy.signal": "span"' in said
    assert '"resilience.privacy.field": "status"' in said
