import { byId } from "./element.js";

const NAME = "key";
let before = null; // what gets the focus when the form is done with

/** Fires "change" when another key is used from now on. */
export const keys = new EventTarget();

/** Return the headers that carry this tab's key, if it has one. */
export function keyHeaders() {
  const key = sessionStorage.getItem(NAME);
  return key ? { Authorization: `Bearer ${key}` } : {};
}

/** Return what to tell a person who was not let in; `message` is what programs are told. */
export function whyNot(message) {
  return sessionStorage.getItem(NAME) ? message : "This needs a key. It stays in this tab.";
}

/** Open the form for a key and say why one is needed; afterwards the focus goes back. */
export function askForKey(why, back = document.activeElement) {
  const box = byId("key");
  before = back;
  box.hidden = false;
  box.open = true;
  byId("key-note").textContent = why;
  byId("key-field").focus();
}

/** Let the form keep the key for as long as the tab lives. */
export function startKeys() {
  const box = byId("key");
  const field = byId("key-field");
  byId("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    keep(field.value.trim());
  });
  byId("key-forget").addEventListener("click", () => keep(""));
  box.addEventListener("keydown", (event) => {
    if (event.key === "Escape") close(box);
  });
  show();

  function keep(key) {
    if (key) sessionStorage.setItem(NAME, key);
    else sessionStorage.removeItem(NAME);
    field.value = "";
    close(box);
    show();
    keys.dispatchEvent(new Event("change"));
  }
}

function show() {
  const set = sessionStorage.getItem(NAME) !== null;
  byId("key-state").textContent = set ? "set" : "none";
  byId("key-note").textContent = "A key stays in this tab and is forgotten with it.";
}

function close(box) {
  box.open = false;
  (before?.isConnected ? before : box.querySelector("summary")).focus();
  before = null;
}
