//! Textures, read as WebGPU reads them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use glam::Vec4;
use monotile::Result;
use monotile_kernels::math;

use super::lanes::{LANES, Lanes, each};
use crate::mipmaps::{MipLevel, levels};
use crate::{Filter, Image, Sampler, Scene, WrapMode, srgb};

/// The mipmaps of a scene's images, once for colours and once for numbers where both are read.
pub(super) struct Textures<'a> {
    scene: &'a Scene,
    images: HashMap<(usize, bool), Vec<MipLevel>>,
    /// For each texture of the scene.
    of: Vec<(usize, Sampler)>,
    linear: [f32; 256],
    decoded: [f32; 256],
}

/// A texture that can be read.
pub(super) struct SampledTexture<'a> {
    /// The image, then the smaller ones.
    levels: Vec<Texels<'a>>,
    sampler: Sampler,
    /// The numbers of bytes: of colours, and of alpha.
    tables: [&'a [f32; 256]; 2],
}

/// The texels of one level.
struct Texels<'a> {
    width: u32,
    height: u32,
    rgba: &'a [u8],
}

impl<'a> Textures<'a> {
    /// # Errors
    /// `Memory`, where there is not enough for them.
    pub fn new(scene: &'a Scene) -> Result<Self> {
        let mut images = HashMap::new();
        for material in &scene.materials {
            for (used, color) in material.textures().into_iter().zip(crate::Material::COLORS) {
                let Some(used) = used else { continue };
                let image = scene.textures[used.texture].image;
                if let Entry::Vacant(free) = images.entry((image, color)) {
                    free.insert(levels(&scene.images[image], color)?);
                }
            }
        }
        let of = scene.textures.iter().map(|texture| (texture.image, texture.sampler)).collect();
        Ok(Self { scene, images, of, linear: std::array::from_fn(|i| i as f32 / 255.0), decoded: srgb::table() })
    }

    /// A texture, which holds colours or else numbers.
    pub fn map(&self, texture: usize, color: bool) -> Option<SampledTexture<'_>> {
        let (image, sampler) = self.of[texture];
        let levels = self.images.get(&(image, color))?;
        let table = if color { &self.decoded } else { &self.linear };
        let Image { width, height, rgba, .. } = &self.scene.images[image];
        let finest = Texels { width: *width, height: *height, rgba };
        let smaller = levels.iter().map(|level| Texels { width: level.width, height: level.height, rgba: &level.rgba });
        Some(SampledTexture { levels: std::iter::once(finest).chain(smaller).collect(), sampler, tables: [table, &self.linear] })
    }
}

impl SampledTexture<'_> {
    /// Texels a row and rows.
    pub fn size(&self) -> [f32; 2] {
        [self.levels[0].width as f32, self.levels[0].height as f32]
    }

    /// The values at the first `count` places, each by the square of the texels that a pixel covers there.
    #[inline(always)]
    pub fn sample(&self, [u, v]: [Lanes; 2], footprint: Lanes, count: usize) -> [Lanes; 4] {
        // log₂ of the root.
        let lod = each(|i| 0.5 * std::f32::consts::LOG2_E * math::ln(footprint[i]));
        let last = self.levels.len() - 1;
        let mut values = [[0.0; LANES]; 4];
        for i in 0..count.min(LANES) {
            let (mut fine, mut part, mut filter) = (0, 0.0, self.sampler.magnify);
            if footprint[i] > 1.0 {
                filter = self.sampler.minify;
                match self.sampler.mipmap {
                    None => {}
                    Some(Filter::Nearest) => fine = ((lod[i] + 0.5) as usize).min(last),
                    Some(Filter::Linear) => {
                        let lod = lod[i].min(last as f32);
                        fine = lod as usize;
                        part = lod - fine as f32;
                    }
                }
            }
            let mut value = self.texel(fine, filter, [u[i], v[i]]);
            if part > 0.0 {
                value = value.lerp(self.texel(fine + 1, filter, [u[i], v[i]]), part);
            }
            let value = value.to_array();
            for k in 0..4 {
                values[k][i] = value[k];
            }
        }
        values
    }

    #[inline(always)]
    fn texel(&self, level: usize, filter: Filter, [u, v]: [f32; 2]) -> Vec4 {
        let level = &self.levels[level];
        let (texels, _) = level.rgba.as_chunks::<4>();
        let (width, height) = (level.width as i32, level.height as i32);
        let at = |x: i32, y: i32| {
            let [r, g, b, a] = texels[y as usize * level.width as usize + x as usize];
            let [color, alpha] = self.tables;
            Vec4::new(color[usize::from(r)], color[usize::from(g)], color[usize::from(b)], alpha[usize::from(a)])
        };
        let column = |x: i32| wrapped(x, width, self.sampler.wrap_u);
        let row = |y: i32| wrapped(y, height, self.sampler.wrap_v);
        // Far outside, where integers end, one texel is as good as another.
        let (x, y) = ((u * width as f32).clamp(-1e9, 1e9), (v * height as f32).clamp(-1e9, 1e9));
        match filter {
            Filter::Nearest => at(column(x.floor() as i32), row(y.floor() as i32)),
            Filter::Linear => {
                let (left, top) = ((x - 0.5).floor(), (y - 0.5).floor());
                let part = [x - 0.5 - left, y - 0.5 - top];
                let (left, right) = (column(left as i32), column(left as i32 + 1));
                let (top, bottom) = (row(top as i32), row(top as i32 + 1));
                let above = at(left, top).lerp(at(right, top), part[0]);
                above.lerp(at(left, bottom).lerp(at(right, bottom), part[0]), part[1])
            }
        }
    }
}

#[inline(always)]
fn wrapped(i: i32, n: i32, wrap: WrapMode) -> i32 {
    if (0..n).contains(&i) {
        return i;
    }
    match wrap {
        WrapMode::Repeat => i.rem_euclid(n),
        WrapMode::Clamp => i.clamp(0, n - 1),
        WrapMode::Mirror => {
            let i = i.rem_euclid(2 * n);
            if i < n { i } else { 2 * n - 1 - i }
        }
    }
}
