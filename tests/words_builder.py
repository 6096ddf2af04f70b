# ruff: noqa: T201
"""Let the vocabulary of routes and errors learn from the code of public packages: run it with wheels or with directories.

    python tests/words_builder.py [--names FILE] [--telling FILE] [--everyday FILE] [--libraries FILE] PACKAGES...
    python tests/words_builder.py --collect FILE PACKAGES...

Words that identifiers of three families of packages hold, or templates of routes or classes of errors of two, are added to
``data/words.txt``: to ``people`` if they are in the file of given names and surnames, nowhere if they are in that of what
tells of somebody's health, faith or love, or may be what a project is called. Of the words of everyday's file, none of whose
senses does, one package is enough. The packages, and the libraries of the last file, are added to ``libraries`` of
``data/errors.txt``. With ``--collect`` nothing is learned: templates and classes are written into a file for ``held_out.py``.
"""

from __future__ import annotations

import ast
import builtins
import gzip
import json
import re
import zipfile
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from itertools import chain
from pathlib import Path
from typing import Any, Final, NamedTuple

from spanguard.vocabulary.spelled import words_of
from spanguard.vocabulary.words import is_known, is_name_too, is_plain
from vocabulary_builder import DATA, written

WORDS: Final = DATA.with_name("words.txt")
ERRORS: Final = DATA.with_name("errors.txt")
_IN_PACKAGES: Final = 3
_IN_NAMES: Final = 2
_NO_CODE: Final = re.compile(
    r"(^|/)(tests?|testing|_?vendor(ed)?|dist|testsuite|examples?|migrations|docs?|benchmarks?)/|/(test_[^/]*|conftest)\.py$"
)
_IDENTIFIER: Final = re.compile(r"(?:def|class)\s+(\w+)|\.([a-z_]\w+)|\b([a-z_]\w+)=")
_TEMPLATE: Final = re.compile(r"/[\w{}\-/.:<>*()$@,=]+")
_VERSIONED: Final = re.compile(r"/(v\d|api|rest)\b")
_FILE: Final = re.compile(
    r"\.(py|so|txt|ya?ml|pem|sock|csv|png|jpe?g|svg|md|sh|log|db|[jt]s|css|conf|ini|gz|zip|toml|html|sql)$"
)
_DECORATORS: Final = frozenset("get post put delete patch head options route websocket api_route".split())
_DJANGO: Final = frozenset("path re_path url".split())
_BASES: Final = frozenset(name for name, value in vars(builtins).items() if isinstance(value, type) and "Error" in name)


class Package(NamedTuple):
    """What the code of one package holds."""

    name: str
    words: Counter[str]
    routes: frozenset[str]
    errors: frozenset[str]


