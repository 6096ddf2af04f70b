"""What a decorated function still is: whatever it was, for every kind of function and every way to hold one."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import dataclasses
import functools
import inspect
import pickle
import subprocess
import sys
import types
import typing
from collections.abc import Awaitable, Callable, Generator, Iterator
from typing import Any

import pytest

from spanguard import association, current_call, traced_llm_call, traced_repair
from support import Telemetry, Way, completion

DECORATORS = {
    "bare call": traced_llm_call,
    "call": traced_llm_call(model="gpt-5.2"),
    "bare repair": traced_repair,
    "repair": traced_repair("invoice"),
    "association": association(role="planner"),
}


@pytest.fixture(params=list(DECORATORS))
def verb(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Each verb, bare and with arguments."""
    return DECORATORS[request.param]  # type: ignore[no-any-return, operator]


def ordinary(prompt: str, /, *rest: int, model: str = "gpt-5.2", **more: object) -> str:
    """Ask."""
    return prompt


def test_kind_name_signature_and_types_are_kept(telemetry: Telemetry, way: Way, verb: Callable[..., Any]) -> None:
    """Whatever `inspect` and `typing` say of the function, they say of the decorated one."""
    function = functools.wraps(ordinary)(way.function(ordinary))
    traced = verb(function)
    for kind in (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction, inspect.isfunction):
        assert kind(traced) == kind(function)
    if sys.version_info < (3, 14):  # then it is deprecated
        assert asyncio.iscoroutinefunction(traced) == asyncio.iscoroutinefunction(function)
    assert inspect.signature(traced) == inspect.signature(function)
    assert typing.get_type_hints(traced) == typing.get_type_hints(ordinary)
    assert (traced.__wrapped__, traced.__doc__, traced.__module__) == (function, "Ask.", __name__)
    assert (traced.__name__, traced.__qualname__) == ("ordinary", "ordinary")


def parameters(way: Way) -> Callable[..., Any]:
    """Return a function of this kind with parameters of every kind, under names that we use ourselves."""

    def plain(prompt: Any, /, scope: Any, inner: Any = 3, *rest: Any, args: Any, function: Any = 5, **kwargs: Any) -> Any:
        return prompt, scope, inner, rest, args, function, kwargs

    async def coroutine(
        prompt: Any, /, scope: Any, inner: Any = 3, *rest: Any, args: Any, function: Any = 5, **kwargs: Any
    ) -> Any:
        return prompt, scope, inner, rest, args, function, kwargs

    def generator(prompt: Any, /, scope: Any, inner: Any = 3, *rest: Any, args: Any, function: Any = 5, **kwargs: Any) -> Any:
        yield prompt, scope, inner, rest, args, function, kwargs

    async def async_generator(
        prompt: Any, /, scope: Any, inner: Any = 3, *rest: Any, args: Any, function: Any = 5, **kwargs: Any
    ) -> Any:
        yield prompt, scope, inner, rest, args, function, kwargs

    return {"def": plain, "async def": coroutine, "generator": generator, "async generator": async_generator}[way.name]


RIGHT: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((1, 2), {"args": 4}),
    ((1,), {"scope": 2, "args": 4, "function": 6, "prompt": 7}),
    ((1, 2, 3, 4, 5), {"args": None, "inner_": 6, "kwargs": 7}),
]
WRONG: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((), {}),
    ((1,), {}),
    ((1, 2), {"scope": 3, "args": 4}),
    ((), {"prompt": 1, "scope": 2, "args": 3}),
    ((1, 2, 3), {}),
]


@pytest.mark.parametrize(("args", "kwargs"), RIGHT)
def test_arguments_arrive_as_they_were_given(
    telemetry: Telemetry, way: Way, verb: Callable[..., Any], args: Any, kwargs: Any
) -> None:
    """By position, by name, by default, and whatever the parameters are called."""
    function = parameters(way)
    traced = verb(function)
    assert way.run(lambda: traced(*args, **kwargs)) == way.run(lambda: function(*args, **kwargs))


@pytest.mark.parametrize(("args", "kwargs"), WRONG)
def test_wrong_arguments_are_a_type_error_at_the_call(
    telemetry: Telemetry, way: Way, verb: Callable[..., Any], args: Any, kwargs: Any
) -> None:
    """Not at the first step: Python's own error, in the same words. Except in a plain function, no span is made."""
    function = parameters(way)
    with pytest.raises(TypeError) as bare:
        function(*args, **kwargs)
    with pytest.raises(TypeError) as traced:
        verb(function)(*args, **kwargs)
    assert str(traced.value) == str(bare.value)
    assert way.name == "def" or telemetry.spans == []


