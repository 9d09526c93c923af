"""What a window answers: from accumulators to the value of a feature."""

import math

from riskweave.kernels.aggregates import address, collect, fading, matches
from riskweave.kernels.chunks import TOP
from riskweave.kernels.compile import inline_kernel
from riskweave.kernels.exact_sums import add_one, sample_deviation, two_product
from riskweave.kernels.feature_layout import (
    FORGET,
    NEVER,
    OUT_COUNT,
    OUT_DECAYED,
    OUT_DISTANCE,
    OUT_DISTINCT,
    OUT_ENTROPY,
    OUT_EVER,
    OUT_EXTREME,
    OUT_FIRST,
    OUT_HABIT,
    OUT_LAST,
    OUT_MEAN,
    OUT_MODE,
    OUT_NEW,
    OUT_QUANTILE,
    OUT_RANK,
    OUT_RATIO,
    OUT_SHARE,
    OUT_SINCE,
    OUT_STD,
    OUT_SUM,
    OUT_USUAL,
    OUT_WINDOW_COUNT,
    OUT_ZSCORE,
    R_SEEN,
    VALUE_CELL,
    VALUE_HASH,
    VALUE_SCALED,
)
from riskweave.kernels.places import DIRECTION_SCALE, cell_of, distance_km
from riskweave.kernels.sorted_words import count_distinct, count_less, count_up_to
from riskweave.kernels.words import NULL, float_of, pack, unpack

NAN = float("nan")


@inline_kernel
def current_word(plan, value, values, keys, wide, i):
    """Return event i's word for one kept value; `value` is its row in the plan."""
    kind = plan[value]
    row = plan[value + 1]
    if kind == VALUE_HASH:
        key = keys[row * wide + i]
        return NULL if key == 0 else key
    if kind == VALUE_SCALED:
        # Beyond 2**53 a float no longer tells minor units apart; such an amount counts as missing.
        minor = np_rint(values[row * wide + i] * float_of(plan[value + 2]))
        if not abs(minor) <= 9007199254740992.0:
            return NULL
        return pack(minor)
    if kind == VALUE_CELL:
        lat = values[row * wide + i]
        lon = values[(row + 1) * wide + i]
        if lat != lat or lon != lon:
            return NULL
        return cell_of(lat, lon, float_of(plan[value + 2]))
    return pack(values[row * wide + i])


@inline_kernel
def np_rint(number):
    """Return the nearest whole number, halves to even."""
    if number != number:
        return number
    low = math.floor(number)
    rest = number - low
    if rest > 0.5 or (rest == 0.5 and low % 2.0 != 0.0):
        return low + 1.0
    return low


@inline_kernel
def null_answer(operation):
    """Return what a feature is when there is no key: null."""
    return NAN


@inline_kernel
def answer(plan, p, out, meta, heap, record, own, entry, values, keys, wide, i, time, too_late):
    """Return one output for event i.

    `own` is 1 when the event is remembered in this record, 2 when it takes part in windows only
    while it is decided, 0 when it is no entry of this record; `entry` is where its entry lies.
    """
    operation = plan[out]
    bounds = record + plan[plan[out + 2] + 5]
    acc = plan[out + 3]
    at = record + plan[acc + 4]
    if operation == OUT_WINDOW_COUNT:
        return float(heap[bounds + 1] - heap[bounds])
    if operation == OUT_COUNT:
        return float(heap[at])
    if operation == OUT_SUM:
        return (float_of(heap[at + 1]) + float_of(heap[at + 2])) / float_of(plan[out + 7])
    if operation == OUT_MEAN:
        if heap[at] == 0:
            return NAN
        return (float_of(heap[at + 1]) + float_of(heap[at + 2])) / (heap[at] * float_of(plan[out + 7]))
    if operation == OUT_EXTREME:
        if heap[at + 1] < 0:
            return NAN
        return unpack(heap[at]) / float_of(plan[out + 7])
    if operation == OUT_STD:
        return _deviation(plan, p, acc, heap, record, bounds) / float_of(plan[out + 7])
    if operation == OUT_RATIO:
        other = record + plan[plan[out + 4] + 4]
        below = float_of(heap[other + 1]) + float_of(heap[other + 2])
        if below == 0.0:
            return NAN
        return (float_of(heap[at + 1]) + float_of(heap[at + 2])) / below
    if operation == OUT_SHARE:
        if plan[out + 4] >= 0:
            total = heap[record + plan[plan[out + 4] + 4]]
        else:
            total = heap[bounds + 1] - heap[bounds]
        return NAN if total == 0 else heap[at] / total
    if operation == OUT_ZSCORE:
        now = current_word(plan, plan[out + 5], values, keys, wide, i)
        deviation = _deviation(plan, p, acc, heap, record, bounds)
        if now == NULL or not deviation > 0.0:
            return NAN
        mean = (float_of(heap[at + 1]) + float_of(heap[at + 2])) / heap[at]
        return (unpack(now) - mean) / deviation
    if operation == OUT_DISTINCT or (operation >= OUT_NEW and operation <= OUT_MODE):
        return _of_values(plan, p, out, meta, heap, record, bounds, values, keys, wide, i)
    if operation == OUT_LAST:
        if heap[at] < 0:
            return NAN
        word = heap[address(plan, p, heap, record, heap[at]) + plan[acc + 3]]
        return unpack(word) / float_of(plan[out + 7])
    if operation == OUT_SINCE:
        if heap[at] < 0:
            return NAN
        return (time - heap[address(plan, p, heap, record, heap[at])]) / 1000.0
    if operation == OUT_FIRST:
        if heap[at] < 0:
            return NAN
        return float(heap[address(plan, p, heap, record, heap[at])])
    if operation == OUT_DECAYED:
        return _decayed(plan, p, out, heap, record, at, time, too_late)
    if operation == OUT_EVER:
        return _ever(plan, p, out, heap, record, at, own, entry, time)
    if operation == OUT_HABIT:
        return _habit(heap, at, values[plan[out + 6] * wide + i])
    return _of_places(plan, p, out, heap, record, acc, at, values, wide, i, time)


