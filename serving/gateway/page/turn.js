import { announce, element } from "./element.js";
import { figures, time } from "./figures.js";
import { Text } from "./text.js";

const TICK_MS = 200;
const SAID_CHARACTERS = 300;

/** A question and its answer as they are seen. */
export class Turn {
  #answer;
  #answerText;
  #thought;
  #thoughtText;
  #state = element("p", { class: "waiting" });
  #ticking = 0;
  #clock = { sent: performance.now(), first: 0, answer: 0, end: 0 };
  #usage = null;
  #finish = "";
  headers = null;
  said = [];

  /** @param {{text: string, files: {url: string, kind: string, name: string}[]}} question */
  constructor(question, number) {
    this.question = question;
    this.element = element(
      "article",
      { class: "turn", "aria-label": `Question ${number}`, "aria-busy": "true" },
      element(
        "div",
        { class: "question" },
        element("div", { class: "shown" }, ...question.files.map(preview)),
        line(question.text),
      ),
      this.#state,
    );
    this.#ticking = setInterval(() => this.#tick(), TICK_MS);
    this.#tick();
  }

  /** Take one chunk of the stream. */
  take(chunk) {
    this.#usage = chunk.usage ?? this.#usage;
    const choice = chunk.choices?.[0];
    if (!choice) return;
    this.#finish = choice.finish_reason ?? this.#finish;
    if (choice.delta.reasoning) this.#think(choice.delta.reasoning);
    if (choice.delta.content) this.#say(choice.delta.content);
  }

  /** Close a turn that ended well, or was stopped by its reader. */
  end(stopped = false) {
    const cut = this.#finish === "length" && "Cut off: the answer has used up its max_tokens.";
    this.#close(stopped ? "Stopped." : cut || (!this.said.length && "The model gave no answer."));
    const text = this.said.join("").trim();
    const read = text.length > SAID_CHARACTERS ? "" : ` ${text}`;
    announce(stopped ? "Stopped." : `Answer complete.${read}`);
  }

  /** Close a turn that failed; `again` asks once more, by the button that is returned. */
  fail(refusal, again) {
    this.#close();
    const type = refusal.type ? element("b", {}, refusal.type.replaceAll("_", " "), ": ") : "";
    const status = refusal.status ? ` (${refusal.status})` : "";
    const button = element("button", { type: "button" }, "Try again");
    button.addEventListener("click", again);
    countDown(button, performance.now() + 1000 * refusal.retrySeconds);
    this.element.append(
      element("div", { class: "failure" }, element("p", {}, type, refusal.message, status), button),
    );
    announce(`Failed. ${refusal.message}`);
    return button;
  }

  #think(piece) {
    if (!this.#thought) this.#openThought();
    this.#thoughtText.add(piece);
  }

  #say(piece) {
    if (!this.#answer) {
      this.#foldThought();
      this.#clock.first ||= performance.now();
      this.#clock.answer = performance.now();
      this.#answer = element("div", { class: "answer text" });
      this.#answerText = new Text(this.#answer);
      this.element.append(this.#answer);
    }
    this.said.push(piece);
    this.#answerText.add(piece);
  }

  #openThought() {
    this.#clock.first = performance.now();
    this.#state.remove();
    const text = element("div", {
      class: "text", tabindex: 0, role: "region", "aria-label": "Thought",
    });
    const title = element("summary", {}, "Thinking");
    this.#thought = element("details", { class: "thought", open: true }, title, text);
    this.#thoughtText = new Text(text);
    this.element.append(this.#thought);
  }

  /** Fold the thought away, now that the answer begins, and say so. */
  #foldThought() {
    if (!this.#thought) return this.#state.remove();
    this.#thoughtText.flush();
    // Whoever is reading it by keyboard goes on where they are.
    this.#thought.open = document.activeElement === this.#thoughtText.box;
    this.#title(`Thought for ${time(performance.now() - this.#clock.first)}`);
    announce("The thought has ended; the answer begins.");
  }

  #tick() {
    const { sent, first, answer } = this.#clock;
    const now = performance.now();
    if (!first) this.#state.textContent = `Waiting for the first token… ${seconds(now - sent)}`;
    else if (!answer) this.#title(`Thinking… ${seconds(now - first)}`);
  }

  #title(text) {
    const title = this.#thought.firstChild;
    if (title.textContent !== text) title.textContent = text;
  }

  #close(note) {
    clearInterval(this.#ticking);
    this.#clock.end = performance.now();
    this.#state.remove();
    this.#thoughtText?.flush();
    this.#answerText?.flush();
    if (this.#thought && !this.#answer) {
      this.#title(`Thought for ${time(this.#clock.end - this.#clock.first)}`);
    }
    if (note) this.element.append(element("p", { class: "ended" }, note));
    if (this.headers) {
      const known = { usage: this.#usage, clock: this.#clock, headers: this.headers };
      this.element.append(figures(known));
    }
    this.element.setAttribute("aria-busy", "false");
  }
}

const seconds = (ms) => `${Math.floor(ms / 1000)} s`;

const line = (text) => (text ? element("p", { class: "text" }, text) : "");

function preview({ url, kind, name }) {
  return kind === "video"
    ? element("video", { src: url, controls: true, "aria-label": name })
    : element("img", { src: url, alt: name });
}

/** Keep a button from being pressed until then, as the server has asked for, and say how long. */
function countDown(button, until) {
  const left = until - performance.now();
  button.disabled = left > 0;
  button.textContent = left > 0 ? `Try again in ${wait(left / 1000)}` : "Try again";
  if (left > 0) setTimeout(() => countDown(button, until), Math.min(left, 1000));
}

function wait(seconds) {
  if (seconds <= 120) return `${Math.ceil(seconds)} s`;
  return seconds <= 7200 ? `${Math.ceil(seconds / 60)} min` : `${Math.ceil(seconds / 3600)} h`;
}
