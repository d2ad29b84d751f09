"""NumPy arrays from tensors and other arrays."""
import numpy as np
import torch
from numpy.typing import ArrayLike


def to_numpy(values: ArrayLike | torch.Tensor) -> np.ndarray:
    """Turn numbers into an array on the host.

    Args:
        values (ArrayLike | Tensor): Numbers, on any device.

    Returns:
        np.ndarray: The same numbers in the same dtype; bfloat16, which NumPy
        does not have, becomes float32.
    """
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu()
        if values.dtype == torch.bfloat16:
            values = values.float()
        return values.numpy()
    return np.asarray(values)
