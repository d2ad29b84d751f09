"""Draw mixed batches during training."""
from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from mmengine.hooks import Hook
from mmengine.model import stack_batch
from mmengine.runner import Runner
from mmpretrain.registry import HOOKS
from torch import nn

from ...mixing import Alignment, MixPlan
from ...visualization import (
    move_cells,
    plot_alignment,
    plot_mixed_batch,
    to_array,
)
from ._observer import StepObserver, find_method, only_watching


@HOOKS.register_module()
class MixVisualizationHook(Hook):
    r"""Show mixed batches, and the matching positions of aligned maps.

    Every ``interval`` steps, starting with the first, the backends of the
    visualizer get two pictures. ``mixed_batch`` shows anchors, partners and
    their mixtures, with :math:`\lambda` and the name of the plan. If maps are
    aligned, ``matches`` shows which positions of anchor and partner are
    matched. If more than two images are mixed, the two with the largest
    label weights are shown. With several processes, only the first one draws.

    Args:
        interval (int): Steps between two pictures. Defaults to 500.
        num_pairs (int): Pairs in a picture. Defaults to 6.

    Raises:
        ValueError: If an argument is not positive.
    """

    def __init__(self, interval: int = 500, num_pairs: int = 6) -> None:
        if interval < 1 or num_pairs < 1:
            raise ValueError(
                'Expected `interval` and `num_pairs` to be >= 1, but got '
                f'{interval} and {num_pairs}.')
        self.interval = interval
        self.num_pairs = num_pairs
        self.observer: StepObserver | None = None

    @only_watching
    def before_train(self, runner: Runner) -> None:
        """Start to observe the model.

        Args:
            runner (Runner): The runner.
        """
        if find_method(runner.model) is not None and self.observer is None:
            self.observer = StepObserver(runner.model)

    @only_watching
    def after_train_iter(self, runner: Runner, batch_idx: int,
                         data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        """Draw every ``interval`` steps.

        Args:
            runner (Runner): The runner.
            batch_idx (int): Number of the batch.
            data_batch (dict, optional): The batch. Defaults to None.
            outputs (dict, optional): The losses. Defaults to None.
        """
        if self.observer is None:
            return
        try:
            if (runner.iter % self.interval == 0 and runner.rank == 0
                    and self.observer.plan is not None):
                for name, figure in self._draw().items():
                    runner.visualizer.add_image(name, to_array(figure),
                                                step=runner.iter + 1)
        finally:
            self.observer.forget()

    def _draw(self) -> dict[str, Figure]:
        model, batch = self.observer.model, self.observer.batch
        plan, alignment = batch.plan, model.measure_alignment(batch)
        images = _to_pixels(self.observer.images,
                            model.data_preprocessor.to_rgb)
        parents, weights = _two_parents(plan, len(images))
        anchors, partners = (images[parent] for parent in parents.T)
        lam = weights[:, 0]
        if plan.pixels is not None:
            mixed = _to_pixels(_denormalized(
                batch.images, model.data_preprocessor), bgr=False)
        else:
            mixed = _blend(anchors, partners if alignment is None else
                           _move(partners, alignment), lam)
        shown = slice(min(self.num_pairs, len(mixed)))
        figures = {'mixed_batch': plot_mixed_batch(
            anchors[shown], partners[shown], mixed[shown], lam[shown],
            title=f'{plan.tag}: {_what_is_shown(plan, alignment)}')}
        if alignment is not None:
            figures['matches'] = plot_alignment(
                anchors[0], partners[0], alignment.R[0].cpu().numpy(),
                alignment.grid,
                f'{plan.tag} at {alignment.place}, λ = {lam[0]:.2f}')
        return figures


def _two_parents(plan: MixPlan,
                 size: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices ``(B, 2)`` of the two main parents of each mixture; weights."""
    if plan.labels is None:
        own = np.arange(size)[:, None].repeat(2, 1)
        return own, np.float32([1, 0])[None].repeat(size, 0)
    parents, weights = (x.cpu() for x in plan.labels.shares())
    if parents.shape[1] > 2:
        weights, order = weights.topk(2)
        parents = parents.gather(1, order)
    elif parents.shape[1] == 1:  # shown next to itself
        parents, weights = parents.expand(-1, 2), weights.expand(-1, 2)
    return parents.numpy(), weights.numpy()


def _what_is_shown(plan: MixPlan, alignment: Alignment | None) -> str:
    """Describe the lowest row of the picture."""
    if plan.pixels is not None:
        return 'pixels are mixed'
    if plan.features is None and plan.embedding is None:
        return 'nothing is mixed'
    what = 'embeddings' if plan.features is None else 'maps'
    moved = '' if alignment is None else ', cells of the partner moved'
    return f'{what} are mixed; shown: pixels{moved}'


def _to_pixels(images: torch.Tensor | Sequence[torch.Tensor],
               bgr: bool) -> np.ndarray:
    if not isinstance(images, torch.Tensor):  # pad as for the network
        images = stack_batch(list(images))
    pixels = images.detach().float().round().clamp(0, 255).byte().cpu()
    pixels = pixels.permute(0, 2, 3, 1).numpy()
    return np.ascontiguousarray(pixels[..., ::-1]) if bgr else pixels


def _denormalized(images: torch.Tensor,
                  preprocessor: nn.Module) -> torch.Tensor:
    """Input of the network, in the range of pixels."""
    if not getattr(preprocessor, '_enable_normalize', False):
        return images
    return images * preprocessor.std + preprocessor.mean


def _move(partners: np.ndarray, alignment: Alignment) -> np.ndarray:
    matches = alignment.R.argmax(2).cpu().numpy()
    return np.stack([move_cells(image, match, alignment.grid)
                     for image, match in zip(partners, matches)])


def _blend(anchors: np.ndarray, partners: np.ndarray,
           lam: np.ndarray) -> np.ndarray:
    weight = lam[:, None, None, None]
    return np.uint8(weight * anchors + (1 - weight) * partners)
