"""pydantic-ai 1.107 to 2.68 (also as pydantic-ai-slim), sync and async, whichever provider's SDK is below it.

What is seen, as metrics alone, for pydantic-ai makes spans of its own (``Agent.instrument_all()``): each run of an agent
(``run``, ``run_sync``, ``run_stream``, ``iter``) as an operation `repair`, with an attempt for each time that the model was
sent back: because an output did not validate, or a validator or a tool raised ``ModelRetry``, or the arguments of a tool
were wrong. An attempt is all that the model did until then, its other requests and tools too. Of each refusal a verdict,
whose rule is ``model_retry``, ``no_output`` or the kind of pydantic's first complaint; of each output that validated one
that says so. And what the refused attempts have cost. An agent's name is its ``name=``, if that is a literal where the agent
is made or was declared, else the variable that it is assigned to. Neither an answer nor the feedback to it is recorded.

Each request of a ``FallbackModel``, or of an agent with the capability ``ModelFallback`` (2.64 and newer), is an operation
`failover`, likewise as metrics alone: an attempt for each model that is asked, and the hops between them. It is called as the
variable that the one or the other is assigned to, or the function that makes it.

Retries of the SDK inside, or of a transport that runs on tenacity, are told by those that make them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, ClassVar, Final
from weakref import WeakValueDictionary

from opentelemetry.context import get_current

from spanguard._core.attempt import Attempt
from spanguard._core.border import quiet
from spanguard._core.readers.providers import known_as
from spanguard._core.scope import Scope, current_scope
from spanguard._core.usage import Spent, Usage
from spanguard._core.writers import Attributes
from spanguard.instrumentation import _names, _pydantic_ai_capability
from spanguard.instrumentation._adapter import (
    Args,
    Clearable,
    Instrumentor,
    Kwargs,
    Outcome,
    Patch,
    after,
    argument,
    before,
)
from spanguard.instrumentation._complaints import complaint
from spanguard.instrumentation._pydantic_ai_failover import PATCHES, Spanless, names_of
from spanguard.vocabulary.declared import declare
from spanguard.vocabulary.models import model_name

_LIBRARY: Final = "pydantic-ai"
_GRAPH: Final = "pydantic_ai._agent_graph"
_names_of: Final = _names.Made("repair", "pydantic_ai")
_running: Final[WeakValueDictionary[str, _Repair]] = WeakValueDictionary()
"""The repairs that run, by the id of the agent's run."""


class _Try(Attempt):
    """What the model did until it was sent back, or until the run ended."""

    def _open_late(self) -> None:
        """Make no span."""


class _Repair(Spanless):
    """One run of an agent, however often the model is sent back."""

    def __init__(self, agent: Any, run: Any) -> None:
        super().__init__("repair", _names_of.name(agent, named=agent.name), library=_LIBRARY)
        self._run = run
        self._told = False
        self._spent: Spent | None = None
        self._over = False

    @quiet
    def start(self) -> None:
        """Start the operation, and be known by the run."""
        super().start()
        if self.started:
            _running[self._run.ctx.state.run_id] = self

    @property
    def trying(self) -> _Try:
        """The attempt that runs; one that has just begun, if the last was refused."""
        last = self._last
        if isinstance(last, _Try) and last.error is None:
            return last
        if last is not None:
            last.finish()
        attempt = _Try(self, self)
        attempt.start()
        self._told, self._spent = False, None
        return attempt

    def spend(self, spent: list[Spent]) -> None:
        """Hear what calls inside used, and operations in between: it was for the attempt of the moment."""
        self.trying.spend(spent)

    def _answered(self, response: Any) -> None:
        """Hear of an answer; what it used is counted if no call inside the run has told of any."""
        attempt, used = self.trying, response.usage
        if attempt.seen is self._spent and (used.input_tokens or used.output_tokens):
            cached = used.cache_read_tokens or None, used.cache_write_tokens or None
            usage = Usage(used.input_tokens, used.output_tokens, *cached, used.details.get("reasoning_tokens"))
            model = model_name(response.model_name) if response.model_name else None
            attempt.spend([Spent(usage, known_as(response.provider_name), model)])
        self._spent = attempt.seen

    def sent_back(self, stage: str, error: BaseException | None, *, last: bool) -> None:
        """Hear that an output or the call of a tool was refused, and if that was once too often."""
        self._over = self._over or last
        if self._told and stage == "output":
            return  # an output tool tells twice: as a tool, and as the output
        self._told = stage == "output"
        rule, attempt = _rule(error), self._last
        declare(rule)
        if attempt is not None:
            name = "output_type" if stage == "output" else "tool"
            attempt.validated(name, passed=False, rule=rule, stage=stage, action="blocked" if last else "retried")

    @quiet
    def finish(self, error: BaseException | None = None) -> None:
        """End the operation. A run that was left without an error and without a result is cancelled."""
        _running.pop(self._run.ctx.state.run_id, None)
        attempt = self._last
        if _cancelled(error) if error is not None else self._run.result is None:
            error = GeneratorExit()
        if error is None and attempt is not None and attempt.error is None and _validates(self._run.ctx.deps):
            attempt.validated("output_type", passed=True)
        if self._over and attempt is not None:
            attempt.finish()  # of what was wrong with it, not of the error that says that this was once too often
        super().finish(error)

    def _tried_all(self) -> bool:
        return self._over


