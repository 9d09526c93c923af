"""Name screening: is this name, however it is written, one of those on a list?

A name is read (`reading`) into words with roles, compared (`compare`) word by word with what is
alike in sound and script, and found (`index`) among a hundred thousand without comparing with all.
Every hit says which words met and what was left over.
"""
