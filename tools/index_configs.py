#!/usr/bin/env python
"""Write configs/README.md and metafile.yml: what each config reproduces.

Published values come from configs/published.json. Our own come from complete
runs below work_dirs whose config is the same as in the repository; they are
kept in configs/results.json. Parameters are counted in the built model.

  python tools/index_configs.py                     # after training or testing
  python tools/index_configs.py --check             # are the files up to date?
"""
import argparse
import copy
import functools
import json
import sys
from pathlib import Path

from alignmix_mm.cli.indexing.rows import (
    METRICS,
    extract,
    published,
    rows_of,
)

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = ROOT / 'configs'
PUBLISHED = CONFIGS / 'published.json'
RESULTS = CONFIGS / 'results.json'
STUDY = ROOT / 'benchmarks' / 'results' / 'study.json'
FOLDERS = {'': 'AlignMix', 'ablation': 'Ablation', 'baselines': 'Baselines',
           'demo': 'Demos'}
NAMES = dict(zip(METRICS, ('top-1 error', 'top-1 accuracy',
                           'top-1 localization', 'MaxBoxAccV2')))
HEAD = """<!-- written by tools/index_configs.py -->
# Configs

**Published** is what the paper reports (for `*_official.py`, what the authors'
README reports), in percent: the best epoch on the test set, one run. Most of
the paper's results for competitors on ImageNet and TinyImageNet are quoted
from other papers, whose recipes differ from these configs. **Ours** is the
result of complete runs of the config on our machines (`results.json`), or "not
run". **Measured, small** is the accuracy of the method in [the
study](../docs/study.md): a part of the data, a narrow network, 1,500 steps.
Compare it with other rows of the study only. Parameters are those used in
training, so they include the decoder.

Two values of Table 4 look wrong. Its MaxBoxAccV2 of ADL with VGG-GAP, 61.3,
may be a transposition of 66.3, which Choe et al. (2020) report. Its 59.7 for
class activation maps (Baseline) with R-50 is what they report for a box at the
centre; for class activation maps they report 63.0.
"""


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        '--work-dirs', type=Path, default=ROOT / 'work_dirs',
        help='folder of runs; default: work_dirs')
    parser.add_argument(
        '--numbers', type=Path,
        help='JSON file of published values, to write published.json from')
    parser.add_argument(
        '--check', action='store_true',
        help='write nothing; exit with status 1 if a file is not up to date')
    return parser.parse_args()


