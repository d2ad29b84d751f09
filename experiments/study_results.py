"""The results of the study: one file, from which it goes on anywhere."""
import json
from collections.abc import Sequence
from pathlib import Path

from alignmix_mm.cli.comparing.run import RESULT, read_result
from alignmix_mm.engine.writing import write_whole

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / 'benchmarks' / 'results' / 'study.json'


def collect(work_dir: Path, parts: Sequence[str]) -> dict[str, list[dict]]:
    """Add complete runs to those of the results file.

    Args:
        work_dir (Path): Of the study.
        parts (Sequence[str]): Those to look for.

    Returns:
        dict[str, list[dict]]: Runs by part, in the order of seeds.
    """
    known = _known()
    for part in parts:
        found = {(run['method'], run['seed']): run
                 for run in known.get(part, [])}
        for path in sorted((work_dir / part / 'runs').glob(f'*/{RESULT}')):
            run = read_result(path.parent)
            found[run['method'], run['seed']] = run
        if found:
            known[part] = sorted(found.values(), key=lambda run: (
                run['seed'], run['method']))
    return known


def restore(work_dir: Path, part: str) -> None:
    """Let runs of the results file be complete on a new machine.

    Args:
        work_dir (Path): Of the study.
        part (str): Its part.
    """
    for run in _known().get(part, []):
        path = (work_dir / part / 'runs' / f'{run["method"]}_seed{run["seed"]}'
                / RESULT)
        if not path.exists():
            write_whole(json.dumps(run, indent=1).encode(), path)


def save(known: dict[str, list[dict]]) -> None:
    """Write the results file.

    Args:
        known (dict): Runs by part.
    """
    write_whole((json.dumps(known, indent=1) + '\n').encode(), RESULTS)


def _known() -> dict[str, list[dict]]:
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
