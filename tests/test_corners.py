"""Every verb in every corner of Python: what a probe from outside would try, for all eight, as decorator and as `with`."""

from __future__ import annotations

import abc
import asyncio
import concurrent.futures
import contextlib
import contextvars
import copy
import dataclasses
import functools
import gc
import inspect
import pickle
import subprocess
import sys
import threading
import traceback
import typing
from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock, MagicMock, Mock

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from spanguard import (
    association,
    current_call,
    current_operation,
    traced_breaker,
    traced_cache,
    traced_failover,
    traced_llm_call,
    traced_rate_limit,
    traced_repair,
    traced_retry,
    traced_validation,
)
from spanguard._core import border, names
from spanguard._core.recorder import recorder
from spanguard._core.scope import current_scope
from support import Telemetry, Way, completion

MAKERS: dict[str, Callable[[], Any]] = {
    "call": lambda: traced_llm_call(model="gpt-5.2"),
    "repair": lambda: traced_repair("invoice"),
    "retry": lambda: traced_retry("quote"),
    "failover": lambda: traced_failover("chain"),
    "breaker": lambda: traced_breaker("provider"),
    "limiter": lambda: traced_rate_limit("provider"),
    "cache": lambda: traced_cache("answers"),
    "validation": lambda: traced_validation("schema"),
    "association": lambda: association(role="planner"),
}
BARE: dict[str, Callable[[Any], Any]] = {
    "call": traced_llm_call,
    "repair": traced_repair,
    "retry": traced_retry,
    "failover": traced_failover,
    "breaker": traced_breaker,
    "limiter": traced_rate_limit,
    "cache": traced_cache,
    "validation": traced_validation,
}
DECORATORS: dict[str, Callable[[Any], Any]] = {
    **{f"bare {name}": verb for name, verb in BARE.items()},
    **{name: lambda function, make=make: make()(function) for name, make in MAKERS.items()},  # type: ignore[misc]
}
# What proves in the metrics that a use of the verb was counted once.
COUNTS = {
    "call": "gen_ai.client.operation.duration",
    "repair": "resilience.operation.duration",
    "retry": "resilience.operation.duration",
    "failover": "resilience.operation.duration",
    "breaker": "resilience.circuit_breaker.calls",
    "limiter": "resilience.rate_limiter.requests",
    "cache": "resilience.cache.lookups",
    "validation": "resilience.validation.duration",
}


@pytest.fixture(params=list(MAKERS))
def make(request: pytest.FixtureRequest) -> Callable[[], Any]:
    """Makes each verb."""
    return MAKERS[request.param]


