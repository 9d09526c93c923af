"""Bands: from a risk to an action, between a floor and a ceiling."""

from riskweave.kernels.compile import kernel


@kernel
def act(values, risk_rows, floor_row, ceiling_row, thresholds, score, action):
    """Fill `score` with the greatest of the risk rows and `action` with its band.

    `thresholds[a]` is the least score of action a (ascending; `thresholds[0]` is -inf). An unknown
    risk counts as none. The floor wins over the ceiling: what the law or a hard rule demands is
    not undone by an allow list.
    """
    for i in range(score.size):
        greatest = 0.0
        for k in range(risk_rows.size):
            risk = values[risk_rows[k], i]
            if risk > greatest:
                greatest = risk
        if greatest > 1.0:
            greatest = 1.0
        chosen = 0
        for a in range(thresholds.size):
            if greatest >= thresholds[a]:
                chosen = a
        ceiling = values[ceiling_row, i]
        if ceiling < chosen:
            chosen = int(ceiling)
        floor = values[floor_row, i]
        if floor > chosen:
            chosen = int(floor)
        score[i] = greatest
        action[i] = chosen
