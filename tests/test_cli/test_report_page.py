"""The report of runs, as a browser shows it."""
import json
import shutil
from pathlib import Path

import pytest
from commands import alignmix
from run_folders import PIXEL, epoch_lines, make_run

from alignmix_mm.evaluation.functional import bin_confidences

pytestmark = pytest.mark.browser
pytest.importorskip('jinja2')
pytest.importorskip('plotly')


@pytest.fixture(scope='module')
def page(tmp_path_factory):
    """A page with everything: runs that end, go on, start, and long names."""
    folder = tmp_path_factory.mktemp('report')
    rising = {n: 95 - 50 / n for n in range(1, 31)}
    whole = make_run(folder / 'alignmix_r18_cifar10', {
        'a': epoch_lines(1, 20, rising, loss_feat=2.),
        'b': epoch_lines(18, 30, rising, loss_feat=1.)},
        'alignmix_r18_cifar10')
    (whole / 'reliability.json').write_text(json.dumps(
        bin_confidences([.9, .8, .3], [1, 0, 1], 5).to_dict()))
    (whole / 'matches_1_2.png').write_bytes(PIXEL)
    runs = [whole,
            make_run(folder / ('a_rather_long_name_' * 4 + '<b>'), {
                'a': epoch_lines(1, 9, rising)[:-30]}),
            make_run(folder / 'started', {})]
    alignmix('report', *runs, '--out', folder / 'report.html')
    return folder / 'report.html'


@pytest.fixture(scope='module')
def browser(tmp_path_factory):
    """Headless Chromium, with a profile of its own."""
    webdriver = pytest.importorskip('selenium.webdriver')
    programs = [shutil.which(name) for name in ('chromium', 'chromedriver')]
    if None in programs:
        pytest.skip('needs chromium and chromedriver (Debian: apt-get install '
                    'chromium chromium-driver)')
    options = webdriver.ChromeOptions()
    options.binary_location = programs[0]
    for flag in ('--headless=new', '--no-sandbox', '--disable-gpu',
                 '--disable-quic', '--no-first-run', '--disable-sync',
                 '--disable-background-networking',
                 '--disable-component-update', '--disable-dev-shm-usage',
                 f'--user-data-dir={tmp_path_factory.mktemp("profile")}'):
        options.add_argument(flag)
    options.set_capability('goog:loggingPrefs', {'browser': 'ALL'})
    driver = webdriver.Chrome(
        options, webdriver.ChromeService(executable_path=programs[1]))
    yield driver
    driver.quit()


def look(browser, page, width, scheme):
    """Open the page as a screen of that width shows it."""
    browser.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', dict(
        width=width, height=900, deviceScaleFactor=1, mobile=width < 700))
    prefer(browser, scheme)
    browser.get(Path(page).as_uri())


def prefer(browser, scheme):
    browser.execute_cdp_cmd('Emulation.setEmulatedMedia', dict(features=[
        dict(name='prefers-color-scheme', value=scheme)]))


LUMINANCE = """
const channels = text => text.match(/[\\d.]+/g).slice(0, 3).map(v => v / 255)
  .map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
const luminance = text => channels(text)
  .reduce((sum, v, n) => sum + v * [.2126, .7152, .0722][n], 0);
const contrast = (a, b) => (Math.max(luminance(a), luminance(b)) + .05)
  / (Math.min(luminance(a), luminance(b)) + .05);
const back = getComputedStyle(document.querySelector('figure'))
  .backgroundColor;
"""


@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize('width', [1280, 390])
def test_page_in_a_browser(browser, page, width, scheme):
    look(browser, page, width, scheme)
    assert browser.get_log('browser') == []
    ask = browser.execute_script
    # accuracy: 2 runs and the paper's line; loss, time: 2 runs, smoothed and
    # as logged; loss_feat: 1 run; rate: 2; reliability: 1 and the diagonal
    assert ask("return [...document.querySelectorAll('.chart')].map(c => "
               "c.querySelectorAll('.scatterlayer .trace').length)") == [
        3, 4, 2, 2, 4, 2]
    assert ask('return document.documentElement.scrollWidth') <= width
    # nothing is cut off: what is too wide scrolls in a box of its own
    assert ask("""return [...document.querySelectorAll(
        'h1, h2, h3, p, dt, dd, td, th, li, label, summary, figcaption')]
        .filter(e => e.getBoundingClientRect().right > innerWidth
                     || e.scrollWidth > e.clientWidth + 1
                        && getComputedStyle(e).display !== 'inline')
        .map(e => e.textContent)""") == []
    # files are not counted
    assert ask("return performance.getEntriesByType('resource').map(e => "
               'e.name)') == []
    dark = scheme == 'dark'
    assert ask(LUMINANCE + 'return luminance(back) < .5') == dark
    # WCAG: 4.5 for text, 3 for lines
    assert ask(LUMINANCE + """return [...document.querySelectorAll(
        'p, dt, dd, figcaption, figure h3')].every(
        e => contrast(getComputedStyle(e).color, back) >= 4.5)""")
    assert ask(LUMINANCE + """return [...document.querySelectorAll(
        '.chart text')].every(
        e => contrast(getComputedStyle(e).fill, back) >= 4.5)""")
    assert ask(LUMINANCE + """return [...document.querySelectorAll(
        '.js-line')].every(
        e => contrast(getComputedStyle(e).stroke, back) >= 3)""")


