"""Choose where a download is kept."""
import hashlib
import re
from pathlib import Path
from urllib.parse import unquote, urlparse

# resnet18-5c106cde.pth: the beginning of the SHA-256 of the file
_DIGEST = re.compile(r'-([0-9a-f]{8,64})\.\w+$')


def cached_file(url: str, folder: Path) -> Path:
    """Choose the file in which a download is kept.

    Its name contains a digest of the URL, because files from different places
    often share a name (``epoch_100.pth``). A file that torch or MMEngine
    stored under the plain name is used if that name contains the digest of
    the file and the digest is right.

    Args:
        url (str): URL of the file.
        folder (Path): Folder of downloads.

    Returns:
        Path: The file; it may not exist yet.
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
