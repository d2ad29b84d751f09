"""Check whether a model can be trained with the methods of its config."""
from collections.abc import Iterable

from mmpretrain.models.heads import MultiTaskHead
from mmpretrain.models.losses import LabelSmoothLoss, SeesawLoss
from torch import nn

from ..mixing import MixMethod


def methods_of(preprocessor: nn.Module) -> list[MixMethod]:
    """The mixing methods among the batch augmentations.

    Args:
        preprocessor (nn.Module): The data preprocessor of a classifier.

    Returns:
        list[MixMethod]: The methods, in the order of the config.
    """
    drawer = getattr(preprocessor, 'batch_augments', None)
    return [augment for augment in getattr(drawer, 'augments', [])
            if isinstance(augment, MixMethod)]


def guard_methods(methods: Iterable[MixMethod], model: nn.Module) -> None:
    """Raise if a model cannot be trained with its methods.

    Args:
        methods (Iterable[MixMethod]): The methods.
        model (AlignMixClassifier): The classifier.

    Raises:
        ValueError: If a method needs a decoder that the model lacks, if the
            head computes a training accuracy, which mixed labels do not
            have, or if the head or its loss does not accept soft labels.
    """
    head = model.head
    for method in methods:
        name = type(method).__name__
        check_decoder(method.reconstructs, model)
        method.attach(model.data_preprocessor)
        if getattr(head, 'cal_acc', False):
            raise ValueError(
                f'Expected `head.cal_acc=False` with {name}, but got True: '
                'mixed labels have no single right class.')
        got = _without_soft_labels(head)
        if got is not None:
            raise ValueError(
                f'Expected a loss for soft labels with {name}, but got '
                f'{got}.')


def _without_soft_labels(head: nn.Module | None) -> str | None:
    """The part of a head that does not fit mixed labels, and the remedy."""
    loss = getattr(head, 'loss_module', None)
    if isinstance(loss, SeesawLoss):
        return ('SeesawLoss, which counts the samples of each class. Set '
                "`head.loss` to dict(type='CrossEntropyLoss', use_soft=True)")
    if isinstance(loss, LabelSmoothLoss) and (
            getattr(loss, 'mode', None) == 'multi_label'):
        return ("LabelSmoothLoss with mode='multi_label', which treats every "
                'label above 0 as 1. Set `head.loss` to mode='
                "'original' with use_sigmoid=True")
    if isinstance(head, MultiTaskHead):
        return ('MultiTaskHead, whose labels MMPretrain never mixes. Leave '
                'the method out, or train one task')
    return None


def check_decoder(reconstructs: bool, model: nn.Module) -> None:
    """Raise if images have to be reconstructed without a decoder.

    Args:
        reconstructs (bool): Whether images have to be reconstructed.
        model (AlignMixClassifier): The classifier.

    Raises:
        ValueError: If they have to, and the model has no decoder.
    """
    if reconstructs and not model.reconstructs:
        raise ValueError(
            f"AlignMix draws the mode 'clean', but {type(model).__name__} has "
            "no decoder. 'clean' reconstructs images: leave it out of "
            '`modes`, or use AlignMixAEClassifier, which has one.')
