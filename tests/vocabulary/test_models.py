"""Models: published ids are shown, and nothing that a user could have put in their place."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

import disguised
from benign import MODELS, listed_models, listed_providers, unseen_models
from held_out import next_versions, strangers, told, trials
from sensitive import PLAIN, drawn, texts
from spanguard.vocabulary.models import is_published, model_name
from spanguard.vocabulary.providers import is_provider
from spanguard.vocabulary.pseudonyms import Pseudonym

PSEUDONYM = re.compile(r"h:[0-9a-f]{16}")
TAIL = re.compile(r":h:[0-9a-f]{16}$")


@pytest.mark.parametrize("model", MODELS)
def test_published_models_are_shown(model: str) -> None:
    """Every family, dated or not, behind the prefixes of gateways and clouds; and what the families will bring next."""
    assert model_name(model) is model


def test_ids_that_libraries_list_are_shown() -> None:
    """Of eighteen thousand ids that price lists and registries hold, 99 of 100 and more."""
    models = {model for listed in listed_models().values() for model in listed}
    refused = [model for model in models if not is_published(model)]
    assert len(models) > 18_000
    assert len(refused) < len(models) / 100, refused


@pytest.mark.parametrize(("title", "share"), [("all of mlflow", 0.98), ("all ids, listed since the summer", 0.9)])
def test_ids_that_the_vocabulary_was_not_built_from_are_shown(title: str, share: float) -> None:
    """Families are learned: a vocabulary made of other lists, or of older ones, tells most of a list (``held_out.py``)."""
    known, asked = next((known, asked) for name, known, asked in trials() if name.startswith(title))
    refused, _ = told(known, asked)
    assert len(refused) < len(asked) * (1 - share)


def test_ids_of_lists_that_nothing_was_learned_from_are_shown() -> None:
    """Of what nine other libraries list, 98 of 100."""
    models = {model for ids in unseen_models().values() for model in ids}
    refused = [model for model in models if not is_published(model)]
    assert len(models) > 1_500
    assert len(refused) <= len(models) * 0.02, refused


def test_names_that_libraries_give_to_providers_are_shown() -> None:
    """Of four hundred, in all their writings, 98 of 100."""
    providers = {name for names in listed_providers().values() for name in names}
    refused = [name for name in providers if not is_provider(name)]
    assert len(providers) > 400
    assert len(refused) <= len(providers) * 0.02, refused


def test_the_next_versions_of_listed_ids_are_shown() -> None:
    """Of twelve thousand ids with greater numbers and later dates, 99 of 100."""
    later = list(next_versions(seed=1))
    assert len(later) > 12_000
    assert sum(not is_published(model) for model in later) < len(later) * 0.01


@pytest.mark.parametrize(
    "model",
    [
        *(
            "suno-v7",
            "luma/ray-4",
            "runwayml/gen5",
            "computer-use-preview-2026-03-11",
            "solar-pro4-260301",
            "decart/lucy-3-2b",
        ),
        *("z-image-turbo-2", "z-image-base-fp8", "music-2.5", "gen-5-turbo", "openrouter/luma/ray-4", "deepseek-v5-202703"),
        *("fal-ai/kling-video/v4/pro/text-to-video", "gpt-4.1:eastus2", "bedrock/ap-southeast-5/amazon.nova-pro-v1:0"),
        *("Llama-5-8B-Instruct-q4f16_1-MLC", "flux-3-klein-4b", "nvidia/nemotron-4-super-120b-a12b"),
    ],
)
def test_what_comes_next_is_told_by_what_is_there(model: str) -> None:
    """Other numbers and dates in an id of the list, a variant behind it, a family in the path, a region behind a colon."""
    assert is_published(model)


@pytest.mark.parametrize(
    "text",
    [
        *("gpt-4-klein", "lucy-3", "sam-4", "luma/lucy-ray-4", "music-maria-2", "z-image-turbo-maria", "kling-video/maria"),
        *(
            "55-51-23/kling-video/v4",
            "2000-02-01/z-image-turbo",
            "music-1.2.2000",
            "33:00:46:75:f9:06/z-image-turbo",
            "USE-0323",
        ),
        *(
            "suno-v77-88-99-66",
            "z-image-turbo-555-1234",
            "llama-3-001b.4411.3ab7",
            "gpt-4.1:maria",
            ":eastus",
            "fal-ai/veo3/1.2.2000",
        ),
    ],
)
def test_beside_what_is_there_nothing_of_a_users_stands(text: str) -> None:
    """No name that belongs to another family, no date of birth, no telephone, no machine."""
    assert not is_published(text)


def test_whatever_of_a_users_is_put_where_an_id_is_free_is_no_model() -> None:
    """Names before, in and behind ids, and numbers of all kinds, however they are cut."""
    assert [text for text in disguised.names(seed=11, n=20_000) if is_published(text)] == []
    assert [text for text in disguised.numbers(seed=11, n=20_000) if is_published(text)] == []


def test_names_that_users_give_are_no_models() -> None:
    """People, projects and customers, whatever families and sizes stand around them."""
    assert [text for text in strangers(seed=7, n=20_000) if is_published(text)] == []


def test_no_sensitive_text_is_a_model() -> None:
    """Not even one that begins with a family's name."""
    assert [text for text in texts(seed=1, n=20_000) if is_published(text)] == []


