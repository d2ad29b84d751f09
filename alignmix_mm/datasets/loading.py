"""Loading images of which some may be broken."""
import logging

from mmcv.transforms import LoadImageFromFile
from mmengine.logging import print_log
from mmpretrain.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadCheckedImage(LoadImageFromFile):
    """``LoadImageFromFile`` that names a file which is no image.

    The original tells the name of some, and of others only that OpenCV
    failed.

    Args:
        *args: Arguments of ``LoadImageFromFile``.
        skip_bad (bool): Whether the data set is to take another image, drawn
            at random, for one that cannot be read. That is for training; in
            a test an image cannot be left out. Defaults to False.
        **kwargs: Arguments of ``LoadImageFromFile``.
    """

    def __init__(self, *args, skip_bad: bool = False, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.skip_bad = skip_bad

    def transform(self, results: dict) -> dict | None:
        """Load an image.

        Args:
            results (dict): With ``img_path``.

        Returns:
            dict, optional: With ``img``; None if it is to be skipped.

        Raises:
            OSError: If it cannot be read.
        """
        try:
            return super().transform(results)
        except Exception as error:  # of the file system, or of a decoder
            text = (f'{results["img_path"]} cannot be read as an image '
                    f'({type(error).__name__}: {str(error).strip()[:120]}).')
            if not self.skip_bad:
                raise OSError(
                    f'{text} Replace the file, or train without it: '
                    "dict(type='alignmix_mm.LoadCheckedImage', "
                    'skip_bad=True).') from error
        print_log(f'{text} Another one takes its place.', logger='current',
                  level=logging.WARNING)
        return None
