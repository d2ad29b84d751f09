# Data sets of Tables 3 and 6 for networks of 32x32 images: the archives that
# ODIN (Liang et al., 2018) published, unpacked into data/, and noise. The
# networks were trained on RGB images from CIFAR's archives, so files are
# converted from BGR.
_odin = 'linked in the README of github.com/facebookresearch/odin'
_file_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='NumpyToPIL', to_rgb=True),
    dict(type='PILToNumpy'),
    dict(type='CenterCrop', crop_size=32),
    dict(type='PackInputs'),
]
_folder = dict(
    type='CustomDataset', with_label=False, pipeline=_file_pipeline)
ood_root = '{{$ALIGNMIX_OOD:data}}'
ood_sets = {
    'LSUN_crop': dict(
        data_root=ood_root + '/LSUN', data_prefix='test',
        source=f'LSUN.tar.gz, {_odin}', expected_size=10000, **_folder),
    'LSUN_resize': dict(
        data_root=ood_root + '/LSUN_resize', data_prefix='LSUN_resize',
        source=f'LSUN_resize.tar.gz, {_odin}', expected_size=10000,
        **_folder),
    'iSUN': dict(
        data_root=ood_root + '/iSUN', data_prefix='iSUN_patches',
        source=f'iSUN.tar.gz, {_odin}', expected_size=8925, **_folder),
    'TI_crop': dict(
        data_root=ood_root + '/Imagenet', data_prefix='test',
        source=f'Imagenet.tar.gz, {_odin}', expected_size=10000, **_folder),
    'TI_resize': dict(
        data_root=ood_root + '/Imagenet_resize',
        data_prefix='Imagenet_resize',
        source=f'Imagenet_resize.tar.gz, {_odin}', expected_size=10000,
        **_folder),
    'uniform': dict(
        type='NoiseImages', distribution='uniform',
        pipeline=[dict(type='PackInputs')]),
    'gaussian': dict(
        type='NoiseImages', distribution='gaussian',
        pipeline=[dict(type='PackInputs')]),
}
