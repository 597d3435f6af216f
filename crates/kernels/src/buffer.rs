//! Memory that holds elements: pooled blocks that a kernel writes once, and ranges of memory-mapped files.

use std::fs::File;
use std::ops::{Deref, DerefMut, Range};
use std::path::Path;
use std::sync::Arc;

use crate::pool;
pub use crate::pool::OutOfMemory;
use crate::process::RegisteredMapping;
use crate::process::{fallible, give_up};
use crate::real::Element;

/// The most bytes of a [`Block::small`] one.
const SMALL_BYTES: usize = 16 << 20;

/// Exclusively owned, 64-byte aligned memory for `len` elements, taken from the [pool] and given back when dropped.
///
/// Its contents are unspecified until written, but always initialized: every element type takes any bit pattern.
pub struct Block<T: Element> {
    memory: pool::Pooled,
    len: usize,
    element: std::marker::PhantomData<T>,
}

impl<T: Element> Block<T> {
    /// A block of `len` elements with unspecified contents.
    ///
    /// # Errors
    /// If there is no memory for so many.
    ///
    /// # Example
    /// ```
    /// use monotile_kernels::buffer::{Block, OutOfMemory};
    /// assert_eq!(Block::<f32>::new(10)?.len(), 10);
    /// assert_eq!(Block::<f32>::new(1 << 60).err(), Some(OutOfMemory { bytes: 1 << 62 }));
    /// # Ok::<(), OutOfMemory>(())
    /// ```
    pub fn new(len: usize) -> Result<Self, OutOfMemory> {
        let memory = pool::Pooled::take(len.saturating_mul(size_of::<T>()))?;
        Ok(Self { memory, len, element: std::marker::PhantomData })
    }

    /// A block of `len` elements, all equal to `value`.
    ///
    /// # Errors
    /// If there is no memory for so many.
    pub fn filled(len: usize, value: T) -> Result<Self, OutOfMemory> {
        let mut block = Self::new(len)?;
        block.fill(value);
        Ok(block)
    }

    /// A block with a copy of these elements.
    ///
    /// # Errors
    /// If there is no memory for so many.
    pub fn copied(from: &[T]) -> Result<Self, OutOfMemory> {
        let mut block = Self::new(from.len())?;
        block.copy_from_slice(from);
        Ok(block)
    }

    /// A block of few elements with unspecified contents, for whose length there is a bound: a kernel's scratch, a number.
    ///
    /// # Panics
    /// For more than 16 MiB. Having no memory for as much ends the process, as for `Vec`.
    pub fn small(len: usize) -> Self {
        let bytes = len.saturating_mul(size_of::<T>());
        assert!(bytes <= SMALL_BYTES, "a small block of {bytes} bytes");
        Self::new(len).unwrap_or_else(|_| match std::alloc::Layout::array::<T>(len) {
            Ok(layout) => give_up(layout),
            Err(_) => unreachable!("so few bytes have a layout"),
        })
    }
}

/// An empty list with room for `len` elements.
///
/// # Errors
/// If there is no memory for so many.
pub fn list<T>(len: usize) -> Result<Vec<T>, OutOfMemory> {
    let mut list = Vec::new();
    let refused = |_| OutOfMemory { bytes: len.saturating_mul(size_of::<T>()) };
    fallible(|| list.try_reserve_exact(len)).map_err(refused)?;
    Ok(list)
}

impl<T: Element> Deref for Block<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: `new` took at least `len * size_of::<T>()` initialized bytes, a product that did not wrap as no memory of
        // `usize::MAX` bytes is given, at 64-byte alignment, which this block
        // owns alone, and every bit pattern is a valid `T` (`Element` requires `Pod`).
        unsafe { std::slice::from_raw_parts(self.memory.as_ptr().cast(), self.len) }
    }
}

