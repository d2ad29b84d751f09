"""Write a config that inherits from another one."""
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
    """Write the text of the config.

    Args:
        base (str): The base config, a path or ``mmpretrain::...``.
        cfg (Config): The base config, loaded.
        delta (Mapping): Settings to merge into it.
        comments (Mapping[str, str]): Comments to put before settings, by
            their dotted keys.
        out (Path): Where the new config will be written.

    Returns:
        str: The text.

    Raises:
        ValueError: If the new config cannot import a pure-Python base.
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
    """Inherit from a pure-Python config, by an import."""
    *up, module = Path(_relative(base, out)).with_suffix('').parts
    dots = '.' * (up.count('..') + 1)
    parts = [part for part in up if part != '..'] + [module]
    if not all(part.isidentifier() and not keyword.iskeyword(part)
               for part in parts):
        raise ValueError(
            f'A pure-Python config imports the config that it inherits from, '
            f'but Python cannot import the name {"/".join(parts)}. Put --out '
            'next to it, or rename it.')
    return ['from mmengine.config import read_base', '', 'with read_base():',
            f'    from {dots}{".".join(parts)} import *']


def _relative(base: str, out: Path) -> str:
    return os.path.relpath(Path(base).resolve(), out.resolve().parent)


def _dict(start: str, value: Any, end: str, indent: int, key: str,
          comments: Mapping[str, str]) -> list[str]:
    """A setting, on one line if it fits and has no comments inside."""
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
