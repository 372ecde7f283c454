"""A smooth model of the validation curve: a Gaussian process over the logarithm of the strength.

Symbols:
    x       log10 of the strengths that were tried, (n,)
    z       what they came to, squashed into 0 … 1, (n,)
    t       z, to mean 0 and deviation 1, (n,)
    k(d)    (1 + r + r²/3) exp(-r), r = √5 |d| / length: Matérn's covariance with ν = 5/2
    K       k(x - x) + jitter² I, (n, n)

The jitter is what neighbours differ by beyond the smooth curve. It is estimated from the curve:
folds are the same for all strengths, so what a fold is like moves the whole curve at once, and
the standard error over folds is far larger.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from sweep.stats import Array

LENGTHS = np.geomspace(0.25, 2.0, 6)  # decades
JITTERS = np.geomspace(0.02, 0.4, 5)  # in deviations of z
TOP = 1 - 1e-9  # of squashed values that can be brought back
LEAST = 3  # finite values that a curve can be fitted to
_erfc = np.vectorize(math.erfc, otypes=[float])


@dataclass(frozen=True)
class Curve:
    """A fitted curve. Positions are in decades, values are squashed; see `squashed`.

    Attributes:
        x: positions of the results, (n,).
        t: their values, standardised, (n,).
        centre: what was subtracted from the values.
        scale: what they were divided by.
        length: over which the curve changes, in decades.
        jitter: what values differ by beyond the curve, in units of `scale`.
    """

    x: Array
    t: Array
    centre: float
    scale: float
    length: float
    jitter: float

    @classmethod
    def of(cls, x: Array, z: Array, length: float, jitter: float) -> Curve:
        """Return the curve through values z (n,) at x (n,), for a given length and jitter."""
        centre, scale = float(z.mean()), float(z.std()) or 1.0
        return cls(x, (z - centre) / scale, centre, scale, length, jitter)

    @classmethod
    def fit(cls, x: Array, y: Array) -> Curve | None:
        """Return the likeliest curve through raw values y (n,) at x (n,).

        NaN and infinities stand for trials that failed: they count as the worst there is. None
        where fewer than three values are finite.
        """
        if np.count_nonzero(np.isfinite(y)) < LEAST:
            return None
        return cls.through(x, squashed(y))

    @classmethod
    def through(cls, x: Array, z: Array) -> Curve:
        """Return the likeliest curve through squashed values z (n,) at x (n,)."""
        curves = (cls.of(x, z, float(l_), float(j)) for l_ in LENGTHS for j in JITTERS)
        return max(curves, key=lambda curve: curve.log_likelihood)

    @property
    def log_likelihood(self) -> float:
        """The logarithm of the density of t, but for a constant."""
        misfit = self.t @ self._precision @ self.t
        return -0.5 * float(misfit + np.linalg.slogdet(self._covariance)[1])

    def mean(self, at: Array) -> Array:
        """Return the expected value at positions (m,), shape (m,)."""
        return np.asarray(self.centre + self.scale * (self._to(at) @ self._precision @ self.t))

    def sd(self, at: Array) -> Array:
        """Return how sure that is, (m,): the curve's own deviation, without the jitter."""
        to = self._to(at)
        variance = 1.0 - ((to @ self._precision) * to).sum(axis=1)
        return np.asarray(self.scale * np.sqrt(np.maximum(variance, 0.0)))

    def improvement(self, at: Array) -> Array:
        """Return by how much each of (m,) positions is expected to beat the best, (m,).

        The best is the least mean at a result, since a single result may be lucky.
        """
        sd = np.maximum(self.sd(at), 1e-12 * self.scale)
        u = (self.mean(self.x).min() - self.mean(at)) / sd
        density = np.exp(-0.5 * u**2) / math.sqrt(2 * math.pi)
        return np.asarray(sd * (u * 0.5 * _erfc(-u / math.sqrt(2)) + density))

    def believing(self, x: Array) -> Curve:
        """Return the curve as it is if positions (m,) come to what it expects there.

        The mean stays as it is; it is surer there.
        """
        t = (self.mean(x) - self.centre) / self.scale
        return replace(self, x=np.append(self.x, x), t=np.append(self.t, t))

    def left_out(self) -> Array:
        """Return what the others lead to expect of each result, (n,).

        In the units of z; the same closed form as in `residuals`.
        """
        missed = (self._precision @ self.t) / np.diag(self._precision)
        return np.asarray(self.centre + self.scale * (self.t - missed))

    def smoothed(self, values: Array, at: Array) -> Array:
        """Return other values at the results, (m, n), as this curve smooths them, (m, G).

        Each row keeps its own level; length and jitter are those of the curve.
        """
        centre = values.mean(axis=1, keepdims=True)
        return np.asarray(centre + (values - centre) @ (self._to(at) @ self._precision).T)

    def covariance(self, at: Array, other: float) -> Array:
        """Return how unsure positions (m,) and one other are together, (m,); see `sd`."""
        to, there = self._to(at), self._to(np.array([other]))
        shared = matern(at - other, self.length) - (to @ self._precision @ there.T)[:, 0]
        return np.asarray(self.scale**2 * shared)

    def residuals(self) -> Array:
        """Return each value minus what the others lead to expect, in deviations of that, (n,).

        Closed form, for all at once: [K⁻¹t]ᵢ / √[K⁻¹]ᵢᵢ (Rasmussen and Williams, eq. 5.12). The
        deviation includes the jitter. Where the model fits, nearly all lie within ±2.
        """
        return np.asarray(self._precision @ self.t / np.sqrt(np.diag(self._precision)))

    def _to(self, at: Array) -> Array:
        return matern(at[:, None] - self.x, self.length)

    @cached_property
    def _covariance(self) -> Array:
        return np.asarray(self._to(self.x) + self.jitter**2 * np.eye(len(self.x)))

    @cached_property
    def _precision(self) -> Array:
        return np.asarray(np.linalg.inv(self._covariance), dtype=np.float64)


