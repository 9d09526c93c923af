"""Records and their histories: find a key, append or insert an entry, move the windows."""

from riskweave.kernels.aggregates import (
    address,
    apply,
    clear,
    drop_bag,
    fold,
    matches,
    settle,
)
from riskweave.kernels.chunks import (
    INDEX_WORDS,
    KEYS,
    TABLE_WORDS,
    TABLES,
    give,
    take,
)
from riskweave.kernels.compile import inline_kernel
from riskweave.kernels.feature_layout import (
    ACC_BAG,
    ACC_DECAYED,
    ACC_FIRST,
    ACC_LAST,
    ACC_MAX,
    ACC_MIN,
    ACC_WORDS,
    DECAY_COUNT,
    ENDLESS,
    ENTERS,
    LEAVES,
    LOOSE_END,
    LOOSE_FIRST,
    NEVER,
    PASSES,
    R_CAPACITY,
    R_CURSOR,
    R_ERA,
    R_FIRST,
    R_KEY,
    R_NEXT,
    R_RING,
    R_SEEN,
    R_TABLE,
    R_WORDS,
    RECORD_WORDS,
    SPAN,
    STAYS,
    STRIDE,
    T_EVENTS,
    T_KEYS,
    WINDOW_COUNT,
    WINDOW_WORDS,
    WINDOWS,
    ZERO,
)

_SPREAD = -7046029254386353131  # an odd number near 2**64 / golden ratio


@inline_kernel
def salted(key, salt):
    """Return the key as the index knows it: another number for each table, never 0."""
    word = key ^ salt
    return word if word != 0 else 1


@inline_kernel
def home(meta, key):
    """Return the offset in the index at which a search for `key` begins."""
    return (((key * _SPREAD) >> 20) & ((meta[INDEX_WORDS] >> 1) - 1)) * 2


@inline_kernel
def find(meta, index, key):
    """Return the record of a key, 0 when there is none."""
    at = home(meta, key)
    while True:
        there = index[at]
        if there == key:
            return index[at + 1]
        if there == 0:
            return 0
        at += 2
        if at == meta[INDEX_WORDS]:
            at = 0


@inline_kernel
def put(meta, index, key, record):
    """Enter a key that is not there; the index has room."""
    at = home(meta, key)
    while index[at] != 0:
        at += 2
        if at == meta[INDEX_WORDS]:
            at = 0
    index[at] = key
    index[at + 1] = record


@inline_kernel
def new_record(plan, p, table, meta, index, heap, key, time):
    """Make an empty record for a key that has none."""
    record = take(meta, heap, plan[p + RECORD_WORDS])
    meta[TABLES + TABLE_WORDS * table + T_KEYS] += 1
    meta[KEYS] += 1
    put(meta, index, key, record)
    heap[record + R_KEY] = key
    heap[record + R_TABLE] = table
    heap[record + R_RING] = 0
    heap[record + R_CAPACITY] = 0
    heap[record + R_FIRST] = 0
    heap[record + R_NEXT] = 0
    empty_record(plan, p, heap, record, time, STAYS)
    return record


@inline_kernel
def empty_record(plan, p, heap, record, time, temporary):
    """Set a record to: never seen, every window empty."""
    heap[record + R_SEEN] = NEVER
    heap[record + R_CURSOR] = time
    heap[record + R_ERA] = time
    window = plan[p + WINDOWS]
    for _ in range(plan[p + WINDOW_COUNT]):
        heap[record + plan[window + 5]] = 0
        heap[record + plan[window + 5] + 1] = 0
        for acc in range(plan[window + 3], plan[window + 4], ACC_WORDS):
            clear(plan, acc, heap, record, temporary)
        window += WINDOW_WORDS
    for acc in range(plan[p + LOOSE_FIRST], plan[p + LOOSE_END], ACC_WORDS):
        clear(plan, acc, heap, record, temporary)


@inline_kernel
def release_bags(plan, p, meta, heap, record):
    """Give back the chunks of a record's bags."""
    window = plan[p + WINDOWS]
    for _ in range(plan[p + WINDOW_COUNT]):
        for acc in range(plan[window + 3], plan[window + 4], ACC_WORDS):
            if plan[acc] == ACC_BAG:
                drop_bag(meta, heap, record + plan[acc + 4])
        window += WINDOW_WORDS


