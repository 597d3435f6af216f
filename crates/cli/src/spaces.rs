//! The spaces side by side as an SVG document: the whole primitive in thin lines, one vertex marked, and what the camera sees where it stands in the space.

use std::collections::BTreeSet;
use std::fmt::Write;

use monotile::linalg::inv;
use monotile::{DType, Result, Tensor};
use monotile_scene::VertexSpaces;

const SIDE: f32 = 300.0;
const MARGIN: f32 = 24.0;
/// Above a panel for its title, and under it for two lines.
const TITLE: f32 = 36.0;
const WORDS: f32 = 60.0;
/// Lines a panel.
const EDGES: usize = 6000;

const STYLE: &str = include_str!("../assets/spaces.css");

/// A panel: its title, what is under it, and where vertices are in it, y downwards.
struct Panel {
    title: &'static str,
    words: &'static str,
    caption: String,
    points: Vec<Option<[f32; 2]>>,
    /// Corners of a frame that stands for the picture.
    frame: Option<[[f32; 2]; 2]>,
    /// The eye, where there is one, and the corners of what the picture shows at the vertex's distance.
    sight: Option<PanelCamera>,
}

/// The camera's view as lines.
#[derive(Clone, Copy)]
struct PanelCamera {
    /// None where all rays are parallel.
    eye: Option<[f32; 3]>,
    corners: [[f32; 3]; 4],
}

/// The picture of all spaces.
///
/// # Errors
/// A camera whose matrices have no inverse.
pub fn svg(ways: &[VertexSpaces], indices: &[u32], vertex: usize, size: [usize; 2]) -> Result<String> {
    let at = &ways[vertex];
    let told = |v: &[f32]| v.iter().map(|x| format!("{x:.3}")).collect::<Vec<_>>().join(", ");
    let solid = |f: fn(&VertexSpaces) -> [f32; 3]| ways.iter().map(|way| Some(oblique(f(way)))).collect();
    let before = |way: &VertexSpaces| way.clip[3] > 0.0;
    let flat = |f: fn(&VertexSpaces) -> [f32; 2]| ways.iter().map(|way| before(way).then(|| f(way))).collect();
    let sights = [PanelCamera::in_world(at)?, PanelCamera::in_view(at)?];
    let panels = [
        Panel {
            title: "1  Mesh",
            words: "as it was modelled",
            caption: told(&at.mesh),
            points: solid(|w| w.mesh),
            frame: None,
            sight: None,
        },
        Panel {
            title: "2  World = M · mesh",
            words: if at.skinned { "bent by its bones" } else { "in its place" },
            caption: told(&at.world),
            points: solid(|w| w.world),
            frame: None,
            sight: Some(sights[0]),
        },
        Panel {
            title: "3  View = V · world",
            words: "the camera is the origin",
            caption: told(&at.view),
            points: solid(|w| w.view),
            frame: None,
            sight: Some(sights[1]),
        },
        Panel {
            title: "4  Clip = P · view",
            words: "here x to the right, w upwards",
            caption: told(&at.clip),
            points: flat(|w| [w.clip[0], -w.clip[3]]),
            frame: None,
            sight: None,
        },
        Panel {
            title: "5  NDC = clip / w",
            words: "the picture goes from −1 to 1",
            caption: told(&at.ndc),
            points: flat(|w| [w.ndc[0], -w.ndc[1]]),
            frame: Some([[-1.0, -1.0], [1.0, 1.0]]),
            sight: None,
        },
        Panel {
            title: "6  Pixel",
            words: "counted from the upper left corner",
            caption: told(&at.pixel),
            points: flat(|w| w.pixel),
            frame: Some([[0.0, 0.0], size.map(|n| n as f32)]),
            sight: None,
        },
    ];
    let edges = edges(indices);
    let (width, height) = (3.0 * SIDE, 2.0 * (TITLE + SIDE + WORDS));
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"spaces\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         role=\"img\" aria-label=\"One vertex in six spaces\">\n<style>\n{STYLE}</style>\n\
         <rect class=\"ground\" width=\"100%\" height=\"100%\" rx=\"8\"/>\n"
    );
    for (i, panel) in panels.iter().enumerate() {
        let (x, y) = ((i % 3) as f32 * SIDE, (i / 3) as f32 * (TITLE + SIDE + WORDS));
        // Writing to a String cannot fail.
        let _ = write!(svg, "<g transform=\"translate({x} {y})\">\n{}</g>\n", panel.draw(&edges, vertex));
    }
    svg.push_str("</svg>\n");
    Ok(svg)
}

