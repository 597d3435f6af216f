//! NumPy's `.npz` format: a zip archive of `.npy` files.

use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use monotile_kernels::buffer::Mapping;
use zip::{CompressionMethod, ZipArchive, ZipWriter, write::SimpleFileOptions};

use super::{map, npy, write_atomic, write_elements};
use crate::error::{Error, Placed, Result};
use crate::memory;
use crate::tensor::Tensor;
use crate::text::printable;

/// How many bytes a byte of an archive may unpack to: the method of .npz files, DEFLATE, reaches 1032.
const MOST_PACKED: u64 = 1100;

/// An open `.npz` archive. Members that `numpy.savez` stored stay in the mapped file; compressed ones are unpacked.
pub struct Npz {
    path: PathBuf,
    map: Arc<Mapping>,
    archive: Mutex<ZipArchive<File>>,
}

impl Npz {
    /// Opens an archive.
    ///
    /// # Errors
    /// If the file cannot be read or is no zip archive.
    #[track_caller]
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let map = map(path)?;
        let file = File::open(path).map_err(|e| Error::io("reading", path, &e)).placed()?;
        let archive = ZipArchive::new(file).map_err(|e| Error::format(path, format!("is not a .npz archive: {e}"))).placed()?;
        Ok(Self { path: path.into(), map, archive: Mutex::new(archive) })
    }

    /// The names of the arrays, without `.npy`.
    pub fn names(&self) -> Vec<String> {
        let archive = self.archive.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        archive.file_names().filter_map(|n| Some(n.ok()?.strip_suffix(".npy")?.to_string())).collect()
    }

    /// The array of this name.
    ///
    /// # Errors
    /// If there is none, or it is malformed.
    #[track_caller]
    pub fn tensor(&self, name: &str) -> Result<Tensor> {
        let refuse = |what: String| Error::format(&self.path, format!("array \"{name}\": {what}"));
        let names = self.names();
        if !names.iter().any(|n| n == name) {
            let there = names.join(", ");
            return Err(Error::format(&self.path, format!("there is no array \"{name}\"; it has {}", printable(&there))));
        }
        let mut archive = self.archive.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut member = archive.by_name(&format!("{name}.npy")).map_err(|e| refuse(e.to_string())).placed()?;
        if member.compression() == CompressionMethod::Stored
            && let Some(start) = member.data_start()
        {
            let end = start.checked_add(member.size()).filter(|&end| end <= self.map.bytes().len() as u64);
            let end = end.ok_or_else(|| refuse("it leaves the file".into()))?;
            let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
            let (start, end) = range.ok_or_else(|| refuse("it leaves the file".into()))?;
            let bytes = &self.map.bytes()[start..end];
            let (header, _) = npy::read_header(&mut &*bytes).map_err(refuse).placed()?;
            return header.tensor(bytes, Some((&self.map, start))).map_err(refuse).placed();
        }
        // No more is unpacked than the array's own header needs, and nothing where so little cannot unpack to as much.
        let (header, mut bytes) = npy::read_header(&mut member).map_err(refuse).placed()?;
        let unpacked = header.file_size().filter(|&size| size as u64 / MOST_PACKED <= member.compressed_size());
        let size = unpacked.ok_or_else(|| {
            let packed = member.compressed_size();
            refuse(format!("the {packed} bytes that it takes in the archive cannot hold what its header claims"))
        })?;
        let more = size - bytes.len().min(size);
        memory::reserve_exact(&mut bytes, more, format_args!("{}: array \"{name}\"", self.path.display()))?;
        member.by_ref().take(more as u64).read_to_end(&mut bytes).map_err(|e| refuse(e.to_string())).placed()?;
        if member.read(&mut [0]).map_err(|e| refuse(e.to_string())).placed()? != 0 {
            return Err(refuse(format!("more bytes follow than the {size} that its header needs")));
        }
        header.tensor(&bytes, None).map_err(refuse).placed()
    }
}

