"""A virtual tilted-wave interferometer, by ray geometry.

Light converges, from point sources beside each other, towards points near the specimen's centre of
curvature; it is reflected by the specimen and observed in a plane in front of it. Each source's wave
fits the specimen where fringes can be resolved: the patches of the sources together cover it
(Garbusi, Pruss & Osten 2008, Opt. Lett. 33). Lengths in mm, optical path differences in um.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial import cKDTree

from .surface import APERTURE_MM, DESIGN, GRID_MM, SIZE, Points, Specimen, interpolation

_FOCUS_MM = 40.5
"""Distance of the sources' images behind the vertex: the radius of the sphere that fits the asphere best."""
_RING_MM = 0.33
_ROUND = np.arange(8) * np.pi / 4
SOURCES_MM = np.vstack([[(0.0, 0.0)], _RING_MM * np.stack([np.cos(_ROUND), np.sin(_ROUND)], axis=1)])
"""Lateral places of the sources' images: one on the axis, eight round it."""
OBSERVATION_MM = -40.0
"""Where the camera looks, on the axis: a plane in front of the vertex."""
_SENSOR_HALF_WIDTH_MM = 21.5

_LARGEST_TILT = 7e-3
"""Between two waves that make fringes which the camera resolves, radians: half a wavelength of 633 nm over
two of its pixels of about 22 um at the specimen."""
_SEEN_MM = APERTURE_MM + 0.3
"""Radius on the specimen that the camera sees: a little more than is measured."""
_NEWTON_STEPS = 6

Vectors = tuple[Points, Points, Points]


@dataclass(frozen=True)
class Misalignment:
    """Where the specimen stands beside its nominal place: shifts in um along x, y and z, and tilts in
    urad about x and y."""

    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)
    tilt: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Instrument:
    """The interferometer as it is: where its sources' images really are beside where its calibration
    has them, in um: float64 [sources, 3]."""

    source_errors: NDArray[np.float64] = field(default_factory=lambda: np.zeros((len(SOURCES_MM), 3)))

    def path_lengths(self, specimen: Specimen, misalignment: Misalignment) -> NDArray[np.float64]:
        """Optical path length to every pixel from every source, in mm up to a constant, NaN where a
        source's wave does not come: float64 [sources, SIZE, SIZE]."""
        rays = nominal_rays()
        lengths = np.full(rays.valid.shape, np.nan)
        for source, valid in enumerate(rays.valid):
            trace = _Trace(specimen, misalignment, _focus(source) + self.source_errors[source] * 1e-3)
            lengths[source][valid] = trace.length_at(
                rays.observed_x[valid], rays.observed_y[valid], rays.x[source][valid], rays.y[source][valid]
            )
        return lengths


ALIGNED = Misalignment()
CALIBRATED = Instrument()


@dataclass(frozen=True)
class _Rays:
    """The design's rays. x, y: where the ray to each pixel meets the specimen [sources, SIZE, SIZE].
    valid: where the source's fringes are resolved. observed_x, observed_y: the pixels [SIZE, SIZE]."""

    x: Points
    y: Points
    valid: NDArray[np.bool_]
    observed_x: Points
    observed_y: Points


@cache
def nominal_rays() -> _Rays:
    """The rays of the design in its nominal place."""
    pixels = (np.arange(SIZE) + 0.5) / SIZE * 2 * _SENSOR_HALF_WIDTH_MM - _SENSOR_HALF_WIDTH_MM
    observed_x, observed_y = np.meshgrid(pixels, pixels)
    xs, ys, valid = [], [], []
    for source in range(len(SOURCES_MM)):
        trace = _Trace(DESIGN, ALIGNED, _focus(source))
        # Parallel to the axis at first, scaled as a sphere would.
        scale = _FOCUS_MM / (_FOCUS_MM - OBSERVATION_MM)
        x, y = trace.solve(observed_x, observed_y, observed_x * scale, observed_y * scale, steps=40)
        xs.append(x)
        ys.append(y)
        valid.append((np.hypot(x, y) <= _SEEN_MM) & (trace.tilt_from_normal(x, y) <= _LARGEST_TILT))
    return _Rays(np.array(xs), np.array(ys), np.array(valid), observed_x, observed_y)


@cache
def design_lengths() -> NDArray[np.float64]:
    """Path lengths of the design in its nominal place, which measured ones are compared with."""
    return CALIBRATED.path_lengths(DESIGN, ALIGNED)


