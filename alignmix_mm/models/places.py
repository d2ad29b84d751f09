"""The places of a classifier, and the passes that mix there."""
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from ..mixing import MixPlan
from .place import MixPlace

AUTO = 'auto'


class MixPlaces:
    """The places of a classifier, and which of them a plan chooses.

    Args:
        names (str | Sequence[str | None], optional): Dotted paths of modules
            inside the backbone, for plans that do not name a place. None is
            the neck; ``'auto'`` is resolved in the first pass.
        backbone (nn.Module): The backbone.
        others (Iterable[str | None]): Places that plans will name. Defaults
            to ``()``.
        **options: See :class:`MixPlace`.

    Raises:
        ValueError: If a module does not exist, or ``names`` is empty.
    """

    def __init__(self,
                 names: str | Sequence[str | None] | None,
                 backbone: nn.Module,
                 others: Iterable[str | None] = (),
                 **options: Any) -> None:
        self.names = ((names, ) if names is None or isinstance(names, str)
                      else tuple(names))
        if not self.names:
            raise ValueError(
                'Expected `mix_at` to be None (the neck), the name of a '
                'module inside the backbone or a list of these, but got an '
                'empty list.')
        self._options = options
        self.channels_last = options.get('channels_last', False)
        self._places: dict[str, MixPlace] = {}
        self._auto: tuple[str | None, ...] = ()
        for name in {*self.names, *others} - {None, AUTO}:
            self._place(name, backbone)

    def complete(self, plan: MixPlan,
                 find: Callable[[], str | None]) -> MixPlan:
        """Replace ``'auto'`` in a plan by the place that it stands for.

        Args:
            plan (MixPlan): The plan.
            find (Callable): Finds the place. It is called once.

        Returns:
            MixPlan: The plan without ``'auto'``.
        """
        names = self.names if plan.at is None else plan.at
        if plan.features is None or AUTO not in names:
            return plan
        if not self._auto:
            self._auto = (find(), )
        return replace(plan, at=[self._auto[0] if name == AUTO else name
                                 for name in names])

    def choose(self, plan: MixPlan | None) -> str | None:
        """The place where a plan mixes features.

        Args:
            plan (MixPlan, optional): The plan, if there is one.

        Returns:
            str, optional: One of the places, chosen uniformly by
            ``plan.place``; None for the neck, and if no features are mixed.
        """
        if plan is None or plan.features is None:
            return None
        names = self.names if plan.at is None else plan.at
        return names[int(plan.place * len(names))]

    def run(self, backbone: Callable[[Tensor], Any], module: nn.Module,
            images: Tensor,
            plan: MixPlan | None) -> tuple[Any, MixPlan | None]:
        """Run a backbone once, mixing inside it as a plan says.

        Args:
            backbone (Callable): The backbone, or its ``forward``.
            module (nn.Module): The backbone.
            images (Tensor): ``(B, C, H, W)``, floating point.
            plan (MixPlan, optional): The plan, None for a pass without one.

        Returns:
            tuple[Any, MixPlan | None]: The output of the backbone, and the
            part of the plan that remains.
        """
        for place in self._places.values():
            place.mixture = None
        name = self.choose(plan)
        if name is None:
            return self._remember(backbone(images)), plan
        place = self._place(name, module)
        place.attach(module)
        with place.mixing(plan.features):
            output = backbone(images)
        return self._remember(output), replace(plan, features=None)

    def _place(self, name: str, backbone: nn.Module) -> MixPlace:
        if name not in self._places:
            self._places[name] = MixPlace(name, backbone, **self._options)
        return self._places[name]

    def _remember(self, output: Any) -> Any:
        """Recall the plan when backward enters this pass at its output.

        Autograd goes back through passes one by one. So parts that
        checkpointing runs again are mixed like the pass that they belong to,
        even if there were several passes before one backward.
        """
        if self._places:
            mixtures = {place: place.mixture
                        for place in self._places.values()}

            def recall(_: Tensor) -> None:
                for place, mixture in mixtures.items():
                    place.mixture = mixture

            for tensor in _tensors(output):
                if tensor.requires_grad:
                    tensor.register_hook(recall)
        return output


def _tensors(output: Any) -> Iterator[Tensor]:
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, (tuple, list)):
        for part in output:
            yield from _tensors(part)
