"""A real Prometheus scrapes the server, and answers with what the gate says."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest

from binaries import binary
from serve.conftest import TOKEN

pytestmark = pytest.mark.slow
CONFIGURATION = """
scrape_configs:
  - job_name: spanguard
    honor_labels: true
    scrape_interval: 1s
    authorization: {{credentials: {token}}}
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


def prometheus() -> Path:
    """Return the system's program, or the one that other tests have built."""
    return Path(shutil.which("prometheus") or binary("prometheus"))


def ask(port: int, query: str) -> list[dict[str, object]]:
    """Return the result of an instant query; nothing while the server is not there yet."""
    url = f"http://127.0.0.1:{port}/api/v1/query?query={urllib.parse.quote(query)}"
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["data"]["result"]
    except OSError:
        return []


def until(port: int, query: str) -> float:
    """Wait for a query to have a result."""
    give_up = time.monotonic() + 60
    while not (found := ask(port, query)):
        assert time.monotonic() < give_up, f"no {query}"
        time.sleep(0.1)
    return float(found[0]["value"][1])


def test_prometheus_scrapes_it(site, tmp_path) -> None:
    """With the token; what it stores are the SLIs and the counters that they are made of."""
    program = prometheus()
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    (tmp_path / "prometheus.yml").write_text(CONFIGURATION.format(token=TOKEN, port=site.port))
    command = [
        *(program, f"--config.file={tmp_path / 'prometheus.yml'}", f"--storage.tsdb.path={tmp_path / 'data'}"),
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (tmp_path / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            assert until(port, "up == 1") == 1
            slis = {each["sli"]: each["value"] for each in site.get("/api/metrics/current?window=1h")["indicators"]}
            for name in ("success", "error_rate", "latency_p95", "wasted_token_share"):
                assert until(port, f'spanguard_sli{{sli="{name}",window="1h"}}') == pytest.approx(slis[name])
            operations = 'sum(resilience_operation_duration_seconds_count{job="shop"})'
            assert until(port, operations) == site.get("/api/metrics/current?window=1h")["figures"]["operations"]["count"]
            quantile = "histogram_quantile(0.95, sum by (le) (gen_ai_client_operation_duration_seconds_bucket))"
            assert until(port, quantile) > 0
        finally:
            process.terminate()
            process.wait()
