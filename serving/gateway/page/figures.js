import { copyButton } from "./copy.js";
import { element } from "./element.js";

// In less, tokens that came together make the pace a matter of chance.
const LEAST_FOR_PACE_MS = 1000;

/** Write a time in ms for people. */
export function time(ms) {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(ms < 10000 ? 2 : 1)} s`;
}

/** Return what is known of an answer as a list: tokens by kind, cost, times, the request's id. */
export function figures({ usage, clock, headers }) {
  const shown = [...tokens(usage), ...times(usage, clock)];
  const list = element("dl", { class: "figures" });
  for (const [name, value] of shown) list.append(figure(name, value));
  const served = stages(headers.get("server-timing"));
  if (served) list.append(figure("Of the wait, on the server", served));
  const id = headers.get("x-request-id");
  if (id) {
    const copy = copyButton(() => id, "request id");
    list.append(figure("Request", element("code", {}, id), copy));
  }
  return list;
}

/** Write Server-Timing for people, like "queued 12 ms, prefill 80 ms"; what took no ms is left out. */
function stages(header) {
  const told = (header ?? "").split(",").map((entry) => entry.trim().split(";dur="));
  const counted = told.filter(([, ms]) => Number(ms) >= 1);
  return counted.map(([stage, ms]) => `${stage.replace("_", " ")} ${time(Number(ms))}`).join(", ");
}

function figure(name, ...value) {
  return element("div", {}, element("dt", {}, name), element("dd", {}, ...value));
}

function tokens(usage) {
  if (!usage) return [];
  const prompt = usage.prompt_tokens_details ?? {};
  const parts = [
    [prompt.image_tokens, "picture"],
    [prompt.video_tokens, "video"],
    [prompt.cached_tokens, "cached"],
  ];
  const within = parts.filter(([count]) => count).map(([count, kind]) => `${count} ${kind}`);
  const thought = usage.completion_tokens_details?.reasoning_tokens ?? 0;
  const cut = usage.completion_tokens_details?.reasoning_budget_hit ? ", ended by its budget" : "";
  return [
    ["Prompt", `${usage.prompt_tokens} tokens${within.length ? ` (${within.join(", ")})` : ""}`],
    ["Thought", `${thought} tokens${cut}`],
    ["Answer", `${usage.completion_tokens - thought} tokens`],
    ["Cost", usage.cost ? `$${Number(usage.cost.toPrecision(3))}` : "free"],
  ];
}

function times(usage, { sent, first, answer, end }) {
  const shown = [];
  if (first) shown.push(["First token", time(first - sent)]);
  if (answer) shown.push(["First answer token", time(answer - sent)]);
  shown.push(["Whole", time(end - sent)]);
  if (usage && first && end - first >= LEAST_FOR_PACE_MS) {
    const pace = (1000 * usage.completion_tokens) / (end - first);
    shown.push(["Pace", `${Math.round(pace)} tokens/s`]);
  }
  return shown;
}
