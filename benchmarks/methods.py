"""The competing methods: two batches of maps in, their mixed map out.

Maps are ``(B, c, r)``, float32, on any device. Each method builds the cost and
the plan, aligns the second maps to the first and interpolates.
"""
import functools
import math
import os
from collections.abc import Callable
from dataclasses import dataclass

import ot
import torch
from torch import Tensor

from alignmix_mm.ops import align, align_and_mix, assignment, pairwise_cost
from alignmix_mm.ops._reference import log_sinkhorn

LAM = 0.3
EPS = 0.1
ITERATIONS = 100

Mixer = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Method:
    """A way to compute a mixed map.

    Attributes:
        key (str): Name in results and on the command line.
        label (str): Name in the figure.
        setup (Callable): Maps a device to the function, and imports what it
            needs.
        devices (tuple[str]): Kinds of device on which it runs by default.
        rounds (int, optional): Maximum number of counted calls. Defaults to
            None: as many as for the others.
        torch_memory (bool): Whether torch sees the memory it allocates.
    """

    key: str
    label: str
    setup: Callable[[torch.device], Mixer]
    devices: tuple[str, ...] = ('cpu', 'cuda')
    rounds: int | None = None
    torch_memory: bool = True


def interpolate(a: Tensor, b: Tensor, plan: Tensor) -> Tensor:
    """Mix with a given assignment ``(B, r, r)``, as two operations."""
    return LAM * a + (1 - LAM) * align(b, plan)


def ours(a: Tensor, b: Tensor, backend: str) -> Tensor:
    """The annealed solver, as the neck calls it."""
    mixed = align_and_mix(
        a.unsqueeze(3), b.unsqueeze(3), LAM, EPS, backend=backend)
    return mixed.squeeze(3)


def log(a: Tensor, b: Tensor) -> Tensor:
    """The plain iteration in our implementation."""
    return interpolate(a, b, assignment(pairwise_cost(a, b), EPS, 'log'))


def authors_cost(a: Tensor, b: Tensor) -> Tensor:
    """The published cost, a broadcast of ``B * r * r * c`` elements.

    On a CPU it is built for a few pairs at a time, which bounds its memory
    and makes it faster.
    """
    pairs = 6 if a.device.type == 'cpu' else len(a)
    return torch.cat([
        (x.mT.unsqueeze(2) - y.mT.unsqueeze(1)).square().sum(3)
        for x, y in zip(a.split(pairs), b.split(pairs))])


def authors_plan(cost: Tensor, iterations: int = ITERATIONS) -> Tensor:
    """The published loop, which reads a value back in each iteration."""
    r = cost.shape[1]
    log_mu = torch.log(torch.full((1, r), 1 / r, device=cost.device) + 1e-8)
    u = cost.new_zeros(cost.shape[0], r)
    v = torch.zeros_like(u)
    for _ in range(iterations):
        last = u
        scores = (-cost + u.unsqueeze(2) + v.unsqueeze(1)) / EPS
        u = EPS * (log_mu - torch.logsumexp(scores, 2)) + u
        scores = (-cost + u.unsqueeze(2) + v.unsqueeze(1)) / EPS
        v = EPS * (log_mu - torch.logsumexp(scores, 1)) + v
        if (u - last).abs().sum(1).mean().item() < 0.1:
            break
    return r * torch.exp((-cost + u.unsqueeze(2) + v.unsqueeze(1)) / EPS)


def authors(a: Tensor, b: Tensor) -> Tensor:
    """The published cost and loop."""
    return interpolate(a, b, authors_plan(authors_cost(a, b)))


def pot(a: Tensor, b: Tensor) -> Tensor:
    """POT's batched cost and solver."""
    cost = ot.dist_batch(a.mT.contiguous(), b.mT.contiguous())
    solution = ot.solve_batch(
        cost, EPS, max_iter=ITERATIONS, tol=0., grad='detach')
    return interpolate(a, b, cost.shape[1] * solution.plan)


def pot_loop(a: Tensor, b: Tensor) -> Tensor:
    """POT's solver in float64 and NumPy, one pair after another."""
    plans = [
        ot.sinkhorn([], [], matrix, EPS, method='sinkhorn_log',
                    numItermax=ITERATIONS, stopThr=0., warn=False)
        for matrix in pairwise_cost(a, b).double().numpy()]
    plan = torch.stack([torch.from_numpy(plan) for plan in plans])
    return interpolate(a, b, plan.shape[1] * plan.float())


def floor(a: Tensor, b: Tensor) -> Tensor:
    """Mixing without alignment."""
    return torch.lerp(b, a, LAM)


def _ready(function: Mixer) -> Callable[[torch.device], Mixer]:
    return lambda device: function


