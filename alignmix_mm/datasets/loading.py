"""Loading images when some may be broken."""
import logging

from mmcv.transforms import LoadImageFromFile
from mmengine.logging import print_log
from mmpretrain.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadCheckedImage(LoadImageFromFile):
    """``LoadImageFromFile`` whose error names a file that is not an image.

    The error of the original names only some of these files; for others it
    says only that OpenCV failed.

    Args:
        *args: Arguments of ``LoadImageFromFile``.
        skip_bad (bool): Whether the data set replaces an unreadable image by
            another one, drawn at random. This is for training; a test must
            not leave out images. Defaults to False.
        **kwargs: Arguments of ``LoadImageFromFile``.
    """

    def __init__(self, *args, skip_bad: bool = False, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.skip_bad = skip_bad

    def transform(self, results: dict) -> dict | None:
        """Load an image.

        Args:
            results (dict): A sample with ``img_path``.

        Returns:
            dict, optional: The sample with ``img``, ``(H, W, C)``; None if it
            has to be skipped.

        Raises:
            OSError: If the image cannot be read, and ``skip_bad`` is False.
        """
        try:
            return super().transform(results)
        except Exception as error:  # from the file system or a decoder
            text = (f'{results["img_path"]} cannot be read as an image '
                    f'({type(error).__name__}: {str(error).strip()[:120]}).')
            if not self.skip_bad:
                raise OSError(
                    f'{text} Replace or remove the file. Training images can '
                    "be skipped: dict(type='alignmix_mm.LoadCheckedImage', "
                    'skip_bad=True) in the pipeline.') from error
        print_log(f'{text} It is replaced by another one.', logger='current',
                  level=logging.WARNING)
        return None
