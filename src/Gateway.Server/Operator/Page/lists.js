// Who is behind the figures: top lists, how mailboxes are filled, alerts, the flight recorder.

import { byId, make, reconcile, setAttribute, setText } from './dom.js';
import * as format from './format.js';

const kinds = [
  { kind: 'mailboxes', title: 'Mailboxes', value: 'Waiting' },
  { kind: 'senders', title: 'Senders', value: 'Rate' },
  { kind: 'sockets', title: 'Sockets', value: 'Held' },
];
const topEvery = 5_000;
const flightEvery = 5_000;
const eventsShown = 200;

/** A top list, asked for again every five seconds: finding the sockets is work for the node. */
export class TopList {
  #node;
  #kind = kinds[0];
  #askedAt = -Infinity;
  #value = make('th', { scope: 'col', class: 'number' });
  #body = make('tbody');

  constructor(node) {
    this.#node = node;
    byId('top-table').append(make('thead', {}, make('tr', {}, make('th', { scope: 'col' }, 'Who'), this.#value, make('th', { scope: 'col', class: 'number' }, 'Reactor'))), this.#body);
    for (const kind of kinds) {
      const button = make('button', { type: 'button', 'data-kind': kind.kind }, kind.title);
      button.addEventListener('click', () => {
        this.#kind = kind;
        this.#tellKind();
        this.#askedAt = -Infinity;
        this.refresh();
      });
      byId('top-kinds').append(button);
    }
    this.#tellKind();
  }

  async refresh() {
    const now = performance.now();
    if (now - this.#askedAt < topEvery) return;
    this.#askedAt = now;
    const { kind } = this.#kind;
    let list;
    try {
      list = await this.#node.get(`ops/top?kind=${kind}&limit=8`);
    } catch {
      // That the node does not answer is said at the top of the page.
      return;
    }
    if (kind !== this.#kind.kind) return;
    const most = Math.max(1, ...list.entries.map((e) => e.value));
    reconcile(this.#body, list.entries, (e) => `${kind} ${e.who} ${e.reactor}`,
      () => make('tr', {}, make('th', { scope: 'row', class: 'name' }, make('span'), make('span', { class: 'detail' })),
        make('td', { class: 'number' }, make('span'), bar()), make('td', { class: 'number' })),
      (row, entry) => {
        const [name, value, reactor] = row.children;
        setText(name.firstChild, entry.who);
        setText(name.lastChild, entry.detail);
        setText(value.firstChild, format.measured(entry.value, entry.unit));
        setBar(value.lastChild, entry.value / most);
        setText(reactor, String(entry.reactor));
      });
    byId('top-table').hidden = list.entries.length === 0;
    setText(byId('top-note'), list.entries.length === 0 ? 'Nobody stands out.' : format.sentence(list.errorBound));
  }

  #tellKind() {
    for (const button of byId('top-kinds').children) setAttribute(button, 'aria-pressed', String(button.dataset.kind === this.#kind.kind));
    setText(this.#value, this.#kind.value);
  }
}

/** Mailboxes by tens: the node counts those that hold at least so many. */
export class Backlog {
  #body = make('tbody');

  constructor() {
    byId('backlog-table').append(
      make('thead', {}, make('tr', {}, make('th', { scope: 'col' }, 'Waiting in it'), make('th', { scope: 'col', class: 'number' }, 'Mailboxes'))), this.#body);
  }

  show({ mailboxesHolding: holding, totals }) {
    const bands = [];
    for (let i = 0; i < holding.length; i++) {
      const number = holding[i] - (holding[i + 1] ?? 0);
      const from = 10 ** i;
      const to = format.count(i < 4 ? from * 10 - 1 : from * 10);
      if (holding[i] > 0) bands.push({ label: i + 1 === holding.length ? `${format.count(from)} and more` : `${format.count(from)} to ${to}`, number });
    }
    const most = Math.max(1, ...bands.map((b) => b.number));
    reconcile(this.#body, bands, (b) => b.label,
      () => make('tr', {}, make('th', { scope: 'row', class: 'name' }), make('td', { class: 'number' }, make('span'), bar())),
      (row, band) => {
        setText(row.firstChild, band.label);
        setText(row.lastChild.firstChild, format.count(band.number));
        setBar(row.lastChild.lastChild, band.number / most);
      });
    byId('backlog-table').hidden = bands.length === 0;
    setText(byId('backlog-note'), bands.length === 0 ? 'Nothing waits for anybody.' : `${format.plural(totals.mailboxes, 'mailbox holds', 'mailboxes hold')} something.`);
  }
}

export function showAlerts(alerts, now) {
  reconcile(byId('alerts'), alerts, (a) => `${a.name} ${a.queue} ${a.reactor} ${a.since}`,
    () => make('li', {}, make('p', { class: 'event' }, make('span', { class: 'pill' }, make('span', { class: 'shape', 'aria-hidden': 'true' }), make('span')), make('strong'), make('span', { class: 'quiet' })), make('p')),
    (li, alert) => {
      const [pill, name, when] = li.firstChild.children;
      const active = alert.state === 'active';
      setAttribute(li, 'class', active ? 'is-alert' : 'is-cleared');
      setText(pill.firstChild, active ? '▲' : '✓');
      setText(pill.lastChild, alert.state);
      setText(name, `${alert.name}${alert.reactor < 0 ? '' : ` of reactor ${alert.reactor}`}`);
      const end = active ? now : Date.parse(alert.clearedAt);
      setText(when, `${format.clock(alert.since)}, ${active ? 'for' : 'lasted'} ${format.time(Math.max(0, Math.round((end - Date.parse(alert.since)) / 1000)))}`);
      setText(li.lastChild, format.sentence(alert.culprit));
    });
  setText(byId('alerts-note'), alerts.length === 0 ? 'None since the node started.' : '');
}

/** The events of the last minute, asked for while they are shown. */
export class Flight {
  #node;
  #askedAt = -Infinity;

  constructor(node) {
    this.#node = node;
    byId('flight').addEventListener('toggle', () => this.refresh());
  }

  async refresh() {
    const now = performance.now();
    if (!byId('flight').open || now - this.#askedAt < flightEvery) return;
    this.#askedAt = now;
    let events;
    try {
      ({ events } = await this.#node.get('ops/flight?seconds=60'));
    } catch {
      return;
    }
    const shown = events.slice(-eventsShown).reverse().map((event) => ({ ...event, key: `${event.at} ${event.thread} ${event.text}` }));
    reconcile(byId('flight-events'), shown.length > 0 ? unlike(shown) : [{ key: 'none', text: 'Nothing worth a line happened.' }], (e) => e.key,
      (event) => (event.at === undefined
        ? make('li', {}, event.text)
        : make('li', {}, make('span', { class: 'quiet' }, `${format.clock(event.at)} ${event.thread}`), ` ${event.text}`)),
      () => {});
  }
}

/** Two events may be alike to the letter. */
function unlike(events) {
  const seen = new Map();
  return events.map((event) => {
    const times = (seen.get(event.key) ?? 0) + 1;
    seen.set(event.key, times);
    return times === 1 ? event : { ...event, key: `${event.key} ${times}` };
  });
}

/** A part of a whole, for the eye alone: the figure stands beside it. */
const bar = () => make('span', { class: 'bar-track', 'aria-hidden': 'true' }, make('span', { class: 'bar-part' }));

const setBar = (track, part) => track.firstChild.style.setProperty('inline-size', `${Math.round(part * 100)}%`);
