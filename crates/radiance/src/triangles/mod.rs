//! Pictures of triangles that can be differentiated: with respect to where vertices are and what they carry, and so to poses, shapes, colours, cameras.
//!
//! A pixel of a plain rasterizer shows one triangle or another, and no derivative says which. So a picture is made in two steps. First every
//! pixel takes what lies behind its centre, interpolated (`cover`): smooth in the vertices as long as the triangle stays the same. Then pixels on both
//! sides of an outline are mixed by where the outline crosses between their centres (`outline`): smooth in the outline. Laine et al. showed
//! that the two together are a rasterizer's gradient, without softening the picture.
//!
//! # Source
//! Laine, Hellsten, Karras, Seol, Lehtinen and Aila (2020), Modular primitives for high-performance differentiable rendering, sections 3.3
//! and 3.6; Olano and Greer (1997), Triangle scan conversion using 2D homogeneous coordinates.

mod cover;
mod outline;

use std::collections::HashMap;
use std::sync::Arc;

use monotile::tape::{Gradient, Saved};
use monotile::{DType, Error, Result, Tensor};

use cover::{EdgePlanes, PixelHit};

/// The triangles of a surface, and which of them share an edge.
#[derive(Debug, Clone)]
pub struct Surface {
    vertices: usize,
    triangles: Arc<[[u32; 3]]>,
    /// For the edge opposite each corner, the one triangle beyond it.
    beyond: Arc<[[Option<u32>; 3]]>,
}

impl Surface {
    /// The surface of triangles between so many vertices. Triangles that share two vertices share the edge between them; an edge of one triangle, or of more
    /// than two, is where the surface ends.
    ///
    /// # Errors
    /// If a corner is none of the vertices.
    #[track_caller]
    pub fn new(triangles: &[[u32; 3]], vertices: usize) -> Result<Self> {
        Self::with_adjacency(triangles, &(0..vertices as u32).collect::<Vec<_>>())
    }

    /// The same, where the vertex at a place may stand in several rows, with other normals or colours: `same` says for each vertex which one it counts as.
    ///
    /// # Errors
    /// If a corner, or a number of `same`, is none of the vertices.
    #[track_caller]
    pub fn with_adjacency(triangles: &[[u32; 3]], same: &[u32]) -> Result<Self> {
        let vertices = same.len();
        if let Some((i, v)) = same.iter().enumerate().find(|(_, v)| **v as usize >= vertices) {
            return Err(Error::value(format!("Surface: vertex {i} counts as vertex {v}, and there are {vertices} vertices")));
        }
        if let Some((i, t)) = triangles.iter().enumerate().find(|(_, t)| t.iter().any(|&v| v as usize >= vertices)) {
            return Err(Error::value(format!("Surface: triangle {i} is {t:?}, and there are {vertices} vertices")));
        }
        let edge = |t: &[u32; 3], corner: usize| {
            let [a, b] = [1, 2].map(|k| same[t[(corner + k) % 3] as usize]);
            (a.min(b), a.max(b))
        };
        let mut around: HashMap<(u32, u32), Vec<u32>> = HashMap::new();
        for (i, t) in triangles.iter().enumerate() {
            (0..3).for_each(|corner| around.entry(edge(t, corner)).or_default().push(i as u32));
        }
        let beyond = triangles.iter().enumerate().map(|(i, t)| {
            std::array::from_fn(|corner| match around[&edge(t, corner)][..] {
                [a, b] => Some(if a == i as u32 { b } else { a }),
                _ => None,
            })
        });
        Ok(Self { vertices, beyond: beyond.collect(), triangles: triangles.into() })
    }

    /// The corners of each triangle.
    pub fn triangles(&self) -> &[[u32; 3]] {
        &self.triangles
    }

    /// Whether the surface ends nowhere: each edge has a triangle on both sides.
    pub fn is_closed(&self) -> bool {
        self.beyond.iter().flatten().all(Option::is_some)
    }