def path_differences(
    specimen: Specimen, misalignment: Misalignment = ALIGNED, instrument: Instrument = CALIBRATED
) -> NDArray[np.float64]:
    """What the specimen's waves have more than the design's, in um: float64 [sources, SIZE, SIZE], zero
    where a source's wave does not come. Each source's mean is taken out, since a phase is known up to
    whole periods only."""
    differences = (instrument.path_lengths(specimen, misalignment) - design_lengths()) * 1e3
    differences -= np.nanmean(differences, axis=(1, 2), keepdims=True)
    return np.nan_to_num(differences)


def _focus(source: int) -> NDArray[np.float64]:
    return np.array([*SOURCES_MM[source], _FOCUS_MM])


@dataclass(frozen=True)
class _Trace:
    """Rays of one source by way of one specimen. A ray is told by where it meets the specimen, in the
    specimen's frame; all else is in the instrument's."""

    specimen: Specimen
    misalignment: Misalignment
    focus: NDArray[np.float64]

    @cached_property
    def _rotation(self) -> NDArray[np.float64]:
        """From the specimen's frame to the instrument's."""
        about_x, about_y = np.array(self.misalignment.tilt) * 1e-6
        cx, sx, cy, sy = np.cos(about_x), np.sin(about_x), np.cos(about_y), np.sin(about_y)
        return np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]]) @ np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])

    @cached_property
    def _shift(self) -> NDArray[np.float64]:
        return np.array(self.misalignment.shift) * 1e-3

    def observe(self, x: Points, y: Points) -> tuple[Points, Points, Points]:
        """Where the ray that meets the specimen at x, y crosses the observation plane, and its length."""
        point, normal = self._placed(x, y)
        before = [self.focus[axis] - point[axis] for axis in range(3)]
        distance = np.sqrt(sum(component**2 for component in before))
        incident = [component / distance for component in before]
        along = sum(i * n for i, n in zip(incident, normal, strict=True))
        reflected = [i - 2.0 * along * n for i, n in zip(incident, normal, strict=True)]
        after = (OBSERVATION_MM - point[2]) / reflected[2]
        # A converging wave comes the earlier, the farther its focus still is.
        return point[0] + after * reflected[0], point[1] + after * reflected[1], after - distance

    def length_at(self, observed_x: Points, observed_y: Points, x: Points, y: Points) -> Points:
        """Length of the ray that crosses the observation plane at a pixel, looked for from x, y."""
        x, y = self.solve(observed_x, observed_y, x, y, _NEWTON_STEPS)
        return self.observe(x, y)[2]

    def solve(self, observed_x: Points, observed_y: Points, x: Points, y: Points, steps: int) -> tuple[Points, Points]:
        """Where on the specimen the ray to a pixel is reflected, by Newton's method with the Jacobian
        of the start; fails loudly if rays are not found to 0.01 um."""
        step = 1e-4
        left, right = self.observe(x - step, y), self.observe(x + step, y)
        below, above = self.observe(x, y - step), self.observe(x, y + step)
        xx, yx = ((right[axis] - left[axis]) / (2 * step) for axis in (0, 1))
        xy, yy = ((above[axis] - below[axis]) / (2 * step) for axis in (0, 1))
        determinant = xx * yy - xy * yx
        for _ in range(steps):
            reached_x, reached_y, _ = self.observe(x, y)
            dx, dy = observed_x - reached_x, observed_y - reached_y
            x, y = x + (yy * dx - xy * dy) / determinant, y + (xx * dy - yx * dx) / determinant
        remaining = max(float(np.abs(dx).max()), float(np.abs(dy).max()))
        if not remaining < 1e-5:
            raise ValueError(f"rays miss their pixels by {remaining:.2g} mm: the surface is too steep or too rough")
        return x, y

    def tilt_from_normal(self, x: Points, y: Points) -> Points:
        """Angle between the source's rays and the surface normal, radians."""
        point, normal = self._placed(x, y)
        before = [self.focus[axis] - point[axis] for axis in range(3)]
        distance = np.sqrt(sum(component**2 for component in before))
        cosine = sum(b * n for b, n in zip(before, normal, strict=True)) / distance
        return np.arccos(np.clip(np.abs(cosine), 0.0, 1.0))

    def _placed(self, x: Points, y: Points) -> tuple[list[Points], list[Points]]:
        """Point and unit normal of the specimen in the instrument's frame."""
        along_x, along_y = self.specimen.slopes(x, y)
        norm = np.sqrt(1.0 + along_x**2 + along_y**2)
        point = (x, y, self.specimen.sag(x, y))
        normal = (-along_x / norm, -along_y / norm, 1.0 / norm)
        turn = lambda v: [sum(self._rotation[i, k] * v[k] for k in range(3)) for i in range(3)]  # noqa: E731
        return [p + s for p, s in zip(turn(point), self._shift, strict=True)], turn(normal)


