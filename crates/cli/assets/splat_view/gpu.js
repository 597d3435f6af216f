// The scene on a graphics processor: walks the plan, which names kernels, buffers and what is dispatched. Resolves to null where there is no adapter. Pictures go
// straight to the canvas, or are copied from a texture: some browsers without a display have an adapter and cannot show what it draws.
async function openGpu(plan, columns, canvas, copies) {
  const adapter = plan && (await navigator.gpu?.requestAdapter({ powerPreference: "high-performance" }));
  if (!adapter) return null;
  const { maxStorageBufferBindingSize, maxBufferSize } = adapter.limits;
  const device = await adapter.requestDevice({ requiredLimits: { maxStorageBufferBindingSize, maxBufferSize } });
  const most = Math.min(plan.most_pairs, Math.floor(maxStorageBufferBindingSize / 4), Math.floor(maxBufferSize / 4));
  const storage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const buffer = (words, usage = storage) => device.createBuffer({ size: Math.max(16, 4 * words), usage });
  const room = 256;

  // Kernels, and layouts that tell what each reads and writes.
  device.pushErrorScope("validation");
  const visibility = GPUShaderStage.COMPUTE;
  const uniforms = device.createBindGroupLayout({ entries: [{ binding: 0, visibility, buffer: { type: "uniform" } }] });
  const compiled = plan.kernels.map(async ({ name, wgsl, inputs, outputs }) => {
    const entry = (binding) => ({ binding, visibility, buffer: { type: binding < inputs ? "read-only-storage" : "storage" } });
    const layout = device.createBindGroupLayout({ entries: Array.from({ length: inputs + outputs }, (_, k) => entry(k)) });
    const module = device.createShaderModule({ label: name, code: wgsl });
    const descriptor = { layout: device.createPipelineLayout({ bindGroupLayouts: [layout, uniforms] }), compute: { module } };
    return { layout, pipeline: await device.createComputePipelineAsync({ label: name, ...descriptor }) };
  });
  const kernels = await Promise.all(compiled);
  const format = copies ? "rgba8unorm" : navigator.gpu.getPreferredCanvasFormat();
  const present = device.createShaderModule({ label: "present", code: plan.present });
  const show = await device.createRenderPipelineAsync({
    layout: "auto",
    vertex: { module: present },
    fragment: { module: present, targets: [{ format }] },
  });
  const refused = await device.popErrorScope();
  if (refused) throw new Error(refused.message);

  const parameters = buffer((room / 4) * plan.passes.length, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
  const words = new Uint32Array((room / 4) * plan.passes.length);
  const floats = new Float32Array(words.buffer);
  const ground = buffer(8, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
  const count = buffer(1, GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST);
  const scene = plan.scene.map((number, k) => [number, buffer(columns[k].length)]);
  const write = (columns) => scene.forEach(([, own], k) => device.queue.writeBuffer(own, 0, columns[k]));
  write(columns);

  let values = { one: 1, splats: plan.splats, pairs: held(4 * plan.splats, 1 << 16, most) };
  let made = null;
  const size = ([of, ...steps]) => steps.reduce((x, by) => (by < 0 ? Math.ceil(x / -by) : x * by), values[of]);

  // Buffers of this size of picture and this room for pairs, and what binds them.
  function make(width, height) {
    made?.own.forEach((own) => own.destroy());
    const [columns, rows] = [Math.ceil(width / 16), Math.ceil(height / 16)];
    Object.assign(values, { width, height, columns, rows, tiles: columns * rows });
    const buffers = new Map(scene);
    const own = plan.buffers.flatMap((words, number) => {
      if (buffers.has(number)) return [];
      buffers.set(number, buffer(size(words)));
      return [buffers.get(number)];
    });
    const bind = (layout, entries) =>
      device.createBindGroup({ layout, entries: entries.map((resource, binding) => ({ binding, resource })) });
    const passes = plan.passes.map((pass, k) => ({
      ...pass,
      operands: bind(kernels[pass.kernel].layout, pass.buffers.map((number) => ({ buffer: buffers.get(number) }))),
      parameters: bind(uniforms, [{ buffer: parameters, offset: room * k, size: room }]),
    }));
    const picture = buffers.get(plan.picture);
    made = { width, height, own, passes, picture, total: buffers.get(plan.total), pairs: values.pairs };
    made.shown = bind(show.getBindGroupLayout(0), [{ buffer: picture }, { buffer: ground }]);
  }

  // The parameters of each pass, after its workgroups and how many of them are a row of the grid.
  function set(settings) {
    made.passes.forEach((pass, k) => {
      const groups = size(pass.groups);
      const wide = Math.min(groups, 32768);
      pass.grid = [wide, Math.ceil(groups / Math.max(wide, 1))];
      let at = (room / 4) * k;
      words[at++] = groups;
      words[at++] = wide;
      pass.totals = [];
      for (const word of pass.words) {
        if (Array.isArray(word)) words[at] = size(word);
        else if (word === "total") pass.totals.push(4 * at);
        else if (typeof word === "number") floats[at] = held(settings.camera[word], -3e38, 3e38);
        else if (word.f32) floats[at] = settings[word.f32];
        else words[at] = word.u32 in values ? values[word.u32] : settings[word.u32];
        at += 1;
      }
    });
    device.queue.writeBuffer(parameters, 0, words);
  }

  function record(encoder) {
    let compute = null;
    made.passes.forEach((pass, k) => {
      if (pass.totals.length) {
        compute?.end();
        compute = null;
        pass.totals.forEach((at) => encoder.copyBufferToBuffer(made.total, 0, parameters, at, 4));
      }
      compute ??= encoder.beginComputePass();
      compute.setPipeline(kernels[pass.kernel].pipeline);
      compute.setBindGroup(0, pass.operands);
      compute.setBindGroup(1, pass.parameters);
      if (pass.grid[0]) compute.dispatchWorkgroups(...pass.grid);
    });
    compute?.end();
    encoder.copyBufferToBuffer(made.total, 0, count, 0, 4);
  }

  const context = canvas.getContext(copies ? "2d" : "webgpu");
  if (!copies) context.configure({ device, format, alphaMode: "opaque" });
  const usage = GPUTextureUsage.RENDER_ATTACHMENT | GPUTextureUsage.COPY_SRC;

  // What is drawn into, and what is done after it is recorded and after it is drawn.
  function target(width, height) {
    if (!copies) return { texture: context.getCurrentTexture(), recorded() {}, drawn() {} };
    const texture = device.createTexture({ size: [width, height], format, usage });
    const bytesPerRow = 256 * Math.ceil(width / 64);
    const rows = buffer((bytesPerRow / 4) * height, GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST);
    const recorded = (encoder) => encoder.copyTextureToBuffer({ texture }, { buffer: rows, bytesPerRow }, [width, height]);
    const drawn = async () => {
      await rows.mapAsync(GPUMapMode.READ);
      const from = new Uint8Array(rows.getMappedRange());
      const image = new ImageData(width, height);
      for (let y = 0; y < height; y += 1) image.data.set(from.subarray(bytesPerRow * y, bytesPerRow * y + 4 * width), 4 * width * y);
      context.putImageData(image, 0, 0);
      [texture, rows].forEach((own) => own.destroy());
    };
    return { texture, recorded, drawn };
  }

  return {
    name: adapter.info?.description || [adapter.info?.vendor, adapter.info?.architecture].filter(Boolean).join(" "),
    device,
    write,
    // Draws into the canvas and waits for it. There may be more pairs than there is room for: then there is more, and the picture is drawn again.
    async draw(settings, width, height) {
      for (;;) {
        if (!made || made.width !== width || made.height !== height || made.pairs !== values.pairs) make(width, height);
        set(settings);
        device.queue.writeBuffer(ground, 0, new Float32Array([...settings.background, width, height, 0, 0]));
        const encoder = device.createCommandEncoder();
        record(encoder);
        const to = target(width, height);
        const pass = encoder.beginRenderPass({ colorAttachments: [{ view: to.texture.createView(), loadOp: "clear", storeOp: "store" }] });
        pass.setPipeline(show);
        pass.setBindGroup(0, made.shown);
        pass.draw(3);
        pass.end();
        to.recorded(encoder);
        device.queue.submit([encoder.finish()]);
        await to.drawn();
        await count.mapAsync(GPUMapMode.READ);
        const pairs = new Uint32Array(count.getMappedRange())[0];
        count.unmap();
        if (pairs <= values.pairs || values.pairs === most) return { pairs, whole: pairs <= values.pairs };
        values.pairs = Math.min(Math.ceil(1.25 * pairs), most);
      }
    },
    // Five numbers of each pixel of the last picture: its colour, how much it hides, and the sum of depths.
    async read() {
      const bytes = 20 * made.width * made.height;
      const copy = device.createBuffer({ size: bytes, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
      const encoder = device.createCommandEncoder();
      encoder.copyBufferToBuffer(made.picture, 0, copy, 0, bytes);
      device.queue.submit([encoder.finish()]);
      await copy.mapAsync(GPUMapMode.READ);
      return new Float32Array(copy.getMappedRange().slice(0));
    },
  };
}
