"""One step of all features over a batch: table by table, event by event, in arrival order."""

from riskweave.kernels.aggregates import address, apply, settle
from riskweave.kernels.answers import answer, current_word
from riskweave.kernels.chunks import (
    AT_LABEL,
    AT_ROW,
    AT_TABLE,
    AT_VISIT,
    ENTRY,
    HEAP_WORDS,
    INDEX_WORDS,
    KEYS,
    NEED,
    TABLE_WORDS,
    TABLES,
    TEMPORARY,
    TOP,
    WATERMARK,
    give,
    take,
)
from riskweave.kernels.compile import inline_kernel, kernel
from riskweave.kernels.feature_layout import (
    ACC_DECAYED,
    ACC_WORDS,
    BAG_COUNT,
    BLOCKS,
    DECAY_COUNT,
    ENDLESS,
    FILTER_COUNT,
    FILTER_WORDS,
    FILTERS,
    FORGET,
    G_KEYS,
    G_TIME,
    GONE,
    HASH_WORD,
    KEEP_ALL,
    KEEP_MASKS,
    KEY_ROW,
    LABEL_BIT_COUNT,
    LABEL_BITS,
    LABEL_SLOT,
    LABEL_TABLES,
    LASTING,
    LASTING_COUNT,
    LASTING_WORDS,
    LOOSE_END,
    LOOSE_FIRST,
    MASK_WORDS,
    NEVER,
    NO_ENTRY,
    OUTPUT_WORDS,
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
    RECORD_WORDS,
    REGISTRY_KEEP,
    REGISTRY_SALT,
    REGISTRY_TABLE,
    SALT,
    SPAN,
    STRIDE,
    T_ACTIVE,
    T_LATE,
    TABLE_COUNT,
    UNBOUNDED,
    VALUE_COUNT,
    VALUE_WORDS,
    VALUES,
    VISIT_COUNT,
    VISIT_WORDS,
    VISITS,
    WINDOW_COUNT,
    WINDOW_WORDS,
    WINDOWS,
    ZERO,
)
from riskweave.kernels.history import (
    advance,
    append,
    close_gap,
    drop_record,
    empty_record,
    find,
    first_after,
    forget_entries,
    home,
    insert_late,
    look_back,
    make_room,
    new_record,
    open_gap,
    put,
    refold,
    release_bags,
    release_history,
    renew,
    resize_ring,
    salted,
    start_anew,
)
from riskweave.kernels.words import NULL, pointer, unpack, warm

DONE = 0
HEAP_FULL = 1
INDEX_FULL = 2

AHEAD_INDEX = 24
AHEAD_RECORD = 16
AHEAD_HISTORY = 8
NAN = float("nan")


