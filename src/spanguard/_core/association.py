"""Say whose work it is: attributes for every span of ours inside a stretch of work."""

from __future__ import annotations

from collections.abc import Mapping

from spanguard._core.border import quiet
from spanguard._core.recorder import on
from spanguard._core.scope import Scope


class Association(Scope):
    """A stretch of work that belongs to a run, a user, a space, a tenant ...; it has no span of its own."""

    inherited: Mapping[str, str]

    def __init__(self, attributes: Mapping[str, str]) -> None:
        super().__init__()
        self._attributes = attributes

    @quiet
    def start(self) -> None:
        """Add the attributes to those that are inherited here; for the same name the innermost one holds."""
        if not on():
            return
        self.begin()
        self.inherited = {**self.inherited, **self._attributes}
