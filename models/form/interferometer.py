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

from .surface import APERTURE_MM, DESIGN, SIZE, Points, Specimen

_FOCUS_MM = 40.5
"""Distance of the sources' images behind the vertex: the radius of the sphere that fits the asphere best."""
_RING_MM = 0.33
_ROUND = np.arange(8) * np.pi / 4
SOURCES_MM = np.vstack([[(0.0, 0.0)], _RING_MM * np.stack([np.cos(_ROUND), np.sin(_ROUND)], axis=1)])
"""Lateral places of the sources' images: one on the axis, eight round it."""
OBSERVATION_MM = -40.0
"""Where the camera looks, on the axis: a plane in front of the vertex."""
SENSOR_HALF_WIDTH_MM = 21.5

_LARGEST_TILT = 7e-3
"""Between two waves that make fringes which the camera resolves, radians: half a wavelength of 633 nm over
two of its pixels of about 22 um at the specimen."""
SEEN_MM = APERTURE_MM + 0.3
"""Radius on the specimen that the camera sees: a little more than is measured."""
_NEWTON_STEPS = 6


@dataclass(frozen=True)
class Misalignment:
    """The specimen's place beside its nominal one: shifts in um along x, y and z, and tilts in
    urad about x and y."""

    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)
    tilt: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Instrument:
    """The interferometer as it is. source_errors: true places of its sources' images less those that its calibration
    has, in um: float64 [sources, 3]."""

    source_errors: NDArray[np.float64] = field(default_factory=lambda: np.zeros((len(SOURCES_MM), 3)))

    def path_lengths(self, specimen: Specimen, misalignment: Misalignment) -> NDArray[np.float64]:
        """Optical path length to every pixel from every source, in mm up to a constant, NaN where a
        source's wave does not come: float64 [sources, SIZE, SIZE]."""
        rays = nominal_rays()
        lengths = np.full(rays.valid.shape, np.nan)
        for source, valid in enumerate(rays.valid):
            trace = Trace(specimen, misalignment, _focus(source) + self.source_errors[source] * 1e-3)
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
    pixels = (np.arange(SIZE) + 0.5) / SIZE * 2 * SENSOR_HALF_WIDTH_MM - SENSOR_HALF_WIDTH_MM
    observed_x, observed_y = np.meshgrid(pixels, pixels)
    xs, ys, valid = [], [], []
    for source in range(len(SOURCES_MM)):
        trace = nominal_trace(source)
        # Parallel to the axis at first, scaled as a sphere would.
        scale = _FOCUS_MM / (_FOCUS_MM - OBSERVATION_MM)
        x, y = trace.solve(observed_x, observed_y, observed_x * scale, observed_y * scale, steps=40)
        xs.append(x)
        ys.append(y)
        valid.append((np.hypot(x, y) <= SEEN_MM) & (trace.tilt_from_normal(x, y) <= _LARGEST_TILT))
    return _Rays(np.array(xs), np.array(ys), np.array(valid), observed_x, observed_y)


def nominal_trace(source: int) -> Trace:
    """The trace of one source's wave by way of the design in its nominal place."""
    return Trace(DESIGN, ALIGNED, _focus(source))


@cache
def design_lengths() -> NDArray[np.float64]:
    """Path lengths of the design in its nominal place, which measured ones are compared with."""
    return CALIBRATED.path_lengths(DESIGN, ALIGNED)


def path_differences(
    specimen: Specimen, misalignment: Misalignment = ALIGNED, instrument: Instrument = CALIBRATED
) -> NDArray[np.float64]:
    """Path lengths of the specimen's waves less those of the design's, in um: float64 [sources, SIZE, SIZE], zero
    where a source's wave does not come. Each source's mean is taken out, since a phase is known up to
    whole periods only."""
    differences = (instrument.path_lengths(specimen, misalignment) - design_lengths()) * 1e3
    differences -= np.nanmean(differences, axis=(1, 2), keepdims=True)
    return np.nan_to_num(differences)


def _focus(source: int) -> NDArray[np.float64]:
    return np.array([*SOURCES_MM[source], _FOCUS_MM])


@dataclass(frozen=True)
class Trace:
    """Rays of one source by way of one specimen. A ray is given by the point where it meets the specimen, in the
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
        """Follow the ray that meets the specimen at x, y: where it crosses the observation plane, x and y, and its
        length."""
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
        """Find where on the specimen the ray to a pixel is reflected, by Newton's method with the Jacobian of the
        start. Raises ValueError if rays are not found to 0.01 um."""
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