/// Each edge once, and not more than a picture can show.
fn edges(indices: &[u32]) -> Vec<[usize; 2]> {
    let ring = |t: &[u32]| [[t[0], t[1]], [t[1], t[2]], [t[2], t[0]]].map(|[a, b]| [a.min(b) as usize, a.max(b) as usize]);
    let all: BTreeSet<[usize; 2]> = indices.chunks_exact(3).flat_map(ring).collect();
    let stride = all.len().div_ceil(EDGES).max(1);
    all.into_iter().step_by(stride).collect()
}

/// Seen from the front, a little from the right and from above.
fn oblique([x, y, z]: [f32; 3]) -> [f32; 2] {
    let ((sin, cos), (rise, level)) = (0.6_f32.sin_cos(), 0.35_f32.sin_cos());
    [x * cos - z * sin, -(y * level - (x * sin + z * cos) * rise)]
}

impl PanelCamera {
    fn in_view(way: &VertexSpaces) -> Result<Self> {
        Self::through(&inv(&rows(&way.clip_from_view)?)?, way)
    }

    fn in_world(way: &VertexSpaces) -> Result<Self> {
        let clip_from_world = rows(&way.clip_from_view)?.matmul(&rows(&way.view_from_world)?)?;
        Self::through(&inv(&clip_from_world)?, way)
    }

    /// What is sent to (0, 0, z, 0) is where all rays meet; the corners of the picture have the vertex's depth.
    fn through(back: &Tensor, way: &VertexSpaces) -> Result<Self> {
        let place = |clip: [f64; 4]| -> Result<[f64; 4]> {
            let at = back.matmul(&Tensor::from_slice(&clip, &[4, 1])?)?.to_f64_vec()?;
            Ok([at[0], at[1], at[2], at[3]])
        };
        let divided = |[x, y, z, w]: [f64; 4]| [x, y, z].map(|a| (a / w) as f32);
        let meet = place([0.0, 0.0, 1.0, 0.0])?;
        let corner = |x, y| Ok::<_, monotile::Error>(divided(place([x, y, f64::from(way.ndc[2]), 1.0])?));
        let corners = [corner(-1.0, -1.0)?, corner(1.0, -1.0)?, corner(1.0, 1.0)?, corner(-1.0, 1.0)?];
        let length = meet.iter().map(|x| x.abs()).fold(0.0, f64::max);
        Ok(Self { eye: (meet[3].abs() > 1e-6 * length).then(|| divided(meet)), corners })
    }
}

/// A matrix as a tensor.
fn rows(columns: &[[f32; 4]; 4]) -> Result<Tensor> {
    Tensor::from_slice(columns.as_flattened(), &[4, 4])?.mt().to_dtype(DType::F64)
}

/// Where things stand in a panel.
struct PanelScale {
    middle: [f32; 2],
    factor: f32,
}

impl PanelScale {
    /// Everything within the margins.
    fn around(points: impl Iterator<Item = [f32; 2]>) -> Self {
        let (mut least, mut greatest) = ([f32::MAX; 2], [f32::MIN; 2]);
        for point in points {
            for i in 0..2 {
                (least[i], greatest[i]) = (least[i].min(point[i]), greatest[i].max(point[i]));
            }
        }
        let extent = (greatest[0] - least[0]).max(greatest[1] - least[1]).max(f32::MIN_POSITIVE);
        Self { middle: [0, 1].map(|i| 0.5 * (least[i] + greatest[i])), factor: (SIDE - 2.0 * MARGIN) / extent }
    }

    fn place(&self, p: [f32; 2]) -> [f32; 2] {
        [SIDE / 2.0 + (p[0] - self.middle[0]) * self.factor, TITLE + SIDE / 2.0 + (p[1] - self.middle[1]) * self.factor]
    }
}

