# Tables 3 and 6: out-of-distribution detection by the network of
# alignmix_r18_cifar100.py, all sets in one run of tools/test.py. To test a
# different network, add these lines to its config.
_base_ = ['./alignmix_r18_cifar100.py', './_base_/datasets/ood_32px.py']
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='OODTestSets',
        known=_base_.test_dataloader.dataset,
        unknown=_base_.ood_sets))
test_evaluator = dict(_delete_=True, type='OODDetection')
