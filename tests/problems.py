"""Transport problems; tools/verify_sinkhorn.py has their oracle, POT."""
from pathlib import Path

import numpy as np
import torch
from verify_sinkhorn import golden_plan, relative_error

__all__ = ['golden_plan', 'real_maps', 'relative_error']

REAL = Path(__file__).parent / 'data' / 'real_features.npz'


def real_maps(name):
    """Anchor and partner maps (B, c, r) of a network trained on CIFAR-10."""
    with np.load(REAL) as pack:
        maps = torch.from_numpy(pack[name]).float()
    return maps.chunk(2)
