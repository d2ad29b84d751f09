"""Train with another layout of memory, which is faster on a CPU."""
import torch
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper
from mmpretrain.registry import OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class ChannelsLast(DefaultOptimWrapperConstructor):
    """Keep the weights of a network channels-last.

    Convolutions then keep maps in this layout, too. The network computes the
    same up to rounding.
    """

    def __call__(self, model: nn.Module) -> OptimWrapper:
        """Change the layout, then build the optimizer.

        Args:
            model (nn.Module): The network, changed in place.

        Returns:
            OptimWrapper: Its optimizer.
        """
        return super().__call__(model.to(memory_format=torch.channels_last))
