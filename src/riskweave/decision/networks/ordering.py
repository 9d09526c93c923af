"""In which order variables are taken out: the one whose neighbours are most nearly connected already.

Min-fill (Kjaerulff 1990): taking a variable out connects all its neighbours, and the fewer new
edges that makes, the smaller the tables to come. Ties go to the smaller table, then to the
variable that comes first, so the same question has the same order everywhere.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Mapping, Sequence

Graph = dict[int, set[int]]


def interaction_graph(scopes: Iterable[Sequence[int]]) -> Graph:
    """Return who shares a factor with whom."""
    graph: Graph = {}
    for scope in scopes:
        for variable in scope:
            graph.setdefault(variable, set()).update(scope)
    for variable, neighbours in graph.items():
        neighbours.discard(variable)
    return graph


def min_fill(scopes: Iterable[Sequence[int]], out: Iterable[int], sizes: Mapping[int, int]) -> list[int]:
    """Return `out` in the order in which to take them out of factors with these scopes."""
    graph = interaction_graph(scopes)
    left = set(out)
    for variable in left:
        graph.setdefault(variable, set())
    cost = {variable: _cost(graph, variable, sizes) for variable in left}
    heap = [(*cost[variable], variable) for variable in left]
    heapq.heapify(heap)
    order: list[int] = []
    while left:
        *found, variable = heapq.heappop(heap)
        if variable not in left or tuple(found) != cost[variable]:
            continue
        order.append(variable)
        left.discard(variable)
        touched = eliminate(graph, variable)
        for each in touched & left:
            now = _cost(graph, each, sizes)
            if now != cost[each]:
                cost[each] = now
                heapq.heappush(heap, (*now, each))
    return order


def eliminate(graph: Graph, variable: int) -> set[int]:
    """Take a variable out of the graph, connect its neighbours, and return whose cost may have changed."""
    neighbours = graph.pop(variable)
    touched = set(neighbours)
    for each in neighbours:
        graph[each].discard(variable)
        new = neighbours - graph[each]
        new.discard(each)
        if new:
            graph[each] |= new
    for each in neighbours:
        touched |= graph[each]
    return touched


def _cost(graph: Graph, variable: int, sizes: Mapping[int, int]) -> tuple[int, float]:
    neighbours = graph[variable]
    count = len(neighbours)
    edges = sum(len(graph[each] & neighbours) for each in neighbours) // 2
    weight = math.log(sizes[variable]) + sum(math.log(sizes[each]) for each in sorted(neighbours))
    return count * (count - 1) // 2 - edges, weight
