"""Engine: a plan and its state; the same code decides one event, a batch, a replay.

Reads:  events and labels, in arrival order.
Writes: decisions.
Keeps:  the state of every room, the ids of recent events, labels on their way.
"""
