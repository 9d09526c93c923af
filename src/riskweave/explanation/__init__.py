"""Explanation: why this action, in words that a customer's adviser, an analyst and a judge can read.

Reads:  the facts of one decided event: values, hits, belief, economics; and a way to decide it again.
Writes: an explanation in English and Chinese, as text, JSON and HTML.
Keeps:  nothing.
"""
