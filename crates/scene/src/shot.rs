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
//! samples of a pixel are averaged after that, in linear RGB, and encoded as sRGB. Surfaces that blend are laid over in the same space, by
//! node in the order of their distance, farthest first. An unlit surface shows c and is not tone-mapped.

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
    /// The height (world y) of a plane that catches the shadow of everything, or no shadow.
    pub ground: Option<f32>,
    /// Only the edges of triangles are drawn, as lines.
    pub wireframe: bool,
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
