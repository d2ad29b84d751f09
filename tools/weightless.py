"""Build models without weights, for inspection."""
import torch
from torch.overrides import TorchFunctionMode


class NoWeights(TorchFunctionMode):
    """While this mode is active, new parameters have shapes but no values.

    They are on the device `meta`. Tensors created with values, such as the
    rates of stochastic depth, are not affected.
    """

    def __torch_function__(self, func, types, args=(), kwargs=None):
        """Redirect ``torch.empty``, which layers use for their parameters."""
        kwargs = dict(kwargs or {})
        if func is torch.empty and kwargs.get('device') is None:
            kwargs['device'] = 'meta'
        return func(*args, **kwargs)