impl<T: Element> DerefMut for Block<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`, and `&mut self` makes the borrow exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.memory.as_ptr().cast(), self.len) }
    }
}

/// Shared, read-only elements: a frozen [`Block`], or a range of a memory-mapped file.
#[derive(Clone)]
pub struct Buffer<T: Element>(Source<T>);

#[derive(Clone)]
enum Source<T: Element> {
    Block(Arc<Block<T>>),
    Mapped { map: Arc<Mapping>, offset: usize, len: usize },
}

impl<T: Element> From<Block<T>> for Buffer<T> {
    fn from(block: Block<T>) -> Self {
        Self(Source::Block(Arc::new(block)))
    }
}

impl<T: Element> Buffer<T> {
    /// The block inside, for writing, if nobody else holds it and it is not a mapped file.
    pub fn unique(&mut self) -> Option<&mut [T]> {
        match &mut self.0 {
            Source::Block(block) => Arc::get_mut(block).map(|block| &mut **block),
            Source::Mapped { .. } => None,
        }
    }

    /// Whether these elements lie in a memory-mapped file.
    pub fn is_mapped(&self) -> bool {
        matches!(self.0, Source::Mapped { .. })
    }
}

impl<T: Element> Deref for Buffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match &self.0 {
            Source::Block(block) => block,
            // `Mapping::elements` checked the range and the alignment.
            Source::Mapped { map, offset, len } => bytemuck::cast_slice(&map.bytes()[*offset..*offset + len * size_of::<T>()]),
        }
    }
}

/// A file mapped into memory for reading; where the system has no such mappings, a copy in memory.
///
/// A mapping relies on nobody writing the file while it lives: bytes that change are seen or not, and reading a page that was
/// cut off ends the process (with SIGBUS; in one sentence after [`exit_on_bus_error`](crate::process::exit_on_bus_error)).
/// Nothing outside the mapping is ever read or written. [`has_changed`](Mapping::has_changed) tells of a change afterwards. A
/// file that is replaced by renaming another over it harms nothing: the mapping keeps the old one.
pub struct Mapping {
    /// Before the memory, so that it is in no list any more when it goes.
    watched: RegisteredMapping,
    memory: Mapped,
}

#[cfg(all(any(unix, windows), not(miri)))]
type Mapped = memmap2::Mmap;
#[cfg(not(all(any(unix, windows), not(miri))))]
type Mapped = Block<u8>;

impl Mapping {
    /// Maps the whole file.
    ///
    /// # Errors
    /// What the operating system says, an empty file included.
    pub fn new(file: &File) -> std::io::Result<Arc<Self>> {
        Ok(Arc::new(Self { watched: RegisteredMapping::NOTHING, memory: map(file)? }))
    }

    /// Maps the whole file, which was opened by this path, and watches it: it can be asked whether it
    /// [has changed](Mapping::has_changed), and is named where it loses its pages.
    ///
    /// # Errors
    /// As [`Mapping::new`].
    pub fn watched(file: &File, path: &Path) -> std::io::Result<Arc<Self>> {
        let memory = map(file)?;
        Ok(Arc::new(Self { watched: RegisteredMapping::new(file, path, &memory)?, memory }))
    }

    /// The file's bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.memory
    }

    /// Whether the file has been written since it was mapped, as far as its size and time of change tell; `false` for one that
    /// is not [watched](Mapping::watched).
    pub fn has_changed(&self) -> bool {
        self.watched.has_changed()
    }

    /// Gives back the memory of a range of bytes that will not be read soon: what is read again comes from the file. Pages that the
    /// range shares with its neighbours are kept. Where the system has no such call, nothing happens.
    ///
    /// # Example
    /// ```
    /// use monotile_kernels::buffer::Mapping;
    /// let map = Mapping::new(&std::fs::File::open("Cargo.toml").unwrap()).unwrap();
    /// let first = map.bytes()[0];
    /// map.release(0..map.bytes().len());
    /// assert_eq!(map.bytes()[0], first);
    /// ```
    pub fn release(&self, range: Range<usize>) {
        release(&self.memory, range);
    }

    /// `len` elements that begin `offset` bytes into the file: mapped where they lie aligned for `T`, else copied.
    /// `None` where the range leaves the file.
    ///
    /// # Errors
    /// If there is no memory for a copy.
    pub fn elements<T: Element>(self: &Arc<Self>, offset: usize, len: usize) -> Result<Option<Buffer<T>>, OutOfMemory> {
        let end = len.checked_mul(size_of::<T>()).and_then(|bytes| offset.checked_add(bytes));
        let Some(bytes) = end.and_then(|end| self.bytes().get(offset..end)) else { return Ok(None) };
        Ok(Some(match bytemuck::try_cast_slice::<u8, T>(bytes) {
            Ok(_) => Buffer(Source::Mapped { map: Arc::clone(self), offset, len }),
            Err(_) => {
                let mut block = Block::new(len)?;
                bytemuck::cast_slice_mut::<T, u8>(&mut block).copy_from_slice(bytes);
                block.into()
            }
        }))
    }
}

#[cfg(all(any(unix, windows), not(miri)))]
fn map(file: &File) -> std::io::Result<Mapped> {
    // SAFETY: the mapping is read-only and private. That nobody truncates the file meanwhile cannot be checked;
    // as with every program that maps model files, doing so ends the process and corrupts nothing.
    unsafe { memmap2::Mmap::map(file) }
}

/// The unit in which ranges are rounded inward: a multiple of the page size of every system.
#[cfg(all(unix, not(miri)))]
const PAGES: usize = 1 << 16;

#[cfg(all(unix, not(miri)))]
fn release(map: &Mapped, range: Range<usize>) {
    // The last page of a file is whole in memory.
    let end = if range.end >= map.len() { map.len() } else { range.end / PAGES * PAGES };
    let start = range.start.next_multiple_of(PAGES);
    if start < end {
        // SAFETY: the mapping is of a file, read-only, and never written through: a page that is dropped is read from the file
        // again with the same bytes, as `map` requires of the file. The range was cut to the mapping. A refusal changes nothing.
        let _ = unsafe { map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, start, end - start) };
    }
}

#[cfg(not(all(unix, not(miri))))]
fn release(_: &Mapped, _: Range<usize>) {}