def test_wrong_arguments_of_callables_are_a_type_error_at_the_call(telemetry: Telemetry) -> None:
    """Of partials, bound methods and objects with `__call__` too."""

    class Client:
        async def ask(self, prompt: str, *, model: str) -> tuple[str, str]:
            return prompt, model

        __call__ = ask

    for function in (functools.partial(Client().ask, model="a"), Client().ask, Client()):
        traced = traced_llm_call(model="gpt-5.2")(function)
        with pytest.raises(TypeError):
            traced(1, 2, 3)
        assert asyncio.run(traced("a", model="b")) == ("a", "b")
    assert len(telemetry.spans) == 3


def test_a_wrapper_that_claims_other_parameters_is_called_with_its_own(telemetry: Telemetry) -> None:
    """One that hands an argument in, with `functools.wraps` or a `__signature__` of its own."""

    async def work(connection: str, prompt: str, model: str = "gpt-5.2-mini") -> tuple[str, str, str]:
        return connection, prompt, model

    @functools.wraps(work)
    async def connected(prompt: str, model: str = "gpt-5.2-mini") -> tuple[str, str, str]:
        return await work("connection", prompt, model)

    assert asyncio.run(traced_llm_call(connected)("a", "gpt-5.2")) == ("connection", "a", "gpt-5.2")  # type: ignore[arg-type]
    assert telemetry.tree == [("chat gpt-5.2", None)]
    connected.__signature__ = inspect.signature(lambda nothing: None)  # type: ignore[attr-defined]
    assert asyncio.run(traced_llm_call(connected)("a", model="gpt-5.2")) == ("connection", "a", "gpt-5.2")  # type: ignore[arg-type]


def test_a_parameter_that_hides_a_name_of_ours_is_no_harm(telemetry: Telemetry) -> None:
    """The arguments are then checked at the first step."""

    async def ask(_begin: int, _function: int = 2) -> tuple[int, int]:
        return _begin, _function

    assert asyncio.run(traced_llm_call(ask)(1)) == (1, 2)
    assert len(telemetry.spans) == 1


def test_decorators_stack(telemetry: Telemetry, way: Way) -> None:
    """Each verb and each use makes its own span; the tokens are counted once, in the innermost call."""
    function = traced_llm_call(model="gpt-5.2")(way.function(lambda: completion(10, 5)))
    way.run(traced_repair("invoice")(association(role="planner")(traced_llm_call(model="gpt-5.2-mini")(function))))
    assert telemetry.tree == [
        ("repair invoice", None),
        ("chat gpt-5.2-mini", "repair invoice"),
        ("chat gpt-5.2", "chat gpt-5.2-mini"),
    ]
    assert sorted(value for _, value in telemetry.metrics()["gen_ai.client.token.usage"]) == [(1, 5), (1, 10)]


def test_recursion_makes_a_span_for_each_call(telemetry: Telemetry) -> None:
    """A function that calls itself nests its spans; the response that it passes up is counted once."""

    @traced_llm_call(model="gpt-5.2")
    def ask(depth: int) -> object:
        return ask(depth - 1) if depth else completion(10, 5)

    ask(3)
    assert [span.parent is None for span in telemetry.spans] == [True, False, False, False]
    assert sorted(value for _, value in telemetry.metrics()["gen_ai.client.token.usage"]) == [(1, 5), (1, 10)]


class Holder:
    """Has a traced function in every place of a class."""

    factor = 2

    @traced_llm_call(model="gpt-5.2")
    def method(self, number: int) -> int:
        return number * self.factor

    @traced_llm_call(model="gpt-5.2")
    @staticmethod
    def static_below(number: int) -> int:
        return number * 2

    @staticmethod
    @traced_llm_call(model="gpt-5.2")
    def static_above(number: int) -> int:
        return number * 2

    @traced_llm_call(model="gpt-5.2")
    @classmethod
    def class_below(cls, number: int) -> int:
        return number * cls.factor

    @classmethod
    @traced_llm_call(model="gpt-5.2")
    def class_above(cls, number: int) -> int:
        return number * cls.factor

    partial_below = traced_llm_call(model="gpt-5.2")(functools.partialmethod(lambda self, a, b: a * b, 2))  # type: ignore[arg-type]
    partial_above = functools.partialmethod(traced_llm_call(model="gpt-5.2")(lambda self, a, b: a * b), 2)


