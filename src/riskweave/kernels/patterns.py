"""Event patterns: offers each event to the partial matches of its key, and lets time pass.

The automaton (frozen, `plan`), the partial matches (`state`), the events (`batch`) and what is
reported (`out`) are tuples of flat arrays; the columns are named below and laid out by
`patterns/plan.py` and `patterns/state.py`.

A key's *instances* are its patterns in progress. An instance holds its partial matches in heap
order (`run_heap`), among them the start state. Accepted events are *nodes*: each points at the one
accepted before it and counts its references. Node p < patterns is the empty match of pattern p.

Nothing is allocated here. Before an event (or a deadline) is handled, the room it could need is
counted; when an array is too small the kernel returns which one, with the place to go on from in
`meta`, and is called again with a larger array. So no event is ever handled in part.
"""

import numpy as np

from riskweave.kernels.compile import lean_kernel
from riskweave.kernels.condition_program import holds
from riskweave.kernels.run_heap import (
    R_NODE,
    R_PREVIOUS_MS,
    R_START,
    R_START_MS,
    R_STATE,
    RUN_COLUMNS,
    pop,
    push,
    rebuild,
)

NEVER = np.int64(2**62)

# What the kernel returns: finished, or which array must grow.
DONE, GROW_RUNS, GROW_NODES, GROW_INSTANCES, GROW_TABLE, GROW_TIMERS = 0, 1, 2, 3, 4, 5
GROW_MATCHES, GROW_EVENTS, GROW_DROPS = 6, 7, 8

TAKE, IGNORE, PROCEED = 0, 1, 2
NORMAL, FINAL, STOP, PENDING = 0, 1, 2, 3
NO_SKIP, SKIP_TO_NEXT, SKIP_PAST_LAST, SKIP_TO_FIRST, SKIP_TO_LAST = 0, 1, 2, 3, 4

# patterns[p]
P_START, P_WINDOW_MS, P_SKIP, P_SKIP_STAGE, P_PARTIALS_MAX, P_EVENTS_MAX, P_ROLE = 0, 1, 2, 3, 4, 5, 6
P_BRANCHES, P_TAKES, P_FINALS, P_KEPT_START, P_KEPT_END, P_BITS_START, P_BITS_END = 7, 8, 9, 10, 11, 12, 13
P_TIMEOUTS, P_PROGRESS_ROW = 14, 15
PATTERN_COLUMNS = 16

# states[s]
S_KIND, S_EDGES_START, S_EDGES_END, S_GAP_MS, S_STAGE, S_CALM, S_USED_BITS, S_PROGRESS = (
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
)
STATE_COLUMNS = 8

# edges[e]
E_ACTION, E_TARGET, E_CONDITION, E_SOURCE = 0, 1, 2, 3
EDGE_COLUMNS = 4

# kept_values[k]: a function of the values that a stage accepted
K_FUNCTION, K_STAGE, K_COLUMN = 0, 1, 2
KEPT_COLUMNS = 3
COUNT, SUM, FIRST, LAST, LEAST, GREATEST, COUNT_VALUES = 0, 1, 2, 3, 4, 5, 6

# runs[r], a link more than a row of a heap
RUN_NEXT = RUN_COLUMNS
RUN_RECORD_COLUMNS = 8

# nodes[n]
N_BEFORE, N_STAGE, N_TIME_MS, N_EVENT, N_ORDER, N_REFERENCES, N_DEPTH = 0, 1, 2, 3, 4, 5, 6
NODE_COLUMNS = 8

# instances[i]
I_PATTERN, I_KEY, I_RUNS, I_RUN_COUNT, I_HELD, I_HELD_COUNT, I_NEXT = 0, 1, 2, 3, 4, 5, 6
I_DEADLINE_MS, I_TIMER, I_DEPTH, I_NODES, I_SLOT_KEY, I_SEEN_MS = 7, 8, 9, 10, 11, 12
INSTANCE_COLUMNS = 13

# table[slot]
T_KEY, T_FIRST = 0, 1

# timers[t]
TIMER_MS, TIMER_INSTANCE, TIMER_NUMBER = 0, 1, 2

# meta
(
    M_EVENT,
    M_ROLE,
    M_RUN_FREE,
    M_RUN_TOP,
    M_RUN_USED,
    M_NODE_FREE,
    M_NODE_TOP,
    M_NODE_USED,
    M_INSTANCE_FREE,
    M_INSTANCE_TOP,
    M_INSTANCE_USED,
    M_TABLE_USED,
    M_TIMERS,
    M_TIMER_NUMBER,
    M_CLOCK_MS,
    M_ORDER,
    M_MATCHES,
    M_EVENTS,
    M_DROPS,
    M_DROPPED,
    M_SKIP_MISSING,
) = range(21)
META_SIZE = 24

# matches[m]
O_EVENT, O_PATTERN, O_KEY, O_TIME_MS, O_KIND, O_EVENTS_START, O_EVENTS_END = 0, 1, 2, 3, 4, 5, 6
MATCH_COLUMNS = 7
BY_EVENT, BY_TIME, TIMED_OUT = 0, 1, 2

# matched[e]
D_EVENT, D_TIME_MS, D_STAGE = 0, 1, 2
MATCHED_COLUMNS = 3

# drops[d]
L_PATTERN, L_KEY, L_TIME_MS, L_COUNT = 0, 1, 2, 3
DROP_COLUMNS = 4

# Rows of the scratch heaps.
BEFORE, AFTER, COMPLETE, HELD = 0, 1, 2, 3


