"""What every feature means, in plain Python over the list of arrived events. No state, no tricks.

An event is a dict: `time` and `watermark` in ms, `keys` (role -> key or None), and its values by
name (None when missing). `features` are `Asked` values. `answers(events, ...)` says what each event
sees. Labels are (before_row, event number, label, value) in the order they arrive.
"""

import math
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction

EARTH_KM = 6371.0088


@dataclass(frozen=True)
class Asked:
    """One feature: whose key, whose history, which aggregate, of what."""

    aggregate: str
    role: str
    table: str
    value: str = ""
    window: int | None = None
    second_window: int | None = None
    where: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    condition: tuple[str, ...] = ()
    condition_labels: tuple[str, ...] = ()
    before: bool = False
    delay: int = 0
    share: float = 0.5
    half_life: int = 0
    cell_km: float = 1.0


LOOKS_BEFORE = {
    "is_new", "last", "time_since", "rank", "zscore", "distance_from_last", "speed_kmh",
    "distance_from_usual", "hour_habit",
}  # fmt: skip


def answers(events, features, labels, span, forget):
    """Return a list per event with the value of each feature."""
    known = Known(events, labels, span, forget)
    rows = []
    for i in range(len(events)):
        known.arrive(i)
        rows.append([answer(known, i, asked) for asked in features])
    return rows


class Known:
    """Which events have arrived, which are remembered where, and which labels are known."""

    def __init__(self, events, labels, span, forget):
        self.events = events
        self.waiting = list(labels)
        self.span = span
        self.forget = forget
        self.remembered = {role: {} for role in span}  # role -> key -> [event numbers]
        self.lives = {role: {} for role in span}  # role -> key -> Life
        self.labels = {role: set() for role in span}  # role -> {(event, label)}

    def arrive(self, i):
        """Let labels that come before event i be known, then the event itself."""
        watermark = self.events[i - 1]["watermark"] if i else -(10**18)
        while self.waiting and self.waiting[0][0] <= i:
            _, event, label, value = self.waiting.pop(0)
            if event >= i:
                continue  # names an event that has not arrived
            for role, span in self.span.items():
                if self.events[event]["time"] > watermark - 2 * span:
                    if value:
                        self.labels[role].add((event, label))
                    else:
                        self.labels[role].discard((event, label))
        event = self.events[i]
        for role, span in self.span.items():
            key = event["keys"][role]
            if key is None or event["time"] <= event["watermark"] - span:
                continue
            life = self.lives[role].get(key)
            if life is None or self.gone(role, life, event["watermark"]):
                life = self.lives[role][key] = Life()
            life.meet(i, event["time"], self.forget)
            self.remembered[role].setdefault(key, []).append(i)

    def gone(self, role, life, watermark):
        """Tell whether nothing of an entity can be seen any more."""
        span = self.span[role]
        return life.seen <= watermark - max(2 * span, span + self.forget)

    def holds(self, role, j, conditions, labels):
        event = self.events[j]
        return all(event[name] is True for name in conditions) and all(
            (j, label) in self.labels[role] for label in labels
        )


class Life:
    """An entity since it (last) started anew."""

    def __init__(self):
        self.seen = -(10**18)
        self.start = None
        self.members = []

    def meet(self, i, time, forget):
        if self.start is None or time - self.seen > forget:
            self.start = time
            self.members = []
        elif time < self.start <= time + forget:
            self.start = time
        if time >= self.start:
            self.members.append(i)
        self.seen = max(self.seen, time)


def answer(known, i, asked):
    """Return one feature of event i."""
    event = known.events[i]
    key = event["keys"][asked.role]
    if key is None:
        return None
    if asked.aggregate in ("decayed_count", "decayed_sum") or (
        asked.aggregate == "first_seen" and asked.window is None
    ):
        return without_window(known, i, key, asked)
    window = known.forget if asked.window is None else asked.window
    entries = in_window(known, i, key, asked, window)
    matching = [j for j in entries if known.holds(asked.table, j, asked.where, asked.labels)]
    function = globals()[f"_{asked.aggregate}"]
    return function(known, i, asked, matching)


