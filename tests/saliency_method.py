"""A method that needs saliency, and small networks to use it with."""
import copy

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmpretrain.registry import BATCH_AUGMENTS, MODELS
from mmpretrain.structures import DataSample
from torch import nn

from alignmix_mm.mixing import MixMethod, MixPlan, PendingPlan, WeightedSum


@BATCH_AUGMENTS.register_module()
class ThreeBySaliency(MixMethod):
    """Mix three images, each weighed by its mean saliency.

    Args:
        part (str): What to mix: 'pixels', 'features' or 'embedding'.
        samples (int, optional): Number of mixed samples. Defaults to None,
            which means as many as images.
        several (int): Number of images in each sample. Defaults to 3.
        clean_weight (float): See ``PendingPlan``. Defaults to 0.
        at (str, optional): Where features are mixed. Defaults to None.
    """

    def __init__(self, part='pixels', samples=None, several=3,
                 clean_weight=0., at=None):
        self.part = part
        self.samples = samples
        self.several = several
        self.clean_weight = clean_weight
        self.at = None if at is None else (at, )

    def plan(self, images, scores, draws):
        parents = torch.from_numpy(draws.own.integers(
            len(images), size=(self.samples or len(images), self.several)))

        def complete(gradient):
            mixture = weigh(parents, gradient)
            return MixPlan('three', labels=mixture, at=self.at,
                           **{self.part: mixture})

        return PendingPlan('three', images, complete, self.clean_weight)


def weigh(parents, gradient):
    """Compute weights of images from the gradient."""
    saliency = gradient.square().mean((1, 2, 3)).sqrt()[parents] + 1e-9
    return WeightedSum(parents, saliency / saliency.sum(1, keepdim=True))


@MODELS.register_module()
class TwoConvolutions(BaseModule):
    """A backbone without statistics, so that images are independent."""

    def __init__(self, channels=4):
        super().__init__()
        self.first = nn.Conv2d(3, channels, 3, 2, 1)
        self.second = nn.Conv2d(channels, channels, 3, 2, 1)

    def forward(self, x):
        return (self.second(F.gelu(self.first(x))), )


# maps of 2x2 positions from images of 32x32, so that one image suffices
RESNET = dict(type='ResNet', depth=18, stem_channels=4, base_channels=4,
              strides=(1, 2, 2, 1))
LINEAR = dict(type='LinearClsHead', num_classes=5, in_channels=32, init_cfg=[
    dict(type='Normal', layer='Linear', std=.3)])


def build(method=None, backbone=None, type='AlignMixClassifier', head=None,
          neck=None, **options):
    """Build a classifier that trains with ``ThreeBySaliency``."""
    model = MODELS.build(dict(
        type=type, backbone=copy.deepcopy(backbone or RESNET),
        neck=copy.deepcopy(neck or dict(type='GlobalAveragePooling')),
        head=copy.deepcopy(head or LINEAR),
        data_preprocessor=options.pop('data_preprocessor',
                                      dict(num_classes=5)),
        train_cfg=dict(augments=[
            dict(type='ThreeBySaliency', **(method or {}))]), **options))
    return model.train()


def samples(labels=(0, 1, 2, 4)):
    """Labels of images, one or several per image."""
    return [DataSample().set_gt_label(label) for label in labels]


def batch(labels=(0, 1, 2, 4), size=32):
    """Images with labels, as a loader returns them."""
    return dict(inputs=torch.randn(len(labels), 3, size, size),
                data_samples=samples(labels))


def clean_loss(model, images, scores):
    """Mean cross-entropy of images, computed by hand."""
    features, = model.backbone(images)
    logits = model.head.fc(features.mean((2, 3)))
    return -(scores * logits.log_softmax(1)).sum(1).mean()