@lean_kernel
def match_events(plan, state, batch, out):
    """Offer every event of a batch, in order, to the patterns keyed by its roles.

    Returns DONE, or GROW_* when an array must grow first.
    """
    begins = plan[8]
    table, timers, meta, salts = state[4], state[5], state[6], state[10]
    values, times, clocks, keys, key_rows = batch[0], batch[1], batch[2], batch[3], batch[5]
    begin_rows, role_starts = begins[0], begins[3]
    count = times.size
    event = meta[M_EVENT]
    role = meta[M_ROLE]
    # Mostly an event starts nothing and its key has nothing in progress: that is decided right here,
    # because handing the tables to a function costs more than looking at a few numbers.
    while event < count:
        if role == 0:
            if meta[M_TIMERS] > 0 and timers[0, TIMER_MS] <= clocks[event]:
                meta[M_EVENT] = event
                status = pass_time(plan, state, batch, out, clocks[event])
                if status != DONE:
                    meta[M_EVENT] = event
                    meta[M_ROLE] = role
                    return status
            elif clocks[event] > meta[M_CLOCK_MS]:
                meta[M_CLOCK_MS] = clocks[event]
        while role < key_rows.size:
            key = keys[key_rows[role], event]
            if key != 0:
                something = False
                for begin in range(role_starts[role], role_starts[role + 1]):
                    row = begin_rows[begin]
                    if row < 0 or values[row, event] == 1.0:
                        something = True
                        break
                if not something and meta[M_TABLE_USED] > 0:
                    slot_key = key ^ salts[role]
                    last = table.shape[0] - 1
                    slot = slot_key & last
                    while table[slot, T_FIRST] >= 0:
                        if table[slot, T_KEY] == slot_key:
                            something = True
                            break
                        slot = (slot + 1) & last
                if something:
                    meta[M_EVENT] = event
                    status = offer(plan, state, batch, out, event, role, key)
                    if status != DONE:
                        meta[M_EVENT] = event
                        meta[M_ROLE] = role
                        return status
            role += 1
        role = 0
        event += 1
    meta[M_EVENT] = 0
    meta[M_ROLE] = 0
    meta[M_ORDER] += count
    return DONE


@lean_kernel
def advance(plan, state, batch, out, now_ms):
    """Let time pass up to `now_ms`; returns like `match_events`. `batch` is not read."""
    return pass_time(plan, state, batch, out, now_ms)


@lean_kernel
def forget(plan, state, instance):
    """Let go of an instance and all it holds."""
    runs, nodes, instances, meta, heaps = state[0], state[1], state[3], state[6], state[7]
    roots = plan[0].shape[0]
    for first in (instances[instance, I_RUNS], instances[instance, I_HELD]):
        run = first
        while run >= 0:
            release_node(nodes, meta, instances, instance, runs[run, R_NODE], roots)
            run = runs[run, RUN_NEXT]
    instances[instance, I_RUNS] = save(runs, meta, instances[instance, I_RUNS], heaps[AFTER], np.int64(0))
    instances[instance, I_HELD] = save(runs, meta, instances[instance, I_HELD], heaps[HELD], np.int64(0))
    free_instance(state, instance)


@lean_kernel
def revive(plan, state, pattern, key, slot_key, nodes_in, kept_in, runs_in, held_in, seen_ms):
    """Make an instance of rows that `state.py` took out of another state; there is room for it.

    `nodes_in` has a node before every node that points at it; its first column is the row of the
    node before, or -1. `runs_in` and `held_in` are heaps whose nodes are rows of `nodes_in`, or -1.
    """
    patterns = plan[0]
    nodes, kept, instances, heaps = state[1], state[2], state[3], state[7]
    instance = new_instance(state, pattern, key, slot_key)
    instances[instance, I_SEEN_MS] = seen_ms
    # Node numbers are remembered behind the incoming rows, whose reference column is free for it.
    for at in range(nodes_in.shape[0]):
        before = nodes_in[at, N_BEFORE]
        before_node = np.int64(pattern) if before < 0 else nodes_in[before, N_REFERENCES]
        node = new_node(
            state,
            instance,
            before_node,
            nodes_in[at, N_STAGE],
            nodes_in[at, N_TIME_MS],
            nodes_in[at, N_EVENT],
            0,
        )
        nodes[node, N_ORDER] = nodes_in[at, N_ORDER]
        for column in range(kept_in.shape[1]):
            kept[node, column] = kept_in[at, column]
        nodes_in[at, N_REFERENCES] = node
    after_size = np.int64(0)
    held_size = np.int64(0)
    for at in range(runs_in.shape[0]):
        after_size = revive_row(
            heaps[AFTER], after_size, nodes, nodes_in, runs_in, at, pattern, patterns.shape[0]
        )
    for at in range(held_in.shape[0]):
        held_size = revive_row(
            heaps[HELD], held_size, nodes, nodes_in, held_in, at, pattern, patterns.shape[0]
        )
    store(plan, state, instance, after_size, held_size)


@lean_kernel
def revive_row(heap, size, nodes, nodes_in, rows, at, pattern, roots):
    row = rows[at, R_NODE]
    node = np.int64(pattern) if row < 0 else nodes_in[row, N_REFERENCES]
    if node >= roots:
        nodes[node, N_REFERENCES] += 1
    for column in range(RUN_COLUMNS):
        heap[size, column] = rows[at, column]
    heap[size, R_NODE] = node
    return size + 1


