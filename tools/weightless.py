"""Models that are only looked at."""
import torch
from torch.overrides import TorchFunctionMode


class NoWeights(TorchFunctionMode):
    """Parameters that are made meanwhile have shapes and no values.

    They are on the device `meta`. Tensors with values, such as the rates of
    stochastic depth, stay as they are.
    """

    def __torch_function__(self, func, types, args=(), kwargs=None):
        """Redirect ``torch.empty``, of which layers make their parameters."""
        kwargs = dict(kwargs or {})
        if func is torch.empty and kwargs.get('device') is None:
            kwargs['device'] = 'meta'
        return func(*args, **kwargs)
