"""Prometheus as a process of the test's, over our alert rules."""

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from tests.patience import PATIENCE, eventually
from tests.servers import ROOT, free_port

RULES = ROOT / "ops" / "prometheus" / "alerts.yml"
DASHBOARD = ROOT / "ops" / "grafana" / "dashboard.json"
ALERTS = re.findall(r"- alert: (\w+)", RULES.read_text())
WINDOW = "20s"

PROMTOOL = shutil.which("promtool")


class Prometheus:
    def __init__(self, url: str) -> None:
        self.url = url

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The samples of an instant query."""
        answer = httpx2.get(f"{self.url}/api/v1/query", params={"query": expression}, timeout=PATIENCE)
        found: list[dict[str, Any]] = answer.json()["data"]["result"]
        return found

    def firing(self) -> set[str]:
        """The names of the alerts that fire."""
        return {one["metric"]["alertname"] for one in self.query('ALERTS{alertstate="firing"}')}


@contextmanager
def prometheus(folder: Path, ports: Sequence[int]) -> Iterator[Prometheus]:
    """It scrapes these ports every second. The rules are ours, but for the time that they look back and wait."""
    hasty = re.sub(r"\[\dm\]", f"[{WINDOW}]", re.sub(r" +for: .*\n", "", RULES.read_text()))
    (folder / "alerts.yml").write_text(hasty)
    targets = [f"127.0.0.1:{port}" for port in ports]
    (folder / "prometheus.yml").write_text(f"""
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: [alerts.yml]
scrape_configs:
  - job_name: trellis
    static_configs: [{{targets: {targets}}}]
""")
    url = f"http://127.0.0.1:{(port := free_port())}"
    arguments = (
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    )
    with (folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen(["prometheus", *arguments], stdout=log, stderr=log, cwd=folder)
    try:
        eventually(lambda: _is_ready(url))
        yield Prometheus(url)
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _is_ready(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/-/ready").status_code == 200
    except httpx2.TransportError:
        return False
