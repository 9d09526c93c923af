"""The public networks, where pgmpy's package keeps them, and pyAgrum's twin of one of ours."""

from __future__ import annotations

import gzip
import warnings
from importlib.util import find_spec
from pathlib import Path

with warnings.catch_warnings():
    # Its C++ half warns while it loads, and dies when that is made an error.
    warnings.simplefilter("ignore")
    import pyagrum

    pyagrum.InfluenceDiagram()


def folder() -> Path:
    """Return the folder of the *.bif.gz files of the installed package, without importing it."""
    found = find_spec("pgmpy")
    assert found is not None
    assert found.submodule_search_locations
    return Path(found.submodule_search_locations[0]) / "utils" / "example_models"


def text(name):
    return gzip.decompress((folder() / f"{name}.bif.gz").read_bytes()).decode()


def twin(nodes, tables):
    """Return pyAgrum's network; `nodes` are (name, states, parents), `tables[name]` numbers in our order.

    pyAgrum's own reader keeps 7 digits, so the numbers are given to it.
    """
    found = pyagrum.BayesNet()
    for name, states, _ in nodes:
        found.add(pyagrum.LabelizedVariable(name, name, list(states)))
    for name, _, parents in nodes:
        for parent in parents:
            found.addArc(parent, name)
    for name, _, parents in nodes:
        table = found.cpt(name)
        family = [*parents, name]
        # Its first variable changes fastest.
        order = [family.index(each) for each in table.names[::-1]]
        table.fillWith(tables[name].transpose(order).ravel().tolist())
    return found
