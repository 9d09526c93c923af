"""Decision tables, scorecards and trees read off their definition (DMN 1.4, section 8.2.10).

A cell is a tuple: ("any",), ("missing",), ("is", a, b, ...), ("<", 5) and so on, ("interval",
opening, low, high, closing), ("not", cell). A row is (cells, outputs).
"""

import operator

OPERATORS = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


def accepts(cell, value):
    """Tell whether a cell accepts a value; None is a missing one."""
    head = cell[0]
    if head == "any":
        return True
    if head == "missing":
        return value is None
    if value is None:
        return False
    if head == "is":
        return value in cell[1:]
    if head == "not":
        return not accepts(cell[1], value)
    if head == "interval":
        _, opening, low, high, closing = cell
        above = value >= low if opening == "[" else value > low
        below = value <= high if closing == "]" else value < high
        return above and below
    return OPERATORS[head](value, cell[1])


def as_cell(cell):
    """Return a cell as an analyst would write it."""
    head = cell[0]
    if head == "any":
        return "-"
    if head == "missing":
        return "missing"
    if head == "is":
        return ", ".join(str(each) for each in cell[1:])
    if head == "not":
        return f"not({as_cell(cell[1])})"
    if head == "interval":
        return f"{cell[1]}{cell[2]}..{cell[3]}{cell[4]}"
    return f"{head} {cell[1]}"


def matching_rows(rows, values):
    """Return the numbers of the rows whose cells all accept."""
    return [
        number
        for number, (cells, _) in enumerate(rows)
        if all(accepts(cell, value) for cell, value in zip(cells, values, strict=True))
    ]


def decide(rows, values, hit, collect, rankings):
    """Return (outputs, violation or number of matches, rows in the order of the hit policy).

    `rankings[output]` lists an output's values, the most important first, or is None.
    """
    matched = matching_rows(rows, values)
    width = len(rankings)
    nothing = [None] * width

    def importance(number):
        return [
            ranking.index(rows[number][1][output])
            for output, ranking in enumerate(rankings)
            if ranking is not None
        ]

    ordered = sorted(matched, key=importance) if hit in ("priority", "output_order") else matched
    outputs = [rows[number][1] for number in ordered]
    if hit == "unique":
        violated = len(matched) > 1
        return (outputs[0] if len(matched) == 1 else nothing), float(violated), ordered
    if hit == "any":
        violated = any(each != outputs[0] for each in outputs)
        return (outputs[0] if outputs and not violated else nothing), float(violated), ordered
    if hit == "collect" and collect != "list":
        columns = [[each[output] for each in outputs if each[output] is not None] for output in range(width)]
        aggregate = {
            "sum": sum,
            "count": len,
            "min": lambda column: min(column, default=None),
            "max": lambda column: max(column, default=None),
        }[collect]
        return [aggregate(column) for column in columns], float(len(matched)), ordered
    return (outputs[0] if outputs else nothing), float(len(matched)), ordered


def points(base, attributes, values):
    """Return a scorecard's points: of each attribute, those of the first band that accepts its value."""
    earned = [
        next((worth for cell, worth in bands if accepts(cell, value)), 0.0)
        for bands, value in zip(attributes, values, strict=True)
    ]
    return base + sum(earned), earned


def reasons(attributes, earned, most):
    """Return the numbers of the attributes that lost the most points against their best band."""
    lost = [max(worth for _, worth in bands) - got for bands, got in zip(attributes, earned, strict=True)]
    ranked = sorted(range(len(lost)), key=lambda number: -lost[number])
    return [number for number in ranked if lost[number] > 0][:most]


def leaf(tree, test):
    """Return the leaf of a nested (condition, then, else) tree; `test` evaluates a condition."""
    while isinstance(tree, tuple):
        condition, then, otherwise = tree
        tree = then if test(condition) else otherwise
    return tree
