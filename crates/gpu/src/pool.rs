//! Memory of a device: small blocks are parts of pages, large ones have buffers of their own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::device::{Gpu, lock};
use crate::error::{GpuError, GpuErrorKind, GpuResult};

/// What offsets and sizes of blocks are multiples of: WebGPU binds buffers at multiples of it.
const ALIGNMENT: u64 = 256;
/// The largest block that shares a page.
const SMALL: u64 = 1 << 20;
/// Bytes of a page.
const PAGE: u64 = 4 << 20;

/// Memory of one device, recycled.
///
/// Commands run in order, so a block that is dropped may be handed out at once: what was recorded before reads it before what is
/// recorded later writes it. The host never writes to a block.
#[derive(Debug, Clone)]
pub struct GpuPool {
    gpu: Gpu,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    pages: Vec<Page>,
    /// Buffers without a block, by their sizes.
    free: BTreeMap<u64, Vec<Whole>>,
    next: u64,
    live: u64,
    reserved: u64,
}

#[derive(Debug, Clone)]
struct Whole {
    buffer: wgpu::Buffer,
    id: u64,
}

#[derive(Debug)]
struct Page {
    whole: Whole,
    /// Offsets and sizes of what is free, in order, no two of them adjacent.
    free: Vec<(u64, u64)>,
}

/// A range of a device's memory, given back when its last copy is dropped.
#[derive(Debug, Clone)]
pub struct GpuBlock(Arc<Part>);

#[derive(Debug)]
struct Part {
    whole: Whole,
    offset: u64,
    /// With what it was rounded up by.
    size: u64,
    bytes: u64,
    state: Arc<Mutex<State>>,
}

impl GpuPool {
    pub(crate) fn new(gpu: &Gpu) -> Self {
        Self { gpu: gpu.clone(), state: Arc::default() }
    }

    /// A block of at least `bytes` bytes with any contents, in another buffer than those `beside` it: a command cannot read one
    /// part of a buffer and write another.
    ///
    /// # Errors
    /// If it is larger than the device binds.
    pub fn take(&self, bytes: u64, beside: &[&GpuBlock]) -> GpuResult<GpuBlock> {
        let capabilities = self.gpu.capabilities();
        let most = capabilities.binding_bytes.min(capabilities.buffer_bytes) / ALIGNMENT * ALIGNMENT;
        if bytes > most {
            let name = &self.gpu.summary().name;
            return Err(GpuError::limit(format!("{name} has blocks of at most {most} bytes, not {bytes}")));
        }
        let size = bytes.max(1).next_multiple_of(ALIGNMENT);
        let state = &mut *lock(&self.state);
        let (whole, offset, size) = if size <= SMALL && PAGE <= most {
            let (whole, offset) = state.part_of_page(&self.gpu, size, beside)?;
            (whole, offset, size)
        } else {
            let size = class(size).min(most);
            (state.whole(&self.gpu, size)?, 0, size)
        };
        state.live += bytes;
        Ok(GpuBlock(Arc::new(Part { whole, offset, size, bytes, state: Arc::clone(&self.state) })))
    }

    /// Bytes of all blocks.
    pub fn live(&self) -> u64 {
        lock(&self.state).live
    }

    /// Bytes of all buffers.
    pub fn reserved(&self) -> u64 {
        lock(&self.state).reserved
    }

    /// Gives buffers without a block back to the device.
    pub(crate) fn trim(&self) {
        let state = &mut *lock(&self.state);
        for (size, wholes) in std::mem::take(&mut state.free) {
            state.reserved -= size * wholes.len() as u64;
        }
        let before = state.pages.len();
        state.pages.retain(|page| page.free != [(0, PAGE)]);
        state.reserved -= PAGE * (before - state.pages.len()) as u64;
    }
}

/// The size of the buffer for a large block: of each power of two, the eighths up to the next.
fn class(size: u64) -> u64 {
    size.next_multiple_of((1 << size.ilog2()) / 8)
}