@kernel
def step(plan_, meta_, index_, heap_, values_, keys_, time_ms_, watermark_ms_, event_hash_, labels_):
    """Decide every feature of a batch; return DONE, or which array must grow before going on.

    `labels` has a row (before_row, event hash, label, value: 1 true, 0 not) per label, in order.
    Where it stopped stands in `meta`; the caller grows the array and calls again.
    """
    size = time_ms_.size
    wide = time_ms_.size
    label_count = labels_.shape[0]
    plan, meta, index, heap = pointer(plan_), pointer(meta_), pointer(index_), pointer(heap_)
    values, keys, labels = pointer(values_), pointer(keys_), pointer(labels_)
    time_ms, watermark_ms, event_hash = pointer(time_ms_), pointer(watermark_ms_), pointer(event_hash_)
    meta[HEAP_WORDS] = heap_.size
    meta[INDEX_WORDS] = index_.size
    if meta[AT_TABLE] < 0:
        code = _register(plan, meta, index, heap, keys, wide, size, time_ms, watermark_ms, event_hash)
        if code != DONE:
            return code
        meta[AT_TABLE] = 0
        meta[AT_ROW] = 0
    for table in range(meta[AT_TABLE], plan[TABLE_COUNT]):
        p = plan[plan[BLOCKS] + table]
        label = meta[AT_LABEL]
        visit_from = meta[AT_VISIT]
        visits = plan[p + VISITS]
        visit_count = plan[p + VISIT_COUNT]
        has_labels = plan[p + LABEL_SLOT] >= 0
        end = size + 1 if meta[TABLES + TABLE_WORDS * table + T_ACTIVE] != 0 else 0
        for i in range(meta[AT_ROW], end):
            code = DONE
            while has_labels and label < label_count and (labels[4 * label] <= i or i == size):
                watermark = watermark_ms[i - 1] if i > 0 else meta[WATERMARK]
                code = _learn(plan, p, table, meta, index, heap, labels, label, watermark)
                if code != DONE:
                    break
                label += 1
            number = visit_from
            if code == DONE and i < size:
                _warm(plan, p, meta, index, heap, keys, wide, i, size, visits, visit_count)
                while number < visit_count:
                    code = _visit(
                        plan, p, table, meta, index, heap, values, keys, wide, i, time_ms[i],
                        watermark_ms[i], event_hash[i], visits + VISIT_WORDS * number, number == 0,
                    )  # fmt: skip
                    if code != DONE:
                        break
                    number += 1
            if code != DONE:
                meta[AT_TABLE] = table
                meta[AT_ROW] = i
                meta[AT_LABEL] = label
                meta[AT_VISIT] = number
                return code
            visit_from = 0
        meta[AT_ROW] = 0
        meta[AT_LABEL] = 0
        meta[AT_VISIT] = 0
    meta[AT_TABLE] = -1
    if size > 0:
        meta[WATERMARK] = max(meta[WATERMARK], watermark_ms[size - 1])
    return DONE


@inline_kernel
def _warm(plan, p, meta, index, heap, keys, wide, i, size, visits, visit_count):
    """Ask for the memory that later events of the batch will touch, so that the misses overlap."""
    for number in range(visit_count):
        key_row = plan[visits + VISIT_WORDS * number]
        ahead = i + AHEAD_INDEX
        if ahead < size and keys[key_row * wide + ahead] != 0:
            warm(index, home(meta, salted(keys[key_row * wide + ahead], plan[p + SALT])))
        ahead = i + AHEAD_RECORD
        if ahead < size and keys[key_row * wide + ahead] != 0:
            record = find(meta, index, salted(keys[key_row * wide + ahead], plan[p + SALT]))
            if record != 0:
                for line in range(0, plan[p + RECORD_WORDS], 8):
                    warm(heap, record + line)
        ahead = i + AHEAD_HISTORY
        if ahead < size and keys[key_row * wide + ahead] != 0:
            record = find(meta, index, salted(keys[key_row * wide + ahead], plan[p + SALT]))
            if record != 0 and heap[record + R_CAPACITY] != 0:
                warm(heap, address(plan, p, heap, record, heap[record + R_NEXT]))
                window = plan[p + WINDOWS]
                for _ in range(plan[p + WINDOW_COUNT]):
                    warm(heap, address(plan, p, heap, record, heap[record + plan[window + 5]]))
                    window += WINDOW_WORDS


@inline_kernel
def _build_entry(plan, p, heap, entry, values, keys, wide, i, time, event_hash):
    """Write event i's entry to heap[entry:]; tell whether any feature wants it kept."""
    heap[entry] = time
    masks = plan[p + MASK_WORDS]
    for word in range(masks):
        heap[entry + 1 + word] = 0
    at = plan[p + FILTERS]
    for _ in range(plan[p + FILTER_COUNT]):
        holds = True
        for column in range(plan[at + 2]):
            if values[plan[at + 3 + column] * wide + i] != 1.0:
                holds = False
        if holds:
            heap[entry + plan[at]] |= plan[at + 1]
        at += FILTER_WORDS
    if plan[p + HASH_WORD] != 0:
        heap[entry + plan[p + HASH_WORD]] = event_hash
    at = plan[p + VALUES]
    target = entry + plan[p + STRIDE] - plan[p + VALUE_COUNT]
    for number in range(plan[p + VALUE_COUNT]):
        heap[target + number] = current_word(plan, at, values, keys, wide, i)
        at += VALUE_WORDS
    if plan[p + KEEP_ALL] != 0:
        return True
    wanted = 0
    for word in range(masks):
        wanted |= heap[entry + 1 + word] & plan[plan[p + KEEP_MASKS] + word]
    return wanted != 0


