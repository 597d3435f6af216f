// The page: what is looked at, who draws it, and what hands do.
const $ = (id) => document.getElementById(id);
const about = JSON.parse($("about").textContent);
const view = $("view");
const most = { pixels: 1 << 22, side: 4096 };
// Milliseconds that a picture may take while the camera moves, and after which it stands still.
const [brief, still] = [45, 160];

let look = lookOf(location.hash, about.look);
let canvas = view.firstElementChild;
let painter = null;
let changedAt = -Infinity;
let drawing = false;
let share = 0.5;

const bytesOf = (id) => Uint8Array.from(atob($(id).textContent.trim()), (sign) => sign.charCodeAt(0));
const unpacked = (bytes) => new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
const say = (words) => ($("status").textContent = words);

// Calls of the worker, each a promise.
const worker = new Worker(URL.createObjectURL(new Blob([$("worker").textContent], { type: "text/javascript" })));
const asked = new Map();
worker.onmessage = ({ data }) => {
  const { answered, refused } = asked.get(data.id);
  asked.delete(data.id);
  "answer" in data ? answered(data.answer) : refused(new Error(data.refused));
};
function ask(call, values, transfer = []) {
  const id = (ask.last = (ask.last ?? 0) + 1);
  worker.postMessage({ id, call, ...values }, transfer);
  return new Promise((answered, refused) => asked.set(id, { answered, refused }));
}

// Pixels of the picture, at most so many.
function pixels(part = 1) {
  const wanted = [view.clientWidth, view.clientHeight].map((x) => Math.max(x, 1) * (devicePixelRatio || 1));
  const fit = Math.min(1, Math.sqrt(most.pixels / (wanted[0] * wanted[1])), most.side / Math.max(...wanted));
  return wanted.map((x) => Math.max(1, Math.round(x * fit * part)));
}

// What kernels are told, beside the picture's size.
function settings(size) {
  const [width, height] = size;
  const ground = getComputedStyle(document.body).backgroundColor.match(/[\d.]+/g).slice(0, 3).map((x) => x / 255);
  return {
    ...about.constants,
    camera: cameraRows(look, size, about.lens),
    half_width: 0.5 * width,
    half_height: 0.5 * height,
    near: 0.01 * about.lens.radius,
    blur: about.blur,
    antialiased: $("antialiased").checked ? 1 : 0,
    background: [...(about.background ?? ground), 1],
  };
}

// On the processor: smaller while the camera moves.
function processor() {
  const context = canvas.getContext("2d");
  let last = null;
  return {
    async draw(moves) {
      const size = pixels(moves ? share : 1);
      const [width, height] = size;
      const { camera, near, blur, antialiased, background } = settings(size);
      const numbers = [...camera, near, blur, antialiased, ...background];
      const drawn = await ask("draw", { settings: numbers, width, height, degree: Number($("degree").value) });
      [canvas.width, canvas.height] = size;
      context.putImageData((last = new ImageData(drawn.pixels, width, height)), 0, 0);
      if (moves) share = held(share * Math.sqrt(brief / drawn.milliseconds), 0.1, 1);
      return `Drawn by the processor in ${Math.round(drawn.milliseconds)} ms, ${width} × ${height}.`;
    },
    read: async () => last.data,
    path: "wasm",
  };
}

// On a graphics processor: always whole.
async function graphics() {
  const plan = JSON.parse($("plan").textContent);
  if (!plan || !navigator.gpu || location.search === "?processor") return null;
  const degree = () => ask("columns", { degree: Number($("degree").value) });
  const gpu = await openGpu(plan, (await degree()).columns, canvas, location.search === "?copy");
  if (!gpu) return null;
  gpu.device.lost.then(({ reason, message }) => {
    if (reason !== "destroyed" && painter?.path === "webgpu") fallBack(new Error(message));
  });
  return {
    async draw() {
      const size = pixels();
      const [width, height] = size;
      if (size[0] !== canvas.width || size[1] !== canvas.height) [canvas.width, canvas.height] = size;
      const begun = performance.now();
      const { whole } = await gpu.draw(settings(size), width, height);
      const took = performance.now() - begun;
      const lacks = whole ? "" : " Some of it is left out: the adapter has no room for it.";
      return `Drawn by WebGPU${gpu.name ? ` on ${gpu.name}` : ""} in ${took.toFixed(took < 10 ? 1 : 0)} ms, ${width} × ${height}.${lacks}`;
    },
    degree: async () => gpu.write((await degree()).columns),
    read: () => gpu.read(),
    path: "webgpu",
  };
}

// A canvas keeps its first kind of picture: another one takes its place.
function fallBack(error) {
  console.warn(error);
  if (painter?.path !== "wasm") {
    canvas.replaceWith((canvas = document.createElement("canvas")));
    painter = processor();
  }
  changed();
}

function changed() {
  changedAt = performance.now();
  draw();
}