/// A buffer of so many bytes, if the device has memory for it.
fn buffer(gpu: &Gpu, size: u64) -> Option<wgpu::Buffer> {
    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
    let refusals = gpu.device().push_error_scope(wgpu::ErrorFilter::OutOfMemory);
    let buffer = gpu.device().create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false });
    let refused = refusals.pop();
    // A browser does not let its thread wait; there the next read tells.
    #[cfg(target_family = "wasm")]
    let refused = std::future::ready({
        drop(refused);
        None::<wgpu::Error>
    });
    pollster::block_on(refused).is_none().then_some(buffer)
}

impl State {
    /// A buffer. Where there is no memory for it, those without a block are given back, and it is asked for again.
    fn create(&mut self, gpu: &Gpu, size: u64) -> GpuResult<Whole> {
        let Some(buffer) = buffer(gpu, size).or_else(|| {
            self.reserved -= self.free.iter().map(|(size, wholes)| size * wholes.len() as u64).sum::<u64>();
            self.free.clear();
            buffer(gpu, size)
        }) else {
            let (name, live, reserved) = (&gpu.summary().name, self.live, self.reserved);
            let words = format!("{name} has no memory for {size} bytes more, with {live} in use of {reserved} that it gave");
            return Err(GpuError::new(GpuErrorKind::Memory, words));
        };
        self.reserved += size;
        self.next += 1;
        Ok(Whole { buffer, id: self.next })
    }

    fn whole(&mut self, gpu: &Gpu, size: u64) -> GpuResult<Whole> {
        match self.free.get_mut(&size).and_then(Vec::pop) {
            Some(last) => Ok(last),
            None => self.create(gpu, size),
        }
    }

    fn part_of_page(&mut self, gpu: &Gpu, size: u64, beside: &[&GpuBlock]) -> GpuResult<(Whole, u64)> {
        let apart = |page: &Page| beside.iter().all(|block| block.0.whole.id != page.whole.id);
        let place = self
            .pages
            .iter()
            .enumerate()
            .filter(|(_, page)| apart(page))
            .find_map(|(number, page)| page.free.iter().position(|&(_, free)| free >= size).map(|range| (number, range)));
        let (number, range) = match place {
            Some(place) => place,
            None => {
                let whole = self.create(gpu, PAGE)?;
                self.pages.push(Page { whole, free: vec![(0, PAGE)] });
                (self.pages.len() - 1, 0)
            }
        };
        let page = &mut self.pages[number];
        let (offset, free) = page.free[range];
        if free == size {
            page.free.remove(range);
        } else {
            page.free[range] = (offset + size, free - size);
        }
        Ok((page.whole.clone(), offset))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let state = &mut *lock(&self.state);
        state.live -= self.bytes;
        let Some(page) = state.pages.iter_mut().find(|page| page.whole.id == self.whole.id) else {
            state.free.entry(self.size).or_default().push(self.whole.clone());
            return;
        };
        let next = page.free.partition_point(|&(offset, _)| offset < self.offset);
        page.free.insert(next, (self.offset, self.size));
        for left in [next, next.wrapping_sub(1)] {
            if let (Some(&(a, size)), Some(&(b, more))) = (page.free.get(left), page.free.get(left.wrapping_add(1)))
                && a + size == b
            {
                page.free[left].1 += more;
                page.free.remove(left + 1);
            }
        }
    }
}

impl GpuBlock {
    /// Bytes that it was taken for.
    pub fn bytes(&self) -> u64 {
        self.0.bytes
    }

    /// Whether it is in the same buffer as another.
    pub(crate) fn shares_buffer(&self, other: &Self) -> bool {
        self.0.whole.id == other.0.whole.id
    }

    /// The number of its buffer, its offset there and its size: what a binding is known by.
    pub(crate) fn place(&self) -> [u64; 3] {
        [self.0.whole.id, self.0.offset, self.0.size]
    }

    pub(crate) fn buffer(&self) -> &wgpu::Buffer {
        &self.0.whole.buffer
    }

    pub(crate) fn binding(&self) -> wgpu::BindingResource<'_> {
        let size = std::num::NonZeroU64::new(self.0.size);
        wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer: self.buffer(), offset: self.0.offset, size })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_waste_less_than_an_eighth() {
        for size in [SMALL + 256, 3 << 20, (5 << 20) + 4096, (1 << 30) + 256] {
            assert!(class(size) >= size && class(size) * 8 <= size * 9, "{size}: {}", class(size));
        }
        assert_eq!(class(1 << 21), 1 << 21);
    }
}
