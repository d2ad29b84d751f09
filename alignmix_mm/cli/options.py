"""Options shared by several commands."""
import argparse
import difflib
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from ..engine import compat
from .errors import brief_errors

#: The package that each choice of ``--vis`` needs.
VISUALIZERS = {'tensorboard': 'tensorboard', 'wandb': 'wandb',
               'mlflow': 'mlflow'}


class Parser(argparse.ArgumentParser):
    """A parser that describes an error in one line."""

    def error(self, message: str) -> NoReturn:
        """Print the message and end the process with status 2.

        Args:
            message (str): What is wrong, without a full stop.
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
        description (str): What it does; its line breaks are kept.

    Returns:
        ArgumentParser: The parser.
    """
    return Parser(
        f'alignmix {command}', description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter)


def parse_then_run(parse_args: Callable[[Sequence[str] | None],
                                        argparse.Namespace],
                   work: str
                   ) -> Callable[[Sequence[str] | None], int | None]:
    """Make a ``main()`` that parses options before heavy imports.

    Args:
        parse_args (Callable): Parses arguments; None means the command line.
        work (str): Module below ``alignmix_mm.cli`` whose ``run(args)`` does
            the work of the command.

    Returns:
        Callable: Takes arguments or None and returns an exit status. If the
        command has the option ``--debug``, errors show a traceback only with
        that option.
    """
    def main(argv: Sequence[str] | None = None) -> int | None:
        args = parse_args(argv)
        _refuse_config(args)
        compat.enable()
        with brief_errors(getattr(args, 'debug', True)):
            return importlib.import_module(f'{__package__}.{work}').run(args)

    return main


def _refuse_config(args: argparse.Namespace) -> None:
    """End the command if a config stands where the checkpoint should."""
    given = getattr(args, 'checkpoint', None)
    if given is not None and given.endswith('.py'):
        order = ('.' if getattr(args, 'config', None) is None else
                 ': the order is CONFIG CHECKPOINT.')
        sys.exit(f'Expected a checkpoint, but got the config {given}{order}')


class DictAction(argparse.Action):
    """MMEngine's ``DictAction``, imported only if the option is used."""

    def __call__(self, parser: argparse.ArgumentParser,
                 namespace: argparse.Namespace, values: str | Sequence[Any],
                 option_string: str | None = None) -> None:
        """Parse ``KEY=VALUE`` words into a dict."""
        from mmengine.config import DictAction as OfMMEngine
        words = [values] if isinstance(values, str) else values
        wrong = [word for word in words if '=' not in word]
        if wrong:
            parser.error(f'{option_string}: expected KEY=VALUE, got '
                         f'{wrong[0]!r}')
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
        'write lists as key="[a,b]" or key=a,b, without spaces')
    add_trust_option(parser)
    add_debug_option(parser)
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='how processes are started; default: none, a single process')
    # torchrun sets LOCAL_RANK; older launchers pass it as an option
    parser.add_argument(
        '--local_rank', '--local-rank', type=int, default=0,
        help=argparse.SUPPRESS)


def require_checkpoint(name: str) -> None:
    """End the command at once if the checkpoint does not exist.

    Args:
        name (str): Path or URL. Only the existence of a path is checked; the
            content is checked when it is loaded.
    """
    if '://' not in name and not os.path.lexists(name):
        sys.exit(f'There is no checkpoint {name}: expected a path or a URL.')


def add_trust_option(parser: argparse.ArgumentParser) -> None:
    """Add the option that lets a checkpoint execute code.

    Args:
        parser (ArgumentParser): The parser to extend.
    """
    parser.add_argument(
        '--trust-checkpoint',
        action='store_true',
        help='load checkpoints that hold more than tensors and plain data; '
        'loading them can execute code, so use this only for files you trust')


def add_weights_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of commands that use a trained network.

    Args:
        parser (ArgumentParser): The parser to extend.
    """
    add_trust_option(parser)
    add_partial_option(parser)
    add_debug_option(parser)


def add_partial_option(parser: argparse.ArgumentParser) -> None:
    """Add the option that accepts weights that fit only partly.

    Args:
        parser (ArgumentParser): The parser to extend.
    """
    parser.add_argument(
        '--allow-partial', action='store_true',
        help='load the weights that fit the network, and list those that stay '
        'random')


def add_debug_option(parser: argparse.ArgumentParser) -> None:
    """Add the option that shows where an error comes from.

    Args:
        parser (ArgumentParser): The parser to extend.
    """
    parser.add_argument(
        '--debug', action='store_true', help='show the traceback of errors')


def add_pair_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose pairs of test images to draw.

    Args:
        parser (ArgumentParser): The parser to extend.
    """
    parser.add_argument(
        '--pair', type=int, nargs=2, action='append', metavar='INDEX',
        help='indices of two test images; repeat the option for more pairs; '
        'default: random')
    parser.add_argument(
        '--num', type=int, default=3, help='number of random pairs; '
        'default: 3')
    parser.add_argument(
        '--seed', type=int, default=0, help='random seed; default: 0')


def choose_pairs(args: argparse.Namespace, size: int) -> list[list[int]]:
    """Choose the pairs that the options ask for.

    Args:
        args (Namespace): Parsed options.
        size (int): Number of test images.

    Returns:
        list[list[int]]: Two indices for each pair.
    """
    import numpy as np
    pairs = args.pair or np.random.default_rng(args.seed).choice(
        size, (args.num, 2), replace=False).tolist()
    largest = max(map(max, pairs))
    if largest >= size:
        sys.exit(f'--pair asks for image {largest}, but the indices of the '
                 f'{size} test images are 0 to {size - 1}.')
    return pairs