@inline_kernel
def release_history(plan, p, table, meta, heap, record):
    """Give back a record's history."""
    if heap[record + R_CAPACITY] != 0:
        give(meta, heap, heap[record + R_RING], heap[record + R_CAPACITY] * plan[p + STRIDE])
    meta[TABLES + TABLE_WORDS * table + T_EVENTS] -= heap[record + R_NEXT] - heap[record + R_FIRST]
    heap[record + R_RING] = 0
    heap[record + R_CAPACITY] = 0
    heap[record + R_FIRST] = 0
    heap[record + R_NEXT] = 0


@inline_kernel
def drop_record(plan, p, table, meta, heap, record):
    """Give back an emptied record."""
    give(meta, heap, record, plan[p + RECORD_WORDS])
    meta[TABLES + TABLE_WORDS * table + T_KEYS] -= 1
    meta[KEYS] -= 1


@inline_kernel
def renew(plan, p, table, meta, heap, record, time):
    """Make a record as good as new: nothing in it can be seen any more."""
    release_bags(plan, p, meta, heap, record)
    release_history(plan, p, table, meta, heap, record)
    empty_record(plan, p, heap, record, time, STAYS)


@inline_kernel
def advance(plan, p, meta, heap, record, time, last_excluded):
    """Move every window of a record forward to `time`.

    `last_excluded` is 1 when the last entry is the current event, which `before` windows leave out.
    """
    following = heap[record + R_NEXT]
    ring = heap[record + R_RING]
    mask = heap[record + R_CAPACITY] - 1
    stride = plan[p + STRIDE]
    window = plan[p + WINDOWS]
    for _ in range(plan[p + WINDOW_COUNT]):
        bounds = record + plan[window + 5]
        first = heap[bounds]
        end = heap[bounds + 1]
        acc_first = plan[window + 3]
        acc_end = plan[window + 4]
        delay = plan[window + 1]
        latest = time - delay
        edge = latest - plan[window]
        dirty = False
        while first < end and heap[ring + (first & mask) * stride] <= edge:
            for acc in range(acc_first, acc_end, ACC_WORDS):
                if apply(plan, p, acc, meta, heap, record, first, LEAVES, first + 1, end):
                    dirty = True
            first += 1
        target = following
        if plan[window + 2] != 0:
            target -= last_excluded
        while end < target:
            entered = heap[ring + (end & mask) * stride]
            if entered > latest:
                break
            end += 1
            if entered <= edge:
                first = end
                continue
            for acc in range(acc_first, acc_end, ACC_WORDS):
                if apply(plan, p, acc, meta, heap, record, end - 1, ENTERS, first, end):
                    dirty = True
        heap[bounds] = first
        heap[bounds + 1] = end
        if dirty:
            for acc in range(acc_first, acc_end, ACC_WORDS):
                settle(plan, p, acc, heap, record, first, end)
        window += WINDOW_WORDS


@inline_kernel
def forget_entries(plan, p, table, meta, heap, record, horizon):
    """Free the entries up to time `horizon`; every finite window has left them behind."""
    first = heap[record + R_FIRST]
    following = heap[record + R_NEXT]
    decays = plan[p + DECAY_COUNT] != 0
    begin = first
    while first < following:
        at = address(plan, p, heap, record, first)
        if heap[at] > horizon:
            break
        if decays:
            _fold_into_base(plan, p, heap, record, first, at)
        first += 1
    if first == begin:
        return
    heap[record + R_FIRST] = first
    meta[TABLES + TABLE_WORDS * table + T_EVENTS] -= first - begin
    window = plan[p + WINDOWS]
    for _ in range(plan[p + WINDOW_COUNT]):
        bounds = record + plan[window + 5]
        if heap[bounds] < first:
            heap[bounds] = first
        if heap[bounds + 1] < first:
            heap[bounds + 1] = first
        window += WINDOW_WORDS


@inline_kernel
def _fold_into_base(plan, p, heap, record, seq, at):
    if heap[at] < heap[record + R_ERA]:
        return
    window = plan[p + WINDOWS]
    for _ in range(plan[p + WINDOW_COUNT]):
        if plan[window] >= ENDLESS:
            for acc in range(plan[window + 3], plan[window + 4], ACC_WORDS):
                if matches(plan, acc, heap, at):
                    fold(plan, acc, heap, at, record + plan[acc + 4])
                    if seq >= heap[record + plan[window + 5] + 1]:
                        fold(plan, acc, heap, at, record + plan[acc + 4] + 2)
        window += WINDOW_WORDS