@inline_kernel
def _room(plan, p, heap, record):
    """Return how many words the heap may need above its top for one visit of a record."""
    length = 0
    capacity = 4
    if record != 0:
        length = heap[record + R_NEXT] - heap[record + R_FIRST]
        capacity = max(heap[record + R_CAPACITY], 4)
    need = 2 * plan[p + RECORD_WORDS] + 4 * capacity * plan[p + STRIDE] + 64
    return need + plan[p + BAG_COUNT] * (6 * length + 64) + 2 * length


@inline_kernel
def _visit(
    plan, p, table, meta, index, heap, values, keys, wide, i, time, watermark, event_hash, visit, remembers
):  # fmt: skip
    """Let event i be remembered by, and ask, the record of one of its keys."""
    raw = keys[plan[visit] * wide + i]
    out = plan[visit + 1]
    out_end = plan[visit + 2]
    if raw == 0:
        while out < out_end:
            values[plan[out + 1] * wide + i] = NAN
            out += OUTPUT_WORDS
        return DONE
    key = salted(raw, plan[p + SALT])
    record = find(meta, index, key)
    span = plan[p + SPAN]
    too_late = time <= watermark - span
    gone = record != 0 and heap[record + R_SEEN] <= watermark - plan[p + GONE]
    need = _room(plan, p, heap, record)
    if meta[TOP] + need > meta[HEAP_WORDS]:
        meta[NEED] = need
        return HEAP_FULL
    entry = meta[ENTRY]
    opened = -1
    mine = remembers or raw == keys[plan[p + KEY_ROW] * wide + i]
    keep = False
    if mine:
        keep = _build_entry(plan, p, heap, entry, values, keys, wide, i, time, event_hash)
    own = 0
    show = record
    if remembers and not too_late:
        if record == 0:
            if 2 * (meta[KEYS] + 1) > (meta[INDEX_WORDS] >> 1):
                return INDEX_FULL
            record = new_record(plan, p, table, meta, index, heap, key, time)
        elif gone:
            renew(plan, p, table, meta, heap, record, time)
        show = _remember(plan, p, table, meta, heap, record, entry, keep, time, watermark)
        own = 1 if time >= heap[record + R_ERA] else 2
    else:
        if remembers:
            meta[TABLES + TABLE_WORDS * table + T_LATE] += 1
        elif out == out_end:
            return DONE
        if gone:
            record = 0
        horizon = watermark - 2 * span
        if mine and too_late:
            own = 2
            opened = _as_if(plan, p, table, meta, heap, record, entry, keep, time, horizon)
            show = meta[TEMPORARY]
        else:
            if mine:
                own = 1 if record != 0 and time >= heap[record + R_ERA] else 2
            show = _ask(plan, p, meta, heap, record, entry, mine and keep, time, horizon, too_late)
    while out < out_end:
        values[plan[out + 1] * wide + i] = answer(
            plan, p, out, meta, heap, show, own, entry, values, keys, wide, i, time, too_late
        )
        out += OUTPUT_WORDS
    if opened >= 0:
        close_gap(plan, p, table, meta, heap, record, opened)
    return DONE


