"""Where a download is kept."""
import hashlib
import re
from pathlib import Path
from urllib.parse import unquote, urlparse

# resnet18-5c106cde.pth: the beginning of the SHA-256 of the file
_DIGEST = re.compile(r'-([0-9a-f]{8,64})\.\w+$')


def cached_file(url: str, folder: Path) -> Path:
    """The file in which a download is kept.

    Its name has a digest of the URL, as runs and models of different places
    often share a name (``epoch_100.pth``). A file that torch or MMEngine has
    kept under the name alone is taken if the name has the digest of the file,
    and the file agrees.

    Args:
        url (str): Where the file is from.
        folder (Path): Folder of downloads.

    Returns:
        Path: The file, which may not be there yet.
    """
    name = Path(unquote(urlparse(url).path)).name
    digest = _DIGEST.search(name)
    if digest and _has_digest(folder / name, digest[1]):
        return folder / name
    return folder / f'{hashlib.sha256(url.encode()).hexdigest()[:12]}_{name}'


def _has_digest(path: Path, expected: str) -> bool:
    if not path.is_file():
        return False
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest().startswith(expected)