@lean_kernel
def pass_time(plan, state, batch, out, now_ms):
    """Handle every deadline up to `now_ms`, each at its own instant, in order."""
    patterns = plan[0]
    instances, timers, meta = state[3], state[5], state[6]
    if now_ms > meta[M_CLOCK_MS]:
        meta[M_CLOCK_MS] = now_ms
    while meta[M_TIMERS] > 0 and timers[0, TIMER_MS] <= now_ms:
        instance = timers[0, TIMER_INSTANCE]
        if instances[instance, I_TIMER] == timers[0, TIMER_NUMBER]:
            status = room_for_deadline(patterns, state, out, instance)
            if status != DONE:
                return status
            deadline_ms = timers[0, TIMER_MS]
            drop_first_timer(timers, meta)
            instances[instance, I_TIMER] = -1
            instances[instance, I_DEADLINE_MS] = NEVER
            expire(plan, state, batch, out, instance, deadline_ms)
        else:
            drop_first_timer(timers, meta)
    return DONE


# ---- one event


@lean_kernel
def offer(plan, state, batch, out, event, role, key):
    """Offer an event to the instances of its key, and begin new ones."""
    patterns, begins = plan[0], plan[8]
    instances, table, meta, work, salts = state[3], state[4], state[6], state[8], state[10]
    begin_rows, begin_starts, begin_patterns, role_starts = begins
    values = batch[0]

    # work[k] = (pattern, instance or -1, may it begin); work[:, 3] is the place of a pattern in it.
    todo = 0
    for begin in range(role_starts[role], role_starts[role + 1]):
        row = begin_rows[begin]
        if row < 0 or values[row, event] == 1.0:
            for at in range(begin_starts[begin], begin_starts[begin + 1]):
                pattern = begin_patterns[at]
                if work[pattern, 3] < 0:
                    work[pattern, 3] = todo
                    work[todo, 0] = pattern
                    work[todo, 1] = -1
                    work[todo, 2] = 1
                    todo += 1
    slot_key = key ^ salts[role]
    if meta[M_TABLE_USED] > 0:
        slot = find_slot(table, slot_key)
        instance = table[slot, T_FIRST]
    else:
        instance = np.int64(-1)
    while instance >= 0:
        pattern = instances[instance, I_PATTERN]
        at = work[pattern, 3]
        if at >= 0:
            work[at, 1] = instance
        else:
            work[pattern, 3] = todo
            work[todo, 0] = pattern
            work[todo, 1] = instance
            work[todo, 2] = 0
            todo += 1
        instance = instances[instance, I_NEXT]
    status = DONE
    if todo > 0:
        status = room_for_event(patterns, state, out, todo)
        if status == DONE:
            for at in range(todo):
                offer_to_instance(
                    plan, state, batch, out, event, key, slot_key, work[at, 0], work[at, 1], work[at, 2] != 0
                )
        for at in range(todo):
            work[work[at, 0], 3] = -1
    return status


@lean_kernel
def bits_of(patterns, bit_rows, values, pattern, event):
    """Return the mask of the pattern's event conditions that hold."""
    mask = np.int64(0)
    first = patterns[pattern, P_BITS_START]
    for at in range(first, patterns[pattern, P_BITS_END]):
        if values[bit_rows[at], event] == 1.0:
            mask |= np.int64(1) << (at - first)
    return mask


@lean_kernel
def offer_to_instance(plan, state, batch, out, event, key, slot_key, pattern, instance, may_begin):
    """Let every partial match of one instance take, skip or die on an event."""
    patterns, states, bit_rows = plan[0], plan[1], plan[7]
    runs, nodes, instances, meta, heaps = state[0], state[1], state[3], state[6], state[7]
    values, times = batch[0], batch[1]
    mask = bits_of(patterns, bit_rows, values, pattern, event)
    start_state = patterns[pattern, P_START]

    if instance >= 0 and not may_begin:
        # Mostly nothing happens: every partial match waits for something else.
        run = instances[instance, I_RUNS]
        calm = True
        while run >= 0:
            at_state = runs[run, R_STATE]
            if at_state != start_state and (
                states[at_state, S_CALM] == 0 or (mask & states[at_state, S_USED_BITS]) != 0
            ):
                calm = False
                break
            run = runs[run, RUN_NEXT]
        if calm:
            note_progress(plan, state, batch, out, event, pattern, instance)
            return

    before = heaps[BEFORE]
    after = heaps[AFTER]
    complete = heaps[COMPLETE]
    held = heaps[HELD]
    fresh = instance < 0
    if fresh:
        before_size = push(before, np.int64(0), start_state, pattern, NEVER, NEVER, NEVER)
        instance = new_instance(state, pattern, key, slot_key)
    else:
        before_size = load(runs, instances[instance, I_RUNS], before)
    instances[instance, I_SEEN_MS] = times[event]

    after_size = np.int64(0)
    complete_size = np.int64(0)
    for at in range(before_size):
        at_state = before[at, R_STATE]
        node = before[at, R_NODE]
        is_start = at_state == start_state
        waits = not may_begin
        if not is_start:
            waits = states[at_state, S_CALM] != 0 and (mask & states[at_state, S_USED_BITS]) == 0
        if waits:
            after_size = push(
                after,
                after_size,
                at_state,
                node,
                before[at, R_START_MS],
                before[at, R_START],
                before[at, R_PREVIOUS_MS],
            )
            continue
        after_size, complete_size = branch(
            plan, state, batch, event, mask, pattern, instance, at, after_size, complete_size
        )
        if not is_start:
            release_node(nodes, meta, instances, instance, node, patterns.shape[0])

    held_size = np.int64(0)
    if patterns[pattern, P_SKIP] == NO_SKIP:
        for at in range(complete_size):
            report(plan, state, out, instance, complete[at, R_NODE], event, times[event], np.int64(BY_EVENT))
            release_node(nodes, meta, instances, instance, complete[at, R_NODE], patterns.shape[0])
    else:
        held_size = load(runs, instances[instance, I_HELD], held)
        after_size, held_size = release_held(
            plan, state, out, instance, after_size, complete_size, held_size, event, times[event]
        )
    after_size, held_size = keep_bounds(
        plan, state, out, instance, after_size, held_size, event, times[event]
    )
    store(plan, state, instance, after_size, held_size)
    if instances[instance, I_PATTERN] >= 0:
        note_progress(plan, state, batch, out, event, pattern, instance)