def describe(path: Path) -> dict:
    """Collect what the tables show about a config.

    Args:
        path (Path): The config.

    Returns:
        dict: ``path``, ``stem``, ``dataset``, ``parameters``, ``epochs``,
        ``batch`` (of all processes) and ``command``.
    """
    from mmengine.config import Config, utils
    from mmengine.logging import MMLogger
    from mmengine.registry import init_default_scope
    from mmpretrain.registry import MODELS
    from weightless import NoWeights
    MMLogger.get_current_instance().setLevel('WARNING')
    if not hasattr(utils.load, 'cache_info'):
        # or 85 metafiles are read for each config based on MMPretrain
        utils.load = functools.cache(utils.load)
    cfg = Config.fromfile(path)
    init_default_scope(cfg.default_scope)
    model = copy.deepcopy(cfg.model)
    model.data_preprocessor = cfg.data_preprocessor
    with NoWeights():
        parameters = sum(p.numel() for p in MODELS.build(model).parameters())
    name = path.relative_to(ROOT).as_posix()
    per_process = cfg.train_dataloader.batch_size
    batch = cfg.get('auto_scale_lr', {}).get('base_batch_size', per_process)
    processes = max(batch // per_process, 1)
    command = (f'python tools/train.py {name}' if processes == 1 else
               f'bash tools/dist_train.sh {name} {processes}')
    return dict(
        path=path, stem=path.stem, command=command, parameters=parameters,
        dataset=cfg.train_dataloader.dataset.type,
        epochs=cfg.train_cfg.max_epochs, batch=processes * per_process)


def ours(result: dict | None, small: str | None) -> str:
    """Format our own results of a config.

    Args:
        result (dict, optional): Its entry of ``results.json``.
        small (str, optional): What the study measured of its method.

    Returns:
        str: Text of a cell.
    """
    if result is None:
        return small or 'not run'
    name = result['metric'].split('/')[1].replace('_', ' ')
    values = ', '.join(f'{run["last"]:.2f}' for run in result['runs'])
    text = f'{name} {values}'
    if 'best' in result['runs'][0]:
        text += ' (best ' + ', '.join(
            f'{run["best"]:.2f}' for run in result['runs'])
        text += '; median of the last ten ' + ', '.join(
            f'{run["last10_median"]:.2f}' for run in result['runs']) + ')'
    return text


def line(entry: dict, records: list[dict], results: dict,
         small: dict[str, str]) -> str:
    """Make a line of the table.

    Args:
        entry (dict): See :func:`describe`.
        records (list[dict]): All published values.
        results (dict): ``results.json``.
        small (dict): What the study measured, by config.

    Returns:
        str: Markdown.
    """
    found = [(str(row), published(row, records))
             for row in rows_of(entry['stem'])]
    found = [(text, values) for text, values in found if values]
    figures = [', '.join(f'{NAMES[metric]} {value:.2f}'
                         for metric, value in values.items())
               for _, values in found]
    link = entry['path'].relative_to(CONFIGS).as_posix()
    cells = [
        f'[`{entry["stem"]}`]({link})',
        '<br>'.join(text for text, _ in found) or '—',
        '<br>'.join(figures) or '—', f'{entry["parameters"] / 1e6:.2f} M',
        ours(results.get(entry['stem']), small.get(entry['stem'])),
        f'`{entry["command"]}`']
    return f'| {" | ".join(cells)} |'


def readme(entries: list[dict], records: list[dict], results: dict,
           small: dict[str, str]) -> str:
    """Text of configs/README.md."""
    parts = [HEAD]
    for folder, title in FOLDERS.items():
        parts.append(f'\n## {title}\n\n'
                     '| config | reproduces | published | parameters | ours '
                     '| command |\n' + '|---' * 6 + '|')
        parts += [line(entry, records, results, small) for entry in entries
                  if entry['path'].parent == CONFIGS / folder]
    return '\n'.join(parts) + '\n'


def metafile(entries: list[dict], results: dict) -> str:
    """Text of configs/metafile.yml, in MMPretrain's form.

    It contains only results that we measured.
    """
    models = []
    for entry in entries:
        model = {
            'Name': 'alignmix-' + entry['stem'].removeprefix('alignmix_'),
            'Metadata': {'Training Data': entry['dataset'],
                         'Epochs': entry['epochs'],
                         'Batch Size': entry['batch'],
                         'Parameters': entry['parameters']},
            'In Collection': 'AlignMix',
            'Config': entry['path'].relative_to(ROOT).as_posix()}
        result = results.get(entry['stem'])
        if result and result['metric'] == 'accuracy/top1':
            values = [run['last'] for run in result['runs']]
            model['Results'] = [{
                'Dataset': entry['dataset'], 'Task': 'Image Classification',
                'Metrics': {'Top 1 Accuracy':
                            round(sum(values) / len(values), 2)}}]
        models.append(model)
    collection = {
        'Name': 'AlignMix',
        'Metadata': {'Training Techniques': ['AlignMix']},
        'Paper': {'Title': 'AlignMix: Improving representations by '
                           'interpolating aligned features',
                  'URL': 'https://arxiv.org/abs/2103.15375'},
        'README': 'configs/README.md'}
    import yaml
    text = yaml.safe_dump(dict(Collections=[collection], Models=models),
                          sort_keys=False, allow_unicode=True)
    return '# written by tools/index_configs.py\n' + text


def to_json(data: object) -> str:
    """JSON with one entry per line, so that changes are easy to read."""
    items = ([json.dumps(value) for value in data] if isinstance(data, list)
             else [f'{json.dumps(key)}: {json.dumps(value)}'
                   for key, value in sorted(data.items())])
    brackets = '[]' if isinstance(data, list) else '{}'
    return f'{brackets[0]}\n' + ',\n'.join(items) + f'\n{brackets[1]}\n'


def main() -> None:
    """Write the files, or check them."""
    args = parse_args()
    from alignmix_mm.cli.indexing.results import collect
    from alignmix_mm.cli.indexing.small import measured_small
    from alignmix_mm.engine import compat
    compat.enable()
    paths = sorted(path for path in CONFIGS.rglob('*.py')
                   if '_base_' not in path.parts)
    records = (extract(args.numbers) if args.numbers else
               json.loads(PUBLISHED.read_text()))
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if not args.check:
        results |= collect(args.work_dirs, {path.stem: path
                                            for path in paths})
    entries = [describe(path) for path in paths]
    files = {PUBLISHED: to_json(records), RESULTS: to_json(results),
             CONFIGS / 'README.md': readme(entries, records, results,
                                           measured_small(STUDY)),
             CONFIGS / 'metafile.yml': metafile(entries, results)}
    stale = [path for path, text in files.items()
             if not path.exists() or path.read_text() != text]
    for path in stale:
        if not args.check:
            path.write_text(files[path])
        print(('stale: ' if args.check else 'wrote ')
              + path.relative_to(ROOT).as_posix())
    if args.check and stale:
        sys.exit('These files are not up to date: run python '
                 'tools/index_configs.py.')


if __name__ == '__main__':
    main()
