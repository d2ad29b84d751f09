"""Draw Figure 3 of the paper: decoded mixtures of two images."""
import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from mmengine.dataset import BaseDataset
from mmpretrain.registry import DATASETS

from ...mixing import MixBatch, alignmix_plan
from ...models import AlignMixAEClassifier
from ...visualization import plot_interpolation, save
from ..common import load_config, load_model, tracked
from ..options import choose_pairs


@torch.no_grad()
def decode(model: AlignMixAEClassifier, images: torch.Tensor,
           lam: np.ndarray, align: bool = True) -> np.ndarray:
    """Mix two images with each weight, and decode the results.

    Args:
        model (AlignMixAEClassifier): In evaluation mode.
        images (Tensor): Two normalized images, ``(2, 3, H, W)``, float32.
            Each is the anchor of one row.
        lam (np.ndarray): Weights of the anchor, ``(L, )``.
        align (bool): Whether maps are aligned. Defaults to True.

    Returns:
        np.ndarray: ``(2, L, H, W, 3)``, uint8, RGB.
    """
    swap = torch.tensor([1, 0], device=images.device)
    decoded = []
    for weight in lam:
        plan = alignmix_plan('feat', images.new_tensor(weight), swap)
        if not align:
            plan = plan.map_mixtures(lambda pairs: pairs.unaligned())
        decoded.append(model.decoder(
            model.extract_feat(MixBatch(images, plan))[-1]))
    pixels = (torch.stack(decoded, 1) + 1) * 127.5
    pixels = pixels.round().clamp(0, 255).to(torch.uint8)
    return pixels.permute(0, 1, 3, 4, 2).cpu().numpy()


def interpolate(model: AlignMixAEClassifier, dataset: BaseDataset,
                pair: tuple[int, int],
                lam: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Mix a pair without and with alignment.

    Args:
        model (AlignMixAEClassifier): In evaluation mode.
        dataset (BaseDataset): The images.
        pair (tuple[int, int]): Indices of the two images.
        lam (np.ndarray): Weights of the anchor, ``(L, )``.

    Returns:
        tuple[np.ndarray, dict]: The images, ``(2, H, W, 3)``, uint8, RGB, and
        the decoded mixtures, ``(2, L, H, W, 3)``, by ``'unaligned'`` and
        ``'aligned'``.
    """
    inputs = torch.stack([dataset[n]['inputs'] for n in pair])
    images = model.data_preprocessor(dict(inputs=inputs))['inputs']
    pixels = (model.decoder_target(images) + 1) * 127.5
    pixels = pixels.round().clamp(0, 255).to(torch.uint8)
    decoded = {'unaligned': decode(model, images, lam, align=False),
               'aligned': decode(model, images, lam)}
    return pixels.permute(0, 2, 3, 1).cpu().numpy(), decoded


def run(args: argparse.Namespace) -> None:
    """Draw each pair in both directions.

    Args:
        args (Namespace): Parsed options.
    """
    cfg = load_config(args, ['test_dataloader'])
    model = load_model(cfg, args.checkpoint)
    if not isinstance(model, AlignMixAEClassifier):
        sys.exit(f'{args.config} has no decoder: its model is '
                 f'{type(model).__name__}. Use a config of AlignMix/AE, such '
                 'as configs/alignmix_r18_cifar10_ae.py.')
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    lam = np.linspace(0, 1, args.steps, dtype=np.float32)
    for pair in tracked(choose_pairs(args, len(dataset)), 'Decoding'):
        ends, decoded = interpolate(model, dataset, pair, lam)
        for n, (anchor, partner) in enumerate((ends, ends[::-1])):
            figure = plot_interpolation(
                {name: images[n] for name, images in decoded.items()}, lam,
                (anchor, partner))
            path = (args.out or Path(cfg.work_dir)) / (
                f'interpolation_{pair[n]}_{pair[1 - n]}.png')
            save(figure, path)
            print(path)
