"""What the analyst wrote about deciding: the bands under `policy:`, and the section `decision:`."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from riskweave.batch import ACTIONS
from riskweave.decision.money import NEEDED, NESTED, NUMBERS, PLAIN
from riskweave.document import Node
from riskweave.errors import PolicyError, Span, did_you_mean


@dataclass(frozen=True)
class Bands:
    """PASS below the first band; from each threshold on, its action.

    `mfa` is None in a policy that steps up only by rules.
    """

    review: float = 0.3
    block: float = 0.7
    mfa: float | None = None


def read_bands(node: Node | None) -> Bands:
    """Read `bands: {mfa: 0.2, review: 0.3, block: 0.7}`; thresholds must not fall."""
    if node is None:
        return Bands()
    node.only("mfa", "review", "block")
    mfa, review, block = node.get("mfa"), node.get("review"), node.get("block")
    bands = Bands(
        review=review.number(0, 1) if review else Bands.review,
        block=block.number(0, 1) if block else Bands.block,
        mfa=mfa.number(0, 1) if mfa else None,
    )
    steps = [bands.review, bands.block] if bands.mfa is None else [bands.mfa, bands.review, bands.block]
    if steps != sorted(steps):
        raise node.error(
            "a gentler action's band must not lie above a harder one's", "mfa <= review <= block"
        )
    return bands


INTEGRATORS = ("utility", "weighted", "maximum")
ITEMS_MAX = 64
# The amounts a table of costs is judged over, unless the policy says others.
AMOUNTS = (1.0, 10_000.0)
WEIGHTS = (0.3, 0.2, 0.5)


@dataclass(frozen=True, slots=True)
class EvidenceSpec:
    """A node of the network and where its state comes from.

    `states` maps a state's name to the texts that mean it, or lists names in ascending order of the
    bands; `otherwise` is the state of any other text.
    """

    node: str
    span: Span
    value: Node
    bands: tuple[float, ...] | None
    states: tuple[str, ...] | None
    texts: dict[str, str] | None
    otherwise: str | None


@dataclass(frozen=True, slots=True)
class CostsSpec:
    """A set of costs: for the events that meet `when`, the price of every action that is given.

    `numbers` maps `amount`, `review.cost`, ... to the expression that says it.
    """

    name: str
    span: Span
    when: Node | None
    numbers: dict[str, Node]
    priced: tuple[str, ...]
    spans: dict[str, Span]


@dataclass(frozen=True, slots=True)
class TestSpec:
    """A test that could be asked for: the chance of each result under fraud and without."""

    name: str
    span: Span
    when: Node | None
    results: tuple[tuple[str, float, float], ...]
    cost: Node
    action: str | None

    # pytest collects classes of this name otherwise.
    __test__ = False


@dataclass(frozen=True, slots=True)
class AdjustmentSpec:
    """A condition that changes costs, or moves the action.

    `changes` are (cost, `multiply` or `add`, number); `move` is (`step`, -1 or 1), (`at_most`, action)
    or (`at_least`, action).
    """

    name: str
    span: Span
    when: Node
    changes: tuple[tuple[str, str, Node], ...]
    move: tuple[str, int] | None
    reason: dict[str, str]


@dataclass(frozen=True, slots=True)
class BoundSpec:
    """A floor or a ceiling: while `when` holds, at least (at most) this action."""

    name: str
    span: Span
    when: Node
    action: str
    reason: dict[str, str]


@dataclass(frozen=True, slots=True)
class HysteresisSpec:
    """The key's last action stays while the best is not better by more than `margin`."""

    key: Node
    margin: Node
    for_ms: int
    keys: int


@dataclass(frozen=True, slots=True)
class DecisionSpec:
    """The section `decision:`; None where the analyst said nothing."""

    integrator: str = "maximum"
    span: Span = field(default_factory=Span)
    belief: Node | None = None
    prior: float | None = None
    network: Node | None = None
    target: str | None = None
    fraud: tuple[str, ...] | None = None
    evidence: tuple[EvidenceSpec, ...] = ()
    costs: tuple[CostsSpec, ...] = ()
    costs_span: Span = field(default_factory=Span)
    amounts: tuple[float, float] = AMOUNTS
    assume: tuple[tuple[str, Span, float], ...] = ()
    tests: tuple[TestSpec, ...] = ()
    ask: bool = False
    adjustments: tuple[AdjustmentSpec, ...] = ()
    floors: tuple[BoundSpec, ...] = ()
    ceilings: tuple[BoundSpec, ...] = ()
    capacity: tuple[float, float] | None = None
    hysteresis: HysteresisSpec | None = None
    weights: tuple[float, float, float] = WEIGHTS
    model: Node | None = None
    thresholds: Bands = field(default_factory=Bands)


_OF_UTILITY = (
    "belief", "prior", "network", "target", "fraud", "evidence", "costs", "amounts", "assume",
    "tests", "ask", "adjustments", "capacity", "hysteresis",
)  # fmt: skip
_OF_WEIGHTED = ("weights", "model", "thresholds")


