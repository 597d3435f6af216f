//! The spaces side by side as an SVG file: the whole primitive in thin lines, the vertex marked.

use std::collections::BTreeSet;
use std::fmt::Write;

use monotile_scene::Spaces;

const SIDE: f32 = 300.0;
const MARGIN: f32 = 24.0;
/// Lines a panel.
const EDGES: usize = 4000;

/// A panel: its title, what is under it, and where vertices are in it, y downwards.
struct Panel {
    title: &'static str,
    caption: String,
    points: Vec<Option<[f32; 2]>>,
    /// Corners of a frame that stands for the picture.
    frame: Option<[[f32; 2]; 2]>,
}

/// The picture of all spaces.
pub fn svg(ways: &[Spaces], indices: &[u32], vertex: usize, size: [usize; 2]) -> String {
    let at = &ways[vertex];
    let told = |v: &[f32]| v.iter().map(|x| format!("{x:.3}")).collect::<Vec<_>>().join(", ");
    let solid = |f: fn(&Spaces) -> [f32; 3]| ways.iter().map(|way| Some(oblique(f(way)))).collect();
    let before = |way: &Spaces| way.clip[3] > 0.0;
    let flat = |f: fn(&Spaces) -> [f32; 2]| ways.iter().map(|way| before(way).then(|| f(way))).collect();
    let panels = [
        Panel { title: "mesh", caption: told(&at.mesh), points: solid(|w| w.mesh), frame: None },
        Panel { title: "world = M · mesh", caption: told(&at.world), points: solid(|w| w.world), frame: None },
        Panel { title: "view = V · world", caption: told(&at.view), points: solid(|w| w.view), frame: None },
        Panel {
            title: "clip = P · view, seen as x by w",
            caption: told(&at.clip),
            points: flat(|w| [w.clip[0], -w.clip[3]]),
            frame: None,
        },
        Panel {
            title: "NDC = clip / w",
            caption: told(&at.ndc),
            points: flat(|w| [w.ndc[0], -w.ndc[1]]),
            frame: Some([[-1.0, -1.0], [1.0, 1.0]]),
        },
        Panel {
            title: "pixel",
            caption: told(&at.pixel),
            points: flat(|w| w.pixel),
            frame: Some([[0.0, 0.0], size.map(|n| n as f32)]),
        },
    ];
    let edges = edges(indices);
    let (width, height) = (3.0 * SIDE, 2.0 * (SIDE + 40.0));
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"14\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    for (i, panel) in panels.iter().enumerate() {
        let (x, y) = ((i % 3) as f32 * SIDE, (i / 3) as f32 * (SIDE + 40.0));
        // Writing to a String cannot fail.
        let _ = write!(svg, "<g transform=\"translate({x} {y})\">\n{}</g>\n", panel.draw(&edges, vertex));
    }
    svg.push_str("</svg>\n");
    svg
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

impl Panel {
    fn draw(&self, edges: &[[usize; 2]], vertex: usize) -> String {
        let (mut least, mut greatest) = ([f32::MAX; 2], [f32::MIN; 2]);
        let corners = self.frame.iter().flatten();
        for point in self.points.iter().flatten().chain(corners) {
            for i in 0..2 {
                (least[i], greatest[i]) = (least[i].min(point[i]), greatest[i].max(point[i]));
            }
        }
        let extent = (greatest[0] - least[0]).max(greatest[1] - least[1]).max(f32::MIN_POSITIVE);
        let scale = (SIDE - 2.0 * MARGIN) / extent;
        let place = |p: [f32; 2]| -> [f32; 2] {
            let middle = |i: usize| 0.5 * (least[i] + greatest[i]);
            [SIDE / 2.0 + (p[0] - middle(0)) * scale, SIDE / 2.0 + 20.0 + (p[1] - middle(1)) * scale]
        };
        let mut text = format!(
            "<text x=\"{MARGIN}\" y=\"22\" font-weight=\"600\">{}</text>\n<text x=\"{MARGIN}\" y=\"{}\" fill=\"#b3261e\">({})</text>\n",
            self.title,
            SIDE + 28.0,
            self.caption
        );
        if let Some([a, b]) = self.frame {
            let ([x, y], [u, v]) = (place(a), place(b));
            let _ =
                writeln!(text, "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"#eef2f7\"/>", u - x, v - y);
        }
        let mut path = String::new();
        for [a, b] in edges {
            if let (Some(a), Some(b)) = (self.points[*a], self.points[*b]) {
                let ([x, y], [u, v]) = (place(a), place(b));
                let _ = write!(path, "M{x:.1} {y:.1}L{u:.1} {v:.1}");
            }
        }
        let _ = writeln!(text, "<path d=\"{path}\" fill=\"none\" stroke=\"#35527a\" stroke-width=\"0.5\" stroke-opacity=\"0.6\"/>");
        if edges.is_empty() {
            for [x, y] in self.points.iter().flatten().map(|p| place(*p)) {
                let _ = writeln!(text, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"1\" fill=\"#35527a\"/>");
            }
        }
        if let Some([x, y]) = self.points[vertex].map(place) {
            let _ = writeln!(
                text,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5\" fill=\"#b3261e\" stroke=\"#fff\" stroke-width=\"1.5\"/>"
            );
        }
        text
    }
}
