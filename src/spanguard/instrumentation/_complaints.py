"""What pydantic complains about, as the name of a rule."""

from __future__ import annotations

import typing

from spanguard.instrumentation._adapter import Foreign, module_of


def complaint(error: object) -> str:
    """Return what kind of complaint it is, of those that pydantic knows; validators of the program can make up their own."""
    validation: Foreign = error
    if not callable(getattr(error, "errors", None)):
        return "json_invalid" if type(error).__name__ == "JSONDecodeError" else "value_error"
    kinds = [each.get("type") for each in validation.errors(include_url=False, include_context=False, include_input=False)]
    known = typing.get_args(module_of("pydantic_core.core_schema").ErrorType)
    return next((kind for kind in kinds if kind in known), "value_error")