def test_charts_follow_the_width(browser, page):
    """A phone that is turned, a window that is made smaller."""
    look(browser, page, 1280, 'light')
    right = """return Math.max(...[...document.querySelectorAll(
        '.chart svg')].map(e => e.getBoundingClientRect().right))"""
    assert 700 < browser.execute_script(right) <= 1280
    browser.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', dict(
        width=390, height=900, deviceScaleFactor=1, mobile=True))
    wait = pytest.importorskip('selenium.webdriver.support.wait')
    wait.WebDriverWait(browser, 10).until(
        lambda b: 300 < b.execute_script(right) <= 390)


def test_page_can_be_used_without_seeing_it(browser, page):
    look(browser, page, 1280, 'light')
    ask = browser.execute_script
    assert ask("return document.querySelectorAll('h1').length") == 1
    assert ask("""return [...document.querySelectorAll('.chart, img')]
        .every(e => (e.getAttribute('aria-label') || e.alt).length > 10)""")
    assert ask("""return [...document.querySelectorAll('img')]
        .every(e => e.naturalWidth > 0)""")
    assert ask("""return [...document.querySelectorAll('input')]
        .every(e => e.labels.length === 1)""")
    levels = ask("""return [...document.querySelectorAll('h1, h2, h3')]
        .map(e => Number(e.tagName[1]))""")
    assert all(b <= a + 1 for a, b in zip(levels, levels[1:]))


def test_charts_follow_the_scheme(browser, page):
    from selenium.webdriver.support.wait import WebDriverWait
    look(browser, page, 1280, 'light')
    line = ("const e = document.querySelector('#chart-0 .js-line');"
            'return getComputedStyle(e).stroke')
    before = browser.execute_script(line)
    prefer(browser, 'dark')
    WebDriverWait(browser, 10).until(
        lambda b: b.execute_script(line) != before,
        'The charts keep their colours.')
    assert browser.get_log('browser') == []


ACCURACY, LOSS, BY_MODE, RATE, TIME, RELIABILITY = range(6)


def lines_of(browser, chart):
    """Values of the lines that can be seen, with their opacity."""
    return browser.execute_script(
        "return document.getElementById('chart-' + arguments[0]).data"
        '.filter(t => t.visible).map(t => [t.y, t.opacity ?? 1])', chart)


def slide(browser, value):
    """As a finger does, by events; WebDriver cannot aim at a value."""
    browser.execute_script(
        "const e = document.getElementById('smoothing');"
        "e.value = arguments[0]; e.dispatchEvent(new Event('input',"
        ' {bubbles: true}))', value)


@pytest.mark.parametrize('width', [1280, 390])
def test_switches(browser, page, width):
    look(browser, page, width, 'dark')
    ask = browser.execute_script
    (logged, faint), (smooth, strong), *others = lines_of(browser, LOSS)
    assert faint < strong == 1 and len(others) == 2
    slide(browser, '0.9')
    assert ask("return document.querySelector('output').value") == '0.90'
    (same, _), (smoother, _), *_ = lines_of(browser, LOSS)
    assert same == logged
    for weight, values in (.6, smooth), (.9, smoother):
        # by the definition: each value weighs less by its age
        expected = [sum(weight**(n - k) * logged[k] for k in range(n + 1))
                    / sum(weight**k for k in range(n + 1))
                    for n in range(len(logged))]
        assert values == pytest.approx(expected, rel=1e-5)
    slide(browser, '0')
    assert [opacity for _, opacity in lines_of(browser, LOSS)] == [1, 1]
    types = ("return [...document.querySelectorAll('.chart')].map(c => "
             'c._fullLayout.yaxis.type)')
    assert set(ask(types)) == {'linear'}
    browser.find_element('id', 'logarithmic').click()
    assert [n for n, kind in enumerate(ask(types)) if kind == 'log'] == [
        LOSS, BY_MODE, RATE, TIME]
    counts = [len(lines_of(browser, n)) for n in (ACCURACY, LOSS, BY_MODE)]
    assert counts == [3, 2, 1]
    browser.find_element('css selector', '[data-run="0"]').click()
    counts = [len(lines_of(browser, n)) for n in (ACCURACY, LOSS, BY_MODE)]
    assert counts == [1, 1, 0]
    browser.find_element('css selector', '[data-run="0"]').click()
    browser.find_element('id', 'logarithmic').click()
    slide(browser, '0.6')
    assert lines_of(browser, LOSS)[1] == [smooth, 1]
    assert set(ask(types)) == {'linear'}
    assert browser.get_log('browser') == []


def test_ticks_are_whole_epochs(browser, page):
    look(browser, page, 1280, 'light')
    for n in range(RELIABILITY):
        ticks = browser.execute_script(
            "return [...document.querySelectorAll('#chart-' + arguments[0]"
            " + ' .xtick text')].map(e => e.textContent)", n)
        assert len(ticks) > 2
        assert [int(tick) for tick in ticks] == sorted(set(map(int, ticks)))


def test_page_without_its_library_says_so(browser, page, tmp_path):
    alone = tmp_path / page.name
    shutil.copy(page, alone)
    look(browser, alone, 390, 'light')
    message = browser.find_element('id', 'missing')
    assert 'plotly-' in message.text and '--single-file' in message.text
    errors = [entry['message'] for entry in browser.get_log('browser')]
    assert len(errors) == 1 and 'ERR_FILE_NOT_FOUND' in errors[0]
