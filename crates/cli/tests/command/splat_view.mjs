// Draws a page's scene by the page's own worker, where there is no browser:
//
//     node splat_view.mjs ASSETS PAGE WIDTH HEIGHT SCENE PIXELS
//
// writes the scene that the page holds, and four bytes of each pixel.
import { readFileSync, writeFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import vm from "node:vm";

const [assets, file, width, height, saved, drawn] = process.argv.slice(2);
if (!file) process.exit(0);
const page = readFileSync(file, "utf8");
const part = (id) => page.split(`id="${id}">`)[1].split("</script>")[0];
const about = JSON.parse(part("about"));
const packed = Buffer.from(part("scene"), "base64");
writeFileSync(saved, packed);

const size = [Number(width), Number(height)];
const cameraRows = vm.runInThisContext(`${readFileSync(`${assets}/camera.js`, "utf8")}\ncameraRows`);
let answered;
globalThis.postMessage = (message) => answered(message);
vm.runInThisContext(part("worker"));
async function ask(call, values) {
  const answer = new Promise((resolve) => (answered = resolve));
  globalThis.onmessage({ data: { id: 1, call, ...values } });
  const { answer: found, refused } = await answer;
  if (refused) throw new Error(refused);
  return found;
}

// A scene that is cut off is refused in words.
const scene = gunzipSync(packed);
const module = gunzipSync(Buffer.from(part("wasm"), "base64"));
const refusal = await ask("open", { module, scene: scene.subarray(0, scene.length - 1) }).catch((error) => error.message);
if (!/^the scene has \d+ bytes, which are not those of its \d+ splats$/.test(refusal)) throw new Error(`no refusal: ${refusal}`);

await ask("open", { module, scene });
const settings = [...cameraRows(about.look, size, about.lens), 0.01 * about.lens.radius, about.blur, about.antialiased ? 1 : 0, ...about.background, 1];
const { pixels } = await ask("draw", { settings, width: size[0], height: size[1], degree: about.degree });
writeFileSync(drawn, pixels);
