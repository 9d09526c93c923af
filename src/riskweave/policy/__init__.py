"""Reads a policy folder, checks it as a whole, compiles it into one immutable plan."""
