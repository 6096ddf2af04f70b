"""OpenTelemetry for programs that call language models: what happens around a call, and nothing a user wrote."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from spanguard._core.call import current_call
    from spanguard._core.operation import current_operation
    from spanguard._verbs.association import association
    from spanguard._verbs.attempts import traced_repair, traced_retry
    from spanguard._verbs.call import traced_llm_call
    from spanguard._verbs.failover import traced_failover
    from spanguard._verbs.gates import traced_breaker, traced_cache, traced_rate_limit, traced_validation
    from spanguard.pipeline.configure import configure
    from spanguard.privacy.processors import PrivacySpanProcessor
    from spanguard.vocabulary.declared import declare

    __version__: str

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

# Each is loaded when it is first used: a program pays for the verbs it uses, and a library that only depends on spanguard
# pays for none. The last two need the SDK.
_HOMES: Final = {
    "__version__": "semconv",
    "association": "_verbs.association",
    "current_call": "_core.call",
    "current_operation": "_core.operation",
    "declare": "vocabulary.declared",
    "traced_breaker": "_verbs.gates",
    "traced_cache": "_verbs.gates",
    "traced_failover": "_verbs.failover",
    "traced_llm_call": "_verbs.call",
    "traced_rate_limit": "_verbs.gates",
    "traced_repair": "_verbs.attempts",
    "traced_retry": "_verbs.attempts",
    "traced_validation": "_verbs.gates",
    "configure": "pipeline",
    "PrivacySpanProcessor": "privacy",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(f"{__name__}.{home}"), "VERSION" if name == "__version__" else name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