@lean_kernel
def branch(plan, state, batch, event, mask, pattern, instance, at, after_size, complete_size):
    """Offer an event to one partial match; add what becomes of it to `after` and `complete`."""
    patterns, states, edges, conditions, code, constants, kept_values, column_rows = (
        plan[0],
        plan[1],
        plan[2],
        plan[3],
        plan[4],
        plan[5],
        plan[6],
        plan[9],
    )
    nodes, kept, meta, heaps, work, stack = state[1], state[2], state[6], state[7], state[8], state[9]
    values, times, hashes = batch[0], batch[1], batch[4]
    before = heaps[BEFORE]
    after = heaps[AFTER]
    complete = heaps[COMPLETE]
    # The rest of the scratch lies behind the columns of `work`: states to visit, open edges.
    visit = work[:, 4]
    opened = work[:, 5]

    at_state = before[at, R_STATE]
    node = before[at, R_NODE]
    start_ms = before[at, R_START_MS]
    start = before[at, R_START]
    previous_ms = before[at, R_PREVIOUS_MS]
    is_start = at_state == patterns[pattern, P_START]

    open_count = 0
    visit[0] = at_state
    visiting = 1
    stopped = False
    while visiting > 0:
        visiting -= 1
        here = visit[visiting]
        for edge in range(states[here, S_EDGES_START], states[here, S_EDGES_END]):
            if holds(
                edges[edge, E_CONDITION],
                mask,
                conditions,
                code,
                constants,
                values,
                column_rows,
                event,
                kept,
                node,
                stack,
            ):
                if edges[edge, E_ACTION] == PROCEED:
                    visit[visiting] = edges[edge, E_TARGET]
                    visiting += 1
                elif states[edges[edge, E_TARGET], S_KIND] == STOP:
                    stopped = True
                else:
                    opened[open_count] = edge
                    open_count += 1

    for index in range(open_count):
        edge = opened[index]
        target = edges[edge, E_TARGET]
        final = states[target, S_KIND] == FINAL
        if edges[edge, E_ACTION] == IGNORE:
            if is_start or (stopped and not final):
                continue
            nodes[node, N_REFERENCES] += 1
            if final:
                complete_size = push(complete, complete_size, target, node, start_ms, start, previous_ms)
            else:
                after_size = push(after, after_size, target, node, start_ms, start, previous_ms)
            continue
        last = final
        if not final:
            last = final_after(plan, state, batch, event, mask, node, target)
        if stopped and not last:
            continue
        taken = new_node(state, instance, node, edges[edge, E_SOURCE], times[event], hashes[event], event)
        keep_values(patterns, kept_values, kept, values, pattern, node, taken, edges[edge, E_SOURCE], event)
        first_ms = times[event] if is_start else start_ms
        first = meta[M_ORDER] + event if is_start else start
        if last:
            nodes[taken, N_REFERENCES] += 1
            complete_size = push(complete, complete_size, target, taken, first_ms, first, times[event])
        if not final and not stopped:
            nodes[taken, N_REFERENCES] += 1
            after_size = push(after, after_size, target, taken, first_ms, first, times[event])
    if is_start and not stopped:
        after_size = push(after, after_size, at_state, node, NEVER, NEVER, NEVER)
    return after_size, complete_size


@lean_kernel
def final_after(plan, state, batch, event, mask, node, state_after):
    """Tell whether the final state can be reached from a state without a further event."""
    states, edges, conditions, code, constants, column_rows = (
        plan[1],
        plan[2],
        plan[3],
        plan[4],
        plan[5],
        plan[9],
    )
    kept, work, stack = state[2], state[8], state[9]
    visit = work[:, 4]
    visit[0] = state_after
    visiting = 1
    while visiting > 0:
        visiting -= 1
        here = visit[visiting]
        for edge in range(states[here, S_EDGES_START], states[here, S_EDGES_END]):
            if edges[edge, E_ACTION] == PROCEED and holds(
                edges[edge, E_CONDITION],
                mask,
                conditions,
                code,
                constants,
                batch[0],
                column_rows,
                event,
                kept,
                node,
                stack,
            ):
                target = edges[edge, E_TARGET]
                if states[target, S_KIND] == FINAL:
                    return True
                visit[visiting] = target
                visiting += 1
    return False


# ---- time


