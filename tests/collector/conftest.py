"""The real programs that the tests of the collector's configuration run."""

from __future__ import annotations

import pytest

from binaries import binary


@pytest.fixture(scope="session")
def otelcol() -> str:
    """The collector."""
    return binary("otelcol")


@pytest.fixture(scope="session")
def jaeger() -> str:
    """Jaeger v2."""
    return binary("jaeger")


@pytest.fixture(scope="session")
def prometheus() -> str:
    """Prometheus 3."""
    return binary("prometheus")


@pytest.fixture(scope="session")
def promtool() -> str:
    """What checks and tests rules."""
    return binary("promtool")
