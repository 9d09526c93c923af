"""How far two spellings of a word are apart: edit distance in which sounds that are mistaken cost less.

Optimal string alignment (Damerau 1964, each place edited once) with costs per pair of letters.
Words are letters 0..35 (a to z, then digits); words longer than LETTERS_MAX are cut.
"""

import numpy as np

from riskweave.kernels.compile import inline_kernel, kernel

LETTERS = 36
LETTERS_MAX = 32


@inline_kernel
def distance_of(one, n, other, m, change, drop, limit, rows):
    """Return the cost of turning one[:n] into other[:m].

    `change[a, b]` is the cost of writing b for a, `drop[a]` that of leaving a out (or writing it too
    much), a third of it when it doubles its neighbour. Two neighbours swapped cost 0.7. Above `limit`
    any number above it may be returned. `rows` is scratch of [3, LETTERS_MAX + 1].
    """
    before, last, row = 0, 1, 2
    rows[last, 0] = 0.0
    for j in range(m):
        cost = drop[other[j]]
        if j > 0 and other[j] == other[j - 1]:
            cost *= 0.34
        rows[last, j + 1] = rows[last, j] + cost
    for i in range(n):
        letter = one[i]
        gone = drop[letter]
        if i > 0 and letter == one[i - 1]:
            gone *= 0.34
        rows[row, 0] = rows[last, 0] + gone
        least = rows[row, 0]
        for j in range(m):
            come = drop[other[j]]
            if j > 0 and other[j] == other[j - 1]:
                come *= 0.34
            best = rows[last, j] + change[letter, other[j]]
            best = min(best, rows[last, j + 1] + gone)
            best = min(best, rows[row, j] + come)
            if i > 0 and j > 0 and letter == other[j - 1] and one[i - 1] == other[j]:
                best = min(best, rows[before, j - 1] + 0.7)
            rows[row, j + 1] = best
            least = min(least, best)
        # A swap reaches back two rows, and costs 0.7 itself.
        if least > limit + 1.0:
            return least
        before, last, row = last, row, before
    return rows[last, m]


@kernel
def distance(one, other, change, drop, rows):
    """Return the cost of turning one word into the other; see `distance_of`."""
    return distance_of(one, one.size, other, other.size, change, drop, 1e9, rows)


@inline_kernel
def cheapest(letter, used, change, drop):
    """Return the least that a letter costs in a word that is turned into one of the letters `used`."""
    best = min(drop[letter], 1.0)
    for other in range(LETTERS):
        if used >> np.uint64(other) & np.uint64(1):
            best = min(best, change[letter, other])
    return best


@kernel
def near_words(word, limit, letters, start, masks, change, drop, tables, rows, found, costs):
    """Fill `found` and `costs` with the words within a share `limit` of their length; return how many.

    Word k is letters[start[k]:start[k + 1]], and `masks[k]` has a bit for each letter it uses. Most words
    are passed over uncompared: every letter of the other word has to come from one of this word's, or
    from nothing, and that has a least cost, added up by looking twelve letters at a time up in `tables`
    (scratch of [3, 4096]); and the other way round. At most found.size words are kept.
    """
    n = word.size
    used = np.uint64(0)
    for i in range(n):
        used |= np.uint64(1) << np.uint64(word[i])
    for third in range(3):
        tables[third, 0] = 0.0
        for bit in range(12):
            # A doubled letter costs a third; its first costs in full, and is the one counted.
            cost = cheapest(third * 12 + bit, used, change, drop)
            size = 1 << bit
            for number in range(size):
                tables[third, size + number] = tables[third, number] + cost
    twelve = np.uint64(4095)
    count = 0
    for k in range(masks.size):
        m = start[k + 1] - start[k]
        allowed = limit * max(n, m)
        if abs(n - m) * 0.4 > allowed:
            continue
        mask = masks[k]
        least = tables[0, mask & twelve] + tables[1, mask >> np.uint64(12) & twelve]
        if least + tables[2, mask >> np.uint64(24) & twelve] > allowed:
            continue
        least = 0.0
        for i in range(n):
            if not mask >> np.uint64(word[i]) & np.uint64(1) and (i == 0 or word[i] != word[i - 1]):
                least += cheapest(word[i], mask, change, drop)
                if least > allowed:
                    break
        if least > allowed:
            continue
        cost = distance_of(word, n, letters[start[k] : start[k + 1]], m, change, drop, allowed, rows)
        if cost <= allowed and count < found.size:
            found[count] = k
            costs[count] = cost
            count += 1
    return count


@kernel
def gather(words, worth, weight, start, names, mass, cover, touched):
    """Add up for each name what the words found in it are worth, and weigh; return how many were touched.

    Word words[k] stands in names[start[w]:start[w + 1]]. `mass` and `cover` are zero everywhere before;
    the names touched are in `touched`, for the caller to put them back to zero.
    """
    count = 0
    for k in range(words.size):
        word = words[k]
        for at in range(start[word], start[word + 1]):
            name = names[at]
            if mass[name] == 0.0:
                touched[count] = name
                count += 1
            mass[name] += worth[k]
            cover[name] += weight[k]
    return count
