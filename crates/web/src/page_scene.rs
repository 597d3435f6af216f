//! A scene as a page holds it: read of its bytes, and drawn.

use monotile_kernels::buffer::{Block, OutOfMemory};
use monotile_kernels::shape::count;
use monotile_kernels::splat::spz::{HEADER, SpzLayout};
use monotile_kernels::splat::stated::{LEAST_ALPHA, LEAST_TRANSMITTANCE, MOST_ALPHA, MOST_DEGREE};
use monotile_kernels::splat::{
    BlendRule, CameraRows, ProjectRule, ScreenSplats, ScreenSplatsMut, SplatBins, SplatShapes, SplatShapesMut, blend, colors,
    project,
};

/// The most pixels of a side.
const MOST_SIDE: usize = 1 << 14;

/// How a scene is drawn, beside the picture's size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DrawSettings {
    /// What is read of the camera.
    pub camera: CameraRows,
    /// The distance from the eye's plane beyond which splats are drawn.
    pub near: f64,
    /// Square pixels added to the variances of a splat.
    pub blur: f64,
    /// Whether opacity makes up for what the blur adds.
    pub antialiased: bool,
    /// Red, green, blue and coverage of what is behind, from 0 to 1.
    pub background: [f64; 4],
}

impl DrawSettings {
    /// Of the numbers in their order.
    pub fn from_numbers(x: &[f64; super::SETTINGS]) -> Self {
        let mut camera = [0.0; 24];
        camera.copy_from_slice(&x[..24]);
        Self { camera, near: x[24], blur: x[25], antialiased: x[26] != 0.0, background: [x[27], x[28], x[29], x[30]] }
    }
}

/// Splats, and what a picture of them needs, which is kept for the next one.
pub struct PageScene {
    means: Block<f32>,
    rotations: Block<f32>,
    log_scales: Block<f32>,
    logits: Block<f32>,
    harmonics: Block<f32>,
    /// Those whose degree is shown, if that is not all.
    shown: Option<Block<f32>>,
    coefficients: usize,
    positions: Block<f32>,
    conics: Block<f32>,
    depths: Block<f32>,
    opacities: Block<f32>,
    colors: Block<f32>,
    pixels: Vec<u8>,
}

fn no_memory(_: OutOfMemory) -> String {
    "there is no memory for the scene".to_owned()
}

impl PageScene {
    /// The scene of a file of SPZ 2 or 3 that was unpacked.
    ///
    /// # Errors
    /// In a sentence why the bytes are no such file.
    pub fn read(file: &[u8]) -> Result<Self, String> {
        let (header, mut rest) = file.split_first_chunk::<HEADER>().ok_or("the scene is cut off within its header")?;
        let word = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let (version, splats, degree, fraction) = (word(4), word(8) as usize, usize::from(header[12]), u32::from(header[13]));
        if !header.starts_with(b"NGSP") || !(2..=3).contains(&version) || degree > MOST_DEGREE || fraction > 24 {
            return Err("the scene is no SPZ of version 2 or 3 with harmonics up to degree 3".to_owned());
        }
        let layout = SpzLayout { version, splats, coefficients: (degree + 1) * (degree + 1), fraction };
        let sizes = layout.columns();
        if sizes.iter().try_fold(0_usize, |sum, &size| sum.checked_add(size)) != Some(rest.len()) {
            return Err(format!("the scene has {} bytes, which are not those of its {splats} splats", rest.len()));
        }
        let columns = sizes.map(|size| {
            let (column, after) = rest.split_at(size);
            rest = after;
            column
        });
        let room = |wide: usize| Block::new(count(&[splats, wide])).map_err(no_memory);
        let (mut means, mut rotations, mut log_scales) = (room(3)?, room(4)?, room(3)?);
        let (mut logits, mut harmonics) = (room(1)?, room(3 * layout.coefficients)?);
        let shapes =
            SplatShapesMut { means: &mut means, rotations: &mut rotations, log_scales: &mut log_scales, logits: &mut logits };
        layout.unpack(columns, shapes, &mut harmonics);
        Ok(Self {
            means,
            rotations,
            log_scales,
            logits,
            harmonics,
            shown: None,
            coefficients: layout.coefficients,
            positions: room(2)?,
            conics: room(3)?,
            depths: room(1)?,
            opacities: room(1)?,
            colors: room(3)?,
            pixels: Vec::new(),
        })
    }

