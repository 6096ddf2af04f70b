"""What importing spanguard takes, as a ratio to the API of OpenTelemetry: ``python benchmarks/imports.py``."""

from __future__ import annotations

import statistics
import subprocess
import sys

ROUNDS = 15
API = "import opentelemetry.trace, opentelemetry.metrics"
ASKED = ("import spanguard", "from spanguard import traced_llm_call", "from spanguard import configure")


def seconds(code: str) -> float:
    """Return the processor time that a new interpreter takes for the code."""
    timed = f"import time; began = time.process_time(); {code}; print(time.process_time() - began)"
    return float(subprocess.run([sys.executable, "-c", timed], capture_output=True, text=True, check=True).stdout)


def main() -> None:
    """Measure in turn, and print medians of the ratios."""
    for code in ASKED:
        ratios = [seconds(f"{API}; {code}") / seconds(API) for _ in range(ROUNDS)]
        print(f"{code:40}{statistics.median(ratios):6.2f} x the API alone, median of {ROUNDS}")


if __name__ == "__main__":
    main()
