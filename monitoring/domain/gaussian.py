"""Mahalanobis distance to the nearest class, under one covariance that all classes share.

Idea (Lee et al. 2018, arXiv 1807.03888): around its class mean each class is a Gaussian with the
same covariance S; an input that is far from all of them, `min_c (x - m_c)' S^-1 (x - m_c)`, is
unlike the training data.

With d columns and n rows S is noisy, and singular once d >= n. It is therefore estimated as
sd_i sd_j ((1 - t) r_ij + t [i = j]): the correlations r are shrunk towards none by the share t
that minimises the expected squared error (Schaefer and Strimmer 2005, formula for target "D"),
which goes to 0 as n / d grows and to 1, a diagonal S, as it falls. A ridge of 1e-6 tr(S) / d is
added, and S = L L' is kept as the whitening matrix L^-T, so that one product gives all distances.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from registry.domain.observations import FloatArray, IntArray

RIDGE = 1e-6
# A column that is constant in training is scaled by this share of the typical spread, so that a
# dead channel that comes alive counts as far, and not as infinitely far.
LEAST_SPREAD = 0.01


@dataclass(frozen=True, slots=True)
class ClassGaussians:
    """Fitted means and whitening matrix.

    origin: (d,) float32. whitening: (d, d) float32. centres: (classes, d) float32, the whitened
    class means. classes: (classes,) int64, the labels that had training rows.
    """

    origin: FloatArray
    whitening: FloatArray
    centres: FloatArray
    classes: IntArray

    def squared_distances(self, vectors: FloatArray) -> npt.NDArray[np.float64]:
        """Squared distance of each row to each class, (n, classes)."""
        white = ((vectors - self.origin) @ self.whitening).astype(np.float64)
        centres = self.centres.astype(np.float64)
        lengths = np.einsum("ij,ij->i", white, white)[:, None]
        squares = lengths - 2.0 * (white @ centres.T) + np.einsum("ij,ij->i", centres, centres)
        distances: npt.NDArray[np.float64] = np.maximum(squares, 0.0)
        return distances


def fit_gaussians(vectors: FloatArray, classes: IntArray) -> ClassGaussians:
    """Fit to (n, d) training vectors and their classes, in float64; n must be at least 2."""
    rows = np.asarray(vectors, dtype=np.float64)
    present, index = np.unique(classes, return_inverse=True)
    counts = np.bincount(index).astype(np.float64)
    means = np.zeros((len(present), rows.shape[1]))
    np.add.at(means, index, rows)
    means /= counts[:, None]
    residuals = rows - means[index]
    origin = rows.mean(axis=0)
    whitening = _whitening(residuals, degrees=max(len(rows) - len(present), 1))
    return ClassGaussians(
        origin=origin.astype(np.float32),
        whitening=whitening.astype(np.float32),
        centres=((means - origin) @ whitening).astype(np.float32),
        classes=present.astype(np.int64),
    )


def _whitening(residuals: npt.NDArray[np.float64], degrees: int) -> npt.NDArray[np.float64]:
    spread = np.sqrt(np.einsum("ij,ij->j", residuals, residuals) / degrees)
    alive = spread[spread > 0]
    least = LEAST_SPREAD * float(np.median(alive)) if alive.size else 1.0
    spread = np.maximum(spread, least)
    standard = residuals / spread
    correlations = standard.T @ standard / degrees
    t = shrinkage(standard, correlations, degrees)
    width = len(spread)
    shrunk = (1.0 - t) * correlations
    np.fill_diagonal(shrunk, np.maximum(np.diag(correlations), 1e-3))
    shrunk[np.diag_indices(width)] += RIDGE * np.trace(shrunk) / width
    inverse = np.linalg.inv(np.linalg.cholesky(shrunk))
    whitening: npt.NDArray[np.float64] = inverse.T / spread[:, None]
    return whitening


def shrinkage(
    standard: npt.NDArray[np.float64], correlations: npt.NDArray[np.float64], degrees: int
) -> float:
    """The share by which to shrink the correlations, sum Var(r_ij) / sum r_ij^2 over i != j.

    `standard` are (n, d) residuals with unit spread, `correlations` their (d, d) products over
    `degrees`.
    """
    n = len(standard)
    squares = np.square(standard)
    mean_products = correlations * degrees / n
    variance = (squares.T @ squares / n - np.square(mean_products)) * n / degrees**2
    off_diagonal = ~np.eye(len(correlations), dtype=bool)
    signal = float(np.square(correlations)[off_diagonal].sum())
    if signal == 0.0:
        return 1.0
    return float(np.clip(variance[off_diagonal].sum() / signal, 0.0, 1.0))