@inline_kernel
def _remember(plan, p, table, meta, heap, record, entry, keep, time, watermark):
    """Take event's entry into its record; return the record that shows what the event sees."""
    seen = heap[record + R_SEEN]
    if plan[p + UNBOUNDED] != 0:
        if seen == NEVER or time - seen > plan[p + FORGET]:
            if seen != NEVER:
                start_anew(plan, p, heap, record)
            heap[record + R_ERA] = time
        elif time < heap[record + R_ERA] and heap[record + R_ERA] - time <= plan[p + FORGET]:
            heap[record + R_ERA] = time
        if time >= heap[record + R_ERA]:
            _note_first(plan, p, heap, record, entry, time)
    heap[record + R_SEEN] = max(seen, time)
    if time >= heap[record + R_CURSOR]:
        if keep:
            if heap[record + R_NEXT] - heap[record + R_FIRST] == heap[record + R_CAPACITY]:
                advance(plan, p, meta, heap, record, time, ZERO)
                heap[record + R_CURSOR] = time
                make_room(plan, p, table, meta, heap, record, watermark)
            append(plan, p, table, meta, heap, record, entry)
        advance(plan, p, meta, heap, record, time, 1 if keep else 0)
        heap[record + R_CURSOR] = time
        return record
    own_seq = -1
    if keep:
        make_room(plan, p, table, meta, heap, record, watermark)
        insert_late(plan, p, table, meta, heap, record, entry)
        own_seq = first_after(plan, p, heap, record, time) - 1
    look_back(plan, p, meta, heap, record, meta[TEMPORARY], time, watermark - 2 * plan[p + SPAN], own_seq)
    return meta[TEMPORARY]


@inline_kernel
def _note_first(plan, p, heap, record, entry, time):
    """Let the accumulators of the first event ever know of this one."""
    for acc in range(plan[p + LOOSE_FIRST], plan[p + LOOSE_END], ACC_WORDS):
        need = plan[acc + 2]
        if need == 0 or heap[entry + plan[acc + 1]] & need == need:
            own = record + plan[acc + 4]
            if heap[own] == NEVER or time < heap[own]:
                heap[own] = time
                heap[own + 1] = 1
            elif time == heap[own]:
                heap[own + 1] += 1


@inline_kernel
def _nobody(plan, p, meta, heap, entry, entries, time):
    """Return a record that shows a key of which nothing is known, or only the current entry."""
    record = meta[TEMPORARY] + 2 * plan[p + RECORD_WORDS]
    empty_record(plan, p, heap, record, time, PASSES)
    heap[record + R_RING] = entry
    heap[record + R_CAPACITY] = 1
    heap[record + R_FIRST] = 0
    heap[record + R_NEXT] = entries
    return record


@inline_kernel
def _as_if(plan, p, table, meta, heap, record, entry, keep, time, horizon):
    """Show what an event sees that comes too late to be remembered.

    Its entry stands in the history while it is answered: return its number, to take it out again,
    or -1.
    """
    temporary = meta[TEMPORARY]
    if record == 0:
        nobody = _nobody(plan, p, meta, heap, entry, 1 if keep else 0, time)
        look_back(plan, p, meta, heap, nobody, temporary, time, horizon, 0 if keep else -1)
        return -1
    if not keep:
        look_back(plan, p, meta, heap, record, temporary, time, horizon, NO_ENTRY)
        return -1
    if heap[record + R_CAPACITY] == 0:
        make_room(plan, p, table, meta, heap, record, horizon)
    elif heap[record + R_NEXT] - heap[record + R_FIRST] == heap[record + R_CAPACITY]:
        resize_ring(plan, p, meta, heap, record, 2 * heap[record + R_CAPACITY])
    own_seq = open_gap(plan, p, table, meta, heap, record, entry)
    look_back(plan, p, meta, heap, record, temporary, time, horizon, own_seq)
    return own_seq


@inline_kernel
def _ask(plan, p, meta, heap, record, entry, own_kept, time, horizon, too_late):
    """Show what another role's key, or a key that is not remembered, has to say."""
    temporary = meta[TEMPORARY]
    if record == 0:
        nobody = _nobody(plan, p, meta, heap, entry, ZERO, time)
        look_back(plan, p, meta, heap, nobody, temporary, time, horizon, NO_ENTRY)
        return temporary
    if not too_late and time >= heap[record + R_CURSOR]:
        advance(plan, p, meta, heap, record, time, 1 if own_kept else 0)
        heap[record + R_CURSOR] = time
        return record
    own_seq = first_after(plan, p, heap, record, time) - 1 if own_kept else -1
    look_back(plan, p, meta, heap, record, temporary, time, horizon, own_seq)
    return temporary


