"""Labels follow names; parts of a class are always the same images."""
import pytest
from mmpretrain.registry import DATASETS

from alignmix_mm import ClassFolders
from alignmix_mm.datasets.class_folders import listed, part_of


def make(root, **counts):
    for name, count in counts.items():
        (root / name).mkdir(parents=True)
        for n in range(count):
            (root / name / f'{n:02}.jpg').touch()
    return root


def labels_of(dataset):
    return {path.split('/')[-2]: label for path, label in zip(
        (dataset.get_data_info(n)['img_path'] for n in range(len(dataset))),
        dataset.get_gt_labels())}


def test_labels_are_places_in_classes(tmp_path):
    """CustomDataset would give the labels 0 and 1."""
    root = make(tmp_path, ant=1, cat=2)
    dataset = ClassFolders(str(root), classes=['dog', 'cat', 'bee', 'ant'])
    assert labels_of(dataset) == {'ant': 3, 'cat': 1}
    assert list(dataset.metainfo['classes']) == ['dog', 'cat', 'bee', 'ant']
    plain = DATASETS.build(dict(
        type='CustomDataset', data_root=str(root)))
    assert labels_of(plain) == {'ant': 0, 'cat': 1}


def test_without_classes_they_are_the_folders(tmp_path):
    dataset = ClassFolders(str(make(tmp_path, b=1, a=3)))
    assert dataset.metainfo['classes'] == ('a', 'b')
    assert labels_of(dataset) == {'a': 0, 'b': 1}


def test_what_is_an_image(tmp_path):
    root = make(tmp_path, a=1, b=1)
    (root / 'a' / 'deep').mkdir()
    for name in ('x.JPG', 'y.webp', 'z.tiff', 'notes.txt', '.hidden.jpg',
                 'deep/v.png'):
        (root / 'a' / name).touch()
    (root / '.ipynb_checkpoints').mkdir()
    (root / 'a' / 'album.jpg').mkdir()
    (root / 'empty').mkdir()  # no class of its own if classes are named
    dataset = ClassFolders(str(root), classes=['a', 'b'])
    assert len(dataset) == 1 + 1 + 4


@pytest.mark.parametrize('options, message', [
    (dict(classes=['a', 'c']), 'classes a, c in .* found b too'),
    (dict(part=(.5, .5)), '0 <= from < to <= 1'),
    (dict(data_prefix='none'), 'one folder for each class')])
def test_mistakes_are_named(tmp_path, options, message):
    make(tmp_path, a=1, b=1)
    (tmp_path / 'none' / 'a').mkdir(parents=True)
    if 'classes' not in options:
        options['classes'] = ['a', 'b', 'none']
    with pytest.raises(ValueError, match=message):
        ClassFolders(str(tmp_path), **options)


@pytest.mark.parametrize('count, share, expected', [
    (10, .2, 2), (7, .3, 2), (2, .01, 1), (2, .99, 1), (1, .2, 0),
    (101, .5, 50)])
def test_two_parts_make_a_whole(count, share, expected):
    paths = [f'c/{n}.jpg' for n in range(count)]
    first, second = part_of(paths, (0., share)), part_of(paths, (share, 1.))
    assert len(first) == expected
    assert sorted([*first, *second]) == sorted(paths)
    # whatever the order in which the file system lists them
    assert part_of(paths[::-1], (0., share)) == first


def test_parts_are_drawn_by_name_and_not_the_first():
    paths = [f'c/{n:03}.jpg' for n in range(40)]
    part = part_of(paths, (0., .25))
    assert len(part) == 10 and part != paths[:10] and part != paths[-10:]
    assert part == sorted(part)


def test_parts_of_classes_are_stratified(tmp_path):
    root = str(make(tmp_path, a=10, b=5, c=3))
    counts = [[list(ClassFolders(root, part=part).get_gt_labels()).count(n)
               for n in range(3)] for part in ((0., .4), (.4, 1.))]
    assert counts == [[4, 2, 1], [6, 3, 2]]


def test_long_lists_are_cut():
    assert listed(['a', 'b', 'c'], 2) == 'a, b and 1 more'
    assert listed('ab') == 'a, b'
