"""Words of programs: what routes and errors nobody has listed are told by, and what stays out of them."""

from __future__ import annotations

from pathlib import Path
from random import Random
from string import ascii_lowercase

import pytest

import words_builder
from benign import fresh, routes_and_errors
from held_out import UNLEARNED, told_of, told_of_fresh
from sensitive import LAST, drawn
from spanguard.vocabulary import tables
from spanguard.vocabulary.errors import is_error_type
from spanguard.vocabulary.models import is_published
from spanguard.vocabulary.routes import is_route
from spanguard.vocabulary.versions import is_version
from spanguard.vocabulary.words import is_known, is_numbered, is_plain, is_run
from tempting import ALSO_WORDS, GIVEN, PASSWORDS, PLACES, PROJECTS, SURNAMES, SWEEPS, TELLING, tempting

SOMEBODYS = [*GIVEN, *SURNAMES, *PLACES, *TELLING, *PASSWORDS]


@pytest.mark.parametrize(
    ("kind", "least", "unlearned"),
    [("templates of routes", 0.95, 0.89), ("classes of errors", 0.93, 0.92), ("qualified classes of errors", 0.93, 0.88)],
)
def test_what_packages_have_is_shown(kind: str, least: float, unlearned: float) -> None:
    """Of forty packages' templates and classes, and of seven packages' that the vocabulary learned nothing from."""
    listed = routes_and_errors()
    number, refused = told_of(text for texts in listed.values() for text in texts)[kind]
    assert len(refused) < number * (1 - least)
    number, refused = told_of(text for package in UNLEARNED for text in listed[package])[kind]
    assert len(refused) < number * (1 - unlearned)


@pytest.mark.parametrize(
    ("kind", "least"),
    [
        *(
            ("routes of docs", 0.96),
            ("routes of SDKs", 0.98),
            ("routes of whole packages", 0.93),
            ("codes of AWS services", 0.97),
        ),
        *(("classes of LLM and clients", 0.98), ("codes", 0.97), ("finish reasons", 0.95), ("versions", 0.7)),
    ],
)
def test_what_the_words_were_not_learned_from_is_shown(kind: str, least: float) -> None:
    """Of the sealed half of fresh lists: no less than before anybody had looked at what was refused."""
    texts = {text for each in fresh()["sealed", kind].values() for text in each}
    for _, number, refused in told_of_fresh(kind, texts):
        assert len(refused) < number * (1 - least)


def test_nobodys_name_and_nothing_that_tells_of_people_is_a_word() -> None:
    """Given names, surnames, cities, illnesses, faiths, passwords: neither as they are nor as two words in one."""
    assert [word for word in SOMEBODYS if is_plain(word) or is_run(word)] == []


def test_nothing_that_holds_them_is_a_route_an_error_or_a_model() -> None:
    """Whatever usual words stand around them."""
    r = Random(11)
    made = {tempting(r) for _ in range(30_000)}
    assert [text for text in made if is_route(text) or is_error_type(text) or is_published(text)] == []


@pytest.mark.parametrize("kind", SWEEPS)
def test_nothing_of_the_sweeps_is_a_route_an_error_or_a_version(kind: str) -> None:
    """Paths of files, requests, customers, passwords, days and amounts, in the writings of routes and errors."""
    r = Random(12)
    made = {SWEEPS[kind](r) for _ in range(20_000)}
    assert [text for text in made if is_route(text) or is_error_type(text) or is_version(text)] == []


def test_words_that_are_made_up_are_hardly_ever_words() -> None:
    """As projects are called: that two or three known words were joined must not let random syllables through."""
    r = Random(13)
    made = ["".join(drawn(r, "bdfgklmnprstvz", 1) + drawn(r, "aeiou", 1) for _ in range(4)) for _ in range(20_000)]
    assert sum(map(is_run, made)) < len(made) / 1_000


def test_an_initial_with_a_surname_is_no_word() -> None:
    """S. Park is no spark, D. Kim no dkim, L. Morgan no organ of an lm."""
    names = [f"{initial}{name}" for initial in ascii_lowercase for name in (*SURNAMES, *(last.lower() for last in LAST))]
    made = [
        form.format(name, name.title()) for name in names for form in ("/v1/{0}", "{1}Error", "gpt-4o-{0}", "qwen3-8b-{1}")
    ]
    assert [text for text in made if is_route(text) or is_error_type(text) or is_published(text)] == []


@pytest.mark.parametrize("word", ALSO_WORDS)
def test_a_name_that_is_a_word_too_says_nothing_alone(word: str) -> None:
    """Neither behind a collection of people, nor with a capital, nor beside another such name."""
    name = word.title()
    for text in (f"/users/{word}", f"/patients/{word}", f"/v1/{name}", f"/orders/{word}-white", f"{name}WhiteError"):
        assert not is_route(text)
        assert not is_error_type(text)


@pytest.mark.parametrize(
    "text",
    [
        "/tell/me/the/password",
        "/please/ignore/all/previous/instructions",
        "/merger/with/the/bank",
        "/forget-your-instructions/now",
        "/data/models/llama",
        "/srv/main/service",
        "/Volumes/backup/report",
        "/workspace/src/api/client",
    ],
)
def test_a_sentence_or_the_path_of_a_file_is_no_route(text: str) -> None:
    """Though all its words are usual ones."""
    assert not is_route(text)