/// Writes arrays to a `.npz` archive, uncompressed as `numpy.savez` does; it appears whole or not at all.
///
/// An archive that goes to a pipe is in memory first.
///
/// # Errors
/// For bf16, which NumPy does not have; if two arrays have one name; or if the operating system refuses.
///
/// # Example
/// ```
/// use monotile::{DType, Tensor, io::{Npz, write_npz}};
/// let path = std::env::temp_dir().join("monotile-example.npz");
/// write_npz(&path, &[("a", &Tensor::arange(3)?), ("b", &Tensor::eye(2, DType::F32)?)])?;
/// assert_eq!(Npz::open(&path)?.tensor("a")?.to_vec::<i64>()?, [0, 1, 2]);
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "savez")]
#[track_caller]
pub fn write_npz(path: impl AsRef<Path>, tensors: &[(&str, &Tensor)]) -> Result<()> {
    let headers = tensors.iter().map(|(_, t)| npy::header(t)).collect::<Result<Vec<_>>>()?;
    let mut names: Vec<&str> = tensors.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(Error::value(format!("write_npz: two arrays have the name \"{}\"", twice[0])));
    }
    write_atomic(path.as_ref(), |file| {
        if file.stream_position().is_ok() {
            return archive(file, tensors, &headers);
        }
        // A pipe gets the same bytes, but an archive goes back to write the sizes of its members.
        let elements = tensors.iter().map(|(name, t)| t.len() * t.dtype().size() + 4 * name.len() + 1024);
        let bytes = elements.sum::<usize>() + headers.iter().map(Vec::len).sum::<usize>();
        let mut whole = Cursor::new(memory::list(bytes, "an archive for a pipe").map_err(std::io::Error::other)?);
        archive(&mut whole, tensors, &headers)?;
        file.write_all(whole.get_ref())
    })
}

/// Writes an archive of arrays, whose headers are known.
fn archive(to: impl Write + Seek, tensors: &[(&str, &Tensor)], headers: &[Vec<u8>]) -> std::io::Result<()> {
    let mut file = Steady { file: to, failed: None };
    let mut archive = ZipWriter::new(&mut file);
    let mut written = || -> std::io::Result<()> {
        for ((name, tensor), header) in tensors.iter().zip(headers) {
            let large = tensor.len() * tensor.dtype().size() > u32::MAX as usize / 2;
            let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).large_file(large);
            archive.start_file(format!("{name}.npy"), options.with_alignment(64))?;
            archive.write_all(header)?;
            write_elements(tensor, &mut archive)?;
        }
        Ok(())
    };
    let written = written().and_then(|()| archive.finish().map(|_| ()).map_err(std::io::Error::from));
    file.failed.map_or(written, Err)
}

/// A file that keeps its first failure, and then takes everything without writing it. The archive's own end, which it writes
/// when it is dropped, would fail once more and print that itself.
struct Steady<W> {
    file: W,
    failed: Option<std::io::Error>,
}

impl<W> Steady<W> {
    fn keep<T>(&mut self, result: std::io::Result<T>, instead: T) -> std::io::Result<T> {
        result.or_else(|error| {
            self.failed.get_or_insert(error);
            Ok(instead)
        })
    }
}

impl<W: Write> Write for Steady<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.failed.is_some() {
            return Ok(bytes.len());
        }
        let result = self.file.write(bytes);
        match result {
            // A short write is asked for again by the caller.
            Ok(written) => Ok(written),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => Err(error),
            failed => self.keep(failed, bytes.len()),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let result = if self.failed.is_some() { Ok(()) } else { self.file.flush() };
        self.keep(result, ())
    }
}

