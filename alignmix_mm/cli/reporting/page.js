// Draw the charts in the colours of the page, and anew when these change.
const specs = JSON.parse(document.getElementById('specs').textContent);
const dark = matchMedia('(prefers-color-scheme: dark)');
const touch = matchMedia('(pointer: coarse)').matches;
const boxes = [...document.querySelectorAll('[data-run]')];
const DASHES = ['solid', 'dash', 'dashdot', 'dot'];

const colour = name => getComputedStyle(document.documentElement)
  .getPropertyValue(`--${name}`).trim();
// a single run has no box, and is always shown
const shown = run => boxes.every(
  box => Number(box.dataset.run) !== run || box.checked);

function paint(trace) {
  const run = trace.meta;
  const own = run === undefined ? colour('muted') : colour(`run-${run % 8}`);
  // there are eight colours; the runs that follow have dashes
  const dash = DASHES[Math.floor((run ?? 0) / 8) % DASHES.length];
  return {
    type: 'scatter', ...trace, visible: run === undefined || shown(run),
    line: {color: own, width: 2, dash, ...trace.line},
    marker: {color: own, size: 6, ...trace.marker},
    hoverlabel: {namelength: -1},
  };
}

function arrange(layout) {
  const axis = {
    gridcolor: colour('grid'), linecolor: colour('line'),
    zerolinecolor: colour('grid'), automargin: true, fixedrange: touch,
  };
  return {
    ...layout, showlegend: false,
    xaxis: {...axis, exponentformat: 'SI', ...layout.xaxis},
    yaxis: {...axis, exponentformat: 'power', ...layout.yaxis},
    paper_bgcolor: 'rgba(0, 0, 0, 0)', plot_bgcolor: 'rgba(0, 0, 0, 0)',
    font: {color: colour('text'), size: 13, family: 'inherit'},
    margin: {l: 48, r: 12, t: 10, b: 44}, hovermode: 'closest',
    // a finger scrolls the page
    dragmode: touch ? false : 'zoom',
  };
}

function draw() {
  specs.forEach((spec, index) => Plotly.react(
    `chart-${index}`, spec.data.map(paint), arrange(spec.layout),
    {responsive: true, displayModeBar: false}));
}

draw();
dark.addEventListener('change', draw);
boxes.forEach(box => box.addEventListener('change', draw));
