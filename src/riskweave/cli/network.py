"""`riskweave network`: asks a Bayesian network, as a BIF file or as a policy has it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.table import Table

from riskweave.cli.commands import console
from riskweave.decision.networks.bif import read_bif, to_bif
from riskweave.decision.networks.elimination import log_probability, most_probable, posterior
from riskweave.decision.networks.network import Network, read_network
from riskweave.document import Node, read_yaml
from riskweave.errors import PolicyError, RiskweaveError, Span
from riskweave.policy.folder import read_folder


def ask(
    path: Path,
    target: Sequence[str],
    evidence: Sequence[str],
    likelihood: Sequence[str],
    explain: bool,
    bif: bool,
    as_json: bool,
) -> None:
    """Print posteriors, the most probable explanation, the network as BIF, or what nodes there are."""
    network = read_any(path)
    hard = parse_evidence(evidence, network)
    soft = parse_likelihood(likelihood)
    if bif:
        print(to_bif(network), end="")
        return
    if not (target or explain):
        if hard or soft:
            raise RiskweaveError("say what is asked: `--target NODE` or `--mpe`")
        _show_nodes(network, as_json)
        return
    chance = log_probability(network, hard, soft)
    if chance == -math.inf:
        raise RiskweaveError("this evidence cannot occur: its probability is 0")
    answer: dict[str, object] = {"version": network.version, "evidence": hard}
    if soft:
        answer["likelihood"] = soft
    answer["log_probability_of_evidence"] = chance
    if target:
        answer["posterior"] = {name: _by_state(network, name, hard, soft) for name in target}
    if explain:
        answer["most_probable"] = most_probable(network, hard, soft)
    if as_json:
        print(json.dumps(answer))
        return
    for name in target:
        _show_posterior(network, name, hard, soft)
    if explain:
        table = Table("node", "most probable state")
        for name, state in most_probable(network, hard, soft).items():
            table.add_row(name, state)
        console.print(table)


def read_any(path: Path) -> Network:
    """Return the network of a BIF file, of a YAML file with `nodes:`, or of a policy."""
    if not path.exists():
        raise RiskweaveError(f"there is no file or folder `{path}`")
    if path.is_file() and path.suffix in (".bif", ".gz"):
        return read_bif(path)
    if path.is_file() and path.suffix in (".yaml", ".yml"):
        root = read_yaml(path, path.name)
        if "nodes" in root:
            return read_network(root, path.parent)
    document = read_folder(path)
    node = _inside(document.section("decision"))
    if node is None:
        raise PolicyError(
            "this policy has no network", Span(str(path)), "a network is written under `decision: network:`"
        )
    return read_network(node, document.folder)


def parse_evidence(texts: Sequence[str], network: Network) -> dict[str, str]:
    """Return `A=a,B=b` (once or several times) as a map; states with commas are told by the network."""
    found: dict[str, str] = {}
    for text in texts:
        parts: list[str] = []
        for part in text.split(","):
            # A state may hold a comma itself: a part without `=` belongs to the one before.
            if "=" in part or not parts:
                parts.append(part)
            else:
                parts[-1] += f",{part}"
        for part in parts:
            name, equal, state = (each.strip() for each in part.partition("="))
            if not (name and equal and state):
                raise RiskweaveError(f"`{part.strip()}` is no evidence; write NODE=STATE,NODE=STATE")
            if found.get(name, state) != state:
                raise RiskweaveError(f"`{name}` cannot be both `{found[name]}` and `{state}`")
            network.state(name, state)
            found[name] = state
    return found


def parse_likelihood(texts: Sequence[str]) -> dict[str, list[float]]:
    """Return `A=0.2:0.7:0.1` (a weight per state, in the order of the states) as a map."""
    found: dict[str, list[float]] = {}
    for text in texts:
        for part in text.split(","):
            name, equal, weights = (each.strip() for each in part.partition("="))
            try:
                numbers = [float(each) for each in weights.split(":")]
            except ValueError:
                numbers = []
            if not (name and equal and numbers):
                raise RiskweaveError(f"`{part.strip()}` is no likelihood; write NODE=0.2:0.7:0.1")
            found[name] = numbers
    return found


def _inside(section: Node | None) -> Node | None:
    return section.get("network") if section is not None and section.is_map else None


def _by_state(
    network: Network, name: str, hard: Mapping[str, str], soft: Mapping[str, Sequence[float]]
) -> dict[str, float]:
    found = posterior(network, name, hard, soft)
    return dict(zip(network[name].states, map(float, found), strict=True))


def _show_posterior(
    network: Network, name: str, hard: Mapping[str, str], soft: Mapping[str, Sequence[float]]
) -> None:
    table = Table(name, "probability", "")
    for state, chance in _by_state(network, name, hard, soft).items():
        table.add_row(state, f"{chance:.6g}", "█" * round(30 * chance))
    console.print(table, highlight=False)


def _show_nodes(network: Network, as_json: bool) -> None:
    cells = sum(node.table.size for node in network.nodes.values())
    if as_json:
        nodes = {
            node.name: {"states": node.states, "parents": node.parents, "numbers": node.table.size}
            for node in network.nodes.values()
        }
        print(json.dumps({"version": network.version, "numbers": cells, "nodes": nodes}))
        return
    table = Table("node", "states", "parents", "numbers")
    for node in network.nodes.values():
        table.add_row(node.name, ", ".join(node.states), ", ".join(node.parents), str(node.table.size))
    console.print(table)
    console.print(f"{len(network)} nodes, {cells:,} numbers, version {network.version[:12]}", highlight=False)
