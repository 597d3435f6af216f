//! How a scene is looked at, and the light that all renderers share.
//!
//! # The light
//! All renderers compute the same radiance in linear RGB, for a point with unit normal n, unit direction v to the viewer, base colour c,
//! metalness m, roughness ρ, occlusion o and emission e:
//!
//! ```text
//! α = max(ρ, 0.045)²        F₀ = 0.04 (1 − m) + c m        d = c (1 − m)
//! h = (l + v) / |l + v|     F = F₀ + (1 − F₀)(1 − v·h)⁵
//! D = α² / ((n·h)²(α² − 1) + 1)²                                       (GGX, without its 1/π: see `sun`)
//! V = ½ / (n·l √((n·v)²(1 − α²) + α²) + n·v √((n·l)²(1 − α²) + α²))    (Smith, height-correlated)
//! direct  = sun · max(n·l, 0) · ((1 − F) d + D V F)
//! ambient = o · (S(n) d + S(r) (F₀ A + B))          r = 2 (n·v) n − v
//! S(x) = mix(ground, sky, ½ + ½ x_y)
//! L = direct + ambient + e
//! ```
//!
//! `sun` is the radiance of a white matt surface that faces the light (so a factor π stands in it), n·v is kept above 1e-4, and A and B are
//! Karis's fit of the integral over the specular lobe (Physically Based Shading on Mobile, 2014): with
//! q = ρ · (−1, −0.0275, −0.572, 0.022) + (1, 0.0425, 1.04, −0.04) and a = min(q_x², 2^(−9.28 n·v)) q_x + q_y:
//! A = −1.04 a + q_z, B = 1.04 a + q_w.
//!
//! L is tone-mapped by Khronos's PBR Neutral operator (2024), which keeps base colours that are not bright as they are, fragment by fragment; the
//! samples of a pixel are averaged after that, in linear RGB, and encoded as sRGB. An unlit surface shows c and is not tone-mapped; so do lines
//! and points without normals.
//!
//! # The surface
//! n is the interpolated vertex normal (made unit in the world first) made unit again; with a normal map whose texel, scaled, is (x, y, z), it is
//! x t + y b + z n made unit, of interpolated normal n, tangent t and b = ± n × t before they are made unit. On the back of a double-sided surface
//! n is turned over. A normal that has no length points at the viewer. Vertex colours multiply c and alpha.
//! Everything is taken at the centre of the pixel, also where that lies outside the triangle; a fragment that the mask rejects is missing from all
//! samples of its pixel. A pixel has four samples, WebGPU's: (3, 1), (7, 3), (1, 5), (5, 7) eighths.
//!
//! Textures are sampled as WebGPU samples them, without anisotropy, from the levels that `mipmaps` makes; colours are decoded before they are filtered.
//!
//! # Order
//! Opaque and masked surfaces first. Surfaces that blend are laid over what is there, sample by sample, in linear RGB after tone-mapping; they test depth
//! but leave none. Primitives that blend come in the order of the distance along the view, farthest first: of the centre of the box around their
//! vertices at rest, moved by world_from_node, or of the mean of the vertices where joints put them.
//!
//! A fragment of a surface that blends hides what is behind where its alpha is 1: it is drawn with the opaque ones, and is no part of what is laid over.
//! A primitive whose alpha is 1 everywhere is opaque, and casts a shadow. Alpha is what a cutoff or 1 is where it is at most 1/2048 below, an eighth
//! of the step of a byte, so that rounding makes no holes. Of a mesh that joints bend the front is turned over where most of its weight is on joints that mirror.
//!
//! # What is behind
//! The sky is seen by the height y of the unit direction of the ray through the pixel's centre, with t = 1 − (1 − |y|)³:
//! mix([`HORIZON`], [`ZENITH`], t) above, mix([`HORIZON`], [`FLOOR`], t) below; it is not tone-mapped.
//!
//! The [`Ground`] shows nothing but a shadow: where the ray through the pixel's centre goes down through its plane from above, the background is multiplied by
//! 1 − [`SHADE`] s; a transparent one becomes black of alpha [`SHADE`] s. s comes from a map of [`SHADOW_SIZE`]² texels over the square of the ground, in
//! which x grows with u and z with v: a texel is 1 where its centre is in the projection, along the light, of any triangle that is not blended (of a masked
//! one all of it), either side of it, else 0; then it is blurred along u and then along v with the weights exp(−i²/(2 · 4²)), |i| ≤ 12, divided by their sum
//! (0 beyond the edge), and read bilinearly (0 beyond the square). A light that does not come from above casts none. The ground hides nothing.
//!
//! # Wireframe
//! The edges of triangles are drawn as lines, one pixel wide, coloured and lit as the surface is there, of both sides; nothing casts a shadow.

