"""Figure 2, and the matches of test images."""
import argparse

import numpy as np
import torch
import torch.nn.functional as F
from mmpretrain.registry import DATASETS

from ...ops import assignment, pairwise_cost
from ...visualization import plot_alignment, plot_transport, save
from ..common import load_config, load_model, tracked
from ..options import choose_pairs


def points(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Make two sets of points: an arc, and a crooked line beside it.

    Args:
        seed (int): Of their noise.

    Returns:
        tuple[Tensor, Tensor]: ``(1, 2, 16)`` twice, float32.
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
    plan = assignment(cost, eps=args.eps)
    figure = plot_transport(*(x[0].numpy() for x in (a, b, cost, plan)),
                            args.lam)
    for suffix in 'png', 'svg':
        path = args.out / f'transport.{suffix}'
        save(figure, path)
        print(path)


@torch.no_grad()
def draw_pairs(args: argparse.Namespace) -> None:
    """Draw the matches of pairs of test images.

    Args:
        args (Namespace): Parsed options.
    """
    cfg = load_config(args, ['test_dataloader'])
    model = load_model(cfg, args.checkpoint)
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    for pair in tracked(choose_pairs(args, len(dataset)), 'Matching'):
        inputs = torch.stack([dataset[n]['inputs'] for n in pair])
        images = inputs.permute(0, 2, 3, 1).numpy()
        if model.data_preprocessor.to_rgb:  # they are loaded as BGR
            images = images[..., ::-1]
        maps = model.extract_feat(
            model.data_preprocessor(dict(inputs=inputs))['inputs'],
            stage='backbone')[-1]
        if getattr(model.neck, 'align_size', None):  # as the neck does it
            maps = F.adaptive_avg_pool2d(maps, model.neck.align_size)
        flat = maps.flatten(2)
        plan = assignment(pairwise_cost(flat[:1], flat[1:]), eps=args.eps)
        figure = plot_alignment(
            images[0], images[1], plan[0].cpu().numpy(), maps.shape[2:],
            'Where each position of the anchor finds its match')
        for suffix in 'png', 'svg':
            path = args.out / f'matches_{pair[0]}_{pair[1]}.{suffix}'
            save(figure, path)
            print(path)


def run(args: argparse.Namespace) -> None:
    """Draw.

    Args:
        args (Namespace): Parsed options.
    """
    (draw_pairs if args.config else draw_points)(args)
