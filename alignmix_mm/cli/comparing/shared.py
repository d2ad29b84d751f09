"""What all runs of a comparison share, so that no others are added to it."""
import argparse
import hashlib
import json
import pprint
import sys
from collections.abc import Iterator
from pathlib import Path

from ...engine.checkpoints import write_whole
from .base import Base

FILE = 'shared.json'


def require_same(folder: Path, args: argparse.Namespace, base: Base) -> None:
    """Refuse to add runs to those of another comparison.

    Args:
        folder (Path): Of the comparison. It gets a file with what its runs
            share, if it has none.
        args (Namespace): Parsed options. Others than those of the first time
            end the process with a sentence.
        base (Base): What all runs share.
    """
    path, now = folder / FILE, _shared(args, base)
    if not path.exists():
        write_whole(json.dumps(now, indent=1).encode(), path)
        return
    before = json.loads(path.read_text())
    for name, value in now.items():
        if before.get(name, value) != value:
            detail = '' if name in _HASHED else (
                f': {before[name]}, now {value}')
            sys.exit(f'The comparison in {folder} has other {name}{detail}. '
                     'Give another --work-dir, or the options of the first '
                     'time; methods and seeds can be added.')


_HASHED = ('data, network or settings', 'starting weights')


def _shared(args: argparse.Namespace, base: Base) -> dict[str, str]:
    cfg = {key: value for key, value in base.cfg.to_dict().items()
           if key != 'work_dir'}
    settings, weights = _HASHED
    search = args.lr_search and (
        f'{" ".join(map(str, args.lr_search))} ({args.search_budget.text})')
    return {
        '--budget': args.budget.text,
        '--lr': str(args.lr),
        '--lr-search': str(search),
        '--same-encoder': str(args.same_encoder),
        '--metrics': ' '.join(sorted(args.metrics)),
        '--attack': ' '.join(sorted(args.attack)) or 'none',
        '--ood': ' '.join(sorted(args.ood or [])) or 'default',
        settings: _digest(pprint.pformat(cfg).encode()),
        weights: ' '.join(_digest(path.read_bytes())
                          for path in _files(base)) or 'none',
    }


def _files(base: Base) -> Iterator[Path]:
    """Local files with the weights from which the network starts."""
    model = base.cfg.model
    parts = [model.get('init_cfg'), model.backbone.get('init_cfg')]
    names = [base.cfg.get('load_from'), model.get('pretrained')] + [
        part.get('checkpoint') for part in parts if isinstance(part, dict)]
    for name in names:
        if name and '://' not in str(name) and Path(name).is_file():
            yield Path(name)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
