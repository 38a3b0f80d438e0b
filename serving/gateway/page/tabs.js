import { byId } from "./element.js";

/**
 * Make tabs of the links: arrow keys move, the address names the tab that is shown.
 * Panels get "show" and "hide" events.
 */
export function startTabs() {
  const list = byId("tabs");
  const tabs = [...list.children];
  const panels = tabs.map((tab) => document.querySelector(tab.hash));
  const name = document.title;
  let current = -1;

  list.setAttribute("role", "tablist");
  tabs.forEach((tab, index) => {
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", panels[index].id);
    panels[index].setAttribute("role", "tabpanel");
  });
  list.addEventListener("keydown", onKey);
  document.addEventListener("click", onLink);
  window.addEventListener("popstate", fromAddress);
  fromAddress();
  document.documentElement.classList.add("started");

  function select(index) {
    if (index === current) return;
    const before = panels[current];
    current = index;
    tabs.forEach((tab, each) => {
      tab.setAttribute("aria-selected", each === index);
      tab.tabIndex = each === index ? 0 : -1;
      panels[each].hidden = each !== index;
    });
    document.title = index ? `${tabs[index].textContent} · ${name}` : name;
    before?.dispatchEvent(new Event("hide"));
    panels[index].dispatchEvent(new Event("show"));
  }

  function go(index) {
    if (index !== current) history.pushState(null, "", tabs[index].hash);
    select(index);
    tabs[index].scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  /** Show the tab that the address names, or the one in which that place is. */
  function fromAddress() {
    const place = byId(location.hash.slice(1));
    const panel = panels.indexOf(place?.closest(".panel"));
    select(Math.max(0, panel));
    if (place && panel >= 0 && place !== panels[panel]) place.scrollIntoView();
  }

  function onKey(event) {
    const steps = { ArrowRight: current + 1, ArrowLeft: current - 1, Home: 0, End: tabs.length - 1 };
    if (!(event.key in steps) || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    go((steps[event.key] + tabs.length) % tabs.length);
    tabs[current].focus();
  }

  function onLink(event) {
    const link = event.target.closest("a[href^='#']");
    const index = panels.findIndex((panel) => link && `#${panel.id}` === link.getAttribute("href"));
    if (index < 0 || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    go(index);
    tabs[index].focus();
  }
}
