"""What experts know: rule, decision table, scorecard, decision tree."""
