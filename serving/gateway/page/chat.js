import { Attachments, partOf } from "./attachments.js";
import { announce, byId } from "./element.js";
import { ask, chunks, Refusal } from "./events.js";
import { askForKey, keyHeaders, whyNot } from "./key.js";
import { Turn } from "./turn.js";

const NEAR_END_PX = 120;
// Where fingers write, a focus that nobody asked for opens a keyboard over the answer.
const HAS_KEYBOARD = matchMedia("(pointer: fine)").matches;

/** Let people ask, in one conversation at a time; nothing of it is kept. */
export function startChat(panel) {
  const offer = JSON.parse(panel.dataset.offer);
  const field = byId("question");
  const turns = byId("turns");
  const attachments = new Attachments(byId("attached"), offer);
  let messages = [];
  let sent = []; // files of questions that were answered
  let running = null;
  let attaching = Promise.resolve(); // ends when all files given so far are there, or refused

  byId("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    submit();
  });
  panel.addEventListener("keydown", (event) => event.key === "Escape" && running?.abort());
  byId("stop").addEventListener("click", () => running?.abort());
  byId("anew").addEventListener("click", () => {
    begin();
    announce("A new chat has begun.");
    field.focus();
  });
  byId("welcome").addEventListener("click", onSample);
  byId("attach").addEventListener("click", () => byId("file").click());
  byId("file").addEventListener("change", ({ target }) => {
    attach([...target.files]);
    target.value = "";
  });
  document.addEventListener("paste", ({ clipboardData }) => receive([...clipboardData.files]));
  startDrop(panel, receive);

  /** Forget the conversation. */
  function begin() {
    running?.abort();
    running = null;
    messages = [];
    sent = [];
    for (const { src } of turns.querySelectorAll("img, video")) URL.revokeObjectURL(src);
    turns.replaceChildren();
    complain("");
    showState();
  }

  /** Attach files (an array, or what becomes one) after those that were given before. */
  function attach(files) {
    attaching = attaching.then(async () => {
      try {
        complain(await attachments.add(await files, sent));
      } catch {
        complain("The picture could not be loaded. Try it once more.");
      }
    });
  }

  /** Take files that were dropped or pasted anywhere on the page. */
  function receive(files) {
    if (!files.length) return;
    if (panel.hidden) byId("tab-chat").click();
    attach(files);
  }

  async function onSample({ currentTarget: welcome, target }) {
    const chosen = target.closest("[data-question]");
    if (!chosen) return;
    welcome.inert = true; // a second click would ask a second time
    if (chosen.dataset.picture) attach(sampleFile(chosen));
    await submit(chosen.dataset.question);
    welcome.inert = false;
    if (HAS_KEYBOARD) field.focus({ preventScroll: true });
  }

  /** Ask, once all files are there; if one of them is refused meanwhile, nothing is asked. */
  async function submit(written) {
    if (running) return complain("An answer is on its way. Stop it, or wait for its end.");
    complain("");
    await attaching;
    if (running || byId("complaint").textContent) return;
    const text = written ?? field.value.trim();
    const files = attachments.give();
    if (!text && !files.length) return complain("Write a question, or add a picture.");
    complain("");
    if (!written) field.value = "";
    run({ text, files });
  }

  async function run(question) {
    const turn = new Turn(question, turns.children.length + 1);
    const stopper = (running = new AbortController());
    turns.append(turn.element);
    showState();
    const stopFollowing = follow(turns);
    try {
      await answer(turn, question, stopper.signal);
      turn.end();
    } catch (error) {
      if (stopper.signal.aborted) turn.end(true);
      else refuse(turn, error);
    } finally {
      stopFollowing();
      if (running === stopper) running = null;
      showState();
    }
  }

  async function answer(turn, question, signal) {
    const parts = await Promise.all(question.files.map(partOf));
    if (question.text) parts.push({ type: "text", text: question.text });
    const asked = { role: "user", content: parts };
    const effort = byId("effort").value;
    const body = { model: offer.model, messages: [...messages, asked] };
    if (effort) body.reasoning = { effort };
    const history = messages;
    try {
      const reply = await ask(body, keyHeaders(), signal);
      turn.headers = reply.headers;
      for await (const chunk of chunks(reply)) turn.take(chunk);
    } finally {
      // What was not answered is no part of the conversation: the model never saw its end.
      const said = turn.said.join("");
      if (said && history === messages) {
        messages = [...messages, asked, { role: "assistant", content: said }];
        sent = [...sent, ...question.files];
      }
    }
  }

  function refuse(turn, error) {
    const refusal =
      error instanceof Refusal
        ? error
        : new Refusal("The server cannot be reached, or broke off.", { type: "connection" });
    const isClosed = refusal.status === 401;
    if (isClosed) refusal.message = whyNot(refusal.message);
    const again = turn.fail(refusal, () => {
      if (running) return;
      turn.element.remove();
      run(turn.question);
      field.focus({ preventScroll: true });
    });
    if (isClosed) askForKey(refusal.message, again);
  }

  function complain(text) {
    byId("complaint").textContent = text;
  }

  function showState() {
    const had = document.activeElement;
    byId("welcome").hidden = turns.children.length > 0;
    byId("anew").hidden = turns.children.length === 0;
    byId("send").hidden = running !== null;
    byId("stop").hidden = running === null;
    if (had === byId("stop") && !running) field.focus();
    if (had === byId("send") && running) byId("stop").focus();
  }
}

/** Keep the end of a growing list in sight, unless its reader has scrolled away from it. */
function follow(list) {
  const page = document.scrollingElement;
  const isNearEnd = () => page.scrollTop + page.clientHeight >= page.scrollHeight - NEAR_END_PX;
  let follows = true;
  let top = page.scrollTop;
  const look = () => {
    if (isNearEnd()) follows = true;
    else if (page.scrollTop < top) follows = false;
    top = page.scrollTop;
  };
  const growth = new ResizeObserver(() => follows && page.scrollTo(0, page.scrollHeight));
  document.addEventListener("scroll", look, { passive: true });
  growth.observe(list);
  return () => {
    // The last pieces are laid out in the frame that comes.
    requestAnimationFrame(() => requestAnimationFrame(() => {
      growth.disconnect();
      document.removeEventListener("scroll", look);
    }));
  };
}

/** Fetch the picture of a sample. */
async function sampleFile(button) {
  const blob = await (await fetch(button.dataset.picture)).blob();
  return [new File([blob], button.querySelector("img").alt, { type: blob.type })];
}

/** Take what is dropped: anywhere, for a browser that is left alone leaves the page for the file. */
function startDrop(panel, take) {
  const hasFiles = (event) => event.dataTransfer.types.includes("Files");
  document.addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    panel.classList.add("dropping");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) panel.classList.remove("dropping");
  });
  document.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    panel.classList.remove("dropping");
    take([...event.dataTransfer.files]);
  });
}