@pytest.fixture(params=list(DECORATORS))
def decorator(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    """Each verb as a decorator, bare and with arguments."""
    return DECORATORS[request.param]


@pytest.fixture(autouse=True)
def nothing_stays(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """After every test here no scope and no span is current; and its policies count not towards the 200 of the process."""
    monkeypatch.setattr(names, "_used", set())
    yield
    assert current_scope() is None
    assert not trace.get_current_span().get_span_context().is_valid


@pytest.fixture
def lenient(telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch) -> Telemetry:
    """Telemetry as users have it: what goes wrong in it is logged."""
    monkeypatch.setattr(border, "strict", False)
    return telemetry


def uses(telemetry: Telemetry, name: str) -> int:
    """Return how often a verb was counted."""
    points = telemetry.metrics().get(COUNTS[name], [])
    return sum(value[0] if isinstance(value, tuple) else value for _, value in points)


# ------------------------------------------------------------------------------------------- nested, recursive, interleaved


@pytest.mark.parametrize("name", COUNTS)
def test_a_decorated_function_may_call_itself(telemetry: Telemetry, way: Way, name: str) -> None:
    """Each call is one use."""

    def body(depth: int) -> int:
        return depth and Way(inner).run(traced, depth - 1)

    inner = way.name if "async" not in way.name else "def"  # a loop does not run in a loop
    traced = MAKERS[name]()((Way(inner) if inner != way.name else way).function(body))
    outer = MAKERS[name]()(way.function(lambda: Way(inner).run(traced, 2)))
    assert way.run(outer) == 0
    assert uses(telemetry, name) == 4


@pytest.mark.parametrize("name", COUNTS)
def test_one_verb_may_be_entered_while_it_is_entered(telemetry: Telemetry, name: str) -> None:
    """By the same code, by itself in a deeper frame, and by an `ExitStack`."""
    verb = MAKERS[name]()

    def deeper(depth: int) -> None:
        with verb:
            if depth:
                deeper(depth - 1)

    with verb as outer, verb as inner, contextlib.ExitStack() as stack:
        assert outer is not inner
        stack.enter_context(verb)
        deeper(2)
    assert verb._running == []
    assert uses(telemetry, name) == 6


@pytest.mark.parametrize("name", COUNTS)
def test_one_verb_may_be_entered_by_many_tasks_and_threads(telemetry: Telemetry, name: str) -> None:
    """Each leaves what it entered, in whichever order they end."""
    verb = MAKERS[name]()
    seen: list[bool] = []

    async def task(turns: int) -> None:
        with verb as mine:
            for _ in range(turns):
                await asyncio.sleep(0)
            seen.append(current_scope() is mine)

    async def tasks() -> None:
        await asyncio.gather(*map(task, (3, 1, 4, 1, 5)))

    barrier = threading.Barrier(4)

    def thread() -> None:
        with verb as mine:
            barrier.wait(10)
            seen.append(current_scope() is mine)

    asyncio.run(tasks())
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(thread) for _ in range(4)]:
            future.result()
    assert seen == [True] * 9
    assert verb._running == []
    assert uses(telemetry, name) == 9


def test_all_verbs_nest_in_each_other(telemetry: Telemetry) -> None:
    """In any order; what was current outside is current again afterwards."""
    for order in (list(MAKERS), list(MAKERS)[::-1]):
        telemetry.clear()
        with contextlib.ExitStack() as stack:
            scopes = [stack.enter_context(MAKERS[name]()) for name in order]
            for inner, outer in zip(scopes[::-1], [*scopes[-2::-1], None], strict=True):
                assert inner.parent is outer
        assert telemetry.span("chat gpt-5.2").status == "UNSET"


def test_a_with_block_that_is_left_by_return_break_or_continue_ends(telemetry: Telemetry, make: Any) -> None:
    """Once, and without an error."""

    def leaves() -> int:
        for number in range(3):
            with make():
                if number == 0:
                    continue
                break
        with make():
            return number

    assert leaves() == 1
    assert all(span.status == "UNSET" for span in telemetry.spans)


# ----------------------------------------------------------------------------------------------------- classes and methods


def test_methods_of_every_kind_and_order(telemetry: Telemetry, decorator: Any) -> None:
    """Static, class, property, partial, abstract; above the decorator and below it."""

    class Base(abc.ABC):
        @decorator
        @abc.abstractmethod
        def below(self) -> int: ...

        @abc.abstractmethod
        @decorator
        def above(self) -> int: ...

    class Mine(Base):
        factor = 2

        below = decorator(lambda self: self.factor)
        above = functools.partialmethod(decorator(lambda self, number: number), 2)

        @decorator
        @staticmethod
        def static_below(number: int) -> int:
            return number

        @staticmethod
        @decorator
        def static_above(number: int) -> int:
            return number

        @decorator
        @classmethod
        def class_below(cls, number: int) -> int:
            return number * cls.factor // 2

        @classmethod
        @decorator
        def class_above(cls, number: int) -> int:
            return number * cls.factor // 2

        @decorator
        @property
        def computed(self) -> int:
            return self.factor

        @decorator
        def __call__(self, number: int) -> int:
            return number

        async def later(self, number: int) -> int:
            return number

        later = decorator(later)

    assert Base.__abstractmethods__ == {"below", "above"}
    with pytest.raises(TypeError, match="abstract"):
        Base()  # type: ignore[abstract]
    mine: Any = Mine()
    assert [mine.below(), mine.above(), mine.computed, mine(2)] == [2] * 4
    assert [getattr(each, name)(2) for each in (mine, Mine) for name in ("static_below", "static_above")] == [2] * 4
    assert [getattr(each, name)(2) for each in (mine, Mine) for name in ("class_below", "class_above")] == [2] * 4
    assert asyncio.run(mine.later(2)) == 2
    assert inspect.iscoroutinefunction(mine.later)
    assert inspect.ismethod(mine.__call__)


def test_protocols_dataclasses_and_slots(telemetry: Telemetry, decorator: Any) -> None:
    """A traced method satisfies a protocol, and stands in frozen, slotted and ordered classes."""

    @typing.runtime_checkable
    class Asks(typing.Protocol):
        def ask(self, prompt: str) -> str: ...

    @dataclasses.dataclass(frozen=True, order=True, slots=True)
    class Client:
        name: str

        @decorator
        def ask(self, prompt: str) -> str:
            return f"{self.name} {prompt}"

        @decorator
        def __eq__(self, other: object) -> bool:
            return isinstance(other, Client) and self.name == other.name

        __hash__ = None  # type: ignore[assignment]

    class Child(Client):
        @decorator
        def ask(self, prompt: str) -> str:
            return super().ask(prompt) + "!"

    assert isinstance(Child("a"), Asks)
    assert Child("a").ask("b") == "a b!"
    assert min([Client("b"), Client("a")]).name == "a"
    assert Client("a") == Client("a")
    assert pickle.loads(pickle.dumps(dataclasses.astuple(Client("a")))) == ("a",)


def test_wrapped_functions_are_told_apart_and_found(telemetry: Telemetry, way: Way, decorator: Any) -> None:
    """`inspect` finds signature, source and the innermost function, through any chain of wrappers."""

    def ordinary(prompt: str, /, *rest: int, model: str = "gpt-5.2", **more: object) -> str:
        """Ask."""
        return prompt

    function = functools.wraps(ordinary)(way.function(ordinary))
    traced = decorator(decorator(function))
    assert inspect.unwrap(traced) is ordinary
    assert inspect.signature(traced) == inspect.signature(ordinary)
    assert inspect.getsource(traced) == inspect.getsource(ordinary)
    assert inspect.getdoc(traced) == "Ask."
    for kind in ("isfunction", "iscoroutinefunction", "isgeneratorfunction", "isasyncgenfunction"):
        assert getattr(inspect, kind)(traced) == getattr(inspect, kind)(function), kind
    partial = functools.partial(traced, "a", model="b")
    assert inspect.iscoroutinefunction(partial) == inspect.iscoroutinefunction(function)
    assert way.run(partial, 1, x=2) == "a"


def test_what_a_function_carries_it_carries_on(telemetry: Telemetry, decorator: Any) -> None:
    """Attributes set before and after, annotations, defaults, and being hashable, comparable and weakly referable."""

    def ask(prompt: str = "a") -> str:
        return prompt

    ask.role = "planner"  # type: ignore[attr-defined]
    traced = decorator(ask)
    traced.later = 1
    assert (traced.role, traced.later, traced.__annotations__) == ("planner", 1, ask.__annotations__)
    assert traced == traced  # noqa: PLR0124
    assert {traced: 1}[traced] == 1
    assert functools.lru_cache(traced)() == "a"
    assert repr(traced).startswith("<function ")


# ------------------------------------------------------------------------------------------------ copies, pickles, processes


def module_level(number: int) -> int:
    """Is decorated by each verb, below."""
    return number * 2


KEPT: dict[str, Any] = {}
for _name, _decorate in DECORATORS.items():

    def _kept(number: int) -> int:
        return number * 2

    _kept.__qualname__ = _kept.__name__ = f"kept_{_name.replace(' ', '_')}"
    KEPT[_name] = globals()[_kept.__name__] = _decorate(_kept)


@pytest.mark.parametrize("name", DECORATORS)
def test_decorated_functions_travel(telemetry: Telemetry, name: str) -> None:
    """By pickle, copy, deep copy and cloudpickle, alone, in containers and bound to their object."""
    traced = KEPT[name]
    assert pickle.loads(pickle.dumps([traced]))[0] is traced
    assert copy.copy(traced) is copy.deepcopy({"f": traced})["f"] is traced
    cloudpickle = pytest.importorskip("cloudpickle")
    factor = 3
    again = cloudpickle.loads(cloudpickle.dumps(DECORATORS[name](lambda number: number * factor)))
    assert again(4) == 12


def test_verbs_travel_with_the_objects_that_keep_them(telemetry: Telemetry, make: Any) -> None:
    """A client with a breaker of its own is copied and pickled; copies are used apart."""
    holder = SimpleNamespace(verb=make())
    with holder.verb:
        copies = [pickle.loads(pickle.dumps(holder)), copy.deepcopy(holder), copy.copy(holder.verb)]
    for each in copies:
        verb = getattr(each, "verb", each)
        with verb:
            pass
        assert verb(lambda: 1)() == 1
        assert verb._running == []
    assert holder.verb._running == []


def test_decorated_functions_run_in_a_pool_of_processes(tmp_path: Any) -> None:
    """Spawned, as on every system but Linux: each kind of function, and a method of an object that keeps a verb."""
    (tmp_path / "work.py").write_text(SPAWNED, encoding="utf-8")
    ran = subprocess.run([sys.executable, "work.py"], cwd=tmp_path, env=clean(), capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "[2, 4, 6, 8]\n", "")


SPAWNED = """
import asyncio, concurrent.futures, multiprocessing
from spanguard import traced_breaker, traced_cache, traced_llm_call

@traced_llm_call
def call(number): return number * 2

@traced_breaker("provider")
async def later(number): return number * 2

def awaited(number): return asyncio.run(later(number))

class Client:
    def __init__(self): self.breaker = traced_breaker("provider")
    @traced_cache("answers")
    def ask(self, number):
        with self.breaker:
            return number * 2

if __name__ == "__main__":
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        found = [pool.submit(call, 1), pool.submit(awaited, 2), pool.submit(Client().ask, 3), pool.submit(call, number=4)]
        print([each.result() for each in found])
"""


# -------------------------------------------------------------------------------------------------------- asyncio, threads


def test_asyncio_in_all_its_ways(telemetry: Telemetry, decorator: Any) -> None:
    """Gathered, waited for, shielded, as a task, in a thread, in an executor: the same results, nothing left current."""

    @decorator
    async def ask(number: int) -> int:
        await asyncio.sleep(0)
        return number * 2

    sync = decorator(lambda number: number * 2)

    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        found = [*await asyncio.gather(ask(1), ask(2)), await asyncio.wait_for(ask(3), 10), await asyncio.shield(ask(4))]
        found += [
            await asyncio.create_task(ask(5)),
            await asyncio.to_thread(sync, 6),
            await loop.run_in_executor(None, sync, 7),
        ]
        done = await asyncio.wait([asyncio.ensure_future(ask(8))])
        assert current_scope() is None
        return [*found, done[0].pop().result()]

    assert asyncio.run(main()) == [2, 4, 6, 8, 10, 12, 14, 16]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="came with Python 3.11")
