"""The text of a config that inherits another one."""
import keyword
import os
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from .method import into

_WIDTH = 79


def write(base: str, cfg: Config, delta: Mapping[str, Any],
          comments: Mapping[str, str], out: Path) -> str:
    """Write the config.

    Args:
        base (str): The config that is inherited, a path or
            ``mmpretrain::...``.
        cfg (Config): The same, loaded.
        delta (Mapping): What is merged into it.
        comments (Mapping[str, str]): Texts before settings, by their dotted
            keys.
        out (Path): Where it will be.

    Returns:
        str: The text.

    Raises:
        ValueError: If a pure-Python config cannot be imported from there.
    """
    pure = '::' not in base and Config._is_lazy_import(base)
    lines = [f'# AlignMix on {Path(base).stem}, by `alignmix add`.',
             *(_import(base, out) if pure else _inherit(base, cfg, out))]
    for key, value in delta.items():
        if key == 'model':
            lines.append('')
        merges = pure and isinstance(cfg.get(key), dict)
        start, end = (f'{key}.merge(', ')') if merges else (f'{key} = ', '')
        lines += _comment(comments.get(key, ''), 0)
        lines += _dict(start, value, end, 0, key, comments)
    return '\n'.join(lines) + '\n'


def _inherit(base: str, cfg: Config, out: Path) -> list[str]:
    name = base if '::' in base else _relative(base, out)
    imports = [*((cfg.get('custom_imports') or {}).get('imports') or [])]
    imports += ['alignmix_mm'] if 'alignmix_mm' not in imports else []
    value = into(cfg, 'custom_imports', dict(
        imports=imports, allow_failed_imports=False))
    return [f'_base_ = [{name!r}]',
            *_dict('custom_imports = ', value, '', 0, 'custom_imports', {})]


def _import(base: str, out: Path) -> list[str]:
    """Inherit a pure-Python config, which only another one can."""
    *up, module = Path(_relative(base, out)).with_suffix('').parts
    dots = '.' * (up.count('..') + 1)
    parts = [part for part in up if part != '..'] + [module]
    if not all(part.isidentifier() and not keyword.iskeyword(part)
               for part in parts):
        raise ValueError(
            f'A pure-Python config imports the one that it inherits, but '
            f'{"/".join(parts)} has a name that Python cannot import. Write '
            '--out beside it, or rename it.')
    return ['from mmengine.config import read_base', '', 'with read_base():',
            f'    from {dots}{".".join(parts)} import *']


def _relative(base: str, out: Path) -> str:
    return os.path.relpath(Path(base).resolve(), out.resolve().parent)


def _dict(start: str, value: Any, end: str, indent: int, key: str,
          comments: Mapping[str, str]) -> list[str]:
    """A setting, in one line if it fits and nothing in it is explained."""
    space = ' ' * indent
    line = f'{space}{start}{_inline(value)}{end}'
    explained = any(name.startswith(f'{key}.') for name in comments)
    if not isinstance(value, Mapping) or (
            len(line) <= _WIDTH and not explained):
        return [line]
    lines = [f'{space}{start}dict(']
    for name, part in value.items():
        inner = f'{key}.{name}'
        lines += _comment(comments.get(inner, ''), indent + 4)
        lines += _dict(f'{name}=', part, ',', indent + 4, inner, comments)
    return [*lines, f'{space}){end}']


def _inline(value: Any) -> str:
    if isinstance(value, Mapping):
        return 'dict({})'.format(', '.join(
            f'{name}={_inline(part)}' for name, part in value.items()))
    if isinstance(value, list):
        return f'[{", ".join(map(_inline, value))}]'
    return repr(value)


def _comment(text: str, indent: int) -> list[str]:
    start = ' ' * indent + '# '
    return textwrap.wrap(text, _WIDTH, initial_indent=start,
                         subsequent_indent=start)
