"""Co-Mixup by loops: slow, but simple enough to compare with."""
import functools
import itertools
import math


def candidates(counts, soft):
    """Weights of each candidate, as {input: weight}."""
    inputs = [{k: 1.} for k in range(len(counts))]
    largest = sorted(range(len(counts)), key=lambda k: (-counts[k], k))
    largest = sorted(k for k in largest[:3] if counts[k] > 0)
    halves = [{a: .5, b: .5} for a, b in itertools.combinations(largest, 2)]
    return inputs + halves if soft else inputs


def cost_of(candidate, costs, y, x):
    mean = sum(w * costs[k][y][x] for k, w in candidate.items())
    return mean - (5e-4 if len(candidate) == 2 else 0)


def disagreement(a, b):
    if a == b:
        return 0
    if len(a) != len(b) and (set(a) < set(b) or set(b) < set(a)):
        return .25
    return 1


def energy(labels, costs, beta):
    """Energy of a labelling: rows of candidates."""
    n = len(labels)
    total = sum(cost_of(labels[y][x], costs, y, x)
                for y in range(n) for x in range(n))
    for y in range(n):
        for x in range(n - 1):
            total += beta / n**2 * disagreement(
                labels[y][x], labels[y][x + 1])
            total += beta / n**2 * disagreement(
                labels[x][y], labels[x + 1][y])
    return total


def relabel(costs, counts, beta, soft):
    """Find the first minimum by dynamic programming over n blocks."""
    n = len(costs[0])
    options = candidates(counts, soft)
    unary = [[cost_of(option, costs, p // n, p % n) for option in options]
             for p in range(n * n)]
    edge = [[beta / n**2 * disagreement(a, b) for b in options]
            for a in options]

    def prices(p, last):
        above = edge[last[0]] if p >= n else [0] * len(options)
        left = edge[last[-1]] if p % n else [0] * len(options)
        return [sum(terms) for terms in zip(unary[p], above, left)]

    def totals(p, last):
        return [price + least(p + 1, (*last, label)[-n:])
                for label, price in enumerate(prices(p, last))]

    @functools.cache
    def least(p, last):
        return min(totals(p, last)) if p < n * n else 0.

    chosen = ()
    for p in range(n * n):
        values = totals(p, chosen[-n:])
        best = min(values)
        chosen += (next(label for label, value in enumerate(values)
                        if value <= best + 1e-9), )
    return [[options[label] for label in chosen[y * n:(y + 1) * n]]
            for y in range(n)]


def relabel_brute(costs, counts, beta, soft):
    """The first minimum among all labellings."""
    n = len(costs[0])
    grids = ([list(flat[y * n:(y + 1) * n]) for y in range(n)]
             for flat in itertools.product(candidates(counts, soft),
                                           repeat=n * n))
    best, found = math.inf, None
    for grid in grids:
        value = energy(grid, costs, beta)
        if value < best - 1e-9:
            best, found = value, grid
    return found


def count(output, inputs):
    return [sum(block.get(k, 0) for row in output for block in row)
            for k in range(inputs)]


def objective(outputs, costs, beta, gamma):
    inputs, n = len(costs), len(costs[0])
    total = 0
    for output in outputs:
        for y, x in itertools.product(range(n), range(n)):
            total += sum(w * costs[k][y][x] for k, w in output[y][x].items())
            for other in ([output[y + 1][x]] if y + 1 < n else []) + (
                    [output[y][x + 1]] if x + 1 < n else []):
                total += beta / n**2 / 2 * sum(
                    (output[y][x].get(k, 0) - other.get(k, 0))**2
                    for k in range(inputs))
    counts = [count(output, inputs) for output in outputs]
    # for each pair of outputs, in both orders
    for a, b in itertools.permutations(counts, 2):
        total += gamma / n**2 * sum(x * y for x, y in zip(a, b))
    return total


def assign(costs, A, init, beta, gamma, tau, niter, resolve):
    """Run all sweeps for one part; return the outputs and their number."""
    inputs, n = len(costs), len(costs[0])
    outputs = [[[{k: 1.} for k in row] for row in grid] for grid in init]
    extra = [[0] * inputs for _ in outputs]
    value = objective(outputs, costs, beta, gamma)
    for sweep in range(niter):
        for i in range(len(outputs)):
            others = [sum(column) for column in zip(
                [0] * inputs, *(count(output, inputs) for j, output in
                                enumerate(outputs) if j != i))]
            used = [sum(a * c for a, c in zip(row, others)) for row in A]
            crowded = [c if u > tau * n**2 else 0
                       for c, u in zip(others, used)]
            modular = [2 * gamma / n**2 * sum(
                a * c for a, c in zip(A[k], crowded)) +
                gamma / n**2 * extra[i][k] for k in range(inputs)]
            total = [[[c + modular[k] for c in row] for row in costs[k]]
                     for k in range(inputs)]
            outputs[i] = relabel(total, count(outputs[i], inputs), beta,
                                 sweep > 0)
        if resolve and sweep == niter - 2:
            sets = [sorted(k for k, c in enumerate(count(o, inputs)) if c)
                    for o in outputs]
            for i, j in itertools.combinations(range(len(outputs)), 2):
                if sets[i] == sets[j] and len(sets[i]) >= 2:
                    extra[i][sets[i][0]] = extra[j][sets[j][1]] = 1
        before, value = value, objective(outputs, costs, beta, gamma)
        if abs(value - before) / abs(value) < 1e-6:
            break
    return outputs, sweep + 1


def dense(grids, inputs):
    """Lists of candidates as lists of weights."""
    return [[[[block.get(k, 0.) for k in range(inputs)] for block in row]
             for row in grid] for grid in grids]
