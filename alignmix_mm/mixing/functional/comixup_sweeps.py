"""Co-Mixup: which inputs the blocks of all outputs get."""
import torch
import torch.nn.functional as F
from torch import Tensor

from .comixup import comixup_objective, comixup_penalty
from .comixup_solver import check_costs, few_of, relabel

STILL = 1e-6  # relative change of the objective with which a part stops
DEAR = 1e9  # an input at that price is nowhere


def comixup_assign(costs: Tensor,
                   compatibility: Tensor,
                   init: Tensor,
                   *,
                   beta: float = .32,
                   gamma: float = 1.,
                   tau: float = .83,
                   niter: int = 4,
                   resolve: bool = True,
                   sizes: Tensor | None = None) -> Tensor:
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
        sizes (Tensor, optional): Parts of different sizes have as many
            inputs and as many outputs as this says, ``(P, )``, int64. The
            rest is padding, which may be any finite numbers. Defaults to
            None: all of them.

    Returns:
        Tensor: Assignment ``(P, M, n, n, K)``, in the dtype of ``costs``:
        each block one-hot, or .5 for two inputs; 0 for padding.

    Raises:
        ValueError: If shapes do not match, or a value is invalid.
    """
    check_costs(costs, beta)
    _check(costs, compatibility, init, sizes)
    active = torch.ones_like(init[..., 0, 0], dtype=torch.bool)
    if sizes is not None:
        costs, active = _without_padding(costs, active, sizes)
    # spares a fifth of the time, which goes to calls of small operations
    with torch.inference_mode():
        z = _assign(costs.double(), compatibility.double(), init, active,
                    beta=beta, gamma=gamma, tau=tau, niter=niter,
                    resolve=resolve, **_effort(costs.device, init.shape[1]))
    return z.to(costs.dtype, copy=True)  # a tensor that autograd may keep


def _effort(device: torch.device, outputs: int) -> dict[str, int]:
    """How much is done at once: a CPU pays for work, a GPU for calls."""
    ahead = 1 if device.type == 'cpu' else max(1, outputs)
    return dict(few=few_of(device), ahead=ahead)


def _without_padding(costs: Tensor, active: Tensor,
                     sizes: Tensor) -> tuple[Tensor, Tensor]:
    """Inputs that are padding are dear; outputs ``(P, M)`` are not active."""
    inputs, outputs = (
        torch.arange(count, device=costs.device) < sizes.unsqueeze(1)
        for count in (costs.shape[1], active.shape[1]))
    return costs.where(inputs[:, :, None, None], DEAR), active & outputs


def _assign(costs: Tensor, compatibility: Tensor, init: Tensor,
            active: Tensor, *, beta: float, gamma: float, tau: float,
            niter: int, resolve: bool, few: int, ahead: int) -> Tensor:
    """Sweep without checks, see :func:`comixup_assign`; float64.

    Only outputs that are ``active``, ``(P, M)``, are there. ``few``
    labellings of a row are searched at once; after the first sweep,
    ``ahead`` outputs are relabelled at once.
    """
    weights = dict(beta=beta, gamma=gamma)
    z = F.one_hot(init, costs.shape[1]).double()
    z = z * active[..., None, None, None]
    extra = torch.zeros_like(z[:, :, 0, 0])
    objective = comixup_objective(z, costs, **weights)
    for sweep in range(niter):
        # in the first sweep, nearly every output changes
        z = _sweep(z, costs, compatibility, extra, active, tau=tau,
                   soft=sweep > 0, few=few, ahead=ahead if sweep else 1,
                   **weights)
        if resolve and sweep == niter - 2:
            extra = tell_apart(z)
        previous, objective = objective, comixup_objective(z, costs, **weights)
        change = (objective - previous).abs() / objective.abs()
        active = active & ~(change < STILL).unsqueeze(1)
        if not active.any():
            break
    return z


def _sweep(z: Tensor, costs: Tensor, compatibility: Tensor, extra: Tensor,
           active: Tensor, *, ahead: int, **options: float) -> Tensor:
    """Relabel every active output once, with the others as they are.

    If several are relabelled at once, all after the first that changes in
    any part have to be relabelled again.
    """
    z, start, count = z.clone(), 0, z.shape[1]
    while start < count:
        which = slice(start, start + ahead)
        old = z[:, which]
        new = _relabel(z, which, costs, compatibility, extra, **options)
        new = new.where(active[:, which, None, None, None], old)
        done = _settled(new, old) if ahead > 1 else 1
        z[:, start:start + done] = new[:, :done]
        start += done
    return z


def _settled(new: Tensor, old: Tensor) -> int:
    """Outputs up to the first that changes in any part; the host waits."""
    changed = (new != old).flatten(2).any(2).any(0).tolist()
    return [*changed[:-1], True].index(True) + 1


def _relabel(z: Tensor, which: slice, costs: Tensor, compatibility: Tensor,
             extra: Tensor, *, beta: float, gamma: float, tau: float,
             soft: bool, few: int) -> Tensor:
    """The best labellings of some outputs, each with the others as they are.

    Returns ``(P, outputs, n, n, K)``.
    """
    cells = costs.shape[-1]**2
    counts = z.sum(dim=(2, 3))
    others = counts.sum(1, keepdim=True) - counts[:, which]
    apart = compatibility.unsqueeze(1).expand(-1, others.shape[1], -1, -1)
    penalty = comixup_penalty(others.flatten(0, 1), apart.flatten(0, 1),
                              cells, gamma=gamma, tau=tau)
    modular = gamma / cells * extra[:, which] + penalty.view(others.shape)
    dear = costs.unsqueeze(1) + modular[..., None, None]
    best = relabel(dear.flatten(0, 1), counts[:, which].flatten(0, 1), beta,
                   soft, few)
    return best.view_as(z[:, which])


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


def _check(costs: Tensor, compatibility: Tensor, init: Tensor,
           sizes: Tensor | None) -> None:
    parts, inputs, n, _ = costs.shape
    if sizes is not None and (sizes.shape != (parts, )
                              or sizes.dtype != torch.int64):
        raise ValueError(
            f'Expected `sizes` of shape {(parts, )} and dtype int64, but got '
            f'{(*sizes.shape, )} and {sizes.dtype}.')
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