def in_window(known, i, key, asked, window):
    """Return the numbers of the entries of a window, in time order, ties in arrival order."""
    event = known.events[i]
    span = known.span[asked.table]
    before = asked.before or asked.aggregate in LOOKS_BEFORE
    end = event["time"] - asked.delay
    numbers = list(known.remembered[asked.table].get(key, []))
    if event["keys"][asked.table] == key and i not in numbers:
        numbers.append(i)  # too late to be remembered, yet part of its own windows
    found = []
    for j in numbers:
        time = known.events[j]["time"]
        visible = j == i or time > event["watermark"] - 2 * span
        if visible and end - window < time <= end and not (before and j == i):
            found.append(j)
    return sorted(found, key=lambda j: (known.events[j]["time"], j))


def without_window(known, i, key, asked):
    """Return what is remembered as long as the entity is."""
    event = known.events[i]
    time, table = event["time"], asked.table
    too_late = time <= event["watermark"] - known.span[table]
    life = known.lives[table].get(key)
    if life is not None and (known.gone(table, life, event["watermark"]) or time - life.seen > known.forget):
        life = None
    end = time - asked.delay
    if asked.aggregate == "first_seen":
        members = [] if life is None else life.members
        times = [
            known.events[j]["time"]
            for j in members
            if known.holds(table, j, asked.where, ()) and not (asked.before and j == i)
        ]
        if event["keys"][table] == key and i not in members and not asked.before and asked.delay == 0:
            times += [time] if known.holds(table, i, asked.where, ()) else []
        times = [each for each in times if each <= end]
        return min(times, default=None)
    if too_late:
        return None
    total = 0.0
    for j in known.remembered[table].get(key, []) if life is not None else []:
        there = known.events[j]["time"]
        value = 1.0 if asked.aggregate == "decayed_count" else known.events[j][asked.value]
        counts = life.start <= there <= end and known.holds(table, j, asked.where, asked.labels)
        if counts and value is not None:
            total += float(value) * 0.5 ** ((end - there) / asked.half_life)
    return total


def _values(known, asked, entries):
    return [known.events[j][asked.value] for j in entries if known.events[j][asked.value] is not None]


def _count(known, i, asked, entries):
    return len(entries)


def _sum(known, i, asked, entries):
    return float(sum(map(Fraction, _values(known, asked, entries)), Fraction(0)))


def _mean(known, i, asked, entries):
    values = [Fraction(each) for each in _values(known, asked, entries)]
    return float(sum(values) / len(values)) if values else None


def _deviation(values):
    if len(values) < 2:
        return None
    values = [Fraction(each) for each in values]
    mean = sum(values) / len(values)
    return math.sqrt(sum((each - mean) ** 2 for each in values) / (len(values) - 1))


def _std(known, i, asked, entries):
    return _deviation(_values(known, asked, entries))


def _min(known, i, asked, entries):
    return min(map(float, _values(known, asked, entries)), default=None)


def _max(known, i, asked, entries):
    return max(map(float, _values(known, asked, entries)), default=None)


def _quantile(known, i, asked, entries):
    values = sorted(_values(known, asked, entries))
    if not values:
        return None
    place = asked.share * (len(values) - 1)
    low = math.floor(place)
    if place == low:
        return float(values[low])
    return float(
        Fraction(values[low]) + (Fraction(values[low + 1]) - Fraction(values[low])) * Fraction(place - low)
    )


_median = _quantile


def _distinct(known, i, asked, entries):
    return len(set(_values(known, asked, entries)))


def _is_new(known, i, asked, entries):
    now = known.events[i][asked.value]
    return None if now is None else float(now not in _values(known, asked, entries))


def _first_seen(known, i, asked, entries):
    return known.events[entries[0]]["time"] if entries else None


def _last(known, i, asked, entries):
    values = _values(known, asked, entries)
    return float(values[-1]) if values else None


def _time_since(known, i, asked, entries):
    return (known.events[i]["time"] - known.events[entries[-1]]["time"]) / 1000 if entries else None


