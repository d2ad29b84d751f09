#!/usr/bin/env python
"""Extract real feature maps for benchmarks/transport.py.

S16 and S64 are maps of alignmix_r18_cifar10 on images of 32 and 64 pixels,
S49 and S196 of alignmix_r50_imagenet on 224 and 448 pixels. Networks are in
training mode, as they are when AlignMix sees their maps.
"""
import argparse
import logging
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.runner import load_checkpoint
from mmpretrain.registry import MODELS
from torch import Tensor

import alignmix_mm  # noqa: F401

CONFIGS = Path(__file__).resolve().parents[1] / 'configs'
# name: (config, batch of pairs, size of the images)
SETS = {
    'S16': ('alignmix_r18_cifar10', 128, 32),
    'S49': ('alignmix_r50_imagenet', 100, 224),
    'S64': ('alignmix_r18_cifar10', 128, 64),
    'S196': ('alignmix_r50_imagenet', 16, 448),
}


def read_images(folder: Path, count: int, size: int) -> Tensor:
    """Read images from a folder tree, evenly spread, in BGR.

    Args:
        folder (Path): Folder, searched recursively.
        count (int): Number of images.
        size (int): Rows and columns after resizing.

    Returns:
        Tensor: ``(count, 3, size, size)``, uint8.
    """
    paths = sorted(path for path in folder.rglob('*')
                   if path.suffix.lower() in ('.jpg', '.jpeg', '.png'))
    if len(paths) < count:
        raise SystemExit(f'Expected {count} images in {folder}, but found '
                         f'{len(paths)}.')
    chosen = [paths[n * len(paths) // count] for n in range(count)]
    order = np.random.default_rng(0).permutation(count)
    images = [cv2.resize(cv2.imread(str(chosen[n])), (size, size),
                         interpolation=cv2.INTER_AREA) for n in order]
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)


def build(name: str, checkpoint: str | None,
          device: str) -> torch.nn.Module:
    """Build the model of a config, in training mode."""
    # init_weights would log every parameter
    MMLogger.get_current_instance().setLevel(logging.WARNING)
    cfg = Config.fromfile(CONFIGS / f'{name}.py')
    torch.manual_seed(0)
    model = MODELS.build(
        {**cfg.model,
         'data_preprocessor': {**cfg.data_preprocessor, 'to_rgb': True}})
    model.init_weights()
    if checkpoint is not None:
        load_checkpoint(model, checkpoint, 'cpu', logger='silent')
    return model.to(device).train()


@torch.no_grad()
def extract(model: torch.nn.Module, images: Tensor) -> np.ndarray:
    """Maps of the backbone, ``(N, c, h * w)``, float16."""
    maps = []
    for batch in images.split(64):
        inputs = model.data_preprocessor(dict(inputs=batch))['inputs']
        maps.append(model.extract_feat(inputs, stage='backbone')[-1].cpu())
    return torch.cat(maps).flatten(2).half().numpy()


def main() -> None:
    """Write the maps."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--cifar10', type=Path, required=True,
                        help='folder of images for R-18')
    parser.add_argument('--imagenet', type=Path, required=True,
                        help='folder of images for R-50')
    parser.add_argument('--r18', help='checkpoint; default: untrained')
    parser.add_argument('--r50', help='checkpoint; default: untrained')
    parser.add_argument('--note', default='', help='how they were trained')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--out', type=Path,
                        default=Path('work_dirs/features.npz'))
    args = parser.parse_args()
    sources = {'alignmix_r18_cifar10': (args.cifar10, args.r18),
               'alignmix_r50_imagenet': (args.imagenet, args.r50)}
    arrays = {}
    for name, (config, pairs, size) in SETS.items():
        folder, checkpoint = sources[config]
        images = read_images(folder, 2 * pairs, size)
        arrays[name] = extract(
            build(config, checkpoint, args.device), images)
        print(name, arrays[name].shape, flush=True)
    trained = ', '.join(f'{name}: {"checkpoint" if path else "untrained"}'
                        for name, (_, path) in sources.items())
    args.out.parent.mkdir(parents=True, exist_ok=True)
    np.savez(args.out, source=np.array(f'{trained}. {args.note}'), **arrays)
    print(args.out)


if __name__ == '__main__':
    main()
