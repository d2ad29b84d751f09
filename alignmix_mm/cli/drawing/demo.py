"""Draw the pictures of the demo: mixed digits and their matches."""
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.runner import load_checkpoint
from mmpretrain.registry import DATASETS, MODELS

from ...mixing import Pairs
from ...ops import assignment, pairwise_cost
from ...shipped import config_path
from ...visualization import plot_alignment, plot_mixed_batch, save


def draw(out: Path) -> list[Path]:
    """Draw a mixed batch, and alignments by the trained model of seed 0.

    Args:
        out (Path): Folder of the demo.

    Returns:
        list[Path]: The pictures.
    """
    cfg = Config.fromfile(config_path('demo/alignmix_digits.py'))
    model = MODELS.build(
        {**cfg.model, 'data_preprocessor': cfg.data_preprocessor,
         'train_cfg': None})
    load_checkpoint(
        model, str(out / 'alignmix_seed0' / 'epoch_100.pth'), 'cpu',
        logger='silent')
    model.eval()
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    labels = dataset.get_gt_labels()
    chosen = [int(np.flatnonzero(labels == digit)[1]) for digit in range(8)]
    images = torch.stack([dataset[n]['inputs'] for n in chosen])
    pixels = images.permute(0, 2, 3, 1).numpy()

    # each digit with a different one, from an even blend to mostly itself
    order = torch.arange(8).roll(-3)
    pairs = Pairs(torch.linspace(.5, .9, 8), order)
    partners = order.numpy()
    mixed = pairs(images.float()).permute(0, 2, 3, 1).numpy()
    titles = [f'{n} and {m}' for n, m in enumerate(partners)]
    pictures = [out / 'mixed_batch.png']
    save(plot_mixed_batch(pixels, pixels[partners], mixed.astype(np.uint8),
                          pairs.lam.numpy(), titles), pictures[0])

    inputs = model.data_preprocessor(dict(inputs=images))['inputs']
    with torch.no_grad():
        maps = model.extract_feat(inputs, stage='backbone')[-1]
    R = assignment(pairwise_cost(maps.flatten(2), maps[order].flatten(2)))
    for n in range(3):
        pictures.append(out / f'alignment_{n}.png')
        figure = plot_alignment(
            pixels[n], pixels[partners[n]], R[n].numpy(), maps.shape[2:],
            f'Where positions of {n} find their matches in {partners[n]}')
        save(figure, pictures[-1])
    return pictures