def _rate(known, i, asked, entries):
    hits = [j for j in entries if known.holds(asked.table, j, asked.condition, asked.condition_labels)]
    return len(hits) / len(entries) if entries else None


def _ratio(known, i, asked, entries):
    key = known.events[i]["keys"][asked.role]
    longer = [
        j
        for j in in_window(known, i, key, asked, asked.second_window)
        if known.holds(asked.table, j, asked.where, asked.labels)
    ]
    below = sum(map(Fraction, _values(known, asked, longer)), Fraction(0))
    return float(sum(map(Fraction, _values(known, asked, entries)), Fraction(0)) / below) if below else None


def _entropy(known, i, asked, entries):
    values = _values(known, asked, entries)
    shares = [count / len(values) for count in Counter(values).values()]
    return sum(-share * math.log2(share) for share in shares) if values else None


def _mode(known, i, asked, entries):
    values = _values(known, asked, entries)
    if not values:
        return None
    counts = Counter(values)
    most = max(counts.values())
    return float(next(value for value in reversed(values) if counts[value] == most))


def _rank(known, i, asked, entries):
    now = known.events[i][asked.value]
    values = _values(known, asked, entries)
    if now is None or not values:
        return None
    return sum(value <= now for value in values) / len(values)


def _zscore(known, i, asked, entries):
    now = known.events[i][asked.value]
    values = _values(known, asked, entries)
    deviation = _deviation(values)
    if now is None or not deviation:
        return None
    return float(Fraction(now) - sum(map(Fraction, values)) / len(values)) / deviation


def kilometres(a, b):
    (lat, lon), (other_lat, other_lon) = a, b
    lat, lon, other_lat, other_lon = map(math.radians, (lat, lon, other_lat, other_lon))
    h = (
        math.sin((other_lat - lat) / 2) ** 2
        + math.cos(lat) * math.cos(other_lat) * math.sin((other_lon - lon) / 2) ** 2
    )
    return 2 * EARTH_KM * math.asin(min(1.0, math.sqrt(h)))


def _last_place(known, asked, entries):
    places = [j for j in entries if known.events[j][asked.value] is not None]
    return places[-1] if places else None


def _distance_from_last(known, i, asked, entries):
    now, last = known.events[i][asked.value], _last_place(known, asked, entries)
    return None if now is None or last is None else kilometres(now, known.events[last][asked.value])


def _speed_kmh(known, i, asked, entries):
    km = _distance_from_last(known, i, asked, entries)
    if km is None:
        return None
    last = _last_place(known, asked, entries)
    seconds = (known.events[i]["time"] - known.events[last]["time"]) / 1000
    return km / (max(seconds, 1.0) / 3600)


def _distance_from_usual(known, i, asked, entries):
    now = known.events[i][asked.value]
    places = _values(known, asked, entries)
    if now is None or not places:
        return None
    x = y = z = 0.0
    for lat, lon in places:
        lat, lon = math.radians(lat), math.radians(lon)
        x += math.cos(lat) * math.cos(lon)
        y += math.cos(lat) * math.sin(lon)
        z += math.sin(lat)
    usual = math.degrees(math.atan2(z, math.hypot(x, y))), math.degrees(math.atan2(y, x))
    return kilometres(now, usual)


def cell(place, km):
    """Return the grid cell of a place: bands of latitude `km` high, cut into parts about `km` wide."""
    degree = EARTH_KM * math.pi / 180
    band = math.floor((place[0] + 90) * degree / km)
    middle = min((band + 0.5) * km / degree - 90, 90)
    width = max(math.cos(math.radians(middle)), 0)
    return band, math.floor((place[1] + 180) * degree * width / km)


def _distinct_places(known, i, asked, entries):
    return len({cell(place, asked.cell_km) for place in _values(known, asked, entries)})


def _hour_habit(known, i, asked, entries):
    hours = Counter(_values(known, asked, entries))
    around = [hours[(hour - 1) % 24] + hours[hour] + hours[(hour + 1) % 24] for hour in range(24)]
    now = known.events[i][asked.value]
    return None if now is None or not max(around) else 1 - around[now] / max(around)
