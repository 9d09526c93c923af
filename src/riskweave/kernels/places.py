"""Places on the globe: distance, direction, grid cell. Degrees in, kilometres out."""

import math

from riskweave.kernels.compile import inline_kernel

EARTH_KM = 6371.0088  # mean radius, IUGG
DEGREE_KM = EARTH_KM * math.pi / 180.0
DIRECTION_SCALE = 1099511627776.0  # 2**40: directions are summed as whole numbers, so sums are exact


@inline_kernel
def distance_km(lat, lon, other_lat, other_lon):
    """Return the great-circle distance (haversine) of two places."""
    half_lat = math.sin(math.radians(other_lat - lat) * 0.5)
    half_lon = math.sin(math.radians(other_lon - lon) * 0.5)
    h = half_lat * half_lat + math.cos(math.radians(lat)) * math.cos(math.radians(other_lat)) * (
        half_lon * half_lon
    )
    return 2.0 * EARTH_KM * math.asin(min(1.0, math.sqrt(h)))


@inline_kernel
def direction(lat, lon):
    """Return the unit vector from the centre of the earth to a place, in whole units of 2**-40."""
    flat = math.cos(math.radians(lat))
    return (
        round(flat * math.cos(math.radians(lon)) * DIRECTION_SCALE),
        round(flat * math.sin(math.radians(lon)) * DIRECTION_SCALE),
        round(math.sin(math.radians(lat)) * DIRECTION_SCALE),
    )


@inline_kernel
def cell_of(lat, lon, cell_km):
    """Return the number of the grid cell that holds a place: bands of latitude, cut into equal widths."""
    band = math.floor((lat + 90.0) * DEGREE_KM / cell_km)
    middle = (band + 0.5) * cell_km / DEGREE_KM - 90.0
    around = max(math.cos(math.radians(min(middle, 90.0))), 0.0)
    column = math.floor((lon + 180.0) * DEGREE_KM * around / cell_km)
    return band * 1048576 + column
