"""Run conformance cases through the engine: python tests/patterns/conformance.py FILE...

Prints one line per file with how many cases agree, then every disagreement. Exits 0 only when all
agree. The format of the files is described in docs/patterns.md.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
for folder in (str(ROOT), str(ROOT / "src")):
    if folder not in sys.path:
        sys.path.insert(0, folder)

from tests.oracles.patterns import Answer, Refused, disagreement  # noqa: E402
from tests.patterns.case_format import run_in_room  # noqa: E402


def disagreements(cases: list[dict[str, Any]]) -> list[tuple[str, list[str], str]]:
    """Return (id, quirks, what differs) of every case that does not agree."""
    found = []
    for case in cases:
        answer: Answer | Refused
        try:
            answer = run_in_room(case)
        except Refused as refused:
            answer = refused
        difference = disagreement(case, answer)
        if difference is not None:
            found.append((case["id"], case.get("quirks", [case.get("scenario", "")]), difference))
    return found


def read(path: Path) -> list[dict[str, Any]]:
    """Return the cases of a file."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return content["cases"] if isinstance(content, dict) else content


def main(paths: list[str]) -> int:
    if not paths:
        print(__doc__)
        return 2
    problems = []
    for path in paths:
        cases = read(Path(path))
        differing = disagreements(cases)
        print(f"{path}: {len(cases) - len(differing)} of {len(cases)} agree")
        problems += [(path, *each) for each in differing]
    for path, case, quirks, difference in problems:
        print(f"{path}: {case} ({', '.join(filter(None, quirks))}): {difference}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
