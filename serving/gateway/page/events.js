/** A failure with what the server said of it; `retrySeconds` where it said when to come back. */
export class Refusal extends Error {
  constructor(message, { type = "", status = 0, retrySeconds = 0 } = {}) {
    super(message);
    Object.assign(this, { type, status, retrySeconds });
  }
}

/** Ask for a streamed answer; throws Refusal. */
export async function ask(body, headers, signal) {
  const reply = await fetch("/api/v1/chat/completions", {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Title": "model page", ...headers },
    body: JSON.stringify({ ...body, stream: true }),
    signal,
  });
  if (!reply.ok) {
    const { error } = await reply.json().catch(() => ({}));
    throw refusal(error, reply);
  }
  return reply;
}

/** Yield the chunks of a stream as they come; throws Refusal for one that breaks. */
export async function* chunks(reply) {
  let ended = false;
  for await (const data of lines(reply.body)) {
    if (data === "[DONE]") {
      ended = true;
      continue;
    }
    const chunk = JSON.parse(data);
    if (chunk.error) throw refusal(chunk.error, reply);
    yield chunk;
  }
  if (!ended) throw new Refusal("The answer broke off before its end.", { type: "connection" });
}

async function* lines(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const whole = (rest + value).split("\n");
    rest = whole.pop();
    for (const line of whole) if (line.startsWith("data: ")) yield line.slice(6);
  }
}

function refusal(error, reply) {
  const message = error?.message ?? `The server answered ${reply.status} without a reason.`;
  return new Refusal(message, {
    type: error?.metadata?.error_type ?? "",
    status: error?.code ?? reply.status,
    retrySeconds: Number(reply.headers.get("retry-after")) || 0,
  });
}
