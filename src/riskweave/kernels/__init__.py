"""Kernels: numba loops over plain arrays, an algorithm a file. Imports numpy and numba alone.

A kernel allocates nothing and raises nothing; it takes state, inputs, settings, then `out`.
Every kernel has a slow, readable twin in `tests/oracles` and also runs with the JIT off
(`NUMBA_DISABLE_JIT=1`).
"""
