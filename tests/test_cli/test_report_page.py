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
    # loss and rate: 2 runs; loss_feat: 1; accuracy: 2 and the paper's line;
    # time: 2; reliability: 1 and the diagonal
    assert ask("return [...document.querySelectorAll('.chart')].map(c => "
               "c.querySelectorAll('.scatterlayer .trace').length)") == [
        2, 1, 3, 2, 2, 2]
    assert ask('return document.documentElement.scrollWidth') <= width
    # nothing is cut off: what is too wide scrolls in a box of its own
    assert ask("""return [...document.querySelectorAll(
        'h1, h2, h3, p, dt, dd, td, th, li, label, summary, figcaption')]
        .filter(e => e.getBoundingClientRect().right > innerWidth
                     || e.scrollWidth > e.clientWidth + 1
                        && getComputedStyle(e).display !== 'inline')
        .map(e => e.textContent)""") == []
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


def test_charts_follow_the_scheme_and_the_boxes(browser, page):
    from selenium.webdriver.support.wait import WebDriverWait
    look(browser, page, 1280, 'light')
    ask = browser.execute_script
    line = ("const e = document.querySelector('#chart-0 .js-line');"
            'return getComputedStyle(e).stroke')
    before = ask(line)
    prefer(browser, 'dark')
    WebDriverWait(browser, 10).until(
        lambda _: ask(line) != before, 'The charts keep their colours.')
    traces = ("return document.querySelectorAll('#chart-0 .scatterlayer "
              ".trace').length")
    assert ask(traces) == 2
    ask("document.querySelector('[data-run=\"1\"]').click()")
    assert ask(traces) == 1
    assert browser.get_log('browser') == []