@lean_kernel
def expire(plan, state, batch, out, instance, now_ms):
    """End the partial matches of an instance whose time is up; some are matches by that."""
    patterns, states = plan[0], plan[1]
    runs, nodes, instances, meta, heaps = state[0], state[1], state[3], state[6], state[7]
    before = heaps[BEFORE]
    after = heaps[AFTER]
    complete = heaps[COMPLETE]
    pattern = instances[instance, I_PATTERN]
    before_size = load(runs, instances[instance, I_RUNS], before)
    held_size = load(runs, instances[instance, I_HELD], heaps[HELD])
    after_size = np.int64(0)
    complete_size = np.int64(0)
    for at in range(before_size):
        at_state = before[at, R_STATE]
        node = before[at, R_NODE]
        deadline_ms = deadline_of(
            patterns, states, pattern, at_state, before[at, R_START_MS], before[at, R_PREVIOUS_MS]
        )
        if now_ms < deadline_ms:
            after_size = push(
                after,
                after_size,
                at_state,
                node,
                before[at, R_START_MS],
                before[at, R_START],
                before[at, R_PREVIOUS_MS],
            )
        elif states[at_state, S_KIND] == PENDING:
            complete_size = push(
                complete,
                complete_size,
                at_state,
                node,
                before[at, R_START_MS],
                before[at, R_START],
                before[at, R_PREVIOUS_MS],
            )
        else:
            if patterns[pattern, P_TIMEOUTS] != 0:
                report(plan, state, out, instance, node, np.int64(-1), deadline_ms, np.int64(TIMED_OUT))
            release_node(nodes, meta, instances, instance, node, patterns.shape[0])
    if patterns[pattern, P_SKIP] == NO_SKIP:
        for at in range(complete_size):
            report(plan, state, out, instance, complete[at, R_NODE], np.int64(-1), now_ms, np.int64(BY_TIME))
            release_node(nodes, meta, instances, instance, complete[at, R_NODE], patterns.shape[0])
    else:
        after_size, held_size = release_held(
            plan, state, out, instance, after_size, complete_size, held_size, np.int64(-1), now_ms
        )
    store(plan, state, instance, after_size, held_size)


@lean_kernel
def deadline_of(patterns, states, pattern, at_state, start_ms, previous_ms):
    """Return when a partial match runs out of time."""
    deadline_ms = NEVER
    if at_state == patterns[pattern, P_START]:
        return deadline_ms
    window_ms = patterns[pattern, P_WINDOW_MS]
    if window_ms > 0:
        deadline_ms = start_ms + window_ms
    gap_ms = states[at_state, S_GAP_MS]
    if gap_ms > 0 and previous_ms + gap_ms < deadline_ms:
        deadline_ms = previous_ms + gap_ms
    return deadline_ms


# ---- matches


@lean_kernel
def release_held(plan, state, out, instance, after_size, complete_size, held_size, event, time_ms):
    """Report complete matches, unless a partial match that began earlier is alive; discard by strategy."""
    patterns = plan[0]
    nodes, instances, meta, heaps = state[1], state[3], state[6], state[7]
    after = heaps[AFTER]
    complete = heaps[COMPLETE]
    held = heaps[HELD]
    pattern = instances[instance, I_PATTERN]
    skip = patterns[pattern, P_SKIP]
    roots = patterns.shape[0]
    # A match that is held keeps the place of the event that completed it where a run keeps its state.
    now = meta[M_ORDER] + event if event >= 0 else np.int64(-1)
    for at in range(complete_size):
        held_size = push(
            held,
            held_size,
            now,
            complete[at, R_NODE],
            complete[at, R_START_MS],
            complete[at, R_START],
            complete[at, R_PREVIOUS_MS],
        )
    while held_size > 0 and (after_size == 0 or held[0, R_START] <= after[0, R_START]):
        node = held[0, R_NODE]
        first = held[0, R_START]
        by = np.int64(BY_EVENT) if event >= 0 and held[0, R_STATE] == now else np.int64(BY_TIME)
        held_size = pop(held, held_size)
        # What began before `limit` goes.
        limit = np.int64(-1)
        if skip == SKIP_TO_NEXT:
            limit = first + 1
        elif skip == SKIP_PAST_LAST:
            limit = nodes[node, N_ORDER] + 1
        elif skip != NO_SKIP:
            wanted = patterns[pattern, P_SKIP_STAGE]
            cell = node
            while cell >= roots:
                if nodes[cell, N_STAGE] == wanted:
                    limit = nodes[cell, N_ORDER]
                    if skip == SKIP_TO_LAST:
                        break
                cell = nodes[cell, N_BEFORE]
            if limit < 0 or limit == first:
                meta[M_SKIP_MISSING] += 1
        report(plan, state, out, instance, node, event, time_ms, by)
        release_node(nodes, meta, instances, instance, node, roots)
        if limit >= 0:
            after_size = discard_before(limit, after, after_size, nodes, meta, instances, instance, roots)
            held_size = discard_before(limit, held, held_size, nodes, meta, instances, instance, roots)
    return after_size, held_size


@lean_kernel
def discard_before(limit, heap, size, nodes, meta, instances, instance, roots):
    """Remove what began before `limit` from a heap; return the new size."""
    left = np.int64(0)
    for at in range(size):
        if heap[at, R_START] < limit:
            release_node(nodes, meta, instances, instance, heap[at, R_NODE], roots)
        else:
            if left < at:
                for column in range(RUN_COLUMNS):
                    heap[left, column] = heap[at, column]
            left += 1
    if left < size:
        rebuild(heap, left)
    return left


