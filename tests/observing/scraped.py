"""What an exporter says, as a test reads it."""

import re
from math import nan
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families


class Sample(NamedTuple):
    name: str
    labels: dict[str, str]
    value: float


class Scraped(list[Sample]):
    """All samples of a scrape."""

    @classmethod
    def of(cls, text: str) -> "Scraped":
        return cls(
            Sample(sample.name, sample.labels, sample.value)
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        )

    def value(self, name: str, **labels: str) -> float:
        """The sum over the samples with these labels; NaN, which equals nothing, without any."""
        found = [one.value for one in self if one.name == name and labels.items() <= one.labels.items()]
        return sum(found) if found else nan

    @property
    def names(self) -> set[str]:
        return {sample.name for sample in self}


def port_in(log: str) -> int:
    """The port of the metrics that a process has told of."""
    found = re.search(r"Metrics on http://[0-9.]+:(\d+)/metrics", log)
    assert found, log
    return int(found[1])
