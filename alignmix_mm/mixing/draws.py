"""Random numbers that belong to a step of the run."""
from typing import NamedTuple

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.logging import MessageHub

STEP_KEY = 'mix_draws'


class Draws(NamedTuple):
    """Two generators of one step.

    Attributes:
        shared (Generator): Draws the same on all ranks.
        own (Generator): Draws for this rank.
    """

    shared: np.random.Generator
    own: np.random.Generator


def draws_of_step(seed: int = 0) -> Draws:
    """Generators of the current step.

    They depend on the iteration of the run and not on earlier draws: ranks
    agree, and a resumed run continues exactly. MMEngine keeps the iteration
    in its ``MessageHub``. Outside a run, calls are counted there instead.

    Args:
        seed (int): Seed of the draws that all ranks share. It is independent
            of torch's seed, which may differ between ranks. Defaults to 0.

    Returns:
        Draws: ``shared`` is seeded by ``(seed, step)`` and ``own`` by
        ``(torch's seed, rank, step)``.
    """
    step = _count_step()
    return Draws(np.random.default_rng((seed, *step)),
                 np.random.default_rng(
                     (torch.initial_seed(), get_rank(), *step)))


def torch_generator(draws: np.random.Generator,
                    device: torch.device) -> torch.Generator:
    """Make a torch generator, for large draws such as noise for images.

    Args:
        draws (Generator): Generator that draws the seed.
        device (torch.device): Device of the new generator.

    Returns:
        torch.Generator: The new generator.
    """
    seed = int(draws.integers(2**63))
    return torch.Generator(device).manual_seed(seed)


def _count_step() -> tuple[int, ...]:
    """The iteration, and the number of this call if it is not the first."""
    hub = MessageHub.get_current_instance()
    iteration = hub.runtime_info.get('iter')
    before, calls = hub.runtime_info.get(STEP_KEY, (None, 0))
    if iteration != before:
        calls = 0
    hub.update_info(STEP_KEY, (iteration, calls + 1))
    if iteration is None:
        return (calls, )
    return (iteration, calls) if calls else (iteration, )
