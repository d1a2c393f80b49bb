import { makeSvg, setAttribute } from './dom.js';
import { count } from './format.js';
import { seconds } from './history.js';

const width = 120;
const height = 28;
const edge = 2;

/** A depth below this is no hill: ten entries that come and go are drawn as the flat line that they are. */
const least = 20;

export function sparkline() {
  const svg = makeSvg('svg', { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', class: 'spark', role: 'img' });
  svg.append(makeSvg('path', { class: 'area' }), makeSvg('path', { class: 'line' }));
  return svg;
}

/** Draws depths, the newest at the right, and says them in words. */
export function draw(svg, depths) {
  const known = depths.filter((d) => d !== null);
  const most = Math.max(least, ...known);
  const x = (i) => ((seconds - depths.length + i) * width) / (seconds - 1);
  const y = (depth) => height - edge - (depth / most) * (height - 2 * edge);
  let line = '';
  let area = '';
  let from = -1;
  depths.forEach((depth, i) => {
    if (depth === null) return;
    const point = `${x(i).toFixed(1)} ${y(depth).toFixed(1)}`;
    if (i === 0 || depths[i - 1] === null) {
      from = i;
      line += `M${point}`;
      area += `M${x(i).toFixed(1)} ${height}L${point}`;
    } else {
      line += `L${point}`;
      area += `L${point}`;
    }
    if (i === depths.length - 1 || depths[i + 1] === null) {
      // A single look would be no line at all.
      if (from === i) line += 'h0.1';
      area += `V${height}Z`;
    }
  });
  setAttribute(svg.children[0], 'd', area);
  setAttribute(svg.children[1], 'd', line);
  setAttribute(svg, 'aria-label', known.length < 2
    ? 'depth over the last minute: not known yet'
    : `depth over the last ${known.length} s: ${count(Math.min(...known))} to ${count(Math.max(...known))}, now ${count(known.at(-1))}`);
}
