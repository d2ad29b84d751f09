"""Check of the labels against the classifier, before the forward pass."""
from collections.abc import Sequence
from typing import Any

import torch
from mmpretrain.models.heads import MultiLabelClsHead
from mmpretrain.models.losses import FocalLoss
from mmpretrain.structures import DataSample
from torch import Tensor, nn


def guard_labels(preprocessor: nn.Module, head: nn.Module | None) -> None:
    """Check labels from now on, before the head is trained with them.

    MMPretrain makes labels one-hot on the device of the model, where a label
    out of range triggers a CUDA device-side assert. So labels are checked as
    they come from the loader. A preprocessor without a number of classes gets
    that of the head.

    Args:
        preprocessor (nn.Module): Data preprocessor, which gets the batches of
            the loader.
        head (nn.Module, optional): Head of the classifier.

    Raises:
        ValueError: If head and preprocessor disagree on the number of
            classes; in training, if labels are missing or do not fit the
            head.
    """
    if head is None:
        return
    counts = (getattr(head, 'num_classes', None),
              getattr(preprocessor, 'num_classes', None))
    if None not in counts and counts[0] != counts[1]:
        raise ValueError(
            'Expected `head.num_classes` to equal '
            '`data_preprocessor.num_classes`, the size of one-hot labels, '
            f'but got {counts[0]} and {counts[1]}.')
    if counts[1] is None:  # MMPretrain needs it
        preprocessor.num_classes = counts[0]
    preprocessor.register_forward_pre_hook(
        _LabelCheck(counts[0] or counts[1], _takes_several(head)),
        with_kwargs=True)


class _LabelCheck:
    """Hook of a data preprocessor.

    Args:
        num_classes (int, optional): Number of classes, if it is known.
        several (bool): Whether an image may have any number of labels.
    """

    def __init__(self, num_classes: int | None, several: bool) -> None:
        self.num_classes = num_classes
        self.several = several

    def __call__(self, preprocessor: nn.Module, args: tuple,
                 kwargs: dict) -> None:
        data, training = (*args, kwargs.get('training', False))[:2]
        samples = data.get('data_samples') or []
        if not training or not isinstance(next(iter(samples), None),
                                          DataSample):
            return
        if 'gt_score' in samples[0]:
            self._check_scores(samples)
        elif 'gt_label' in samples[0]:
            self._check_labels(samples)
        else:
            raise ValueError(
                'Expected training images with labels, but '
                f'{_name(samples[0])} has none. Does the data set have '
                '`with_label=False`, or annotations of a test set?')

    def _check_labels(self, samples: list[DataSample]) -> None:
        labels = [sample.gt_label for sample in samples]
        counts = [len(label) for label in labels]
        if not self.several:
            self._complain_of(
                samples, [count != 1 for count in counts], labels,
                'one label for each image',
                'Images of several classes need a MultiLabelLinearClsHead.')
        if self.num_classes is None:
            return
        # one operation for the whole batch; one per sample takes milliseconds
        together = torch.cat(labels)
        bad = (together < 0) | (together >= self.num_classes)
        self._complain_of(
            samples, [bool(part.any()) for part in bad.split(counts)]
            if bad.any() else [], labels,
            f'labels from 0 to {self.num_classes - 1}',
            'Set the number of classes of the data in `head.num_classes` and '
            '`data_preprocessor.num_classes`, and let labels start at 0.')

    def _check_scores(self, samples: list[DataSample]) -> None:
        scores = [sample.gt_score for sample in samples]
        size = self.num_classes or len(scores[0])
        bad = [len(score) != size for score in scores]
        if not any(bad):
            together = torch.stack(scores)
            wrong = ~torch.isfinite(together) | (together < 0)
            bad = wrong.any(1).tolist() if wrong.any() else []
        self._complain_of(
            samples, bad, scores,
            f'soft labels of {size} finite numbers >= 0, one for each class',
            'Set the number of classes in `head.num_classes` and '
            '`data_preprocessor.num_classes`.')

    def _complain_of(self, samples: list[DataSample], bad: Sequence[bool],
                     values: list[Tensor], expected: str,
                     remedy: str) -> None:
        if not any(bad):
            return
        index = list(bad).index(True)
        raise ValueError(
            f'Expected {expected}, but {_name(samples[index])} has '
            f'{_show(values[index])}. {remedy}')


def _takes_several(head: nn.Module) -> bool:
    loss: Any = getattr(head, 'loss_module', None)
    loss = getattr(loss, 'ce', loss)  # of LabelSmoothLoss
    return (isinstance(head, MultiLabelClsHead) or isinstance(loss, FocalLoss)
            or getattr(loss, 'use_sigmoid', False))


def _show(value: Tensor) -> str:
    numbers = ', '.join(f'{x:.4g}' for x in value[:5].tolist())
    return (f'[{numbers}]' if len(value) <= 5 else
            f'{len(value)} numbers, [{numbers}, ...]')


def _name(sample: DataSample) -> str:
    return str(sample.get('img_path') or 'an image')
