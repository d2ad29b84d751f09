"""Class activation maps from the forward pass that predicts."""
import torch
from mmpretrain.models import ImageClassifier
from mmpretrain.registry import MODELS
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from ...ops._precision import full_precision
from ...ops.activation_map import class_activation_map
from .adl import attach_adl

_CLASSES = ('gt', 'pred')


class ActivationMaps:
    """Adds class activation maps to the predictions of a classifier.

    A map (Zhou et al., 2016) is the weighted sum of the channels before
    global average pooling. So it needs a backbone, the pooling and a linear
    head, or a head with maps of its own (``ACoLHead``). It is made from the
    features that give the logits, without hook, second pass or gradient.

    Args:
        model (ImageClassifier): The classifier.
        cam (str): Class of the map, ``'gt'`` or ``'pred'``.

    Raises:
        ValueError: If ``cam`` is unknown or the head has no maps.
    """

    def __init__(self, model: ImageClassifier, cam: str) -> None:
        if cam not in _CLASSES:
            raise ValueError("Expected `cam` to be 'gt', 'pred' or None, but "
                             f'got {cam!r}.')
        if not (hasattr(model.head, 'localization_map') or isinstance(
                getattr(model.head, 'fc', None), nn.Linear)):
            raise ValueError(
                'Expected a linear head after global average pooling, such '
                'as LinearClsHead, for class activation maps, but got '
                f'{type(model.head).__name__}. Leave out `cam`.')
        self.cam = cam
        self._checked = False

    def predict(self, model: ImageClassifier, inputs: Tensor,
                data_samples: list[DataSample] | None = None,
                **kwargs) -> list[DataSample]:
        """Predict, with maps.

        Args:
            model (ImageClassifier): The classifier.
            inputs (Tensor): Images ``(N, C, H, W)``, floating point.
            data_samples (list[DataSample], optional): Annotations of the
                images. Defaults to None.
            **kwargs: See ``ImageClassifier.predict``.

        Returns:
            list[DataSample]: Predictions with ``pred_score``, ``pred_label``,
            ``cam``, ``(h, w)``, float32, and ``cam_label``, ``(1, )``, int64.

        Raises:
            ValueError: If images have no label for ``cam='gt'``, or the
                logits are not means of maps.
        """
        maps = model.extract_feat(inputs, stage='backbone')
        embedding = model.neck(maps) if model.with_neck else maps
        samples = model.head.predict(embedding, data_samples, **kwargs)
        labels = self._labels_of(samples).to(maps[-1].device)
        with torch.no_grad(), full_precision(maps[-1].device):
            if hasattr(model.head, 'localization_map'):
                cams = model.head.localization_map(embedding, labels).float()
            else:
                cams = _maps_of(model.head, maps[-1].float(), labels)
                self._check(model.head, cams, labels, embedding)
        for sample, cam, label in zip(samples, cams, labels):
            sample.set_field(cam, 'cam')
            sample.set_field(label[None], 'cam_label')
        return samples

    def _labels_of(self, samples: list[DataSample]) -> Tensor:
        key = f'{self.cam}_label'
        missing = sum(key not in sample for sample in samples)
        if missing:
            raise ValueError(
                f"Expected images with labels for cam='{self.cam}', but "
                f'{missing} of {len(samples)} have none. '
                "cam='pred' uses the predicted class.")
        return torch.cat([sample.get(key) for sample in samples])

    def _check(self, head: nn.Module, cams: Tensor, labels: Tensor,
               embedding: tuple[Tensor, ...]) -> None:
        """Check once that the mean of a map plus the bias is the logit."""
        if self._checked or not torch.isfinite(cams).all():
            return
        pooled = head.pre_logits(embedding).float()
        logits = torch.nn.functional.linear(pooled, head.fc.weight.float())
        logits = logits.gather(1, labels[:, None])[:, 0]
        error = (cams.mean((1, 2)) - logits).abs().max()
        # the largest difference by half precision and order of summation
        if error > 2e-2 * cams.abs().mean():
            raise ValueError(
                'Expected logits that are means of class activation maps, but '
                f'they differ by {error:.3g}: there is more than global '
                'average pooling between backbone and classifier. Leave out '
                '`cam`.')
        self._checked = True


def _maps_of(head: nn.Module, features: Tensor, labels: Tensor) -> Tensor:
    if features.ndim != 4 or features.shape[1] != head.fc.in_features:
        raise ValueError(
            f'Expected maps (B, {head.fc.in_features}, h, w) from the '
            'backbone, with as many channels as the input of the classifier, '
            f'for class activation maps, but got {tuple(features.shape)}. '
            'Leave out `cam`.')
    return class_activation_map(features, head.fc.weight.float(), labels)


@MODELS.register_module()
class CAMClassifier(ImageClassifier):
    """An ``ImageClassifier`` whose predictions carry class activation maps.

    Training and parameters are those of the plain classifier.

    Args:
        *args: Arguments of ``ImageClassifier``.
        cam (str, optional): Class of the map: ``'gt'``, the true class, as
            localization metrics define it, or ``'pred'``, the predicted
            class, for images without labels. Every sample then has ``cam``,
            ``(h, w)``, float32, not normalized and at the size of the feature
            map, and ``cam_label``, ``(1, )``, int64. Defaults to None: no
            maps.
        adl (dict, optional): Attention-based dropout layers inside the
            backbone, which act in training: ``at``, dotted paths, and options
            of :class:`ADL`, e.g. ``dict(at=('layer4.0', 'layer4.2'),
            drop_threshold=.9)``. Defaults to None.
        **kwargs: Arguments of ``ImageClassifier``.

    Raises:
        ValueError: If ``cam`` is unknown, the head has no maps, or the
            backbone has no module with a path of ``adl``.
    """

    def __init__(self, *args, cam: str | None = None,
                 adl: dict | None = None, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.cam = cam
        self.maps = None if cam is None else ActivationMaps(self, cam)
        if adl is not None:
            self.adl = attach_adl(self.backbone, **adl)

    def predict(self,
                inputs: Tensor,
                data_samples: list[DataSample] | None = None,
                **kwargs) -> list[DataSample]:
        """Predict, with maps if ``cam`` is set.

        Args:
            inputs (Tensor): Images ``(N, C, H, W)``, floating point.
            data_samples (list[DataSample], optional): Annotations of the
                images. Defaults to None.
            **kwargs: See ``ImageClassifier.predict``.

        Returns:
            list[DataSample]: Predictions with ``pred_score``, ``pred_label``
            and, unless ``cam`` is None, ``cam`` and ``cam_label``.
        """
        if self.maps is None:
            return super().predict(inputs, data_samples, **kwargs)
        return self.maps.predict(self, inputs, data_samples, **kwargs)