@cache
def sensitivities() -> sparse.csr_matrix:
    """By how many um a path difference grows for each um of the topography's pixels, to first order:
    float64 [valid pixels of all sources, SIZE * SIZE].

    A surface that recedes by t lengthens both ways of a ray by t n_z cos(angle of incidence): by Fermat's
    principle, how the ray itself moves does not count.
    """
    rays = nominal_rays()
    blocks = []
    for source, valid in enumerate(rays.valid):
        x, y = rays.x[source][valid], rays.y[source][valid]
        trace = _Trace(DESIGN, ALIGNED, _focus(source))
        path = 2.0 * np.cos(trace.tilt_from_normal(x, y)) * _normal_z(x, y)
        blocks.append(sparse.diags(path) @ interpolation(x, y))
    return sparse.vstack(blocks).tocsr()


@dataclass(frozen=True)
class Resampling:
    """How a topography's pixels are read from those of the camera, valid ones of all sources in order.

    neighbours, weights: for each pixel of the surface that a source sees, camera pixels round its image
    and what they count, int64 and float64 [n, 16]. places: where in the n, counted from 1, each pixel of
    each source is, 0 for none: int64 [sources * SIZE * SIZE]. seen: bool [sources, SIZE, SIZE].
    """

    neighbours: NDArray[np.int64]
    weights: NDArray[np.float64]
    places: NDArray[np.int64]
    seen: NDArray[np.bool_]


_NEIGHBOURS = 16
_FARTHEST_PIXELS = 3.5


@cache
def resampling() -> Resampling:
    """To first order, which surface the path differences show: the quadratic through the 16 valid camera
    pixels nearest to a surface pixel's image, by least squares, over its sensitivity. A pixel is seen where
    they lie round its image."""
    rays = nominal_rays()
    y, x = (axis.ravel() for axis in np.meshgrid(GRID_MM, GRID_MM, indexing="ij"))
    inside = np.hypot(x, y) <= _SEEN_MM
    offset, neighbours, weights = 0, [], []
    seen = np.zeros((len(SOURCES_MM), SIZE * SIZE), bool)
    for source, valid in enumerate(rays.valid):
        trace = _Trace(DESIGN, ALIGNED, _focus(source))
        pixel = 2 * _SENSOR_HALF_WIDTH_MM / SIZE
        image_x, image_y, _ = trace.observe(x, y)
        cameras = np.stack([rays.observed_x[valid], rays.observed_y[valid]], axis=1)
        distance, index = cKDTree(cameras).query(np.stack([image_x, image_y], axis=1), _NEIGHBOURS)
        near = inside & (distance[:, 0] <= 0.75 * pixel) & (distance[:, -1] <= _FARTHEST_PIXELS * pixel)
        dx, dy = ((cameras[index[near], i] - image[near, None]) / pixel for i, image in enumerate((image_x, image_y)))
        powers = np.stack([np.ones_like(dx), dx, dy, dx**2, dx * dy, dy**2], axis=2)
        path = 2.0 * np.cos(trace.tilt_from_normal(x[near], y[near])) * _normal_z(x[near], y[near])
        weights.append(np.linalg.pinv(powers)[:, 0, :] / path[:, None])
        neighbours.append(index[near] + offset)
        seen[source, near] = True
        offset += int(valid.sum())
    places = np.where(seen.ravel(), np.cumsum(seen.ravel()), 0)
    return Resampling(np.concatenate(neighbours), np.concatenate(weights), places, seen.reshape(-1, SIZE, SIZE))


def _normal_z(x: Points, y: Points) -> Points:
    slope_x, slope_y = DESIGN.slopes(x, y)
    return 1.0 / np.sqrt(1.0 + slope_x**2 + slope_y**2)
