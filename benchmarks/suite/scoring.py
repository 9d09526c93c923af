"""Models on one event and in batches, an LSTM, and contributions, beside the libraries that train them."""

from __future__ import annotations

import argparse

from benchmarks.measure import write


def run(arguments: argparse.Namespace) -> None:
    from benchmarks import scoring

    write("scoring", scoring.measure(3 * arguments.runs))
