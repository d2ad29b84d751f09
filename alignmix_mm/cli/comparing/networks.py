"""Changes of the network that all methods get."""
import copy
import sys

import torch
from mmengine.config import ConfigDict
from mmpretrain.registry import DATASETS, MODELS

from ...datasets import CUBWithBoxes, WSOLMetadata
from .base import Base

_PIXELS = 4  # rows and columns of the paper's A


@torch.no_grad()
def share_encoder(base: Base) -> None:
    """Give the network the paper's f: a linear layer that sees positions.

    The embedding has as many dimensions as the head takes.

    Args:
        base (Base): Its network is changed in place. One without a map ends
            the process with a sentence.
    """
    model = base.cfg.model
    with torch.random.fork_rng(devices=[]):
        backbone = MODELS.build(copy.deepcopy(model.backbone))
        backbone.eval()  # of MMPretrain's, it returns None
        maps = backbone(torch.zeros(1, 3, base.size, base.size))
    shape = (maps if isinstance(maps, torch.Tensor) else maps[-1]).shape
    width = (model.get('head') or {}).get('in_channels')
    if len(shape) != 4 or not isinstance(width, int):
        sys.exit('--same-encoder needs a backbone whose output is a map (C, '
                 'H, W), and a head with in_channels, but got an output of '
                 f'shape {tuple(shape[1:])}. Leave the option out.')
    side = min(_PIXELS, *shape[2:])
    model.neck = ConfigDict(
        type='AlignMixNeck', align_size=side, embed=dict(
            type='LinearEmbedding', in_channels=shape[1] * side**2,
            out_channels=width))


def show_where(base: Base) -> None:
    """Let predictions carry the class activation map of their true class.

    Args:
        base (Base): Its network is changed in place. Data without boxes end
            the process with a sentence.
    """
    kind = DATASETS.get(base.cfg.test_dataloader.dataset.type)
    if not (isinstance(kind, type)
            and issubclass(kind, (CUBWithBoxes, WSOLMetadata))):
        sys.exit('--metrics localization needs true boxes, which the test '
                 'images do not have: expected the data set CUBWithBoxes or '
                 'WSOLMetadata in a config.')
    if base.cfg.model.type == 'ImageClassifier':
        base.cfg.model.type = 'CAMClassifier'
    base.cfg.model.cam = 'gt'