def test_timeouts_and_task_groups(telemetry: Telemetry, decorator: Any) -> None:
    """A timeout and a group's cancellation reach the function, and what was started is ended."""
    heard: list[str] = []

    @decorator
    async def ask(*, fail: bool = False) -> None:
        try:
            if fail:
                raise LookupError
            await asyncio.sleep(60)
        except BaseException as error:
            heard.append(type(error).__name__)
            raise

    async def together() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(ask())
            await asyncio.sleep(0)
            group.create_task(ask(fail=True))

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await ask()
        with pytest.raises(ExceptionGroup) as caught:  # noqa: F821
            await together()
        assert [type(each) for each in caught.value.exceptions] == [LookupError]

    asyncio.run(main())
    assert sorted(heard) == ["CancelledError", "CancelledError", "LookupError"]
    for span in telemetry.spans:
        if span["error.type"] == "rate_limited_local":  # whatever leaves the wait for a permit, it was in vain
            continue
        assert span.status == ("ERROR" if span.attributes.get("error.type") == "LookupError" else "UNSET")


def test_a_context_that_is_copied_takes_the_operation_along(telemetry: Telemetry) -> None:
    """To a thread, to a pool, and to a callback that runs later."""
    with traced_repair("invoice") as repair:
        context = contextvars.copy_context()
    assert context.run(current_operation) is repair
    assert current_operation() is not repair
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        assert pool.submit(context.run, current_operation).result() is repair


