"""Patterns: events that mean something only in order.

Reads:  event, list and feature columns, and the keys of the roles.
Writes: a column of hits and one of risk per pattern; progress and stages where something reads them.
Keeps:  partial matches, per key.
"""
