"""Find the latest usable checkpoint of a run."""
import os
import re
import zipfile
from pathlib import Path

from .reading import find_problem, load


def is_complete(filename: str | Path) -> bool:
    """Check whether a checkpoint file is undamaged.

    Args:
        filename (str | Path): See :func:`alignmix_mm.engine.reading
            .find_problem`.

    Returns:
        bool: True if no problem was found.
    """
    return find_problem(filename) is None


def newest_complete(folder: str | Path,
                    besides: Path | None = None) -> Path | None:
    """Find the checkpoint in a folder that is furthest in training.

    The iteration or epoch inside the file decides, not the time of writing.
    Files whose name does not end in a step (as ``epoch_3.pth`` does), and
    files without an optimizer, rank after all others, because they may come
    from a different run. Files with neither a step inside nor such a name are
    ignored, and so are files of the best epoch.

    Args:
        folder (str | Path): The folder.
        besides (Path, optional): A file to ignore. Defaults to None.

    Returns:
        Path, optional: The checkpoint; None if there is no undamaged one.
    """
    ranked = [(_rank(path), path) for path in Path(folder).glob('*.pth')
              if path != besides and not path.name.startswith('best_')]
    ranked = sorted((pair for pair in ranked if pair[0] is not None),
                    reverse=True)
    return next((path for _, path in ranked if is_complete(path)), None)


def find_latest(work_dir: str | Path) -> Path | None:
    """Find the checkpoint from which a run continues.

    Args:
        work_dir (str | Path): Folder of the run.

    Returns:
        Path, optional: The file named in ``last_checkpoint``, preferably the
        one in this folder. If ``last_checkpoint`` cannot be read or names a
        missing file, the newest complete checkpoint, or None without one.
    """
    try:
        name = Path(work_dir, 'last_checkpoint').read_text(
            encoding='utf-8-sig').strip()
    except (OSError, ValueError):  # missing or damaged
        name = ''
    here = Path(work_dir) / os.path.basename(name)
    return next((path for path in (here, Path(name)) if os.path.isfile(path)),
                newest_complete(work_dir))


def _rank(path: Path) -> tuple[bool, bool, int, int, float] | None:
    """Sort key among the checkpoints of a run; None to ignore the file."""
    try:  # memory-mapped, so that tensors are not read
        checkpoint = load(path, map_location='cpu', weights_only=True,
                          mmap=zipfile.is_zipfile(path))
    except Exception:  # a file with any problem cannot be the newest
        return None
    if not isinstance(checkpoint, dict):
        return None
    meta = checkpoint.get('meta')
    steps = [meta.get(key) if isinstance(meta, dict) else None
             for key in ('iter', 'epoch')]
    steps = [step if isinstance(step, int) else -1 for step in steps]
    named = re.search(r'(^|_)\d+$', path.resolve().stem) is not None
    if not named and max(steps) < 0:
        return None
    return named, 'optimizer' in checkpoint, *steps, path.stat().st_mtime
