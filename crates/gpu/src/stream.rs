//! One stream of commands: kernels are recorded into an open pass, submitted in batches, and read after.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use crate::device::{Gpu, lock};
use crate::error::{GpuError, GpuErrorKind, GpuResult};
use crate::kernel::{GpuKernel, KernelCache, KernelKey, KernelText, UNIFORM_BYTES};
use crate::pool::{GpuBlock, GpuPool};

/// Dispatches that are submitted together, so that the device starts before all is recorded.
const BATCH: usize = 32;
/// Buffers of parameters that are written in turn.
const TURNS: usize = 4;
/// Bytes that may wait to be copied to the device.
const STAGED: u64 = 64 << 20;
/// Groups of bindings that are kept.
const BINDINGS: usize = 1024;

/// The commands of one device, in order. Copies are the same stream.
///
/// # Example
/// ```
/// use monotile_gpu::{Gpu, GpuErrorKind, GpuOptions, GpuStream};
/// let gpu = match Gpu::open(&GpuOptions::default()) {
///     Err(error) if error.kind == GpuErrorKind::NoAdapter => return Ok(()),
///     opened => opened?,
/// };
/// let stream = GpuStream::new(&gpu);
/// let block = stream.upload(&[1, 2, 3, 4])?;
/// assert_eq!(stream.read_blocking(&block)?, [1, 2, 3, 4]);
/// # Ok::<(), monotile_gpu::GpuError>(())
/// ```
#[derive(Debug, Clone)]
pub struct GpuStream {
    gpu: Gpu,
    pool: GpuPool,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    /// Ended before the encoder that it belongs to.
    pass: Option<wgpu::ComputePass<'static>>,
    encoder: Option<wgpu::CommandEncoder>,
    kernels: KernelCache,
    bindings: HashMap<Vec<u64>, (wgpu::BindGroup, u64)>,
    uniforms: Uniforms,
    recorded: usize,
    staged: u64,
    dispatches: u64,
}

/// Parameters of the dispatches that are recorded. A buffer is written once before it is submitted, by a command of the queue that
/// runs after those that read it last.
#[derive(Debug)]
struct Uniforms {
    buffers: Vec<(wgpu::Buffer, wgpu::BindGroup)>,
    turn: usize,
    bytes: Vec<u8>,
}

impl GpuStream {
    /// An empty stream with a pool of its own.
    pub fn new(gpu: &Gpu) -> Self {
        let kernels = KernelCache::new(gpu);
        let state = State {
            pass: None,
            encoder: None,
            uniforms: Uniforms::new(gpu, &kernels.uniforms),
            kernels,
            bindings: HashMap::new(),
            recorded: 0,
            staged: 0,
            dispatches: 0,
        };
        Self { gpu: gpu.clone(), pool: GpuPool::new(gpu), state: Arc::new(Mutex::new(state)) }
    }

    /// The device.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// The memory that blocks are taken from.
    pub fn pool(&self) -> &GpuPool {
        &self.pool
    }

    /// How many kernels were dispatched so far.
    pub fn dispatches(&self) -> u64 {
        lock(&self.state).dispatches
    }

    /// How many kernels were compiled so far: each once, when it is first called.
    pub fn compiled(&self) -> usize {
        lock(&self.state).kernels.len()
    }

    /// A block with these bytes.
    ///
    /// # Errors
    /// If the device refuses so large a block, or has no memory for it.
    pub fn upload(&self, bytes: &[u8]) -> GpuResult<GpuBlock> {
        let block = self.pool.take(bytes.len() as u64, &[])?;
        if bytes.is_empty() {
            return Ok(block);
        }
        // Copied from a buffer of its own by a command in order: the block may be one that recorded commands still read.
        let size = (bytes.len() as u64).next_multiple_of(4);
        let usage = wgpu::BufferUsages::MAP_WRITE | wgpu::BufferUsages::COPY_SRC;
        let descriptor = wgpu::BufferDescriptor { label: Some("upload"), size, usage, mapped_at_creation: true };
        let staging = self.gpu.device().create_buffer(&descriptor);
        match staging.get_mapped_range_mut(..) {
            Ok(mut range) => range.slice(..bytes.len()).copy_from_slice(bytes),
            Err(error) => {
                self.gpu.check()?;
                return Err(GpuError::new(GpuErrorKind::Memory, format!("an upload of {size} bytes: {error}")));
            }
        }
        staging.unmap();
        let state = &mut *lock(&self.state);
        state.encoder(&self.gpu).copy_buffer_to_buffer(&staging, 0, block.buffer(), block.place()[1], size);
        state.staged += size;
        if state.staged > STAGED {
            state.submit(&self.gpu);
            self.gpu.check()?;
        }
        Ok(block)
    }

