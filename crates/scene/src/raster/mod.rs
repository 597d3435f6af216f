//! The renderer of the processor: the same bytes for the same input, on every number of threads.
//!
//! Vertices are moved and projected, triangles become edge functions (`triangle`), and bands of the picture are drawn by threads, a tile at a time
//! (`tile`): first which triangle each sample shows, then the light of each triangle that a pixel shows, once, then what blends.
//! The fragments of one look are gathered (`batch`) and shaded together (`shade`, `light`), as are rows of what is behind (`behind`, `shadow`) and the bytes
//! of pixels (`encode`): plain loops over fixed arrays (`lanes`), which `simd::run` compiles for the vector registers at hand. None of them fuses a
//! multiplication with an addition, so that every instruction set draws the same. Lines and points are triangles by then (`stroke`).

mod background;
mod batch;
mod bins;
mod encode;
mod lanes;
mod light;
mod shade;
mod shadow;
mod stroke;
mod texture;
mod tile;
mod triangle;
mod vertex;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use monotile::{Result, memory};
use monotile_kernels::threads;

use crate::draws::{AlphaPart, DrawOrder, Draws};
use crate::rendering::CameraView;
use crate::{Material, Picture, Pose, Scene, Shot, Topology};
use background::BackgroundShader;
use bins::Bins;
use shade::{DrawMaterial, Shader};
use stroke::Strokes;
use texture::Textures;
use tile::{SIDE, Tile, TileInputs};
use triangle::{EdgeFunctions, STROKE, ScreenTriangle, TileEdgeFunctions};
use vertex::Varying;

/// A scene that is ready to be drawn.
///
/// # Example
/// ```
/// use monotile_scene::{Framing, Orbit, Pose, Scene, raster::CpuRenderer};
/// let scene = Scene::figure();
/// let pose = Pose::rest(&scene);
/// let shot = Framing::new(&scene, [pose.clone()])?.shot(&Orbit::default(), [64, 48])?;
/// let picture = CpuRenderer::new(&scene).draw(&pose, &shot)?;
/// assert_eq!((picture.width, picture.height), (64, 48));
/// # Ok::<(), monotile_scene::Error>(())
/// ```
pub struct CpuRenderer<'a> {
    scene: &'a Scene,
    order: DrawOrder,
    /// Or why there are none, which is told where a picture is drawn.
    textures: Result<Textures<'a>>,
    /// Those of the scene and the default one at the end.
    materials: Vec<Material>,
}

/// All triangles of a picture, in the order in which they are drawn.
struct VisiblePrimitives {
    varyings: Vec<Varying>,
    looks: Vec<DrawMaterial>,
    triangles: Vec<ScreenTriangle>,
    /// Of the triangles that are no strokes.
    functions: Vec<EdgeFunctions>,
    strokes: Strokes,
    /// The corners of what throws a shadow, in the picture or not.
    casts: Vec<[u32; 3]>,
}

impl<'a> CpuRenderer<'a> {
    /// Makes mipmaps of the textures.
    pub fn new(scene: &'a Scene) -> Self {
        let materials = scene.materials.iter().cloned().chain([Material::default()]).collect();
        Self { scene, order: DrawOrder::new(scene), textures: Textures::new(scene), materials }
    }

    /// The picture of a pose.
    ///
    /// # Errors
    /// Triangles that cover one another more often than the limit `tiles` allows, and memory that cannot be had.
    ///
    /// # Cost
    /// A vertex takes some 100 ns; a pixel some 30 ns of one core, where a quarter of the picture shows surfaces.
    pub fn draw(&self, pose: &Pose, shot: &Shot) -> Result<Picture> {
        let textures = self.textures.as_ref().map_err(Clone::clone)?;
        let view = CameraView::new(&shot.camera);
        let size = [shot.camera.width, shot.camera.height];
        let draws = self.order.draws(self.scene, pose, (&view.space, &view.view_from_world));
        let drawn = self.drawn(pose, &draws, &view, shot);
        let bins = Bins::new(&drawn.triangles, size)?;
        let behind = BackgroundShader::new(shot, &view, &drawn);
        let shader = Shader::new(&drawn.looks, &self.materials, textures, shot, view.viewpoint);
        let parts = TileInputs { drawn: &drawn, shader: &shader, behind: &behind, size };
        let mut picture =
            Picture { width: size[0], height: size[1], rgba: memory::filled(4 * size[0] * size[1], 0, "the picture")? };
        let bands: Vec<Mutex<&mut [u8]>> = picture.rgba.chunks_mut(4 * SIDE * size[0]).map(Mutex::new).collect();
        let next = AtomicUsize::new(0);
        // A pixel of the sky takes 5 ns at least.
        threads::run(threads::parts(size[0] * size[1], 5.0).min(bands.len()), |_| {
            let mut tile = Tile::new();
            loop {
                let band = next.fetch_add(1, Ordering::Relaxed);
                let Some(rows) = bands.get(band) else { break };
                // Nobody else takes this band, so the lock is free and cannot be poisoned.
                let Ok(mut rows) = rows.lock() else { break };
                for column in 0..size[0].div_ceil(SIDE) {
                    tile.draw(&parts, bins.triangles_at(column, band), [column * SIDE, band * SIDE], &mut rows);
                }
            }
        });
        Ok(picture)
    }

