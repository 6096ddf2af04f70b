"""Names for annotations: what the verbs give and what they are, for functions that take or return one.

    from spanguard.types import Attempt

    def check(reply: str, attempt: Attempt) -> bool: ...

What ``with`` gives: `Call` of `traced_llm_call`, `Operation` of `traced_repair` and `traced_retry` with its `Attempt`,
`Failover` of `traced_failover`, `BreakerCall` of `traced_breaker`, `Wait` of `traced_rate_limit`, `Lookup` of `traced_cache`,
`Validation` of `traced_validation`, `Association` of `association`. What the verbs return, to keep and to hand on: `LLMCall`,
`Repeated`, `FailoverVerb`, `Breaker`, `Limiter`, `Cache`, `Validator`, `Associated`; and `Pipeline` of `configure`. They are
made by the verbs: to call one of these classes is not part of what is public.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spanguard._core.association import Association
from spanguard._core.attempt import Attempt
from spanguard._core.breaker import BreakerCall
from spanguard._core.call import Call
from spanguard._core.failover import Failover
from spanguard._core.limiter import Wait
from spanguard._core.lookup import Lookup
from spanguard._core.operation import Operation
from spanguard._core.validation import Validation
from spanguard._verbs.association import Associated
from spanguard._verbs.attempts import Repeated
from spanguard._verbs.call import LLMCall
from spanguard._verbs.failover import FailoverVerb
from spanguard._verbs.gates import Breaker, Cache, Limiter, Validator

if TYPE_CHECKING:
    from spanguard.pipeline import Pipeline

__all__ = [
    "Associated",
    "Association",
    "Attempt",
    "Breaker",
    "BreakerCall",
    "Cache",
    "Call",
    "Failover",
    "FailoverVerb",
    "LLMCall",
    "Limiter",
    "Lookup",
    "Operation",
    "Pipeline",
    "Repeated",
    "Validation",
    "Validator",
    "Wait",
]


def __getattr__(name: str) -> object:
    if name == "Pipeline":  # needs the SDK, as `spanguard.configure` does
        from spanguard.pipeline import Pipeline

        return Pipeline
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
