"""Embed pictures as text, so that the page needs no further files."""
import base64
from pathlib import Path
from typing import NamedTuple

MAX_BYTES = 8_000_000
# first bytes of each type of file; an SVG can begin in two ways
SIGNATURES = {b'\x89PNG\r\n': 'image/png', b'\xff\xd8\xff': 'image/jpeg',
              b'RIFF': 'image/webp', b'GIF8': 'image/gif',
              b'<svg': 'image/svg+xml', b'<?xml': 'image/svg+xml'}
# titles for the pictures of our commands, by the start of the file name
SUBJECTS = {
    'localization': 'Localization: class activation maps with predicted and '
                    'true boxes',
    'matches': 'Alignment: matching positions of two images',
    'alignment': 'Alignment: matching positions of two images',
    'interpolation': 'Interpolation: decoded mixtures of two images, without '
                     'and with alignment',
    'mixed_batch': 'Mixed images of a batch, with anchors and partners',
    'transport': 'Transport of points in the plane: cost, assignment and '
                 'mixtures',
}


class Picture(NamedTuple):
    """A picture of the report.

    Attributes:
        title (str): What it shows, derived from the file name.
        origin (str): Run and file.
        uri (str): The picture as a data URI.
    """

    title: str
    origin: str
    uri: str


def embed(file: Path, origin: str) -> Picture:
    """Read a picture.

    Args:
        file (Path): The file.
        origin (str): Run and file, as shown on the page.

    Returns:
        Picture: The picture.

    Raises:
        ValueError: If the file is missing, too large or not a picture.
    """
    if not file.is_file():
        raise ValueError(f'There is no picture {file}.')
    if file.stat().st_size > MAX_BYTES:
        raise ValueError(f'{file.name} is larger than {MAX_BYTES:,} bytes, '
                         'too large for a page. Scale it down.')
    content = file.read_bytes()
    kind = next((kind for start, kind in SIGNATURES.items()
                 if content.lstrip()[:16].startswith(start)), None)
    if kind is None:
        raise ValueError(f'{file.name} is not a picture: expected PNG, JPEG, '
                         'WebP, GIF or SVG.')
    title = next((text for start, text in SUBJECTS.items()
                  if file.stem.startswith(start)), 'Picture')
    text = base64.b64encode(content).decode()
    return Picture(title, origin, f'data:{kind};base64,{text}')