impl Panel {
    fn draw(&self, edges: &[[usize; 2]], vertex: usize) -> String {
        let seen = self.sight.iter().flat_map(|sight| sight.eye.into_iter().chain(sight.corners)).map(oblique);
        let scale = PanelScale::around(self.points.iter().flatten().copied().chain(self.frame.into_iter().flatten()).chain(seen));
        let place = |p| scale.place(p);
        let (words, numbers) = (TITLE + SIDE + 16.0, TITLE + SIDE + 38.0);
        let mut text = format!(
            "<text class=\"title\" x=\"{MARGIN}\" y=\"26\">{}</text>\n<text x=\"{MARGIN}\" y=\"{words}\">{}</text>\n\
             <text class=\"told\" x=\"{MARGIN}\" y=\"{numbers}\">({})</text>\n",
            self.title, self.words, self.caption
        );
        if let Some([a, b]) = self.frame {
            let ([x, y], [u, v]) = (place(a), place(b));
            let _ =
                writeln!(text, "<rect class=\"frame\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>", u - x, v - y);
        }
        let mut path = String::new();
        for [a, b] in edges {
            if let (Some(a), Some(b)) = (self.points[*a], self.points[*b]) {
                line(&mut path, place(a), place(b));
            }
        }
        let _ = writeln!(text, "<path class=\"wire\" d=\"{path}\"/>");
        if edges.is_empty() {
            for [x, y] in self.points.iter().flatten().map(|p| place(*p)) {
                let _ = writeln!(text, "<circle class=\"dot\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"1\"/>");
            }
        }
        if let Some(sight) = &self.sight {
            sight.draw(&scale, &mut text);
        }
        if let Some([x, y]) = self.points[vertex].map(place) {
            let _ = writeln!(text, "<circle class=\"mark\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5\"/>");
        }
        text
    }
}

impl PanelCamera {
    fn draw(&self, scale: &PanelScale, text: &mut String) {
        let corners = self.corners.map(|corner| scale.place(oblique(corner)));
        let mut path = String::new();
        for (i, &corner) in corners.iter().enumerate() {
            line(&mut path, corner, corners[(i + 1) % 4]);
            if let Some(eye) = self.eye {
                line(&mut path, scale.place(oblique(eye)), corner);
            }
        }
        let _ = writeln!(text, "<path class=\"sight\" d=\"{path}\"/>");
        if let Some([x, y]) = self.eye.map(|eye| scale.place(oblique(eye))) {
            let _ = writeln!(text, "<circle class=\"eye\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"/>");
        }
    }
}

fn line(path: &mut String, [x, y]: [f32; 2], [u, v]: [f32; 2]) {
    let _ = write!(path, "M{x:.1} {y:.1}L{u:.1} {v:.1}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use monotile_scene::{Framing, Orbit, Pose, Scene, VertexId};

    /// The eye is where the camera stands, and the picture's corners are at the vertex's distance, seen from the eye under the lens's angle.
    #[test]
    fn the_camera_is_drawn_where_it_stands() {
        let scene = Scene::figure();
        let pose = Pose::rest(&scene);
        let camera = Framing::new(&scene, [pose.clone()]).unwrap().camera(&Orbit::default(), [300, 200]).unwrap();
        let node = scene.nodes.iter().position(|node| node.mesh.is_some()).unwrap();
        let way = VertexSpaces::trace(&scene, &pose, &camera, VertexId { node, primitive: 0, vertex: 9 }).unwrap();
        let near = |a: [f32; 3], b: [f32; 3]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 2e-4);
        let view = PanelCamera::in_view(&way).unwrap();
        assert!(near(view.eye.unwrap(), [0.0; 3]), "{:?}", view.eye);
        let distance = way.view[2];
        assert!(view.corners.iter().all(|corner| (corner[2] - distance).abs() < 2e-3), "{:?} {distance}", view.corners);
        assert!((view.corners[1][0] / view.corners[1][1] + 1.5).abs() < 1e-3);
        let eye = PanelCamera::in_world(&way).unwrap().eye.unwrap();
        let seen = (0..3)
            .map(|i| way.view_from_world.iter().take(3).zip(eye).map(|(c, e)| c[i] * e).sum::<f32>() + way.view_from_world[3][i]);
        assert!(seen.map(f32::abs).fold(0.0, f32::max) < 2e-4);
        let orthographic = Orbit { orthographic: true, ..Orbit::default() };
        let camera = Framing::new(&scene, [pose.clone()]).unwrap().camera(&orthographic, [300, 200]).unwrap();
        let way = VertexSpaces::trace(&scene, &pose, &camera, way.vertex).unwrap();
        assert!(PanelCamera::in_world(&way).unwrap().eye.is_none());
    }
}
