//! The light of a surface, as `shot.rs` states it, in its letters.

use glam::{Vec2, Vec3, Vec4};

use super::texture::Textures;
use super::triangle::{Local, Triangle};
use super::vertex::Varying;
use crate::{Alpha, Light, Material, Shot, TextureRef};

/// What all triangles of a draw share.
pub(super) struct Look {
    /// Into the list that ends with the default one.
    pub material: usize,
    pub unlit: bool,
    pub blends: bool,
}

/// Computes fragments.
pub(super) struct Shader<'a> {
    materials: &'a [Material],
    textures: &'a Textures,
    light: Light,
    /// Where all rays meet; a direction if w is 0.
    viewpoint: Vec4,
}

/// A fragment before its light: where on its triangle, and how textures pass there.
struct Place {
    varying: Varying,
    /// How texture coordinates change a pixel to the right and a pixel below.
    slopes: [[Vec2; 2]; 5],
}

/// The reflectance of what is no metal, looked at straight.
const DIELECTRIC: f32 = 0.04;

impl<'a> Shader<'a> {
    pub fn new(materials: &'a [Material], textures: &'a Textures, shot: &Shot, viewpoint: Vec4) -> Self {
        Self { materials, textures, light: shot.light, viewpoint }
    }

    /// Whether fragments of a look may be missing.
    pub fn masks(&self, look: &Look) -> bool {
        matches!(self.materials[look.material].alpha, Alpha::Mask(_))
    }

    /// Whether the fragment at a pixel's centre is there.
    pub fn passes(&self, look: &Look, local: &Local, corners: [&Varying; 3], centre: Vec2) -> bool {
        let material = &self.materials[look.material];
        let Alpha::Mask(cutoff) = material.alpha else { return true };
        let place = Place::new(local, corners, centre, material);
        self.base_color(material, &place).w >= cutoff
    }

    /// The linear colour of the fragment at a pixel's centre, with alpha multiplied in.
    pub fn shade(&self, look: &Look, triangle: &Triangle, local: &Local, corners: [&Varying; 3], centre: Vec2) -> Vec4 {
        let material = &self.materials[look.material];
        let place = Place::new(local, corners, centre, material);
        let base = self.base_color(material, &place);
        let alpha = if look.blends { base.w } else { 1.0 };
        let color = base.truncate();
        if look.unlit {
            return (color * alpha).extend(alpha);
        }
        let viewpoint = self.viewpoint;
        let v = unit(viewpoint.truncate() - place.varying.world * viewpoint.w);
        let outward = self.normal(material, &place, v);
        let n = if triangle.front { outward } else { -outward };
        let [_, rough, _, open, glow] = material.textures();
        let (mut metallic, mut roughness, mut o) = (material.metallic, material.roughness, 1.0);
        let mut e = Vec3::from(material.emissive);
        if let Some(used) = &rough {
            let texel = self.read(used, false, &place, 1);
            (metallic, roughness) = (metallic * texel.z, roughness * texel.y);
        }
        if let Some(used) = &open {
            o += material.occlusion_strength * (self.read(used, false, &place, 3).x - 1.0);
        }
        if let Some(used) = &glow {
            e *= self.read(used, true, &place, 4).truncate();
        }
        let l = radiance(&self.light, n, v, color, [metallic, roughness, o]) + e;
        (tone_map(l) * alpha).extend(alpha)
    }

    fn read(&self, used: &TextureRef, color: bool, place: &Place, slot: usize) -> Vec4 {
        self.textures.sample(used.texture, color, place.varying.uvs[slot], place.slopes[slot])
    }

    fn base_color(&self, material: &Material, place: &Place) -> Vec4 {
        let base = Vec4::from(material.base_color) * place.varying.color;
        material.base_color_texture.as_ref().map_or(base, |used| base * self.read(used, true, place, 0))
    }

    fn normal(&self, material: &Material, place: &Place, v: Vec3) -> Vec3 {
        let n = place.varying.normal;
        let mapped = match &material.normal_texture {
            None => n,
            Some(used) => {
                let t = place.varying.tangent;
                let b = n.cross(t.truncate()) * t.w;
                let scale = Vec3::new(material.normal_scale, material.normal_scale, 1.0);
                let x = (2.0 * self.read(used, false, place, 2).truncate() - 1.0) * scale;
                x.x * t.truncate() + x.y * b + x.z * n
            }
        };
        if mapped.length_squared() > 0.0 { unit(mapped) } else { v }
    }
}