@lean_kernel
def report(plan, state, out, instance, node, event, time_ms, kind):
    """Write a match and its events, in the order they were accepted.

    One that no event completed (`event` is -1) belongs to the event that let time pass.
    """
    roots = plan[0].shape[0]
    nodes, instances, meta = state[1], state[3], state[6]
    matches, matched = out[0], out[1]
    row = meta[M_MATCHES]
    begin = meta[M_EVENTS]
    depth = nodes[node, N_DEPTH]
    matches[row, O_EVENT] = event if event >= 0 else meta[M_EVENT]
    matches[row, O_PATTERN] = instances[instance, I_PATTERN]
    matches[row, O_KEY] = instances[instance, I_KEY]
    matches[row, O_TIME_MS] = time_ms
    matches[row, O_KIND] = kind
    matches[row, O_EVENTS_START] = begin
    matches[row, O_EVENTS_END] = begin + depth
    at = begin + depth
    while node >= roots:
        at -= 1
        matched[at, D_EVENT] = nodes[node, N_EVENT]
        matched[at, D_TIME_MS] = nodes[node, N_TIME_MS]
        matched[at, D_STAGE] = nodes[node, N_STAGE]
        node = nodes[node, N_BEFORE]
    meta[M_MATCHES] = row + 1
    meta[M_EVENTS] = begin + depth


@lean_kernel
def keep_bounds(plan, state, out, instance, after_size, held_size, event, time_ms):
    """Drop the partial matches that began first until the instance is within its caps; count them."""
    patterns = plan[0]
    nodes, instances, meta, heaps = state[1], state[3], state[6], state[7]
    drops = out[2]
    after = heaps[AFTER]
    pattern = instances[instance, I_PATTERN]
    partials_max = patterns[pattern, P_PARTIALS_MAX]
    events_max = patterns[pattern, P_EVENTS_MAX]
    roots = patterns.shape[0]
    dropped = np.int64(0)
    # The start state stays: it is the last of every heap.
    while (
        after_size > 1
        and after[0, R_START] < NEVER
        and (
            after_size - 1 > partials_max
            or held_size > partials_max
            or instances[instance, I_NODES] > events_max
        )
    ):
        node = after[0, R_NODE]
        after_size = pop(after, after_size)
        release_node(nodes, meta, instances, instance, node, roots)
        dropped += 1
        if held_size > 0:
            after_size, held_size = release_held(
                plan, state, out, instance, after_size, np.int64(0), held_size, event, time_ms
            )
    if dropped > 0:
        row = meta[M_DROPS]
        drops[row, L_PATTERN] = pattern
        drops[row, L_KEY] = instances[instance, I_KEY]
        drops[row, L_TIME_MS] = time_ms
        drops[row, L_COUNT] = dropped
        meta[M_DROPS] = row + 1
        meta[M_DROPPED] += dropped
    return after_size, held_size


@lean_kernel
def note_progress(plan, state, batch, out, event, pattern, instance):
    """Write how many stages the furthest partial match of an instance has behind it."""
    patterns, states = plan[0], plan[1]
    runs, instances = state[0], state[3]
    row = patterns[pattern, P_PROGRESS_ROW]
    if row >= 0:
        furthest = np.int64(0)
        run = instances[instance, I_RUNS]
        while run >= 0:
            stages = states[runs[run, R_STATE], S_PROGRESS]
            if stages > furthest:
                furthest = stages
            run = runs[run, RUN_NEXT]
        out[3][row, event] = furthest


# ---- accepted events


@lean_kernel
def new_node(state, instance, before, stage, time_ms, event_hash, event):
    """Take a node for an accepted event; its references are counted by who keeps it."""
    nodes, instances, meta = state[1], state[3], state[6]
    node = meta[M_NODE_FREE]
    if node >= 0:
        meta[M_NODE_FREE] = nodes[node, N_BEFORE]
    else:
        node = meta[M_NODE_TOP]
        meta[M_NODE_TOP] = node + 1
    meta[M_NODE_USED] += 1
    nodes[node, N_BEFORE] = before
    nodes[node, N_STAGE] = stage
    nodes[node, N_TIME_MS] = time_ms
    nodes[node, N_EVENT] = event_hash
    nodes[node, N_ORDER] = meta[M_ORDER] + event
    nodes[node, N_REFERENCES] = 0
    nodes[node, N_DEPTH] = nodes[before, N_DEPTH] + 1
    nodes[before, N_REFERENCES] += 1
    instances[instance, I_NODES] += 1
    return node


@lean_kernel
def release_node(nodes, meta, instances, instance, node, roots):
    """Give up one reference; nodes that nothing refers to any more are freed."""
    while node >= roots:
        nodes[node, N_REFERENCES] -= 1
        if nodes[node, N_REFERENCES] > 0:
            return
        before = nodes[node, N_BEFORE]
        nodes[node, N_BEFORE] = meta[M_NODE_FREE]
        meta[M_NODE_FREE] = node
        meta[M_NODE_USED] -= 1
        instances[instance, I_NODES] -= 1
        node = before


@lean_kernel
def keep_values(patterns, kept_values, kept, values, pattern, before, node, stage, event):
    """Carry the sums of the match over to a new node, with the accepted event added."""
    first = patterns[pattern, P_KEPT_START]
    for at in range(first, patterns[pattern, P_KEPT_END]):
        place = at - first
        old = kept[before, place]
        if kept_values[at, K_STAGE] == stage:
            function = kept_values[at, K_FUNCTION]
            if function == COUNT:
                old += 1.0
            else:
                value = values[kept_values[at, K_COLUMN], event]
                if function == LAST:
                    old = value
                elif function == FIRST:
                    if kept[before, place + 1] == 0.0:
                        old = value
                elif value == value:
                    if function == SUM:
                        old += value
                    elif function == COUNT_VALUES:
                        old += 1.0
                    elif function == LEAST:
                        if not old <= value:
                            old = value
                    elif not old >= value:
                        old = value
        kept[node, place] = old


# ---- storage