@pytest.mark.parametrize("where", ["thread", "context"])
def test_a_generator_may_be_closed_somewhere_else(telemetry: Telemetry, make: Any, where: str) -> None:
    """In another thread or another context than it was started in: nothing is said, nothing stays."""

    @make()
    def work() -> Iterator[int]:
        yield 1
        yield 2

    stream = work()
    assert next(stream) == 1
    if where == "thread":
        thread = threading.Thread(target=stream.close)
        thread.start()
        thread.join()
    else:
        contextvars.Context().run(stream.close)
    assert list(stream) == []


# ------------------------------------------------------------------------------------------------------ exceptions, results


class Hostile(Exception):
    """Raises whatever it is asked."""

    def _refuse(self, *_: object) -> Any:
        raise RuntimeError("secret")

    __str__ = __repr__ = __eq__ = __hash__ = __bool__ = __len__ = __getattr__ = _refuse  # type: ignore[assignment]
    status_code = code = status = response = exceptions = __notes__ = property(_refuse)


class Masked(BaseException):
    """Does not tell its class."""

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        raise RuntimeError("secret")


class Meta(type):
    """Makes classes that do not tell where they are from."""

    def __getattribute__(cls, name: str) -> Any:
        if name in ("__module__", "__qualname__"):
            raise RuntimeError("secret")
        return super().__getattribute__(name)