@pytest.mark.parametrize(
    "name", ["method", *(f"{kind}_{place}" for kind in ("static", "class", "partial") for place in ("below", "above"))]
)
def test_methods_of_every_kind_are_traced(telemetry: Telemetry, name: str) -> None:
    """Static, class and partial methods may stand above the decorator or below it."""
    assert getattr(Holder(), name)(4) == 8
    assert telemetry.tree == [("chat gpt-5.2", None)]


class Computed:
    """Has properties around a traced function."""

    @property
    @traced_llm_call(model="gpt-5.2")
    def above(self) -> int:
        return 8

    @traced_llm_call(model="gpt-5.2")  # type: ignore[arg-type]
    @property
    def below(self) -> int:
        return 8

    @functools.cached_property
    @traced_llm_call(model="gpt-5.2")
    def cached_above(self) -> int:
        return 8

    @traced_llm_call(model="gpt-5.2")  # type: ignore[arg-type]
    @functools.cached_property
    def cached_below(self) -> int:
        return 8


@pytest.mark.parametrize("name", ["above", "below", "cached_above", "cached_below"])
def test_properties_are_traced(telemetry: Telemetry, name: str) -> None:
    """A property's function is a function; a cached one runs once."""
    computed = Computed()
    assert [getattr(computed, name), getattr(computed, name)] == [8, 8]
    assert len(telemetry.spans) == (1 if "cached" in name else 2)


@dataclasses.dataclass(frozen=True)
class Slotted:
    """A frozen dataclass with slots and a traced method."""

    __slots__ = ("factor",)
    factor: int

    @traced_llm_call(model="gpt-5.2")
    def times(self, number: int) -> int:
        return number * self.factor


class Sync:
    """Is called like a function."""

    def __call__(self, number: int) -> int:
        return number * 2


class Async:
    """Is awaited like a coroutine function."""

    async def __call__(self, number: int) -> int:
        return number * 2


class Chunked:
    """Is iterated over like a generator function."""

    def __call__(self, number: int) -> Iterator[int]:
        yield number * 2


def twice(number: int) -> int:
    """Return twice the number."""
    return number * 2


@functools.singledispatch
def dispatched(number: object) -> int:
    """Fail, unless a kind is registered."""
    raise NotImplementedError


@dispatched.register
def _(number: int) -> int:
    return number * 2


CALLABLES: dict[str, Callable[..., Any]] = {
    "function": twice,
    "lambda": lambda number: number * 2,
    "partial": functools.partial(twice),
    "partial of a partial": functools.partial(functools.partial(twice)),
    "bound method": Slotted(2).times.__wrapped__.__get__(Slotted(2)),  # type: ignore[attr-defined]
    "callable object": Sync(),
    "async callable object": Async(),
    "callable object with chunks": Chunked(),
    "method of a callable object": Sync().__call__,
    "single dispatch": dispatched,
    "builtin": (2).__mul__,
    "C function": functools.partial(pow, exp=1),
    "cached": functools.lru_cache(twice),
    "method of a slotted dataclass": Slotted(2).times,
}


@pytest.mark.parametrize("name", CALLABLES)
def test_whatever_can_be_called_can_be_decorated(telemetry: Telemetry, verb: Callable[..., Any], name: str) -> None:
    """Partials, bound methods, builtins, objects with `__call__`, generic functions."""
    function = CALLABLES[name]
    result = verb(function)(4)
    if inspect.isawaitable(result):
        result = asyncio.run(_awaited(result))
    if inspect.isgenerator(result):
        result = next(result)
    assert result == (4 if name == "C function" else 8)


async def _awaited(result: Awaitable[Any]) -> Any:
    return await result


def test_a_generic_function_can_still_register(telemetry: Telemetry) -> None:
    """The attributes of the function are those of the decorated one."""
    traced = traced_llm_call(dispatched)
    traced.register(str, lambda text: text * 2)
    assert (traced("a"), traced(4)) == ("aa", 8)


def test_what_cannot_be_called_is_refused() -> None:
    """At the decoration, where the mistake is."""
    with pytest.raises(TypeError, match="a verb decorates functions, not int"):
        traced_llm_call(model="gpt-5.2")(7)  # type: ignore[arg-type]


