"""The quadratic program on the simplex in numpy, without memory: each factor is made from nothing.

Sums are in the order of ``structsvm.solvers._simplex_qp``, so results have the same bits.
"""

import numpy as np

from structsvm.linalg._sums import dot, row_products

RIDGE, RIDGE_OF_LOSS, PRECISION = 1e-11, 1e-3, 1e-11


def cholesky(matrix):
    """L' with ``matrix = L L'``; None if there is no such L."""
    n = len(matrix)
    upper = np.zeros((n, n))
    for i in range(n):
        row = matrix[i, : i + 1].copy()
        for k in range(i):
            row[k] /= upper[k, k]
            row[k + 1 : i] -= row[k] * upper[k, k + 1 : i]
            row[i] -= row[k] * row[k]
        if not 0.0 < row[i] < np.inf:
            return None
        row[i] = np.sqrt(row[i])
        upper[: i + 1, i] = row
    return upper


def cholesky_solve(upper, side):
    x, n = side.copy(), len(side)
    for k in range(n):
        x[k] /= upper[k, k]
        x[k + 1 :] -= x[k] * upper[k, k + 1 :]
    for k in reversed(range(n)):
        x[k] = (x[k] - dot(upper[k, k + 1 :], x[k + 1 :])) / upper[k, k]
    return x


def in_order(numbers):
    total = 0.0
    for number in numbers:
        total += number
    return total


class ReferenceQP:
    def __init__(self, gram, loss, alpha, lam, n_rays):
        self.gram, self.loss, self.alpha = gram, loss, alpha.copy()
        self.lam, self.n_rays = lam, n_rays
        self.mass = (np.arange(len(loss)) >= n_rays).astype(float)
        self.ridge = RIDGE
        self.used = [int(j) for j in np.flatnonzero(alpha > 0)]

    def rest(self):
        return 1.0 - dot(self.mass, self.alpha)

    def solve(self):
        """The objective at its maximum."""
        truth, best, value = self.rest() > 0.0, -np.inf, 0.0
        while len(self.loss) > self.n_rays:
            truth = self.level(truth)
            product = row_products(self.gram, self.alpha)
            heights = self.loss - product / self.lam
            size = (np.abs(self.loss) + np.abs(self.loss - heights)).max()
            top = self.n_rays + int(heights[self.n_rays :].argmax())
            gap = max(heights[top], 0.0) - in_order(self.alpha * heights)
            rays = np.flatnonzero(heights[: self.n_rays] > PRECISION * size)
            value = dot(self.loss, self.alpha) - dot(self.alpha, product) / (2 * self.lam)
            if (gap <= PRECISION * size and not len(rays)) or not value > best:
                break
            best = value
            entering = [*rays, top] if heights[top] > 0.0 else [*rays]
            truth = truth or not heights[top] > 0.0
            self.used += [int(j) for j in entering if j not in self.used]
        return value

    def level(self, truth):
        while self.used:
            alpha, mass = self.alpha[self.used], self.mass[self.used]
            direction = self.solve_on(truth) - alpha
            falling = np.flatnonzero(direction < 0)
            steps = -alpha[falling] / direction[falling]
            step, rest = steps.min(initial=1.0), self.rest()
            growth = in_order(mass * direction)
            truth_leaves = truth and growth > 0 and rest < step * growth
            if truth_leaves:
                step = max(rest, 0.0) / growth
            self.alpha[self.used] = np.maximum(alpha + step * direction, 0.0)
            if truth_leaves:
                truth = False
            elif step < 1.0:
                self.alpha[self.used.pop(falling[steps.argmin()])] = 0.0
            else:
                break
        return truth

    def solve_on(self, truth):
        used, mass = self.used, self.mass[self.used]
        present = row_products(self.gram[used], self.alpha) / self.lam
        truth = truth or not mass.any()
        level = 0.0
        if not truth:
            level = in_order(mass * self.alpha[used] * (self.loss[used] - present))
        self.factorise()
        target = self.solve_for(self.loss[used] - level * mass)
        if truth:
            return target
        bend = self.solve_for(mass)
        for _ in range(2):
            excess = in_order([-1.0, *(mass * target)])
            target = target - excess / in_order(mass * bend) * bend
        return target

    def factorise(self):
        gram = self.gram[np.ix_(self.used, self.used)] / self.lam
        size = np.diag(gram) + RIDGE_OF_LOSS * np.abs(self.loss[self.used]) + 1e-300
        while (upper := cholesky(gram + np.diag(self.ridge * size))) is None:
            self.ridge *= 100.0
        self.upper, self.on_diagonal = upper, self.ridge * size

    def solve_for(self, side):
        full = np.zeros(len(self.loss))
        full[self.used] = x = cholesky_solve(self.upper, side)
        residual = side - self.on_diagonal * x - row_products(self.gram[self.used], full) / self.lam
        return x + cholesky_solve(self.upper, residual)