#[cfg(not(all(any(unix, windows), not(miri))))]
fn map(file: &File) -> std::io::Result<Mapped> {
    use std::io::{Error, ErrorKind, Read, Seek};
    let len = usize::try_from(file.metadata()?.len()).map_err(|_| Error::from(ErrorKind::OutOfMemory))?;
    if len == 0 {
        return Err(Error::new(ErrorKind::InvalidInput, "the file is empty"));
    }
    let mut block = Block::new(len).map_err(|_| Error::from(ErrorKind::OutOfMemory))?;
    let mut from: &File = file;
    from.rewind()?;
    from.read_exact(&mut block)?;
    Ok(block)
}

#[cfg(test)]
mod tests {

    use super::*;

    #[test]
    fn blocks_are_aligned_and_hold_what_was_written() {
        for len in [0, 1, 7, 1000, 300_000] {
            let block = Block::filled(len, 2.5_f32).unwrap();
            assert_eq!(block.as_ptr() as usize % 64, 0);
            assert!(block.iter().all(|&x| x == 2.5) && block.len() == len);
        }
    }

    #[cfg(target_pointer_width = "64")]
    #[test]
    #[cfg_attr(miri, ignore = "Miri ends where there is no memory")]
    fn a_block_that_no_memory_holds_is_refused_with_its_bytes() {
        assert_eq!(Block::<u8>::new(usize::MAX).err(), Some(OutOfMemory { bytes: usize::MAX }));
        assert_eq!(Block::<f64>::new(1 << 61).err(), Some(OutOfMemory { bytes: usize::MAX }));
        assert_eq!(Block::filled((1 << 61) - 1, 0.0_f64).err(), Some(OutOfMemory { bytes: usize::MAX - 7 }));
        assert_eq!(Block::<half::bf16>::new(1 << 46).err(), Some(OutOfMemory { bytes: 1 << 47 }));
        assert_eq!(list::<[usize; 4]>(1 << 62).err(), Some(OutOfMemory { bytes: usize::MAX }));
        assert_eq!(list::<u8>(usize::MAX).err(), Some(OutOfMemory { bytes: usize::MAX }));
    }

    #[test]
    fn a_shared_buffer_refuses_to_be_written() {
        let mut a: Buffer<f32> = Block::filled(3, 1.0).unwrap().into();
        assert!(a.unique().is_some());
        let b = a.clone();
        assert!(a.unique().is_none());
        drop(b);
        assert!(a.unique().is_some());
    }

    #[test]
    fn a_mapping_copies_what_is_misaligned_and_refuses_what_leaves_the_file() {
        use std::io::Write;
        // In the sandbox of WebAssembly there is neither a folder for such files nor a process.
        let (folder, id) =
            if cfg!(target_family = "wasm") { ("/tmp".into(), 0) } else { (std::env::temp_dir(), std::process::id()) };
        let path = folder.join(format!("monotile-mapping-{id}"));
        File::create(&path).unwrap().write_all(&[0, 0, 128, 63, 0, 0, 0, 64, 9]).unwrap();
        let map = Mapping::new(&File::open(&path).unwrap()).unwrap();
        std::fs::remove_file(&path).unwrap();
        let floats = map.elements::<f32>(0, 2).unwrap().unwrap();
        assert!(floats.is_mapped() && floats[..] == [1.0, 2.0]);
        assert!(!map.elements::<f32>(1, 2).unwrap().unwrap().is_mapped());
        assert!(map.elements::<f32>(4, 2).unwrap().is_none());
        assert!(map.elements::<f32>(0, usize::MAX).unwrap().is_none());
    }

    /// How many KiB of the mapping that begins here are in memory, as the system tells.
    #[cfg(all(target_os = "linux", not(miri)))]
    fn resident(map: &Mapping) -> usize {
        let all = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let begin = format!("{:x}-", map.bytes().as_ptr() as usize);
        let lines = all.lines().skip_while(|line| !line.starts_with(&begin)).skip(1);
        let rss = lines.map(str::trim).find_map(|line| line.strip_prefix("Rss:")).unwrap();
        rss.trim().trim_end_matches(" kB").parse().unwrap()
    }

    #[cfg(all(target_os = "linux", not(miri)))]
    #[test]
    fn pages_that_were_released_do_not_count_and_read_the_same() {
        use std::io::Write;
        let path = std::env::temp_dir().join(format!("monotile-release-{}", std::process::id()));
        let bytes: Vec<u8> = (0..20 * PAGES + 100).map(|i| (i % 251) as u8).collect();
        File::create(&path).unwrap().write_all(&bytes).unwrap();
        let map = Mapping::new(&File::open(&path).unwrap()).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(map.bytes() == bytes);
        let whole = resident(&map);
        assert!(whole * 1024 >= bytes.len(), "{whole} KiB");
        // The ranges of two neighbours, that of the first ending in the middle of a page.
        map.release(0..10 * PAGES + 5);
        let half = resident(&map);
        assert!((whole - half) * 1024 == 10 * PAGES, "{whole} then {half} KiB");
        map.release(10 * PAGES + 5..bytes.len());
        assert!(resident(&map) * 1024 <= PAGES, "{} KiB", resident(&map));
        map.release(bytes.len()..usize::MAX);
        assert!(map.bytes() == bytes);
    }
}