def read(path: Path) -> Package:
    """Read a wheel, or the directory of a package."""
    words: Counter[str] = Counter()
    routes: set[str] = set()
    classes: list[tuple[str, list[str]]] = []
    for place, text in _files(path):
        if place.endswith(".json"):
            routes.update(_described(text))
            continue
        words.update(word for found in _IDENTIFIER.findall(text) for word in words_of("".join(found).strip("_")))
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError):
            continue
        routes.update(_templates(tree))
        classes += _classes(tree, place.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
    return Package(path.name.split("-")[0], words, frozenset(routes), frozenset(_errors(classes)))


def _files(path: Path) -> Iterator[tuple[str, str]]:
    if path.is_dir():
        places = {f"{path.name}/{file.relative_to(path)}": file.read_bytes for file in path.rglob("*") if file.is_file()}
        yield from _texts(places)
    else:
        with zipfile.ZipFile(path) as archive:
            yield from _texts({name: _reading(archive, name) for name in archive.namelist()})


def _reading(archive: zipfile.ZipFile, name: str) -> Callable[[], bytes]:
    return lambda: archive.read(name)


def _texts(places: dict[str, Callable[[], bytes]]) -> Iterator[tuple[str, str]]:
    for place, content in places.items():
        if place.endswith((".py", ".json")) and not _NO_CODE.search(place):
            yield place, content().decode(errors="replace")


# --------------------------------------------------------------------------------------------------------------- routes


def _described(text: str) -> Iterator[str]:
    """Yield the paths of a description of an API: OpenAPI's, and Google's."""
    try:
        told = json.loads(text)
    except ValueError:
        return
    if isinstance(told, dict):
        paths = told.get("paths")
        yield from (path for path in paths or () if str(path).startswith("/")) if isinstance(paths, dict) else ()
        if "discoveryVersion" in told:
            yield from _discovered(told)


def _discovered(told: dict[str, Any]) -> Iterator[str]:
    for method in told.get("methods", {}).values():
        yield "/" + (method.get("flatPath") or method["path"]).lstrip("/")
    for resource in told.get("resources", {}).values():
        yield from _discovered(resource)


def _templates(tree: ast.AST) -> Iterator[str]:
    """Yield what is given to frameworks as a route, and what looks like one of a client."""
    nodes = list(ast.walk(tree))
    parts = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in nodes:
        if isinstance(node, ast.Call) and node.args and (text := _written(node.args[0])) and " " not in text:
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            of_django = called in _DJANGO and len(node.args) > 1 and "/" in text.strip("/$^")
            if of_django or (called in _DECORATORS and text[0] == "/" and len(text) > 1 and "?" not in text):
                yield text
        elif id(node) not in parts and (text := _written(node)) and _TEMPLATE.fullmatch(text):
            several = text.strip("/").count("/") and not _FILE.search(text) and "//" not in text
            if several and ("{" in text or _VERSIONED.match(text)):
                yield text


def _written(node: ast.AST) -> str:
    """Return a literal; of an f-string with the names of what is put in."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if not isinstance(node, ast.JoinedStr):
        return ""
    return "".join(_written(part) or f"{{{_called(part)}}}" for part in node.values)


def _called(part: ast.AST) -> str:
    """Return the name of what is put in: ``user.id`` is called id, ``quote(name)`` name."""
    names = [getattr(each, "attr", getattr(each, "id", "")) for each in ast.walk(part)]
    names = [name for name in names if name]
    called = any(isinstance(each, ast.Call) for each in ast.walk(part))
    return names[-1 if called else 0] if names else "id"


# --------------------------------------------------------------------------------------------------------------- errors


def _classes(tree: ast.AST, module: str) -> Iterator[tuple[str, list[str]]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield f"{module}.{node.name}", [getattr(base, "attr", getattr(base, "id", "")) for base in node.bases]


def _errors(classes: list[tuple[str, list[str]]]) -> Iterator[str]:
    """Yield the classes that are made from an exception, by whatever way."""
    known, before = {*_BASES, "Exception", "BaseException"}, 0
    while len(known) > before:
        before = len(known)
        known |= {name.rpartition(".")[2] for name, bases in classes if _is_error(bases, known)}
    yield from (name for name, bases in classes if _is_error(bases, known))


def _is_error(bases: Iterable[str], known: set[str]) -> bool:
    return any(base in known or base.endswith(("Error", "Exception")) for base in bases)


# ------------------------------------------------------------------------------------------------------------- learning


def wanted(packages: Iterable[Package], everyday: AbstractSet[str] = frozenset()) -> set[str]:
    """Return the words that enough families of packages have and the vocabulary lacks; of everyday's words one is enough."""
    held: dict[str, set[str]] = {}
    named: dict[str, set[str]] = {}
    for package in packages:
        family = package.name.partition("_")[0].lower()
        of_routes = (word for route in package.routes for word in _of_route(route))
        of_errors = (word for error in package.errors for word in words_of(error.rpartition(".")[2].lstrip("_")))
        for seen, words in ((held, package.words), (named, chain(of_routes, of_errors))):
            for word in words:
                seen.setdefault(word, set()).add(family)
    often = {word for word, families in held.items() if len(families) >= (1 if word in everyday else _IN_PACKAGES)}
    often |= {word for word, families in named.items() if len(families) >= (1 if word in everyday else _IN_NAMES)}
    return {word for word in often if len(word) > 1 and word.isalpha() and word.isascii() and not is_known(word)}


def _of_route(route: str) -> Iterator[str]:
    for literal in re.split(r"[/.:]|\{[^}]*\}|<[^>]*>|\([^)]*\)", route):
        yield from words_of(literal.strip("_^$"))


def learn(packages: list[Package], given: Namespace) -> None:
    """Add the words and the libraries to the tables."""
    names, telling = _listed(given.names), _listed(given.telling)
    new = wanted(packages, _listed(given.everyday)) - telling
    learned = [("people" if word in names else "words", word) for word in new]
    written(WORDS, learned)
    passing = [word for word in names | telling if is_plain(word) and not is_name_too(word)]
    written(WORDS, [("never", word) for word in passing])  # bent, or two as one: downing, townsend
    libraries = {package.name for package in packages} | _listed(given.libraries)
    written(ERRORS, [("named" if name.lower() in names else "libraries", name) for name in libraries])
    print(f"{len(new)} words, {len(passing)} names that are words too, {len(libraries)} libraries")


def _listed(path: Path | None) -> set[str]:
    return set(path.read_text().split()) if path else set()


def collect(packages: list[Package], path: Path) -> None:
    """Write templates and classes into a file, each package's under its name."""
    lines = [line for each in packages for line in (f"## {each.name}", *sorted(each.routes), *sorted(each.errors))]
    path.write_bytes(gzip.compress("\n".join(lines).encode(), mtime=0))


def main() -> None:
    """Learn from the packages that the arguments name, or collect what they have."""
    arguments = ArgumentParser(description=__doc__)
    for option in ("--names", "--telling", "--everyday", "--libraries", "--collect"):
        arguments.add_argument(option, type=Path)
    arguments.add_argument("packages", nargs="+", type=Path)
    given = arguments.parse_args()
    packages = [read(path) for path in given.packages]
    if given.collect:
        collect(packages, given.collect)
    else:
        learn(packages, given)


if __name__ == "__main__":
    main()
