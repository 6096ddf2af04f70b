"""The rules of the house: floors, the face, names, budgets. Read from the source, so that they hold for every module."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

import spanguard
from spanguard import semconv, settings

ROOT = Path(spanguard.__file__).parent
MODULES = {".".join(path.relative_to(ROOT.parent).with_suffix("").parts): path for path in sorted(ROOT.rglob("*.py"))}
TREES = {name.removesuffix(".__init__"): ast.parse(path.read_text()) for name, path in MODULES.items()}
SOURCES = {name.removesuffix(".__init__"): path.read_text() for name, path in MODULES.items()}

FLOORS = {
    "semconv": 1.0,
    "settings": 1.0,
    "vocabulary": 1.5,
    "_core": 2.0,
    "privacy": 2.2,
    "store": 2.4,
    "pipeline": 2.6,
    "slo": 2.6,
    "serve": 3.8,
    "testing": 2.6,
    "_verbs": 3.0,
    "cli": 4.0,
    "instrumentation": 4.0,
    "__main__": 5.0,
    "types": 5.0,
    "": 5.0,
}
EMITTERS, KEEPERS = {"_core", "_verbs"}, {"privacy", "store", "pipeline", "slo", "testing", "serve"}


def room(module: str) -> str:
    """Return the room of a module: the part of its name after the package's."""
    return [*module.split("."), ""][1]


def imports(module: str) -> set[str]:
    """Return everything that a module imports, inside functions too."""
    found: set[str] = set()
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are written whole"
            base = node.module or ""
            # `from package import module` names a module, `from module import name` does not.
            found |= {f"{base}.{a.name}" if f"{base}.{a.name}" in TREES else base for a in node.names}
    return found


def ours(module: str) -> set[str]:
    """Return the modules of spanguard that a module imports."""
    return {name for name in imports(module) if name.split(".")[0] == "spanguard"} - {module}


@pytest.mark.parametrize("module", TREES)
def test_imports_run_only_downhill(module: str) -> None:
    """A room imports from lower floors and from itself, never sideways or up; the face stands above all."""
    for target in ours(module) - {"spanguard"}:
        if room(target) != room(module):
            assert FLOORS[room(target)] < FLOORS[room(module)], f"{module} imports {target}"


@pytest.mark.parametrize("module", [name for name in TREES if room(name) in EMITTERS])
def test_emitters_know_neither_the_sdk_nor_the_keepers(module: str) -> None:
    """Emitters use the OpenTelemetry API alone."""
    assert not [name for name in imports(module) if name.startswith("opentelemetry.sdk")]
    assert not {room(name) for name in ours(module)} & KEEPERS


@pytest.mark.parametrize("module", [name for name in TREES if room(name) in KEEPERS])
def test_keepers_do_not_know_the_emitters(module: str) -> None:
    """Keepers work on anyone's spans."""
    assert not {room(name) for name in ours(module)} & EMITTERS


def test_no_module_imports_in_a_circle() -> None:
    """Every module can be read after those that it imports."""
    left = {name: {target for target in ours(name) if target != "spanguard"} for name in TREES if name != "spanguard"}
    while left:
        free = {name for name, targets in left.items() if not targets & left.keys()}
        assert free, f"a circle among {sorted(left)}"
        left = {name: targets for name, targets in left.items() if name not in free}