Nameless = Meta("Nameless", (Exception,), {})
ERRORS: dict[str, Callable[[], BaseException]] = {
    "hostile": Hostile,
    "masked": Masked,
    "interrupt": KeyboardInterrupt,
    "exit": SystemExit,
    "generator exit": GeneratorExit,
    "memory": MemoryError,
    "nameless": Nameless,
}


@pytest.mark.parametrize("kind", ERRORS)
def test_the_very_exception_leaves_every_verb(telemetry: Telemetry, make: Any, kind: str) -> None:
    """As decorator and as `with`, whatever it is; nothing of what it says is recorded."""
    error = ERRORS[kind]()

    def fails() -> None:
        raise error

    def enters() -> None:
        with make():
            raise error

    for run in (make()(fails), enters):
        caught: BaseException | None = None
        try:
            run()
        except BaseException as raised:
            caught = raised
        same = caught is error
        assert same  # a failing assertion would look at the exception
        frames = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
        assert frames[-1] in ("fails", "enters")
        error.__traceback__ = None
    assert "secret" not in repr((telemetry.spans, telemetry.metrics(), telemetry.logs))


@pytest.mark.skipif(sys.version_info < (3, 11), reason="came with Python 3.11")
def test_groups_are_split_as_ever(telemetry: Telemetry, make: Any) -> None:
    """`except*` around a traced function takes its part, and the rest goes on."""
    program = """
def work(traced, taken):
    try:
        try:
            traced()
        except* LookupError as group:
            taken.append(group.exceptions)
    except ExceptionGroup as rest:
        return rest.exceptions
"""
    namespace: dict[str, Any] = {}
    exec(program, namespace)
    errors = [KeyError("a"), ValueError("b")]

    @make()
    def fails() -> None:
        raise ExceptionGroup("secret", errors)  # noqa: F821

    taken: list[Any] = []
    assert namespace["work"](fails, taken) == (errors[1],)
    assert taken == [(errors[0],)]


