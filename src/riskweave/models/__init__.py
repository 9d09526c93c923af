"""Models: what data taught, scored beside the rules.

Reads:  fields, attributes, list matches, features and other expressions over them.
Writes: `NAME.score` and `NAME.raw` per model (`NAME.cluster` and `NAME.distance` of a profile).
Keeps:  the last events of each key, for models that read sequences.
"""
