//! A model as a surface whose vertices carry its colours.

use std::collections::HashMap;

use glam::Vec2;
use monotile::transform::transform_homogeneous;
use monotile::{DType, Result, Tensor};
use monotile_radiance::{MatrixCamera, Surface};

use crate::{Camera, Image, Material, Mesh, Node, Pose, Primitive, Scene, TextureRef, Topology, srgb};

/// The triangles of a model in one pose, with a colour at every vertex: what a camera and colours are fitted to.
#[derive(Debug, Clone)]
pub struct ColoredMesh {
    /// Which vertices make triangles, and where the surface goes on.
    pub surface: Surface,
    /// (V, 4): x, y, z in the world and 1; f64.
    pub vertices: Tensor,
    /// (V, 3): linear RGB; f64.
    pub colors: Tensor,
}

impl ColoredMesh {
    /// The triangles of a scene where a pose puts them. A vertex has the base colour of its material there: the factor, times its own colour, times the texel
    /// that its texture has at the vertex. Alpha, lights and all other textures are left out.
    ///
    /// Vertices at one place with different normals or texture coordinates are one place of the surface, so that no seam is taken for its end.
    ///
    /// # Errors
    /// A scene that draws no triangles.
    ///
    /// # Example
    /// ```
    /// use monotile_scene::differentiable::ColoredMesh;
    /// use monotile_scene::{Framing, Orbit, Pose, Scene};
    /// let scene = Scene::figure();
    /// let pose = Pose::rest(&scene);
    /// let figure = ColoredMesh::new(&scene, &pose)?;
    /// let camera = Framing::new(&scene, [pose])?.camera(&Orbit::default(), [32, 48])?;
    /// let picture = figure.draw(&camera.to_tensors()?, &figure.colors)?;
    /// assert_eq!(picture.shape(), [48, 32, 4]);
    /// # Ok::<(), monotile_scene::Error>(())
    /// ```
    pub fn new(scene: &Scene, pose: &Pose) -> Result<Self> {
        let still = scene.baked(pose);
        let (mut positions, mut colors, mut triangles) = (Vec::new(), Vec::new(), Vec::new());
        let parts = still.meshes.iter().flat_map(|mesh| &mesh.primitives).filter(|p| p.topology == Topology::Triangles);
        for part in parts {
            let first = positions.len() as u32;
            triangles.extend(part.indices.chunks_exact(3).map(|t| [first + t[0], first + t[1], first + t[2]]));
            positions.extend(&part.positions);
            colors.extend((0..part.positions.len()).map(|i| color(&still, part, i)));
        }
        let same = places(&positions);
        // Poles of round things are triangles of two places, which no edge borders.
        triangles.retain(|t: &[u32; 3]| (0..3).all(|i| same[t[i] as usize] != same[t[(i + 1) % 3] as usize]));
        if triangles.is_empty() {
            return Err(monotile::Error::value("there is nothing to paint: the scene draws no triangles"));
        }
        let numbers = positions.iter().flat_map(|p: &[f32; 3]| [f64::from(p[0]), f64::from(p[1]), f64::from(p[2]), 1.0]).collect();
        let colors = colors.iter().flatten().map(|&x| f64::from(x)).collect();
        Ok(Self {
            surface: Surface::with_adjacency(&triangles, &same)?,
            vertices: Tensor::from_vec(numbers, &[positions.len(), 4])?,
            colors: Tensor::from_vec(colors, &[positions.len(), 3])?,
        })
    }

    /// The picture through a camera: (height, width, 4), linear RGB times coverage, and coverage; recorded where the camera's matrices or the colours are.
    ///
    /// # Errors
    /// Colours that are not (V, 3), and a camera whose matrices are not 4 x 4.
    pub fn draw(&self, camera: &MatrixCamera, colors: &Tensor) -> Result<Tensor> {
        let wide = |m: &Tensor| m.to_dtype(DType::F64);
        let clip_from_world = wide(&camera.clip_from_view)?.matmul(&wide(&camera.view_from_world)?)?;
        self.surface.rasterize(&transform_homogeneous(&clip_from_world, &self.vertices)?, colors, [camera.width, camera.height])
    }

    /// How far colours are from the model's own: the mean of the absolute differences of red, green and blue over what a camera sees.
    ///
    /// # Errors
    /// Colours that are not (V, 3).
    pub fn color_error(&self, camera: &Camera, colors: &Tensor) -> Result<f64> {
        // The gradient of the sum of all pixels by a vertex's colour: how many pixels it colours.
        let own = self.colors.requires_grad();
        let sum = self.draw(&camera.to_tensors()?, &own)?.slice(-1, ..3)?.sum(&[], false)?;
        let Some(pixels) = sum.backward()?.take(&own) else { return Ok(0.0) };
        let apart = colors.sub(&self.colors)?.abs()?;
        apart.mul(&pixels)?.sum(&[], false)?.div(&pixels.sum(&[], false)?)?.item()
    }

    /// The model as a scene that all renderers draw: unlit, with these colours at its vertices.
    ///
    /// # Errors
    /// Colours that are not (V, 3).
    pub fn scene(&self, colors: &Tensor) -> Result<Scene> {
        let count = self.vertices.dim(0);
        let colors = colors.to_dtype(DType::F32)?.reshape(&[count, 3])?.to_vec::<f32>()?;
        let rows = self.vertices.to_dtype(DType::F32)?.to_vec::<f32>()?;
        let shape = Primitive {
            indices: self.surface.triangles().concat(),
            positions: rows.chunks_exact(4).map(|p| [p[0], p[1], p[2]]).collect(),
            // Nothing is lit by them.
            normals: vec![[0.0, 1.0, 0.0]; count],
            colors: colors.chunks_exact(3).map(|c| [c[0], c[1], c[2], 1.0]).collect(),
            material: Some(0),
            ..Primitive::default()
        };
        Ok(Scene {
            nodes: vec![Node { mesh: Some(0), ..Node::default() }],
            meshes: vec![Mesh { primitives: vec![shape], ..Mesh::default() }],
            materials: vec![Material { unlit: true, double_sided: true, ..Material::default() }],
            ..Scene::default()
        })
    }
}

