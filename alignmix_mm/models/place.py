"""A place inside a backbone where feature maps or tokens are mixed."""
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.utils.module_tracker import ModuleTracker

from ..mixing import Mixture
from .mixer import mix_tokens
from .paths import find_module


class MixPlace:
    """Mixes the output of one module of a backbone, in passes with a plan.

    It is a forward hook of that module, so the backbone is unchanged, its
    parameters keep their names, and everything before the module runs once.
    Activation checkpointing runs parts of a pass again during backward. These
    have to be mixed in the same way, and :class:`MixPlaces` provides the plan.
    Any other call of the module is left unchanged.

    Args:
        name (str): Dotted path of the module inside the backbone.
        backbone (nn.Module): The backbone.
        num_extra_tokens (int, optional): Number of class and distillation
            tokens. Defaults to None: the number that the backbone declares.
        channels_last (bool): Whether maps are ``(B, H, W, C)``. Defaults to
            False.

    Raises:
        ValueError: If there is no such module.
    """

    def __init__(self,
                 name: str,
                 backbone: nn.Module,
                 num_extra_tokens: int | None = None,
                 channels_last: bool = False) -> None:
        find_module(name, backbone, 'mix_at')
        self.name = name
        if num_extra_tokens is None:
            num_extra_tokens = getattr(backbone, 'num_extra_tokens', None)
        self.num_extra_tokens = num_extra_tokens
        self.channels_last = channels_last
        self.mixture: Mixture | None = None
        self._passing = False
        self._reached = False
        self._module: nn.Module | None = None
        self._hook = None
        self.attach(backbone)

    def attach(self, backbone: nn.Module) -> None:
        """Hook the module again if it was replaced.

        Conversion to ``SyncBatchNorm`` does so after the model is built.

        Args:
            backbone (nn.Module): The backbone.
        """
        module = backbone.get_submodule(self.name)
        if module is self._module:
            return
        if self._hook is not None:
            self._hook.remove()
        self._hook = module.register_forward_hook(self)
        self._module = module

    @contextmanager
    def mixing(self, mixture: Mixture) -> Iterator[None]:
        """Mix in the one pass of the backbone that this context contains.

        Args:
            mixture (Mixture): How to mix.

        Raises:
            RuntimeError: If the module did not run, or ran twice.
            ValueError: If its output is neither a map nor tokens.
        """
        self.mixture, self._passing, self._reached = mixture, True, False
        try:
            yield
        finally:
            self._passing = False
        if not self._reached:
            raise RuntimeError(
                f'mix_at={self.name!r} did not run in this pass of the '
                'backbone, so nothing was mixed. Choose a module that every '
                'forward pass runs.')

    def __call__(self, module: nn.Module, args: tuple, output: Any) -> Any:
        """Mix the module's output if a plan is set."""
        if self.mixture is None:
            return output
        if self._passing:
            if self._reached:
                raise RuntimeError(
                    f'mix_at={self.name!r} ran twice in one pass of the '
                    'backbone: images would be mixed twice, but labels once. '
                    'Choose a module that runs once, such as a block.')
            self._reached = True
        elif not ModuleTracker().is_bw:
            return output
        return self._mix(output, self.mixture)

    def _mix(self, output: Any, mixture: Mixture) -> Any:
        if isinstance(output, Tensor):
            return self._mix_tensor(output, mixture)
        # stages of Swin return (tokens, (rows, columns))
        parts = output if isinstance(output, (tuple, list)) else ()
        if sum(isinstance(part, Tensor) for part in parts) != 1 or not (
                isinstance(parts[0], Tensor)):
            raise self._unfit(type(output).__name__, [
                tuple(p.shape) if isinstance(p, Tensor) else p for p in parts])
        grid = parts[1] if len(parts) == 2 and parts[0].ndim == 3 else None
        return self._mix_tensor(parts[0], mixture, grid), *parts[1:]

    def _mix_tensor(self,
                    x: Tensor,
                    mixture: Mixture,
                    grid: Sequence[int] | None = None) -> Tensor:
        if not x.is_floating_point() or x.ndim not in (3, 4):
            raise self._unfit('a tensor', [tuple(x.shape)])
        if x.ndim == 4 and self.channels_last:
            mixed = mixture.mix_map(x.permute(0, 3, 1, 2))
            return mixed.permute(0, 2, 3, 1)
        if x.ndim == 4:
            return mixture.mix_map(x)
        if self.num_extra_tokens is None:
            raise ValueError(
                f'mix_at={self.name!r} returned tokens {tuple(x.shape)}, but '
                'the backbone does not say how many of them are class tokens.'
                ' Set `model.num_extra_tokens` (0 if there are none).')
        return mix_tokens(x, mixture, self.num_extra_tokens, grid)

    def _unfit(self, what: str, shapes: Sequence[Any]) -> ValueError:
        return ValueError(
            f'mix_at={self.name!r} has to return a feature map (B, C, H, W) '
            f'or tokens (B, N, C), but returned {what}: '
            f'{", ".join(map(str, shapes))}. Choose a different place, such '
            'as the output of a stage or a block.')
