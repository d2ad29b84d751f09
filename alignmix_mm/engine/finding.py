"""Which checkpoint of a run is the latest one that can be used."""
import os
import re
import zipfile
from pathlib import Path

from .reading import find_problem, load


def is_complete(filename: str | Path) -> bool:
    """Whether nothing is wrong with a checkpoint file.

    Args:
        filename (str | Path): See :func:`alignmix_mm.engine.reading
            .find_problem`.
    """
    return find_problem(filename) is None


def newest_complete(folder: str | Path,
                    besides: Path | None = None) -> Path | None:
    """The checkpoint of a folder with which its run got furthest.

    What is in the files decides, not when they were written: the iteration,
    or the epoch. Files that are not named after a step (``epoch_3.pth``), or
    that lack an optimizer, come after all others, as they may be of another
    run; with neither a step nor such a name they are not looked at.

    Args:
        folder (str | Path): The folder.
        besides (Path, optional): A file that is not looked at. Defaults to
            None.

    Returns:
        Path, optional: None if there is none that can be resumed and read to
        its end. Files of the best epoch are not looked at.
    """
    ranked = [(_rank(path), path) for path in Path(folder).glob('*.pth')
              if path != besides and not path.name.startswith('best_')]
    ranked = sorted((pair for pair in ranked if pair[0] is not None),
                    reverse=True)
    return next((path for _, path in ranked if is_complete(path)), None)


def find_latest(work_dir: str | Path) -> Path | None:
    """The checkpoint from which a run goes on.

    Args:
        work_dir (str | Path): Folder of the run.

    Returns:
        Path, optional: What ``last_checkpoint`` names, in this folder if the
        file is there. If it names nothing that can be read, or a file that
        is gone, the newest complete checkpoint; None if there is none.
    """
    try:
        name = Path(work_dir, 'last_checkpoint').read_text(
            encoding='utf-8-sig').strip()
    except (OSError, ValueError):  # it is not there, or damaged
        name = ''
    here = Path(work_dir) / os.path.basename(name)
    return next((path for path in (here, Path(name)) if os.path.isfile(path)),
                newest_complete(work_dir))


def _rank(path: Path) -> tuple[bool, bool, int, int, float] | None:
    """Place of a file among the checkpoints of a run; None if it has none."""
    try:  # mapped: only the structure is read, not the tensors
        checkpoint = load(path, map_location='cpu', weights_only=True,
                          mmap=zipfile.is_zipfile(path))
    except Exception:  # whatever is wrong with it, it is not the newest
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
