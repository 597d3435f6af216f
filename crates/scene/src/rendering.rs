//! The space that renderers compute in: the world about the viewer, at a scale of about one.
//!
//! A world may be 1e-30 or 1e30 large, and its origin millions of its sizes away; f32 has neither the range nor the digits. So matrices are
//! multiplied in f64, from the mesh to this space and from it to clip space, and only then rounded. Vertices are f32 on either side.

use glam::{DMat4, DVec3, DVec4, Mat4, Vec4};

use crate::{Camera, Ground};

/// render = scale (world − origin): the axes are the world's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RenderSpace {
    pub origin: DVec3,
    /// A power of two.
    pub scale: f64,
}

impl RenderSpace {
    /// The world itself.
    pub const WORLD: Self = Self { origin: DVec3::ZERO, scale: 1.0 };

    /// About a place, so that `length` becomes about 1; the world's own scale where there is no such length.
    pub fn about(origin: DVec3, length: f64) -> Self {
        Self { origin: if origin.is_finite() { origin } else { DVec3::ZERO }, scale: power_of_two(length) }
    }

    pub fn render_from_world(&self) -> DMat4 {
        DMat4::from_scale(DVec3::splat(self.scale)) * DMat4::from_translation(-self.origin)
    }

    fn world_from_render(&self) -> DMat4 {
        DMat4::from_translation(self.origin) * DMat4::from_scale(DVec3::splat(1.0 / self.scale))
    }

    /// Where a place of this space is in the world.
    pub fn world(&self, place: DVec3) -> DVec3 {
        self.origin + place / self.scale
    }

    /// A ground of the world.
    pub fn ground(&self, ground: &Ground) -> Ground {
        let [x, z] = ground.center;
        let [o, s] = [self.origin, DVec3::splat(self.scale)];
        Ground {
            height: (ground.height - o.y) * s.y,
            center: [(x - o.x) * s.x, (z - o.z) * s.z],
            half_side: ground.half_side * self.scale,
        }
    }
}

/// What a camera makes of the space about it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CameraView {
    pub space: RenderSpace,
    pub view_from_world: DMat4,
    pub clip_from_render: Mat4,
    pub render_from_clip: Mat4,
    /// Where all rays meet: a point, or with w = 0 the unit vector against parallel rays.
    pub viewpoint: Vec4,
}

impl CameraView {
    /// The space about a camera's eye, or about the middle of the near plane of one whose rays are parallel, in which half the height of
    /// the near plane is about 1.
    pub fn new(camera: &Camera) -> Self {
        let (view_from_world, clip_from_view) = camera.matrices();
        let (world_from_view, view_from_clip) = (view_from_world.inverse(), clip_from_view.inverse());
        // What is sent to (0, 0, z, 0) is sent to the middle of the picture and to every other place in it: there all rays meet.
        let meet = view_from_clip.z_axis;
        let near = |y: f64| divided(view_from_clip * DVec4::new(0.0, y, 0.0, 1.0));
        let half_height = (near(1.0) - near(0.0)).length();
        let parallel = meet.w.abs() * half_height <= 1e-12 * meet.truncate().length();
        let eye = if parallel { near(0.0) } else { divided(meet) };
        let space = RenderSpace::about(world_from_view.transform_point3(eye), half_height);
        let against = world_from_view.transform_vector3(-meet.truncate()).normalize_or_zero();
        let viewpoint = if parallel {
            against.as_vec3().extend(0.0)
        } else {
            // The eye is the origin, up to rounding.
            Vec4::W
        };
        let clip_from_render = clip_from_view * view_from_world * space.world_from_render();
        // Clip coordinates may be multiplied by any number: by one that makes w about 1.
        let row = clip_from_render.row(3);
        let clip_from_render = clip_from_render * power_of_two(row.truncate().length().max(row.w.abs()));
        Self {
            space,
            view_from_world,
            clip_from_render: clip_from_render.as_mat4(),
            render_from_clip: clip_from_render.inverse().as_mat4(),
            viewpoint,
        }
    }
}

fn divided(p: DVec4) -> DVec3 {
    p.truncate() / p.w
}

/// The power of two that brings a length to about 1; 1 for what is no length.
fn power_of_two(length: f64) -> f64 {
    if length.is_normal() { (-length.log2().round()).clamp(-1000.0, 1000.0).exp2() } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Lens;

    /// A picture does not change when scene and camera grow or move together.
    #[test]
    fn what_a_camera_sees_is_the_same_at_every_scale_and_place() {
        let lens = |s: f64| Lens::Perspective { fovy: 0.7, near: (0.5 * s) as f32, far: Some((50.0 * s) as f32) };
        let seen = |s: f64, to: DVec3| {
            let v = crate::camera::view(to + s * DVec3::new(3.0, 2.0, 4.0), to, DVec3::Y);
            let view = CameraView::new(&Camera::from_view_matrix(v, lens(s), [300, 200]).unwrap());
            assert!(view.space.scale > 0.0 && view.viewpoint == Vec4::W);
            let point = view.space.render_from_world().transform_point3(to + s * DVec3::new(0.3, -0.2, 0.1)).as_vec3();
            let clip = view.clip_from_render * point.extend(1.0);
            clip.truncate() / clip.w
        };
        let first = seen(1.0, DVec3::ZERO);
        for scale in [1e-30, 1e-9, 1e-4, 5e5, 1e18, 1e30] {
            for place in [DVec3::ZERO, DVec3::new(5e5, -3e5, 6e6) * scale] {
                let apart = (seen(scale, place) - first).abs().max_element();
                assert!(apart < 1e-5, "{scale} at {place}: {apart}");
            }
        }
    }

    #[test]
    fn rays_are_parallel_where_the_lens_says_so_whatever_its_size() {
        for half_height in [1e-20, 1.0, 1e20] {
            let lens = Lens::Orthographic { half_height, near: 0.0, far: 10.0 * half_height };
            let camera = Camera::look_at([0.0, 0.0, 5.0], [0.0; 3], [0.0, 1.0, 0.0], lens, [64, 64]).unwrap();
            assert_eq!(CameraView::new(&camera).viewpoint, Vec4::Z, "{half_height}");
        }
    }
}
