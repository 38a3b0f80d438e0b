import { byId, element } from "./element.js";
import { askForKey, keyHeaders, keys, whyNot } from "./key.js";
import { morph } from "./morph.js";

const REFRESH_MS = 5000;

/** Fill a box with HTML of this server and keep it fresh for as long as it is looked at. */
export function startFragment(box) {
  const panel = box.closest(".panel");
  const why = element("span");
  const enter = element("button", { type: "button" }, "Enter a key");
  const note = element("p", { class: "note bad", role: "status", hidden: true }, why, " ", enter);
  let url = box.dataset.fragment;
  let timer = 0;
  let asking = new AbortController();
  box.before(note);

  const tab = byId(panel.getAttribute("aria-labelledby"));
  enter.addEventListener("click", () => askForKey(why.textContent, tab));
  panel.addEventListener("show", load);
  panel.addEventListener("hide", stop);
  document.addEventListener("visibilitychange", () => (isSeen() ? load() : stop()));
  keys.addEventListener("change", () => {
    box.replaceChildren(); // what another key has shown is not for this one
    if (isSeen()) load();
  });
  box.addEventListener("click", onClick);
  box.addEventListener("submit", onForm);
  box.addEventListener("change", (event) => event.target.form && onForm(event));
  if (isSeen()) load();

  function isSeen() {
    return !panel.hidden && document.visibilityState === "visible";
  }

  function stop() {
    clearTimeout(timer);
    asking.abort();
  }

  /** Ask once, and again in a while, unless it takes a key that is not there. */
  async function load() {
    stop();
    asking = new AbortController();
    const { signal } = asking;
    let status = 0;
    try {
      const reply = await fetch(url, { headers: keyHeaders(), signal });
      status = reply.status;
      if (reply.ok) take(await reply.text());
      else refuse((await reply.json()).error.message, status);
    } catch (error) {
      if (signal.aborted) return;
      say("The server cannot be reached; what is shown may be old.");
    }
    enter.hidden = status !== 401;
    note.classList.toggle("bad", status !== 401);
    if (isSeen() && status !== 401) timer = setTimeout(load, REFRESH_MS);
  }

  function take(html) {
    const fresh = document.createElement("template");
    fresh.innerHTML = html;
    morph(box, fresh.content);
    say("");
  }

  /** Say why nothing came; a key that has ended shows no longer what it has shown. */
  function refuse(message, status) {
    if (status === 401) box.replaceChildren();
    say(status === 401 ? whyNot(message) : message);
  }

  function say(text) {
    note.hidden = !text;
    if (why.textContent !== text) why.textContent = text;
  }

  function onClick(event) {
    const link = event.target.closest("a[href^='/page/']");
    if (!link) return;
    event.preventDefault();
    turnTo(link.getAttribute("href"));
  }

  function onForm(event) {
    const form = event.target.form ?? event.target;
    event.preventDefault();
    turnTo(`${form.getAttribute("action")}?${new URLSearchParams(new FormData(form))}`);
  }

  function turnTo(address) {
    url = address;
    load();
  }
}
