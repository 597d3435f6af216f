//! What is behind everything: a colour or a sky, with the shadow on the ground.

use glam::{Mat4, Vec2, Vec3, Vec4, Vec4Swizzles};
use monotile::Result;

use super::Drawn;
use crate::shot::{FLOOR, HORIZON, SHADE, SHADOW_BLUR, SHADOW_REACH, SHADOW_SIZE, ZENITH, viewpoint};
use crate::{Background, Ground, Shot, srgb};

pub(super) struct Behind {
    world_from_clip: Mat4,
    viewpoint: Vec4,
    raster: Vec2,
    /// With alpha multiplied in, where it is no sky.
    color: Option<Vec4>,
    shadow: Option<Shadow>,
}

struct Shadow {
    ground: Ground,
    map: Vec<f32>,
}

impl Behind {
    pub fn new(shot: &Shot, drawn: &Drawn) -> Result<Self> {
        let (view_from_world, clip_from_view) = shot.camera.matrices()?;
        let world_from_clip = view_from_world.inverse() * clip_from_view.inverse();
        let color = match shot.background {
            Background::Transparent => Some(Vec4::ZERO),
            Background::Color(bytes) => Some(Vec3::from(bytes.map(|b| srgb::decode(f32::from(b) / 255.0))).extend(1.0)),
            Background::Sky => None,
        };
        let ground = shot.ground.filter(|_| shot.casts_shadow());
        let shadow = ground.map(|ground| Shadow { ground, map: map(&ground, shot.light.toward.into(), drawn) });
        let raster = Vec2::new(shot.camera.width as f32, shot.camera.height as f32);
        Ok(Self { world_from_clip, viewpoint: viewpoint(&world_from_clip), raster, color, shadow })
    }

    pub fn viewpoint(&self) -> Vec4 {
        self.viewpoint
    }

    /// The linear colour at a pixel's centre, with alpha multiplied in.
    pub fn at(&self, x: usize, y: usize) -> Vec4 {
        if let (Some(color), None) = (self.color, &self.shadow) {
            return color;
        }
        let place = (Vec2::new(x as f32, y as f32) + 0.5) / self.raster * 2.0 - 1.0;
        let near = self.world_from_clip * Vec4::new(place.x, -place.y, 0.0, 1.0);
        let viewpoint = self.viewpoint;
        let direction = near.xyz() * viewpoint.w - viewpoint.xyz() * near.w;
        let direction = direction / direction.length_squared().max(1e-38).sqrt();
        let behind = self.color.unwrap_or_else(|| sky(direction.y).extend(1.0));
        let Some(shadow) = &self.shadow else { return behind };
        let origin = if viewpoint.w == 0.0 { near.xyz() / near.w } else { viewpoint.xyz() };
        let dark = SHADE * shadow.along(origin, direction);
        (behind.xyz() * (1.0 - dark)).extend(behind.w + (1.0 - behind.w) * dark)
    }
}

fn sky(y: f32) -> Vec3 {
    let s = 1.0 - y.abs();
    let end = if y > 0.0 { ZENITH } else { FLOOR };
    Vec3::from(HORIZON).lerp(end.into(), 1.0 - s * s * s)
}

impl Shadow {
    /// 0 to 1, where a ray goes down through the ground.
    fn along(&self, origin: Vec3, direction: Vec3) -> f32 {
        let Ground { height, center, half_side } = self.ground;
        if direction.y >= 0.0 || origin.y <= height {
            return 0.0;
        }
        let hit = origin + direction * ((height - origin.y) / direction.y);
        let place = (Vec2::new(hit.x, hit.z) - Vec2::from(center)) / half_side;
        if !(place.abs().max_element() <= 1.0) {
            return 0.0;
        }
        let texel = (0.5 * place + 0.5) * SHADOW_SIZE as f32 - 0.5;
        let corner = texel.floor();
        let part = texel - corner;
        let at = |dx: i32, dy: i32| {
            let (x, y) = (corner.x as i32 + dx, corner.y as i32 + dy);
            let inside = 0..SHADOW_SIZE as i32;
            if inside.contains(&x) && inside.contains(&y) { self.map[y as usize * SHADOW_SIZE + x as usize] } else { 0.0 }
        };
        let above = at(0, 0) * (1.0 - part.x) + at(1, 0) * part.x;
        let below = at(0, 1) * (1.0 - part.x) + at(1, 1) * part.x;
        above * (1.0 - part.y) + below * part.y
    }
}

/// The map of the shadow: everything laid flat along the light, then blurred.
fn map(ground: &Ground, toward: Vec3, drawn: &Drawn) -> Vec<f32> {
    let n = SHADOW_SIZE;
    let texel = |p: Vec3| {
        let flat = p - toward * ((p.y - ground.height) / toward.y);
        let place = (Vec2::new(flat.x, flat.z) - Vec2::from(ground.center)) / ground.half_side;
        (0.5 * place + 0.5) * n as f32
    };
    let mut map = vec![0.0_f32; n * n];
    for triangle in drawn.every_cast() {
        fill(&mut map, triangle.map(texel));
    }
    let mut across = vec![0.0; n * n];
    blur(&map, &mut across, 1);
    blur(&across, &mut map, n);
    map
}

/// Sets the texels whose centres are in a triangle.
fn fill(map: &mut [f32], [a, b, c]: [Vec2; 3]) {
    let area = (b - a).perp_dot(c - a);
    if area == 0.0 || !area.is_finite() {
        return;
    }
    let last = SHADOW_SIZE as f32;
    let (low, high) = (a.min(b).min(c).clamp(Vec2::ZERO, Vec2::splat(last)), a.max(b).max(c).clamp(Vec2::ZERO, Vec2::splat(last)));
    for y in low.y as usize..(high.y.ceil() as usize).min(SHADOW_SIZE) {
        for x in low.x as usize..(high.x.ceil() as usize).min(SHADOW_SIZE) {
            let p = Vec2::new(x as f32, y as f32) + 0.5;
            let inside = |from: Vec2, to: Vec2| (to - from).perp_dot(p - from) * area >= 0.0;
            if inside(a, b) && inside(b, c) && inside(c, a) {
                map[y * SHADOW_SIZE + x] = 1.0;
            }
        }
    }
}

/// The Gaussian along one direction, whose texels are `step` apart.
fn blur(from: &[f32], to: &mut [f32], step: usize) {
    let weights: Vec<f32> =
        (0..=2 * SHADOW_REACH).map(|i| (-0.5 * ((i as f32 - SHADOW_REACH as f32) / SHADOW_BLUR).powi(2)).exp()).collect();
    let whole: f32 = weights.iter().sum();
    let other = if step == 1 { SHADOW_SIZE } else { 1 };
    for line in 0..SHADOW_SIZE {
        let first = line * other;
        for i in 0..SHADOW_SIZE {
            let reach = i.saturating_sub(SHADOW_REACH)..(i + SHADOW_REACH + 1).min(SHADOW_SIZE);
            let sum: f32 = reach.map(|j| weights[j + SHADOW_REACH - i] * from[first + j * step]).sum();
            to[first + i * step] = sum / whole;
        }
    }
}

impl Drawn {
    /// The corners in the world of every triangle that throws a shadow, whichever side is lit and whether it is in the picture.
    fn every_cast(&self) -> impl Iterator<Item = [Vec3; 3]> {
        self.casts.iter().map(|corners| corners.map(|c| self.varyings[c as usize].world))
    }
}
