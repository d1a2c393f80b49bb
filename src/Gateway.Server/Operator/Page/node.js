// Asks the node: once a second while the page is seen, less often while it fails, not at all while nobody looks.

const every = 1_000;
const longestWait = 15_000;
const patience = 5_000;
const tokenKey = 'gateway-look-token';

export class TokenNeeded extends Error {}

export class Node {
  #token = sessionStorage.getItem(tokenKey);
  #timer = 0;
  #failures = 0;
  #asking = false;
  #halted = false;

  /** `onStatus(status)`, `onFailure(text)`, `onTokenNeeded(text)`. */
  constructor(handlers) {
    this.handlers = handlers;
    document.addEventListener('visibilitychange', () => this.#wake());
    addEventListener('online', () => this.#wake());
  }

  start() {
    this.#ask();
  }

  useToken(token) {
    this.#token = token;
    this.#halted = false;
    this.#ask();
  }

  /** JSON of a path. Throws TokenNeeded, or an Error whose message is a sentence. */
  async get(path) {
    return (await this.#fetch(path)).json();
  }

  async text(path) {
    return (await this.#fetch(path)).text();
  }

  async #fetch(path) {
    let answer;
    try {
      answer = await fetch(path, {
        headers: this.#token ? { Authorization: `Bearer ${this.#token}` } : {},
        cache: 'no-store',
        signal: AbortSignal.timeout(patience),
      });
    } catch (error) {
      throw new Error(error.name === 'TimeoutError' ? `no answer within ${patience / 1000} s` : 'the node cannot be reached');
    }
    if (answer.status === 401 || answer.status === 403) {
      const refused = this.#token ? 'The node does not know this token, or it is not enough to look.' : '';
      this.#token = null;
      sessionStorage.removeItem(tokenKey);
      throw new TokenNeeded(refused);
    }
    if (!answer.ok) throw new Error(`the node answered ${answer.status}`);
    if (this.#token) sessionStorage.setItem(tokenKey, this.#token);
    return answer;
  }

  #wake() {
    if (document.hidden) clearTimeout(this.#timer);
    if (document.hidden || this.#halted) return;
    this.#failures = 0;
    this.#ask();
  }

  async #ask() {
    if (this.#asking) return;
    this.#asking = true;
    clearTimeout(this.#timer);
    const began = performance.now();
    try {
      const status = await this.get('status');
      this.#failures = 0;
      this.handlers.onStatus(status);
    } catch (error) {
      if (error instanceof TokenNeeded) {
        this.#halted = true;
        this.handlers.onTokenNeeded(error.message);
      } else {
        this.#failures++;
        this.handlers.onFailure(error.message);
      }
    } finally {
      this.#asking = false;
    }
    if (document.hidden || this.#halted) return;
    const wait = Math.min(longestWait, every * 2 ** Math.min(this.#failures, 4));
    this.#timer = setTimeout(() => this.#ask(), Math.max(0, (this.#failures ? wait : every) - (performance.now() - began)));
  }
}
