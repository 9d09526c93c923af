"""Decision: from risk to action.

Reads:  the risk columns of rules, tables, scorecards and trees; the rules' floor and ceiling.
Writes: score and action.
Keeps:  nothing.
"""
