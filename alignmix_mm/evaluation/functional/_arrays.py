"""Arrays from whatever holds numbers."""
import numpy as np
import torch
from numpy.typing import ArrayLike


def to_numpy(values: ArrayLike | torch.Tensor) -> np.ndarray:
    """Copy numbers to the host if they are elsewhere.

    Args:
        values (ArrayLike | Tensor): Numbers, on any device.

    Returns:
        np.ndarray: The same; bfloat16, which NumPy lacks, as float32.
    """
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu()
        if values.dtype == torch.bfloat16:
            values = values.float()
        return values.numpy()
    return np.asarray(values)