@lean_kernel
def load(runs, run, heap):
    """Copy a list of partial matches into a scratch heap, in its order; return how many."""
    size = np.int64(0)
    while run >= 0:
        for column in range(RUN_COLUMNS):
            heap[size, column] = runs[run, column]
        size += 1
        run = runs[run, RUN_NEXT]
    return size


@lean_kernel
def save(runs, meta, first, heap, size):
    """Write a scratch heap over a list of partial matches; return its new first record."""
    head = first
    last = np.int64(-1)
    record = first
    for at in range(size):
        if record < 0:
            record = meta[M_RUN_FREE]
            if record >= 0:
                meta[M_RUN_FREE] = runs[record, RUN_NEXT]
            else:
                record = meta[M_RUN_TOP]
                meta[M_RUN_TOP] = record + 1
            meta[M_RUN_USED] += 1
            runs[record, RUN_NEXT] = -1
            if last >= 0:
                runs[last, RUN_NEXT] = record
            else:
                head = record
        for column in range(RUN_COLUMNS):
            runs[record, column] = heap[at, column]
        last = record
        record = runs[record, RUN_NEXT]
    if last >= 0:
        runs[last, RUN_NEXT] = -1
    else:
        head = np.int64(-1)
    while record >= 0:
        following = runs[record, RUN_NEXT]
        runs[record, RUN_NEXT] = meta[M_RUN_FREE]
        meta[M_RUN_FREE] = record
        meta[M_RUN_USED] -= 1
        record = following
    return head


@lean_kernel
def store(plan, state, instance, after_size, held_size):
    """Keep what is left of an instance, and its next deadline; free it when nothing is left."""
    patterns, states = plan[0], plan[1]
    runs, nodes, instances, timers, meta, heaps = state[0], state[1], state[3], state[5], state[6], state[7]
    after = heaps[AFTER]
    nothing_left = after_size == 1 and after[0, R_START] == NEVER and held_size == 0
    if nothing_left:
        after_size = np.int64(0)
    instances[instance, I_RUNS] = save(runs, meta, instances[instance, I_RUNS], after, after_size)
    instances[instance, I_HELD] = save(runs, meta, instances[instance, I_HELD], heaps[HELD], held_size)
    instances[instance, I_RUN_COUNT] = after_size
    instances[instance, I_HELD_COUNT] = held_size
    if nothing_left:
        free_instance(state, instance)
        return
    pattern = instances[instance, I_PATTERN]
    deadline_ms = NEVER
    depth = np.int64(0)
    for at in range(after_size):
        if after[at, R_START] < NEVER:
            this_ms = deadline_of(
                patterns, states, pattern, after[at, R_STATE], after[at, R_START_MS], after[at, R_PREVIOUS_MS]
            )
            deadline_ms = min(deadline_ms, this_ms)
            depth = max(depth, nodes[after[at, R_NODE], N_DEPTH])
    for at in range(held_size):
        depth = max(depth, nodes[heaps[HELD][at, R_NODE], N_DEPTH])
    instances[instance, I_DEPTH] = depth
    if deadline_ms < instances[instance, I_DEADLINE_MS]:
        meta[M_TIMER_NUMBER] += 1
        instances[instance, I_DEADLINE_MS] = deadline_ms
        instances[instance, I_TIMER] = meta[M_TIMER_NUMBER]
        add_timer(timers, meta, deadline_ms, instance, meta[M_TIMER_NUMBER])


@lean_kernel
def room_for_event(patterns, state, out, todo):
    """Return DONE when everything that the event could need has room, else what must grow."""
    instances, work = state[3], state[8]
    need_runs = np.int64(0)
    need_nodes = np.int64(0)
    need_matches = np.int64(0)
    need_events = np.int64(0)
    for at in range(todo):
        pattern = work[at, 0]
        instance = work[at, 1]
        count = np.int64(1)
        held = np.int64(0)
        depth = np.int64(1)
        if instance >= 0:
            count = max(instances[instance, I_RUN_COUNT], 1)
            held = instances[instance, I_HELD_COUNT]
            depth = instances[instance, I_DEPTH] + 1
        finals = count * patterns[pattern, P_FINALS]
        need_runs += count * patterns[pattern, P_BRANCHES] + 2 + held + finals
        need_nodes += count * patterns[pattern, P_TAKES]
        need_matches += held + finals
        need_events += (held + finals) * depth
    return room(state, out, need_runs, need_nodes, need_matches, need_events, todo)


@lean_kernel
def room_for_deadline(patterns, state, out, instance):
    """The same for a deadline of one instance."""
    instances = state[3]
    count = instances[instance, I_RUN_COUNT] + instances[instance, I_HELD_COUNT]
    return room(
        state, out, count + 2, np.int64(0), count, count * (instances[instance, I_DEPTH] + 1), np.int64(1)
    )


@lean_kernel
def room(state, out, need_runs, need_nodes, need_matches, need_events, todo):
    runs, nodes, instances, table, timers, meta = state[0], state[1], state[3], state[4], state[5], state[6]
    if runs.shape[0] - meta[M_RUN_USED] < need_runs:
        return GROW_RUNS
    if nodes.shape[0] - meta[M_NODE_USED] < need_nodes:
        return GROW_NODES
    if instances.shape[0] - meta[M_INSTANCE_USED] < todo:
        return GROW_INSTANCES
    if 2 * (meta[M_TABLE_USED] + 1) > table.shape[0]:
        return GROW_TABLE
    if timers.shape[0] - meta[M_TIMERS] < todo:
        return GROW_TIMERS
    if out[0].shape[0] - meta[M_MATCHES] < need_matches:
        return GROW_MATCHES
    if out[1].shape[0] - meta[M_EVENTS] < need_events:
        return GROW_EVENTS
    if out[2].shape[0] - meta[M_DROPS] < todo:
        return GROW_DROPS
    return DONE


