"""The engines that people would otherwise use, on the common workload, one core.

A module is a peer: `measure(folder, ...)` takes the generated workload and returns what it computed
and the CPU seconds that computing took, reading the file left out: seconds on the wall would tell
as much about what else the machine was doing.
"""
