"""Names that a program gives to its policies, rules and parts, as they may be shown."""

from __future__ import annotations

from types import CodeType
from typing import Final

from spanguard._core.border import report
from spanguard.semconv import OVERFLOW
from spanguard.vocabulary.declared import shown

_MOST: Final = 200
_used: set[tuple[str, str]] = set()


def clear(where: str, name: object, code: CodeType) -> str | None:
    """Return the name in clear or as a pseudonym; None stays None, and what is no name is reported and left out."""
    if isinstance(name, str) and name:
        return shown(name, code)
    if name is not None:
        report(where, f"a name is {'empty' if name == '' else type(name).__name__}, left out")
    return None


def policy_name(kind: str, name: object, code: CodeType) -> str:
    """Return the name of a policy: clear or a pseudonym, and ``_other`` once a process has used 200 of them.

    Policy names are labels of metrics, where each new one costs memory in every system behind.
    """
    known = clear(f"traced_{kind}", name, code) or OVERFLOW
    if (kind, known) not in _used:
        if len(_used) >= _MOST:
            report(f"traced_{kind}", f"more than {_MOST} names of policies, further ones are shown as {OVERFLOW}")
            return OVERFLOW
        _used.add((kind, known))
    return known
