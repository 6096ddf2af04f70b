"""Names and identities: what is shown in clear, and what is shown as a pseudonym."""

from __future__ import annotations

import re
import subprocess
import sys
from uuid import UUID

import pytest

from spanguard import association, declare, traced_llm_call, traced_repair
from spanguard._core import names
from spanguard.vocabulary.models import model_name
from support import Telemetry

PSEUDONYM = re.compile(r"h:[0-9a-f]{16}")


def shown(name: str) -> str:
    """Return the policy name that a computed name is shown as."""
    with traced_repair(name) as repair:
        return str(repair.serves()["resilience.policy.name"])


def test_a_literal_is_shown_in_clear(telemetry: Telemetry) -> None:
    """A name that stands in the calling code is a name of the program."""
    with traced_repair("extract_invoice") as repair:
        assert repair.serves()["resilience.policy.name"] == "extract_invoice"


def test_a_computed_name_is_a_pseudonym(telemetry: Telemetry) -> None:
    """An f-string or an argument may hold what a user typed; equal names have equal pseudonyms."""
    user = "bob"
    with traced_repair(f"for {user}") as repair:
        assert PSEUDONYM.fullmatch(str(repair.serves()["resilience.policy.name"]))
    assert shown("someone@example.com".lower()) == shown("someone@EXAMPLE.com".lower())
    assert shown("some" + "one".lower()) != shown("else".lower() + "where")


def test_a_declared_name_is_shown_in_clear(telemetry: Telemetry) -> None:
    """`declare` is for names that the program computes, from its configuration say."""
    name = "_".join(("from", "configuration"))
    assert PSEUDONYM.fullmatch(shown(name))
    declare(name)
    assert shown(name) == name


def test_policies_beyond_two_hundred_are_other(telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Policy names are labels of metrics, so a process has no more than 200 of them."""
    monkeypatch.setattr(names, "_used", set())
    seen = [shown(f"policy {number}") for number in range(250)]
    assert len(set(seen[:200])) == 200
    assert set(seen[200:]) == {"_other"}
    assert shown("policy 0".replace("x", "y")) == seen[0]


@pytest.mark.parametrize("model", ["gpt-5.2", "claude-opus-5-20260801", "gemini-3.1-pro", "llama-4:70b"])
def test_models_of_known_families_are_shown(model: str) -> None:
    """Published models keep their names, dated ones too."""
    assert model_name(model) == model


@pytest.mark.parametrize(
    "model", ["/home/bob/m.gguf", "C:\\models\\m", "../gpt-5", "gpt-5 please help me", "my secret", "gpt-" + "x" * 90]
)
def test_other_models_are_pseudonyms(model: str) -> None:
    """A path or a sentence in place of a model's name is not shown."""
    assert PSEUDONYM.fullmatch(model_name(model))


def test_identities_are_pseudonyms_on_every_span_inside(telemetry: Telemetry) -> None:
    """User, space, tenant and the like are keyed pseudonyms; run, role and variant are names of the program."""
    with association(user="bob", conversation=UUID(int=7), tenant=12, run="nightly", role="planner"):  # noqa: SIM117
        with association(role="critic", variant="b"), traced_repair("invoice"), traced_llm_call(model="gpt-5.2"):
            pass
    for span in telemetry.spans:
        assert (
            span.attributes.items()
            >= {
                "resilience.run.id": "nightly",
                "resilience.role": "critic",
                "resilience.variant": "b",
            }.items()
        )
        for key in ("user.id", "gen_ai.conversation.id", "resilience.tenant.id"):
            assert PSEUDONYM.fullmatch(span[key])
    assert not any("user.id" in attributes for points in telemetry.metrics().values() for attributes, _ in points)


def test_an_association_decorates_too(telemetry: Telemetry) -> None:
    """`@association(...)` holds for everything that the function does."""
    association(role="planner")(traced_llm_call(model="gpt-5.2")(lambda: None))()
    traced_llm_call(model="gpt-5.2-mini")(lambda: None)()
    first, second = telemetry.spans
    assert first["resilience.role"] == "planner"
    assert "resilience.role" not in second.attributes


def test_a_pseudonym_tells_nothing_outside_its_process() -> None:
    """The key is random, so another process gives the same user another pseudonym."""
    code = "from spanguard.vocabulary.pseudonyms import pseudonym; print(pseudonym('bob', 'user.id'))"
    made = {subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout for _ in range(2)}
    assert len(made) == 2