@inline_kernel
def _register(plan, meta, index, heap, keys, wide, size, time_ms, watermark_ms, event_hash):
    """Remember which keys each event of the batch has, so that its label finds its entries."""
    if plan[LABEL_TABLES] == 0:
        return DONE
    for i in range(meta[AT_ROW], size):
        if time_ms[i] <= watermark_ms[i] - plan[REGISTRY_KEEP]:
            continue
        code = room_for_event(plan, meta)
        if code != DONE:
            meta[AT_ROW] = i
            return code
        record = registered(plan, meta, index, heap, event_hash[i], time_ms[i])
        for table in range(plan[TABLE_COUNT]):
            p = plan[plan[BLOCKS] + table]
            raw = keys[plan[p + KEY_ROW] * wide + i]
            if plan[p + LABEL_SLOT] >= 0 and raw != 0:
                slot = record + G_KEYS + plan[p + LABEL_SLOT]
                if heap[slot] == 0:
                    heap[slot] = salted(raw, plan[p + SALT])
    return DONE


@inline_kernel
def room_for_event(plan, meta):
    """Return DONE when one more event can be registered, or what is full."""
    need = 2 * (G_KEYS + plan[LABEL_TABLES]) + 16
    if meta[TOP] + need > meta[HEAP_WORDS]:
        meta[NEED] = need
        return HEAP_FULL
    if 2 * (meta[KEYS] + 1) > (meta[INDEX_WORDS] >> 1):
        return INDEX_FULL
    return DONE


@inline_kernel
def registered(plan, meta, index, heap, event_hash, time):
    """Return the registry record of an event, a new one when there is none."""
    key = salted(event_hash, plan[REGISTRY_SALT])
    record = find(meta, index, key)
    if record == 0:
        record = take(meta, heap, G_KEYS + plan[LABEL_TABLES])
        heap[record + R_KEY] = key
        heap[record + R_TABLE] = REGISTRY_TABLE
        heap[record + G_TIME] = time
        for slot in range(plan[LABEL_TABLES]):
            heap[record + G_KEYS + slot] = 0
        put(meta, index, key, record)
        meta[KEYS] += 1
    return record


@inline_kernel
def _learn(plan, p, table, meta, index, heap, labels, label, watermark):
    """Let one label change the entry of the event it names; return DONE or HEAP_FULL."""
    event = find(meta, index, salted(labels[4 * label + 1], plan[REGISTRY_SALT]))
    if event == 0:
        return DONE
    time = heap[event + G_TIME]
    key = heap[event + G_KEYS + plan[p + LABEL_SLOT]]
    if time <= watermark - 2 * plan[p + SPAN] or key == 0:
        return DONE
    record = find(meta, index, key)
    if record == 0 or heap[record + R_SEEN] <= watermark - plan[p + GONE]:
        return DONE
    need = _room(plan, p, heap, record)
    if meta[TOP] + need > meta[HEAP_WORDS]:
        meta[NEED] = need
        return HEAP_FULL
    seq = first_after(plan, p, heap, record, time - 1)
    while seq < heap[record + R_NEXT]:
        at = address(plan, p, heap, record, seq)
        if heap[at] != time:
            break
        if heap[at + plan[p + HASH_WORD]] == labels[4 * label + 1]:
            _mark(plan, p, meta, heap, record, seq, at, labels[4 * label + 2], labels[4 * label + 3])
            break
        seq += 1
    return DONE


