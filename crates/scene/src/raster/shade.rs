//! The colours of fragments: what a material and its textures are at each, and the light there.

use glam::{Vec3, Vec4};
use monotile_kernels::simd;

use super::batch::{FragmentBatch, FragmentGroup};
use super::lanes::{LANES, Lanes, each};
use super::light::{radiance, tone_map, unit};
use super::texture::{SampledTexture, Textures};
use crate::draws::{ALPHA_SLACK, AlphaPart};
use crate::{AlphaMode, Light, Material, Shot};

/// What all triangles of a draw share.
pub(super) struct DrawMaterial {
    /// Into the list that ends with the default one.
    pub material: usize,
    pub unlit: bool,
    pub part: AlphaPart,
    /// Whether vertices have colours.
    pub colored: bool,
}

/// A look with what it takes to shade it.
pub(super) struct SurfaceShader<'a> {
    material: &'a Material,
    /// Base colour, metalness and roughness, normal, occlusion, emission.
    pub maps: [Option<SampledTexture<'a>>; 5],
    pub unlit: bool,
    part: AlphaPart,
    pub colored: bool,
}

/// Computes fragments.
pub(super) struct Shader<'a> {
    surfaces: Vec<SurfaceShader<'a>>,
    light: Light,
    /// Where all rays meet; a direction if w is 0.
    viewpoint: Vec4,
}

impl<'a> Shader<'a> {
    pub fn new(
        looks: &[DrawMaterial],
        materials: &'a [Material],
        textures: &'a Textures<'a>,
        shot: &Shot,
        viewpoint: Vec4,
    ) -> Self {
        let surface = |look: &DrawMaterial| {
            let material = &materials[look.material];
            let mut maps = [const { None }; 5];
            for (slot, used) in material.textures().into_iter().enumerate() {
                maps[slot] = used.and_then(|used| textures.map(used.texture, Material::COLORS[slot]));
            }
            SurfaceShader { material, maps, unlit: look.unlit, part: look.part, colored: look.colored }
        };
        Self { surfaces: looks.iter().map(surface).collect(), light: shot.light, viewpoint }
    }

    pub fn surface(&self, look: u32) -> &SurfaceShader<'a> {
        &self.surfaces[look as usize]
    }

    /// Sets the colours of a batch, all of one look.
    pub fn shade(&self, look: u32, batch: &mut FragmentBatch) {
        let surface = self.surface(look);
        simd::run(
            #[inline(always)]
            || {
                for first in batch.groups() {
                    let colors = self.colors(surface, batch.group(first));
                    batch.set(first, &colors);
                }
            },
        );
    }

    /// The linear colours of fragments, with alpha multiplied in.
    #[inline(always)]
    fn colors(&self, surface: &SurfaceShader<'_>, group: FragmentGroup<'_>) -> [Lanes; 4] {
        let [mut r, mut g, mut b, alpha] = surface.base_color(group);
        let alpha = if surface.part == AlphaPart::Clear { alpha } else { [1.0; LANES] };
        if !surface.unlit {
            [r, g, b] = self.lit(surface, group, [r, g, b]);
        }
        for plane in [&mut r, &mut g, &mut b] {
            *plane = each(|i| plane[i] * alpha[i]);
        }
        [r, g, b, alpha]
    }

    #[inline(always)]
    fn lit(&self, surface: &SurfaceShader<'_>, group: FragmentGroup<'_>, base: [Lanes; 3]) -> [Lanes; 3] {
        let (position, sides) = (group.position(), group.sides());
        let normal = surface.normal(group);
        let [metallic, roughness, occlusion] = surface.numbers(group);
        let emission = surface.emission(group);
        let viewpoint = self.viewpoint;
        let mut colors = [[0.0; LANES]; 3];
        for i in 0..LANES {
            let v = unit(viewpoint.truncate() - vector(&position, i) * viewpoint.w);
            let n = vector(&normal, i);
            let outward = unit(n);
            let long = n.length_squared() > 0.0;
            let select = |outward: f32, v: f32| if long { outward } else { v } * sides[i];
            let n = Vec3::new(select(outward.x, v.x), select(outward.y, v.y), select(outward.z, v.z));
            let l = radiance(&self.light, n, v, vector(&base, i), [metallic[i], roughness[i], occlusion[i]]);
            let color = tone_map(l + vector(&emission, i));
            (colors[0][i], colors[1][i], colors[2][i]) = (color.x, color.y, color.z);
        }
        colors
    }
}

