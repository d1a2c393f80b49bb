// The operator's page: asks the node each second and draws what it says.

import { byId, setAttribute, setText } from './dom.js';
import { showFigures } from './figures.js';
import * as format from './format.js';
import { Headline } from './headline.js';
import { History } from './history.js';
import { Backlog, Flight, showAlerts, TopList } from './lists.js';
import { Node } from './node.js';
import { QueueTable } from './queues.js';

const node = new Node({ onStatus, onFailure, onTokenNeeded });
const history = new History();
const headline = new Headline(node);
const queues = new QueueTable(byId('queue-table'), history);
const backlog = new Backlog();
const top = new TopList(node);
const flight = new Flight(node);

let lastAt = null;

function onStatus(status) {
  const now = Date.now();
  lastAt = now;
  byId('token').hidden = true;
  byId('view').hidden = false;
  byId('view').classList.remove('stale');
  setAttribute(byId('freshness'), 'class', 'freshness');
  setText(byId('freshness'), `live, ${format.clock(now)}`);
  setText(byId('identity'), `version ${status.version.replace(/\+(.{7}).*/, ' ($1)')}, up ${format.time(Math.floor(status.uptimeSeconds))}, ${format.plural(status.totals.reactors, 'reactor', 'reactors')}`);
  history.note(status, now);
  headline.show(status, now);
  showFigures(byId('figures'), status);
  queues.show(status);
  backlog.show(status);
  showAlerts(status.alerts, now);
  top.refresh();
  flight.refresh();
}

function onFailure(why) {
  const since = lastAt === null ? '' : ` since ${format.clock(lastAt)}`;
  setAttribute(byId('freshness'), 'class', 'freshness failing');
  setText(byId('freshness'), `No data${since}: ${why}`);
  byId('view').classList.add('stale');
  document.title = `No data${since} · Gateway`;
  setText(byId('spoken'), `No data${since}: ${why}`);
}

function onTokenNeeded(why) {
  byId('view').hidden = true;
  byId('token').hidden = false;
  setText(byId('freshness'), 'waits for a token');
  setText(byId('token-error'), why);
  byId('token-input').value = '';
  byId('token-input').focus();
}

byId('token-form').addEventListener('submit', (event) => {
  event.preventDefault();
  setText(byId('token-error'), '');
  node.useToken(byId('token-input').value.trim());
});

node.start();
