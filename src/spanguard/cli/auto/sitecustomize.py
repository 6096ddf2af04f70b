# ruff: noqa: INP001 - no package: Python finds it on its path
"""Found by Python at the start of each process below `spanguard run`: telemetry is on before the program begins.

It is a module of its own directory, on ``PYTHONPATH``, because that reaches ``python x.py``, ``python -m x``, console scripts
and the processes that they start, and changes nothing else. What it hides, another `sitecustomize`, it loads afterwards.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - pathlib may not have been imported yet


def _start() -> None:
    path = os.environ.get("PYTHONPATH", "")
    others = [each for each in path.split(os.pathsep) if each != _HERE]
    os.environ["PYTHONPATH"] = os.pathsep.join(others)  # what is started until we are done is not the program's
    try:
        _instrument()
    except ImportError as error:
        if error.name not in ("spanguard", "opentelemetry"):
            raise
        print(f"spanguard is not installed for {sys.executable}, which runs without telemetry", file=sys.stderr)
    except Exception as error:
        ours = type(error).__name__ == "SettingsError"  # says which setting, and never its value
        what = str(error) if ours else type(error).__name__
        print(f"spanguard: telemetry could not be switched on ({what})", file=sys.stderr)
    finally:
        os.environ["PYTHONPATH"] = path


def _instrument() -> None:
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return
    if os.environ.get("OTEL_CONFIG_FILE"):  # the SDK's own way, which reads it
        from opentelemetry.instrumentation.auto_instrumentation import initialize

        initialize()
        return
    from opentelemetry.instrumentation.auto_instrumentation._load import _load_distro, _load_instrumentors

    from spanguard.pipeline.configure import configure

    configure()
    _load_instrumentors(_load_distro())  # type: ignore[no-untyped-call]


def _hidden() -> None:
    sys.path[:] = [each for each in sys.path if os.path.abspath(each) != _HERE]  # noqa: PTH100
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", sys.path)
    if spec is not None and spec.loader is not None:
        sys.modules["sitecustomize"] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)


if __name__ == "sitecustomize":
    _start()
    _hidden()
