// What a person reads first: whether all is well, or which queue is the problem, why, who is behind it and what to do.

import { byId, make, reconcile, setText } from './dom.js';
import * as format from './format.js';
import { write } from './prose.js';

export class Headline {
  #node;
  #alert = '';
  #asked = '';

  constructor(node) {
    this.#node = node;
    byId('runbook').addEventListener('toggle', () => this.#readRunbook());
  }

  show({ headline, alerts }, now) {
    byId('headline').className = `headline is-${headline.mood}`;
    setText(byId('headline-title'), headline.title);
    setText(byId('headline-why'), format.sentence(headline.why));
    const active = alerts.filter((a) => a.state === 'active');
    // Figures that change each second are for the eye: what is spoken changes when the news do.
    setText(byId('spoken'), headline.mood === 'trouble' ? `${headline.title}. ${headline.why}` : headline.title);
    document.title = `${headline.mood === 'well' ? '' : '▲ '}${headline.title} · Gateway`;
    const alert = headline.mood === 'trouble' ? active[0] : undefined;
    byId('headline-alert').hidden = !alert;
    if (alert) this.#explain(alert, active.length - 1, now);
  }

  #explain(alert, others, now) {
    const lasts = format.time(Math.max(0, Math.round((now - Date.parse(alert.since)) / 1000)));
    setText(byId('headline-facts'), `${alert.name}: ${format.measured(alert.value, alert.unit)} now, too much from ${format.measured(alert.threshold, alert.unit)} on. `
      + `Raised at ${format.clock(alert.since)}, ${lasts} ago.`
      + (others > 0 ? ` ${format.plural(others, 'further alert', 'further alerts')} below.` : ''));
    reconcile(byId('headline-causes'), alert.causes, (c) => c, () => make('li'), (li, cause) => setText(li, cause));
    byId('headline-culprits').hidden = alert.top.length === 0;
    reconcile(byId('headline-top'), alert.top, (t) => `${t.who} ${t.reactor}`,
      () => make('li', {}, make('span', { class: 'name' }), make('span', { class: 'value' })),
      (li, entry) => {
        setText(li.firstChild, entry.kind === 'queue' ? `${entry.who} of reactor ${entry.reactor}` : `${entry.kind} ${entry.who}`);
        setText(li.lastChild, format.measured(entry.value, entry.unit));
      });
    if (this.#alert !== alert.name) {
      this.#alert = alert.name;
      setText(byId('runbook-name'), alert.name);
      this.#readRunbook();
    }
  }

  async #readRunbook() {
    const name = this.#alert;
    if (!byId('runbook').open || this.#asked === name) return;
    this.#asked = name;
    const text = byId('runbook-text');
    try {
      const section = await this.#node.text(`runbook/${encodeURIComponent(name)}`);
      if (this.#alert === name) write(text, section);
    } catch (error) {
      this.#asked = '';
      setText(text, `Not to be had: ${error.message}. It is a section of tools/ops/RUNBOOK.md.`);
    }
  }
}
