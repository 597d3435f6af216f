//! Text files of a model: a line a camera and a point, two lines an image.

use std::collections::HashMap;
use std::path::Path;
use std::str::FromStr;

use monotile::text::printable;
use monotile::{Error, Result};

use super::{ColmapImage, add_camera, add_point};
use crate::capture::PointCloud;
use crate::capture::lens::CaptureLens;
use crate::capture::lens_model::LensModel;

/// The lines of a file, numbered from 1.
#[track_caller]
fn lines<'a>(path: &Path, bytes: &'a [u8]) -> Result<impl Iterator<Item = (usize, &'a str)>> {
    let text = std::str::from_utf8(bytes).map_err(|e| {
        let line = 1 + bytes[..e.valid_up_to()].iter().filter(|&&byte| byte == b'\n').count();
        Error::format(path, format!("has a line {line} that is no UTF-8"))
    })?;
    Ok(text.lines().enumerate().map(|(i, line)| (i + 1, line)))
}

/// Whether a line says nothing.
fn is_silent(line: &str) -> bool {
    let line = line.trim_start();
    line.is_empty() || line.starts_with('#')
}

/// The words of a line, each read as what is wanted.
struct Words<'a> {
    path: &'a Path,
    line: usize,
    rest: &'a str,
}

impl<'a> Words<'a> {
    fn word(&mut self) -> &'a str {
        let rest = self.rest.trim_start();
        let end = rest.find(|c: char| c.is_ascii_whitespace()).unwrap_or(rest.len());
        self.rest = &rest[end..];
        &rest[..end]
    }

    #[track_caller]
    fn number<T: FromStr>(&mut self, what: &str) -> Result<T> {
        let word = self.word();
        word.parse().map_err(|_| match word {
            "" => Error::format(self.path, format!("has a line {} that ends before its {what}", self.line)),
            _ => Error::format(self.path, format!("has a line {} whose {what} is {:?}", self.line, printable(word).to_string())),
        })
    }

    #[track_caller]
    fn numbers<const N: usize>(&mut self, what: &str) -> Result<[f64; N]> {
        let mut numbers = [0.0; N];
        for x in &mut numbers {
            *x = self.number(what)?;
        }
        Ok(numbers)
    }
}

#[track_caller]
pub(super) fn cameras(path: &Path, bytes: &[u8]) -> Result<HashMap<u32, CaptureLens>> {
    let mut lenses = HashMap::new();
    for (line, rest) in lines(path, bytes)?.filter(|(_, line)| !is_silent(line)) {
        let mut words = Words { path, line, rest };
        let id = words.number("id")?;
        let name = words.word();
        let Some(model) = LensModel::named(name) else {
            let name = printable(name);
            return Err(Error::format(path, format!("has a line {line} with a camera model {name}, which is none that is known")));
        };
        let size = [words.number("width")?, words.number("height")?];
        let mut numbers = Vec::with_capacity(model.numbers());
        while !words.rest.trim().is_empty() && numbers.len() <= model.numbers() {
            numbers.push(words.number("parameter")?);
        }
        add_camera(path, &mut lenses, id, CaptureLens::new(model, size, &numbers))?;
    }
    Ok(lenses)
}

#[track_caller]
pub(super) fn images(path: &Path, bytes: &[u8]) -> Result<Vec<ColmapImage>> {
    let mut images = Vec::new();
    let mut lines = lines(path, bytes)?;
    while let Some((line, rest)) = lines.by_ref().find(|(_, line)| !is_silent(line)) {
        let mut words = Words { path, line, rest };
        let id = words.number("id")?;
        let (quaternion, translation) = (words.numbers("quaternion")?, words.numbers("translation")?);
        let camera = words.number("camera")?;
        // A name may hold spaces.
        let name = words.rest.trim().to_owned();
        if name.is_empty() {
            return Err(Error::format(path, format!("has a line {line} that ends before its name")));
        }
        images.push(ColmapImage { id, quaternion, translation, camera, name, at: line });
        // The line of observations, which may be empty, and which the last image may lack.
        let Some((line, rest)) = lines.next() else { break };
        let (mut words, mut count) = (Words { path, line, rest }, 0);
        while !words.rest.trim().is_empty() {
            words.number::<f64>("observation")?;
            count += 1;
        }
        if count % 3 != 0 {
            let words = format!("has a line {line} of {count} numbers; observations have three each");
            return Err(Error::format(path, words));
        }
    }
    Ok(images)
}

#[track_caller]
pub(super) fn points(path: &Path, bytes: &[u8]) -> Result<PointCloud> {
    let mut cloud = PointCloud::default();
    for (line, rest) in lines(path, bytes)?.filter(|(_, line)| !is_silent(line)) {
        let mut words = Words { path, line, rest };
        let (id, position) = (words.number("id")?, words.numbers("position")?);
        let color = [words.number("red")?, words.number("green")?, words.number("blue")?];
        words.number::<f64>("error")?;
        add_point(path, &mut cloud, id, position, color)?;
    }
    Ok(cloud)
}
