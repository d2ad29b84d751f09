"""The layout of tiny-imagenet-200."""
import pickle

import numpy as np
import pytest
from mmpretrain.registry import DATASETS
from PIL import Image

PIPELINE = [dict(type='LoadImageFromFile'), dict(type='PackInputs')]
WNIDS = ['n03', 'n01', 'n02']  # wnids.txt is not sorted


@pytest.fixture
def folder(tmp_path):
    (tmp_path / 'wnids.txt').write_text('\n'.join(WNIDS) + '\n')
    for value, wnid in enumerate(WNIDS):
        path = tmp_path / 'train' / wnid / 'images'
        path.mkdir(parents=True)
        (path.parent / f'{wnid}_boxes.txt').write_text('')
        for n in range(2):
            save(path / f'{wnid}_{n}.JPEG', 40 * value + n)
    (tmp_path / 'val' / 'images').mkdir(parents=True)
    lines = []
    for n, wnid in enumerate(['n02', 'n03', 'n02']):
        save(tmp_path / 'val' / 'images' / f'val_{n}.JPEG', 200 + n)
        lines.append(f'val_{n}.JPEG\t{wnid}\t0\t32\t44\t62')
    (tmp_path / 'val' / 'val_annotations.txt').write_text('\n'.join(lines))
    return tmp_path


def save(path, value):
    Image.fromarray(np.full((64, 64, 3), value, np.uint8)).save(path)


def build(folder, **options):
    return DATASETS.build(dict(
        type='TinyImageNet', data_root=str(folder), pipeline=PIPELINE,
        **options))


def contents(dataset):
    """Label and brightness of every image."""
    return [(int(dataset[n]['data_samples'].gt_label),
             round(float(dataset[n]['inputs'].float().mean())))
            for n in range(len(dataset))]


def test_labels_are_places_in_the_sorted_classes(folder):
    train = build(folder)
    assert train.metainfo['classes'] == ['n01', 'n02', 'n03']
    assert contents(train) == [(0, 40), (0, 41), (1, 80), (1, 81), (2, 0),
                               (2, 1)]
    val = build(folder, split='val')
    assert contents(val) == [(1, 200), (2, 201), (1, 202)]
    assert val[0]['inputs'].shape == (3, 64, 64)
    assert contents(pickle.loads(pickle.dumps(val))) == contents(val)


def test_what_is_wrong_is_named(folder):
    with pytest.raises(ValueError, match="'train' or 'val'"):
        build(folder, split='test')
    path = folder / 'val' / 'val_annotations.txt'
    path.write_text('val_0.JPEG\tn02\t0\t0\t1\t1\nval_1.JPEG\tn09\t0\t0\t1\t1')
    with pytest.raises(ValueError, match='line 2, .*no class n09'):
        build(folder, split='val')
    path.unlink()
    with pytest.raises(FileNotFoundError, match='val_annotations.txt'):
        build(folder, split='val')
    for image in (folder / 'train' / 'n02' / 'images').iterdir():
        image.unlink()
    with pytest.raises(FileNotFoundError, match='n02'):
        build(folder)
    (folder / 'wnids.txt').unlink()
    with pytest.raises(FileNotFoundError, match='tiny-imagenet-200'):
        build(folder)
