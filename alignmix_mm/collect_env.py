"""Print the versions of all relevant packages, to paste into an issue.

::

    python -m alignmix_mm.collect_env
"""
from collections.abc import Sequence

from .cli.options import make_parser
from .environment import rows


def collect_env() -> dict[str, str]:
    """Collect the rows of MMEngine or torch, followed by our own.

    Returns:
        dict[str, str]: Value of each row, by its name.
    """
    return _known() | rows()


def _known() -> dict[str, str]:
    try:
        from mmengine.utils.dl_utils import collect_env as collect
        return {name: str(value) for name, value in collect().items()
                if name != 'PyTorch compiling details'}  # 20 lines
    except ImportError:
        pass
    try:
        from torch.utils.collect_env import get_pretty_env_info
        return {'torch.utils.collect_env': get_pretty_env_info()}
    except ImportError:
        return {}


def main(argv: Sequence[str] | None = None) -> None:
    """Print all rows.

    Args:
        argv (Sequence[str], optional): Arguments; there are no options.
            Defaults to None, which takes the command line.
    """
    make_parser('env', __doc__).parse_args(argv)
    print('\n'.join(f'{name}: {value}' for name, value in
                    collect_env().items()))


if __name__ == '__main__':
    main()