@lean_kernel
def find_slot(table, slot_key):
    """Return the slot of a key, or the empty slot where it belongs."""
    last = table.shape[0] - 1
    slot = slot_key & last
    while table[slot, T_FIRST] >= 0 and table[slot, T_KEY] != slot_key:
        slot = (slot + 1) & last
    return slot


@lean_kernel
def fill_table(table, entries):
    """Put the used rows of another table into an empty one."""
    for at in range(entries.shape[0]):
        slot = find_slot(table, entries[at, T_KEY])
        table[slot, T_KEY] = entries[at, T_KEY]
        table[slot, T_FIRST] = entries[at, T_FIRST]


@lean_kernel
def new_instance(state, pattern, key, slot_key):
    """Take an instance and link it to its key."""
    instances, table, meta = state[3], state[4], state[6]
    instance = meta[M_INSTANCE_FREE]
    if instance >= 0:
        meta[M_INSTANCE_FREE] = instances[instance, I_NEXT]
    else:
        instance = meta[M_INSTANCE_TOP]
        meta[M_INSTANCE_TOP] = instance + 1
    meta[M_INSTANCE_USED] += 1
    slot = find_slot(table, slot_key)
    if table[slot, T_FIRST] < 0:
        table[slot, T_KEY] = slot_key
        meta[M_TABLE_USED] += 1
    instances[instance, I_PATTERN] = pattern
    instances[instance, I_KEY] = key
    instances[instance, I_RUNS] = -1
    instances[instance, I_RUN_COUNT] = 0
    instances[instance, I_HELD] = -1
    instances[instance, I_HELD_COUNT] = 0
    instances[instance, I_NEXT] = table[slot, T_FIRST]
    instances[instance, I_DEADLINE_MS] = NEVER
    instances[instance, I_TIMER] = -1
    instances[instance, I_DEPTH] = 0
    instances[instance, I_NODES] = 0
    instances[instance, I_SLOT_KEY] = slot_key
    table[slot, T_FIRST] = instance
    return instance


@lean_kernel
def free_instance(state, instance):
    """Unlink an instance; a key without instances leaves the table."""
    instances, table, meta = state[3], state[4], state[6]
    slot = find_slot(table, instances[instance, I_SLOT_KEY])
    before = np.int64(-1)
    at = table[slot, T_FIRST]
    while at != instance:
        before = at
        at = instances[at, I_NEXT]
    following = instances[instance, I_NEXT]
    if before >= 0:
        instances[before, I_NEXT] = following
    else:
        table[slot, T_FIRST] = following
        if following < 0:
            close_gap(table, slot)
            meta[M_TABLE_USED] -= 1
    instances[instance, I_PATTERN] = -1
    instances[instance, I_TIMER] = -1
    instances[instance, I_NEXT] = meta[M_INSTANCE_FREE]
    meta[M_INSTANCE_FREE] = instance
    meta[M_INSTANCE_USED] -= 1


@lean_kernel
def close_gap(table, slot):
    """Move later keys of the same chain over an emptied slot."""
    last = table.shape[0] - 1
    empty = slot
    at = (slot + 1) & last
    while table[at, T_FIRST] >= 0:
        home = table[at, T_KEY] & last
        if ((at - home) & last) >= ((at - empty) & last):
            table[empty, T_KEY] = table[at, T_KEY]
            table[empty, T_FIRST] = table[at, T_FIRST]
            empty = at
        at = (at + 1) & last
    table[empty, T_FIRST] = -1


@lean_kernel
def add_timer(timers, meta, deadline_ms, instance, number):
    """Add a deadline to the heap of deadlines; equal ones keep the order in which they were added."""
    child = meta[M_TIMERS]
    meta[M_TIMERS] = child + 1
    while child > 0:
        parent = (child - 1) >> 1
        if timers[parent, TIMER_MS] <= deadline_ms:
            break
        for column in range(3):
            timers[child, column] = timers[parent, column]
        child = parent
    timers[child, TIMER_MS] = deadline_ms
    timers[child, TIMER_INSTANCE] = instance
    timers[child, TIMER_NUMBER] = number


@lean_kernel
def drop_first_timer(timers, meta):
    """Remove the earliest deadline."""
    size = meta[M_TIMERS] - 1
    meta[M_TIMERS] = size
    deadline_ms = timers[size, TIMER_MS]
    number = timers[size, TIMER_NUMBER]
    instance = timers[size, TIMER_INSTANCE]
    place = 0
    while 2 * place + 1 < size:
        child = 2 * place + 1
        if child + 1 < size and later(
            timers, child, timers[child + 1, TIMER_MS], timers[child + 1, TIMER_NUMBER]
        ):
            child += 1
        if not later_than(deadline_ms, number, timers[child, TIMER_MS], timers[child, TIMER_NUMBER]):
            break
        for column in range(3):
            timers[place, column] = timers[child, column]
        place = child
    timers[place, TIMER_MS] = deadline_ms
    timers[place, TIMER_INSTANCE] = instance
    timers[place, TIMER_NUMBER] = number


@lean_kernel
def later(timers, row, deadline_ms, number):
    return later_than(timers[row, TIMER_MS], timers[row, TIMER_NUMBER], deadline_ms, number)


@lean_kernel
def later_than(one_ms, one_number, other_ms, other_number):
    return one_ms > other_ms or (one_ms == other_ms and one_number > other_number)
