/**
 * Make the children of one element like those of another, keeping every node that can stay:
 * so focus, scroll positions, selections and what is folded open survive.
 */
export function morph(kept, fresh) {
  const before = [...kept.childNodes];
  const after = [...fresh.childNodes];
  after.forEach((node, index) => {
    const old = before[index];
    if (!old) kept.append(node);
    else if (!isSameKind(old, node)) old.replaceWith(node);
    else if (node.nodeType === Node.ELEMENT_NODE) {
      takeAttributes(old, node);
      morph(old, node);
    } else if (old.data !== node.data) old.data = node.data;
  });
  before.slice(after.length).forEach((node) => node.remove());
}

function isSameKind(old, node) {
  return old.nodeType === node.nodeType && old.nodeName === node.nodeName && old.id === node.id;
}

function takeAttributes(old, node) {
  const isReaders = (name) => name === "open" && old.nodeName === "DETAILS";
  for (const { name } of [...old.attributes]) {
    if (!node.hasAttribute(name) && !isReaders(name)) old.removeAttribute(name);
  }
  for (const { name, value } of node.attributes) {
    if (old.getAttribute(name) !== value && !isReaders(name)) old.setAttribute(name, value);
  }
}
