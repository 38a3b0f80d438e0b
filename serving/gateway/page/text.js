const NEAR_END_PX = 40;

/**
 * A growing text. Pieces are gathered and appended once a frame as new text nodes, a block a line,
 * so that a frame's work does not grow with what is already there.
 */
export class Text {
  #pending = [];
  #line = null;
  #frame = 0;

  /** @param {Element} box scrolls by itself while its end is in sight */
  constructor(box) {
    this.box = box;
  }

  /** Append a piece in the next frame. */
  add(piece) {
    this.#pending.push(piece);
    this.#frame ||= requestAnimationFrame(() => this.flush());
  }

  /** Append now what waits for a frame. */
  flush() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    let text = this.#pending.join("");
    this.#pending.length = 0;
    if (!this.#line) text = text.trimStart();
    if (!text) return;
    const { box } = this;
    const follows = box.scrollTop + box.clientHeight >= box.scrollHeight - NEAR_END_PX;
    const [first, ...more] = text.split("\n");
    if (this.#line) this.#line.append(first);
    else more.unshift(first);
    for (const line of more) {
      this.#line = document.createElement("div");
      this.#line.append(line);
      box.append(this.#line);
    }
    if (follows) box.scrollTop = box.scrollHeight;
  }
}
