"""Places inside a backbone where feature maps or tokens are mixed."""
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.utils.module_tracker import ModuleTracker

from ..mixing import MixPlan
from .mixer import MapMixer
from .paths import find_module


class MixPlace:
    """Mixes what one module of a backbone returns, while a plan is set.

    It is a forward hook of that module, so the backbone stays as it is, its
    parameters keep their names, and everything before the module runs once.
    The plan stays set after the pass, until the next one: activation
    checkpointing runs parts of the pass again during backward, and the copy
    has to be mixed alike. Between backward passes, calls of the module that
    do not belong to a pass with a plan are left alone.

    Args:
        name (str): Dotted path of the module inside the backbone.
        backbone (nn.Module): The backbone.
        mixer (MapMixer): How to mix.
        num_extra_tokens (int, optional): Number of class and distillation
            tokens. Defaults to None: what the backbone says.

    Raises:
        ValueError: If there is no such module.
    """

    def __init__(self,
                 name: str,
                 backbone: nn.Module,
                 mixer: MapMixer,
                 num_extra_tokens: int | None = None) -> None:
        find_module(name, backbone, 'mix_at')
        self.name = name
        self.mixer = mixer
        if num_extra_tokens is None:
            num_extra_tokens = getattr(backbone, 'num_extra_tokens', None)
        self.num_extra_tokens = num_extra_tokens
        self.plan: MixPlan | None = None
        self._passing = False
        self._reached = False
        self._module: nn.Module | None = None
        self._hook = None
        self.attach(backbone)

    def attach(self, backbone: nn.Module) -> None:
        """Hook the module again if another one has taken its place.

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
    def mixing(self, plan: MixPlan) -> Iterator[None]:
        """Mix in the one pass of the backbone that this context contains.

        Args:
            plan (MixPlan): The plan.

        Raises:
            RuntimeError: If the module did not run.
        """
        self.plan, self._passing, self._reached = plan, True, False
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
        if self.plan is None:
            return output
        if self._passing:
            if self._reached:
                raise RuntimeError(
                    f'mix_at={self.name!r} ran twice in one pass of the '
                    'backbone; images would be mixed twice and labels once. '
                    'Choose a module that runs once, such as a block.')
            self._reached = True
        elif not ModuleTracker().is_bw:
            return output
        return self._mix(output, self.plan)

    def _mix(self, output: Any, plan: MixPlan) -> Any:
        if isinstance(output, Tensor):
            return self._mix_tensor(output, plan)
        # Stages of Swin return (tokens, (rows, columns))
        parts = output if isinstance(output, (tuple, list)) else ()
        if sum(isinstance(part, Tensor) for part in parts) != 1 or not (
                isinstance(parts[0], Tensor)):
            raise self._unfit(type(output).__name__, [
                tuple(p.shape) if isinstance(p, Tensor) else p for p in parts])
        grid = parts[1] if len(parts) == 2 and parts[0].ndim == 3 else None
        return self._mix_tensor(parts[0], plan, grid), *parts[1:]

    def _mix_tensor(self,
                    x: Tensor,
                    plan: MixPlan,
                    grid: Sequence[int] | None = None) -> Tensor:
        if not x.is_floating_point() or x.ndim not in (3, 4):
            raise self._unfit('a tensor', [tuple(x.shape)])
        if x.ndim == 4:
            if x.shape[1] == x.shape[2] != x.shape[3]:
                raise self._unfit('what looks like (B, H, W, C)',
                                  [tuple(x.shape)])
            return self.mixer.mix_map(x, plan)
        if self.num_extra_tokens is None:
            raise ValueError(
                f'mix_at={self.name!r} returned tokens {tuple(x.shape)}, but '
                'the backbone does not say how many of them are class tokens.'
                ' Set `model.num_extra_tokens` (0 if there are none).')
        return self.mixer.mix_tokens(x, plan, self.num_extra_tokens, grid)

    def _unfit(self, what: str, shapes: Sequence[Any]) -> ValueError:
        return ValueError(
            f'mix_at={self.name!r} has to return a feature map (B, C, H, W) '
            f'or tokens (B, N, C), but returned {what}: '
            f'{", ".join(map(str, shapes))}. Choose another place, such as '
            'the output of a stage or a block.')


class MixPlaces:
    """The places of a classifier, and which of them a plan chooses.

    Args:
        names (str | Sequence[str | None], optional): Dotted paths of modules
            inside the backbone; None is the neck.
        backbone (nn.Module): The backbone.
        mixer (MapMixer): How to mix.
        num_extra_tokens (int, optional): See :class:`MixPlace`. Defaults to
            None.

    Raises:
        ValueError: If there is no such module, or no place at all.
    """

    def __init__(self,
                 names: str | Sequence[str | None] | None,
                 backbone: nn.Module,
                 mixer: MapMixer,
                 num_extra_tokens: int | None = None) -> None:
        if names is None or isinstance(names, str):
            names = (names, )
        if not names:
            raise ValueError(
                'Expected `mix_at` to be None (the neck), the name of a '
                'module inside the backbone or a list of such, but got an '
                'empty list.')
        self._places = [
            None if name is None else MixPlace(name, backbone, mixer,
                                               num_extra_tokens)
            for name in names
        ]

    def choose(self, plan: MixPlan | None) -> MixPlace | None:
        """The place where a plan mixes features, None for the neck.

        Args:
            plan (MixPlan, optional): The plan, None for none.

        Returns:
            MixPlace, optional: One of the places, each as likely.
        """
        if plan is None or not plan.mixes_features:
            return None
        return self._places[int(plan.place * len(self._places))]

    @contextmanager
    def mixing(self, backbone: nn.Module,
               plan: MixPlan | None) -> Iterator[MixPlace | None]:
        """Mix in the one pass of the backbone that this context contains.

        Args:
            backbone (nn.Module): The backbone.
            plan (MixPlan, optional): The plan, None for a pass without.

        Yields:
            MixPlace, optional: The place, None if nothing is mixed inside.
        """
        for place in self._places:
            if place is not None:
                place.plan = None
        place = self.choose(plan)
        if place is None:
            yield None
            return
        place.attach(backbone)
        with place.mixing(plan):
            yield place