    /// The picture of the surface.
    ///
    /// Shapes: `clip` is `(V, 4)`, the vertices in clip space (clip_from_world times their homogeneous positions); `attributes` is `(V, C)`, colours
    /// or anything else that varies linearly on a triangle; the result is `(height, width, C + 1)`: the attributes of what is seen
    /// through each pixel, times its coverage, and the coverage, which is 0 where nothing is, 1 inside, and between on the outline. So
    /// `result[…, :C] + (1 − result[…, C:]) · background` is the picture before a background. Both faces of a triangle are seen; what
    /// is nearer than the near plane or farther than the far one is not.
    ///
    /// # Gradient
    /// Of the interpolated attributes and of the outlines, with respect to both inputs; of order one. The depth of a vertex has no gradient but
    /// through w. An outline that passes between two pixels' centres twice is seen once or not at all.
    ///
    /// # Errors
    /// If shapes do not fit, or the picture is empty.
    ///
    /// # Cost
    /// The pixels of every triangle's bounding box, about ten operations each; then a pass over the picture.
    ///
    /// # Example
    /// Half of the picture, and how it grows when the triangle's long edge moves by a whole picture's width (2 in clip space):
    /// ```
    /// use monotile::Tensor;
    /// use monotile_radiance::Surface;
    /// let surface = Surface::new(&[[0, 1, 2]], 3)?;
    /// let right = 0.01; // The edge x = 0.01, from far below to far above.
    /// let clip = Tensor::from_rows(&[[right, -50.0, 0.5, 1.0], [right, 50.0, 0.5, 1.0], [-50.0, 0.0, 0.5, 1.0]])?.requires_grad();
    /// let picture = surface.rasterize(&clip, &Tensor::from_rows(&[[1.0], [1.0], [1.0]])?, [8, 8])?;
    /// let coverage = picture.slice(-1, 1..)?.mean(&[], false)?;
    /// assert!((coverage.item::<f64>()? - 0.505).abs() < 1e-12);
    /// let moved = coverage.backward()?.get(&clip).unwrap().slice(1, ..1)?.sum(&[], false)?;
    /// assert!((moved.item::<f64>()? - 0.5).abs() < 0.01);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn rasterize(&self, clip: &Tensor, attributes: &Tensor, [width, height]: [usize; 2]) -> Result<Tensor> {
        let dtype = self.check(clip, attributes, [width, height])?;
        let scene = RasterizedSurface::new(self.clone(), clip, attributes, [width, height])?;
        let picture = Tensor::from_vec(scene.picture(), &[height, width, scene.channels + 1])?.to_dtype(dtype)?;
        Ok(Tensor::record(picture, &[clip, attributes], Rasterize(scene)))
    }

    #[track_caller]
    fn check(&self, clip: &Tensor, attributes: &Tensor, [width, height]: [usize; 2]) -> Result<DType> {
        let v = self.vertices;
        if clip.shape() != [v, 4] {
            return Err(Error::shape(format!("rasterize: the vertices must have shape [{v}, 4], got {:?}", clip.shape())));
        }
        if attributes.rank() != 2 || attributes.dim(0) != v {
            return Err(Error::shape(format!("rasterize: the attributes must have shape [{v}, C], got {:?}", attributes.shape())));
        }
        if width == 0 || height == 0 {
            return Err(Error::value(format!("rasterize: a picture has at least one pixel a side, not {width} x {height}")));
        }
        match (clip.dtype(), attributes.dtype()) {
            (DType::F64, DType::F64 | DType::F32) | (DType::F32, DType::F64) => Ok(DType::F64),
            (DType::F32, DType::F32) => Ok(DType::F32),
            (a, b) => Err(Error::dtype(format!("rasterize: takes f32 and f64, got {a} and {b}"))),
        }
    }
}

/// A surface in a picture: what forward and backward pass share.
struct RasterizedSurface {
    surface: Surface,
    clip: Vec<[f64; 4]>,
    attributes: Vec<f64>,
    channels: usize,
    size: [usize; 2],
    planes: Vec<Option<EdgePlanes>>,
    hits: Vec<Option<PixelHit>>,
}

impl RasterizedSurface {
    fn new(surface: Surface, clip: &Tensor, attributes: &Tensor, size: [usize; 2]) -> Result<Self> {
        let clip: Vec<[f64; 4]> = clip.to_f64_vec()?.chunks_exact(4).map(|v| [v[0], v[1], v[2], v[3]]).collect();
        let planes: Vec<Option<EdgePlanes>> =
            surface.triangles.iter().map(|t| EdgePlanes::new(t.map(|v| clip[v as usize]))).collect();
        let hits = cover::hits(&planes, size);
        Ok(Self { surface, clip, channels: attributes.dim(1), attributes: attributes.to_f64_vec()?, size, planes, hits })
    }

