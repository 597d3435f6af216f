//! Binary files of a model, little-endian.

use std::collections::HashMap;
use std::path::Path;

use monotile::{Error, Result};

use super::{ColmapImage, add_camera, add_point, model};
use crate::capture::PointCloud;
use crate::capture::lens::CaptureLens;

/// What is left of a file.
struct Bytes<'a> {
    path: &'a Path,
    all: &'a [u8],
    at: usize,
    /// What is read, as `camera 3 of 7`.
    what: (&'static str, u64, u64),
}

impl<'a> Bytes<'a> {
    /// The head of a file: how many there are.
    #[track_caller]
    fn open(path: &'a Path, all: &'a [u8], what: &'static str) -> Result<Self> {
        let mut bytes = Self { path, all, at: 0, what: (what, 0, 0) };
        if all.is_empty() {
            return Err(Error::format(path, "is empty: a model's file begins with a count"));
        }
        bytes.what.2 = bytes.u64()?;
        Ok(bytes)
    }

    #[track_caller]
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let end = self.at.checked_add(count).filter(|&end| end <= self.all.len());
        let Some(end) = end else {
            let (what, i, count) = self.what;
            return Err(Error::format(self.path, format!("says that it has {count} {what}s, and ends in number {i}")));
        };
        let taken = &self.all[self.at..end];
        self.at = end;
        Ok(taken)
    }

    #[track_caller]
    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    #[track_caller]
    fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    #[track_caller]
    fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    #[track_caller]
    fn f64(&mut self) -> Result<f64> {
        self.array().map(f64::from_le_bytes)
    }

    #[track_caller]
    fn f64s<const N: usize>(&mut self) -> Result<[f64; N]> {
        let mut numbers = [0.0; N];
        for x in &mut numbers {
            *x = self.f64()?;
        }
        Ok(numbers)
    }

    /// Passes over rows that nobody needs.
    #[track_caller]
    fn skip(&mut self, count: u64, size: usize) -> Result<()> {
        let bytes = usize::try_from(count).ok().and_then(|count| count.checked_mul(size)).unwrap_or(usize::MAX);
        self.take(bytes).map(|_| ())
    }

    /// The numbers of what follows, one after another.
    #[track_caller]
    fn each(mut self, mut read: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        for i in 0..self.what.2 {
            self.what.1 = i;
            read(&mut self)?;
        }
        match self.all.len() - self.at {
            0 => Ok(()),
            more => {
                let (what, _, count) = self.what;
                Err(Error::format(self.path, format!("says that it has {count} {what}s, and {more} bytes follow them")))
            }
        }
    }
}

#[track_caller]
pub(super) fn cameras(path: &Path, bytes: &[u8]) -> Result<HashMap<u32, CaptureLens>> {
    let mut lenses = HashMap::new();
    Bytes::open(path, bytes, "camera")?.each(|from| {
        let (id, number) = (from.u32()?, from.u32()?.cast_signed());
        let model = model(number.into()).map_err(|words| Error::format(path, format!("has a camera {id} whose {words}")))?;
        let size = [from.u64()?, from.u64()?].map(|side| usize::try_from(side).unwrap_or(usize::MAX));
        let mut numbers = Vec::with_capacity(model.numbers());
        for _ in 0..model.numbers() {
            numbers.push(from.f64()?);
        }
        add_camera(path, &mut lenses, id, CaptureLens::new(model, size, &numbers))
    })?;
    Ok(lenses)
}

#[track_caller]
pub(super) fn images(path: &Path, bytes: &[u8]) -> Result<Vec<ColmapImage>> {
    let mut images = Vec::new();
    Bytes::open(path, bytes, "image")?.each(|from| {
        let id = from.u32()?;
        let at = from.at;
        let (quaternion, translation, camera) = (from.f64s()?, from.f64s()?, from.u32()?);
        let length = from.all[from.at..].iter().position(|&byte| byte == 0);
        let Some(length) = length else {
            return Err(Error::format(path, format!("has an image {id} whose name has no end")));
        };
        let name = std::str::from_utf8(&from.take(length + 1)?[..length]);
        let Ok(name) = name else {
            return Err(Error::format(path, format!("has an image {id} whose name is no UTF-8")));
        };
        let observations = from.u64()?;
        from.skip(observations, 24)?;
        images.push(ColmapImage { id, quaternion, translation, camera, name: name.to_owned(), at });
        Ok(())
    })?;
    Ok(images)
}

#[track_caller]
pub(super) fn points(path: &Path, bytes: &[u8]) -> Result<PointCloud> {
    let mut cloud = PointCloud::default();
    Bytes::open(path, bytes, "point")?.each(|from| {
        let (id, position, color) = (from.u64()?, from.f64s()?, from.array()?);
        from.f64()?;
        let track = from.u64()?;
        from.skip(track, 8)?;
        add_point(path, &mut cloud, id, position, color)
    })?;
    Ok(cloud)
}