def read_decision(node: Node | None) -> DecisionSpec:
    """Read the section; without it, risks decide by their maximum, as the bands say."""
    if node is None:
        return DecisionSpec()
    node.only("integrator", "floors", "ceilings", *_OF_UTILITY, *_OF_WEIGHTED)
    kind = node.get("integrator")
    integrator = kind.choice(*INTEGRATORS) if kind else "utility"
    for key, _ in node.items():
        owner = "utility" if key in _OF_UTILITY else "weighted" if key in _OF_WEIGHTED else integrator
        if owner != integrator:
            raise PolicyError(f"`{key}` is for the integrator `{owner}`", node.key_span(key))
    prior, target, fraud = node.get("prior"), node.get("target"), node.get("fraud")
    costs, tests, ask = node.get("costs"), node.get("tests"), node.get("ask")
    thresholds, model = node.get("thresholds"), node.get("model")
    return DecisionSpec(
        integrator=integrator,
        span=node.span,
        belief=node.get("belief"),
        prior=prior.number(0.0, 1.0) if prior else None,
        network=node.get("network"),
        target=target.text() if target else None,
        fraud=tuple(fraud.texts()) if fraud else None,
        evidence=tuple(_evidence(name, each, span) for name, each, span in _named(node.get("evidence"))),
        costs=read_costs(costs),
        costs_span=costs.span if costs else node.span,
        amounts=_amounts(node.get("amounts")),
        assume=tuple((name, span, each.number()) for name, each, span in _named(node.get("assume"))),
        tests=tuple(_test(name, each, span) for name, each, span in _named(tests)),
        ask=ask.flag() if ask else False,
        adjustments=tuple(
            _adjustment(name, each, span) for name, each, span in _named(node.get("adjustments"))
        ),
        floors=tuple(_bound(name, each, span) for name, each, span in _named(node.get("floors"))),
        ceilings=tuple(_bound(name, each, span) for name, each, span in _named(node.get("ceilings"))),
        capacity=_capacity(node.get("capacity")),
        hysteresis=_hysteresis(node.get("hysteresis")),
        weights=_weights(node.get("weights")),
        model=model,
        thresholds=read_bands(thresholds),
    )


def _named(node: Node | None) -> list[tuple[str, Node, Span]]:
    """Return the entries of a map of names, with where each name stands."""
    found = [] if node is None else [(name, each, node.key_span(name)) for name, each in node.items()]
    if node is not None and len(found) > ITEMS_MAX:
        raise node.error(f"`{node.path}` has {len(found)} entries", f"at most {ITEMS_MAX}")
    return found


def _evidence(name: str, node: Node, span: Span) -> EvidenceSpec:
    if not node.is_map:
        return EvidenceSpec(name, span, node, None, None, None, None)
    node.only("value", "bands", "states", "else")
    bands, states, otherwise = node.get("bands"), node.get("states"), node.get("else")
    cuts = None if bands is None else tuple(each.number() for each in bands.elements())
    if bands is not None and (not cuts or any(b <= a for a, b in pairwise(cuts))):
        raise bands.error(
            "bands are cuts in ascending order", "as in [0.1, 0.5]: below 0.1, from 0.1, from 0.5 on"
        )
    names: tuple[str, ...] | None = None
    texts: dict[str, str] | None = None
    if states is not None and states.is_map:
        texts = {}
        for state, each in states.items():
            for text in each.texts():
                if text in texts:
                    raise each.error(f"`{text}` means two states: `{texts[text]}` and `{state}`")
                texts[text] = state
        names = tuple(state for state, _ in states.items())
    elif states is not None:
        names = tuple(states.texts())
    if cuts is not None and names is not None and len(names) != len(cuts) + 1:
        raise PolicyError(
            f"{len(cuts)} cuts make {len(cuts) + 1} bands, but {len(names)} states are named",
            states.span if states else span,
        )
    return EvidenceSpec(
        name, span, node.need("value"), cuts, names, texts, otherwise.text() if otherwise else None
    )


def read_costs(node: Node | None) -> tuple[CostsSpec, ...]:
    """Read `costs:`, one set or a list of them; the first whose `when` holds counts."""
    if node is None:
        return ()
    sets = node.elements() if node.is_list else [node]
    if not 1 <= len(sets) <= ITEMS_MAX:
        raise node.error(f"`costs` needs between 1 and {ITEMS_MAX} sets")
    found = []
    for number, each in enumerate(sets):
        last = number == len(sets) - 1
        when, name = each.get("when"), each.get("name")
        if (when is None) != last:
            message = (
                "the last set of costs is for all other events"
                if last
                else "a set that is not the last needs `when`"
            )
            raise each.error(
                message, "leave out its `when`" if last else "without it the sets below count for nothing"
            )
        found.append(_costs(each, when, name.text() if name else "all" if when is None else when.text()))
    return tuple(found)


