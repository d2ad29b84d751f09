"""`alignmix COMMAND`: find the command and pass its arguments on."""
import difflib
import importlib
import sys
from collections.abc import Iterable, Sequence

from ..version import __version__

#: command: (module, what it does)
COMMANDS = {
    'train': (
        'cli.train', 'train a model, from a config or on a folder of photos'),
    'test': ('cli.test', 'evaluate a checkpoint: accuracy, calibration, '
             'attacks, OOD, boxes'),
    'predict': ('cli.predict', 'predict the classes of images'),
    'export': ('cli.export', 'write a trained network as ONNX'),
    'publish': ('cli.publish', 'write the weights of a checkpoint, to share'),
    'compare': ('cli.compare', 'compare methods on your data, in one table'),
    'add': ('cli.add', 'write a config that adds AlignMix to yours'),
    'report': ('cli.report', 'compare runs in one HTML page'),
    'visualize alignment': (
        'cli.visualize_alignment', 'draw which position matches which'),
    'visualize interpolation': (
        'cli.visualize_interpolation', 'decode mixtures of two images'),
    'visualize localization': (
        'cli.visualize_localization', 'draw heat maps and boxes'),
    'visualize reliability': (
        'cli.visualize_reliability', 'draw a reliability diagram of runs'),
    'localize': ('cli.localize', 'evaluate saved score maps against boxes'),
    'style-distances': (
        'cli.style_distances', 'compute how much the styles of classes '
        'differ, for StyleCutMix'),
    'demo': ('cli.demo', 'train and test on real digits, with pictures'),
    'doctor': ('doctor', 'find problems with this environment'),
    'env': ('collect_env', 'print the environment, for a bug report'),
}


def main(argv: Sequence[str] | None = None) -> int | None:
    """Run a command.

    Args:
        argv (Sequence[str], optional): Command and its arguments. Defaults
            to None, which takes the command line.

    Returns:
        int, optional: Exit status; None means 0.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    for count in (2, 1):
        name = ' '.join(words[:count])
        if name in COMMANDS:
            module = importlib.import_module(
                f'alignmix_mm.{COMMANDS[name][0]}')
            return module.main(words[count:])
    if words == ['--version']:
        print(f'alignmix_mm {__version__}')
        return 0
    words = [word for word in words if word not in ('-h', '--help', 'help')]
    shown = [name for name in COMMANDS
             if not words or [name.split()[0]] == words]
    if shown:
        print(overview(shown))
        return 0
    given = ' '.join(words[:2])
    close = difflib.get_close_matches(given, COMMANDS, 1, .5)
    hint = f' Did you mean {close[0]!r}?' if close else ''
    print(f'alignmix has no command {given!r}.{hint} `alignmix --help` lists '
          'all commands.', file=sys.stderr)
    return 2


def overview(names: Iterable[str]) -> str:
    """List commands, one per line.

    Args:
        names (Iterable[str]): Keys of ``COMMANDS``.

    Returns:
        str: Text for the terminal.
    """
    names = list(names)
    width = max(map(len, names)) + 2
    lines = [f'  {name:<{width}}{COMMANDS[name][1]}' for name in names]
    return '\n'.join([
        'usage: alignmix COMMAND [options]', '', 'commands:', *lines, '',
        '`alignmix COMMAND --help` shows the options of a command.'])


if __name__ == '__main__':
    sys.exit(main())
