import { Attachments, partOf } from "./attachments.js";
import { announce, byId } from "./element.js";
import { ask, chunks, Refusal } from "./events.js";
import { askForKey, keyHeaders } from "./key.js";
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
  byId("file").addEventListener("change", async ({ target }) => {
    await attach(target.files);
    target.value = "";
  });
  panel.addEventListener("paste", ({ clipboardData }) => attach(clipboardData.files));
  startDrop(panel, attach);

  /** Forget the conversation. */
  function begin() {
    running?.abort();
    running = null;
    messages = [];
    sent = [];
    turns.replaceChildren();
    complain("");
    showState();
  }

  async function attach(files) {
    if (files.length) complain(await attachments.add([...files], sent));
  }

  async function onSample({ target }) {
    const chosen = target.closest("[data-question]");
    if (!chosen) return;
    const { question, picture } = chosen.dataset;
    if (picture) {
      const blob = await (await fetch(picture)).blob();
      const name = chosen.querySelector("img").alt;
      await attach([new File([blob], name, { type: blob.type })]);
    }
    submit(question);
    if (HAS_KEYBOARD) field.focus({ preventScroll: true });
  }

  function submit(text = field.value.trim()) {
    if (running) return complain("An answer is on its way. Stop it, or wait for its end.");
    const files = attachments.give();
    if (!text && !files.length) return complain("Write a question, or add a picture.");
    complain("");
    field.value = "";
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
    turn.fail(refusal, () => {
      if (running) return;
      turn.element.remove();
      run(turn.question);
      field.focus({ preventScroll: true });
    });
    if (refusal.status === 401) askForKey("This server needs a key. It stays in this tab.");
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

/** Take what is dropped anywhere on the panel. */
function startDrop(panel, take) {
  const hasFiles = (event) => event.dataTransfer.types.includes("Files");
  panel.addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    panel.classList.add("dropping");
  });
  panel.addEventListener("dragleave", (event) => {
    if (!panel.contains(event.relatedTarget)) panel.classList.remove("dropping");
  });
  panel.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    panel.classList.remove("dropping");
    take(event.dataTransfer.files);
  });
}
