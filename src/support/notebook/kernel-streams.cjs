/** What a cell prints, in few messages, none of which is lost. */
const { Publisher } = require('zeromq');

/** A cell that computes for long without a pause still shows its progress this often. */
const LONGEST_WAIT_MS = 100;

/**
 * Gathers what is printed without a pause, and sends it at the next pause. `send(name, text)` gets
 * one text for stdout and one for stderr.
 */
function gatherText(send) {
  const waiting = new Map(); // name of the stream → text
  let since = 0;

  function flush() {
    for (const [name, text] of waiting) send(name, text);
    waiting.clear();
  }
  function write(name, text) {
    const now = performance.now();
    if (waiting.size === 0) {
      since = now;
      setImmediate(flush);
    }
    waiting.set(name, (waiting.get(name) ?? '') + text);
    if (now - since > LONGEST_WAIT_MS) flush();
  }
  return { write, flush };
}

/**
 * A publisher that sends everything. ZeroMQ's own drops messages when more than 1000 wait, and
 * refuses to send (EBUSY) after some 500 of them without a pause.
 */
class CompletePublisher extends Publisher {
  #lastSend = Promise.resolve();
  #waiting = 0;

  constructor(options) {
    super({ sendHighWaterMark: 0, ...options }); // 0: no limit
  }

  send(message) {
    if (this.#waiting === 0) {
      try {
        this.#lastSend = super.send(message);
        return this.#lastSend;
      } catch (error) {
        if (error.code !== 'EBUSY') throw error;
      }
    }
    this.#waiting++;
    this.#lastSend = this.#lastSend.then(() => {
      this.#waiting--;
      return super.send(message);
    });
    return this.#lastSend;
  }
}

module.exports = { CompletePublisher, gatherText };
