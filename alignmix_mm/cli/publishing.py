"""Write weights to share, to a file with its hash in the name."""
import argparse
import hashlib
import io
import json
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..engine.checkpoints import write_whole
from ..engine.weights import check_finite
from .common.trained import Stored, read_checkpoint

#: Entries of a checkpoint's ``meta`` that are kept.
KEPT = ('cfg', 'dataset_meta', 'CLASSES', 'epoch', 'iter', 'seed',
        'experiment_name', 'time', 'mmengine_version', 'mmpretrain_version')


def published(stored: Stored) -> dict[str, Any]:
    """Make the content of the file.

    Args:
        stored (Stored): A checkpoint.

    Returns:
        dict[str, Any]: ``state_dict`` of tensors, and ``meta`` of texts,
        numbers, lists and dicts.
    """
    weights = OrderedDict(
        (name, value.detach().clone()) for name, value in
        stored.weights.items() if isinstance(value, Tensor))
    if hasattr(stored.weights, '_metadata'):
        weights._metadata = stored.weights._metadata
    meta = {name: stored.meta[name] for name in KEPT if name in stored.meta}
    return dict(meta=json.loads(json.dumps(meta, default=_plain)),
                state_dict=weights)


def write(content: dict[str, Any], out: Path) -> Path:
    """Write a file with the start of its sha256 in its name.

    Args:
        content (dict[str, Any]): Result of :func:`published`.
        out (Path): Its path without the hash, with or without ``.pth``.

    Returns:
        Path: The file.
    """
    buffer = io.BytesIO()
    torch.save(content, buffer)
    data = buffer.getvalue()
    stem = out.name.removesuffix('.pth')
    path = out.with_name(
        f'{stem}-{hashlib.sha256(data).hexdigest()[:8]}.pth')
    write_whole(data, path)
    return path


def run(args: argparse.Namespace) -> None:
    """Write the file and report what it holds.

    Args:
        args (Namespace): Parsed options.

    Raises:
        WeightsError: If a weight is NaN.
    """
    stored = read_checkpoint(args.checkpoint, args.trust_checkpoint)
    check_finite(stored.weights, stored.source)
    out = args.out
    if out.is_dir():
        out /= Path(stored.source).stem
    content = published(stored)
    path = write(content, out)
    before, after = (Path(name).stat().st_size if Path(name).is_file() else 0
                     for name in (stored.source, path))
    print(f'{path}: {len(content["state_dict"])} weights, '
          f'{after / 2**20:.1f} MiB (the checkpoint: {before / 2**20:.1f}).')
    if 'cfg' not in content['meta']:
        print('It holds no config, so its users have to give one with '
              '--config.')


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, 'tolist') else str(value)