class Lazy:
    """Would do work if it were asked for anything, and says so."""

    asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        self.asked.append(name)
        raise RuntimeError("secret")

    def _refuse(self, *_: object) -> Any:
        raise RuntimeError("secret")

    __str__ = __repr__ = __eq__ = __hash__ = __bool__ = __len__ = __iter__ = __getitem__ = __contains__ = _refuse  # type: ignore[assignment]


class Unclassed:
    """Does not tell its class."""

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        raise RuntimeError("secret")


class Endless(Mapping[str, Any]):
    """A mapping that answers everything and never ends."""

    def __getitem__(self, key: str) -> Any:
        return self

    def __iter__(self) -> Iterator[str]:
        while True:
            yield "usage"

    def __len__(self) -> int:
        return sys.maxsize


RESULTS: dict[str, Callable[[], Any]] = {
    "mock": MagicMock,
    "mock of a generator": lambda: Mock(spec=(n for n in ())),
    "async mock": AsyncMock,
    "lazy": Lazy,
    "unclassed": Unclassed,
    "endless": Endless,
    "huge": lambda: {str(number): "secret" for number in range(100_000)},
    "deep": lambda: functools.reduce(lambda inner, _: {"usage": inner, "choices": [inner]}, range(5000), {}),
    "cycle": lambda: _cycle(),
    "class": lambda: MagicMock,
    "module": lambda: pickle,
    "text": lambda: "secret" * 1000,
    "bytes": lambda: b"secret",
    "none": lambda: None,
    "wrong types": lambda: {"model": 7, "usage": ["a"], "choices": "stop", "id": b"x"},
}


def _cycle() -> dict[str, Any]:
    found: dict[str, Any] = {}
    found["usage"] = found["choices"] = found["response"] = found
    return found


@pytest.mark.parametrize("kind", RESULTS)
def test_the_very_result_comes_out_of_every_verb(lenient: Telemetry, make: Any, way: Way, kind: str) -> None:
    """Whatever it is, returned or yielded; what it holds is not recorded."""
    result = RESULTS[kind]()
    same = way.run(make()(way.function(lambda: result))) is result
    assert same
    assert "secret" not in repr((lenient.spans, lenient.metrics(), lenient.logs))


def test_arguments_are_not_asked(telemetry: Telemetry, way: Way, decorator: Any) -> None:
    """Not for their text, their truth, their class or their attributes, whatever the parameter is called."""
    given = Lazy(), Unclassed()
    Lazy.asked.clear()
    function = way.function(lambda model, stream=None, *, temperature=None, prompt=None: (model, stream, temperature, prompt))
    found = way.run(decorator(function), *given, temperature=given[0], prompt=given[1])
    assert [id(each) for each in found] == [id(given[0]), id(given[1])] * 2
    assert Lazy.asked == []


# ------------------------------------------------------------------------------------------------------ telemetry that fails


class Broken(SpanProcessor):
    """Raises whenever it is called, while it is switched on."""

    on = False

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        if self.on:
            raise RuntimeError("secret")

    def on_end(self, span: Any) -> None:
        if self.on:
            raise RuntimeError("secret")


BROKEN = Broken()


