"""Lists: who is known, and why. Allowed, blocked or watched values, with a time from and a time until.

Reads:  columns decoded from the event.
Writes: one column per (list, operand): the number of the entry that matched, or null.
Keeps:  entries added and removed while running.
"""