impl Place {
    fn new(local: &Local, corners: [&Varying; 3], centre: Vec2, material: &Material) -> Self {
        let e = local.at(centre.x, centre.y);
        let sum = e[0] + e[1] + e[2];
        // Beyond the horizon of the triangle's plane nothing is right, and the middle no worse.
        let b = if sum > 0.0 { e.map(|x| x / sum) } else { [1.0 / 3.0; 3] };
        let varying = Varying::mean(corners, b);
        let mut slopes = [[Vec2::ZERO; 2]; 5];
        for (slot, _) in material.textures().iter().enumerate().filter(|(_, used)| used.is_some()) {
            // The derivative of Σ eᵢ uvᵢ / Σ eᵢ.
            slopes[slot] = [0, 1].map(|axis| {
                let by = |i: usize| local.edges[i][axis] * (corners[i].uvs[slot] - varying.uvs[slot]);
                (by(0) + by(1) + by(2)) / sum
            });
        }
        Self { varying, slopes }
    }
}

/// Zero stays zero.
fn unit(v: Vec3) -> Vec3 {
    v / v.length_squared().max(1e-38).sqrt()
}

fn radiance(light: &Light, n: Vec3, v: Vec3, c: Vec3, [m, rho, o]: [f32; 3]) -> Vec3 {
    let (sky, below, sun) = (Vec3::from(light.sky), Vec3::from(light.below), Vec3::from(light.sun));
    let surroundings = |x: Vec3| below.lerp(sky, 0.5 + 0.5 * x.y);
    let alpha = rho.max(0.045).powi(2);
    let alpha2 = alpha * alpha;
    let f0 = Vec3::splat(DIELECTRIC * (1.0 - m)) + c * m;
    let d = c * (1.0 - m);
    let l = Vec3::from(light.toward);
    let (n_v, n_l) = (n.dot(v).max(1e-4), n.dot(l).max(0.0));
    let mut direct = Vec3::ZERO;
    if n_l > 0.0 {
        let h = unit(l + v);
        let n_h = n.dot(h).max(0.0);
        let fresnel = f0 + (1.0 - f0) * (1.0 - v.dot(h).clamp(0.0, 1.0)).powi(5);
        let lobe = n_h * n_h * (alpha2 - 1.0) + 1.0;
        let distribution = alpha2 / (lobe * lobe);
        let visibility =
            0.5 / (n_l * (n_v * n_v * (1.0 - alpha2) + alpha2).sqrt() + n_v * (n_l * n_l * (1.0 - alpha2) + alpha2).sqrt());
        direct = sun * n_l * ((1.0 - fresnel) * d + distribution * visibility * fresnel);
    }
    let q = rho * Vec4::new(-1.0, -0.0275, -0.572, 0.022) + Vec4::new(1.0, 0.0425, 1.04, -0.04);
    let a = (q.x * q.x).min((-9.28 * n_v).exp2()) * q.x + q.y;
    let (scale, bias) = (-1.04 * a + q.z, 1.04 * a + q.w);
    let r = 2.0 * n_v * n - v;
    direct + o * (surroundings(n) * d + surroundings(r) * (f0 * scale + bias))
}

/// Khronos PBR Neutral.
fn tone_map(radiance: Vec3) -> Vec3 {
    let start = 0.8 - DIELECTRIC;
    let desaturation = 0.15;
    let least = radiance.min_element();
    let offset = if least < 0.08 { least - 6.25 * least * least } else { DIELECTRIC };
    let color = radiance - offset;
    let peak = color.max_element();
    if peak < start {
        return color;
    }
    let room = 1.0 - start;
    let new_peak = 1.0 - room * room / (peak + room - start);
    let g = 1.0 - 1.0 / (desaturation * (peak - new_peak) + 1.0);
    (color * (new_peak / peak)).lerp(Vec3::splat(new_peak), g)
}
