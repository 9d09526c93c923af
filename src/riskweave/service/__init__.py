"""The service: what a payment system calls, and what the people beside it use.

Reads:  HTTP requests, settings, the durable engine's answers.
Writes: answers, operational tables (users, keys, alerts, audit), metrics, logs.
Keeps:  sessions and roll-ups in its database; no decision: those are the engine's.
"""