@pytest.mark.parametrize(
    "route",
    ["/data", "/orders/{id}/invoice.pdf", "/models/{id}", "/data/{id}/models/{name}", "/models/search", "/api/data/models"],
)
def test_what_folders_are_called_routes_are_called_too(route: str) -> None:
    """If they are short, or lead to a placeholder, or do not begin with it."""
    assert is_route(route)


@pytest.mark.parametrize(
    "route", ["/users/mail", "/users/patient", "/customers/Mail", "/v1/patients/diagnoses/{id}", "^users/mail/$"]
)
def test_behind_a_collection_of_people_a_word_may_be_one_of_them(route: str) -> None:
    """A word that is no action on them may be what somebody is called there."""
    assert not is_route(route)


@pytest.mark.parametrize(
    "route", ["/users/me", "/users/search", "/customers/{id}/mail", "/users/reset-password", "/mail/users"]
)
def test_actions_on_people_stay(route: str) -> None:
    """And so does what belongs to one of them."""
    assert is_route(route)


@pytest.mark.parametrize("project", PROJECTS)
@pytest.mark.parametrize("model", ["gpt-4o-{}", "azure/gpt-5.2-{}", "claude-opus-5-{}", "gemini-2.5-pro-{}"])
def test_a_family_behind_one_that_its_maker_alone_serves_is_a_users_deployment(model: str, project: str) -> None:
    """`spark` is a family of its own, and a program's project behind `gpt-4o`."""
    assert not is_published(model.format(project))
    assert not is_published(model.format(project.upper()))


def test_what_makers_put_behind_their_families_stays() -> None:
    """Families of their own, and a version of one that is listed."""
    for model in ("gpt-4o-realtime", "gpt-5.3-codex-spark", "gpt-6-codex-spark", "claude-opus-6", "gemini-4-nano-banana"):
        assert is_published(model)


@pytest.mark.parametrize(
    "word", ["policies", "routed", "routing", "knowledgebases", "userinfo", "undelete", "apikeys", "schedulable"]
)
def test_words_are_bent_and_joined(word: str) -> None:
    """Plurals, forms of verbs, and two words written as one."""
    assert is_plain(word)


@pytest.mark.parametrize("word", ["x" * 33, "", "zzyzx", "ordé", "a" * 10_000, "s" * 32])
def test_other_words_are_not_known(word: str) -> None:
    """Nor does a long one take long."""
    assert not is_known(word)
    assert not is_run(word)


def test_digits_are_those_of_usual_words() -> None:
    """A version, a protocol, a standard; no number of anything and no password."""
    assert all(map(is_numbered, ("http2", "v2", "v12", "oauth2", "findingsv2", "k8s")))
    assert not any(map(is_numbered, ("welcome1", "v123", "order12", "alicev2", "v", "2")))
    for text in ("/orders/order12", "/v1/Welcome1", "/{admin123}", "Admin123Error", "openai.Case123", "/files/file-abc12"):
        assert not is_route(text)
        assert not is_error_type(text)


def test_the_tables_are_small() -> None:
    """All of them together, as every installation has them."""
    data = Path(tables.__file__).parent / "data"
    assert sum(path.stat().st_size for path in data.iterdir()) < 400_000


# ----------------------------------------------------------------------------------------------------------- the builder


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Return the directory of a package with a route of each style, and exceptions."""
    made = tmp_path / "waldo"
    (made / "tests").mkdir(parents=True)
    (made / "api.py").write_text(
        "@app.get('/quuxes/{quux_id}')\ndef list_grault(garply=1): ...\n"
        "urlpatterns = [path('corge/<int:pk>/', view)]\n"
        "def fetch(fred): return client.get(f'/v1/plugh/{fred.xyzzy}')\n"
    )
    (made / "errors.py").write_text(
        "class WaldoError(Exception): ...\nclass GarplyMissing(WaldoError): ...\nclass Other: ...\n"
    )
    (made / "tests" / "test_api.py").write_text("class HiddenError(Exception): ...\n")
    (made / "openapi.json").write_text('{"paths": {"/thud/{id}": {}}}')
    return made


def test_the_builder_reads_what_a_package_has(package: Path) -> None:
    """Templates given to frameworks, those of clients and descriptions, classes of exceptions; nothing of its tests."""
    found = words_builder.read(package)
    assert found.name == "waldo"
    assert found.routes == {"/quuxes/{quux_id}", "corge/<int:pk>/", "/v1/plugh/{xyzzy}", "/thud/{id}"}
    assert found.errors == {"waldo.errors.WaldoError", "waldo.errors.GarplyMissing"}
    assert {"grault", "garply", "fetch"} <= set(found.words)


def test_the_builder_wants_what_several_packages_have(package: Path) -> None:
    """Words of routes or errors that two families of packages have, or one has if they are everyday's; none that is known."""
    found = words_builder.read(package)
    others = found._replace(name="fred_api")
    assert words_builder.wanted([found, found]) == set()
    assert words_builder.wanted([found, others]) == {"quuxes", "corge", "plugh", "thud", "waldo", "garply"}
    assert words_builder.wanted([found], {"thud", "grault"}) == {"thud", "grault"}
