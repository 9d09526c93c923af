"""Storage: what a durable engine asks for, on SQLite files or PostgreSQL.

Reads:  entries of the journal, snapshots, stored policies.
Writes: the same; decisions that grow old go to Parquet.
Keeps:  everything.
"""
