"""From YAML to a live engine, and how long a start takes: the first on a machine, and every later one."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from benchmarks.measure import write
from benchmarks.peers.workload import ROOT, generate
from benchmarks.policies import both_policy, transactions

from riskweave import Engine, Policy

TINY_EVENTS = 200

# Runs the command line on every core there is, as a user does, and prints, as its last line, the seconds
# that each kernel took to compile: those compiled for themselves, and the ones right below them.
_COMPILE = """
import json, os
from numba.core import event
from riskweave.cli.app import main
os.sched_setaffinity(0, range(os.cpu_count()))
with event.install_recorder("numba:compile") as recorder:
    try:
        main()
    except SystemExit:
        pass
began, seconds = [], {}
for at, each in recorder.buffer:
    kernel = each.data["dispatcher"].py_func
    name = kernel.__module__.rsplit(".", 1)[-1] + "." + kernel.__name__
    if each.is_start:
        began.append(at)
    elif len(began) <= 2:
        seconds[name] = seconds.get(name, 0.0) + at - began.pop()
    else:
        began.pop()
print()
print(json.dumps(seconds))
"""


def run(arguments: argparse.Namespace) -> None:
    folder = generate(arguments.events, arguments.seed)
    result: dict[str, object] = {}
    with TemporaryDirectory() as scratch:
        for count in (1_000, 10_000):
            policy = Path(scratch) / f"rules_{count}"
            write_policy(policy, rules_of(count))
            result[f"{count}_rules"] = _live(policy, arguments.runs)
        tiny = Path(scratch) / "tiny.jsonl"
        records = transactions(folder, features=True).slice(0, TINY_EVENTS).to_pylist()
        tiny.write_text("".join(json.dumps(record) + "\n" for record in records))
        policy = Path(scratch) / "policy"
        write_policy(policy, both_policy(folder, 100))
        result |= _starts(policy, tiny, Path(scratch) / "cache", arguments.runs)
    write("policy", result)


def rules_of(count: int) -> dict[str, object]:
    """Return a policy of rules of two or three comparisons over twenty fields."""
    random = np.random.default_rng(count)
    rules = []
    for number in range(count):
        fields = random.choice(20, int(random.integers(2, 4)), replace=False).tolist()
        # A comparison holds for a twentieth to a third of the events, so that a rule hits one in a hundred.
        bounds = random.uniform(0.05, 0.33, len(fields))
        tests = [
            f"f{field} < {bound:.4f}" if random.random() < 0.5 else f"f{field} > {1 - bound:.4f}"
            for field, bound in zip(fields, bounds, strict=True)
        ]
        reason = {"en": f"Rule {number} holds", "zh": f"符合规则 {number}"}
        rules.append({"id": f"rule_{number}", "when": " and ".join(tests), "risk": 0.5, "reason": reason})
    fields_of = {f"f{number}": "float" for number in range(20)}
    time_of = {"type": "time", "unit": "ms", "required": True}
    return {
        "policy": {"name": "many"},
        "events": {
            "tx": {"time": "ts", "fields": {"ts": time_of, "user_id": "int", "amount": "float", **fields_of}}
        },
        "entities": {"user": "user_id"},
        "features": {"paid_1h": 'user.sum(amount, "1h")', "times_1d": 'user.count("1d")'},
        "rules": rules,
    }


def write_policy(folder: Path, policy: dict[str, object]) -> None:
    """Write a policy as a folder, its rules in a file of their own."""
    import yaml

    folder.mkdir(parents=True)
    rest = {name: value for name, value in policy.items() if name != "rules"}
    parts = {"policy.yaml": rest, "rules.yaml": {"rules": policy["rules"]}}
    for name, part in parts.items():
        text = yaml.dump(part, sort_keys=False, allow_unicode=True, Dumper=_dumper(yaml))
        (folder / name).write_text(text, encoding="utf-8")


def _dumper(yaml: Any) -> Any:
    return getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def _live(folder: Path, runs: int) -> dict[str, float]:
    """Return the seconds from text on disk to an engine that decides."""
    read, built, replaced = [], [], []
    for _ in range(runs):
        policy, seconds = _clocked(lambda: Policy.read(folder))
        read.append(seconds)
        engine, seconds = _clocked(lambda policy=policy: Engine(policy))
        built.append(seconds)
        if hasattr(engine, "replace_policy"):
            replaced.append(_clocked(lambda policy=policy, engine=engine: engine.replace_policy(policy))[1])
    found = {
        "read_s": round(statistics.median(read), 3),
        "engine_s": round(statistics.median(built), 3),
        "live_s": round(statistics.median(a + b for a, b in zip(read, built, strict=True)), 3),
    }
    return found | ({"replace_s": round(statistics.median(replaced), 3)} if replaced else {})


def _starts(policy: Path, events: Path, cache: Path, runs: int) -> dict[str, object]:
    """Time the command line on a few events: with no compiled kernels at hand, then with them."""
    arguments = ["replay", str(policy), str(events), "--json"]
    cache.mkdir()
    first, wall, output = _process(["-c", _COMPILE, *arguments], cache)
    kernels = json.loads(output.splitlines()[-1])
    dearest = dict(sorted(kernels.items(), key=lambda each: -each[1])[:10])
    later = [_process(["-m", "riskweave", *arguments], cache) for _ in range(runs)]
    nothing = [_process(["-c", "pass"], cache) for _ in range(runs)]
    imports = [_process(["-c", "import riskweave"], cache) for _ in range(runs)]
    bare = statistics.median(each[1] for each in nothing)
    return {
        "first_start_cores": os.cpu_count(),
        "first_start_s": round(wall, 2),
        "first_start_cpu_s": round(first, 2),
        "dearest_kernels_s": {name: round(seconds, 2) for name, seconds in dearest.items()},
        "later_start_s": round(statistics.median(each[1] for each in later), 2),
        "later_start_cpu_s": round(statistics.median(each[0] for each in later), 2),
        "python_itself_s": round(bare, 3),
        "import_s": round(statistics.median(each[1] for each in imports) - bare, 3),
    }


def _process(arguments: list[str], cache: Path) -> tuple[float, float, str]:
    """Run Python; return its seconds on the processor and on the wall, and what it printed."""
    environment = os.environ | {
        "NUMBA_CACHE_DIR": str(cache),
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
    }
    before, began = os.times(), time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True)
    wall, after = time.perf_counter() - began, os.times()
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments[:2])} ended with {done.returncode}:\n{done.stderr}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return cpu, wall, done.stdout


def _clocked(run: Callable[[], Any]) -> tuple[Any, float]:
    began = time.perf_counter()
    result = run()
    return result, time.perf_counter() - began
