"""Errors in one or two lines."""
import pytest

from alignmix_mm.cli.errors import brief_errors
from alignmix_mm.engine.weights import state_dict_of


def raised(error, **options):
    with pytest.raises(SystemExit) as caught, brief_errors(**options):
        raise error
    return caught.value.code


@pytest.mark.parametrize('error, shown', [
    (ValueError('what'), 'ValueError: what (--debug shows where)'),
    (KeyError('a b'), 'KeyError: a b (--debug shows where)'),
    (RuntimeError('a\n\n  b\nc\nd'), 'RuntimeError: a\nb (--debug shows'),
    (PermissionError(13, 'Permission denied', 'x.pth'),
     'x.pth: Permission denied.'),
    (AssertionError(), 'AssertionError:  (--debug shows where)')])
def test_an_error_is_a_line(error, shown):
    text = raised(error)
    assert text.startswith(shown) and text.count('\n') <= 1


def test_long_ones_are_cut():
    assert len(raised(RuntimeError('word ' * 1000))) < 700


def test_our_own_messages_are_as_they_are():
    with pytest.raises(SystemExit) as caught, brief_errors():
        state_dict_of({}, 'x.pth')
    assert str(caught.value.code).startswith('x.pth has no weights')
    assert '--debug' not in str(caught.value.code)


def test_debug_lets_them_through():
    with pytest.raises(ZeroDivisionError), brief_errors(debug=True):
        1 / 0  # noqa: B018


def test_what_exits_by_itself_does_so():
    with pytest.raises(SystemExit, match='text'), brief_errors():
        raise SystemExit('text')