    /// The bytes of a block after all that was recorded before.
    ///
    /// The copy is recorded and submitted at once; the future waits for it.
    pub fn read(&self, block: &GpuBlock) -> GpuRead {
        let size = block.bytes().next_multiple_of(4).max(4);
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let descriptor = wgpu::BufferDescriptor { label: Some("read"), size, usage, mapped_at_creation: false };
        let staging = self.gpu.device().create_buffer(&descriptor);
        let state = &mut *lock(&self.state);
        state.encoder(&self.gpu).copy_buffer_to_buffer(block.buffer(), block.place()[1], &staging, 0, size);
        state.submit(&self.gpu);
        let mapped: Arc<Mutex<Mapped>> = Arc::default();
        let tell = Arc::clone(&mapped);
        staging.map_async(wgpu::MapMode::Read, .., move |result| {
            let waker = {
                let mapped = &mut *lock(&tell);
                mapped.result = Some(result.map_err(|error| error.to_string()));
                mapped.waker.take()
            };
            if let Some(waker) = waker {
                waker.wake();
            }
        });
        GpuRead { gpu: self.gpu.clone(), staging, bytes: block.bytes() as usize, mapped }
    }

    /// [`read`](Self::read), waiting for the device.
    ///
    /// # Errors
    /// If anything failed since the last read or flush: the device is lost, out of memory, or refused a command.
    pub fn read_blocking(&self, block: &GpuBlock) -> GpuResult<Vec<u8>> {
        let read = self.read(block);
        let waited = self.gpu.device().poll(wgpu::PollType::wait_indefinitely());
        self.gpu.check()?;
        if let Err(error) = waited {
            return Err(GpuError::new(GpuErrorKind::Lost, format!("{} did not answer: {error}", self.gpu.summary().name)));
        }
        pollster::block_on(read)
    }

    /// Submits what is recorded, without waiting for it.
    ///
    /// # Errors
    /// As [`read_blocking`](Self::read_blocking).
    pub fn flush(&self) -> GpuResult<()> {
        lock(&self.state).submit(&self.gpu);
        self.gpu.check()
    }

    /// Submits what is recorded, and gives memory without a block back to the device.
    ///
    /// # Errors
    /// As [`flush`](Self::flush).
    pub fn trim(&self) -> GpuResult<()> {
        let state = &mut *lock(&self.state);
        state.submit(&self.gpu);
        state.bindings.clear();
        self.pool.trim();
        self.gpu.check()
    }

    /// Records what is not a dispatch.
    pub(crate) fn encode(&self, work: impl FnOnce(&mut wgpu::CommandEncoder)) {
        work(lock(&self.state).encoder(&self.gpu));
    }

    pub(crate) fn kernel(&self, key: KernelKey, text: impl FnOnce() -> KernelText) -> GpuResult<Arc<GpuKernel>> {
        lock(&self.state).kernels.get(&self.gpu, key, text)
    }

    /// Records a kernel over so many workgroups. With none it does nothing.
    pub(crate) fn dispatch(
        &self,
        kernel: &GpuKernel,
        inputs: &[&GpuBlock],
        outputs: &[&GpuBlock],
        words: &[u32],
        groups: u64,
    ) -> GpuResult<()> {
        let name = kernel.name;
        if [inputs.len(), outputs.len(), words.len()] != [kernel.inputs, kernel.outputs, kernel.words] {
            let given = format!("{} buffers, {} results, {} parameters", inputs.len(), outputs.len(), words.len());
            return Err(GpuError::invalid(format!("{name}: these are not its operands: {given}")));
        }
        if outputs.iter().any(|y| inputs.iter().any(|x| x.shares_buffer(y))) {
            return Err(GpuError::invalid(format!("{name}: a result is in the buffer of an operand")));
        }
        if groups == 0 {
            return Ok(());
        }
        let most = u64::from(self.gpu.capabilities().groups_per_dimension);
        let (width, height) = if groups <= most { (groups, 1) } else { (most, groups.div_ceil(most)) };
        if height > most {
            return Err(GpuError::limit(format!("{name}: {groups} workgroups are more than {most} x {most}")));
        }
        let state = &mut *lock(&self.state);
        let operands = state.operands(&self.gpu, kernel, inputs, outputs);
        let mut parameters = [0_u8; UNIFORM_BYTES];
        let used = 4 * (words.len() + 2).next_multiple_of(4);
        let all = [groups as u32, width as u32];
        for (bytes, word) in parameters.as_chunks_mut::<4>().0.iter_mut().zip(all.iter().chain(words)) {
            *bytes = word.to_le_bytes();
        }
        let uniforms = (!kernel.immediate).then(|| state.uniforms.add(&parameters));
        let pass = state.pass(&self.gpu);
        pass.set_pipeline(&kernel.pipeline);
        pass.set_bind_group(0, &operands, &[]);
        match uniforms {
            None => pass.set_immediates(0, &parameters[..used]),
            Some((bindings, offset)) => pass.set_bind_group(1, &bindings, &[offset]),
        }
        pass.dispatch_workgroups(width as u32, height as u32, 1);
        state.dispatches += 1;
        state.recorded += 1;
        if state.recorded >= BATCH {
            state.submit(&self.gpu);
        }
        Ok(())
    }
}

