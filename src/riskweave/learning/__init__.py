"""Learning: what a history with its labels teaches, without looking into the future.

Reads:  a replay's features, exactly as they were at each event, and labels when they became known.
Makes:  training sets, models as artifacts, calibrations, evaluations and reports.
Needs:  the `train` extra (scikit-learn, LightGBM); PyTorch (`deep`) for networks alone.
"""
