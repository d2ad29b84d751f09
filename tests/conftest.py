import logging
import os
from pathlib import Path

import numpy as np
import pytest
import torch

if not torch.cuda.is_available():  # before anything imports Triton
    os.environ['TRITON_INTERPRET'] = '1'

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / 'shared' / 'data'


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)
    np.random.seed(0)


@pytest.fixture(scope='session')
def root():
    return ROOT


@pytest.fixture(scope='session')
def shared_data():
    if not SHARED.is_dir():
        pytest.skip('needs ../shared/data, which this checkout does not have')
    return SHARED


@pytest.fixture
def mm_log(caplog):
    """Records of MMEngine's logger, which does not propagate by itself."""
    from mmengine.logging import MMLogger
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    caplog.set_level(logging.INFO)
    yield caplog
    logger.removeHandler(caplog.handler)
