"""What the augmentations of the competitors draw, and how labels are mixed."""
import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.logging import MessageHub
from torch import Tensor

from .augment import STEP_KEY


def next_generator() -> np.random.Generator:
    """Make the random numbers of the next step.

    Returns:
        Generator: Seeded with torch's seed, the rank and the number of the
        step. The last is kept in MMEngine's ``MessageHub``, which
        checkpoints store: a resumed run continues the sequence.
    """
    hub = MessageHub.get_current_instance()
    step = hub.runtime_info.get(STEP_KEY, 0)
    hub.update_info(STEP_KEY, step + 1)
    return np.random.default_rng((torch.initial_seed(), get_rank(), step))


def mix_scores(scores: Tensor, perm: Tensor, own: Tensor | float) -> Tensor:
    """Mix labels.

    Args:
        scores (Tensor): One-hot or soft labels, ``(N, num_classes)``.
        perm (Tensor): Sample i is mixed with sample perm[i], ``(N, )``.
        own (float | Tensor): Weight of the own label, or ``(N, )``.

    Returns:
        Tensor: ``(N, num_classes)``, float32.
    """
    scores = scores.float()
    own = torch.as_tensor(own).to(scores)[..., None]
    return torch.lerp(scores[perm], scores, own)


def check_scores(scores: Tensor) -> None:
    """Raise if labels are no vectors.

    Args:
        scores (Tensor): What should be ``(N, num_classes)``.

    Raises:
        ValueError: If it is not.
    """
    if scores.ndim != 2:
        raise ValueError(
            'Expected `batch_score` to be one-hot labels (N, num_classes),'
            f' but got shape {tuple(scores.shape)}.')


def check_alpha(**values: float) -> None:
    """Raise if parameters of beta distributions are not positive.

    Args:
        **values (float): Parameters by their names.

    Raises:
        ValueError: If one is not a positive number.
    """
    for name, value in values.items():
        if not isinstance(value, (int, float)) or not 0 < value < np.inf:
            raise ValueError(f'Expected `{name}` to be > 0, but got '
                             f'{value!r}.')
