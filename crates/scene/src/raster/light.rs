//! The light of one place, as `shot.rs` states it, in its letters: without branches, so that a loop over places becomes vector instructions.

use glam::Vec3;
use monotile_kernels::math;

use crate::Light;

/// The reflectance of what is no metal, looked at straight.
const DIELECTRIC: f32 = 0.04;

/// Zero stays zero.
#[inline(always)]
pub(super) fn unit(v: Vec3) -> Vec3 {
    v * (1.0 / v.length_squared().max(1e-38).sqrt())
}

/// L without what the surface emits.
#[inline(always)]
pub(super) fn radiance(light: &Light, n: Vec3, v: Vec3, c: Vec3, [m, rho, o]: [f32; 3]) -> Vec3 {
    let (sky, below, sun) = (Vec3::from(light.sky), Vec3::from(light.below), Vec3::from(light.sun));
    let surroundings = |y: f32| below + (sky - below) * (0.5 + 0.5 * y);
    let alpha = rho.max(0.045) * rho.max(0.045);
    let alpha2 = alpha * alpha;
    let f0 = Vec3::splat(DIELECTRIC * (1.0 - m)) + c * m;
    let d = c * (1.0 - m);
    let l = Vec3::from(light.toward);
    let (n_v, n_l) = (n.dot(v).max(1e-4), n.dot(l).max(0.0));
    // All of this is finite where n·l is 0.
    let h = unit(l + v);
    let n_h = n.dot(h).max(0.0);
    let grazing = 1.0 - v.dot(h).clamp(0.0, 1.0);
    let squared = grazing * grazing;
    let fresnel = f0 + (Vec3::ONE - f0) * (squared * squared * grazing);
    let lobe = n_h * n_h * (alpha2 - 1.0) + 1.0;
    let distribution = alpha2 / (lobe * lobe);
    let visibility =
        0.5 / (n_l * (n_v * n_v * (1.0 - alpha2) + alpha2).sqrt() + n_v * (n_l * n_l * (1.0 - alpha2) + alpha2).sqrt());
    let direct = sun * n_l * ((Vec3::ONE - fresnel) * d + fresnel * (distribution * visibility));
    let q = [1.0 - rho, 0.0425 - 0.0275 * rho, 1.04 - 0.572 * rho, 0.022 * rho - 0.04];
    let a = (q[0] * q[0]).min(math::exp(-9.28 * std::f32::consts::LN_2 * n_v)) * q[0] + q[1];
    let (scale, bias) = (q[2] - 1.04 * a, 1.04 * a + q[3]);
    let r_y = 2.0 * n_v * n.y - v.y;
    direct + (surroundings(n.y) * d + surroundings(r_y) * (f0 * scale + Vec3::splat(bias))) * o
}

/// Khronos PBR Neutral.
#[inline(always)]
pub(super) fn tone_map(radiance: Vec3) -> Vec3 {
    let start = 0.8 - DIELECTRIC;
    let desaturation = 0.15;
    let least = radiance.x.min(radiance.y).min(radiance.z);
    let offset = if least < 0.08 { least - 6.25 * least * least } else { DIELECTRIC };
    let color = radiance - Vec3::splat(offset);
    let peak = color.x.max(color.y).max(color.z);
    let room = 1.0 - start;
    let bright = peak.max(start);
    let new_peak = 1.0 - room * room / (bright + room - start);
    let g = 1.0 / (desaturation * (bright - new_peak) + 1.0);
    let mapped = color * (new_peak / bright * g) + Vec3::splat(new_peak * (1.0 - g));
    let keep = peak < start;
    Vec3::new(if keep { color.x } else { mapped.x }, if keep { color.y } else { mapped.y }, if keep { color.z } else { mapped.z })
}
