"""How fast lists load and answer: python -m benchmarks.lists, on one core.

Prints the seconds to read and index a million entries, the questions answered per second and list in
batches of a million events, and the microseconds that four lists take for one event.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import process_time

import numpy as np

from riskweave.batch import Batch, Layout, empty_batch
from riskweave.document import from_python
from riskweave.errors import Span
from riskweave.expressions.strings import StringPool
from riskweave.expressions.types import Col, Type, Typed
from riskweave.lists.compile import ListsCompiler
from riskweave.lists.plan import ListsPlan, step
from riskweave.lists.spec import read_lists
from riskweave.lists.state import ListsState

ENTRIES = 1_000_000
EVENTS = 1_000_000


class _Columns:
    def column(self, node: Typed) -> Col:
        assert isinstance(node, Col)
        return node


def seconds(work: Callable[[], object], times: int = 7) -> float:
    """Return the median CPU seconds of some runs."""
    taken = []
    for _ in range(times):
        started = process_time()
        work()
        taken.append(process_time() - started)
    return median(taken)


def measure(folder: Path) -> None:
    (folder / "text.csv").write_text(
        "value,by,why\n" + "".join(f"user{at},ann,stolen\n" for at in range(ENTRIES))
    )
    (folder / "whole.csv").write_text("value\n" + "".join(f"{7 * at}\n" for at in range(ENTRIES)))
    (folder / "nets.csv").write_text(
        "value\n" + "".join(f"10.{at >> 8}.{at & 255}.0/24\n" for at in range(65_536))
    )
    generator = np.random.default_rng(1)
    kinds = {"text": Type.STRING, "whole": Type.INT, "nets": Type.IP}
    for name, kind in kinds.items():
        layout, pool = Layout(), StringPool()
        field = layout.add("field", kind, 0)
        options = {"file": f"{name}.csv", "kind": "cidr" if name == "nets" else "exact"}
        started = process_time()
        compiler = ListsCompiler(read_lists(from_python({name: options}), folder), layout, _Columns(), pool)
        compiler.member(name, field, Span())
        plan = compiler.finish()
        state = ListsState.create(plan)
        loaded = process_time() - started
        batch = empty_batch(layout, EVENTS)
        batch.values[0] = 0
        if name == "whole":
            batch.values[field.index] = generator.integers(0, 7 * ENTRIES, EVENTS)
        else:
            form = "user{}" if name == "text" else "10.1.{}.1"
            below = 2 * ENTRIES if name == "text" else 256
            batch.values[field.index] = [
                pool.code(form.format(at)) for at in generator.integers(0, below, EVENTS)
            ]
        first, then = _answering(plan, state, batch)
        print(
            f"{name:6} {len(plan.lists[0].entries):>9,} entries loaded in {loaded:.2f} s; "
            f"{EVENTS / first / 1e6:.1f} M/s when first seen, {EVENTS / then / 1e6:.1f} M/s then"
        )
    _one_event()


def _answering(plan: ListsPlan, state: ListsState, batch: Batch) -> tuple[float, float]:
    """Return the seconds that a batch takes when its operands are new, and when they are known."""
    step(plan, state, batch)  # the first call compiles
    state.stale = True
    return seconds(lambda: step(plan, state, batch), 1), seconds(lambda: step(plan, state, batch))


def _one_event() -> None:
    layout, pool = Layout(), StringPool()
    fields = [layout.add(f"field{at}", Type.STRING, 0) for at in range(4)]
    lists = {f"list{at}": [f"v{n}" for n in range(100)] for at in range(4)}
    compiler = ListsCompiler(read_lists(from_python(lists)), layout, _Columns(), pool)
    for at, field in enumerate(fields):
        compiler.member(f"list{at}", field, Span())
    plan = compiler.finish()
    state = ListsState.create(plan)
    batch = empty_batch(layout, 1)
    batch.values[0] = 0
    for at, field in enumerate(fields):
        batch.values[field.index] = pool.code(f"v{99 * at}")
    step(plan, state, batch)

    def many() -> None:
        for _ in range(10_000):
            step(plan, state, batch)

    print(f"one event, 4 lists: {seconds(many) / 10_000 * 1e6:.2f} us")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder))