@inline_kernel
def _mark(plan, p, meta, heap, record, seq, at, label, value):
    """Set or clear a label in the masks of entry `seq`, and in the windows that hold it."""
    row = plan[p + LABEL_BITS]
    changed = False
    for _ in range(plan[p + LABEL_BIT_COUNT]):
        word = plan[row + 1]
        bit = plan[row + 2]
        if plan[row] == label and ((heap[at + word] & bit) != 0) != (value != 0):
            changed = True
            if value != 0:
                heap[at + word] |= bit
            sign = 1 if value != 0 else -1
            window = plan[p + WINDOWS]
            for _ in range(plan[p + WINDOW_COUNT]):
                first = heap[record + plan[window + 5]]
                end = heap[record + plan[window + 5] + 1]
                if first <= seq and seq < end:
                    for acc in range(plan[window + 3], plan[window + 4], ACC_WORDS):
                        if plan[acc + 1] == word and plan[acc + 2] & bit != 0 and plan[acc] != ACC_DECAYED:
                            apply(plan, p, acc, meta, heap, record, seq, sign, first, end)
                window += WINDOW_WORDS
            if value == 0:
                heap[at + word] &= ~bit
        row += 3
    if not changed:
        return
    window = plan[p + WINDOWS]
    for _ in range(plan[p + WINDOW_COUNT]):
        first = heap[record + plan[window + 5]]
        end = heap[record + plan[window + 5] + 1]
        for acc in range(plan[window + 3], plan[window + 4], ACC_WORDS):
            settle(plan, p, acc, heap, record, first, end)
        window += WINDOW_WORDS
    if plan[p + DECAY_COUNT] != 0:
        refold(plan, p, heap, record)


@kernel
def sweep(plan_, meta_, index_, heap_, fresh_, watermark):
    """Enter every key that an event after `watermark` may see into the empty index; free all else."""
    plan, meta, index, heap, fresh = (
        pointer(plan_), pointer(meta_), pointer(index_), pointer(heap_), pointer(fresh_)
    )  # fmt: skip
    words = index_.size
    meta[HEAP_WORDS] = heap_.size
    meta[INDEX_WORDS] = fresh_.size
    for at in range(0, words, 2):
        key = index[at]
        if key == 0:
            continue
        record = index[at + 1]
        table = heap[record + R_TABLE]
        if table == REGISTRY_TABLE:
            if heap[record + G_TIME] <= watermark - plan[REGISTRY_KEEP]:
                give(meta, heap, record, G_KEYS + plan[LABEL_TABLES])
                meta[KEYS] -= 1
                continue
        else:
            p = plan[plan[BLOCKS] + table]
            if heap[record + R_SEEN] <= watermark - plan[p + GONE]:
                release_bags(plan, p, meta, heap, record)
                release_history(plan, p, table, meta, heap, record)
                drop_record(plan, p, table, meta, heap, record)
                continue
            _trim(plan, p, table, meta, heap, record, watermark)
        put(meta, fresh, key, record)


@inline_kernel
def _trim(plan, p, table, meta, heap, record, watermark):
    """Free the entries that no window will read again. Windows are not moved: when is nobody's business."""
    if heap[record + R_CAPACITY] <= 16:
        return
    horizon = watermark - 2 * plan[p + SPAN]
    window = plan[p + WINDOWS]
    for _ in range(plan[p + WINDOW_COUNT]):
        oldest = heap[record + plan[window + 5]]
        if plan[window] >= ENDLESS:
            oldest = heap[record + plan[window + 5] + 1]
        if oldest < heap[record + R_NEXT]:
            horizon = min(horizon, heap[address(plan, p, heap, record, oldest)] - 1)
        window += WINDOW_WORDS
    forget_entries(plan, p, table, meta, heap, record, horizon)
    kept = heap[record + R_NEXT] - heap[record + R_FIRST]
    capacity = heap[record + R_CAPACITY]
    while capacity > 16 and 4 * kept < capacity:
        capacity >>= 1
    has_room = meta[TOP] + 4 * capacity * plan[p + STRIDE] <= meta[HEAP_WORDS]
    if capacity < heap[record + R_CAPACITY] and has_room:
        resize_ring(plan, p, meta, heap, record, capacity)


@kernel
def rehash(meta_, index_, fresh_):
    """Enter every key of `index` into the empty index `fresh`."""
    meta, index, fresh = pointer(meta_), pointer(index_), pointer(fresh_)
    words = index_.size
    meta[INDEX_WORDS] = fresh_.size
    for at in range(0, words, 2):
        if index[at] != 0:
            put(meta, fresh, index[at], index[at + 1])