// One picture at a time, of what is asked for when it begins.
async function draw() {
  if (drawing || !painter) return;
  drawing = true;
  const { path } = painter;
  try {
    for (let shown = -Infinity, whole = false; shown < changedAt || !whole; ) {
      const moves = performance.now() - changedAt < still && path === "wasm";
      // Until then the last picture of the movement stands.
      if (moves && shown === changedAt) {
        await new Promise((later) => setTimeout(later, 20));
        continue;
      }
      const at = changedAt;
      const words = await painter.draw(moves);
      [shown, whole] = [at, !moves];
      if (whole) remember();
      say(words);
      await new Promise(requestAnimationFrame);
    }
  } catch (error) {
    if (path === "webgpu") setTimeout(() => fallBack(error));
    else say(`The scene cannot be drawn: ${error.message}.`);
  }
  drawing = false;
}

function remember() {
  try {
    if (location.hash || look !== about.look) history.replaceState(null, "", addressOf(look));
  } catch {
    // A page within another may not change its address.
  }
}

function move(next) {
  look = next;
  changed();
}

const here = () => [view.clientWidth, view.clientHeight];

// Pointers that are down, by their numbers: one orbits, or pans; two pan and come nearer.
const down = new Map();
view.addEventListener("pointerdown", (event) => {
  view.setPointerCapture(event.pointerId);
  down.set(event.pointerId, [event.clientX, event.clientY]);
  view.classList.add("held");
});
view.addEventListener("pointermove", (event) => {
  const from = down.get(event.pointerId);
  if (!from) return;
  const to = [event.clientX, event.clientY];
  const by = [to[0] - from[0], to[1] - from[1]];
  down.set(event.pointerId, to);
  if (down.size > 1) {
    const other = [...down].find(([id]) => id !== event.pointerId)[1];
    const apart = (at) => Math.max(Math.hypot(at[0] - other[0], at[1] - other[1]), 1);
    const zoomed = nearer(look, Math.log(apart(to) / apart(from)) / -Math.log(0.9));
    return move(panned(zoomed, [by[0] / 2, by[1] / 2], here(), about.lens));
  }
  const pans = event.buttons & 6 || event.shiftKey;
  move(pans ? panned(look, by, here(), about.lens) : orbited(look, by));
});
for (const ends of ["pointerup", "pointercancel", "lostpointercapture"]) {
  view.addEventListener(ends, (event) => {
    down.delete(event.pointerId);
    if (!down.size) view.classList.remove("held");
  });
}
view.addEventListener("contextmenu", (event) => event.preventDefault());
view.addEventListener("wheel", (event) => {
  event.preventDefault();
  const notch = [40, 1.2, 0.05][event.deltaMode];
  move(nearer(look, held(-event.deltaY / (event.deltaMode ? notch : 80), -5, 5)));
}, { passive: false });

addEventListener("keydown", (event) => {
  const typed = event.target instanceof Element && event.target.closest("input, summary, button, a");
  if (event.ctrlKey || event.metaKey || event.altKey || (typed && event.key !== "r")) return;
  const arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (arrow) {
    const by = arrow.map((x) => 15 * x);
    move(event.shiftKey ? panned(look, by, here(), about.lens) : orbited(look, by));
  } else if (event.key === "+" || event.key === "=") move(nearer(look, 1));
  else if (event.key === "-" || event.key === "_") move(nearer(look, -1));
  else if (event.key === "r" || event.key === "R") move(about.look);
  else return;
  event.preventDefault();
});

$("reset").addEventListener("click", () => move(about.look));
$("antialiased").addEventListener("change", changed);
$("degree").addEventListener("input", async () => {
  document.querySelector("#degrees output").value = $("degree").value;
  await painter?.degree?.();
  changed();
});
$("fold").addEventListener("click", () => {
  const folded = $("panel").classList.toggle("folded");
  $("fold").setAttribute("aria-expanded", String(!folded));
  $("fold").textContent = folded ? "+" : "–";
});
addEventListener("hashchange", () => move(lookOf(location.hash, about.look)));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
new ResizeObserver(changed).observe(view);

async function start() {
  $("antialiased").checked = about.antialiased;
  $("degrees").hidden = about.degree === 0;
  // A narrow page shows the scene first.
  if (innerWidth < 560) $("fold").click();
  const file = bytesOf("scene");
  $("save").href = URL.createObjectURL(new Blob([file]));
  const [module, scene] = await Promise.all([unpacked(bytesOf("wasm")), unpacked(file)]);
  await ask("open", { module, scene }, [module, scene]);
  try {
    painter = await graphics();
  } catch (error) {
    return fallBack(error);
  }
  painter ??= processor();
  changed();
}
start().catch((error) => say(`The scene cannot be opened: ${error.message}.`));

// For tests: the camera, and what was drawn last, copied from where it was drawn.
globalThis.splatView = {
  path: () => painter?.path,
  size: () => [canvas.width, canvas.height],
  still: () => painter && !drawing && performance.now() - changedAt > still,
  read: async () => painter.read(),
  move: (next) => move({ ...look, ...next }),
};
