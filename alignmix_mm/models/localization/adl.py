"""Attention-based dropout layers (ADL), inside any backbone."""
from collections.abc import Sequence
from typing import Any

import torch
from mmpretrain.registry import MODELS
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from ..paths import find_module
from .erasing import attention_dropout


@MODELS.register_module()
class ADL(nn.Module):
    """Attention-based dropout layer (Choe and Shim, 2019).

    In training, each pass draws once for the whole batch whether the most
    attended positions are dropped or all positions are weighted by their
    attention, see :func:`attention_dropout`. In evaluation it changes
    nothing. It has no parameters.

    The draw uses torch's generator on the CPU, so activation checkpointing
    repeats it. With several processes, each draws for its part of the batch.

    Args:
        drop_rate (float): Probability of dropping. Defaults to 0.75.
        drop_threshold (float): Positions are dropped if their attention is at
            least this share of the sample's maximum. Defaults to 0.8.

    Raises:
        ValueError: If an argument is outside [0, 1].
    """

    def __init__(self,
                 drop_rate: float = .75,
                 drop_threshold: float = .8) -> None:
        super().__init__()
        for name, value in (('drop_rate', drop_rate),
                            ('drop_threshold', drop_threshold)):
            if not 0 <= value <= 1:
                raise ValueError(
                    f'Expected `{name}` in [0, 1], but got {value!r}.')
        self.drop_rate = drop_rate
        self.drop_threshold = drop_threshold

    def forward(self, x: Tensor) -> Tensor:
        """Drop or weight positions in training.

        Args:
            x (Tensor): Feature maps, ``(B, C, h, w)``, floating point.

        Returns:
            Tensor: The same shape and dtype; ``x`` itself in evaluation.

        Raises:
            ValueError: If ``x`` does not have this shape in training.
        """
        if not self.training:
            return x
        drop = bool(torch.rand(()) + self.drop_rate >= 1)
        return attention_dropout(x, drop, self.drop_threshold)

    def extra_repr(self) -> str:
        """The options, for ``print(model)``."""
        return (f'drop_rate={self.drop_rate}, '
                f'drop_threshold={self.drop_threshold}')


class AttachedADL(ADL):
    """An ADL after a module of a backbone.

    It is a forward hook of that module, so the backbone is unchanged and its
    parameters keep their names. As a child of the classifier it follows the
    classifier's ``train()`` and ``eval()``, also after frozen stages. Before
    each pass it checks whether the module was replaced, as conversion to
    ``SyncBatchNorm`` does after the model is built.

    Args:
        path (str): Dotted path of the module inside the backbone.
        backbone (nn.Module): The backbone.
        **options: Arguments of :class:`ADL`.

    Raises:
        ValueError: If there is no such module or an option is out of range;
            in a training pass, if the module does not return a map.
    """

    def __init__(self, path: str, backbone: nn.Module, **options) -> None:
        super().__init__(**options)
        self.path = path
        # in a tuple: modules that are attributes become children
        self._hooked: tuple[nn.Module, RemovableHandle] | None = None
        find_module(path, backbone, 'adl.at')
        self._attach(backbone)
        backbone.register_forward_pre_hook(self._attach)

    def _attach(self, backbone: nn.Module, args: tuple = ()) -> None:
        module = backbone.get_submodule(self.path)
        if self._hooked is not None:
            if self._hooked[0] is module:
                return
            self._hooked[1].remove()
        self._hooked = module, module.register_forward_hook(self._act)

    def _act(self, module: nn.Module, args: tuple, output: Any) -> Tensor:
        if not self.training:
            return output
        if not isinstance(output, Tensor) or output.ndim != 4:
            got = (tuple(output.shape) if isinstance(output, Tensor) else
                   type(output).__name__)
            raise ValueError(
                f'Expected feature maps (B, C, h, w) from {self.path!r} for '
                f'ADL, but got {got}. Name a different module in `adl.at`, '
                'such as a block of a convolutional stage.')
        return self(output)

    def extra_repr(self) -> str:
        """The path and the options, for ``print(model)``."""
        return f'{self.path!r}, {super().extra_repr()}'


def attach_adl(backbone: nn.Module, at: str | Sequence[str],
               **options) -> nn.ModuleList:
    """Apply ADL to the outputs of modules of a backbone.

    Choe et al. (2020) apply it at ``('layer3.0', 'layer4.0', 'layer4.2')`` of
    a ResNet-50 and at ``('features.9', 'features.12', 'features.16')`` of
    ``VGGGAP``: after the third pooling, conv4_3 and conv5_3.

    Args:
        backbone (nn.Module): The backbone.
        at (str | Sequence[str]): Dotted paths inside it.
        **options: Arguments of :class:`ADL`.

    Returns:
        nn.ModuleList: The layers. Make them a child of the classifier.

    Raises:
        ValueError: If a module does not exist or is named twice, no module is
            named, or an option is out of range.
    """
    paths = [at] if isinstance(at, str) else list(at)
    if not paths or len(set(paths)) < len(paths):
        raise ValueError(
            'Expected `adl.at` to be different paths of modules of the '
            f'backbone, but got {at!r}.')
    return nn.ModuleList(
        AttachedADL(path, backbone, **options) for path in paths)
