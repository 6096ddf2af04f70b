"""OpenTelemetry for programs that call language models: what happens around a call, and nothing a user wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spanguard._core.call import current_call
from spanguard._core.operation import current_operation
from spanguard._verbs.association import association
from spanguard._verbs.attempts import traced_repair, traced_retry
from spanguard._verbs.call import traced_llm_call
from spanguard._verbs.failover import traced_failover
from spanguard._verbs.gates import traced_breaker, traced_cache, traced_rate_limit, traced_validation
from spanguard.semconv import VERSION
from spanguard.vocabulary.declared import declare

if TYPE_CHECKING:
    from spanguard.pipeline.configure import configure
    from spanguard.privacy.processors import PrivacySpanProcessor

__version__ = VERSION
__all__ = [
    "PrivacySpanProcessor",
    "__version__",
    "association",
    "configure",
    "current_call",
    "current_operation",
    "declare",
    "traced_breaker",
    "traced_cache",
    "traced_failover",
    "traced_llm_call",
    "traced_rate_limit",
    "traced_repair",
    "traced_retry",
    "traced_validation",
]


def __getattr__(name: str) -> object:
    # What needs the SDK is loaded when it is first used: `import spanguard` stays light, and a library may depend on it.
    if name == "configure":
        from spanguard.pipeline import configure

        globals()[name] = configure
        return configure
    if name == "PrivacySpanProcessor":
        from spanguard.privacy import PrivacySpanProcessor

        globals()[name] = PrivacySpanProcessor
        return PrivacySpanProcessor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