def _compiled(device: torch.device) -> Mixer:
    # With sizes that change from set to set, the program would be dynamic and
    # slower. On a GPU, launching single kernels would take most of the time.
    plan = torch.compile(
        lambda cost: log_sinkhorn(cost, EPS, ITERATIONS)[0], dynamic=False,
        mode='reduce-overhead' if device.type == 'cuda' else None)
    return lambda a, b: interpolate(a, b, plan(pairwise_cost(a, b)))


def _geomloss(device: torch.device) -> Mixer:
    from geomloss import SamplesLoss
    # its cost is |x - y|^2 / 2 and its temperature blur^2
    half = EPS / 2
    solver = SamplesLoss(
        'sinkhorn', p=2, blur=math.sqrt(half), scaling=.9, debias=False,
        potentials=True, backend='tensorized')

    @torch.no_grad()
    def mix(a: Tensor, b: Tensor) -> Tensor:
        f, g = solver(a.mT.contiguous(), b.mT.contiguous())
        scores = f.unsqueeze(2) + g.unsqueeze(1) - pairwise_cost(a, b) / 2
        # a density with respect to the product of the marginals, 1 / r each
        return interpolate(a, b, torch.exp(scores / half) / b.shape[2])

    return mix


def ott_plan(**options) -> Callable:
    """OTT-JAX's solver for one cost matrix, to be batched and compiled.

    Args:
        **options: Options of ``ott.solvers.linear.sinkhorn.Sinkhorn``.

    Returns:
        Callable: Maps a cost ``(r, r)`` to the assignment and the number of
        iterations.
    """
    # otherwise jax takes most of the GPU's memory, and torch gets too little
    os.environ.setdefault('XLA_PYTHON_CLIENT_PREALLOCATE', 'false')
    from ott.geometry.geometry import Geometry
    from ott.problems.linear.linear_problem import LinearProblem
    from ott.solvers.linear.sinkhorn import Sinkhorn
    solver = Sinkhorn(**options)

    def plan(cost):
        out = solver(LinearProblem(Geometry(cost_matrix=cost, epsilon=EPS)))
        return len(cost) * out.matrix, out.n_iters

    return plan


def _ott(device: torch.device) -> Mixer:
    plan = ott_plan(min_iterations=ITERATIONS, max_iterations=ITERATIONS)
    import jax
    jax.devices('gpu' if device.type == 'cuda' else 'cpu')  # or raises

    def mix_pair(a, b):
        squares = (a**2).sum(0)[:, None] + (b**2).sum(0)
        R = plan(squares - 2 * a.T @ b)[0]
        return LAM * a + (1 - LAM) * b @ R.T

    mix_batch = jax.jit(jax.vmap(mix_pair))

    def mix(a: Tensor, b: Tensor) -> Tensor:
        a, b = jax.dlpack.from_dlpack(a), jax.dlpack.from_dlpack(b)
        return torch.from_dlpack(mix_batch(a, b).block_until_ready())

    return mix


#: In the order of the figure.
METHODS = (
    Method('floor', 'no alignment', _ready(floor)),
    Method('triton', 'annealed (ours), Triton',
           _ready(functools.partial(ours, backend='triton')), ('cuda', )),
    Method('torch', 'annealed (ours), torch',
           _ready(functools.partial(ours, backend='torch'))),
    Method('ott', '100 iterations, OTT-JAX', _ott, torch_memory=False),
    Method('compiled', '100 iterations, torch.compile', _compiled),
    Method('log', '100 iterations, torch', _ready(log)),
    Method('geomloss', 'GeomLoss, scaling 0.9', _geomloss),
    Method('pot', '100 iterations, POT, batched', _ready(pot)),
    Method('authors', "authors' loop", _ready(authors)),
    Method('pot_loop', '100 iterations, POT, looped', _ready(pot_loop),
           ('cpu', ), rounds=1, torch_memory=False),
)


def prepare(methods: list[Method], device: torch.device
            ) -> tuple[dict[str, Mixer], dict[str, str]]:
    """Set up methods, and try each on two small pairs.

    Args:
        methods (list[Method]): The methods.
        device (torch.device): Device on which they will run.

    Returns:
        tuple: The functions of methods that can run, and the reasons why the
        others cannot, both by key.
    """
    mixers, missing = {}, {}
    a, b = torch.rand(2, 2, 8, 16, device=device)
    for method in methods:
        try:
            mix = method.setup(device)
            mix(a, b)
        except (ImportError, RuntimeError, ValueError) as error:
            missing[method.key] = f'{type(error).__name__}: {error}'
        else:
            mixers[method.key] = mix
    return mixers, missing
