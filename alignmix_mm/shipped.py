"""Find the configs, tools and model index that come with the package."""
import difflib
from pathlib import Path

PREFIX = 'alignmix_mm::'


def shipped() -> Path:
    """Find the folder with ``configs``, ``tools`` and ``model-index.yml``.

    Returns:
        Path: ``.mim`` in an installed package (MMPretrain's layout), or the
        root of the repository in a checkout.

    Raises:
        FileNotFoundError: If neither exists.
    """
    package = Path(__file__).parent
    for folder in (package / '.mim', package.parent):
        if (folder / 'configs' / 'metafile.yml').is_file():
            return folder
    raise FileNotFoundError(
        f'Expected the configs of alignmix_mm in {package / ".mim"} or in '
        f'{package.parent / "configs"}, but found none. Install the '
        'package again with `pip install --force-reinstall --no-deps '
        'alignmix_mm`.')


def config_path(name: str) -> str:
    """Find a config that comes with the package.

    Args:
        name (str): Path of the config below ``configs``, for example
            ``'alignmix_r18_cifar10.py'`` or ``'demo/alignmix_digits.py'``.

    Returns:
        str: Path of the file.

    Raises:
        FileNotFoundError: If there is no such config.
    """
    configs = shipped() / 'configs'
    path = configs / name
    if path.is_file():
        return str(path)
    names = sorted(other.relative_to(configs).as_posix()
                   for other in configs.rglob('*.py'))
    close = difflib.get_close_matches(name, names, n=3)
    raise FileNotFoundError(
        f'alignmix_mm has no config {name!r}. '
        + (f'Did you mean {" or ".join(close)}?' if close else
           f'All configs are in {configs}.'))
