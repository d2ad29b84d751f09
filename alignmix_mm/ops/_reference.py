"""Sinkhorn in the log domain: the specification and the paper's solver."""
import math

import torch
from torch import Tensor

SCORE_LIMIT = 1e32  # sums of a few thousand such scores stay finite


def scale_cost(cost: Tensor, eps: float) -> Tensor:
    """Divide costs by ``-eps``, within the range of float32.

    Args:
        cost (Tensor): Any shape, floating point.
        eps (float): Entropic regularization.

    Returns:
        Tensor: Like ``cost``, float32. NaN stays NaN.
    """
    return (cost.float() / -eps).clamp_(-SCORE_LIMIT, SCORE_LIMIT)


def log_sinkhorn(cost: Tensor,
                 eps: float,
                 num_iters: int = 100,
                 tol: float | None = None,
                 end: str = 'row') -> tuple[Tensor, Tensor, Tensor, Tensor]:
    r"""Scale ``exp(-cost / eps)`` to uniform marginals, in the log domain.

    Algorithm 1, line 22 of AlignMix, taken literally, divides 0 by 0:
    ``exp(-cost / eps)`` underflows on real features. With potentials
    :math:`f, g` one iteration is

    .. math::
        f_i &= -\log\textstyle\sum_j \exp(g_j - m_{ij} / \epsilon) \\
        g_j &= \log(r / s) - \log\textstyle\sum_i \exp(f_i - m_{ij}/\epsilon)

    Args:
        cost (Tensor): ``(B, r, s)``, float32.
        eps (float): Entropic regularization.
        num_iters (int): Iterations. Defaults to 100.
        tol (float, optional): Stop once the L1 change of :math:`\epsilon f`,
            averaged over the batch, is below it. The remaining iterations
            then change nothing, so nothing waits for the device. Pairs with
            a cost that is NaN, infinite or beyond the range of
            :func:`scale_cost` do not count; if there are no other pairs, all
            iterations run. Defaults to None.
        end (str): Which marginal is exact. ``'col'`` stops after the columns,
            as the authors' code does; ``'row'`` updates the rows once more,
            so that every aligned feature is a convex combination. Defaults
            to ``'row'``.

    Returns:
        tuple: The assignment ``(B, r, s)``, its row sums ``(B, r)`` and
        column sums ``(B, s)``, and the number of iterations that ran, ``()``,
        int64.
    """
    scores = scale_cost(cost, eps)
    r, s = cost.shape[1:]
    log_col = math.log(r / s)
    # the potentials of a pair beyond the range may never settle
    settles = (scores.abs() < SCORE_LIMIT).all(dim=2).all(dim=1)
    f = cost.new_zeros(cost.shape[0], r, 1)
    g = cost.new_zeros(cost.shape[0], 1, s)
    running = torch.ones((), dtype=torch.bool, device=cost.device)
    sweeps = torch.zeros((), dtype=torch.int64, device=cost.device)
    for _ in range(num_iters):
        new_f = -torch.logsumexp(scores + g, dim=2, keepdim=True)
        new_g = log_col - torch.logsumexp(
            scores + new_f, dim=1, keepdim=True)
        sweeps = sweeps + running
        if tol is None:
            f, g = new_f, new_g
            continue
        change = eps * (new_f - f).abs().sum(dim=(1, 2))
        f = torch.where(running, new_f, f)
        g = torch.where(running, new_g, g)
        mean = change.where(settles, 0).sum() / settles.sum()
        running = running & ~(mean < tol)  # NaN: no pair can settle
    # the last half step as a softmax: exact for potentials of any size
    plan = (torch.softmax(scores + g, dim=2) if end == 'row' else
            torch.softmax(scores + f, dim=1) * (r / s))
    return plan, plan.sum(dim=2), plan.sum(dim=1), sweeps