@inline_kernel
def refold(plan, p, heap, record):
    """Compute every decayed total anew from its base, after the past has changed."""
    window = plan[p + WINDOWS]
    for _ in range(plan[p + WINDOW_COUNT]):
        if plan[window] >= ENDLESS:
            end = heap[record + plan[window + 5] + 1]
            for acc in range(plan[window + 3], plan[window + 4], ACC_WORDS):
                if plan[acc] == ACC_DECAYED:
                    own = record + plan[acc + 4]
                    heap[own + 2] = heap[own]
                    heap[own + 3] = heap[own + 1]
                    for seq in range(heap[record + R_FIRST], end):
                        # The window's bounds play no part in a decayed total.
                        apply(plan, p, acc, heap, heap, record, seq, ENTERS, ZERO, ZERO)
        window += WINDOW_WORDS


@inline_kernel
def start_anew(plan, p, heap, record):
    """Empty what remembers without a window, after a silence longer than the entity is remembered."""
    window = plan[p + WINDOWS]
    for _ in range(plan[p + WINDOW_COUNT]):
        if plan[window] >= ENDLESS:
            for acc in range(plan[window + 3], plan[window + 4], ACC_WORDS):
                clear(plan, acc, heap, record, STAYS)
        window += WINDOW_WORDS
    for acc in range(plan[p + LOOSE_FIRST], plan[p + LOOSE_END], ACC_WORDS):
        clear(plan, acc, heap, record, STAYS)


@inline_kernel
def make_room(plan, p, table, meta, heap, record, watermark):
    """Make sure that the ring takes one more entry; windows stand at the record's cursor."""
    capacity = heap[record + R_CAPACITY]
    if heap[record + R_NEXT] - heap[record + R_FIRST] < capacity:
        return
    stride = plan[p + STRIDE]
    if capacity != 0:
        forget_entries(plan, p, table, meta, heap, record, watermark - 2 * plan[p + SPAN])
        kept = heap[record + R_NEXT] - heap[record + R_FIRST]
        if kept < capacity:
            if capacity > 16 and 8 * kept < capacity:
                resize_ring(plan, p, meta, heap, record, capacity >> 2)
            return
        resize_ring(plan, p, meta, heap, record, 2 * capacity)
        return
    capacity = 1
    while capacity * stride < 8:
        capacity *= 2
    heap[record + R_RING] = take(meta, heap, capacity * stride)
    heap[record + R_CAPACITY] = capacity


@inline_kernel
def resize_ring(plan, p, meta, heap, record, capacity):
    """Move a history to a ring of another capacity that holds it."""
    stride = plan[p + STRIDE]
    old = heap[record + R_RING]
    old_capacity = heap[record + R_CAPACITY]
    ring = take(meta, heap, capacity * stride)
    for seq in range(heap[record + R_FIRST], heap[record + R_NEXT]):
        source = old + (seq & (old_capacity - 1)) * stride
        target = ring + (seq & (capacity - 1)) * stride
        for word in range(stride):
            heap[target + word] = heap[source + word]
    give(meta, heap, old, old_capacity * stride)
    heap[record + R_RING] = ring
    heap[record + R_CAPACITY] = capacity


@inline_kernel
def append(plan, p, table, meta, heap, record, entry):
    """Put the entry at heap[entry:] at the end of a history that has room."""
    following = heap[record + R_NEXT]
    stride = plan[p + STRIDE]
    at = heap[record + R_RING] + (following & (heap[record + R_CAPACITY] - 1)) * stride
    for word in range(stride):
        heap[at + word] = heap[entry + word]
    heap[record + R_NEXT] = following + 1
    meta[TABLES + TABLE_WORDS * table + T_EVENTS] += 1


@inline_kernel
def open_gap(plan, p, table, meta, heap, record, entry):
    """Insert an entry where its time belongs, after those of equal time; return its number."""
    append(plan, p, table, meta, heap, record, entry)
    stride = plan[p + STRIDE]
    time = heap[entry]
    seq = heap[record + R_NEXT] - 1
    first = heap[record + R_FIRST]
    at = address(plan, p, heap, record, seq)
    while seq > first:
        before = address(plan, p, heap, record, seq - 1)
        if heap[before] <= time:
            break
        for word in range(stride):
            heap[at + word] = heap[before + word]
        at = before
        seq -= 1
    for word in range(stride):
        heap[at + word] = heap[entry + word]
    return seq