@given(st.sampled_from(MODELS), st.sampled_from("-._:/@"), st.sampled_from(sorted(PLAIN)), st.randoms(use_true_random=False))
def test_a_model_with_a_users_text_is_no_model(model: str, between: str, kind: str, random: object) -> None:
    """Whatever is hung on a published id, the whole is a pseudonym."""
    text = PLAIN[kind](random)  # type: ignore[arg-type]
    assert not is_published(f"{model}{between}{text}")


@pytest.mark.parametrize(
    "text",
    [
        *("gpt-4-john-smith", "llama-555-123-4567", "claude-4111-1111-1111-1111", "mistral-2125551234", "gemini/10.0.0.1"),
        *("/models/llama-3/home/alice", "models/llama-3.gguf", "llama-00:1b:44:11:3a:b7", "gpt-4-123-45-6789", "gpt-5 hello"),
        *(
            "C:\\models\\llama-3",
            "../gpt-5",
            "~/gpt-5",
            "file:gpt-4",
            "gpt-4..5",
            "-gpt-4",
            "gpt-4-",
            "",
            "g",
            "gpt-5\n",
            "gpt-\uff15",
        ),
        *(
            "claude",
            "gpt-4-1987-05-12",
            "gpt-4-12.05.1987",
            "o3-192.168.1.17",
            "qwen-20251399",
            "mini",
            "turbo-preview",
            "base",
        ),
        *("gpt-4-" + "mini-" * 40, "\u212a-gpt-4", "gpt-4o-e71a44"),
    ],
)
def test_what_only_looks_like_a_model(text: str) -> None:
    """Names, numbers, paths, addresses, and words without a family are pseudonyms."""
    assert PSEUDONYM.fullmatch(model_name(text))


@pytest.mark.parametrize("name", ["gpt-4o-osprey", "azure/gpt-5.2-kestrel", "claude-opus-5-bluebird", "gpt-4o-kestrelcoder"])
def test_a_star_or_an_animal_behind_a_makers_own_family_is_a_users_deployment(name: str) -> None:
    """Only what a list has, and what stands behind its maker's prefix, is the maker's."""
    assert not is_published(name)


def test_a_word_of_everyday_language_with_digits_is_no_model() -> None:
    """It could be a password, or a plate."""
    for word in ("kestrel53", "sparrow-0115", "heron1987"):
        assert not is_published(f"mistral-{word}")


