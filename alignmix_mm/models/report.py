"""What the log says about alignment."""
import logging
from collections.abc import Callable

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from ..mixing import MixBatch, MixPlan

NO_EFFECT = 1e-3
LATER = 100  # batches mixed at a place


class EffectReport:
    """Logs how much alignment changes the embedding, once for each place.

    At the first batch, residual blocks that start as the identity do not see
    positions yet. If this may be why alignment changes nothing, it is
    measured again later.
    """

    def __init__(self) -> None:
        self._waits: dict[str, int] = {}

    @torch.compiler.disable
    def __call__(self, model: nn.Module, images: Tensor,
                 plan: MixPlan) -> None:
        """Report on a training batch, if it is aligned.

        Args:
            model (AlignMixClassifier): The classifier.
            images (Tensor): ``(B, C, H, W)``, floating point.
            plan (MixPlan): The plan, with all options.
        """
        if model.training and plan.features is not None and (
                plan.features.aligns):
            place, batch = model.places.choose(plan), MixBatch(images, plan)
            self.count(place, lambda: model.measure_effect(batch),
                       lambda: model.measure_bypass(batch),
                       lambda: starts_as_identity(model.backbone, place))

    def count(self, place: str | None, measure: Callable[[], Tensor],
              bypass: Callable[[], Tensor],
              may_change: Callable[[], bool]) -> None:
        """Count a batch that is mixed at a place, and report when due.

        Args:
            place (str, optional): Dotted path of the place, None for the
                neck.
            measure (Callable): Returns the effect on this batch, ``()``.
            bypass (Callable): Returns the share of the embedding that
                bypasses the place, ``()``.
            may_change (Callable): Returns whether blocks after the place
                start as the identity.
        """
        name = 'the neck' if place is None else place
        first = name not in self._waits
        self._waits[name] = self._waits.get(name, 0) - 1
        if not first and self._waits[name] != 0:
            return
        effect = float(measure())
        batch = 'first' if first else 'a later'
        text = (f'AlignMix at {name}: alignment changes the embedding by '
                f'{100 * effect:.1f} % (against mixing the same images '
                f'without alignment, {batch} batch).')
        if effect < NO_EFFECT and first and may_change():
            self._waits[name] = LATER
            text += (' Residual blocks that start as the identity do not see '
                     f'positions yet; this is measured again after {LATER} '
                     'batches.')
        elif effect < NO_EFFECT:
            text += (
                ' The network after it averages over positions, so this is '
                "plain feature mixing. With model.mix_at='auto' (before the "
                'last block) alignment matters; in small runs this cost no '
                'accuracy. Or embed with LinearEmbedding.')
        print_log(text, logger='current')
        if first and place is not None:
            self._warn_of_bypass(place, float(bypass()))

    def _warn_of_bypass(self, place: str, share: float) -> None:
        if share > NO_EFFECT:
            print_log(
                f'{100 * share:.1f} % of the embedding goes past '
                f'model.mix_at={place!r}: it is inside a residual block or in '
                'one of several branches. Labels are mixed fully, but images '
                'only in part. Name a module that all features pass, such as '
                'a whole block or stage.', logger='current',
                level=logging.WARNING)


def starts_as_identity(backbone: nn.Module, place: str | None) -> bool:
    """Whether blocks after a place still add almost nothing.

    Their last norm, or their layer scale, starts at zero or close to it.

    Args:
        backbone (nn.Module): The backbone.
        place (str, optional): Dotted path of a module, None for the end of
            the backbone.

    Returns:
        bool: True if there is such a block.
    """
    if place is None:
        return False
    after = False
    for name, module in backbone.named_modules():
        if name == place:
            after = True
        elif after and not name.startswith(f'{place}.'):
            scales = [p for key, p in module.named_parameters(recurse=False)
                      if p.ndim == 1 and key != 'bias']
            if any(float(p.detach().abs().max()) < NO_EFFECT for p in scales):
                return True
    return False
