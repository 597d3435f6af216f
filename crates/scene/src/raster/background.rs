//! What is behind everything: a colour or a sky, with the shadow on the ground.

use glam::{Mat4, Vec3, Vec4};

use super::VisiblePrimitives;
use super::lanes::{LANES, Lanes, each};
use super::light::unit;
use super::shadow::Shadow;
use crate::rendering::CameraView;
use crate::shot::{FLOOR, HORIZON, SHADE, ZENITH};
use crate::{Background, Shot, srgb};

pub(super) struct BackgroundShader {
    render_from_clip: Mat4,
    viewpoint: Vec4,
    raster: [f32; 2],
    /// With alpha multiplied in, where it is no sky.
    color: Option<[f32; 4]>,
    shadow: Option<Shadow>,
}

impl BackgroundShader {
    pub fn new(shot: &Shot, view: &CameraView, drawn: &VisiblePrimitives) -> Self {
        let color = match shot.background {
            Background::Transparent => Some([0.0; 4]),
            Background::Color(bytes) => {
                let [r, g, b] = bytes.map(|b| srgb::decode(f32::from(b) / 255.0));
                Some([r, g, b, 1.0])
            }
            Background::Sky => None,
        };
        let ground = shot.ground.filter(|_| shot.casts_shadow());
        let shadow = ground.map(|ground| Shadow::new(&view.space.ground(&ground), shot.light.toward.into(), drawn));
        let raster = [shot.camera.width as f32, shot.camera.height as f32];
        Self { render_from_clip: view.render_from_clip, viewpoint: view.viewpoint, raster, color, shadow }
    }

    /// The linear colours at the centres of a row of pixels from (x, y) on, with alpha multiplied in.
    #[inline(always)]
    pub fn at(&self, x: usize, y: usize) -> [Lanes; 4] {
        if let (Some(color), None) = (self.color, &self.shadow) {
            return color.map(|c| [c; LANES]);
        }
        let (viewpoint, m) = (self.viewpoint, &self.render_from_clip);
        let row = (y as f32 + 0.5) / self.raster[1] * 2.0 - 1.0;
        let pixel = 2.0 / self.raster[0];
        let mut near = [[0.0; LANES]; 4];
        let mut direction = [[0.0; LANES]; 3];
        for i in 0..LANES {
            let column = ((x + i) as f32 + 0.5) * pixel - 1.0;
            for k in 0..4 {
                near[k][i] = m.x_axis[k] * column + m.y_axis[k] * -row + m.w_axis[k];
            }
            let d = Vec3::new(near[0][i], near[1][i], near[2][i]) * viewpoint.w - viewpoint.truncate() * near[3][i];
            let d = unit(d);
            (direction[0][i], direction[1][i], direction[2][i]) = (d.x, d.y, d.z);
        }
        let mut behind = match self.color {
            Some(color) => color.map(|c| [c; LANES]),
            None => sky(&direction[1]),
        };
        let Some(shadow) = &self.shadow else { return behind };
        let parallel = viewpoint.w == 0.0;
        let mut origin = [[0.0; LANES]; 3];
        for k in 0..3 {
            origin[k] = each(|i| if parallel { near[k][i] / near[3][i] } else { viewpoint[k] });
        }
        let shade = shadow.along(&origin, &direction);
        for k in 0..3 {
            behind[k] = each(|i| behind[k][i] * (1.0 - SHADE * shade[i]));
        }
        behind[3] = each(|i| behind[3][i] + (1.0 - behind[3][i]) * (SHADE * shade[i]));
        behind
    }
}

/// By the height of rays.
#[inline(always)]
fn sky(height: &Lanes) -> [Lanes; 4] {
    let mut colors = [[1.0; LANES]; 4];
    let t = each(|i| {
        let s = 1.0 - height[i].abs();
        1.0 - s * s * s
    });
    for k in 0..3 {
        colors[k] = each(|i| HORIZON[k] * (1.0 - t[i]) + if height[i] > 0.0 { ZENITH[k] } else { FLOOR[k] } * t[i]);
    }
    colors
}
