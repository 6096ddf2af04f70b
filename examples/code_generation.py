"""Generate code, check it without running it, and ask again: which rule broke, and which packages the code wanted.

    python examples/code_generation.py && spanguard show

The "model" stands in for a provider. Like real ones it imports what it should not, and a package that does not exist.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator

import spanguard
from spanguard import declare, traced_llm_call, traced_repair

TASK = "Write a function slug(title: str) -> str that makes a title fit for a URL."
ANSWERS: Iterator[str] = iter(
    [
        "Here you are:\n\ndef slug(title): ...",
        "import requests\nfrom slugomatic_pro import make\n\ndef slug(title: str) -> str:\n    return make(title)\n",
        'import re\n\ndef slug(title: str) -> str:\n    return eval("title.lower()")\n',
        'import re\n\ndef slug(title):\n    return re.sub(r"\\W+", "-", title.lower()).strip("-")\n',
        'import re\n\ndef slug(title: str) -> str:\n    return re.sub(r"\\W+", "-", title.lower()).strip("-")\n',
    ]
)
FORBIDDEN = {"eval", "exec", "compile", "__import__"}


@traced_llm_call(provider="embedded", model="llama-4")
def ask(prompt: str) -> dict[str, object]:
    """Stand in for a provider; what it returns has the shape of a provider's answer."""
    text = next(ANSWERS)
    return {"model": "llama-4", "text": text, "input_tokens": len(prompt.split()), "output_tokens": len(text.split())}


def imports(tree: ast.Module) -> list[str]:
    """Return the packages that the code imports."""
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name.partition(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append(node.module.partition(".")[0])
    return found


def only_standard_library(tree: ast.Module) -> bool:
    """Whether the code needs nothing that would have to be installed."""
    return all(name in sys.stdlib_module_names for name in imports(tree))


def no_hidden_code(tree: ast.Module) -> bool:
    """Whether all code is in sight: no `eval`, no `exec`."""
    return not any(isinstance(node, ast.Name) and node.id in FORBIDDEN for node in ast.walk(tree))


def fully_annotated(tree: ast.Module) -> bool:
    """Whether each function says what it takes and returns."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return all(each.returns and all(argument.annotation for argument in each.args.args) for each in functions)


def defines_slug(tree: ast.Module) -> bool:
    """Whether the function that was asked for is there."""
    return any(isinstance(node, ast.FunctionDef) and node.name == "slug" for node in tree.body)


CHECKS: tuple[Callable[[ast.Module], bool], ...] = (defines_slug, only_standard_library, no_hidden_code, fully_annotated)
declare("is_python", *(check.__name__ for check in CHECKS))  # the names of the rules, passed on in a variable


def parse(code: str) -> ast.Module | None:
    """Return the syntax tree of the code, if it is code."""
    try:
        return ast.parse(code)
    except SyntaxError:
        return None


def broken_rule(tree: ast.Module | None) -> str | None:
    """Return the first rule that the code breaks."""
    if tree is None:
        return "is_python"
    return next((check.__name__ for check in CHECKS if not check(tree)), None)


def generate(task: str) -> str | None:
    """Ask for code until it keeps all rules, at most six times."""
    prompt, wanted = task, list[str]()
    with traced_repair("generate_slug") as repair:
        for attempt in repair.attempts(6):
            with attempt:
                code = str(ask(prompt)["text"])
                tree = parse(code)
                wanted += imports(tree) if tree else []
                # Lengths and packages are facts of the generation; its text is not recorded. The standard library and
                # well-known packages are shown, an invented one is a pseudonym.
                repair.generated(input_length=len(task), output_length=len(code), dependencies=wanted)
                broken = broken_rule(tree)
                attempt.validated("slug_rules", passed=broken is None, rule=broken, action="retried" if broken else None)
                if broken is None:
                    return code
                prompt = f"{task}\nThis breaks the rule {broken}:\n{code}"
    return None


def main() -> None:
    """Configure, and generate."""
    spanguard.configure(service_name="code_generation")
    print(generate(TASK))


if __name__ == "__main__":
    main()
