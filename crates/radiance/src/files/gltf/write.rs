//! Splats as glTF.

use std::io::Write;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use monotile::io::write_atomic;
use monotile::{Error, Result};
use monotile_kernels::splat::stated::COLOR_OFFSET;
use monotile_kernels::splat::stated::harmonics::Y0;
use serde_json::{Map, Value, json};

use super::super::{StoredSplats, byte, sigmoid, unit};
use super::EXTENSION;

/// Bytes of numbers that are turned into base64 at once: a multiple of three.
const BLOCK: usize = 3 << 14;

/// A column of the buffer.
struct Column {
    name: String,
    kind: &'static str,
    component: u32,
    bytes: usize,
}

#[track_caller]
pub(in super::super) fn write(path: &Path, splats: &StoredSplats, as_text: bool) -> Result<()> {
    let n = splats.len();
    if n == 0 {
        return Err(Error::value(format!("{}: glTF has no place for a scene without splats", path.display())));
    }
    let columns = columns(n, splats.coefficients());
    let size: usize = columns.iter().map(|column| column.bytes).sum();
    if u32::try_from(size + (1 << 20)).is_err() {
        return Err(Error::value(format!(
            "{}: {n} splats take {size} bytes, more than the four gigabytes of a .glb",
            path.display()
        )));
    }
    let mut document = document(splats, &columns, size);
    if as_text {
        let mut text = Vec::new();
        let numbers = |to: &mut dyn Write| numbers(splats, to);
        return write_atomic(path, |to| {
            // A JSON of everything else, cut where the buffer's text belongs.
            document["buffers"][0]["uri"] = Value::from("data:application/octet-stream;base64,@");
            serde_json::to_writer(&mut text, &document)?;
            let cut = text.iter().rposition(|&b| b == b'@').unwrap_or_default();
            to.write_all(&text[..cut])?;
            let mut encoder = Base64Writer { to: &mut *to, waiting: Vec::with_capacity(BLOCK) };
            numbers(&mut encoder)?;
            encoder.finish()?;
            to.write_all(&text[cut + 1..])
        });
    }
    let mut text = serde_json::to_vec(&document).map_err(|e| Error::value(format!("{}: {e}", path.display())))?;
    text.resize(text.len().next_multiple_of(4), b' ');
    write_atomic(path, |to| {
        let word = |x: usize| (x as u32).to_le_bytes();
        to.write_all(b"glTF")?;
        [2, 28 + text.len() + size, text.len()].iter().try_for_each(|&x| to.write_all(&word(x)))?;
        to.write_all(b"JSON")?;
        to.write_all(&text)?;
        to.write_all(&word(size))?;
        to.write_all(b"BIN\0")?;
        numbers(splats, to)
    })
}

fn columns(n: usize, coefficients: usize) -> Vec<Column> {
    let ours = |name: &str| format!("{EXTENSION}:{name}");
    let column = |name: String, kind, component, wide: usize| Column { name, kind, component, bytes: wide * n };
    let mut columns = vec![
        column("POSITION".to_owned(), "VEC3", 5126, 12),
        column("COLOR_0".to_owned(), "VEC4", 5121, 4),
        column(ours("ROTATION"), "VEC4", 5126, 16),
        column(ours("SCALE"), "VEC3", 5126, 12),
        column(ours("OPACITY"), "SCALAR", 5126, 4),
    ];
    columns.extend((0..coefficients).map(|k| {
        let l = k.isqrt();
        column(ours(&format!("SH_DEGREE_{l}_COEF_{}", k - l * l)), "VEC3", 5126, 12)
    }));
    columns
}

fn document(splats: &StoredSplats, columns: &[Column], size: usize) -> Value {
    let n = splats.len();
    let means = splats.elements()[0];
    let bound = |start: f32, pick: fn(f32, f32) -> f32| {
        [0, 1, 2].map(|k| f64::from(means.iter().skip(k).step_by(3).fold(start, |a, &b| pick(a, b))))
    };
    let mut at = 0;
    let (mut views, mut accessors, mut attributes) = (Vec::new(), Vec::new(), Map::new());
    for (i, column) in columns.iter().enumerate() {
        views.push(json!({ "buffer": 0, "byteOffset": at, "byteLength": column.bytes, "target": 34962 }));
        let mut accessor = json!({ "bufferView": i, "componentType": column.component, "count": n, "type": column.kind });
        if column.component == 5121 {
            accessor["normalized"] = Value::from(true);
        }
        if i == 0 {
            accessor["min"] = json!(bound(f32::INFINITY, f32::min));
            accessor["max"] = json!(bound(f32::NEG_INFINITY, f32::max));
        }
        accessors.push(accessor);
        attributes.insert(column.name.clone(), Value::from(i));
        at += column.bytes;
    }
    let about = json!({
        "kernel": "ellipse",
        "colorSpace": "srgb_rec709_display",
        "sortingMethod": "cameraDistance",
        "projection": "perspective",
    });
    json!({
        "asset": { "version": "2.0", "generator": "Monotile" },
        "extensionsUsed": [EXTENSION],
        "scene": 0,
        "scenes": [{ "nodes": [0] }],
        "nodes": [{ "mesh": 0 }],
        "meshes": [{ "primitives": [{ "attributes": attributes, "mode": 0, "extensions": { EXTENSION: about } }] }],
        "accessors": accessors,
        "bufferViews": views,
        "buffers": [{ "byteLength": size }],
    })
}

/// The buffer, column after column.
fn numbers(splats: &StoredSplats, to: &mut (impl Write + ?Sized)) -> std::io::Result<()> {
    let [means, rotations, log_scales, logits, harmonics] = splats.elements();
    let coefficients = splats.coefficients();
    let mut put = |x: f32| to.write_all(&x.to_le_bytes());
    means.iter().try_for_each(|&x| put(x))?;
    for (h, &logit) in harmonics.chunks_exact(3 * coefficients).zip(logits) {
        let color = |k: usize| byte(255.0 * (COLOR_OFFSET + Y0 * f64::from(h[k])));
        to.write_all(&[color(0), color(1), color(2), byte(255.0 * sigmoid(logit))])?;
    }
    let mut put = |x: f32| to.write_all(&x.to_le_bytes());
    rotations.chunks_exact(4).flat_map(unit).try_for_each(|x| put(x as f32))?;
    log_scales.iter().try_for_each(|&x| put(f64::from(x).exp() as f32))?;
    logits.iter().try_for_each(|&x| put(sigmoid(x) as f32))?;
    for k in 0..coefficients {
        harmonics.chunks_exact(3 * coefficients).flat_map(|h| &h[3 * k..3 * k + 3]).try_for_each(|&x| put(x))?;
    }
    Ok(())
}

/// Bytes as text, a block at a time.
struct Base64Writer<'a, W: Write> {
    to: &'a mut W,
    waiting: Vec<u8>,
}

impl<W: Write> Base64Writer<'_, W> {
    fn finish(&mut self) -> std::io::Result<()> {
        self.to.write_all(STANDARD.encode(&self.waiting).as_bytes())?;
        self.waiting.clear();
        Ok(())
    }
}

impl<W: Write> Write for Base64Writer<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let taken = bytes.len().min(BLOCK - self.waiting.len());
        self.waiting.extend_from_slice(&bytes[..taken]);
        if self.waiting.len() == BLOCK {
            self.finish()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
