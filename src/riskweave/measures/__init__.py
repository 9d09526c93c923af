"""Measures: what books, banks and networks of banks are exposed to; numbers in, numbers out.

Reads:  arrays of returns, balances, exposures, paths.
Writes: nothing. What a policy is to know of it comes as attributes or events.
Keeps:  nothing.
"""
