"""Types of errors that may be shown: classes and codes of well-known libraries, and classes that stand in loaded code.

A class that a program makes at run time can bear any text as its name, so a name alone proves nothing: it must be in a list,
or be put together from the words that errors of libraries are named with (``ModelOverloadedError``), or be that of a class
that is found under this very name in a module that is loaded.
"""

from __future__ import annotations

import builtins
import errno
import re
import sys
from collections.abc import Mapping
from functools import cache
from types import ModuleType
from typing import Any, Final

from spanguard.semconv import ERROR_CATEGORIES, FINISH_REASONS, OTHER
from spanguard.vocabulary.declared import is_declared
from spanguard.vocabulary.spelled import numbered_of, words_of
from spanguard.vocabulary.tables import table
from spanguard.vocabulary.words import is_abbreviation, is_name_too, is_negative, is_numbered, is_phrase, is_plain, is_run

LONGEST: Final = 200

_MAIN: Final = "__main__"
_MOST_WORDS: Final = 9
_SHORT: Final = 3
_LONG: Final = 6
_TALK: Final = frozenset("please you your our he she they them his whom whose why should would said tell".split())
_BEFORE: Final = ("py", "lib", "aio", "open", "django", "flask")
_BEHIND: Final = ("py", "ml", "ai", "db", "io", "api", "sdk", "kit", "lib", "hub", "bot", "sql", "cli")
_VOWELS: Final = frozenset("aeiouy")
_RUNS: Final = re.compile(r"[a-z]+|[A-Z]+")
_dict_of_type: Final = type.__dict__["__dict__"].__get__
_bases_of_type: Final = type.__dict__["__mro__"].__get__
_module_of_type: Final = type.__dict__["__module__"].__get__
_name_of_type: Final = type.__dict__["__qualname__"].__get__


def error_type(text: str) -> str:
    """Return the type of an error as it may be shown: in clear, or ``_OTHER``."""
    return text if is_error_type(text) or is_loaded_error(text) or is_declared(text) else OTHER


def is_error_type(text: str) -> bool:
    """Whether it is a class of a well-known library, a builtin one, an HTTP status, or a code that a provider documents."""
    if len(text) > LONGEST:
        return False
    if len(text) == 3 and text.isascii() and text.isdigit():
        return "400" <= text <= "599"
    if "." not in text:
        return text in _bare() or _is_spelled(text)
    return text in table("errors")["codes"] or _is_qualified(text) or _is_listed(text)


def _is_qualified(text: str) -> bool:
    """Whether it is a class of known words in modules of known words; in a library that is known, whatever the class says."""
    sets = table("errors")
    library, *modules, name = text.split(".")
    if library in sets["libraries"] or library in sets["named"]:
        return _is_named(name, frozenset(library.lower().split("_"))) and all(map(_is_module_of_known, modules))
    if library[:1].isupper() and not modules:  # QuotaExceeded.DBSecurityGroup, as AWS writes codes
        return (_is_spelled(library) and _is_named(name)) or (_is_spelled(name) and _is_named(library))
    return _is_spelled(name) and all(map(_is_module, (library, *modules)))


def _is_listed(text: str) -> bool:
    sets = table("errors")
    library, _, rest = text.partition(".")
    while f".{library}" not in sets and "." in rest:  # google.api_core
        further, _, rest = rest.partition(".")
        library = f"{library}.{further}"
    return _is_class(rest, sets.get(f".{library}", frozenset()))


def is_loaded_error(text: str) -> bool:
    """Whether it is the qualified name of an exception class that stands under that name in a loaded module.

    A bare name is looked for among builtins and in ``__main__``. Nothing is imported, and no code of anybody's runs.
    """
    if not text or len(text) > LONGEST:
        return False
    parts = text.split(".")
    if len(parts) == 1:
        return any(_stands(module, parts) for module in ("builtins", _MAIN))
    return any(_stands(".".join(parts[:at]), parts[at:]) for at in range(len(parts) - 1, 0, -1)) or _stands(_MAIN, parts)


def _stands(module: str, path: list[str]) -> bool:
    loaded = sys.modules.get(module)
    if not _is_a(loaded, ModuleType):
        return False
    value: object = loaded
    within: Mapping[str, object] = object.__getattribute__(loaded, "__dict__")
    for name in path:
        value = within.get(name)
        if not _is_a(value, type):
            return False
        within = _dict_of_type(value)
    told = _module_of_type(value)
    return _is_exception(value) and _name_of_type(value) == ".".join(path) and type(told) is str and told == module


def _is_a(value: object, cls: type) -> bool:
    # isinstance() would ask the object for its class, and an object may run code to answer.
    return cls in _bases_of_type(type(value))


