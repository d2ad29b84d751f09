"""Distances between the styles of the classes of a training set."""
import argparse
import sys
from collections.abc import Iterable, Iterator

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmpretrain.registry import MODELS
from torch import Tensor

from ..mixing.functional import style_distances, style_statistics
from ..mixing.functional.style_classes import class_means
from ..mixing.style_networks import (
    StyleEncoder,
    StyleTransfer,
    load_style_weights,
)
from .common import load_config, tracked


def build_preprocessor(cfg: Config) -> torch.nn.Module:
    """Build the config's data preprocessor, without its augmentations.

    Args:
        cfg (Config): Complete config.

    Returns:
        Module: The preprocessor, on the GPU if there is one.
    """
    options = cfg.model.get('data_preprocessor') or cfg.get(
        'data_preprocessor') or {}
    options = dict(dict(type='ClsDataPreprocessor'), **options)
    options.pop('batch_augments', None)
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    return MODELS.build(options).to(device)


@torch.no_grad()
def statistics(loader: Iterable[dict], preprocessor: torch.nn.Module,
               networks: StyleTransfer,
               size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Compute the style statistics of all images.

    Args:
        loader (Iterable[dict]): Batches of a data loader.
        preprocessor (Module): Normalizes the images.
        networks (StyleTransfer): Its encoder computes the features.
        size (int): Height and width of the encoder's input.

    Yields:
        tuple[Tensor, Tensor]: Statistics, ``(N, 1920)``, and labels,
        ``(N, )``, of each batch.
    """
    for data in loader:
        batch = preprocessor(data, training=False)
        images = F.interpolate(batch['inputs'], size, mode='bilinear',
                               align_corners=False)
        encode, _ = networks.on(images.device)
        labels = torch.cat([sample.gt_label
                            for sample in batch['data_samples']])
        yield style_statistics(encode(images)), labels.to(images.device)


def run(args: argparse.Namespace) -> None:
    """Compute the distances and write them.

    Args:
        args (Namespace): Parsed options.
    """
    try:
        encoder = load_style_weights(StyleEncoder(), args.encoder)
    except (OSError, ValueError) as error:
        sys.exit(f'--encoder: {error}')
    cfg = load_config(args, ['train_dataloader'])
    init_default_scope(cfg.get('default_scope', 'mmpretrain'))
    preprocessor = build_preprocessor(cfg)
    known = (dict(mean=preprocessor.mean.flatten().tolist(),
                  std=preprocessor.std.flatten().tolist())
             if args.unit else {})
    networks = StyleTransfer(
        encoder.to(preprocessor.device).levels, lambda x: x, **known)
    cfg.train_dataloader.update(  # every image once
        drop_last=False, sampler=dict(type='DefaultSampler', shuffle=False))
    loader = Runner.build_dataloader(cfg.train_dataloader)
    classes = cfg.model.head.num_classes
    try:
        means = class_means(statistics(
            tracked(loader, 'Encoding'), preprocessor, networks, args.size),
            classes)
    except ValueError as error:
        sys.exit(str(error))
    distances = style_distances(
        means, torch.arange(classes, device=means.device), classes)
    np.save(args.out, distances.cpu().numpy())
    print(args.out)