def _costs(node: Node, when: Node | None, name: str) -> CostsSpec:
    node.only("name", "when", *PLAIN, *NESTED)
    numbers = {key: each for key in PLAIN if (each := node.get(key)) is not None}
    node.need("amount")
    priced = ["PASS", "BLOCK"]
    for part, keys in NESTED.items():
        inner = node.get(part)
        if inner is None:
            continue
        inner.only(*keys)
        numbers |= {f"{part}.{key}": each for key in keys if (each := inner.get(key)) is not None}
        for key in NEEDED.get(part, ()):
            inner.need(key)
        if part.upper() not in priced:
            priced.append(part.upper())
    spans = {part.upper(): node.key_span(part) for part in NESTED if part in node}
    return CostsSpec(name, node.span, when, numbers, tuple(sorted(priced, key=ACTIONS.index)), spans)


def _test(name: str, node: Node, span: Span) -> TestSpec:
    node.only("when", "sensitivity", "specificity", "likelihood", "cost", "action")
    action = node.get("action")
    return TestSpec(
        name,
        span,
        node.get("when"),
        _results(name, node),
        node.need("cost"),
        action.choice("MFA", "REVIEW") if action else None,
    )


def _results(name: str, node: Node) -> tuple[tuple[str, float, float], ...]:
    table = node.get("likelihood")
    if table is None:
        hit, clear = node.need("sensitivity").number(0.0, 1.0), node.need("specificity").number(0.0, 1.0)
        return (("alarm", hit, 1.0 - clear), ("clear", 1.0 - hit, clear))
    for key in ("sensitivity", "specificity"):
        if key in node:
            raise PolicyError(f"test `{name}` has a `likelihood` already", node.key_span(key))
    table.only("fraud", "legitimate")
    columns = []
    for key in ("fraud", "legitimate"):
        part = table.need(key)
        chances = {result: each.number(0.0, 1.0) for result, each in part.items()}
        if not chances or abs(sum(chances.values()) - 1.0) > 1e-9:
            raise part.error(f"the chances of test `{name}`'s results must add up to 1")
        columns.append(chances)
    if set(columns[0]) != set(columns[1]):
        raise table.error(f"test `{name}` must give the same results under `fraud` and `legitimate`")
    return tuple((result, chance, columns[1][result]) for result, chance in columns[0].items())


def _adjustment(name: str, node: Node, span: Span) -> AdjustmentSpec:
    node.only("when", "multiply", "add", "step", "at_most", "at_least", "reason")
    changes: list[tuple[str, str, Node]] = []
    for how in ("multiply", "add"):
        part = node.get(how)
        for key, each in part.items() if part is not None else ():
            if key not in NUMBERS:
                assert part is not None
                raise PolicyError(f"there is no cost `{key}`", part.key_span(key), did_you_mean(key, NUMBERS))
            changes.append((key, how, each))
    moves: list[tuple[str, int]] = []
    step = node.get("step")
    if step is not None:
        direction = step.choice("gentler", "harder")
        moves.append(("step", -1 if direction == "gentler" else 1))
    for how in ("at_most", "at_least"):
        bound = node.get(how)
        if bound is not None:
            moves.append((how, ACTIONS.index(bound.choice(*ACTIONS))))
    if len(moves) + bool(changes) != 1:
        raise PolicyError(
            f"adjustment `{name}` must do one thing",
            span,
            "`multiply` and `add` costs, or one of `step`, `at_most`, `at_least`",
        )
    return AdjustmentSpec(
        name, span, node.need("when"), tuple(changes), moves[0] if moves else None, _reason(node, name)
    )


def _bound(name: str, node: Node, span: Span) -> BoundSpec:
    node.only("when", "action", "reason")
    return BoundSpec(name, span, node.need("when"), node.need("action").choice(*ACTIONS), _reason(node, name))


def _reason(node: Node, name: str) -> dict[str, str]:
    reason = node.get("reason")
    return reason.by_language() if reason else {"en": name}


def _amounts(node: Node | None) -> tuple[float, float]:
    if node is None:
        return AMOUNTS
    ends = [each.number(0.0, 1e15) for each in node.elements()]
    if len(ends) != 2 or not 0.0 < ends[0] < ends[1]:
        raise node.error("`amounts` is the least and the greatest amount to expect", "as in [1, 10000]")
    return ends[0], ends[1]


def _capacity(node: Node | None) -> tuple[float, float] | None:
    if node is None:
        return None
    node.only("per_hour", "price")
    return node.need("per_hour").number(0.0, 1e9), node.need("price").number(0.0, 1e12)


def _hysteresis(node: Node | None) -> HysteresisSpec | None:
    if node is None:
        return None
    node.only("key", "margin", "for", "keys")
    keys = node.get("keys")
    return HysteresisSpec(
        node.need("key"),
        node.need("margin"),
        node.need("for").duration_ms(),
        keys.integer(1, 1 << 24) if keys else 1 << 16,
    )


def _weights(node: Node | None) -> tuple[float, float, float]:
    if node is None:
        return WEIGHTS
    node.only("rules", "patterns", "model")
    found = [
        each.number(0.0, 1.0) if (each := node.get(key)) else 0.0 for key in ("rules", "patterns", "model")
    ]
    if abs(sum(found) - 1.0) > 1e-9:
        raise node.error("the weights must add up to 1", "as in {rules: 0.3, patterns: 0.2, model: 0.5}")
    return found[0], found[1], found[2]