use crate::Camera;

/// Camera, light and surroundings of one picture.
#[derive(Debug, Clone)]
pub struct Shot {
    /// From where, and how many pixels.
    pub camera: Camera,
    /// What lights the scene.
    pub light: Light,
    /// What is behind it.
    pub background: Background,
    /// What catches the shadow of everything, or no shadow.
    pub ground: Option<Ground>,
    /// Only the edges of triangles are drawn, as lines.
    pub wireframe: bool,
    /// Pixels a side of the square that a point is.
    pub point_size: f32,
}

/// A sun far away and a sky around.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Light {
    /// Unit vector in the world from a surface towards the sun.
    pub toward: [f32; 3],
    /// The radiance of a white matt surface that faces the sun.
    pub sun: [f32; 3],
    /// Radiance from straight above.
    pub sky: [f32; 3],
    /// Radiance from straight below.
    pub below: [f32; 3],
}

/// What is seen where nothing is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Background {
    /// Nothing: alpha 0.
    Transparent,
    /// One colour, sRGB.
    Color([u8; 3]),
    /// A gradient by the height of the ray: horizon to zenith above, horizon to ground below.
    Sky,
}

/// The part of a level plane that shadows are seen on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ground {
    /// World y.
    pub height: f64,
    /// World x and z of the middle of a square.
    pub center: [f64; 2],
    /// Half of its side.
    pub half_side: f64,
}

/// What the sky is near the horizon, linear RGB.
pub(crate) const HORIZON: [f32; 3] = [0.83, 0.86, 0.88];
/// Straight up.
pub(crate) const ZENITH: [f32; 3] = [0.24, 0.42, 0.68];
/// Straight down.
pub(crate) const FLOOR: [f32; 3] = [0.46, 0.46, 0.45];
/// How much of the background a full shadow takes away.
pub(crate) const SHADE: f32 = 0.55;
/// Texels a side of the map of shadows.
pub(crate) const SHADOW_SIZE: usize = 256;
/// The standard deviation of the blur, in texels.
pub(crate) const SHADOW_BLUR: f32 = 4.0;
/// How far it reaches, in texels.
pub(crate) const SHADOW_REACH: usize = 12;

impl Shot {
    /// The shot of this camera in the default light, before the sky, with no shadow.
    ///
    /// A point is a 240th of the picture's smaller side, three pixels of 1280 x 720, and at least one pixel.
    pub fn new(camera: Camera) -> Self {
        let point_size = (camera.width.min(camera.height) as f32 / 240.0).max(1.0);
        Self { camera, light: Light::default(), background: Background::Sky, ground: None, wireframe: false, point_size }
    }

    /// Whether anything is seen on the ground.
    pub(crate) fn casts_shadow(&self) -> bool {
        self.ground.is_some() && !self.wireframe && self.light.toward[1] > 0.0
    }
}

impl Default for Light {
    /// A sun at the upper left of a viewer who looks along -z, and a bright sky.
    fn default() -> Self {
        Self {
            toward: [-0.42426407, std::f32::consts::FRAC_1_SQRT_2, 0.56568545],
            sun: [0.95, 0.92, 0.86],
            sky: [0.52, 0.56, 0.62],
            below: [0.30, 0.28, 0.26],
        }
    }
}
