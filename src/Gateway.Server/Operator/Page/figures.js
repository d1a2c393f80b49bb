// The few figures of the whole node.

import { make, reconcile, setText } from './dom.js';
import * as format from './format.js';

export function showFigures(list, status) {
  const { totals, buffers } = status;
  const backlog = status.nodeQueues.find((q) => q.name === 'mailbox_backlog');
  const figures = [
    ['Connections', format.count(totals.connections), `${format.count(totals.sessions)} logged in`],
    ['In', backlog?.rates ? `${format.count(backlog.rates.in10s)}/s` : '–', 'entries accepted'],
    ['Out', backlog?.rates ? `${format.count(backlog.rates.out10s)}/s` : '–', 'entries acknowledged'],
    ['Pending', format.count(totals.pendingMessages), format.bytes(totals.pendingBytes)],
    ['Oldest', backlog && backlog.depth > 0 ? format.time(backlog.oldestAgeSeconds) : '–', 'waits for its device'],
    ['Commit', status.longestCommitSeconds > 0 ? format.time(status.longestCommitSeconds) : '–', 'longest, last second'],
    ['Buffers', format.bytes(buffers.bytes), `of ${format.bytes(buffers.hard)}`],
  ];
  reconcile(list, figures, ([name]) => name,
    ([name]) => make('div', {}, make('dt', {}, name), make('dd', { class: 'value' }), make('dd', { class: 'quiet' })),
    (element, [, value, note]) => {
      setText(element.children[1], value);
      setText(element.children[2], note);
    });
}
