"""The figures of docs/SECURITY.md, told in the end."""

import re
from collections import defaultdict
from typing import Any

import pytest


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Add up what tests recorded as `figure`: sentences that differ in their numbers alone are one."""
    told: dict[str, list[list[int]]] = defaultdict(list)
    for report in [*terminalreporter.stats.get("passed", ()), *terminalreporter.stats.get("failed", ())]:
        for name, figure in getattr(report, "user_properties", ()):
            if name == "figure":
                told[re.sub(r"\d+", "{}", figure)].append([int(number) for number in re.findall(r"\d+", figure)])
    if told:
        terminalreporter.section("Figures")
    for sentence, numbers in told.items():
        terminalreporter.line(sentence.format(*(f"{sum(column):,}" for column in zip(*numbers, strict=True))))
