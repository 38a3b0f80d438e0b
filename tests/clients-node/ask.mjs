// Asks an endpoint with Vercel's AI SDK through OpenRouter's provider, of whose settings only the
// base URL and the key are changed. Reads {"base_url", "picture"} from stdin; prints, for each
// question, what an application would see of its answer, or how it failed, as one JSON object.
import { readFileSync } from "node:fs";
import { createOpenRouter } from "@openrouter/ai-sdk-provider";
import { APICallError, Output, generateText, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

const { base_url: baseURL, picture } = JSON.parse(readFileSync(0, "utf8"));
const openrouter = createOpenRouter({ baseURL, apiKey: "none" });
const model = openrouter("qwen/qwen3-vl-8b-thinking");
const ask = (options) => generateText({ model, maxRetries: 0, ...options });

const seen = (answer) => ({
  text: answer.text,
  reasoning: answer.reasoningText,
  finish: answer.finishReason,
  usage: answer.usage,
});

const about = (question) => [
  {
    role: "user",
    content: [
      { type: "text", text: question },
      { type: "image", image: picture },
    ],
  },
];

const city = z.object({ city: z.string() });
const weather = tool({
  description: "Get the weather of a city",
  inputSchema: city,
  execute: async ({ city }) => (city === "Paris" ? "sunny" : "unknown"),
});

const questions = {
  text: async () => {
    const answer = await ask({ prompt: "What is 12 + 7?" });
    return { ...seen(answer), model: answer.response.modelId, id: answer.response.id };
  },

  stream: async () => {
    const stream = streamText({ model, prompt: "What is 12 + 7?", maxRetries: 0 });
    const kinds = [];
    for await (const part of stream.fullStream) {
      if (part.type === "error") throw part.error;
      if (kinds.at(-1) !== part.type) kinds.push(part.type);
    }
    const { openrouter } = await stream.providerMetadata;
    return {
      kinds,
      text: await stream.text,
      reasoning: await stream.reasoningText,
      finish: await stream.finishReason,
      usage: await stream.usage,
      details: openrouter.reasoning_details,
    };
  },

  tool: async () => {
    const answer = await ask({
      prompt: "What is the weather in Paris?",
      tools: { get_weather: weather },
      stopWhen: stepCountIs(2),
    });
    const [call] = answer.steps[0].toolCalls;
    const finishes = answer.steps.map((step) => step.finishReason);
    return { ...seen(answer), name: call.toolName, input: call.input, finishes };
  },

  object: async () => {
    const answer = await ask({
      messages: about("Describe the picture as JSON."),
      output: Output.object({
        schema: z.object({ colour: z.string(), kind: z.string(), count: z.number().int() }),
      }),
    });
    return { ...seen(answer), object: answer.output };
  },

  picture: async () => seen(await ask({ messages: about("What is in this image?") })),

  unknown: async () => {
    try {
      await ask({ model: openrouter("gpt-9"), prompt: "What is 12 + 7?" });
    } catch (error) {
      const { statusCode, message, isRetryable } = error;
      return { isCallError: APICallError.isInstance(error), statusCode, message, isRetryable };
    }
  },
};

const asked = Object.entries(questions).map(async ([name, question]) => [
  name,
  await question().catch((error) => ({ failed: String(error?.stack ?? error) })),
]);
console.log(JSON.stringify(Object.fromEntries(await Promise.all(asked))));
