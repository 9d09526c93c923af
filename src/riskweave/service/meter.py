"""What the service counts, told in Prometheus' format.

Counting on the decision path is adding to plain numbers; they become metrics when somebody asks.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Timing:
    """A histogram of seconds."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(SECONDS) + 1)
        self.total = 0.0

    def add(self, seconds: float, times: int = 1) -> None:
        self.counts[bisect_left(SECONDS, seconds)] += times
        self.total += seconds * times

    def quantile(self, share: float) -> float:
        """Return the upper end of the bucket in which that share is reached; 0 when there is nothing."""
        wanted = share * sum(self.counts)
        reached = 0
        for count, edge in zip(self.counts, (*SECONDS, float("inf")), strict=True):
            reached += count
            if reached and reached >= wanted:
                return edge
        return 0.0

    def buckets(self) -> list[tuple[str, float]]:
        reached, out = 0, []
        for count, edge in zip(self.counts, (*map(str, SECONDS), "+Inf"), strict=True):
            reached += count
            out.append((edge, float(reached)))
        return out


class Meter:
    """Everything the service counts."""

    def __init__(self, health: Callable[[], Mapping[str, Any]]) -> None:
        self.decisions: Counter[tuple[str, str]] = Counter()
        self.rungs: Counter[str] = Counter()
        self.duplicates = 0
        self.refused: Counter[str] = Counter()
        self.requests: Counter[tuple[str, str]] = Counter()
        self.http = Timing()
        self.deciding = Timing()
        self.streams = 0
        self.deliveries: Counter[str] = Counter()
        self.cache_dropped = 0
        self._health = health
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def exposition(self) -> bytes:
        """Return all metrics as text."""
        return generate_latest(self._registry)

    def collect(self) -> Iterable[Metric]:
        yield _counter(
            "riskweave_decisions", "Decisions by action and scenario", ("action", "scenario"), self.decisions
        )
        yield _counter("riskweave_rungs", "Decisions by rung of degradation", ("rung",), self.rungs)
        yield _counter("riskweave_refused", "Requests refused, by error code", ("code",), self.refused)
        yield _counter(
            "riskweave_http_requests",
            "Requests by route and status class",
            ("route", "status"),
            self.requests,
        )
        yield _counter(
            "riskweave_deliveries", "Deliveries of alerts by outcome", ("outcome",), self.deliveries
        )
        yield CounterMetricFamily("riskweave_duplicates", "Events that were decided before", self.duplicates)
        yield CounterMetricFamily(
            "riskweave_cache_dropped", "Profiles that Redis was too slow for", self.cache_dropped
        )
        yield GaugeMetricFamily("riskweave_streams", "Open streams of decisions", self.streams)
        for name, text, timing in (
            ("riskweave_request_seconds", "Decision request: first byte read to answer written", self.http),
            ("riskweave_decision_seconds", "Decision: queued to durable", self.deciding),
        ):
            yield HistogramMetricFamily(name, text, timing.buckets(), timing.total)
        for name, value in _numbers(self._health()):
            yield GaugeMetricFamily(f"riskweave_engine_{name}", "A figure of the engine's health", value)


def _counter(name: str, text: str, labels: tuple[str, ...], counts: Mapping[Any, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=labels)
    for key, count in list(counts.items()):
        family.add_metric(list(key) if isinstance(key, tuple) else [key], count)
    return family


def _numbers(values: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, float]]:
    """Yield every number of nested figures, its path joined by `_`."""
    for key, value in values.items():
        name = prefix + "".join(letter if letter.isalnum() else "_" for letter in str(key))
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{name}_")
        elif isinstance(value, (bool, int, float)):
            yield name, float(value)