def test_a_generator_based_coroutine_can_be_awaited(telemetry: Telemetry) -> None:
    """As `types.coroutine` makes them, for those who write event loops."""

    @traced_llm_call(model="gpt-5.2")
    @types.coroutine
    def ask() -> Generator[Any, Any, str]:
        yield from asyncio.sleep(0).__await__()
        return "answer"

    assert asyncio.run(_awaited(ask())) == "answer"  # type: ignore[arg-type]
    assert telemetry.tree == [("chat gpt-5.2", None)]


kept = {}
for _name, _verb in DECORATORS.items():

    def module_level(number: int) -> int:
        """Is decorated, and found again under its name."""
        return number * 2

    module_level.__qualname__ = module_level.__name__ = f"kept_{_name.replace(' ', '_')}"
    kept[_name] = globals()[module_level.__name__] = _verb(module_level)  # type: ignore[operator]


@pytest.mark.parametrize("name", DECORATORS)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_decorated_function_pickles_by_its_name(name: str, protocol: int) -> None:
    """As any function does, so that a pool of processes can be given it."""
    assert pickle.loads(pickle.dumps(kept[name], protocol)) is kept[name]


def test_a_decorated_method_pickles(telemetry: Telemetry) -> None:
    """Bound, with its object."""
    assert pickle.loads(pickle.dumps(Holder().method))(4) == 8


def test_a_decorated_function_is_copied_as_functions_are(verb: Callable[..., Any], way: Way) -> None:
    """A copy, deep or not, is the function itself."""
    traced = verb(way.function(ordinary))
    assert copy.copy(traced) is traced
    assert copy.deepcopy({"f": traced})["f"] is traced


def test_a_decorated_closure_goes_to_another_process_by_cloudpickle(
    telemetry: Telemetry, way: Way, verb: Callable[..., Any]
) -> None:
    """Dask, Ray and Spark send functions by value: the copy is traced like the original."""
    cloudpickle = pytest.importorskip("cloudpickle")
    factor = 2
    traced = verb(way.function(lambda number: number * factor))
    way.run(traced, 4)
    again = cloudpickle.loads(cloudpickle.dumps(traced))
    assert again is not traced
    before = len(telemetry.spans)
    assert way.run(again, 4) == 8
    assert len(telemetry.spans) == 2 * before


def test_decorated_before_configure_it_is_traced_from_then_on() -> None:
    """Providers are looked up at each call, so the order of imports does not matter; without any, nothing happens."""
    program = """
import spanguard
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
before = spanguard.traced_llm_call(model="gpt-5.2")(lambda: 1)
stream = spanguard.traced_llm_call(model="gpt-5.2")(lambda: (n for n in (1, 2)))
assert (before(), list(stream())) == (1, [1, 2])
provider, spans = TracerProvider(), InMemorySpanExporter()
provider.add_span_processor(SimpleSpanProcessor(spans))
trace.set_tracer_provider(provider)
after = spanguard.traced_llm_call(model="gpt-5.2")(lambda: 1)
before(), after(), list(stream())
print(len(spans.get_finished_spans()))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("3\n", "")


def test_a_with_block_in_a_generator_leaves_what_it_entered(telemetry: Telemetry) -> None:
    """One verb entered by two generators that are closed in the wrong order: each block ends its own call."""
    verb = traced_llm_call(model="gpt-5.2")

    def work(tokens: int) -> Iterator[None]:
        with verb as call:
            yield
            call.record_usage(input_tokens=tokens)

    def interleaved() -> list[Any]:
        first, second = work(1), work(2)
        return [next(first), next(second), list(first), list(second)]

    assert contextvars.copy_context().run(interleaved) == [None, None, [], []]
    assert sorted(span["gen_ai.usage.input_tokens"] for span in telemetry.spans) == [1, 2]


def test_the_current_call_is_ones_own_in_threads_and_tasks(telemetry: Telemetry) -> None:
    """Late facts of concurrent calls of one function do not mix."""

    @traced_llm_call(model="gpt-5.2")
    async def ask(number: int) -> None:
        await asyncio.sleep(0)
        await asyncio.to_thread(lambda: current_call().record_usage(input_tokens=number))

    async def main() -> None:
        await asyncio.gather(*map(ask, range(5)))

    asyncio.run(main())
    assert sorted(span["gen_ai.usage.input_tokens"] for span in telemetry.spans) == [0, 1, 2, 3, 4]
