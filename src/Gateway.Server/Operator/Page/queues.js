// The table of queues: each a row for all reactors together, which opens to a row for each reactor.

import { make, reconcile, setAttribute, setText } from './dom.js';
import * as format from './format.js';
import { draw, sparkline } from './sparkline.js';

const meanings = {
  inbox: 'messages from one reactor to another',
  posts: 'operators’ questions',
  handshakes: 'connections not yet logged in',
  send_leases: 'connections that do not read',
  commits: 'records that wait for the disk',
  receipts_owed: 'double checks to be written',
  cold_reads: 'pages to be read from disk',
  mailbox_backlog: 'entries that wait for devices',
};

// A shape beside each word: nothing is told by colour alone.
const shapes = { alert: '▲', growing: '↗', draining: '↘', steady: '→', resting: '■', flowing: '·', empty: '○' };

const drain = (queue) => {
  if (queue.depth === 0) return 0;
  return queue.drainSeconds ?? Infinity;
};

const columns = [
  { key: 'name', title: 'Queue', by: (q) => q.name, text: true },
  { key: 'standing', title: 'State', by: null },
  { key: 'spark', title: 'Last minute' },
  { key: 'depth', title: 'Depth', by: (q) => q.depth, number: true },
  { key: 'in', title: 'In', by: (q) => q.rates?.in10s ?? 0, number: true },
  { key: 'out', title: 'Out', by: (q) => q.rates?.out10s ?? 0, number: true },
  { key: 'age', title: 'Oldest', by: (q) => q.oldestAgeSeconds, number: true },
  { key: 'drain', title: 'To drain', by: drain, number: true },
];

/** How long an order by trouble holds: rows that change places each second cannot be read. */
const orderHolds = 5_000;

export class QueueTable {
  #table;
  #head;
  #body;
  #sort = { key: 'standing', ascending: false };
  #open = new Set();
  #order = [];
  #orderedAt = -Infinity;
  #alerted = '';
  #status = null;

