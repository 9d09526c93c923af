"""What can happen: event types, fields, money, time, decoding and validation.

Reads:  records (files, Arrow tables, mappings).
Writes: the decoded columns of a batch, its keys, times and event hashes; labels beside.
Keeps:  nothing.
"""
