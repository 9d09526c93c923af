"""Bayesian networks over discrete nodes: written, read, asked, compiled and learned.

Reads:  nothing of an event; the decision room turns columns into evidence.
Writes: the posterior of a node, one event or a batch at a time.
Keeps:  nothing; `learning.Learner` holds the counts that feedback adds to.
"""
