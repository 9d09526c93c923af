"""`riskweave screen` and `riskweave import-list`: who is on a sanctions list, however the name is written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from riskweave.errors import RiskweaveError
from riskweave.lists.names.importing import FORMATS, import_list
from riskweave.lists.names.reading import KINDS
from riskweave.lists.names.screening import Party, Screener, read_listed, write_listed


def screen(
    names: Sequence[str],
    path: Path,
    kind: str,
    born: str,
    country: str,
    threshold: float,
    as_json: bool,
) -> int:
    """Print the listed parties that these names of one party may be; 1 when there are some."""
    if kind not in KINDS:
        raise RiskweaveError(f"`--kind {kind}`: expected one of {', '.join(KINDS)}")
    hits = Screener(read_listed(path), threshold).screen(Party(tuple(names), kind, born, country))
    if as_json:
        print(json.dumps({"hits": [hit.to_json() for hit in hits]}, ensure_ascii=False))
    else:
        for hit in hits:
            print("\n".join(hit.lines()))
        if not hits:
            print(f"nobody in {path} is {threshold:.2f} alike")
    return 1 if hits else 0


def import_published(form: str, paths: Sequence[Path], out: Path, as_json: bool) -> None:
    """Write a published list as a CSV that `kind: names` and `riskweave screen` read."""
    if form not in FORMATS:
        raise RiskweaveError(f"no list format `{form}`; there are: {', '.join(FORMATS)}")
    listed = import_list(form, paths)
    rows = write_listed(out, listed)
    parties = len({each.id for each in listed})
    if as_json:
        print(json.dumps({"parties": parties, "names": rows, "out": str(out)}))
    else:
        print(f"{parties:,} parties with {rows:,} names -> {out}")