def _is_exception(value: Any) -> bool:
    return BaseException in _bases_of_type(value)


def _is_spelled(name: str) -> bool:
    """Whether it is a class or a code of two words and more that programs use, one of which says what went wrong."""
    words = words_of(name.lstrip("_"))
    if len(words) == 1:  # Deprecated, _Failed
        return words[0] in table("errors")["marks"] and (name[0] == "_" or (len(name) >= _LONG and name.istitle()))
    return any(map(_is_mark, words)) and _TALK.isdisjoint(words) and _is_named(name)


def _is_mark(word: str) -> bool:
    return word in table("errors")["marks"] or is_negative(word)


def _is_named(name: str, own: frozenset[str] = frozenset()) -> bool:
    """Whether it is of words that programs use, or of its library's own; one may be a name, beside one that is neither.

    Nor may the other be a mark alone: ``UnknownPageError`` would tell of somebody.
    """
    words = words_of(name.lstrip("_"))
    if (
        is_phrase(words)
        or not 0 < len(words) <= _MOST_WORDS
        or not all(is_numbered(word) or _is_status(word) for word in numbered_of(name))
    ):
        return False
    others = [word for word in words if word not in own and not _is_known(word)]
    marks = table("errors")["marks"]
    plain = any(word not in marks and len(word) > _SHORT and is_plain(word) for word in words)
    return not others or (len(others) == 1 and plain and (is_name_too(others[0]) or _is_abbreviated(others[0], name)))


def _is_abbreviated(word: str, name: str) -> bool:
    """Whether it is an abbreviation, in capitals if it could be spoken: ``HMSConnectionError``, ``XksKeyNotFoundError``."""
    spoken = word.upper() not in name and not _VOWELS.isdisjoint(word)
    return not spoken and name not in (name.upper(), name.lower()) and is_abbreviation(word)


def _is_status(word: str) -> bool:
    """Whether a status of HTTP stands behind the word: ``error429``."""
    return "400" <= word[-3:] <= "599" and word[-3:].isdigit() and _is_known(word[:-3])


def _is_known(word: str) -> bool:
    sets = table("errors")
    return word in sets["words"] or is_plain(word) or (word in sets["libraries"] and len(word) > _SHORT)


def _is_module(name: str) -> bool:
    sets = table("errors")
    if name in sets["modules"] or (name.startswith("rfc") and name[3:].isdigit() and len(name) <= len("rfc9457")):
        return True
    words = words_of(name.strip("_")) or ("",)
    known = all(word in sets["words"] or word in sets["libraries"] or is_run(word) or _is_affixed(word) for word in words)
    return known and all(map(is_numbered, numbered_of(name)))


def _is_affixed(word: str) -> bool:
    """Whether it is a word with what packages put before or behind one: ``pygithub``, ``plexapi``."""
    if word in table("words")["never"]:  # dubai
        return False
    left = [word.removeprefix(before) for before in _BEFORE if word.startswith(before)]
    left += [word.removesuffix(behind) for behind in _BEHIND if word.endswith(behind)]
    return any(len(each) >= _SHORT and (each in table("errors")["libraries"] or is_plain(each)) for each in left)


def _is_module_of_known(name: str) -> bool:
    """Whether a library that is known may have the module: abbreviations are nobody's there, ``sem``, ``cp2tform``."""
    if _is_module(name):
        return True
    runs = _RUNS.findall(name)
    digits = len(name) - len("".join(runs)) - name.count("_")
    if not name.isidentifier() or not name.isascii() or name[-1].isdigit() or digits > 1:  # neither password1 nor s3cr3t
        return False
    return all(is_abbreviation(run) or _is_module(run) for run in runs)


def _is_class(rest: str, classes: frozenset[str]) -> bool:
    """Whether it is a class of the library, behind modules that libraries have."""
    *between, name = rest.split(".")
    while between and not _is_module(between[-1]):  # a class within a class
        name = f"{between.pop()}.{name}"
    return name in classes and all(map(_is_module, between))


@cache
def _bare() -> frozenset[str]:
    sets = table("errors")
    own = {name for name, value in vars(builtins).items() if isinstance(value, type) and issubclass(value, BaseException)}
    groups = {"ExceptionGroup", "BaseExceptionGroup", "EncodingWarning", "PythonFinalizationError"}
    return frozenset(own | groups | {OTHER}).union(
        ERROR_CATEGORIES,
        FINISH_REASONS,
        errno.errorcode.values(),
        sets["codes"],
        *(each for key, each in sets.items() if key[0] == "."),
    )
