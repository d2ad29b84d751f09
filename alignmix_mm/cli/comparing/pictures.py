"""What a method makes of a batch, as pictures."""
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from mmengine.runner import Runner

from ...engine.hooks._observer import StepObserver
from ...engine.hooks.mix_visualization import MixVisualizationHook
from ...mixing import PendingPlan
from ...visualization import save

PREFIX = 'batch_'  # of the files
STEPS = 12  # batches that are drawn, for a picture of each kind of plan
IMAGES = 6


def draw_batch(runner: Runner, folder: Path) -> None:
    """Draw the first batch as the method changes it, with trained weights.

    Args:
        runner (Runner): After the training.
        folder (Path): Where ``batch_*.png`` go, one for each kind of plan.
    """
    try:
        for name, figure in _figures(runner).items():
            save(figure, folder / f'{PREFIX}{name}.png')
    except Exception as error:  # a picture is not worth a run
        runner.logger.warning(f'The batch was not drawn: {error}')


def _figures(runner: Runner) -> dict[str, Figure]:
    model = getattr(runner.model, 'module', runner.model)
    hook = MixVisualizationHook(num_pairs=IMAGES)
    hook.observer = observer = StepObserver(model)
    batch = next(iter(runner.train_loop.dataloader))
    found: dict[str, Figure] = {}
    unmixed = None
    for _ in range(STEPS):
        with torch.enable_grad():
            data = model.data_preprocessor(batch, training=True)
            model(**data, mode='loss')  # completes plans that need gradients
        model.zero_grad()
        if observer.plan is None:
            rows = _before_and_after(observer)
            if _differ(*rows):
                found.setdefault('images', _draw(rows))
            else:  # some methods leave a share of the batches alone
                unmixed = rows
        elif not isinstance(observer.plan, PendingPlan):
            if observer.tag not in found:
                found[observer.tag] = hook._draw()['mixed_batch']
    if not found and unmixed is not None:
        found['images'] = _draw(unmixed)
    return found


def _before_and_after(observer: StepObserver) -> list[np.ndarray]:
    """Images of the loader, and what the network is trained with, as RGB."""
    preprocessor = observer.model.data_preprocessor
    before = observer.images[:IMAGES].float()
    after = observer.batch[:IMAGES]
    if preprocessor._enable_normalize:
        after = after * preprocessor.std + preprocessor.mean
    return [_pixels(before, preprocessor.to_rgb), _pixels(after, False)]


def _differ(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether pixels differ by more than rounding."""
    return before.shape != after.shape or bool(
        np.abs(before.astype(int) - after).max() > 1)


def _draw(rows: list[np.ndarray]) -> Figure:
    count = len(rows[0])
    figure = Figure(figsize=(1.3 * count, 2.8), layout='constrained')
    axes = figure.subplots(2, count, squeeze=False)
    for line, images, title in zip(axes, rows, ('loaded', 'trained with')):
        line[0].set_title(title, loc='left', fontsize='small')
        for axis, image in zip(line, images):
            axis.imshow(image)
            axis.set_axis_off()
    return figure


def _pixels(images: torch.Tensor, bgr: bool) -> np.ndarray:
    pixels = images.detach().round().clamp(0, 255).byte().cpu()
    pixels = pixels.permute(0, 2, 3, 1).numpy()
    return np.ascontiguousarray(pixels[..., ::-1]) if bgr else pixels
