//! Textures, read as WebGPU reads them.

use std::collections::HashMap;

use glam::{Vec2, Vec4};

use crate::mipmaps::{Level, levels};
use crate::{Filter, Sampler, Scene, Wrap, srgb};

/// The images of a scene with their mipmaps, once for colours and once for numbers where both are read.
pub(super) struct Textures {
    images: HashMap<(usize, bool), Vec<Level>>,
    /// For each texture of the scene.
    of: Vec<(usize, Sampler)>,
    tables: [[f32; 256]; 2],
}

impl Textures {
    pub fn new(scene: &Scene) -> Self {
        let mut images = HashMap::new();
        for material in &scene.materials {
            for (used, color) in material.textures().into_iter().zip(crate::Material::COLORS) {
                let Some(used) = used else { continue };
                let image = scene.textures[used.texture].image;
                images.entry((image, color)).or_insert_with(|| levels(&scene.images[image], color));
            }
        }
        let of = scene.textures.iter().map(|texture| (texture.image, texture.sampler)).collect();
        Self { images, of, tables: [std::array::from_fn(|i| i as f32 / 255.0), srgb::table()] }
    }

    /// The value of a texture at `uv`, which changes by `across` a pixel to the right and by `down` a pixel below.
    pub fn sample(&self, texture: usize, color: bool, uv: Vec2, [across, down]: [Vec2; 2]) -> Vec4 {
        let (image, sampler) = &self.of[texture];
        let Some(levels) = self.images.get(&(*image, color)) else { return Vec4::ONE };
        let table = &self.tables[usize::from(color)];
        let size = Vec2::new(levels[0].width as f32, levels[0].height as f32);
        let footprint = (across * size).length_squared().max((down * size).length_squared());
        let read = |level: usize, filter: Filter| texel(&levels[level], sampler, filter, uv, table);
        // log₂ of the root.
        let lod = 0.5 * footprint.log2();
        if !(lod > 0.0) {
            return read(0, sampler.magnify);
        }
        let last = levels.len() - 1;
        match sampler.mipmap {
            None => read(0, sampler.minify),
            Some(Filter::Nearest) => read(((lod + 0.5) as usize).min(last), sampler.minify),
            Some(Filter::Linear) => {
                let lod = lod.min(last as f32);
                let fine = lod as usize;
                let part = lod - fine as f32;
                let near = read(fine, sampler.minify);
                if part == 0.0 { near } else { near.lerp(read(fine + 1, sampler.minify), part) }
            }
        }
    }
}

fn texel(level: &Level, sampler: &Sampler, filter: Filter, uv: Vec2, table: &[f32; 256]) -> Vec4 {
    let (width, height) = (level.width as i32, level.height as i32);
    let at = |x: i32, y: i32| {
        let (x, y) = (wrapped(x, width, sampler.wrap_u), wrapped(y, height, sampler.wrap_v));
        let at = 4 * (y as usize * level.width as usize + x as usize);
        let [r, g, b, a] = [0, 1, 2, 3].map(|k| level.rgba[at + k]);
        let color = |byte: u8| table[usize::from(byte)];
        Vec4::new(color(r), color(g), color(b), f32::from(a) / 255.0)
    };
    // Far outside, where integers end, one texel is as good as another.
    let place = (uv * Vec2::new(width as f32, height as f32)).clamp(Vec2::splat(-1e9), Vec2::splat(1e9));
    match filter {
        Filter::Nearest => at(place.x.floor() as i32, place.y.floor() as i32),
        Filter::Linear => {
            let corner = (place - 0.5).floor();
            let part = place - 0.5 - corner;
            let (x, y) = (corner.x as i32, corner.y as i32);
            let above = at(x, y).lerp(at(x + 1, y), part.x);
            above.lerp(at(x, y + 1).lerp(at(x + 1, y + 1), part.x), part.y)
        }
    }
}

fn wrapped(i: i32, n: i32, wrap: Wrap) -> i32 {
    if (0..n).contains(&i) {
        return i;
    }
    match wrap {
        Wrap::Repeat => i.rem_euclid(n),
        Wrap::Clamp => i.clamp(0, n - 1),
        Wrap::Mirror => {
            let i = i.rem_euclid(2 * n);
            if i < n { i } else { 2 * n - 1 - i }
        }
    }
}
