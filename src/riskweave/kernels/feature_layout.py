"""Where things lie in a features plan and in a record of its state: names for offsets.

A plan is one int64 array: a header, then a block per table with lists of fixed-size rows (values
an entry keeps, filters, windows, accumulators, outputs, visits). Floats stand in it as their bits.

A record (one key of one table) is a stretch of the heap: the words below, then (first, end)
sequence numbers per window, then the accumulators. Its history is a ring of entries elsewhere in
the heap; entry number `seq` lies at `seq & (capacity - 1)`. An entry is its time, the words of
mask bits, the event's hash (where labels need it), then a word per kept value.
"""

import numpy as np

# Written out as typed constants: for every plain number a kernel is called with, numba compiles it anew.
ENTERS = np.int64(1)
LEAVES = np.int64(-1)
NO_ENTRY = np.int64(-1)
ZERO = np.int64(0)
STAYS = np.int64(0)  # a record of the state
PASSES = np.int64(1)  # a record for looking back

# Plan header.
TABLE_COUNT = 0
BLOCKS = 1  # offset of the list of table blocks
SCRATCH = 2  # words for an entry and three records that are nobody's
LABEL_TABLES = 4  # how many tables have label features; 0: no registry
REGISTRY_SALT = 5
REGISTRY_KEEP = 6  # events up to the watermark less this are forgotten by the registry

# A table's block.
SALT = 0
KEY_ROW = 1
SPAN = 2  # W: the longest window + delay
FORGET = 3
GONE = 4  # a record not seen since the watermark less this is as good as none
STRIDE = 5
MASK_WORDS = 6
HASH_WORD = 7  # offset of the event's hash in an entry, 0: none
RECORD_WORDS = 8
KEEP_ALL = 9
BAG_COUNT = 10
VALUE_COUNT = 11
VALUES = 12
FILTER_COUNT = 13
FILTERS = 14
WINDOW_COUNT = 15
WINDOWS = 16
LOOSE_FIRST = 17  # accumulators that no window moves: first ever seen
LOOSE_END = 18
DECAY_COUNT = 19
VISIT_COUNT = 20
VISITS = 21
LABEL_SLOT = 22  # number among the tables with labels, -1: none
LABEL_BITS = 23  # rows (label, mask word offset, bit)
LABEL_BIT_COUNT = 24
KEEP_MASKS = 25  # offset of one word per mask word: bits that make an entry worth keeping
UNBOUNDED = 26
LASTING = 27  # rows (offset in record, words): what is remembered without a window
LASTING_COUNT = 28
LASTING_WORDS = 29
BLOCK_WORDS = 32

# What an entry keeps: rows (kind, row, parameter bits).
VALUE_WORDS = 3
VALUE_NUMBER = 0
VALUE_SCALED = 1  # money: whole minor units
VALUE_HASH = 2
VALUE_CELL = 3

# Static conditions: rows (mask word offset, bit, number of columns, columns...).
FILTER_WORDS = 6
FILTER_COLUMNS_MAX = 3

# Windows: rows (length, delay, before, first accumulator, end, offset in record).
WINDOW_WORDS = 6
ENDLESS = 1 << 60

# Accumulators: rows (kind, mask word offset, bits needed, value offset, offset in record, parameter).
ACC_WORDS = 6
ACC_COUNT = 0
ACC_MOMENTS = 1  # count, sum (pair)
ACC_SQUARES = (
    2  # count, sum (pair), sum of squares (pair), greatest size since it was empty; parameter: exact
)
ACC_MIN = 3  # word, seq
ACC_MAX = 4
ACC_LAST = 5  # seq
ACC_FIRST = 6  # seq
ACC_BAG = 7  # offset, capacity (0: not built, -1: never), length, distinct
ACC_DIRECTION = 8  # count, x, y, z
ACC_HOURS = 9  # 24 counts, two in a word
ACC_DECAYED = 10  # base total, base time, total, time
ACC_EVER = 11  # first time, how many events at it
ACC_SIZES = (1, 3, 6, 2, 2, 1, 1, 4, 4, 12, 4, 2)

NONE_SEQ = -1
DIRTY_SEQ = -2
BAG_MIN = 16  # windows with more entries keep their values sorted

# Visits: rows (key row, first output, end).
VISIT_WORDS = 3

# Outputs: rows (operation, row, window's offset in plan, accumulator, second accumulator,
# value list offset of the current value or -1, parameter, scale).
OUTPUT_WORDS = 8
OUT_WINDOW_COUNT = 0
OUT_COUNT = 1
OUT_SUM = 2
OUT_MEAN = 3
OUT_STD = 4
OUT_EXTREME = 5
OUT_LAST = 6
OUT_SINCE = 7
OUT_FIRST = 8
OUT_DISTINCT = 9
OUT_NEW = 10
OUT_QUANTILE = 11
OUT_RANK = 12
OUT_ENTROPY = 13
OUT_MODE = 14
OUT_SHARE = 15
OUT_RATIO = 16
OUT_ZSCORE = 17
OUT_DISTANCE = 18
OUT_SPEED = 19
OUT_USUAL = 20
OUT_HABIT = 21
OUT_DECAYED = 22
OUT_EVER = 23

# A record.
R_KEY = 0
R_TABLE = 1
R_SEEN = 2  # time of the latest event remembered
R_CURSOR = 3  # windows stand as of this time
R_ERA = 4  # when the entity started anew
R_RING = 5
R_CAPACITY = 6
R_FIRST = 7
R_NEXT = 8
R_WORDS = 9
NEVER = -(1 << 62)

# A registry record: key, table (-1 - is the registry), time, then a salted key per table with labels.
REGISTRY_TABLE = 1 << 40
G_TIME = 2
G_KEYS = 3

# Words per table in `meta`.
T_KEYS = 0
T_EVENTS = 1
T_LATE = 2
T_ACTIVE = 3
