// Opens a page in a browser without a display, orbits, and reads what it drew, through the browser's own debugging pipe:
//
//     node splat_page.mjs BROWSER PROFILE PAGE WIDTH HEIGHT webgpu|wasm PIXELS
//
// prints what the page says and asked for, as JSON, and writes the pixels as they were copied from where they were drawn: five f32 each, or four bytes.
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";

const [browser, profile, page, width, height, path, drawn] = process.argv.slice(2);
const quiet = ["quic", "background-networking", "component-update", "sync", "extensions"].map((name) => `--disable-${name}`);
const software = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-features=Vulkan"];
const own = ["--headless", "--no-sandbox", "--no-first-run", "--remote-debugging-pipe", `--user-data-dir=${profile}`];
const child = spawn(browser, [...own, ...quiet, ...(path === "webgpu" ? software : ["--disable-gpu"]), "about:blank"], {
  stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
});
child.on("error", (error) => fail(error.message));
child.on("exit", (status) => done || fail(`the browser ended with ${status}`));
let done = false;
const limit = setTimeout(() => fail("the page draws nothing for two minutes"), 120_000);
function fail(words) {
  console.error(words);
  child.kill();
  process.exit(1);
}

// Messages are JSON that ends in 0; answers have the number of their question.
const asked = new Map();
const outside = [];
let rest = "";
child.stdio[4].setEncoding("utf8").on("data", (part) => {
  const messages = (rest + part).split("\0");
  rest = messages.pop();
  for (const { id, result, error, method, params } of messages.map((message) => JSON.parse(message))) {
    if (id && error) fail(`${asked.get(id).method}: ${error.message}`);
    if (id) asked.get(id).answered(result);
    if (method === "Network.requestWillBeSent" && !/^(file|data|blob):/.test(params.request.url)) outside.push(params.request.url);
  }
});
let sessionId;
function call(method, params = {}) {
  const id = asked.size + 1;
  child.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
  return new Promise((answered) => asked.set(id, { method, answered }));
}
async function evaluate(expression) {
  const { result, exceptionDetails } = await call("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
  if (exceptionDetails) fail(`${expression}: ${exceptionDetails.exception?.description}`);
  return result.value;
}
async function still() {
  while (!(await evaluate("Boolean(globalThis.splatView?.still())"))) await new Promise((later) => setTimeout(later, 50));
}

const { targetId } = await call("Target.createTarget", { url: "about:blank" });
({ sessionId } = await call("Target.attachToTarget", { targetId, flatten: true }));
await call("Network.enable");
const size = { width: Number(width), height: Number(height), deviceScaleFactor: 1, mobile: false };
await call("Emulation.setDeviceMetricsOverride", size);
await call("Page.navigate", { url: `file://${page}${path === "webgpu" ? "?copy" : "?processor"}` });
await still();
const first = await evaluate("addressOf(look)");
const mouse = (type, x, y) => call("Input.dispatchMouseEvent", { type, x, y, button: "left", buttons: 1, clickCount: 1 });
await mouse("mousePressed", 100, Number(height) - 20);
await mouse("mouseMoved", 150, Number(height) - 10);
await mouse("mouseReleased", 150, Number(height) - 10);
const orbited = await evaluate("addressOf(look)");
await call("Input.dispatchKeyEvent", { type: "keyDown", key: "r", text: "r" });
const reset = await evaluate("addressOf(look)");
await still();
await new Promise((later) => setTimeout(later, 500));
const bytes = await evaluate(`(async () => {
  const { buffer } = await splatView.read();
  return [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
})()`);
writeFileSync(drawn, Buffer.from(bytes, "hex"));
const said = await evaluate("document.getElementById('status').textContent");
console.log(JSON.stringify({ first, orbited, reset, said, path: await evaluate("splatView.path()"), outside }));
clearTimeout(limit);
done = true;
await call("Browser.close").catch(() => {});
child.kill();
process.exit(0);
