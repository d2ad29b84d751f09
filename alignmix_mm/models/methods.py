"""Whether a model can be trained with the methods of its config."""
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
        list[MixMethod]: In the order of the config.
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
        ValueError: If a method needs a decoder, if the head computes the
            accuracy of training, which mixed labels do not have, or if it
            or its loss takes no soft labels.
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
                f'Expected a loss that takes soft labels with {name}, but got '
                f'{got}.')


def _without_soft_labels(head: nn.Module | None) -> str | None:
    """What of a head cannot be trained with mixed labels, and the remedy."""
    loss = getattr(head, 'loss_module', None)
    if isinstance(loss, SeesawLoss):
        return ('SeesawLoss, which counts the samples of each class. Set '
                "`head.loss` to dict(type='CrossEntropyLoss', use_soft=True)")
    if isinstance(loss, LabelSmoothLoss) and (
            getattr(loss, 'mode', None) == 'multi_label'):
        return ("LabelSmoothLoss of mode='multi_label', which takes every "
                'label above 0 for a whole one. Set `head.loss` to mode='
                "'original' with use_sigmoid=True")
    if isinstance(head, MultiTaskHead):
        return ('MultiTaskHead, whose labels MMPretrain never mixes. Leave '
                'the method out, or train one task')
    return None


def check_decoder(reconstructs: bool, model: nn.Module) -> None:
    """Raise if images are to be reconstructed without a decoder.

    Args:
        reconstructs (bool): Whether they are.
        model (AlignMixClassifier): The classifier.

    Raises:
        ValueError: If there is none.
    """
    if reconstructs and not model.reconstructs:
        raise ValueError(
            f"AlignMix draws the mode 'clean', but {type(model).__name__} has "
            "no decoder. 'clean' reconstructs images: leave it out of "
            '`modes`, or take AlignMixAEClassifier, which has one.')
