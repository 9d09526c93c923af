"""Contributions to a sum of trees by looking them up: what remains to do for a row is to find its lines.

What the leaves of a small group add depends on the row only through a few yes or no answers: for
each input tested above the group whether all those tests let the row through, and how each test
inside the group goes. So all of a group's contributions fit into a table with a line for each
combination of answers, worked out once (by `attribution`, exactly). This is the second form of
Fast TreeSHAP (Yang 2021), by groups of leaves instead of single ones.
"""

import numpy as np

from riskweave.kernels.compile import lean_kernel
from riskweave.kernels.words import pointer, warm

# Words of a line of `used`: an input and its numeric tests.
INPUT = 0
FIRST = 1
LAST = 2
USED = 3

# Words of `sets`: a test of categories.
TEST = 1
SET = 2

# Words of `joint`: an answer that is two others' conjunction, each turned round where its flip is 1.
A = 0
FLIP_A = 1
B = 2
FLIP_B = 3
JOINT = 4

# Words of `runs`: groups with as many answers and as many inputs, one after the other.
GROUPS = 0
ANSWERS = 1
INPUTS = 2
RUN = 3


@lean_kernel
def look_up(
    inputs,
    used,
    cuts,
    missing_left,
    sets,
    set_start,
    set_words,
    joint,
    runs,
    which,
    places,
    lines,
    tables,
    answer,
    found,
    out,
):
    """Add to `out[i, j]` what input j adds to the sum of trees, above the mean.

    Tests are numbered: those of numbers by input, `cuts[k]` their thresholds, then those of categories,
    then the conjunctions. `which` are the answers that choose a group's line, `places` the inputs
    that its columns belong to, `lines` where its table begins. `answer` (a byte for each test and
    conjunction) and `found` (a word for each group) are scratch.
    """
    width = inputs.shape[1]
    numeric = cuts.size
    tests = numeric + sets.shape[0]
    row_at = pointer(inputs)
    out_at = pointer(out)
    answer_at = pointer(answer)
    which_at = pointer(which)
    place_at = pointer(places)
    table_at = pointer(tables)
    line_at = pointer(lines)
    found_at = pointer(found)
    for i in range(inputs.shape[0]):
        row = i * width
        for u in range(used.shape[0]):
            x = row_at[row + used[u, INPUT]]
            if x != x:
                for k in range(used[u, FIRST], used[u, LAST]):
                    answer[k] = missing_left[k]
            else:
                for k in range(used[u, FIRST], used[u, LAST]):
                    answer[k] = x <= cuts[k]
        for s in range(sets.shape[0]):
            x = row_at[row + sets[s, INPUT]]
            test = sets[s, TEST]
            passes = 0
            if x != x:
                passes = np.int64(missing_left[test])
            else:
                begin = np.int64(set_start[sets[s, SET]])
                if 0.0 <= x < 32.0 * (np.int64(set_start[sets[s, SET] + 1]) - begin):
                    code = int(x)
                    passes = (np.int64(set_words[begin + (code >> 5)]) >> (code & 31)) & 1
            answer[test] = passes
        for k in range(joint.shape[0]):
            a = np.int64(answer_at[joint[k, A]]) ^ joint[k, FLIP_A]
            b = np.int64(answer_at[joint[k, B]]) ^ joint[k, FLIP_B]
            answer_at[tests + k] = a & b
        # First find all lines and ask for them: they lie all over the memory, and come together.
        ask = 0
        group = 0
        for run in range(runs.shape[0]):
            answers = runs[run, ANSWERS]
            columns = runs[run, INPUTS]
            for _ in range(runs[run, GROUPS]):
                combination = 0
                for k in range(answers):
                    combination |= np.int64(answer_at[which_at[ask + k]]) << k
                at = line_at[group] + combination * columns
                warm(table_at, at)
                warm(table_at, at + columns - 1)
                found_at[group] = at
                ask += answers
                group += 1
        add = 0
        group = 0
        for run in range(runs.shape[0]):
            columns = runs[run, INPUTS]
            for _ in range(runs[run, GROUPS]):
                at = found_at[group]
                for k in range(columns):
                    place = row + place_at[add + k]
                    out_at[place] = out_at[place] + table_at[at + k]
                add += columns
                group += 1