@kernel
def move_in(old_plan_, old_labels, moves_, meta_, index_, heap_, fresh_):
    """Give records to the tables of another plan: moves[old table] is the new one, -1: free it.

    The registry, made for `old_labels` tables, is freed; `register_all` makes the new plan's.
    """
    plan, moves, meta = pointer(old_plan_), pointer(moves_), pointer(meta_)
    index, heap, fresh = pointer(index_), pointer(heap_), pointer(fresh_)
    meta[INDEX_WORDS] = fresh_.size
    for at in range(0, index_.size, 2):
        if index[at] == 0:
            continue
        record = index[at + 1]
        table = heap[record + R_TABLE]
        if table == REGISTRY_TABLE:
            give(meta, heap, record, G_KEYS + old_labels)
            meta[KEYS] -= 1
        elif moves[table] >= 0:
            heap[record + R_TABLE] = moves[table]
            put(meta, fresh, index[at], record)
        else:
            # The counters of the old tables are gone already: only chunks are given back.
            p = plan[plan[BLOCKS] + table]
            release_bags(plan, p, meta, heap, record)
            if heap[record + R_CAPACITY] != 0:
                give(meta, heap, heap[record + R_RING], heap[record + R_CAPACITY] * plan[p + STRIDE])
            give(meta, heap, record, plan[p + RECORD_WORDS])
            meta[KEYS] -= 1


@kernel
def extract(plan_, meta_, index_, heap_, table, only, about_, entries_, lasting_):
    """Copy a table's records (or that of the salted key `only`, unless 0); return how many.

    about: rows (key, latest event, start, entries); entries: the histories one after the other;
    lasting: what is remembered without a window.
    """
    plan, meta, index, heap = pointer(plan_), pointer(meta_), pointer(index_), pointer(heap_)
    about, entries, lasting = pointer(about_), pointer(entries_), pointer(lasting_)
    meta[INDEX_WORDS] = index_.size
    p = plan[plan[BLOCKS] + table]
    stride = plan[p + STRIDE]
    number = 0
    written = 0
    kept = 0
    for at in range(0, index_.size, 2):
        if index[at] == 0 or (only != 0 and index[at] != only):
            continue
        record = index[at + 1]
        if heap[record + R_TABLE] != table:
            continue
        about[4 * number] = index[at]
        about[4 * number + 1] = heap[record + R_SEEN]
        about[4 * number + 2] = heap[record + R_ERA]
        about[4 * number + 3] = heap[record + R_NEXT] - heap[record + R_FIRST]
        number += 1
        for seq in range(heap[record + R_FIRST], heap[record + R_NEXT]):
            there = address(plan, p, heap, record, seq)
            for word in range(stride):
                entries[written] = heap[there + word]
                written += 1
        for row in range(plan[p + LASTING_COUNT]):
            offset = plan[plan[p + LASTING] + 2 * row]
            for word in range(plan[plan[p + LASTING] + 2 * row + 1]):
                lasting[kept] = heap[record + offset + word]
                kept += 1
    return number


@kernel
def mark_codes(plan_, meta_, index_, heap_, table, places_, used_):
    """Mark every code of a text that a table's histories hold; `places` are its words of an entry."""
    plan, meta, index, heap = pointer(plan_), pointer(meta_), pointer(index_), pointer(heap_)
    meta[INDEX_WORDS] = index_.size
    p = plan[plan[BLOCKS] + table]
    for at in range(0, index_.size, 2):
        if index[at] == 0 or heap[index[at + 1] + R_TABLE] != table:
            continue
        record = index[at + 1]
        for seq in range(heap[record + R_FIRST], heap[record + R_NEXT]):
            there = address(plan, p, heap, record, seq)
            for number in range(places_.size):
                word = heap[there + places_[number]]
                if word != NULL:
                    used_[int(unpack(word))] = True