    /// Channels and coverage of every pixel, outlines mixed.
    fn picture(&self) -> Vec<f64> {
        let c = self.channels + 1;
        let mut hard = vec![0.0; self.hits.len() * c];
        for (pixel, hit) in hard.chunks_exact_mut(c).zip(&self.hits) {
            let Some(hit) = hit else { continue };
            for (&v, b) in self.surface.triangles[hit.triangle].iter().zip(hit.barycentric) {
                let row = &self.attributes[v as usize * self.channels..][..self.channels];
                pixel.iter_mut().zip(row).for_each(|(x, a)| *x += b * a);
            }
            pixel[self.channels] = 1.0;
        }
        let mut picture = hard.clone();
        self.mixed(|mix| {
            for k in 0..c {
                picture[mix.to * c + k] += mix.share * (hard[mix.from * c + k] - hard[mix.to * c + k]);
            }
        });
        picture
    }

    /// The cotangents of vertices and attributes from that of the picture.
    fn backward(&self, cotangent: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let c = self.channels + 1;
        let hard = |pixel: usize| -> Vec<f64> {
            let mut x = vec![0.0; c];
            if let Some(hit) = &self.hits[pixel] {
                for (&v, b) in self.surface.triangles[hit.triangle].iter().zip(hit.barycentric) {
                    let row = &self.attributes[v as usize * self.channels..][..self.channels];
                    x.iter_mut().zip(row).for_each(|(x, a)| *x += b * a);
                }
                x[self.channels] = 1.0;
            }
            x
        };
        let mut clip_bar = vec![[0.0; 4]; self.clip.len()];
        let mut attributes_bar = vec![0.0; self.attributes.len()];
        // Through the mixing: the cotangent of the picture before it, and of the places of the outlines.
        let mut hard_bar = cotangent.to_vec();
        self.mixed(|mix| {
            let (from, to) = (hard(mix.from), hard(mix.to));
            let g = &cotangent[mix.to * c..][..c];
            let share_bar: f64 = g.iter().zip(from.iter().zip(&to)).map(|(g, (from, to))| g * (from - to)).sum();
            for k in 0..c {
                hard_bar[mix.from * c + k] += mix.share * g[k];
                hard_bar[mix.to * c + k] -= mix.share * g[k];
            }
            let corners = self.surface.triangles[mix.triangle];
            mix.backward(corners.map(|v| self.clip[v as usize]), share_bar, |corner, bar| {
                let v = &mut clip_bar[corners[corner] as usize];
                (v[0], v[1], v[3]) = (v[0] + bar[0], v[1] + bar[1], v[3] + bar[2]);
            });
        });
        for (pixel, hit) in self.hits.iter().enumerate() {
            let Some(hit) = hit else { continue };
            let g = &hard_bar[pixel * c..][..self.channels];
            let corners = self.surface.triangles[hit.triangle];
            let barycentric_bar = corners.map(|v| {
                let at = v as usize * self.channels;
                g.iter().zip(&self.attributes[at..]).map(|(g, a)| g * a).sum::<f64>()
            });
            for (&v, b) in corners.iter().zip(hit.barycentric) {
                let row = &mut attributes_bar[v as usize * self.channels..][..self.channels];
                row.iter_mut().zip(g).for_each(|(x, g)| *x += b * g);
            }
            hit.backward(
                corners.map(|v| self.clip[v as usize]),
                cover::centre(pixel, self.size),
                barycentric_bar,
                |corner, bar| {
                    let v = &mut clip_bar[corners[corner] as usize];
                    (v[0], v[1], v[3]) = (v[0] + bar[0], v[1] + bar[1], v[3] + bar[2]);
                },
            );
        }
        (clip_bar.concat(), attributes_bar)
    }

    fn mixed(&self, act: impl FnMut(outline::EdgeBlend)) {
        outline::each(&self.hits, &self.planes, &self.surface.beyond, self.size, act);
    }
}

struct Rasterize(RasterizedSurface);

impl Gradient for Rasterize {
    fn name(&self) -> &'static str {
        "rasterize"
    }
    fn keeps_input(&self, _: usize, _: &[bool]) -> bool {
        false
    }
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        if saved.is_recorded() {
            return Err(Error::new(
                monotile::ErrorKind::Unsupported,
                "rasterize: has no second derivatives: outlines are differentiated where they are, not as they turn",
            ));
        }
        let Some(g) = &cotangents[0] else { return Ok(vec![None, None]) };
        let (clip, attributes) = self.0.backward(&g.to_f64_vec()?);
        let answer = |i: usize, values: Vec<f64>| {
            let gradient = || Tensor::from_vec(values, saved.input_shape(i))?.to_dtype(saved.input_dtype(i));
            saved.needs(i).then(gradient).transpose()
        };
        Ok(vec![answer(0, clip)?, answer(1, attributes)?])
    }
}

#[cfg(test)]
mod tests;
