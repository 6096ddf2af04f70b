"""How strict the guard is, for the whole process."""

from __future__ import annotations

from typing import Final, Literal

from spanguard.vocabulary.declared import LONGEST

Mode = Literal["strict", "balanced", "off"]


class _InForce:
    """The mode in force, in one place for all who ask."""

    __slots__ = ("mode",)

    def __init__(self) -> None:
        self.mode: Mode = "strict"


in_force: Final = _InForce()

_MARKS: Final = tuple(
    """
    sk- sk_ pk_ pk- rk_ AKIA ASIA AGPA AROA AIza ya29. GOCSPX ghp_ gho_ ghu_ ghs_ ghr_ github_pat glpat xoxb xoxp xoxa xoxe
    xapp- hf_ api_org_ npm_ pypi- SG. AC0 gsk_ xai- r8_ pplx- tvly- fw_ nvapi key- whsec_ eyJ dop_v1 doo_v1 shpat shpss
    shpca lin_api ATATT NRAK figd_ sq0 EAAC dapi dp. pat_ pat- ntn_ secret_ glsa_ glc_ rzp_ sntry rnd_ vcp_ vercel lsv2 Bearer
    """.split()
)
"""How keys of well-known services begin."""
_LONGEST_SOLID: Final = 16
PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
_MOST_DIGITS: Final = 4


def use(wanted: Mode) -> None:
    """Take this mode from now on."""
    in_force.mode = wanted


def is_plain(name: str) -> bool:
    """Whether a name has the look of one that stands in code, which is enough in balanced mode: ``load_invoice``."""
    return (
        0 < len(name) <= LONGEST // 2
        and PLAIN.issuperset(name)
        and name[0].isalpha()
        and sum(map(str.isdigit, name)) <= _MOST_DIGITS
    )


def may_pass(name: str) -> bool:
    """Whether a name may leave in balanced mode: it is plain, and no key of a service."""
    return is_plain(name) and not looks_secret(name)


def looks_secret(word: str) -> bool:
    """Whether a word is long enough for a key of a well-known service and begins as one, or has a part as mixed as theirs."""
    if len(word) < _LONGEST_SOLID:
        return False
    if word.startswith(_MARKS):
        return True
    parts = word.replace("_", ".").replace("-", ".").split(".")
    return any(len(part) >= _LONGEST_SOLID and not part.isalpha() for part in parts)
