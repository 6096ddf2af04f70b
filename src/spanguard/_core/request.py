"""What a function was asked for: the model and the numbers among its arguments, by the names that SDKs give them."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from spanguard import semconv
from spanguard._core.writers import Attributes

_NUMBERS: Final = {
    "temperature": (semconv.GEN_AI_TEMPERATURE, float),
    "top_p": (semconv.GEN_AI_TOP_P, float),
    "top_k": (semconv.GEN_AI_TOP_K, int),
    "max_tokens": (semconv.GEN_AI_MAX_TOKENS, int),
    "max_completion_tokens": (semconv.GEN_AI_MAX_TOKENS, int),
    "max_output_tokens": (semconv.GEN_AI_MAX_TOKENS, int),
    "frequency_penalty": (semconv.GEN_AI_FREQUENCY, float),
    "presence_penalty": (semconv.GEN_AI_PRESENCE, float),
    "seed": (semconv.GEN_AI_SEED, int),
    "n": (semconv.GEN_AI_CHOICES, int),
}
# Since Python 3.14 annotations are evaluated late, and may name what only type checkers import: 4 asks for their text.
AS_WRITTEN: Final[dict[str, Any]] = {"annotation_format": 4} if sys.version_info >= (3, 14) else {}
_LIMIT: Final = 2**63
_NOWHERE: Final = 2**31, None  # among positional arguments, and no default
_KNOWN: Final = frozenset({"model", "stream", *_NUMBERS})


class Request:
    """Finds the known arguments of one function; made once, when the function is decorated."""

    def __init__(self, function: Callable[..., object]) -> None:
        self._numbers: list[tuple[str, int, Any, str, type | None]] = []
        self._model: tuple[int, Any] = _NOWHERE
        self._open = False
        try:
            parameters = inspect.signature(function, follow_wrapped=False, **AS_WRITTEN).parameters.values()
            if any(each.kind is each.VAR_POSITIONAL for each in parameters):  # somebody's wrapper passes on what it is given
                parameters = inspect.signature(function, **AS_WRITTEN).parameters.values()
        except Exception:  # some builtins tell no signature, and some callables raise what they like
            return
        for position, parameter in enumerate(parameters):
            name = parameter.name
            if parameter.kind is parameter.VAR_KEYWORD:
                self._open = True
            elif name in _KNOWN:
                default = None if parameter.default is parameter.empty else parameter.default
                place = _NOWHERE[0] if parameter.kind is parameter.KEYWORD_ONLY else position
                if name == "model":
                    self._model = place, default
                    continue
                attribute, kind = _NUMBERS[name] if name in _NUMBERS and name != "n" else ("", None)
                self._numbers.append((name, place, default, attribute, kind))

    def read(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[str | None, Attributes]:
        """Return the model that one call asks for, and the attributes of the other known arguments."""
        attributes: Attributes = {}
        given, named = len(args), kwargs.get
        for name, place, default, attribute, kind in self._numbers:
            value = args[place] if place < given else named(name, default)
            if type(value) is kind:
                if -_LIMIT <= value < _LIMIT:  # type: ignore[operator]
                    attributes[attribute] = value  # type: ignore[assignment]
            elif value is not None:
                attributes.update(request_attributes({name: value}))
        if self._open:
            attributes.update(request_attributes(kwargs))
        place, default = self._model
        model = args[place] if place < given else named("model", default)
        return model if model is None or type(model) is str else _text(model), attributes


def _text(value: object) -> str | None:
    """Return the value of a subclass of text, such as an enum; whatever else it is, it may make up its class."""
    return str.__str__(cast("str", value)) if issubclass(type(value), str) else None


def request_attributes(arguments: Mapping[str, object]) -> Attributes:
    """Return the span attributes of a request; an argument that is not the number its name promises is left out."""
    attributes: Attributes = {}
    if arguments.get("stream") is True:
        attributes[semconv.GEN_AI_STREAM] = True
    for name in arguments:
        if name not in _NUMBERS:
            continue
        attribute, kind = _NUMBERS[name]
        value = arguments[name]
        number: Any = value if type(value) is kind else _number(value)
        if number is not None and -_LIMIT <= number < _LIMIT and (number != 1 or name != "n"):
            attributes[attribute] = number if type(value) is kind else kind(number)
    return attributes


def _number(value: object) -> int | float | None:
    """Return the value of a subclass of a number, which is not asked what it thinks its value is."""
    cls = type(value)
    if cls is bool or not issubclass(cls, (int, float)):
        return None
    return int.__int__(cast("int", value)) if issubclass(cls, int) else float.__float__(cast("float", value))
