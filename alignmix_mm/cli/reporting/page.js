// Draw the charts in the colours of the page; redraw when a switch changes.
const specs = JSON.parse(document.getElementById('specs').textContent);
const dark = matchMedia('(prefers-color-scheme: dark)');
const touch = matchMedia('(pointer: coarse)').matches;
const boxes = [...document.querySelectorAll('[data-run]')];
const smoothing = document.getElementById('smoothing');
const logarithmic = document.getElementById('logarithmic');
const DASHES = ['solid', 'dash', 'dashdot', 'dot'];
const PALETTE = 8;

const colour = name => getComputedStyle(document.documentElement)
  .getPropertyValue(`--${name}`).trim();
// a single run has no checkbox and is always shown
const shown = run => boxes.every(
  box => Number(box.dataset.run) !== run || box.checked);

// The mean of all values so far, with less weight on older ones; gaps stay.
function smoothed(values, weight) {
  let sum = 0, total = 0;
  return values.map(value => {
    if (value === null) return null;
    sum = weight * sum + value;
    total = weight * total + 1;
    // round, or a constant would be drawn as rounding noise
    return Number((sum / total).toPrecision(6));
  });
}

function ink({run, part}) {
  if (run === undefined) return colour('muted');
  return part === null ? colour(`run-${run % PALETTE}`)
    : colour(`part-${part % PALETTE}`);
}

function paint(trace) {
  const own = ink(trace.meta);
  // there are eight colours; further runs are dashed
  const dash = DASHES[Math.floor((trace.meta.run ?? 0) / PALETTE)
    % DASHES.length];
  return {
    type: 'scatter', ...trace, visible: shown(trace.meta.run),
    line: {color: own, width: 2, dash, ...trace.line},
    marker: {color: own, size: 6, ...trace.marker},
    hoverlabel: {namelength: -1},
  };
}

// The logged values stay visible, faint, behind their smoothed line.
function lines(trace, spec) {
  const weight = Number(smoothing.value);
  const logged = paint(trace);
  if (!spec.smooth || !weight || trace.mode !== 'lines') return [logged];
  return [
    {...logged, opacity: .22, hoverinfo: 'skip',
      line: {...logged.line, width: 1, dash: 'solid'}},
    {...logged, y: smoothed(trace.y, weight)},
  ];
}

function arrange(spec) {
  const axis = {
    gridcolor: colour('grid'), linecolor: colour('line'),
    zerolinecolor: colour('grid'), automargin: true, fixedrange: touch,
  };
  const type = spec.logarithmic && logarithmic.checked ? 'log' : 'linear';
  return {
    showlegend: false,
    xaxis: {...axis, exponentformat: 'SI', ...spec.layout.xaxis},
    yaxis: {...axis, exponentformat: 'power', type, ...spec.layout.yaxis},
    paper_bgcolor: 'rgba(0, 0, 0, 0)', plot_bgcolor: 'rgba(0, 0, 0, 0)',
    font: {color: colour('text'), size: 13, family: 'inherit'},
    margin: {l: 48, r: 12, t: 10, b: 44}, hovermode: 'closest',
    // on a touch screen, dragging scrolls the page
    dragmode: touch ? false : 'zoom',
  };
}

function draw() {
  specs.forEach((spec, index) => Plotly.react(
    `chart-${index}`, spec.data.flatMap(trace => lines(trace, spec)),
    arrange(spec), {responsive: true, displayModeBar: false}));
}

function change() {
  document.querySelector('output').textContent =
    Number(smoothing.value).toFixed(2);
  draw();
}

if (!specs.length) {
  // nothing to draw and no switches
} else if (window.Plotly === undefined) {
  document.getElementById('missing').hidden = false;
  document.querySelector('.charts').hidden = true;
} else {
  draw();
  dark.addEventListener('change', draw);
  document.querySelector('.switches').addEventListener('input', change);
}