class _Inside(Scope):
    """What is current while an agent runs: what calls inside serve is the attempt of the moment."""

    def __init__(self, repair: _Repair) -> None:
        super().__init__()
        self._repair = repair
        self.begin()
        self.parent = repair

    def serves(self) -> Attributes:
        """Return the attributes that tell a call which attempt it serves."""
        return self._repair.trying.serves()

    def suspend(self) -> None:
        """Make it no longer current, nor what began inside and is closed later, elsewhere: a stream that was left."""
        scope = current_scope()
        while scope is not None and scope is not self:
            scope = scope.parent
        if scope is self:
            self._attached = get_current()
        super().suspend()


def _rule(error: BaseException | None) -> str:
    """Return what was wrong, in pydantic-ai's words or pydantic's."""
    cause = error.__cause__ if type(error).__name__ == "ToolRetryError" and error is not None else error
    if cause is None:
        return "no_output"
    return "model_retry" if type(cause).__name__ == "ModelRetry" else complaint(cause)


def _cancelled(error: BaseException) -> bool:
    """Whether the program itself has stopped the run; by a deadline is another thing."""
    return type(error).__name__ == "RunCancelled"


def _validates(deps: Any) -> bool:
    """Whether anything looks at the output: text alone is taken as it comes."""
    return bool(deps.output_validators) or type(deps.output_schema).__name__ != "TextOutputSchema"


@quiet
def _begun(agent: Any, run: Any) -> tuple[_Repair, _Inside] | None:
    repair = _Repair(agent, run)
    repair.start()
    if not repair.started:
        return None
    inside = _Inside(repair)
    inside.resume()
    _pydantic_ai_capability.begin(run.ctx.state.run_id)
    return repair, inside


@asynccontextmanager
async def _followed(manager: AbstractAsyncContextManager[Any], agent: Any) -> AsyncIterator[Any]:
    """Follow a run from where its context manager is entered to where it has been left."""
    begun = None
    try:
        async with manager as run:
            begun = _begun(agent, run)
            try:
                yield run
            except BaseException as error:
                if begun is not None:
                    _pydantic_ai_capability.end(run.ctx.state.run_id, error)
                raise
            finally:
                if begun is not None:
                    _pydantic_ai_capability.end(run.ctx.state.run_id, GeneratorExit())
                    begun[1].suspend()
    except BaseException as error:
        if begun is not None:
            begun[0].finish(error)
        raise
    if begun is not None:
        begun[0].finish()


def _made(agent: Any, _args: Args, kwargs: Kwargs) -> None:
    _names_of.heard(agent, kwargs.get("name"))


def _iterated(wrapped: Callable[..., Any], agent: Any, args: Args, kwargs: Kwargs) -> Any:
    return _followed(wrapped(*args, **kwargs), agent)


def _of(args: Args, kwargs: Kwargs) -> _Repair | None:
    return _running.get(argument(args, kwargs, 0, "ctx").state.run_id)


def _asked(_node: Any, args: Args, kwargs: Kwargs) -> None:
    repair = _of(args, kwargs)
    if repair is not None:
        _ = repair.trying


def _responded(_node: Any, args: Args, kwargs: Kwargs) -> None:
    repair = _of(args, kwargs)
    if repair is not None:
        repair._answered(argument(args, kwargs, 1, "response"))


def _output_refused(state: Any, args: Args, kwargs: Kwargs, outcome: Outcome) -> None:
    repair = _running.get(state.run_id)
    if repair is not None:
        repair.sent_back("output", argument(args, kwargs, 1, "error"), last=outcome.error is not None)


def _tool_refused(manager: Any, args: Args, kwargs: Kwargs, outcome: Outcome) -> None:
    repair = _running.get(manager.ctx.run_id)
    if repair is not None:
        tool = (manager.tools or {}).get(argument(args, kwargs, 0, "name"))
        stage = "output" if tool is not None and tool.tool_def.kind == "output" else "tool"
        repair.sent_back(stage, argument(args, kwargs, 2, "error"), last=outcome.error is not None)


class PydanticAIInstrumentor(Instrumentor):
    """Shows how often agents of pydantic-ai are sent back, and what that costs."""

    library = _LIBRARY
    requires: ClassVar[tuple[str, ...]] = ("pydantic-ai-slim >= 1.107, < 3",)
    known: ClassVar[tuple[Clearable, ...]] = (_names_of, names_of)
    patches: ClassVar[tuple[Patch, ...]] = (
        Patch("pydantic_ai.agent", "Agent.__init__", before(_made), always=True),
        Patch("pydantic_ai.agent", "Agent.iter", _iterated),
        Patch(_GRAPH, "ModelRequestNode._prepare_request", before(_asked)),
        Patch(_GRAPH, "ModelRequestNode._append_response", before(_responded)),
        Patch(_GRAPH, "GraphAgentState.consume_output_retry", after(_output_refused)),
        Patch("pydantic_ai.tool_manager", "ToolManager._check_max_retries", after(_tool_refused)),
        *PATCHES,
        *_pydantic_ai_capability.PATCHES,
    )
