"""What tells of users, put wherever an id of a model is free: before it, behind it, for its version, and for a part of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from random import Random

from sensitive import born, digits, machine
from spanguard.vocabulary.tables import table
from tempting import GIVEN, PASSWORDS, PLACES, SURNAMES, TELLING

_HEADS = (
    "fal-ai/kling-video/|fal-ai/kling-video/v2/|flux-2/|wan/v2.6/|music-2-|gen-4-|z-image-turbo-|computer-use-preview-|openai/|"
    "azure/|fal-ai/veo3/|openrouter/|ollama/|gpt-5/|claude/|bedrock/us.|qwen/|accounts/fireworks/models/|@cf/|hf:|"
).split("|")
_TAILS = "|-2|-v2|-70b|-mini|/v2|/text-to-video|/edit|-q4f16_1-MLC|-2027-01-15|/pro|-01|:free|-turbo|:eastus".split("|")
_NAMES = (
    "{head}{held}{tail}|{head}{held}-{beside}{tail}|{family}-{held}{tail}|{held}-{family}{tail}|{leading}-4-{held}{tail}|"
    "{held}-4{tail}|{listed}-{held}{tail}|{listed}/{held}|{owner}/{held}{tail}|{owner}/{held}-{beside}|{held}/{family}-7b|"
    "{held}/{listed}|{held}/{beside}/{family}|{leading}-{held}{tail}|{family}/{held}{tail}|{head}{family}/{held}"
).split("|")
_NUMBERS = (
    "{held}|{head}{held}|{family}-{held}|{family}/{held}|{held}/{family}|{listed}-{held}|{listed}/{held}|{leading}-{held}|"
    "{head}{family}-{held}|{held}/{listed}|{head}{held}/{family}-7b|{family}{held}|v{held}/{family}"
).split("|")
_FORMS = (
    "%##-%##-####|%##-####|%#########|1%#########|%#-##-##-##-##|86-1##-####-####|%##-##-####|4###-####-####-####|3#####|%######|"
    "%#######|4###############|####.####.####.####|%##.###.###-##|##.##.##-###.##"
).split("|")


def names(seed: int, n: int) -> Iterator[str]:
    """Make ids that hold a name, a place, a trouble or a password."""
    told = sorted({*GIVEN, *SURNAMES, *PLACES, *TELLING, *PASSWORDS} - frozenset().union(*table("models").values()))
    r = Random(seed)
    for _ in range(n):
        yield _filled(r, _NAMES, r.choice(told), r.choice(told))


def numbers(seed: int, n: int) -> Iterator[str]:
    """Make ids that hold a number of a telephone, a card or an account, a date of birth, or the address of a machine."""
    r = Random(seed)
    signs = re.compile(r"[^0-9a-z]+")
    for _ in range(n):
        made = r.choice((digits(r, r.choice(_FORMS)), born(r), machine(r))).lower()
        if sum(map(str.isdigit, made)) > 6 and made.isascii():
            yield _filled(r, _NUMBERS, signs.sub(r.choice("-._:/@"), made.removeprefix("born ").removeprefix("dob:")), "")


@cache
def _free() -> dict[str, list[str]]:
    """Return what every id may hold, by the place where it stands."""
    sets = {"family": "families", "listed": "exact", "leading": "leading", "owner": "prefixes"}
    return {place: sorted(table("models")[name]) for place, name in sets.items()}


def _filled(r: Random, forms: Sequence[str], held: str, beside: str) -> str:
    chosen = {name: r.choice(words) for name, words in _free().items()}
    return r.choice(forms).format(held=held, beside=beside, head=r.choice(_HEADS), tail=r.choice(_TAILS), **chosen)
