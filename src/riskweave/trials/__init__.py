"""Scenarios on trial: a simulated city attacks a ready policy, and what it saved is counted in money.

Reads:  a scenario's folder, the simulation, the engine, trainers.
Writes: expected.json and the light models that scenarios ship with.
"""