def functions() -> list[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Return every function of the package with its module."""
    found = []
    for name, tree in TREES.items():
        found += [(name, node) for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    return found


def body(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return how many lines a function has without its docstring."""
    lines = (function.end_lineno or 0) - function.lineno + 1
    docstring = ast.get_docstring(function, clean=False)
    return lines - (docstring.count("\n") + 1 if docstring else 0)


def test_modules_and_functions_stay_small() -> None:
    """A module has at most 400 lines, a function at most 50, and half of the functions at most 10."""
    assert {name: source.count("\n") for name, source in SOURCES.items() if source.count("\n") > 400} == {}
    assert {(name, f.name): body(f) for name, f in functions() if body(f) > 50} == {}
    assert statistics.median(body(f) for _, f in functions()) <= 10


def test_no_public_function_says_any() -> None:
    """Types that users meet are types."""
    for name, function in functions():
        if not function.name.startswith("_") and not any(part.startswith("_") for part in name.split(".")):
            said = [argument.annotation for argument in (*function.args.args, *function.args.kwonlyargs)]
            text = " ".join(ast.unparse(each) for each in (*said, function.returns) if each is not None)
            assert not re.search(r"\bAny\b", text), f"{name}.{function.name}"


@pytest.mark.parametrize("module", [name for name in TREES if name != "spanguard.semconv" and room(name) != "cli"])
def test_names_on_the_wire_stand_in_one_module(module: str) -> None:
    """A `resilience.*` name is written in `semconv` alone, and the emitters write no `gen_ai.*` name either."""
    prefixes = ("resilience.", "gen_ai.") if room(module) in EMITTERS else ("resilience.",)
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            assert not re.fullmatch(rf"({'|'.join(map(re.escape, prefixes))})[a-z_.]+", node.value), f"{module}: {node.value}"


@pytest.mark.parametrize("module", [name for name in TREES if name != "spanguard.settings"])
def test_our_variables_are_read_in_one_module(module: str) -> None:
    """`SPANGUARD_*` is read by `settings` alone."""
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and room(module) != "cli":
            assert not re.fullmatch(r"SPANGUARD_[A-Z_]+", node.value), f"{module}: {node.value}"


def test_the_face_is_about_a_dozen_names() -> None:
    """`__all__` is sorted, every name in it can be had, and there is nothing else to know."""
    assert spanguard.__all__ == sorted(spanguard.__all__)
    assert len(spanguard.__all__) <= 15
    for name in spanguard.__all__:
        assert getattr(spanguard, name) is not None
    with pytest.raises(AttributeError):
        spanguard.nonsense  # noqa: B018


def test_types_that_users_meet_have_a_name() -> None:
    """`spanguard.types` has them, sorted, and brings no more than the face does."""
    from spanguard import types

    assert sorted(types.__all__) == types.__all__
    for name in types.__all__:
        assert isinstance(getattr(types, name), type)
    with pytest.raises(AttributeError):
        types.nonsense  # noqa: B018
    assert "opentelemetry.sdk" not in loaded("import spanguard.types")


def test_the_generations_have_one_list_of_names() -> None:
    """What `SPANGUARD_SEMCONV` may be is what the table of names has."""
    assert tuple(semconv.GENERATIONS) == settings.GENERATIONS
    assert settings.GENERATIONS[0] == semconv.DEFAULT_GENERATION


def loaded(code: str) -> set[str]:
    """Return the modules that are loaded after some code has run."""
    script = f"{code}\nimport sys\nprint(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split())


def test_importing_spanguard_is_light() -> None:
    """What a name needs is loaded when it is first used; a verb needs neither the SDK nor anything that a command does."""
    assert "opentelemetry" not in loaded("import spanguard; dir(spanguard)")
    modules = loaded("from spanguard import traced_llm_call")
    heavy = ("opentelemetry.sdk", "opentelemetry._logs", "wrapt", "click", "sqlite3", "spanguard.pipeline", "email.utils")
    for each in (*heavy, "spanguard._verbs.gates"):
        assert each not in modules
    assert "opentelemetry.sdk" in loaded("import spanguard; spanguard.configure")


def test_the_face_has_all_that_it_promises() -> None:
    """Each name is found, and listed by `dir`, before it is loaded; another one is an `AttributeError`."""
    listed = "import spanguard; assert {*spanguard.__all__} <= {*dir(spanguard)}"
    assert "spanguard._verbs.gates" in loaded(f"{listed}; [getattr(spanguard, each) for each in spanguard.__all__]")
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        spanguard.nonsense  # noqa: B018


def test_without_an_sdk_everything_runs() -> None:
    """Verbs work where the OpenTelemetry SDK is not even installed."""
    code = """
import sys, asyncio
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("opentelemetry.sdk"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
import spanguard

@spanguard.traced_llm_call
def ask(): return "answer"

@spanguard.traced_llm_call
async def aask(): return "answer"

@spanguard.traced_llm_call
def stream(): yield from range(3)

with spanguard.association(user="bob"), spanguard.traced_repair("invoice") as repair:
    for attempt in repair.attempts(3):
        with attempt:
            assert ask() == asyncio.run(aask()) == "answer" and list(stream()) == [0, 1, 2]
            spanguard.current_call().record_usage(input_tokens=1)
            attempt.validated("schema", passed=attempt.number == 2)
assert attempt.number == 2
with spanguard.traced_retry("quote") as retry:
    retry.scheduled(1.0)
with spanguard.traced_llm_call(model="gpt-5.2") as call:
    call.record_response({})
"""
    assert "opentelemetry.sdk" not in loaded(code)
