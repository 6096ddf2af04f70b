"""What `show` and `demo` print: one JSON-able report, read from a store by the store's own queries."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import contextmanager