@inline_kernel
def close_gap(plan, p, table, meta, heap, record, seq):
    """Take entry `seq` out again."""
    stride = plan[p + STRIDE]
    following = heap[record + R_NEXT] - 1
    for number in range(seq, following):
        at = address(plan, p, heap, record, number)
        source = address(plan, p, heap, record, number + 1)
        for word in range(stride):
            heap[at + word] = heap[source + word]
    heap[record + R_NEXT] = following
    meta[TABLES + TABLE_WORDS * table + T_EVENTS] -= 1


@inline_kernel
def insert_late(plan, p, table, meta, heap, record, entry):
    """Insert an entry that is earlier than the cursor and let the windows that cover it know."""
    seq = open_gap(plan, p, table, meta, heap, record, entry)
    time = heap[entry]
    window = plan[p + WINDOWS]
    for _ in range(plan[p + WINDOW_COUNT]):
        bounds = record + plan[window + 5]
        latest = heap[record + R_CURSOR] - plan[window + 1]
        if time <= latest:
            heap[bounds + 1] += 1
            inside = time > latest - plan[window]
            if not inside:
                heap[bounds] += 1
            dirty = False
            for acc in range(plan[window + 3], plan[window + 4], ACC_WORDS):
                kind = plan[acc]
                own = record + plan[acc + 4]
                if kind in (ACC_MIN, ACC_MAX):
                    if heap[own + 1] >= seq:
                        heap[own + 1] += 1
                elif (kind in (ACC_LAST, ACC_FIRST)) and heap[own] >= seq:
                    heap[own] += 1
                if (
                    inside
                    and kind != ACC_DECAYED
                    and apply(plan, p, acc, meta, heap, record, seq, ENTERS, heap[bounds], heap[bounds + 1])
                ):
                    dirty = True
            if dirty:
                for acc in range(plan[window + 3], plan[window + 4], ACC_WORDS):
                    settle(plan, p, acc, heap, record, heap[bounds], heap[bounds + 1])
        window += WINDOW_WORDS
    if plan[p + DECAY_COUNT] != 0:
        refold(plan, p, heap, record)


@inline_kernel
def first_after(plan, p, heap, record, time):
    """Return the number of the first entry later than `time`."""
    low = heap[record + R_FIRST]
    high = heap[record + R_NEXT]
    while low < high:
        middle = (low + high) >> 1
        if heap[address(plan, p, heap, record, middle)] <= time:
            low = middle + 1
        else:
            high = middle
    return low


@inline_kernel
def look_back(plan, p, meta, heap, record, temporary, time, horizon, own_seq):
    """Fill the temporary record with what a record showed at an earlier `time`.

    `own_seq` is the number of the current event's entry, which `before` windows leave out (-1: it
    has none). Entries up to `horizon` are invisible to windows.
    """
    for word in range(R_WORDS):
        heap[temporary + word] = heap[record + word]
    seen = heap[record + R_SEEN]
    era = heap[record + R_ERA]
    empty_record(plan, p, heap, temporary, time, PASSES)
    heap[temporary + R_SEEN] = seen
    heap[temporary + R_ERA] = era
    window = plan[p + WINDOWS]
    for _ in range(plan[p + WINDOW_COUNT]):
        bounds = temporary + plan[window + 5]
        latest = time - plan[window + 1]
        endless = plan[window] >= ENDLESS
        if endless:
            first = heap[record + R_FIRST]
        else:
            first = first_after(plan, p, heap, record, max(latest - plan[window], horizon))
        if plan[window + 2] != 0 and own_seq >= 0 and plan[window + 1] == 0:
            end = own_seq
        else:
            end = first_after(plan, p, heap, record, latest)
        if own_seq >= 0:
            first = min(first, own_seq)
        first = min(first, end)
        heap[bounds] = first
        heap[bounds + 1] = end
        for acc in range(plan[window + 3], plan[window + 4], ACC_WORDS):
            if plan[acc] == ACC_DECAYED:
                heap[temporary + plan[acc + 4] + 2] = heap[record + plan[acc + 4]]
                heap[temporary + plan[acc + 4] + 3] = heap[record + plan[acc + 4] + 1]
            for seq in range(first, end):
                apply(plan, p, acc, meta, heap, temporary, seq, ENTERS, first, end)
        window += WINDOW_WORDS
    for acc in range(plan[p + LOOSE_FIRST], plan[p + LOOSE_END], ACC_WORDS):
        heap[temporary + plan[acc + 4]] = heap[record + plan[acc + 4]]
        heap[temporary + plan[acc + 4] + 1] = heap[record + plan[acc + 4] + 1]
