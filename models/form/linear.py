"""The conventional evaluation: a linear model of the instrument, inverted with regularisation.

The path differences d are taken to be A t + M a, with the topography t, the sensitivities A of
the design's rays, and the effects M of misalignment and of each source's constant. The estimate
minimises |d - A t - M a|^2 + lambda |L t|^2, where L is the discrete Laplacian (Tikhonov).
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import splu

from .first_order import sensitivities
from .interferometer import SOURCES_MM, Misalignment, nominal_rays, path_differences
from .surface import DESIGN, HALF_WIDTH_MM, SIZE, form_deviation, unobservable_basis, within_aperture

REGULARISATION = 0.01
"""The lambda, in mm^4, that errs least on usual measurements."""

_UNIT_SHIFTS = (
    Misalignment(shift=(1.0, 0.0, 0.0)),
    Misalignment(shift=(0.0, 1.0, 0.0)),
    Misalignment(shift=(0.0, 0.0, 1.0)),
    Misalignment(tilt=(1.0, 0.0)),
    Misalignment(tilt=(0.0, 1.0)),
)


class LinearInverse:
    """The evaluation with one strength of regularisation."""

    def __init__(self, regularisation: float) -> None:
        self.regularisation = regularisation

    def evaluate(self, data: NDArray) -> NDArray[np.float64]:
        """Form deviation in um, NaN outside the aperture [SIZE, SIZE], of path differences in um
        [SIZE, SIZE, sources]."""
        return form_deviation(self._solved(data)[: SIZE * SIZE].reshape(SIZE, SIZE))

    def nuisances(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The effects M, float64 [n, sources, SIZE, SIZE], and the rows by which this evaluation
        estimates their amounts a from data, of the same shape."""
        matrix = self._model
        unknowns = matrix.shape[1]
        picked = np.zeros((unknowns, len(effects())))
        picked[SIZE * SIZE :] = np.eye(len(effects()))
        rows = matrix @ self._solve(picked)
        valid = nominal_rays().valid
        spread = np.zeros((len(effects()), *valid.shape))
        spread[:, valid] = rows.T
        return effects(), spread

    def _solved(self, data: NDArray) -> NDArray[np.float64]:
        values = data.transpose(2, 0, 1)[nominal_rays().valid].astype(np.float64)
        return self._solve(self._model.T @ values)

    @cached_property
    def _model(self) -> sparse.csr_matrix:
        """[A M] for the valid pixels."""
        valid = nominal_rays().valid
        return sparse.hstack([sensitivities(), sparse.csr_matrix(effects()[:, valid].T)]).tocsr()

    def _solve(self, right: NDArray[np.float64]) -> NDArray[np.float64]:
        """The unknowns [t a] for right sides of the normal equations, [unknowns] or [unknowns, n]."""
        padded = np.concatenate([right, np.zeros((unobservable_basis().shape[1], *right.shape[1:]))])
        return self._factorised.solve(padded)[: len(right)]

    @cached_property
    def _factorised(self):  # type: ignore[no-untyped-def]
        """The normal equations, bordered by what is asked of t: that it has no part which looks like another
        place of the specimen. Data do not tell these apart, and left to the regularisation they would be
        large and cancel."""
        matrix = self._model
        unknowns, pixels = matrix.shape[1], SIZE * SIZE
        penalty = sparse.lil_matrix((unknowns, unknowns))
        smooth = _laplacian()
        penalty[:pixels, :pixels] = self.regularisation * (smooth.T @ smooth)
        # What nothing fixes, beyond the aperture, is kept small.
        small = sparse.identity(unknowns) * 1e-9
        border = np.zeros((unknowns, unobservable_basis().shape[1]))
        border[np.flatnonzero(within_aperture())] = unobservable_basis()
        normal = matrix.T @ matrix + penalty + small
        return splu(sparse.bmat([[normal, sparse.csr_matrix(border)], [sparse.csr_matrix(border.T), None]]).tocsc())


def effects() -> NDArray[np.float64]:
    """Effects of the nuisances on the path differences: of the five misalignments, by 1 um or 1 urad, in um,
    and of each source's constant: float64 [5 + sources, sources, SIZE, SIZE]."""
    valid = nominal_rays().valid
    moved = [path_differences(DESIGN, unit) for unit in _UNIT_SHIFTS]
    constants = [np.where(np.arange(len(SOURCES_MM))[:, None, None] == i, valid, False) for i in range(len(SOURCES_MM))]
    return np.stack([*moved, *(constant.astype(np.float64) for constant in constants)])


def _laplacian() -> sparse.csr_matrix:
    """Second differences within the grid, per mm^2."""
    pitch = 2 * HALF_WIDTH_MM / SIZE
    along = sparse.diags([1.0, -2.0, 1.0], [0, 1, 2], shape=(SIZE - 2, SIZE)) / pitch**2
    one = sparse.identity(SIZE)
    return sparse.vstack([sparse.kron(along, one), sparse.kron(one, along)]).tocsr()


def root_mean_square(deviation: NDArray[np.float64]) -> float:
    """Root mean square of a deviation over the aperture, in its unit."""
    return float(np.sqrt(np.mean(np.square(deviation[..., within_aperture()]))))
