"""Draw Figure 2 of the paper, and the matches of test images."""
import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from mmengine.dataset import BaseDataset
from mmpretrain.models import ImageClassifier
from mmpretrain.registry import DATASETS, MODELS

from ...engine.kinds import class_of
from ...mixing import AlignMix, MixBatch, alignmix_plan
from ...models import AlignMixClassifier, CAMClassifier
from ...models.methods import methods_of
from ...ops import assignment, pairwise_cost
from ...visualization import plot_alignment, plot_transport, save
from ..common import load_config, load_model, tracked
from ..options import choose_pairs


def points(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Make two sets of points: an arc, and a crooked line next to it.

    Args:
        seed (int): Seed of their noise.

    Returns:
        tuple[Tensor, Tensor]: Two sets ``(1, 2, 16)``, float32.
    """
    rng = np.random.default_rng(seed)
    t = np.linspace(0, 1, 16)
    arc = np.stack([np.cos(np.pi * t), np.sin(np.pi * t)])
    line = np.stack([1.6 - 2 * t, 1.2 * t - 1.4 + .3 * np.sin(6 * t)])
    return tuple(torch.from_numpy(
        p + rng.normal(0, .05, p.shape)).float()[None] for p in (arc, line))


def draw_points(args: argparse.Namespace) -> None:
    """Draw Figure 2.

    Args:
        args (Namespace): Parsed options.
    """
    a, b = points(args.seed)
    cost = pairwise_cost(a, b)
    plan = assignment(cost, eps=args.eps or .1)
    figure = plot_transport(*(x[0].numpy() for x in (a, b, cost, plan)),
                            args.lam)
    for suffix in 'png', 'svg':
        path = args.out / f'transport.{suffix}'
        save(figure, path)
        print(path)


def draw_pairs(args: argparse.Namespace) -> None:
    """Draw the matches of pairs of test images.

    Args:
        args (Namespace): Parsed options.
    """
    cfg = load_config(args, ['test_dataloader'])
    if class_of(cfg.model, MODELS) in (ImageClassifier, CAMClassifier):
        # this class has the same parameters
        cfg.model.type = 'alignmix_mm.AlignMixClassifier'
    model = load_model(cfg, args.checkpoint)
    if not isinstance(model, AlignMixClassifier):
        sys.exit(f'Expected a classifier that aligns maps, but the model of '
                 f'{args.config} is {type(model).__name__}.')
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    for pair in tracked(choose_pairs(args, len(dataset)), 'Matching'):
        for n, figure in enumerate(draw_pair(model, dataset, pair, args)):
            for suffix in 'png', 'svg':
                place = f'_{n + 1}' if n else ''
                path = args.out / (
                    f'matches_{pair[0]}_{pair[1]}{place}.{suffix}')
                save(figure, path)
                print(path)


def draw_pair(model: AlignMixClassifier, dataset: BaseDataset,
              pair: Sequence[int], args: argparse.Namespace
              ) -> Iterator[Figure]:
    """Draw the matches of two images at each place where maps are mixed.

    Args:
        model (AlignMixClassifier): In evaluation mode.
        dataset (BaseDataset): The images.
        pair (Sequence[int]): Indices of the two images.
        args (Namespace): Parsed options.

    Yields:
        Figure: One for each place.
    """
    inputs = torch.stack([dataset[n]['inputs'] for n in pair])
    images = inputs.permute(0, 2, 3, 1).numpy()
    if model.data_preprocessor.to_rgb:  # images are loaded as BGR
        images = images[..., ::-1]
    x = model.data_preprocessor(dict(inputs=inputs))['inputs']
    method = next((method for method in methods_of(model.data_preprocessor)
                   if isinstance(method, AlignMix)), AlignMix())
    transport = method.transport
    if args.eps is not None:
        transport = replace(transport or model.mixer.transport, eps=args.eps)
    classes = dataset.metainfo.get('classes')
    labels = dataset.get_gt_labels()[list(pair)].tolist()
    one, two = ((classes[label] if classes else f'class {label}')
                for label in labels)
    for place in method.at or model.places.names:
        plan = alignmix_plan(
            'feat', torch.full((), args.lam, device=x.device),
            torch.tensor([1, 0], device=x.device), at=(place, ),
            transport=transport)
        alignment = model.measure_alignment(MixBatch(x, plan))
        if alignment is None:
            sys.exit(f'{args.config} mixes maps without alignment '
                     '(align=False), so positions have no matches.')
        yield plot_alignment(
            images[0], images[1], alignment.R[0].cpu().numpy(),
            alignment.grid, f'Where positions of {one} find their matches '
            f'in {two}, at {alignment.place}')


def run(args: argparse.Namespace) -> None:
    """Draw points, or matches of test images.

    Args:
        args (Namespace): Parsed options.
    """
    args.out = args.out or Path(args.work_dir or 'work_dirs') / 'alignment'
    (draw_pairs if args.config else draw_points)(args)