def matern(distance: Array, length: float) -> Array:
    """Return Matérn's covariance with ν = 5/2 and variance 1 at each distance."""
    r = math.sqrt(5) * np.abs(distance) / length
    return np.asarray((1.0 + r + r**2 / 3.0) * np.exp(-r))


@dataclass(frozen=True)
class Squash:
    """A way to bring values into 0 … 1, as `squashed` does, and back.

    Attributes:
        least: the least value, which comes to 0.
        unit: three times how far a typical value lies above it.
    """

    least: float
    unit: float

    @classmethod
    def over(cls, x: Array, y: Array) -> Squash:
        """Return a way for values (n,) at positions (n,); two of them at least are finite.

        Typical is the median over the range, not over the values: where many lie around the
        minimum, the rest of the curve is not drawn together for that.
        """
        order = np.argsort(x)
        x, y = x[order], y[order]
        found = np.isfinite(y)
        least = float(y[found].min())
        above = np.interp(np.linspace(x[0], x[-1], 1001), x[found], y[found] - least)
        return cls(least, 3.0 * (float(np.median(above)) or float(above.mean())))

    def __call__(self, y: Array) -> Array:
        """Return tanh((y - least) / unit); 1 for what is not finite."""
        above = np.where(np.isfinite(y), y, np.inf) - self.least
        with np.errstate(over="ignore"):
            return np.asarray(np.tanh(above / self.unit))

    def inverse(self, z: Array) -> Array:
        """Return the values that come to z: least + unit · atanh(z); up to what rounds to 1."""
        return np.asarray(self.least + self.unit * np.arctanh(np.clip(z, -TOP, TOP)))

    def slope(self, z: Array) -> Array:
        """Return by how much values grow with z: unit / (1 - z²)."""
        return np.asarray(self.unit / (1.0 - np.clip(z, -TOP, TOP) ** 2))


def squashed(y: Array) -> Array:
    """Bring values y (n,) into 0 … 1: tanh((y - min) / (3 (median - min))).

    The lower half stays nearly as it is. What is far above it, such as the end of the range
    where the network collapses, is drawn together, so that the model need not follow it. What is
    not finite comes to 1. At least one value must be finite.
    """
    finite = np.isfinite(y)
    y = np.where(finite, y, np.inf) / (np.abs(y[finite]).max() or 1.0)  # no difference overflows
    above = y - y.min()
    typical = float(np.median(above[finite])) or float(above[finite].mean())
    if not typical:
        return np.where(finite, 0.0, 1.0)
    with np.errstate(over="ignore"):
        return np.asarray(np.tanh(above / (3.0 * typical)))
