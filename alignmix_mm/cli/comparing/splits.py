"""Whether images of a validation are images of the test."""
import copy
import hashlib
import sys
from pathlib import Path

from mmpretrain.registry import DATASETS

from .base import Base


def check_validation(base: Base) -> None:
    """See that learning rates can be chosen without looking at the test.

    Args:
        base (Base): What all runs share. A validation that is missing, or
            shares images with the test, ends the process with a sentence.
    """
    loader = base.cfg.get('val_dataloader')
    if loader is None:
        sys.exit('--lr-search needs a validation, val_dataloader. '
                 f'{base.remedy}, or fix the rate: --lr X')
    validation = _images(loader.dataset)
    shared = validation & _images(base.cfg.test_dataloader.dataset)
    if shared:
        sys.exit(f'--lr-search would choose rates on images of the test: '
                 f'{len(shared)} of {len(validation)} for validation are '
                 f'among them. {base.remedy}, or fix the rate: --lr X')


def _images(settings: dict) -> set[str]:
    """Files of a data set, or digests of its pixels."""
    dataset = DATASETS.build(copy.deepcopy(settings))
    found = set()
    for n in range(len(dataset)):
        info = dataset.get_data_info(n)
        found.add(str(Path(info['img_path']).resolve())
                  if info.get('img_path') else
                  hashlib.sha256(info['img'].tobytes()).hexdigest())
    return found
