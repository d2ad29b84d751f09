"""Looking at a classifier, writing its new config, and trying it."""
import argparse
import sys
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmpretrain.structures import DataSample
from rich.console import Console

from ...mixing import AlignMix
from ...models.methods import methods_of
from .classifier import build, image_size, load
from .delta import write
from .probe import Place, Probe, probe


def choose(args: argparse.Namespace, seen: Probe) -> Place | None:
    """The place of the options, or the best one.

    Args:
        args (Namespace): Parsed options.
        seen (Probe): What is known of the classifier.

    Returns:
        Place, optional: None for the neck.
    """
    if args.embed:
        if len(seen.output) != 3:
            sys.exit('--embed needs a backbone that returns a map, but this '
                     f'one returns {seen.output} for an image. Leave it out: '
                     'maps are mixed inside the backbone then.')
        return None
    if args.mix_at in seen.skipped:
        sys.exit(f'--mix-at {args.mix_at}: {seen.skipped[args.mix_at]}')
    if args.mix_at:
        return next(p for p in seen.places if p.name == args.mix_at)
    if seen.best is None:
        found = [f'{p.name}: alignment changes the embedding by {p.effect:.1e}'
                 for p in seen.places]
        found += [f'{name}: {why}' for name, why in seen.skipped.items()]
        sys.exit('\n  '.join([
            'Expected a block behind which alignment changes the embedding '
            'among the last ones, but got', *(found or ['none at all']),
            'Name another place with --mix-at, or add a layer that sees '
            'positions with --embed 512.']))
    return seen.best


def train_steps(path: Path) -> None:
    """Train one step in each mode, as the config says.

    Args:
        path (Path): The config.

    Raises:
        RuntimeError: If a loss or a gradient is not finite.
    """
    cfg = Config.fromfile(path)
    model = build(cfg, train_cfg=cfg.model.train_cfg)
    size, augment = image_size(cfg), methods_of(model.data_preprocessor)[0]
    model.train()
    for name in AlignMix().modes:
        augment.modes, augment.probs = (name, ), [1.]
        data = dict(
            inputs=torch.randint(0, 256, (4, 3, size, size)).byte(),
            data_samples=[DataSample().set_gt_label(n % 2) for n in range(4)])
        losses = model(**model.data_preprocessor(data, True), mode='loss')
        loss, _ = model.parse_losses(losses)
        gradients = torch.autograd.grad(
            loss, list(model.backbone.parameters()), allow_unused=True)
        finite = [bool(gradient.isfinite().all()) for gradient in gradients
                  if gradient is not None]
        if not (torch.isfinite(loss) and finite and all(finite)):
            raise RuntimeError(
                f'Expected a finite loss and finite gradients in mode {name}, '
                f'but the loss is {float(loss):g}, and {finite.count(False)} '
                f'of {len(finite)} gradients are not finite.')


def run(args: argparse.Namespace) -> None:
    """Look, write, and train a step.

    Args:
        args (Namespace): Parsed options.
    """
    MMLogger.get_current_instance().setLevel('ERROR')  # of weights, by line
    console = Console()
    with console.status('Looking at the classifier'):
        cfg = load(args.config)
        try:
            seen = probe(cfg, args.mix_at)
        except ValueError as error:
            sys.exit(str(error))
        place = choose(args, seen)
    before = args.out.read_text() if args.out.exists() else None
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(write(args.config, cfg, seen, place, args.embed,
                              args.out))
    try:
        with console.status('Training one step of each mode'):
            train_steps(args.out)
    except Exception:  # nothing is left behind that does not train
        if before is None:
            args.out.unlink()
        else:
            args.out.write_text(before)
        raise
    print(f'{args.out}: one step of each mode was trained.')
