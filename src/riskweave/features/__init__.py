"""Features: what the past says, exactly, at every event.

Reads:  key hashes, and the columns of values and conditions that feature calls name.
Writes: one column per different feature call.
Keeps:  a history per key of each entity and role, as long as its windows need it.
"""