@inline_kernel
def _deviation(plan, p, acc, heap, record, bounds):
    """Return the sample standard deviation of an accumulator with squares."""
    at = record + plan[acc + 4]
    count = heap[at]
    if count < 2:
        return NAN
    deviation = sample_deviation(
        float(count),
        float_of(heap[at + 1]),
        float_of(heap[at + 2]),
        float_of(heap[at + 3]),
        float_of(heap[at + 4]),
    )
    # A pair carries 106 bits of the greatest square that ever was in it. Where little of them is
    # left (values nearly equal, or tiny after a huge one has gone), look at the values again.
    peak = float_of(heap[at + 5])
    if plan[acc + 5] != 0 or deviation * deviation > peak * peak * count * 1e-19:
        return deviation
    return _deviation_anew(plan, p, acc, heap, record, heap[bounds], heap[bounds + 1])


@inline_kernel
def _deviation_anew(plan, p, acc, heap, record, first, end):
    """Return the sample standard deviation of a window's values in two passes."""
    at = record + plan[acc + 4]
    count = heap[at]
    high = 0.0
    low = 0.0
    for seq in range(first, end):
        there = address(plan, p, heap, record, seq)
        if matches(plan, acc, heap, there):
            high, low = add_one(high, low, unpack(heap[there + plan[acc + 3]]))
    mean = high / count
    product, error = two_product(mean, float(count))
    rest = ((high - product) - error + low) / count
    squares = 0.0
    squares_low = 0.0
    for seq in range(first, end):
        there = address(plan, p, heap, record, seq)
        if matches(plan, acc, heap, there):
            apart = (unpack(heap[there + plan[acc + 3]]) - mean) - rest
            squares, squares_low = add_one(squares, squares_low, apart * apart)
    return math.sqrt((squares + squares_low) / (count - 1))


