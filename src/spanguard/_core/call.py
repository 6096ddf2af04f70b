"""One call of a model: the CLIENT span, its usage, and the metrics of the GenAI conventions."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import ClassVar, Final

from spanguard._core.border import ask, quiet, swallow
from spanguard._core.errors import Failure, failure, is_cancellation
from spanguard._core.measured import NO_PACE
from spanguard._core.prices import price
from spanguard._core.readers.reading import UNREAD, Reading, finish_reason
from spanguard._core.readers.response import read
from spanguard._core.readers.stream import StreamReader
from spanguard._core.recorder import on
from spanguard._core.scope import Scope, current_scope
from spanguard._core.usage import NOTHING, Spent, Usage, amount, tokens
from spanguard._core.writers import Attributes
from spanguard.semconv import (
    CHUNKS,
    CLOSED_EARLY,
    COST_SOURCE,
    GEN_AI_FINISH,
    GEN_AI_FIRST_CHUNK,
    GEN_AI_MODEL,
    GEN_AI_OPERATION,
    GEN_AI_PROVIDER,
    GEN_AI_RESPONSE_ID,
    GEN_AI_RESPONSE_MODEL,
    GEN_AI_STREAM,
    GEN_AI_TOP_K,
    OUTCOME,
    USAGE_SOURCE,
)
from spanguard.vocabulary.models import model_name
from spanguard.vocabulary.pseudonyms import pseudonym

_SECOND: Final = 1e9
_NO_DETAILS: Final = list(NOTHING[2:])


class Call(Scope):
    """One call of a model, from the request to the last byte of the answer.

    Made by `spanguard.traced_llm_call`; ``with traced_llm_call(...) as call`` and `spanguard.current_call` hand it out. Its
    methods take what the response cannot be read for, and never raise.
    """

    gen_ai: ClassVar[bool] = True
    _stated: Reading = UNREAD
    _response: object = None
    _stream: StreamReader | None = None
    has_one_answer: bool = False
    """Whether a stream is known to be of one answer, and followed as the API sends it."""
    _asks_for_stream: bool = False
    _closed_early: bool = False
    _counted: tuple[object, ...] = ()
    _priced: bool = False

    def __init__(
        self,
        operation: str | None = None,
        provider: str | None = None,
        model: str | None = None,
        reader: Callable[..., object] | None = None,
    ) -> None:
        self._reader = reader
        self._operation = operation
        self._provider = provider
        self._model = model

    # ----------------------------------------------------------------------------------------------- what a user calls

    @quiet
    def record_usage(
        self,
        *,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        cache_read_tokens: int | None = None,
        cache_write_tokens: int | None = None,
        reasoning_tokens: int | None = None,
        cost: float | None = None,
    ) -> None:
        """State what the call used, where the response cannot be read for it.

        Token counts are whole numbers from 0 up; ``input_tokens`` includes cached ones and ``output_tokens`` includes
        reasoning, as in the GenAI conventions; ``cost`` is in USD. What is stated here beats what the response says, and a
        second call replaces what the first one said. A value that cannot be is left out and logged once.
        """
        where = "record_usage"
        stated = Usage(
            tokens(where, input_tokens),
            tokens(where, output_tokens),
            tokens(where, cache_read_tokens),
            tokens(where, cache_write_tokens),
            tokens(where, reasoning_tokens),
            amount(where, cost),
        )
        if self.started:
            self._stated = self._stated._replace(usage=stated.over(self._stated.usage))

    @quiet
    def record_response(self, response: object) -> None:
        """Hand over the provider's response to be read: an object of its library, or a mapping of the same shape.

        For programs whose function returns something else. Nothing of the content is kept.
        """
        if self.started:
            self._response = response

    @quiet
    def record_finish_reason(self, *reasons: str) -> None:
        """State why the answer ended, one reason for each choice, in the provider's words (``stop``, ``length`` ...)."""
        if self.started:
            self._stated = self._stated._replace(finish_reasons=tuple(finish_reason(str(each)) for each in reasons))

    # ------------------------------------------------------------------------------------------------------- its course

    @quiet
    def start(self, attributes: Attributes) -> None:
        """Start the span with all that a sampler may want to know, if anybody listens."""
        if on():
            self.open(attributes)

    def open(self, attributes: Attributes) -> None:
        """Start the span, for who knows that somebody listens, and swallows what goes wrong."""
        self.begin()
        name, base = _named(self._operation, self._provider, self._model)
        asked = {**base, **attributes}
        if self.parent is not None:
            asked.update(self.parent.serves())
        if GEN_AI_STREAM in attributes:
            self._asks_for_stream = True
        if GEN_AI_TOP_K in attributes:
            asked[GEN_AI_TOP_K] = self.recorder.generation.top_k(attributes[GEN_AI_TOP_K])  # type: ignore[arg-type]
        self.open_span(name, asked)

    def follow(self) -> StreamReader | None:
        """Hear that the answer is a stream; return what reads its chunks."""
        if self.started:
            self._stream = StreamReader(one_answer=self.has_one_answer)
        return self._stream

    def returned(self, value: object) -> None:
        """Take what the function returned."""
        if self._response is None:
            reader = self._reader
            self._response = value if reader is None else ask("reader", lambda: reader(value))

    def stopped_early(self, error: BaseException) -> None:
        """End the call because the consumer of its stream stopped reading."""
        self._closed_early = True
        self.finish(error)

    def finish(self, error: BaseException | None = None) -> None:
        """End the call; the exception is the one that leaves it. Only the first time counts."""
        if self.done or not self.started:
            return
        self.done = True
        try:
            elapsed = self.elapsed()
            reading = ask("response", self._read) or UNREAD
            if self._stated is not UNREAD:
                reading = self._stated.over(reading)
            fault, failed = None, False
            if error is not None:
                fault = failure(error)
                failed = not is_cancellation(error)
            usage, model, _, _, provider = reading
            provider, model = self._provider or provider, model and model_name(model)
            recorder, parent = self.recorder, self.parent
            if recorder.settings.prices:
                reading = self._with_cost(reading, provider)
                usage = reading.usage
            if recorder.measures:
                self._measure(elapsed, provider, model, usage, fault if failed else None)
            attributes: Attributes = {}
            if self.span.is_recording():
                self._learnt(reading, provider, model, attributes)
                if fault is not None:
                    attributes[OUTCOME] = "failed" if failed else "cancelled"
            if parent is not None:
                self._account(parent, Spent(usage, provider, self._model or model))
            self.end_span(elapsed, attributes, fault, failed=failed)
            self._response = self._stream = None
        except Exception as raised:
            swallow(Call.finish, raised)

    def _account(self, parent: Scope, spent: Spent) -> None:
        parent.was_counted(self._sources())
        if spent.usage != NOTHING:
            parent.spend([spent])

    def was_counted(self, responses: list[object]) -> None:
        """Remember responses that calls inside this one have counted, to count none twice."""
        self._counted += tuple(responses)

    # -------------------------------------------------------------------------------------------------------- internals

    def _read(self) -> Reading:
        reading = UNREAD
        if self._stream is not None:
            reading = self._stream.read()
        if self._response is not None:
            whole = read(self._response)
            reading = whole if reading is UNREAD else whole.over(reading)
        if self._counted:
            counted = {id(each) for each in self._counted}
            if any(id(each) in counted for each in self._sources()):
                # The same object came out of a call inside this one, where its tokens are counted.
                reading = reading._replace(usage=NOTHING)
        return reading

    def _sources(self) -> list[object]:
        kept = [] if self._stream is None else list(self._stream.kept)
        return kept if self._response is None else [*kept, self._response]

    def _with_cost(self, reading: Reading, provider: str | None) -> Reading:
        model = reading.model or self._model
        if reading.usage.cost is not None or not model:
            return reading
        cost = ask("prices", lambda: price(provider, model, reading.usage))
        self._priced = cost is not None
        return reading._replace(usage=reading.usage._replace(cost=cost))

    def _learnt(self, reading: Reading, provider: str | None, model: str | None, attributes: Attributes) -> None:
        usage, _, own_id, reasons, _ = reading
        if provider and not self._provider:
            attributes[GEN_AI_PROVIDER] = provider
        if model:
            attributes[GEN_AI_RESPONSE_MODEL] = model
        if own_id:
            attributes[GEN_AI_RESPONSE_ID] = pseudonym(own_id, GEN_AI_RESPONSE_ID)
        if reasons:
            attributes[GEN_AI_FINISH] = reasons
        if usage is not NOTHING:
            self._used(usage, attributes)
        stream = self._stream
        if stream is not None:
            attributes[CHUNKS] = stream.count
            if not self._asks_for_stream:
                attributes[GEN_AI_STREAM] = True
            if stream.first is not None:
                attributes[GEN_AI_FIRST_CHUNK] = (stream.first - self._start_ticks) / _SECOND
        if self._closed_early:
            attributes[CLOSED_EARLY] = True

    def _used(self, usage: Usage, attributes: Attributes) -> None:
        names, stated = self.recorder.generation.usage, self._stated
        sent, received, *details = usage
        if sent is not None:
            attributes[names[0]] = sent
        if received is not None:
            attributes[names[1]] = received
        if details != _NO_DETAILS:
            self._used_in_detail(usage, names, attributes)
        if stated is not UNREAD and stated.usage.counted:
            attributes[USAGE_SOURCE] = "caller"

    def _used_in_detail(self, usage: Usage, names: tuple[str, ...], attributes: Attributes) -> None:
        for name, value in zip(names[2:], usage[2:6], strict=True):
            if value is not None:
                attributes[name] = value
        if usage.cost is not None:
            stated = self._stated.usage.cost is not None
            attributes[COST_SOURCE] = "caller" if stated else "prices" if self._priced else "provider"
        if usage.modal is not None:
            for (kind, modality), name in self.recorder.generation.modal.items():
                count = usage.by_modality(kind).get(modality)
                if count is not None:
                    attributes[name] = count

    @quiet
    def _measure(self, elapsed: int, provider: str | None, model: str | None, usage: Usage, error: Failure | None) -> None:
        pace, stream = NO_PACE, self._stream
        if stream is not None and (first := stream.first) is not None:
            number, at = stream.timed
            pace = first - self._start_ticks, (at - first) / (number - 1) if number > 1 else None
        key = self._operation, provider, self._model, model
        self.recorder.calls.record(key, (elapsed, usage, pace, error and error.type), self._inner or self.inner)


@lru_cache(maxsize=1000, typed=True)  # a pseudonym is not the text that looks like it
def _named(operation: str | None, provider: str | None, model: str | None) -> tuple[str, Attributes]:
    """Return the name of a call's span and the attributes of what makes it one; nobody changes them."""
    base: Attributes = {GEN_AI_OPERATION: operation, GEN_AI_PROVIDER: provider, GEN_AI_MODEL: model}  # type: ignore[dict-item]
    name = operation or "llm_call"
    return f"{name} {model}" if model else name, {key: value for key, value in base.items() if value}


_INERT: Final = Call()


def current_call() -> Call:
    """Return the call that is running here, to tell it late facts: ``current_call().record_usage(output_tokens=12)``.

    Outside any call, and with no SDK configured, it returns a call that ignores what it is told.
    """
    scope = current_scope()
    while scope is not None and not isinstance(scope, Call):
        scope = scope.parent
    return scope or _INERT
