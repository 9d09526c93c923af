"""Sorted stretches of words: sort, find, runs of equal words."""

from riskweave.kernels.compile import inline_kernel


@inline_kernel
def sort_words(heap, start, count):
    """Sort heap[start : start + count] in place."""
    if count <= 24:
        for i in range(start + 1, start + count):
            word = heap[i]
            j = i
            while j > start and heap[j - 1] > word:
                heap[j] = heap[j - 1]
                j -= 1
            heap[j] = word
        return
    # Heapsort: no recursion, no worst case.
    end = count
    root = count // 2
    while end > 1:
        if root > 0:
            root -= 1
            word = heap[start + root]
        else:
            end -= 1
            word = heap[start + end]
            heap[start + end] = heap[start]
        at = root
        child = 2 * at + 1
        while child < end:
            if child + 1 < end and heap[start + child + 1] > heap[start + child]:
                child += 1
            if heap[start + child] <= word:
                break
            heap[start + at] = heap[start + child]
            at = child
            child = 2 * at + 1
        heap[start + at] = word


@inline_kernel
def count_less(heap, start, count, word):
    """Return how many words of a sorted stretch are less than `word`."""
    low = 0
    high = count
    while low < high:
        middle = (low + high) >> 1
        if heap[start + middle] < word:
            low = middle + 1
        else:
            high = middle
    return low


@inline_kernel
def count_up_to(heap, start, count, word):
    """Return how many words of a sorted stretch are `word` or less."""
    low = 0
    high = count
    while low < high:
        middle = (low + high) >> 1
        if heap[start + middle] <= word:
            low = middle + 1
        else:
            high = middle
    return low


@inline_kernel
def count_distinct(heap, start, count):
    """Return how many different words a sorted stretch has."""
    distinct = 0
    for i in range(count):
        if i == 0 or heap[start + i] != heap[start + i - 1]:
            distinct += 1
    return distinct
