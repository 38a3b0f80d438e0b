import { startChat } from "./chat.js";
import { addCopyButtons } from "./copy.js";
import { byId } from "./element.js";
import { startFragment } from "./fragment.js";
import { startKeys } from "./key.js";
import { startTabs } from "./tabs.js";

startKeys();
startTabs();
startChat(byId("chat"));
addCopyButtons(byId("api"));
document.querySelectorAll("[data-fragment]").forEach(startFragment);
