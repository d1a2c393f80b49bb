// The depths of each queue over the last minute, as this page has seen them. A place without a look (the page was hidden, the node away) holds null.

export const seconds = 60;

export class History {
  #depths = new Map();
  #uptime = 0;
  #at = 0;

  /** Takes in a status; `now` in milliseconds. */
  note(status, now) {
    // Another process has another past.
    if (status.uptimeSeconds < this.#uptime) this.#depths.clear();
    this.#uptime = status.uptimeSeconds;
    const missed = this.#at === 0 ? 0 : Math.min(seconds, Math.max(0, Math.round((now - this.#at) / 1000) - 1));
    this.#at = now;
    for (const queue of [...status.nodeQueues, ...status.queues]) {
      const depths = this.of(queue);
      for (let i = 0; i < missed; i++) depths.push(null);
      depths.push(queue.depth);
      depths.splice(0, Math.max(0, depths.length - seconds));
    }
  }

  /** Oldest first, at most one a second. */
  of(queue) {
    const key = `${queue.name} ${queue.reactor}`;
    let depths = this.#depths.get(key);
    if (!depths) this.#depths.set(key, (depths = []));
    return depths;
  }
}
