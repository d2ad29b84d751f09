"""Options that commands share."""
import argparse
import difflib
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from ..engine import compat
from .errors import brief_errors

#: Package that a choice of ``--vis`` needs.
VISUALIZERS = {'tensorboard': 'tensorboard', 'wandb': 'wandb',
               'mlflow': 'mlflow'}


class Parser(argparse.ArgumentParser):
    """A parser that says in one line what is wrong."""

    def error(self, message: str) -> NoReturn:
        """End the process.

        Args:
            message (str): What is wrong.
        """
        unknown = [word for word in message.split() if word[:2] == '--'
                   and message.startswith('unrecognized arguments')]
        close = [option for word in unknown for option in
                 difflib.get_close_matches(word, self._option_string_actions)]
        hint = f' Did you mean {close[0]}?' if close else ''
        self.exit(2, f'{self.prog}: {message}.{hint} `{self.prog} --help` '
                  'lists all options.\n')


def make_parser(command: str, description: str) -> argparse.ArgumentParser:
    """Make the parser of a command.

    Args:
        command (str): Its words after `alignmix`.
        description (str): What it does; lines stay as they are.

    Returns:
        ArgumentParser: The parser.
    """
    return Parser(
        f'alignmix {command}', description=description,
        formatter_class=argparse.RawTextHelpFormatter)


def parse_then_run(parse_args: Callable[[Sequence[str] | None],
                                        argparse.Namespace],
                   work: str
                   ) -> Callable[[Sequence[str] | None], int | None]:
    """Make the ``main()`` of a command that parses before it imports.

    Args:
        parse_args (Callable): Parses arguments; None is the command line.
        work (str): Module below ``alignmix_mm.cli`` whose ``run(args)`` does
            what the command does.

    Returns:
        Callable: Takes arguments, or None, and returns an exit status. A
        command with the option ``--debug`` shows no traceback without it.
    """
    def main(argv: Sequence[str] | None = None) -> int | None:
        args = parse_args(argv)
        compat.enable()
        with brief_errors(getattr(args, 'debug', True)):
            return importlib.import_module(f'{__package__}.{work}').run(args)

    return main


class DictAction(argparse.Action):
    """MMEngine's action of this name, imported when the option is given."""

    def __call__(self, parser: argparse.ArgumentParser,
                 namespace: argparse.Namespace, values: str | Sequence[Any],
                 option_string: str | None = None) -> None:
        """Parse ``KEY=VALUE`` words into a dict."""
        from mmengine.config import DictAction as OfMMEngine
        OfMMEngine(self.option_strings, self.dest, self.nargs)(
            parser, namespace, values, option_string)


def add_common_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that training and testing share.

    Args:
        parser (ArgumentParser): The parser to extend.
    """
    parser.add_argument('--work-dir', help='folder for logs and results')
    parser.add_argument(
        '--amp', action='store_true', help='use automatic mixed precision')
    parser.add_argument(
        '--no-pin-memory',
        action='store_true',
        help='do not pin the memory of data loaders')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='override settings of the config, e.g. train_cfg.max_epochs=2; '
        'lists as key="[a,b]" or key=a,b, without white space')
    add_trust_option(parser)
    add_debug_option(parser)
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='job launcher')
    # torchrun sets LOCAL_RANK; older launchers pass it as an option
    parser.add_argument(
        '--local_rank', '--local-rank', type=int, default=0,
        help=argparse.SUPPRESS)


def require_checkpoint(name: str) -> None:
    """End the command at once if there is no file to load.

    Args:
        name (str): Path or URL. What it leads to is looked at when it is
            loaded.
    """
    if '://' not in name and not os.path.lexists(name):
        sys.exit(f'There is no checkpoint {name}.')


def add_trust_option(parser: argparse.ArgumentParser) -> None:
    """Add the option that lets a checkpoint execute code.

    Args:
        parser (ArgumentParser): The parser to extend.
    """
    parser.add_argument(
        '--trust-checkpoint',
        action='store_true',
        help='load checkpoints that hold more than tensors and plain data, '
        'which executes what they say: only files of people you trust')


def add_weights_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of commands that use a trained network.

    Args:
        parser (ArgumentParser): The parser to extend.
    """
    add_trust_option(parser)
    add_partial_option(parser)
    add_debug_option(parser)


def add_partial_option(parser: argparse.ArgumentParser) -> None:
    """Add the option that accepts weights of another network.

    Args:
        parser (ArgumentParser): The parser to extend.
    """
    parser.add_argument(
        '--allow-partial', action='store_true',
        help='use weights of which some do not fit the network, and list '
        'what stays at random')


def add_debug_option(parser: argparse.ArgumentParser) -> None:
    """Add the option that shows where an error is from.

    Args:
        parser (ArgumentParser): The parser to extend.
    """
    parser.add_argument(
        '--debug', action='store_true', help='show the traceback of errors')


def add_pair_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which pairs of test images are drawn.

    Args:
        parser (ArgumentParser): The parser to extend.
    """
    parser.add_argument(
        '--pair', type=int, nargs=2, action='append', metavar='INDEX',
        help='test images; default: random ones. Repeat for more pairs')
    parser.add_argument(
        '--num', type=int, default=3, help='number of random pairs')
    parser.add_argument('--seed', type=int, default=0, help='of all draws')


def choose_pairs(args: argparse.Namespace, size: int) -> list[list[int]]:
    """Indices of the pairs that the options ask for.

    Args:
        args (Namespace): Parsed options.
        size (int): Number of test images.

    Returns:
        list[list[int]]: Two indices each.
    """
    import numpy as np
    pairs = args.pair or np.random.default_rng(args.seed).choice(
        size, (args.num, 2), replace=False).tolist()
    largest = max(map(max, pairs))
    if largest >= size:
        sys.exit(f'There are {size} test images, but --pair asks for number '
                 f'{largest}.')
    return pairs
