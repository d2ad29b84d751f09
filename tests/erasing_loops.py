"""ADL and ACoL by their definitions, position by position."""
import math

import torch


def dropout_by_loops(features, drop, threshold):
    """Apply ADL to feature maps, with a given decision to drop."""
    result = torch.zeros_like(features)
    B, C, h, w = features.shape
    for b in range(B):
        attention = [[sum(float(features[b, c, y, x]) for c in range(C)) / C
                      for x in range(w)] for y in range(h)]
        peak = max(map(max, attention))
        for y in range(h):
            for x in range(w):
                a = attention[y][x]
                factor = (float(a < threshold * peak) if drop else
                          1 / (1 + math.exp(-a)))
                result[b, :, y, x] = factor * features[b, :, y, x]
    return result


def normalized(values):
    """Scale the values of one map to [0, 1]; zeros if all are equal."""
    low, high = min(values), max(values)
    return [(v - low) / (high - low) if high > low else 0. for v in values]


def pooled_by_loops(x, window, stride, reduce, outside):
    """Pool with padding 1, one window at a time."""
    B, C, H, W = x.shape
    rows, columns = ((n + 2 - window) // stride + 1 for n in (H, W))
    padded = torch.full((B, C, H + 2, W + 2), outside, dtype=x.dtype)
    padded[:, :, 1:-1, 1:-1] = x
    result = torch.empty(B, C, rows, columns, dtype=x.dtype)
    for i in range(rows):
        for j in range(columns):
            top, left = i * stride, j * stride
            result[:, :, i, j] = reduce(padded[
                :, :, top:top + window, left:left + window].flatten(2))
    return result


def acol_by_loops(x, state, threshold, labels=None):
    """Maps of both ACoL branches for all classes, and erased positions.

    Returns:
        tuple: Maps A and B ``(B, K, h, w)`` and positions ``(b, y, x)``.
    """
    a = _branch(x, state, 'branch_a')
    means = a.flatten(2).mean(2)
    erased, left = [], x.clone()
    for b in range(len(x)):
        label = (int(labels[b]) if labels is not None else
                 means[b].tolist().index(max(means[b].tolist())))
        attention = normalized(a[b, label].flatten().tolist())
        for n, value in enumerate(attention):
            if value >= threshold:
                y, column = divmod(n, x.shape[3])
                left[b, :, y, column] = 0
                erased.append((b, y, column))
    return a, _branch(left, state, 'branch_b'), erased


def _branch(x, state, name):
    for layer, padding in ((0, 1), (2, 1), (4, 0)):
        x = torch.conv2d(x, state[f'{name}.{layer}.weight'],
                         state[f'{name}.{layer}.bias'], padding=padding)
        x = x.relu() if layer < 4 else x
    return x