/// The base colour of a vertex.
fn color(scene: &Scene, part: &Primitive, vertex: usize) -> [f32; 3] {
    let own = part.colors.get(vertex).map_or([1.0; 3], |c| [c[0], c[1], c[2]]);
    let Some(material) = part.material.map(|i| &scene.materials[i]) else { return own };
    let texel = material.base_color_texture.map_or([1.0; 3], |used| {
        let uv = part.uvs.get(used.uv).and_then(|uvs| uvs.get(vertex)).copied().unwrap_or_default();
        texel(&scene.images[scene.textures[used.texture].image], &used, uv)
    });
    std::array::from_fn(|i| own[i] * material.base_color[i] * texel[i])
}

/// The texel at texture coordinates, in a texture that repeats.
fn texel(image: &Image, used: &TextureRef, uv: [f32; 2]) -> [f32; 3] {
    let [across, down, shift] = used.transform.map(Vec2::from);
    let place = across * uv[0] + down * uv[1] + shift;
    let at = |part: f32, n: u32| ((part.rem_euclid(1.0) * n as f32) as u32).min(n - 1);
    let first = 4 * (at(place.y, image.height) * image.width + at(place.x, image.width)) as usize;
    std::array::from_fn(|i| srgb::decode(f32::from(image.rgba[first + i]) / 255.0))
}

/// For each vertex the first one at its place.
fn places(positions: &[[f32; 3]]) -> Vec<u32> {
    let mut first = HashMap::new();
    // -0 and 0 are one place.
    let key = |p: &[f32; 3]| p.map(|x| (x + 0.0).to_bits());
    positions.iter().enumerate().map(|(i, p)| *first.entry(key(p)).or_insert(i as u32)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raster::CpuRenderer;
    use crate::{Background, Framing, Orbit, Shot};

    /// A quarter of the texture, turned over, at each corner of a triangle, and a vertex twice.
    #[test]
    fn vertices_have_the_colour_of_their_texel_and_places_are_found() {
        let mut scene = Scene::figure();
        let shirt = ColoredMesh::new(&scene, &Pose::rest(&scene)).unwrap();
        let part = &scene.meshes[0].primitives[1];
        let [cream, teal] = [[236_u8, 225, 200], [38, 122, 118]].map(|c| c.map(|x| srgb::decode(f32::from(x) / 255.0)));
        for (i, [u, v]) in part.uvs[0].iter().enumerate() {
            let even = ((u * 8.0) as u32 % 8 + (v * 8.0) as u32 % 8).is_multiple_of(2);
            assert_eq!(color(&scene, part, i), if even { cream } else { teal }, "{u} {v}");
        }
        assert_eq!(places(&[[0.0, 1.0, 2.0], [1.0; 3], [-0.0, 1.0, 2.0], [1.0; 3]]), [0, 1, 0, 1]);
        // All of it is closed: no edge is the surface's end.
        assert!(shirt.surface.is_closed());
        scene.meshes.clear();
        scene.nodes.truncate(1);
        let words = ColoredMesh::new(&scene, &Pose::rest(&scene)).unwrap_err().to_string();
        assert_eq!(words, "there is nothing to paint: the scene draws no triangles");
    }

    /// Away from outlines both draw what lies behind the centre of a pixel, though one in f32 and one in f64, and one as bytes: half of one and rounding.
    #[test]
    fn the_differentiable_picture_is_that_of_the_renderer() {
        let scene = Scene::figure();
        let mut pose = Pose::rest(&scene);
        scene.animations[1].sample(0.4, &mut pose);
        let figure = ColoredMesh::new(&scene, &pose).unwrap();
        let plain = figure.scene(&figure.colors).unwrap();
        plain.check().unwrap();
        let camera = Framing::new(&scene, [pose]).unwrap().camera(&Orbit::default(), [120, 160]).unwrap();
        let smooth = figure.draw(&camera.to_tensors().unwrap(), &figure.colors).unwrap().to_f64_vec().unwrap();
        let shot = Shot { background: Background::Transparent, ..Shot::new(camera) };
        let hard = CpuRenderer::new(&plain).draw(&Pose::rest(&plain), &shot).unwrap();
        let (mut covered, mut apart, mut inside) = (0.0, [0.0; 2], 0);
        for (mine, theirs) in smooth.chunks_exact(4).zip(hard.rgba.chunks_exact(4)) {
            covered += mine[3];
            apart[0] += (mine[3] - f64::from(theirs[3]) / 255.0).abs();
            if mine[3] == 1.0 && theirs[3] == 255 {
                inside += 1;
                apart[1] +=
                    (0..3).map(|k| i32::from(srgb::byte(mine[k] as f32)).abs_diff(theirs[k].into())).sum::<u32>() as f64 / 3.0;
            }
        }
        // Four samples know the coverage of a pixel to an eighth on the average, and a tenth of the figure's pixels lie on its outline.
        assert!(apart[0] < 0.03 * covered, "{} of {covered}", apart[0]);
        assert!(inside > 2000 && apart[1] / f64::from(inside) < 2.0, "{} over {inside}", apart[1]);
    }
}