impl SurfaceShader<'_> {
    /// The alpha below which fragments are missing, where any may be.
    pub fn cutoff(&self) -> Option<f32> {
        match (self.part, self.material.alpha) {
            (AlphaPart::Solid, _) => Some(1.0 - ALPHA_SLACK),
            (_, AlphaMode::Mask(cutoff)) => Some(cutoff - ALPHA_SLACK),
            _ => None,
        }
    }

    /// Whether normals come from a texture.
    pub fn bumps(&self) -> bool {
        self.maps[2].is_some()
    }

    /// Sets the colours of a batch to the base colours.
    pub fn write_colors(&self, batch: &mut FragmentBatch) {
        simd::run(
            #[inline(always)]
            || {
                for first in batch.groups() {
                    let colors = self.base_color(batch.group(first));
                    batch.set(first, &colors);
                }
            },
        );
    }

    #[inline(always)]
    fn base_color(&self, group: FragmentGroup<'_>) -> [Lanes; 4] {
        let mut color = if self.colored { group.color() } else { [[1.0; LANES]; 4] };
        for k in 0..4 {
            color[k] = each(|i| self.material.base_color[k] * color[k][i]);
        }
        if let Some(texels) = self.read(0, group) {
            for k in 0..4 {
                color[k] = each(|i| color[k][i] * texels[k][i]);
            }
        }
        color
    }

    /// Before it is made unit.
    #[inline(always)]
    fn normal(&self, group: FragmentGroup<'_>) -> [Lanes; 3] {
        let mut normal = group.normal();
        if let Some(texels) = self.read(2, group) {
            let tangent = group.tangent();
            let scale = self.material.normal_scale;
            for i in 0..LANES {
                let n = vector(&normal, i);
                let t = Vec3::new(tangent[0][i], tangent[1][i], tangent[2][i]);
                let b = n.cross(t) * tangent[3][i];
                let x = [(2.0 * texels[0][i] - 1.0) * scale, (2.0 * texels[1][i] - 1.0) * scale, 2.0 * texels[2][i] - 1.0];
                let mapped = t * x[0] + b * x[1] + n * x[2];
                (normal[0][i], normal[1][i], normal[2][i]) = (mapped.x, mapped.y, mapped.z);
            }
        }
        normal
    }

    /// Metalness, roughness, occlusion.
    #[inline(always)]
    fn numbers(&self, group: FragmentGroup<'_>) -> [Lanes; 3] {
        let mut numbers = [self.material.metallic, self.material.roughness, 1.0].map(|x| [x; LANES]);
        if let Some(texels) = self.read(1, group) {
            numbers[0] = each(|i| numbers[0][i] * texels[2][i]);
            numbers[1] = each(|i| numbers[1][i] * texels[1][i]);
        }
        if let Some(texels) = self.read(3, group) {
            numbers[2] = each(|i| 1.0 + self.material.occlusion_strength * (texels[0][i] - 1.0));
        }
        numbers
    }

    #[inline(always)]
    fn emission(&self, group: FragmentGroup<'_>) -> [Lanes; 3] {
        let mut emission = self.material.emissive.map(|e| [e; LANES]);
        if let Some(texels) = self.read(4, group) {
            for k in 0..3 {
                emission[k] = each(|i| emission[k][i] * texels[k][i]);
            }
        }
        emission
    }

    #[inline(always)]
    fn read(&self, slot: usize, group: FragmentGroup<'_>) -> Option<[Lanes; 4]> {
        self.maps[slot].as_ref().map(
            #[inline(always)]
            |map| map.sample(group.uv(slot), group.footprint(slot), group.count),
        )
    }
}

#[inline(always)]
fn vector(planes: &[Lanes; 3], i: usize) -> Vec3 {
    Vec3::new(planes[0][i], planes[1][i], planes[2][i])
}
