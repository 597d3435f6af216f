// The scene on the processor: a module of WebAssembly that draws into its own memory.
let kernels;
const text = () => new TextDecoder().decode(new Uint8Array(kernels.memory.buffer, kernels.words(), kernels.words_length()));
const calls = {
  // Takes the module and the scene, both as bytes; answers how many splats there are.
  async open({ module, scene }) {
    kernels = (await WebAssembly.instantiate(module)).instance.exports;
    const place = kernels.room(scene.byteLength);
    if (!place) throw new Error("there is no memory for the scene");
    new Uint8Array(kernels.memory.buffer, place, scene.byteLength).set(new Uint8Array(scene));
    const splats = kernels.open();
    if (splats < 0) throw new Error(text());
    return { splats };
  },
  // Means, rotations, log scales, logits and harmonics.
  columns({ degree }) {
    kernels.show(degree);
    const columns = [0, 1, 2, 3, 4].map((k) => new Float32Array(kernels.memory.buffer, kernels.column(k), kernels.length(k)).slice());
    return { columns, transfer: columns.map((column) => column.buffer) };
  },
  // Four bytes of each pixel.
  draw({ settings, width, height, degree }) {
    const begun = performance.now();
    if (calls.degree !== degree) kernels.show((calls.degree = degree));
    new Float64Array(kernels.memory.buffer, kernels.settings(), settings.length).set(settings);
    const place = kernels.draw(width, height);
    if (!place) throw new Error(text());
    const pixels = new Uint8ClampedArray(kernels.memory.buffer, place, 4 * width * height).slice();
    return { pixels, milliseconds: performance.now() - begun, transfer: [pixels.buffer] };
  },
};
onmessage = async ({ data }) => {
  try {
    const { transfer = [], ...answer } = await calls[data.call](data);
    postMessage({ id: data.id, answer }, transfer);
  } catch (error) {
    postMessage({ id: data.id, refused: error.message });
  }
};
