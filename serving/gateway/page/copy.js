import { announce, element } from "./element.js";

const SHOWN_MS = 1500;

/** Return a button that copies what `read` returns when it is pressed. */
export function copyButton(read, what) {
  const button = element("button", { type: "button", class: "copy", "aria-label": `Copy ${what}` }, "Copy");
  button.addEventListener("click", async () => {
    const done = await copy(read(), button);
    button.textContent = done ? "Copied" : "Not copied";
    announce(done ? `${what} copied` : `${what} could not be copied`);
    setTimeout(() => (button.textContent = "Copy"), SHOWN_MS);
  });
  return button;
}

/** Put a copy button on each sample of code. */
export function addCopyButtons(root) {
  for (const block of root.querySelectorAll("pre")) {
    const title = document.getElementById(block.getAttribute("aria-labelledby"));
    const frame = element("div", { class: "code" });
    block.replaceWith(frame);
    frame.append(block, copyButton(() => block.textContent, `${title.textContent} sample`));
  }
}

/** Copy text; without TLS the clipboard is closed, and only a selection can be copied. */
async function copy(text, button) {
  if (navigator.clipboard) {
    return navigator.clipboard.writeText(text).then(() => true, () => false);
  }
  const field = element("textarea", { class: "unseen", "aria-hidden": "true" });
  field.value = text;
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  button.focus();
  return done;
}