@kernel
def load(plan_, meta_, index_, heap_, table, about_, entries_, lasting_, has_lasting_):
    """Make records of what `extract` gave, rewritten for this plan; return DONE or what is full.

    `has_lasting[k]` tells whether the k-th thing remembered without a window was carried over.
    """
    plan, meta, index, heap = pointer(plan_), pointer(meta_), pointer(index_), pointer(heap_)
    about, entries = pointer(about_), pointer(entries_)
    lasting, has_lasting = pointer(lasting_), pointer(has_lasting_)
    meta[HEAP_WORDS] = heap_.size
    meta[INDEX_WORDS] = index_.size
    p = plan[plan[BLOCKS] + table]
    stride = plan[p + STRIDE]
    # AT_ROW: record, AT_LABEL: entries of it that are in, AT_VISIT: entries before it.
    for number in range(meta[AT_ROW], about_.shape[0]):
        key = about[4 * number]
        record = find(meta, index, key)
        if record == 0:
            meta[AT_ROW] = number
            if 2 * (meta[KEYS] + 1) > (meta[INDEX_WORDS] >> 1):
                return INDEX_FULL
            need = _room(plan, p, heap, 0)
            if meta[TOP] + need > meta[HEAP_WORDS]:
                meta[NEED] = need
                return HEAP_FULL
            record = new_record(plan, p, table, meta, index, heap, key, NEVER)
        while meta[AT_LABEL] < about[4 * number + 3]:
            need = _room(plan, p, heap, record)
            if meta[TOP] + need > meta[HEAP_WORDS]:
                meta[AT_ROW] = number
                meta[NEED] = need
                return HEAP_FULL
            at = (meta[AT_VISIT] + meta[AT_LABEL]) * stride
            for word in range(stride):
                heap[meta[ENTRY] + word] = entries[at + word]
            _remember(plan, p, table, meta, heap, record, meta[ENTRY], True, entries[at], NEVER)
            meta[AT_LABEL] += 1
        meta[AT_VISIT] += meta[AT_LABEL]
        meta[AT_LABEL] = 0
        _restore_lasting(plan, p, heap, record, lasting, number, has_lasting)
        heap[record + R_SEEN] = about[4 * number + 1]
        heap[record + R_ERA] = about[4 * number + 2]
        if plan[p + DECAY_COUNT] != 0:
            refold(plan, p, heap, record)
    meta[AT_ROW] = 0
    meta[AT_VISIT] = 0
    return DONE


@inline_kernel
def _restore_lasting(plan, p, heap, record, lasting, number, has_lasting):
    at = number * plan[p + LASTING_WORDS]
    for row in range(plan[p + LASTING_COUNT]):
        offset = plan[plan[p + LASTING] + 2 * row]
        for word in range(plan[plan[p + LASTING] + 2 * row + 1]):
            if has_lasting[row] != 0:
                heap[record + offset + word] = lasting[at]
            at += 1


@kernel
def register_all(plan_, meta_, index_, heap_, keys_):
    """Enter the events of the records of the given keys into the registry; return DONE or what is full."""
    plan, meta, index, heap = pointer(plan_), pointer(meta_), pointer(index_), pointer(heap_)
    keys = pointer(keys_)
    meta[HEAP_WORDS] = heap_.size
    meta[INDEX_WORDS] = index_.size
    for number in range(meta[AT_ROW], keys_.size):
        record = find(meta, index, keys[number])
        if record == 0 or heap[record + R_TABLE] == REGISTRY_TABLE:
            continue
        p = plan[plan[BLOCKS] + heap[record + R_TABLE]]
        if plan[p + LABEL_SLOT] < 0:
            continue
        for seq in range(heap[record + R_FIRST], heap[record + R_NEXT]):
            code = room_for_event(plan, meta)
            if code != DONE:
                meta[AT_ROW] = number
                return code
            at = address(plan, p, heap, record, seq)
            event = registered(plan, meta, index, heap, heap[at + plan[p + HASH_WORD]], heap[at])
            heap[event + G_KEYS + plan[p + LABEL_SLOT]] = keys[number]
    meta[AT_ROW] = 0
    return DONE
