"""XXH64, as its specification reads, on Python's unbounded integers."""

MASK = 2**64 - 1
P1, P2, P3, P4, P5 = (
    0x9E3779B185EBCA87,
    0xC2B2AE3D27D4EB4F,
    0x165667B19E3779F9,
    0x85EBCA77C2B2AE63,
    0x27D4EB2F165667C5,
)


def rotate(value: int, bits: int) -> int:
    value &= MASK
    return (value << bits | value >> (64 - bits)) & MASK


def one_round(lane: int, word: int) -> int:
    return rotate(lane + word * P2, 31) * P1 & MASK


def xxh64(data: bytes) -> int:
    """Return XXH64 with seed 0."""
    size = len(data)
    if size >= 32:
        lanes = [P1 + P2, P2, 0, -P1]
        while len(data) >= 32:
            for index in range(4):
                word = int.from_bytes(data[8 * index : 8 * index + 8], "little")
                lanes[index] = one_round(lanes[index], word)
            data = data[32:]
        total = sum(rotate(lane, bits) for lane, bits in zip(lanes, (1, 7, 12, 18), strict=True))
        for lane in lanes:
            total = ((total ^ one_round(0, lane)) * P1 + P4) & MASK
    else:
        total = P5
    total += size
    while len(data) >= 8:
        total = (rotate(total ^ one_round(0, int.from_bytes(data[:8], "little")), 27) * P1 + P4) & MASK
        data = data[8:]
    if len(data) >= 4:
        total = (rotate(total ^ int.from_bytes(data[:4], "little") * P1, 23) * P2 + P3) & MASK
        data = data[4:]
    for byte in data:
        total = rotate(total ^ byte * P5, 11) * P1 & MASK
    total = (total ^ total >> 33) * P2 & MASK
    total = (total ^ total >> 29) * P3 & MASK
    return total ^ total >> 32


def key_hash(data: bytes) -> int:
    """Return the hash of a key: 0 says that a key is missing, so it becomes 1."""
    return xxh64(data) or 1


def composite_hash(parts: list[int]) -> int:
    """Return the hash of several parts, folded from the left; 0 when one is missing."""
    total = parts[0]
    for part in parts[1:]:
        if not total or not part:
            return 0
        total = key_hash(total.to_bytes(8, "little") + part.to_bytes(8, "little"))
    return total if all(parts) else 0
