"""The configs, tools and model index that come with the package."""
import difflib
import functools
from pathlib import Path

PREFIX = 'alignmix_mm::'


def shipped() -> Path:
    """Folder with ``configs``, ``tools`` and ``model-index.yml``.

    Returns:
        Path: ``.mim`` in an installed package (MMPretrain's layout), the root
        of the repository in a checkout.

    Raises:
        FileNotFoundError: If neither is there.
    """
    package = Path(__file__).parent
    for folder in (package / '.mim', package.parent):
        if (folder / 'configs' / 'metafile.yml').is_file():
            return folder
    raise FileNotFoundError(
        f'Expected the configs of alignmix_mm in {package / ".mim"} or in '
        f'{package.parent / "configs"}, but there are none. Install the '
        'package again with `pip install --force-reinstall --no-deps '
        'alignmix_mm`.')


def config_path(name: str) -> str:
    """Path of a config that comes with the package.

    Args:
        name (str): Its path below ``configs``, for example
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
    names = [other.relative_to(configs).as_posix()
             for other in configs.rglob('*.py')]
    close = difflib.get_close_matches(name, names, n=3)
    raise FileNotFoundError(
        f'alignmix_mm has no config {name!r}. '
        + (f'Did you mean {" or ".join(close)}?' if close else
           f'All configs are in {configs}.'))


@functools.cache  # a reloaded package registers nothing twice
def register() -> None:
    """Make the configs known to MMPretrain's model hub and to ``_base_``."""
    _register_models()
    _resolve_prefix()


def _register_models() -> None:
    from mmpretrain.apis.model import ModelHub
    try:
        folder = shipped()
    except FileNotFoundError:  # everything but the names works without them
        return
    ModelHub.register_model_index(
        folder / 'model-index.yml', config_prefix=folder)


def _resolve_prefix() -> None:
    """Let configs inherit ``alignmix_mm::NAME``.

    MMEngine's own table of packages, MODULE2PACKAGE, would not do: it refuses
    names without a folder and marks what is inherited with a `_scope_`, whose
    registries we do not have: our classes are in those of MMPretrain.
    """
    from mmengine.config import Config
    resolve = Config._get_cfg_path

    def _get_cfg_path(cfg_path: str, filename: str) -> tuple[str, str | None]:
        if cfg_path.startswith(PREFIX):
            return config_path(cfg_path.removeprefix(PREFIX)), None
        return resolve(cfg_path, filename)

    Config._get_cfg_path = staticmethod(_get_cfg_path)
