"""What experts know: rule, decision table, scorecard, decision tree.

Reads:  every column that events, lists, features, patterns and models fill.
Writes: the outputs of tables, scorecards and trees; each event's hits;
        `rules.risk`, `rules.floor`, `rules.ceiling`.
Keeps:  nothing: rules remember nothing from event to event.
"""