    fn drawn(&self, pose: &Pose, draws: &Draws, view: &CameraView, shot: &Shot) -> VisiblePrimitives {
        let size = [shot.camera.width, shot.camera.height];
        let mut drawn = VisiblePrimitives::new(Strokes { size, point_size: shot.point_size });
        for draw in &draws.draws {
            let shape = &self.scene.meshes[draw.mesh].primitives[draw.primitive];
            let material = shape.material.unwrap_or(self.scene.materials.len());
            let of = &self.materials[material];
            let first = drawn.varyings.len() as u32;
            vertex::place(self.scene, pose, draws, draw, (of, view.clip_from_render), &mut drawn.varyings);
            let stroked = shape.topology != Topology::Triangles || shot.wireframe;
            let unlit = of.unlit || (shape.topology != Topology::Triangles && shape.normals.is_empty());
            let look = drawn.looks.len() as u32;
            drawn.looks.push(DrawMaterial { material, unlit, part: draw.part, colored: !shape.colors.is_empty() });
            if stroked {
                drawn.strokes.add(shape, (first, look), &drawn.varyings, &mut drawn.triangles);
                continue;
            }
            for corners in shape.indices.chunks_exact(3) {
                let corners = [first + corners[0], first + corners[1], first + corners[2]];
                if shot.casts_shadow() && draw.part == AlphaPart::All {
                    drawn.casts.push(corners);
                }
                let clip = corners.map(|c| drawn.varyings[c as usize].clip);
                let Some((triangle, functions)) = ScreenTriangle::new(clip, corners, look, size) else { continue };
                let mut triangle = triangle.facing(draw.mirrored);
                if triangle.front || of.double_sided {
                    triangle.functions = drawn.functions.len() as u32;
                    drawn.triangles.push(triangle);
                    drawn.functions.push(functions);
                }
            }
        }
        drawn
    }
}

impl VisiblePrimitives {
    fn new(strokes: Strokes) -> Self {
        let (varyings, looks, triangles, functions, casts) = Default::default();
        Self { varyings, looks, triangles, functions, strokes, casts }
    }

    /// What is interpolated over a triangle; `room` holds it where no vertices do.
    fn corners<'a>(&'a self, triangle: &ScreenTriangle, room: &'a mut Option<[Varying; 3]>) -> [&'a Varying; 3] {
        if triangle.functions != STROKE {
            return triangle.corners.map(|corner| &self.varyings[corner as usize]);
        }
        room.insert(self.strokes.corners(triangle.corners, &self.varyings)).each_ref()
    }

    /// The functions of a triangle from a pixel's corner on.
    fn local(&self, triangle: &ScreenTriangle, origin: [usize; 2]) -> Option<TileEdgeFunctions> {
        if triangle.functions != STROKE {
            return Some(self.functions[triangle.functions as usize].local(origin));
        }
        let clip = self.strokes.corners(triangle.corners, &self.varyings).map(|corner| corner.clip);
        let (_, functions) = ScreenTriangle::new(clip, triangle.corners, triangle.look, self.strokes.size)?;
        Some(functions.local(origin))
    }
}

impl std::fmt::Debug for CpuRenderer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CpuRenderer({} meshes)", self.scene.meshes.len())
    }
}

#[cfg(test)]
mod tests;
