// What React Native gives to JavaScript besides its engine, for Hermes: the network. Bytes go over
// real sockets; the code on this side is as small as the standard allows. `fetch` is the package that
// React Native's own is made from, and it stands on this `XMLHttpRequest`, as there.

const host = globalThis.throughlineHost;

/** Asks the harness on a thread of its own. */
export const later = (request) =>
  new Promise((done, fail) => {
    host.background(JSON.stringify(request), (answer) => {
      const { ok, error } = JSON.parse(answer);
      if (error === undefined) done(ok);
      else fail(new Error(error));
    });
  });

/** Listeners, and the property `on…` of each event, which is an accessor, as on every platform. */
class Target {
  #listeners = [];
  _handlers = {};

  static handles(...types) {
    // A function for each: this Hermes gives the turns of a loop one variable in common.
    types.forEach((type) =>
      Object.defineProperty(this.prototype, `on${type}`, {
        configurable: true,
        get() {
          return this._handlers[type] ?? null;
        },
        set(handler) {
          this._handlers[type] = typeof handler === "function" ? handler : null;
        },
      }),
    );
  }

  addEventListener(type, listener) {
    const isKnown = this.#listeners.some((known) => known.type === type && known.listener === listener);
    if (listener && !isKnown) this.#listeners.push({ type, listener });
  }

  removeEventListener(type, listener) {
    this.#listeners = this.#listeners.filter((known) => known.type !== type || known.listener !== listener);
  }

  dispatch(type, more = {}) {
    const event = { type, target: this, currentTarget: this, ...more };
    this._handlers[type]?.call(this, event);
    for (const { type: wanted, listener } of [...this.#listeners]) {
      if (wanted !== type) continue;
      if (typeof listener === "function") listener.call(this, event);
      else listener.handleEvent(event);
    }
  }
}

/** How long an answer waits before JavaScript sees it: a test shuffles answers with it. */
globalThis.answerDelay = () => 0;

class XMLHttpRequest extends Target {
  static UNSENT = 0;
  static OPENED = 1;
  static HEADERS_RECEIVED = 2;
  static LOADING = 3;
  static DONE = 4;
  readyState = 0;
  status = 0;
  statusText = "";
  response = "";
  responseText = "";
  responseType = "";
  responseURL = "";
  timeout = 0;
  withCredentials = false;
  upload = new Target();
  #request;
  #answer;
  #attempt = 0;

  open(method, url) {
    this.#attempt++;
    this.#request = { method: method.toUpperCase(), url: String(url), headers: [] };
    this.#answer = undefined;
    this.#become(1);
  }

  setRequestHeader(name, value) {
    if (this.readyState !== 1) throw new Error("the request is not open");
    const known = this.#request.headers.find(([other]) => other.toLowerCase() === name.toLowerCase());
    if (known) known[1] += `, ${value}`;
    else this.#request.headers.push([name, String(value)]);
  }

  getResponseHeader(name) {
    const found = this.#answer?.headers.filter(([other]) => other.toLowerCase() === name.toLowerCase()) ?? [];
    return found.length > 0 ? found.map(([, value]) => value).join(", ") : null;
  }

  getAllResponseHeaders() {
    return (this.#answer?.headers ?? []).map(([name, value]) => `${name}: ${value}\r\n`).join("");
  }

  overrideMimeType() {}

  send(body) {
    const attempt = this.#attempt;
    const isCurrent = () => attempt === this.#attempt && this.readyState !== 0 && this.readyState !== 4;
    later({ ask: "http", ...this.#request, body: body === undefined || body === null ? null : String(body) }).then(
      (answer) => setTimeout(() => isCurrent() && this.#arrive(answer), globalThis.answerDelay(this.#request)),
      () => isCurrent() && this.#end("error"),
    );
  }

  abort() {
    const isUnderWay = this.readyState > 0 && this.readyState < 4;
    this.#attempt++;
    if (isUnderWay) this.#end("abort");
    this.readyState = 0;
  }

  #arrive(answer) {
    this.#answer = answer;
    this.status = answer.status;
    this.responseURL = this.#request.url;
    this.#become(2);
    this.responseText = answer.body;
    this.response = this.responseType === "json" ? JSON.parse(answer.body) : answer.body;
    this.#become(3);
    this.#end("load");
  }

  #end(how) {
    if (how !== "load") {
      this.status = 0;
      this.#answer = undefined;
    }
    this.#become(4);
    this.dispatch(how);
    this.dispatch("loadend");
  }

  #become(state) {
    this.readyState = state;
    this.dispatch("readystatechange");
  }
}

class WebSocket extends Target {
  static CONNECTING = 0;
  static OPEN = 1;
  static CLOSING = 2;
  static CLOSED = 3;
  readyState = 0;
  #number;

  constructor(url) {
    super();
    this.url = url;
    later({ ask: "openSocket", url }).then(
      async (number) => {
        this.#number = number;
        this.readyState = 1;
        this.dispatch("open");
        for (;;) {
          const data = await later({ ask: "receive", socket: number });
          if (data === null) break;
          this.dispatch("message", { data });
        }
        this.readyState = 3;
        this.dispatch("close", { code: 1000 });
      },
      () => {
        this.readyState = 3;
        this.dispatch("error");
        this.dispatch("close", { code: 1006 });
      },
    );
  }

  send(text) {
    void later({ ask: "send", socket: this.#number, text });
  }

  close() {
    this.readyState = 2;
    void later({ ask: "closeSocket", socket: this.#number });
  }
}

Target.handles("readystatechange", "load", "error", "abort", "timeout", "loadend", "open", "message", "close");

/** Timers that repeat, as React Native has them. */
const intervals = new Map();
let lastInterval = 0;
const setInterval = (work, ms) => {
  const id = `interval-${++lastInterval}`;
  const next = () =>
    intervals.set(
      id,
      setTimeout(() => (next(), work()), ms),
    );
  next();
  return id;
};
const clearInterval = (id) => {
  clearTimeout(intervals.get(id) ?? 0);
  intervals.delete(id);
};

// The core reads the environment through `process`, as bundles do.
Object.assign(globalThis, { XMLHttpRequest, WebSocket, setInterval, clearInterval, self: globalThis });
