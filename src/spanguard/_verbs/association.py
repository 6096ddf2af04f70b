"""`association`: whose work it is."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import CodeType
from typing import Final
from uuid import UUID

from spanguard import semconv
from spanguard._core.association import Association
from spanguard._core.border import report
from spanguard._core.names import clear
from spanguard._core.verb import Verb
from spanguard.vocabulary.pseudonyms import pseudonym

Identity = str | int | UUID

_PSEUDONYMS: Final = {
    "session": semconv.USER_SESSION,
    "user": semconv.USER,
    "space": semconv.SPACE,
    "tenant": semconv.TENANT,
    "project": semconv.PROJECT,
    "conversation": semconv.GEN_AI_CONVERSATION,
}
_NAMES: Final = {"run": semconv.RUN_ID, "variant": semconv.VARIANT, "role": semconv.ROLE}


class Associated(Verb[Association]):
    """What `association` returns: a context manager and a decorator."""

    def __init__(self, code: CodeType, names: Mapping[str, str | None], identities: Mapping[str, Identity | None]) -> None:
        super().__init__(code)
        self._attributes: dict[str, str] = {}
        for key, name in names.items():
            shown = clear("association", name, code)
            if shown is not None:
                self._attributes[_NAMES[key]] = shown
        for key, identity in identities.items():
            if isinstance(identity, (str, int, UUID)) and identity != "":
                attribute = _PSEUDONYMS[key]
                self._attributes[attribute] = pseudonym(str(identity), attribute)
            elif identity is not None:
                report("association", f"{key} is {type(identity).__name__}, not an identity, left out")

    def make(self) -> Association:
        """Make one stretch of work."""
        return Association(self._attributes)

    def begin(self, scope: Association) -> None:
        """Start it."""
        scope.start()


def association(
    *,
    run: str | None = None,
    session: Identity | None = None,
    user: Identity | None = None,
    space: Identity | None = None,
    tenant: Identity | None = None,
    project: Identity | None = None,
    conversation: Identity | None = None,
    variant: str | None = None,
    role: str | None = None,
) -> Associated:
    """Say whose work everything inside is: ``with association(user=user_id, role="planner"):``, or as a decorator.

    Every span of spanguard inside carries it; metrics never do. ``session``, ``user``, ``space``, ``tenant``, ``project`` and
    ``conversation`` are identities: text, whole numbers or UUIDs, shown as keyed pseudonyms. ``run``, ``variant`` and
    ``role`` are names of the program: shown in clear when they are literals or were passed to `spanguard.declare`, otherwise
    as pseudonyms. Where associations nest, each adds to the one around it.
    """
    names = {"run": run, "variant": variant, "role": role}
    identities = {
        "session": session,
        "user": user,
        "space": space,
        "tenant": tenant,
        "project": project,
        "conversation": conversation,
    }
    return Associated(sys._getframe(1).f_code, names, identities)