def test_numbers_after_a_family_are_short() -> None:
    """Seven digits or more are a date of this decade or no model."""
    for length in range(7, 20):
        for first in range(1, 10):
            digits = f"{first}{'7' * (length - 1)}"
            assert not is_published(f"gpt-4-{digits}")
            assert not is_published(f"gpt-4-{digits[:3]}-{digits[3:]}")


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("ft:gpt-4o-mini-2024-07-18:my-org:custom:abc123", "gpt-4o-mini-2024-07-18"),
        ("ft:gpt-3.5-turbo-0125:acme::7p4lURel", "gpt-3.5-turbo-0125"),
        ("gpt-4o-mini-2024-07-18.ft-0e208cf33a6a466994aff31a08aba678", "gpt-4o-mini-2024-07-18"),
        ("davinci-002:ft-personal-2023-05-01", "davinci-002"),
        ("ft:gpt-4o:turbo", "gpt-4o"),
    ],
)
def test_of_a_fine_tuned_model_the_base_is_shown(name: str, base: str) -> None:
    """The organisation, the suffix and the id that its owner gave are one pseudonym."""
    shown = model_name(name)
    assert type(shown) is Pseudonym
    assert TAIL.search(shown)
    assert shown.startswith(f"ft:{base}:h:")
    assert shown == model_name(name)
    assert not is_published(name)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (
            "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-haiku-20240307-v1:0",
            "anthropic.claude-3-haiku-20240307-v1:0",
        ),
        (
            "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-4-20250514-v1:0",
            "us.anthropic.claude-sonnet-4-20250514-v1:0",
        ),
        ("projects/acme-prod-1/locations/us-central1/publishers/google/models/gemini-2.5-pro", "gemini-2.5-pro"),
    ],
)
def test_of_a_clouds_resource_the_published_model_is_shown(name: str, shown: str) -> None:
    """Accounts, projects and places are left out."""
    assert model_name(name) == shown


@pytest.mark.parametrize("prefix", ["acme-gateway", "openai/alice", "alice", "Acme_Corp/eu-prod", "10.0.0.1"])
def test_behind_a_gateway_that_nobody_knows_the_published_model_is_shown(prefix: str) -> None:
    """The prefix may name a customer: it is left out, and an id of the owner's own is a pseudonym as a whole."""
    assert not is_published(f"{prefix}/llama-4-70b-instruct")
    assert model_name(f"{prefix}/llama-4-70b-instruct") == "llama-4-70b-instruct"
    assert PSEUDONYM.fullmatch(model_name(f"{prefix}/alice-70b"))


@pytest.mark.parametrize(
    "name", ["/home/alice/gpt-4", "~alice/gpt-4", "./alice/gpt-4", "a/b/alice/gpt-4", "c:/alice/gpt-4", "alice b/gpt-4"]
)
def test_a_path_is_a_pseudonym_as_a_whole(name: str) -> None:
    """The last part of a path is a file's name, whatever it looks like."""
    assert PSEUDONYM.fullmatch(model_name(name))


@pytest.mark.parametrize(
    "name",
    [
        "arn:aws:bedrock:us-east-1:123456789012:custom-model/meta.llama3-1-8b/abc123def456",
        "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/gpt-4o",
        "projects/acme/locations/us-central1/endpoints/1234567890",
        "projects/acme/locations/eu/publishers/alice/models/alice-special",
        "accounts/alice/models/mine",
    ],
)
def test_a_clouds_resource_of_the_users_own_is_a_pseudonym(name: str) -> None:
    """Custom and provisioned models bear names that users gave."""
    assert PSEUDONYM.fullmatch(model_name(name))


def test_a_hostile_text_costs_no_time() -> None:
    """What is too long is not looked at, and the rest is read once."""
    for text in ("-" * 100_000, "gpt-4" * 100_000, "/" * 100, "1" * 128, "\ud800", "ft:" * 40, "a" + "-1" * 60, "İ" * 64):
        assert not is_published(text)


def test_the_table_is_read_when_it_is_needed() -> None:
    """A program that names no model pays nothing for it."""
    code = "import sys, spanguard; assert 'spanguard.vocabulary.model_ids' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz0123456789-._:/@", max_size=40))
def test_random_text_is_no_model(text: str) -> None:
    """A model is made of known words; a text that passes holds nothing else."""
    if is_published(text):
        assert len(re.sub(r"[^0-9]", "", text)) <= 16


def test_random_words_after_a_family_are_no_model() -> None:
    """Keys, hashes and made-up words are in no vocabulary."""
    from random import Random

    r = Random(7)
    made = [
        drawn(r, alphabet, n)
        for alphabet in ("0123456789abcdef", "bcdfghjklmnpqrstvwxz")
        for n in range(6, 33)
        for _ in range(60)
    ]
    assert [word for word in made if is_published(f"gpt-4-{word}")] == []
