"""Shapley values by their definition: the mean of what each adds, over every order of arrival."""

from itertools import permutations


def shapley(worth, players):
    """Return each player's share; `worth(frozenset)` is what a group is worth."""
    orders = list(permutations(range(players)))
    shares = [0.0] * players
    for order in orders:
        there = frozenset()
        for player in order:
            shares[player] += worth(there | {player}) - worth(there)
            there |= {player}
    return [share / len(orders) for share in shares]
