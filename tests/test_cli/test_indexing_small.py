"""Cells of the index that the study fills."""
import json

from alignmix_mm.cli.indexing.small import measured_small


def test_mean_and_standard_error_by_config(tmp_path):
    path = tmp_path / 'study.json'
    path.write_text(json.dumps(dict(
        cifar100=[dict(method=method, figures=figures)
                  for method, figures in (
                      ('mixup', dict(accuracy=20.)), ('baseline', {}),
                      ('mixup', dict(accuracy=23.)),
                      ('cutout', dict(accuracy=1.)),
                      ('alignmix_ae', dict(accuracy=7.123)))],
        neck=[dict(method='mixup', figures=dict(accuracy=99.))])))
    link = '[measured, small](../docs/study.md)'
    assert measured_small(path) == {
        'input_r18_cifar100': f'{link}: accuracy 21.50 ± 1.50 (2 runs)',
        'alignmix_r18_cifar100_ae': f'{link}: accuracy 7.12 (1 run)'}


def test_without_a_study(tmp_path):
    assert measured_small(tmp_path / 'study.json') == {}