  constructor(table, history) {
    this.#table = table;
    this.history = history;
    this.#head = make('tr', { role: 'row' });
    this.#body = make('tbody', { role: 'rowgroup' });
    for (const column of columns) this.#head.append(this.#header(column));
    table.append(make('thead', { role: 'rowgroup' }, this.#head), this.#body);
    this.#tellSort();
  }

  show(status) {
    this.#status = status;
    const rows = [];
    for (const queue of this.#ordered(status.nodeQueues)) {
      rows.push(queue);
      if (!this.#open.has(queue.name)) continue;
      rows.push({ key: `${queue.name} text`, sentence: queue.text, name: queue.name });
      rows.push(...status.queues.filter((q) => q.name === queue.name));
    }
    reconcile(this.#body, rows, keyOf, (row) => this.#create(row), (element, row) => this.#update(element, row));
  }

  #header(column) {
    const cell = make('th', { role: 'columnheader', scope: 'col', class: column.number ? 'number' : null, 'data-column': column.key });
    if (column.by === undefined) {
      cell.append(column.title);
      return cell;
    }
    const button = make('button', { type: 'button', class: 'sort' }, column.title, make('span', { class: 'arrow', 'aria-hidden': 'true' }));
    button.addEventListener('click', () => {
      const ascending = this.#sort.key === column.key ? !this.#sort.ascending : Boolean(column.text);
      this.#sort = { key: column.key, ascending };
      this.#orderedAt = -Infinity;
      this.#tellSort();
      if (this.#status) this.show(this.#status);
    });
    cell.append(button);
    return cell;
  }

  #tellSort() {
    for (const cell of this.#head.children) {
      const active = cell.dataset.column === this.#sort.key;
      if (active) cell.setAttribute('aria-sort', this.#sort.ascending ? 'ascending' : 'descending');
      else cell.removeAttribute('aria-sort');
      const arrow = cell.querySelector('.arrow');
      if (arrow) arrow.textContent = active ? (this.#sort.ascending ? '▴' : '▾') : '';
    }
  }

  /** The node gives them the worst first; that order is kept for a while unless an alert comes or goes. */
  #ordered(queues) {
    const alerted = queues.filter((q) => q.alert).map((q) => q.name).join();
    const now = performance.now();
    if (now - this.#orderedAt >= orderHolds || alerted !== this.#alerted || this.#order.length !== queues.length) {
      this.#order = this.#sorted(queues).map((q) => q.name);
      this.#orderedAt = now;
      this.#alerted = alerted;
    }
    return this.#order.map((name) => queues.find((q) => q.name === name)).filter(Boolean);
  }

  #sorted(queues) {
    const { by } = columns.find((c) => c.key === this.#sort.key);
    const sorted = by ? [...queues].sort((a, b) => (by(a) < by(b) ? -1 : by(a) > by(b) ? 1 : 0)) : [...queues].reverse();
    return this.#sort.ascending ? sorted : sorted.reverse();
  }

  #create(row) {
    if (row.sentence !== undefined)
      return make('tr', { role: 'row', class: 'sentence' }, make('td', { role: 'cell', colspan: String(columns.length) }));
    const element = make('tr', { role: 'row' });
    element.append(row.reactor < 0 ? this.#nameCell(row) : make('th', { role: 'rowheader', scope: 'row', class: 'name reactor' }, `reactor ${row.reactor}`));
    element.append(make('td', { role: 'cell', class: 'standing' }, make('span', { class: 'pill' },
      make('span', { 'aria-hidden': 'true', class: 'shape' }), make('span', {}))));
    element.append(make('td', { role: 'cell', class: 'graph' }, sparkline()));
    for (const column of columns.filter((c) => c.number)) {
      element.append(make('td', { role: 'cell', class: `number ${column.key}` },
        make('span', { class: 'label', 'aria-hidden': 'true' }, column.title), make('span', { class: 'value' })));
    }
    return element;
  }

  #nameCell(row) {
    const button = make('button', { type: 'button', class: 'open', 'aria-expanded': 'false' },
      make('span', { class: 'chevron', 'aria-hidden': 'true' }, '›'), make('span', {}, row.name));
    button.addEventListener('click', () => {
      if (!this.#open.delete(row.name)) this.#open.add(row.name);
      this.show(this.#status);
    });
    return make('th', { role: 'rowheader', scope: 'row', class: 'name' }, button, make('span', { class: 'meaning' }, meanings[row.name] ?? ''));
  }

  #update(element, row) {
    if (row.sentence !== undefined) {
      setText(element.firstChild, `${row.name}: ${row.sentence}`);
      return;
    }
    const depths = this.history.of(row);
    // Idle is what had nothing for the whole minute: a row whose size followed each second's depth would make the page jump.
    const idle = !row.rates?.in10s && depths.every((d) => !d);
    setAttribute(element, 'class', `${row.reactor < 0 ? 'queue' : 'part'} is-${row.standing}${idle ? ' is-idle' : ''}`);
    const [name, standing, graph, depth, into, out, age, toDrain] = element.children;
    if (row.reactor < 0) setAttribute(name.firstChild, 'aria-expanded', String(this.#open.has(row.name)));
    const pill = standing.firstChild;
    setText(pill.firstChild, shapes[row.standing] ?? '');
    setText(pill.lastChild, row.standing);
    draw(graph.firstChild, depths);
    setText(depth.lastChild, format.count(row.depth));
    setText(into.lastChild, row.rates ? `${format.count(row.rates.in10s)}/s` : '');
    setText(out.lastChild, row.rates ? `${format.count(row.rates.out10s)}/s` : '');
    setText(age.lastChild, row.depth === 0 ? '–' : format.time(row.oldestAgeSeconds));
    setText(toDrain.lastChild, drainText(row));
  }
}

const keyOf = (row) => row.key ?? `${row.name} ${row.reactor}`;

function drainText(queue) {
  if (queue.depth === 0 || queue.standing === 'flowing') return '–';
  if (queue.drainSeconds !== null) return format.time(queue.drainSeconds);
  return 'never';
}