@inline_kernel
def _of_values(plan, p, out, meta, heap, record, bounds, values, keys, wide, i):
    """Return what depends on the window's values as a sorted list."""
    operation = plan[out]
    acc = plan[out + 3]
    at = record + plan[acc + 4]
    built = heap[at + 1] > 0
    if built:
        start = heap[at]
        count = heap[at + 2]
    else:
        start = meta[TOP]
        count = collect(plan, p, acc, heap, record, heap[bounds], heap[bounds + 1], start)
    if operation == OUT_DISTINCT:
        return float(heap[at + 3]) if built else float(count_distinct(heap, start, count))
    if operation in (OUT_NEW, OUT_RANK):
        now = current_word(plan, plan[out + 5], values, keys, wide, i)
        if now == NULL:
            return NAN
        up_to = count_up_to(heap, start, count, now)
        if operation == OUT_RANK:
            return NAN if count == 0 else up_to / count
        return 0.0 if up_to > 0 and heap[start + up_to - 1] == now else 1.0
    if count == 0:
        return NAN
    if operation == OUT_QUANTILE:
        place = float_of(plan[out + 6]) * (count - 1)
        below = math.floor(place)
        low = unpack(heap[start + below])
        if place > below:
            low += (unpack(heap[start + below + 1]) - low) * (place - below)
        return low / float_of(plan[out + 7])
    # Runs of equal values: entropy and mode.
    most = 0
    weighted = 0.0  # as a pair, exact: the order of the values, which codes of text decide, is of no account
    weighted_low = 0.0
    run = 0
    for k in range(count):
        run += 1
        if k + 1 == count or heap[start + k + 1] != heap[start + k]:
            if run > 1:
                weighted, weighted_low = add_one(weighted, weighted_low, run * math.log2(float(run)))
            most = max(most, run)
            run = 0
    if operation == OUT_ENTROPY:
        return max(math.log2(float(count)) - (weighted + weighted_low) / count, 0.0)
    for seq in range(heap[bounds + 1] - 1, heap[bounds] - 1, -1):
        there = address(plan, p, heap, record, seq)
        if matches(plan, acc, heap, there):
            word = heap[there + plan[acc + 3]]
            low_count = count_less(heap, start, count, word)
            if count_up_to(heap, start, count, word) - low_count == most:
                return unpack(word) / float_of(plan[out + 7])
    return NAN


@inline_kernel
def _decayed(plan, p, out, heap, record, at, time, too_late):
    """Return a total faded to the moment the window ends."""
    if too_late:
        return NAN
    if heap[at + 3] == NEVER or time - heap[record + R_SEEN] > plan[p + FORGET]:
        return 0.0
    # plan[out + 6] is the window's delay
    age = time - plan[out + 6] - heap[at + 3]
    return float_of(heap[at + 2]) * fading(plan, plan[out + 3], age) / float_of(plan[out + 7])


@inline_kernel
def _ever(plan, p, out, heap, record, at, own, entry, time):
    """Return when the entity's first event was; parameter: delay, or -1 for `before`."""
    acc = plan[out + 3]
    first = heap[at]
    how_many = heap[at + 1]
    delay = plan[out + 6]
    need = plan[acc + 2]
    matching = own != 0 and (need == 0 or heap[entry + plan[acc + 1]] & need == need)
    if heap[record + R_SEEN] != NEVER and time - heap[record + R_SEEN] > plan[p + FORGET]:
        first = NEVER
    if delay < 0:
        if matching and own == 1 and first == time and how_many == 1:
            first = NEVER
        delay = 0
    elif delay == 0 and matching and own == 2 and (first == NEVER or time < first):
        first = time
    if first == NEVER or first > time - delay:
        return NAN
    return float(first)


@inline_kernel
def _habit(heap, at, hour):
    """Return how unusual an hour is: 0 for the entity's most usual, 1 for one never seen near."""
    if hour != hour:
        return NAN
    best = 0
    here = 0
    for k in range(24):
        around = 0
        for near in range(k + 23, k + 26):
            number = near % 24
            around += (heap[at + (number >> 1)] >> (32 * (number & 1))) & 0xFFFFFFFF
        best = max(best, around)
        if k == int(hour) % 24:
            here = around
    if best == 0:
        return NAN
    return 1.0 - here / best


@inline_kernel
def _of_places(plan, p, out, heap, record, acc, at, values, wide, i, time):
    """Return distance from the last place, speed since, or distance from the usual place."""
    operation = plan[out]
    lat = values[plan[out + 6] * wide + i]
    lon = values[(plan[out + 6] + 1) * wide + i]
    if lat != lat or lon != lon:
        return NAN
    if operation == OUT_USUAL:
        x = heap[at + 1] / DIRECTION_SCALE
        y = heap[at + 2] / DIRECTION_SCALE
        z = heap[at + 3] / DIRECTION_SCALE
        if heap[at] == 0 or (x == 0.0 and y == 0.0 and z == 0.0):
            return NAN
        usual_lat = math.degrees(math.atan2(z, math.sqrt(x * x + y * y)))
        return distance_km(lat, lon, usual_lat, math.degrees(math.atan2(y, x)))
    if heap[at] < 0:
        return NAN
    there = address(plan, p, heap, record, heap[at])
    km = distance_km(lat, lon, unpack(heap[there + plan[acc + 3]]), unpack(heap[there + plan[acc + 3] + 1]))
    if operation == OUT_DISTANCE:
        return km
    # Two events within a second say nothing about speed finer than that.
    return km / (max(time - heap[there], 1000) / 3600000.0)