impl<W: Seek> Seek for Steady<W> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        let result = self.file.seek(to);
        self.keep(result, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;

    #[test]
    fn stored_and_compressed_members_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        let a = Tensor::from_vec((0..600).map(f64::from).collect(), &[20, 30]).unwrap();
        write_npz(&path, &[("a", &a), ("t", &a.mt())]).unwrap();
        let npz = Npz::open(&path).unwrap();
        assert_eq!(npz.tensor("t").unwrap().to_f64_vec().unwrap(), a.mt().to_f64_vec().unwrap());
        assert!(npz.tensor("a").unwrap().is_mapped());
        let words = npz.tensor("b").err().unwrap().to_string();
        assert!(words.ends_with("a.npz: there is no array \"b\"; it has a, t"), "{words}");

        let mut archive = ZipWriter::new(File::create(&path).unwrap());
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        archive.start_file("c.npy", options).unwrap();
        archive.write_all(&npy::header(&a).unwrap()).unwrap();
        write_elements(&a, &mut archive).unwrap();
        archive.finish().unwrap();
        assert_eq!(Npz::open(&path).unwrap().tensor("c").unwrap().to_f64_vec().unwrap(), a.to_f64_vec().unwrap());
    }

    /// Two arrays of 2 x 2: what follows the elements of one, and what the header of the other claims, would take gigabytes.
    #[test]
    fn a_member_is_not_unpacked_beyond_what_its_header_needs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        let mut archive = ZipWriter::new(File::create(&path).unwrap());
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        let small = npy::header(&Tensor::from_rows(&[[0.0, 0.0], [0.0, 0.0]]).unwrap()).unwrap();
        archive.start_file("long.npy", options).unwrap();
        archive.write_all(&small).unwrap();
        archive.write_all(&vec![0; 32 + (8 << 20)]).unwrap();
        archive.start_file("claims.npy", options).unwrap();
        let claims = "{'descr': '<f8', 'fortran_order': False, 'shape': (99999999, 99999999), }\n";
        let length = u16::try_from(claims.len()).unwrap().to_le_bytes();
        archive.write_all(&[b"\x93NUMPY\x01\x00", &length[..], claims.as_bytes(), &[0; 32]].concat()).unwrap();
        archive.finish().unwrap();
        let npz = Npz::open(&path).unwrap();
        let words = |name: &str| npz.tensor(name).err().unwrap().to_string();
        assert!(words("long").ends_with("more bytes follow than the 160 that its header needs"), "{}", words("long"));
        assert!(words("claims").ends_with("cannot hold what its header claims"), "{}", words("claims"));
    }

    #[test]
    fn what_is_no_archive_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        std::fs::write(&path, b"not a zip archive at all").unwrap();
        assert!(Npz::open(&path).err().unwrap().to_string().contains("is not a .npz archive"));
        let words = write_npz(&path, &[("a", &Tensor::zeros(&[1], DType::BF16).unwrap())]).unwrap_err().to_string();
        assert_eq!(words, "write_npy: NumPy has no bf16; cast to f32, or write .safetensors");
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_gets_the_bytes_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let [pipe, file] = ["pipe.npz", "file.npz"].map(|name| folder.path().join(name));
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().is_ok_and(|status| status.success());
        assert!(made, "mkfifo is there");
        let tensors = [("a", &Tensor::arange(5000).unwrap()), ("b", &Tensor::eye(2, DType::F32).unwrap())];
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || std::fs::read(pipe).unwrap()
        });
        write_npz(&pipe, &tensors).unwrap();
        write_npz(&file, &tensors).unwrap();
        assert!(reader.join().unwrap() == std::fs::read(&file).unwrap());
    }

    /// A file on a disk with room for so many bytes.
    struct Small(std::io::Cursor<Vec<u8>>, usize);

    impl Write for Small {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            if self.0.position() as usize + bytes.len() > self.1 {
                return Err(std::io::Error::new(std::io::ErrorKind::StorageFull, "no space left on device"));
            }
            self.0.write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Seek for Small {
        fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
            self.0.seek(to)
        }
    }

    #[test]
    fn the_first_failure_of_a_disk_is_kept_and_nothing_fails_after_it() {
        for room in [0, 10, 40, 200] {
            let mut file = Steady { file: Small(std::io::Cursor::new(Vec::new()), room), failed: None };
            let mut archive = ZipWriter::new(&mut file);
            let _ = archive.start_file("a.npy", SimpleFileOptions::default().compression_method(CompressionMethod::Stored));
            archive.write_all(&[1; 300]).unwrap();
            // What a dropped archive cannot write it prints.
            archive.finish().unwrap();
            assert_eq!(file.failed.unwrap().kind(), std::io::ErrorKind::StorageFull, "{room}");
        }
    }
}