impl State {
    /// To record what is not a dispatch.
    fn encoder(&mut self, gpu: &Gpu) -> &mut wgpu::CommandEncoder {
        self.pass = None;
        self.encoder.get_or_insert_with(|| gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default()))
    }

    fn pass(&mut self, gpu: &Gpu) -> &mut wgpu::ComputePass<'static> {
        let encoder =
            self.encoder.get_or_insert_with(|| gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default()));
        self.pass.get_or_insert_with(|| encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()).forget_lifetime())
    }

    fn submit(&mut self, gpu: &Gpu) {
        self.pass = None;
        if let Some(encoder) = self.encoder.take() {
            self.uniforms.write(gpu);
            gpu.queue().submit([encoder.finish()]);
            // What is done gives its memory back. A failure is told by the callbacks.
            let _ = gpu.device().poll(wgpu::PollType::Poll);
        }
        (self.recorded, self.staged) = (0, 0);
    }

    fn operands(&mut self, gpu: &Gpu, kernel: &GpuKernel, inputs: &[&GpuBlock], outputs: &[&GpuBlock]) -> wgpu::BindGroup {
        let mut key = Vec::with_capacity(1 + 3 * (inputs.len() + outputs.len()));
        // KernelCache with as many buffers of each kind have one layout.
        key.push((inputs.len() << 8 | outputs.len()) as u64);
        inputs.iter().chain(outputs).for_each(|block| key.extend(block.place()));
        let now = self.dispatches;
        if let Some((found, used)) = self.bindings.get_mut(&key) {
            *used = now;
            return found.clone();
        }
        if self.bindings.len() >= BINDINGS {
            let mut used: Vec<u64> = self.bindings.values().map(|(_, used)| *used).collect();
            let middle = *used.select_nth_unstable(BINDINGS / 2).1;
            self.bindings.retain(|_, (_, used)| *used > middle);
        }
        let mut entries = Vec::with_capacity(inputs.len() + outputs.len());
        for (number, block) in inputs.iter().chain(outputs).enumerate() {
            entries.push(wgpu::BindGroupEntry { binding: number as u32, resource: block.binding() });
        }
        let descriptor = wgpu::BindGroupDescriptor { label: None, layout: &kernel.layout, entries: &entries };
        let group = gpu.device().create_bind_group(&descriptor);
        self.bindings.insert(key, (group.clone(), now));
        group
    }
}

impl Uniforms {
    fn new(gpu: &Gpu, layout: &wgpu::BindGroupLayout) -> Self {
        let buffers = (0..TURNS)
            .map(|_| {
                let buffer = gpu.device().create_buffer(&wgpu::BufferDescriptor {
                    label: Some("parameters"),
                    size: (BATCH * UNIFORM_BYTES) as u64,
                    usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
                    mapped_at_creation: false,
                });
                let size = std::num::NonZeroU64::new(UNIFORM_BYTES as u64);
                let resource = wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer: &buffer, offset: 0, size });
                let entries = &[wgpu::BindGroupEntry { binding: 0, resource }];
                let descriptor = wgpu::BindGroupDescriptor { label: Some("parameters"), layout, entries };
                let group = gpu.device().create_bind_group(&descriptor);
                (buffer, group)
            })
            .collect();
        Self { buffers, turn: 0, bytes: Vec::new() }
    }

    /// The bindings and the offset of these parameters.
    fn add(&mut self, parameters: &[u8; UNIFORM_BYTES]) -> (wgpu::BindGroup, u32) {
        let offset = self.bytes.len() as u32;
        self.bytes.extend(parameters);
        (self.buffers[self.turn].1.clone(), offset)
    }

    fn write(&mut self, gpu: &Gpu) {
        if !self.bytes.is_empty() {
            gpu.queue().write_buffer(&self.buffers[self.turn].0, 0, &self.bytes);
            self.bytes.clear();
            self.turn = (self.turn + 1) % TURNS;
        }
    }
}

#[derive(Debug, Default)]
struct Mapped {
    result: Option<std::result::Result<(), String>>,
    waker: Option<Waker>,
}

/// The bytes of a block, once the device has them.
#[derive(Debug)]
#[must_use = "the bytes come to those who wait"]
pub struct GpuRead {
    gpu: Gpu,
    staging: wgpu::Buffer,
    bytes: usize,
    mapped: Arc<Mutex<Mapped>>,
}

impl Future for GpuRead {
    type Output = GpuResult<Vec<u8>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // A browser calls back by itself; elsewhere somebody has to look.
        #[cfg(not(target_family = "wasm"))]
        let _ = self.gpu.device().poll(wgpu::PollType::Poll);
        let result = {
            let mapped = &mut *lock(&self.mapped);
            mapped.waker = Some(context.waker().clone());
            mapped.result.take()
        };
        let Some(result) = result else {
            #[cfg(not(target_family = "wasm"))]
            context.waker().wake_by_ref();
            return Poll::Pending;
        };
        Poll::Ready(self.gpu.check().and_then(|()| {
            let lost = |error: &dyn std::fmt::Display| {
                GpuError::new(GpuErrorKind::Lost, format!("{} gave no bytes back: {error}", self.gpu.summary().name))
            };
            result.map_err(|error| lost(&error))?;
            let range = self.staging.get_mapped_range(..).map_err(|error| lost(&error))?;
            Ok(range[..self.bytes].to_vec())
        }))
    }
}
