"""Forward passes without side effects."""
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


@contextmanager
def without_trace(model: nn.Module) -> Iterator[None]:
    """Run forward passes without side effects.

    Modules are in evaluation mode, but those in training normalize with the
    statistics of the batch (of this process only), which are not recorded.
    Nothing is compiled for these few passes.

    Args:
        model (nn.Module): The network.
    """
    training = [(module, module.training) for module in model.modules()]
    buffers = [(module, module.running_mean, module.running_var)
               for module, active in training
               if active and isinstance(module, _BatchNorm)]
    try:
        model.eval()  # not only a flag: LeViT prepares for evaluation here
        for module, *_ in buffers:
            module.running_mean = module.running_var = None
        with torch.no_grad(), torch.compiler.set_stance('force_eager'):
            yield
    finally:
        # autocast keeps the weights that it converted, here without a
        # gradient, or without values under FakeTensorMode
        torch.clear_autocast_cache()
        for module, active in training:  # parents before their children
            if module.training != active:
                module.train(active)
        for module, mean, var in buffers:
            module.running_mean, module.running_var = mean, var
