"""Turn the options of `alignmix train --data` into a config file."""
import argparse
import sys
from pathlib import Path

from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope

from ...engine.compat import trust_checkpoints
from .early import fit_places
from .methods import NONE, find_method
from .networks import find_network, try_network
from .photos import find_photos
from .recipe import model_of, require_plain, write_config
from .weights import find_weights

FILE = 'config.py'


def prepare(args: argparse.Namespace) -> Path:
    """Write the config that the options describe to the run's folder.

    Args:
        args (Namespace): Parsed options.

    Returns:
        Path: The file. A mistake ends the process with one sentence.
    """
    init_default_scope('mmpretrain')
    MMLogger.get_current_instance().setLevel('ERROR')  # this is only a trial
    if args.trust_checkpoint:
        trust_checkpoints()
    photos = find_photos(args.data, args.val_share)
    if len(photos.splits['train']) < args.batch_size:
        sys.exit(f'--batch-size {args.batch_size} is more than the '
                 f'{len(photos.splits["train"])} training images. Use '
                 f'--batch-size {len(photos.splits["train"])} or less.')
    network = find_network(args.model, len(photos.classes), args.size)
    method = find_method(args.method, args.method_options, {
        key: network.preprocessor[key] for key in ('mean', 'std')
        if key in network.preprocessor})
    if method.train_cfg is not None and args.batch_size < 2:
        sys.exit(f'--batch-size {args.batch_size} leaves nothing to mix with. '
                 f'Use 2 or more, or --method {NONE[0]}.')
    plain = model_of(network, find_method(NONE[0]))
    method = fit_places(method, plain, network.preprocessor, args.size)
    wrong = try_network(model_of(network, method), network.preprocessor,
                        args.size, plain)
    if wrong:
        sys.exit(f'--model {args.model} with --method {args.method} cannot '
                 f'be trained on images of --size {args.size}: {wrong}')
    weights = args.pretrained and find_weights(args.pretrained, network)
    text = write_config(
        photos, network, method, weights and weights.source,
        epochs=args.epochs, batch_size=args.batch_size, size=args.size,
        lr=args.lr, workers=args.workers, seed=args.seed)
    for note in photos.notes:
        print(note)
    folder = Path(args.work_dir or _folder(args))
    require_plain(folder)
    path = _keep(folder / FILE, text)
    if weights:
        weights.write(path.parent)
    return path


def _folder(args: argparse.Namespace) -> Path:
    parts = (args.data.resolve().name, args.model, args.method)
    return Path('work_dirs') / '_'.join(parts).replace('/', '-').replace(
        "'", '')


def _keep(path: Path, text: str) -> Path:
    """Write a file, unless it exists with other content."""
    if path.exists() and path.read_text() != text:
        sys.exit(f'{path} already exists, with other settings. Choose a '
                 f'different --work-dir, or use it: alignmix train {path}')
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    print(f'config    {path}')
    return path
