"""Files that are no images: named, or left out by choice."""
import cv2
import numpy as np
import pytest
from mmpretrain.datasets import CustomDataset
from mmpretrain.registry import TRANSFORMS

BROKEN = dict(empty=b'', text=b'no image at all',
              cut=b'\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR')


@pytest.fixture(params=BROKEN)
def folder(request, tmp_path):
    for name in ('one', 'two'):
        (tmp_path / name).mkdir()
        for n in range(3):
            cv2.imwrite(str(tmp_path / name / f'{n}.png'),
                        np.full((4, 5, 3), n, np.uint8))
    (tmp_path / 'one' / 'bad.png').write_bytes(BROKEN[request.param])
    return tmp_path


def dataset(folder, **options):
    return CustomDataset(data_root=str(folder), pipeline=[
        dict(type='LoadCheckedImage', **options), dict(type='PackInputs')])


def index_of(data, name):
    return next(n for n in range(len(data))
                if data.get_data_info(n)['img_path'].endswith(name))


def test_the_file_is_named(folder):
    data = dataset(folder)
    bad = index_of(data, 'bad.png')
    with pytest.raises(OSError, match='one/bad.png cannot be read'
                       '.*skip_bad=True'):
        data[bad]
    good = data[index_of(data, 'two/2.png')]
    assert good['inputs'].shape == (3, 4, 5) and good['inputs'].max() == 2


def test_another_one_takes_its_place(folder, mm_log):
    data = dataset(folder, skip_bad=True)
    taken = {data[index_of(data, 'bad.png')]['data_samples'].img_path
             for _ in range(40)}
    assert 3 < len(taken) <= 6
    assert not any(path.endswith('bad.png') for path in taken)
    assert 'one/bad.png cannot be read' in mm_log.text


def test_a_file_that_is_gone_is_named():
    load = TRANSFORMS.build(dict(type='LoadCheckedImage'))
    with pytest.raises(OSError, match='nowhere.png.*FileNotFoundError'):
        load(dict(img_path='nowhere.png'))