    /// How many splats there are.
    pub fn len(&self) -> usize {
        self.logits.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Means, rotations, log scales, logits, and harmonics up to the degree that is shown.
    pub fn columns(&self) -> [&[f32]; 5] {
        [&self.means, &self.rotations, &self.log_scales, &self.logits, self.shown.as_ref().unwrap_or(&self.harmonics)]
    }

    /// Harmonics above a degree count as 0 from now on.
    pub fn show(&mut self, degree: usize) {
        self.shown = None;
        let kept = 3 * (degree.min(MOST_DEGREE) + 1).pow(2);
        let wide = 3 * self.coefficients;
        if kept < wide
            && let Ok(mut shown) = Block::new(self.harmonics.len())
        {
            shown.copy_from_slice(&self.harmonics);
            shown.chunks_exact_mut(wide).for_each(|h| h[kept..].fill(0.0));
            self.shown = Some(shown);
        }
    }

    /// Four bytes of each pixel: colours over the background, and how much of what is behind the page is hidden.
    ///
    /// # Errors
    /// If there is no memory, or a side of the picture is 0 or more than 16384 pixels.
    pub fn draw(&mut self, [width, height]: [usize; 2], settings: &DrawSettings) -> Result<&[u8], String> {
        if [width, height].iter().any(|side| !(1..=MOST_SIDE).contains(side)) {
            return Err(format!("a picture has 1 to {MOST_SIDE} pixels a side, not {width} x {height}"));
        }
        let no_memory = |_| format!("there is no memory for a picture of {width} x {height}");
        let &DrawSettings { camera, near, blur, antialiased, .. } = settings;
        let Self { means, rotations, log_scales, logits, positions, conics, depths, opacities, .. } = self;
        let shapes = SplatShapes { means, rotations, log_scales, logits };
        let on_screen = ScreenSplatsMut { positions, conics, depths, opacities };
        project(ProjectRule { width, height, blur, near, antialiased }, &camera, shapes, on_screen);
        let harmonics = self.shown.as_ref().unwrap_or(&self.harmonics);
        colors(&camera, &self.means, harmonics, &self.depths, &mut self.colors);
        let (least, most, stop) = (LEAST_ALPHA, MOST_ALPHA, LEAST_TRANSMITTANCE);
        let rule = BlendRule { width, height, channels: 3, least, most, stop };
        let Self { positions, conics, depths, opacities, .. } = self;
        let bins = SplatBins::new(&rule, ScreenSplats { positions, conics, depths, opacities }, &self.colors).map_err(no_memory)?;
        let mut picture = Block::<f32>::new(count(&[width, height, rule.wide()])).map_err(no_memory)?;
        blend(&bins, &mut picture);
        let behind = settings.background.map(|x| x as f32);
        self.pixels.clear();
        self.pixels.try_reserve_exact(count(&[width, height, 4])).map_err(|_| no_memory(OutOfMemory { bytes: 0 }))?;
        self.pixels.extend(picture.as_chunks::<5>().0.iter().flat_map(|&[r, g, b, covered, _]| {
            let open = 1.0 - covered;
            let alpha = covered + open * behind[3];
            // Bytes of a canvas are straight: what is not hidden wholly has its colour undivided by coverage.
            let straight = |x: f32, behind_x: f32| {
                let x = x + open * behind[3] * behind_x;
                byte(if alpha > 0.0 { x / alpha } else { 0.0 })
            };
            [straight(r, behind[0]), straight(g, behind[1]), straight(b, behind[2]), byte(alpha)]
        }));
        Ok(&self.pixels)
    }
}

/// From 0 … 1, rounded.
fn byte(x: f32) -> u8 {
    (255.0 * x.clamp(0.0, 1.0) + 0.5) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of so many splats of degree 1 side by side, unpacked.
    fn file(splats: u8) -> Vec<u8> {
        let mut bytes = b"NGSP\x03\0\0\0".to_vec();
        bytes.extend([splats, 0, 0, 0, 1, 4, 0, 0]);
        (0..splats).for_each(|i| bytes.extend([16 * i, 0, 0, 0, 0, 0, 0, 0, 0]));
        let rest = [200; 1].iter().chain(&[255, 128, 0]).chain(&[130; 3]).chain(&[0, 0, 0, 0xc0]).chain(&[160; 9]);
        let row: Vec<u8> = rest.copied().collect();
        for (from, to) in [(0, 1), (1, 4), (4, 7), (7, 11), (11, 20)] {
            (0..splats).for_each(|_| bytes.extend(&row[from..to]));
        }
        bytes
    }

    fn settings() -> DrawSettings {
        let mut numbers = [0.0; crate::SETTINGS];
        (numbers[0], numbers[5], numbers[10], numbers[11], numbers[14], numbers[15]) = (2.0, 2.0, -1.0, 4.0, -1.0, 4.0);
        (numbers[18], numbers[19]) = (4.0, 1.0);
        numbers[20..24].copy_from_slice(&[-1.3, 1.3, -1.3, 1.3]);
        numbers[24..].copy_from_slice(&[0.01, 0.3, 0.0, 0.0, 0.0, 1.0, 1.0]);
        DrawSettings::from_numbers(&numbers)
    }

    #[test]
    fn files_that_are_none_are_refused() {
        let whole = file(3);
        let words = |bytes: &[u8]| PageScene::read(bytes).err().unwrap_or_default();
        assert_eq!(words(&whole), "");
        assert_eq!(words(&whole[..15]), "the scene is cut off within its header");
        let size = whole.len() - 16;
        assert_eq!(words(&whole[..size + 15]), format!("the scene has {} bytes, which are not those of its 3 splats", size - 1));
        let changed = |at: usize, to: u8| {
            let mut bytes = whole.clone();
            bytes[at] = to;
            words(&bytes)
        };
        for (at, to) in [(0, 0), (4, 4), (12, 4), (13, 25)] {
            assert_eq!(changed(at, to), "the scene is no SPZ of version 2 or 3 with harmonics up to degree 3");
        }
        // As many splats as a number has place for are no reason to ask for memory.
        assert!(changed(11, 255).contains("which are not those of its"));
    }

    #[test]
    fn pictures_are_drawn_over_their_background_and_harmonics_left_out() {
        let mut scene = PageScene::read(&file(1)).unwrap();
        let settings = settings();
        let pixel = |pixels: &[u8], x: usize, y: usize| <[u8; 4]>::try_from(&pixels[4 * (33 * y + x)..][..4]).unwrap();
        let all = scene.draw([33, 33], &settings).unwrap().to_vec();
        assert_eq!(pixel(&all, 0, 0), [0, 0, 255, 255]);
        let middle = pixel(&all, 16, 16);
        assert!(middle[0] > 150 && middle[3] == 255, "{middle:?}");
        scene.show(0);
        assert!(scene.columns()[4][3..].iter().all(|&h| h == 0.0) && scene.columns()[4][0] > 3.0);
        let plain = scene.draw([33, 33], &settings).unwrap();
        assert!(pixel(plain, 16, 16) != middle && pixel(plain, 0, 0) == [0, 0, 255, 255]);
        scene.show(1);
        assert!(scene.draw([33, 33], &settings).unwrap() == all);
        // Before nothing a canvas has straight colours and their coverage.
        let clear = DrawSettings { background: [0.0; 4], ..settings };
        let drawn = scene.draw([33, 33], &clear).unwrap();
        assert!(pixel(drawn, 0, 0) == [0; 4] && (1..255).contains(&pixel(drawn, 16, 16)[3]), "{:?}", pixel(drawn, 16, 16));
        let refused = scene.draw([0, 5], &settings).unwrap_err();
        assert_eq!(refused, "a picture has 1 to 16384 pixels a side, not 0 x 5");
    }
}
