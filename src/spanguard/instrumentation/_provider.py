"""A call of a model that a provider's SDK makes: one span for each, whoever makes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from opentelemetry.context import Context, get_value

from spanguard import semconv
from spanguard._core.attempt import Attempt
from spanguard._core.border import quiet
from spanguard._core.call import Call
from spanguard._core.errors import Failure
from spanguard._core.operation import Operation
from spanguard._core.scope import Scope, current_scope
from spanguard._core.switch import SPAN_KEY, switch
from spanguard._core.usage import Usage
from spanguard._core.writers import Attributes

# Under these keys of the context opentelemetry-util-genai keeps the call that is running; the third one asks for silence.
_KEYS: Final = frozenset(
    {
        "opentelemetry.genai.client.inference.context",
        "opentelemetry.genai.client.embedding.context",
        "suppress_language_model_instrumentation",
    }
)
_current: Final = switch()[0]
_INFERENCE: Final = ("chat", "generate_content", "text_completion", "embeddings")


class ProviderCall(Call):
    """A call that an SDK makes. It has a span and metrics of its own only where nobody else makes them.

    A span that the SDK itself makes comes without metrics, which are ours then.

    In any case what it used is counted: for a `traced_llm_call` around it, or else for the attempt that it serves.
    """

    _teller: Call | None = None
    _measures: bool = False

    @quiet
    def start(self, attributes: Attributes, *, has_span: bool = False) -> None:
        """Start the call, where somebody listens, with a span unless it has one already, as the SDK says or the context."""
        self._teller = _around()
        context = _current()
        ours = self._operation is not None and self._teller is None and not _announced(context)
        self._measures = ours and (has_span or not _has_span(context))
        if self._measures and not has_span:
            self.open(attributes)
        else:
            self.begin()

    def finish(self, error: BaseException | None = None) -> None:
        """End the call; the exception is the one that leaves it. Only the first time counts."""
        if self._teller is not None and not self.done:
            self._tell(self._teller)
        super().finish(error)

    @quiet
    def _tell(self, call: Call) -> None:
        """Leave it to the call around this one to read the answer, unless the program tells it what to read."""
        if call._reader is None and call._response is None:
            for each in self._sources():
                call.record_response(each)
        self._response = self._stream = None

    def _measure(self, elapsed: int, provider: str | None, model: str | None, usage: Usage, error: Failure | None) -> None:
        if self._measures:
            super()._measure(elapsed, provider, model, usage, error)


def _around() -> Call | None:
    """Return the call of the program's own that this one is, with no attempt in between."""
    scope = current_scope()
    while scope is not None and not isinstance(scope, (Operation, Attempt)):
        if isinstance(scope, Call) and not scope.done:
            return scope
        scope = scope.parent
    return None


def _announced(context: Context) -> bool:
    """Whether another instrumentation says in the context that it tells of this call."""
    return not _KEYS.isdisjoint(context) and any(get_value(key, context) for key in _KEYS)


def _has_span(context: Context) -> bool:
    """Whether another instrumentation has made a span for this call."""
    span = context.get(SPAN_KEY)
    if span is None:
        return False
    attributes: object = getattr(span, "attributes", None)  # of the SDK's spans
    if not isinstance(attributes, Mapping) or attributes.get(semconv.GEN_AI_OPERATION) not in _INFERENCE:
        return False
    scope: Scope | None = current_scope()
    while scope is not None and scope.span is not span:
        scope = scope.parent
    return scope is None
