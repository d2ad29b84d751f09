"""Pictures as text, so that the report is one file."""
import base64
from pathlib import Path
from typing import NamedTuple

MAX_BYTES = 8_000_000
# how files of a type begin; what an SVG begins with differs
SIGNATURES = {b'\x89PNG\r\n': 'image/png', b'\xff\xd8\xff': 'image/jpeg',
              b'RIFF': 'image/webp', b'GIF8': 'image/gif',
              b'<svg': 'image/svg+xml', b'<?xml': 'image/svg+xml'}
# what the tools of this repository draw, by how the names of files begin
SUBJECTS = {
    'localization': 'Localization: class activation maps, boxes found and '
                    'true ones',
    'matches': 'Alignment: where positions of an image find their matches '
               'in another one',
    'alignment': 'Alignment: where positions of an image find their matches '
                 'in another one',
    'interpolation': 'Interpolation: decoded mixtures of two images, without '
                     'and with alignment',
    'mixed_batch': 'Mixed images of a batch, with their partners',
    'transport': 'Transport of points in the plane: cost, assignment and '
                 'mixtures',
}


class Picture(NamedTuple):
    """A picture of the report.

    Attributes:
        title (str): What it shows, as far as its name says so.
        origin (str): Run and file.
        uri (str): All of it, as a data URI.
    """

    title: str
    origin: str
    uri: str


def embed(file: Path, origin: str) -> Picture:
    """Read a picture.

    Args:
        file (Path): The file.
        origin (str): Run and file, to be shown.

    Returns:
        Picture: The picture.

    Raises:
        ValueError: If the file is not there, is no picture, or is too large.
    """
    if not file.is_file():
        raise ValueError(f'There is no picture {file}.')
    if file.stat().st_size > MAX_BYTES:
        raise ValueError(f'{file.name} is larger than {MAX_BYTES:,} bytes, '
                         'which are to be in the page: scale it down.')
    content = file.read_bytes()
    kind = next((kind for start, kind in SIGNATURES.items()
                 if content.lstrip()[:16].startswith(start)), None)
    if kind is None:
        raise ValueError(f'{file.name} is no picture (PNG, JPEG, WebP, GIF '
                         'or SVG).')
    title = next((text for start, text in SUBJECTS.items()
                  if file.stem.startswith(start)), 'Picture')
    text = base64.b64encode(content).decode()
    return Picture(title, origin, f'data:{kind};base64,{text}')