def test_a_processor_that_raises_is_not_felt(
    lenient: Telemetry, make: Any, way: Way, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """OpenTelemetry lets it through; we do not, and log it without what it says."""
    provider: Any = trace.get_tracer_provider()
    if BROKEN not in provider._active_span_processor._span_processors:
        provider.add_span_processor(BROKEN)
    monkeypatch.setattr(BROKEN, "on", True)
    assert way.run(make()(way.function(lambda: "answer"))) == "answer"
    with make():
        pass
    with contextlib.suppress(KeyError), make():
        raise KeyError
    assert "secret" not in caplog.text


def test_a_processor_that_raises_costs_no_tokens(lenient: Telemetry, monkeypatch: pytest.MonkeyPatch) -> None:
    """The book of an operation is kept all the same."""
    provider: Any = trace.get_tracer_provider()
    if BROKEN not in provider._active_span_processor._span_processors:
        provider.add_span_processor(BROKEN)
    monkeypatch.setattr(BROKEN, "on", True)
    with traced_repair("invoice") as repair:
        for attempt in repair.attempts(1):
            with attempt, traced_llm_call(model="gpt-5.2") as call:
                call.record_usage(input_tokens=10, output_tokens=5)
    assert sorted(value for _, value in lenient.metrics()["resilience.token.usage"]) == [5, 10]


def test_a_sampler_that_drops_leaves_the_metrics_whole(
    telemetry: Telemetry, way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No span, and every count; events become log records."""
    for tracer in (recorder()._ours, recorder()._gen_ai):
        monkeypatch.setattr(tracer, "sampler", ALWAYS_OFF)

    def body() -> Any:
        current_call().record_usage(input_tokens=10, output_tokens=5)
        return completion(10, 5)

    with traced_retry("quote") as retry:
        for attempt in retry.attempts(2):
            with attempt:
                way.run(traced_llm_call(model="gpt-5.2")(way.function(body)))
                if attempt.number == 1:
                    attempt.fail(TimeoutError())
            if attempt.number == 1:
                retry.scheduled(1.0)
    points = telemetry.metrics()
    assert telemetry.spans == []
    assert sum(count for _, (count, _) in points["gen_ai.client.operation.duration"]) == 2
    assert sorted(value for _, value in points["resilience.token.usage"]) == [5, 5, 10, 10]
    assert [name for name, *_ in telemetry.logs] == ["resilience.retry.scheduled"]


PROGRAM = """
import asyncio, sys
{before}
import spanguard.types
{configure}
for name in spanguard.__all__:
    if name.startswith(("traced_", "current_", "association")):
        globals()[name] = getattr(spanguard, name)
verbs = [traced_llm_call(model="gpt-5.2"), traced_repair("a"), traced_retry("b"), traced_failover("c"), traced_breaker("d"),
         traced_rate_limit("e"), traced_cache("f"), traced_validation("g"), association(user="bob")]

async def acoroutine(x): return x
def generator(x): yield x
async def agenerator(x): yield x
async def drain(stream): return [each async for each in stream]

for verb in verbs:
    with verb:
        pass
    assert verb(lambda x: x)(1) == 1
    assert asyncio.run(verb(acoroutine)(1)) == 1
    assert list(verb(generator)(1)) == asyncio.run(drain(verb(agenerator)(1))) == [1]
with traced_repair("a") as repair:
    assert [attempt.number for attempt in repair.attempts(3) if attempt.__enter__().validated("x", passed=False) is None
            and attempt.__exit__(None, None, None) is None] == [1, 2, 3]
with traced_failover("c") as chain:
    names = []
    for attempt in chain.candidates("x", "y"):
        with attempt:
            names.append(attempt.candidate)
            attempt.http(status=200)
            attempt.fail(TimeoutError())
    chain.on_failover("x", "y")
assert names == ["x", "y"], names
verbs[4].on_transition("closed", "open")
verbs[5].on_wait(0.5)
verbs[6].on_lookup("hit")
verbs[7].on_verdict(False)
current_call().record_usage(input_tokens=1)
current_operation().scheduled(1.0)
{after}
"""
ABSENT = """
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("opentelemetry.sdk"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
"""


@pytest.mark.parametrize(
    ("environment", "before", "configure", "after"),
    [
        ({}, ABSENT, "", "assert 'opentelemetry.sdk' not in sys.modules"),
        ({}, "", "", "assert 'opentelemetry.sdk' not in sys.modules"),
        ({"OTEL_SDK_DISABLED": "true"}, "", "spanguard.configure()", "import os; assert os.listdir('.') == []"),
    ],
    ids=["no SDK installed", "no SDK configured", "OTEL_SDK_DISABLED"],
)
def test_every_verb_does_nothing_where_nobody_listens(
    tmp_path: Any, environment: dict[str, str], before: str, configure: str, after: str
) -> None:
    """As decorator, as `with` and as callback: nothing raised, printed, written or counted."""
    program = PROGRAM.format(before=before, configure=configure, after=after)
    command = [sys.executable, "-W", "error", "-c", program]
    ran = subprocess.run(command, cwd=tmp_path, env={**clean(), **environment}, capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def clean() -> dict[str, str]:
    """Return the environment without what configures telemetry."""
    import os

    return {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "SPANGUARD_"))}


# --------------------------------------------------------------------------------------------------------- what peers fail


def test_a_span_covers_what_it_is_the_span_of(telemetry: Telemetry, clock: Any, way: Way) -> None:
    """Not the making of a coroutine or generator, but its work."""

    def body() -> None:
        clock.move(2)

    way.run(traced_llm_call(model="gpt-5.2")(way.function(body)))
    (span,) = telemetry.spans
    assert (span.start, span.end) == (0.0, 2.0)


def test_a_child_of_a_function_is_its_child_and_a_later_span_is_not(telemetry: Telemetry, way: Way) -> None:
    """Between chunks, after a break, after an error, and for a generator that nobody iterates over."""
    tracer = trace.get_tracer("test")

    def body() -> None:
        tracer.start_span("inside").end()

    traced = traced_llm_call(model="gpt-5.2")(way.function(body))
    way.run(traced)
    unused = traced()
    tracer.start_span("later").end()
    if inspect.iscoroutine(unused):
        unused.close()
    del unused
    gc.collect()
    tracer.start_span("last").end()
    tree = dict(telemetry.tree)
    assert (tree["inside"], tree["later"], tree["last"]) == ("chat gpt-5.2", None, None)


@pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning")
def test_a_coroutine_that_is_never_awaited_makes_no_span(telemetry: Telemetry) -> None:
    """Python warns of it, under the function's name; nothing began."""

    @traced_llm_call(model="gpt-5.2")
    async def ask() -> None: ...

    coroutine = ask()
    assert coroutine.__qualname__ == ask.__qualname__
    del coroutine
    gc.collect()
    assert telemetry.spans == []


@pytest.mark.parametrize("name", [name for name in BARE if name != "call"])
def test_a_bare_decorator_takes_the_functions_name(telemetry: Telemetry, name: str) -> None:
    """In clear, as it is the program's own; under whatever stands around the function."""

    class Shop:
        @BARE[name]
        def fetch(self) -> None: ...

        @BARE[name]
        @classmethod
        def fetch_all(cls) -> None: ...

        @BARE[name]
        @property
        def fetched(self) -> None: ...

    Shop().fetch(), Shop.fetch_all(), Shop().fetched
    points = telemetry.metrics()[COUNTS[name]]
    assert {attributes["resilience.policy.name"] for attributes, _ in points} == {"fetch", "fetch_all", "fetched"}


def test_a_mock_stays_a_mock(telemetry: Telemetry, decorator: Any) -> None:
    """Tests of users patch what they decorate."""
    mock = MagicMock(return_value=7)
    assert decorator(mock)(1, a=2) == 7
    mock.assert_called_once_with(1, a=2)
    later = AsyncMock(return_value=7)
    assert asyncio.run(decorator(later)(1, a=2)) == 7
    later.assert_awaited_once_with(1, a=2)
