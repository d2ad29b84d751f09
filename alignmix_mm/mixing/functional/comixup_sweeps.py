"""Co-Mixup: which inputs the blocks of all outputs get."""
import torch
import torch.nn.functional as F
from torch import Tensor

from .comixup import comixup_objective, comixup_penalty
from .comixup_solver import check_costs, relabel

STILL = 1e-6  # a part stops at a smaller relative change of its objective


def comixup_assign(costs: Tensor,
                   compatibility: Tensor,
                   init: Tensor,
                   *,
                   beta: float = .32,
                   gamma: float = 1.,
                   tau: float = .83,
                   niter: int = 4,
                   resolve: bool = True) -> Tensor:
    """Assign inputs to the outputs of all parts.

    A sweep relabels one output after the other at the least cost while the
    others stay: the cost of :func:`comixup_relabel` plus
    :func:`comixup_penalty` of all other outputs in their current state.
    Half/halves are allowed from the second sweep on. Before the last sweep,
    outputs with the same inputs are told apart: of every two of them, the
    earlier should avoid the first input and the later the second, at a cost
    of ``gamma / n**2`` per block. A part stops after a sweep that changes
    :func:`comixup_objective` by less than 1e-6, relatively.

    Everything is computed in float64, on the device of ``costs``. Parts are
    independent of each other.

    Args:
        costs (Tensor): Cost of each input in each block, finite,
            ``(P, K, n, n)``, floating point.
        compatibility (Tensor): See :func:`comixup_compatibility`,
            ``(P, K, K)``, floating point.
        init (Tensor): Inputs at the start, ``(P, M, n, n)``, int64.
        beta (float): Weight of the edges. Defaults to .32.
        gamma (float): Weight of diversity. Defaults to 1.
        tau (float): Share of an output up to which an input costs nothing.
            Defaults to .83.
        niter (int): Maximum number of sweeps. Defaults to 4.
        resolve (bool): Whether outputs with the same inputs are told apart.
            Defaults to True.

    Returns:
        Tensor: Assignment ``(P, M, n, n, K)``, in the dtype of ``costs``:
        each block one-hot, or .5 for two inputs.

    Raises:
        ValueError: If shapes do not match, or a value is invalid.
    """
    check_costs(costs, beta)
    _check(costs, compatibility, init)
    # saves a fifth of the time, which is spent on calling small operations
    with torch.inference_mode():
        z = _assign(costs.double(), compatibility.double(), init, beta=beta,
                    gamma=gamma, tau=tau, niter=niter, resolve=resolve)
    return z.to(costs.dtype, copy=True)  # a tensor that autograd may save


def _assign(costs: Tensor, compatibility: Tensor, init: Tensor, *,
            beta: float, gamma: float, tau: float, niter: int,
            resolve: bool) -> Tensor:
    weights = dict(beta=beta, gamma=gamma)
    z = F.one_hot(init, costs.shape[1]).double()
    extra = torch.zeros_like(z[:, :, 0, 0])
    objective = comixup_objective(z, costs, **weights)
    running = torch.ones_like(objective, dtype=torch.bool)
    for sweep in range(niter):
        swept = _sweep(z, costs, compatibility, extra, tau=tau,
                       soft=sweep > 0, **weights)
        z = swept.where(running[:, None, None, None, None], z)
        if resolve and sweep == niter - 2:
            extra = tell_apart(z)
        previous, objective = objective, comixup_objective(z, costs, **weights)
        change = (objective - previous).abs() / objective.abs()
        running = running & ~(change < STILL)
        if not running.any():
            break
    return z


def _sweep(z: Tensor, costs: Tensor, compatibility: Tensor, extra: Tensor, *,
           beta: float, gamma: float, tau: float, soft: bool) -> Tensor:
    """Relabel every output once, given the current state of the others."""
    cells = costs.shape[-1]**2
    outputs = []
    total = z.sum(dim=(1, 2, 3))
    for output, add in zip(z.unbind(1), extra.unbind(1)):
        counts = output.sum(dim=(1, 2))
        others = total - counts
        modular = gamma / cells * add + comixup_penalty(
            others, compatibility, cells, gamma=gamma, tau=tau)
        output = relabel(costs + modular[:, :, None, None], counts, beta, soft)
        outputs.append(output)
        total = others + output.sum(dim=(1, 2))
    return torch.stack(outputs, 1)


def tell_apart(z: Tensor) -> Tensor:
    """Mark inputs that outputs with the same set of inputs should avoid.

    Args:
        z (Tensor): Assignment, ``(P, M, n, n, K)``, floating point.

    Returns:
        Tensor: ``(P, M, K)``, in the dtype of ``z``: 1 for the first input
        of an output if a later output has the same two or more inputs, and
        for the second input if an earlier output has them; else 0.
    """
    has = z.sum(dim=(2, 3)) > 0
    same = (has.unsqueeze(1) == has.unsqueeze(2)).all(-1)
    same = same & (has.sum(-1) > 1).unsqueeze(1)
    later, earlier = same.triu(1).any(2), same.tril(-1).any(2)
    rank = has.cumsum(-1).where(has, 0)
    marks = (((rank == 1) & later.unsqueeze(-1)) |
             ((rank == 2) & earlier.unsqueeze(-1)))
    return marks.to(z.dtype)


def _check(costs: Tensor, compatibility: Tensor, init: Tensor) -> None:
    parts, inputs, n, _ = costs.shape
    if compatibility.shape != (parts, inputs, inputs):
        raise ValueError(
            f'Expected `compatibility` of shape {(parts, inputs, inputs)}, '
            f'but got {(*compatibility.shape, )}.')
    if (init.dtype != torch.int64 or init.ndim != 4 or
            (len(init), *init.shape[2:]) != (parts, n, n)):
        raise ValueError(
            f'Expected `init` of shape ({parts}, M, {n}, {n}) and dtype '
            f'int64, but got {(*init.shape, )} and {init.dtype}.')
    if ((init < 0) | (init >= inputs)).any():
        raise ValueError(
            f'Expected `init` from 0 to {inputs - 1}, for {inputs} inputs, '
            f'but got {init.min()} to {init.max()}.')
