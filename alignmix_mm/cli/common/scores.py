"""Class scores of a trained network."""
import torch
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmpretrain.models import BaseSelfSupervisor, ImageClassifier
from mmpretrain.models.classifiers import BaseClassifier
from mmpretrain.models.heads import MultiTaskHead
from torch import Tensor, nn


def require_predictions(model: nn.Module) -> None:
    """Raise an error if a network cannot predict anything.

    Args:
        model (nn.Module): The network, wrapped or not.

    Raises:
        ValueError: If it is for pretraining, or if its head is missing or
            does not predict.
    """
    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = model.module
    if isinstance(model, BaseSelfSupervisor) or isinstance(
            model, ImageClassifier) and not hasattr(model.head, 'predict'):
        raise ValueError(_refusal(model))


def require_classifier(model: nn.Module) -> None:
    """Raise an error unless a network predicts classes.

    Args:
        model (nn.Module): The network.

    Raises:
        ValueError: If it is not a classifier, or if its head does not predict
            classes.
    """
    require_predictions(model)
    if not isinstance(model, BaseClassifier) or isinstance(
            getattr(model, 'head', None), MultiTaskHead):
        raise ValueError(_refusal(model))


def class_scores(model: nn.Module, data: dict) -> Tensor:
    """Predict the score of each class, as a test does.

    Args:
        model (nn.Module): A classifier in evaluation mode.
        data (dict): A batch of N samples, as a data loader returns it.

    Returns:
        Tensor: Scores ``(N, K)``, on the device of the model.

    Raises:
        ValueError: If the predictions have no class scores.
    """
    with torch.no_grad():
        samples = model.test_step(data)
    if not all('pred_score' in sample for sample in samples):
        raise ValueError(_refusal(model))
    return torch.stack([sample.pred_score for sample in samples])


def _refusal(model: nn.Module) -> str:
    head = getattr(model, 'head', None)
    found = type(model).__name__ + (
        ' without a head' if head is None else
        f' with the head {type(head).__name__}')
    return (f'Expected a classifier with a score for each class, but the '
            f'network is {found}. Use the checkpoint of a classifier, for '
            'example one with a LinearClsHead.')
