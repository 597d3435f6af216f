//! A scene of Gaussian splats, learned from pictures of the figure.

use std::time::Instant;

use monotile_radiance::train::{SplatTrainOptions, SplatTrainer};
use monotile_radiance::{AxisFrame, CaptureSplit, SplatOptions, Splats, UpAxis};
use monotile_scene::{Orbit, Picture, Scene};

use super::folder;
use crate::command_error::CommandError;
use crate::commands::splat::{OrbitCaptureOptions, SPZ_BITS, SplatBackground, SplatPage, SplatPageOptions, capture_scene};
use crate::page::{PageBlock, Section};
use crate::picture::{EmbeddedImage, picture_of};
use crate::plot::{Plot, PlotAxis, Series, SeriesStyle};
use crate::progress::Progress;
use crate::report::{count, duration};

/// Views, each of eight held out, and pixels of each.
const VIEWS: usize = 64;
const SIZE: [usize; 2] = [112, 160];
/// Steps, of a view each, and the most splats.
const STEPS: usize = 1200;
const SPLATS: usize = 4000;
/// Steps after which the first view that is held out is shown.
const SHOWN: [usize; 3] = [20, 150, STEPS];
/// Steps between evaluations.
const EVERY: usize = 60;

/// Draws the figure from all around, learns splats from most of the pictures, and compares with the others.
pub fn section(progress: &mut Progress) -> Result<Section, CommandError> {
    let capture = capture_scene(&Scene::figure(), &OrbitCaptureOptions { views: VIEWS, size: SIZE })?;
    let options =
        SplatTrainOptions { steps: STEPS, max_splats: SPLATS, degree: 1, degree_every: STEPS / 2, ..SplatTrainOptions::default() };
    let mut trainer = SplatTrainer::new(&capture, options)?;
    let (mut pictures, mut curve, mut spent) = (Vec::new(), Vec::new(), 0.0);
    let mut last = Default::default();
    for step in 1..=STEPS {
        let begun = Instant::now();
        trainer.step()?;
        spent += begun.elapsed().as_secs_f64();
        progress.at(100 * step as u64 / STEPS as u64, "splats");
        if (step.is_multiple_of(EVERY) || SHOWN.contains(&step))
            && let Some(seen) = trainer.evaluate(false)?
        {
            curve.push((step as f64, seen.psnr));
            last = (seen.psnr, seen.views);
        }
        if SHOWN.contains(&step)
            && let Some(seen) = trainer.picture(0)?
        {
            if pictures.is_empty() {
                pictures.push((EmbeddedImage::still(&picture_of(&seen.truth)?), "a view that is held out".to_string()));
            }
            pictures.push((EmbeddedImage::still(&picture_of(&seen.found)?), format!("after {} steps", count(step as u64))));
        }
    }
    let splats = trainer.splats()?;
    let seen = held_out_views(&splats, &capture.of(CaptureSplit::Test).map(|view| view.camera()).collect::<Result<Vec<_>, _>>()?)?;
    pictures.push((EmbeddedImage::moving(&seen, 3.0), "all views that are held out".to_string()));
    let (learned, (psnr, held_out)) = (capture.of(CaptureSplit::Train).count(), last);
    let line = format!(
        "{} splats learned from {learned} pictures of the figure in {}: {psnr:.1} dB on {held_out} others",
        count(splats.len() as u64),
        duration(spent)
    );
    let plot = Plot {
        title: "Pictures that were held out".to_string(),
        x: PlotAxis::linear("step"),
        y: PlotAxis::linear("PSNR, dB"),
        series: vec![Series { name: String::new(), points: curve, stroke: SeriesStyle::Line, colour: 0 }],
    };
    let words = "A scene need not have triangles. Here it is thousands of Gaussians in space, each with a place, a rotation, a size, an opacity and a \
                 colour that depends on the direction of sight. A camera's matrices take each one to an ellipse on the screen. Ellipses are blended \
                 from the nearest to the farthest, and every number has its gradient, the camera's too. They begin at random places. In every step one \
                 picture is drawn, compared with the truth, and all numbers move a little. Faint splats move to where others are.";
    let caption = format!(
        "{} steps, {:.1} ms each, on pictures of {} x {}; black is nothing.",
        count(STEPS as u64),
        1e3 * spent / STEPS as f64,
        SIZE[0],
        SIZE[1]
    );
    let mut blocks = vec![PageBlock::Text(words.to_string()), PageBlock::Pictures(pictures, caption)];
    blocks.extend(page(&splats)?);
    blocks.push(PageBlock::Figure(plot, "The mean over pictures that nothing was learned from.".to_string()));
    Ok(Section { title: "A scene of splats, learned from pictures".to_string(), line, blocks })
}

/// A page in which the scene is orbited.
fn page(splats: &Splats) -> Result<Option<PageBlock>, CommandError> {
    let options = SplatPageOptions {
        name: "figure.spz".to_string(),
        // The figure stands as glTF has it.
        frame: AxisFrame::Rub,
        up: UpAxis::Y,
        orbit: Orbit::default(),
        fov: 40.0,
        project: SplatTrainOptions::default().project,
        background: SplatBackground::Transparent,
        spz_bits: SPZ_BITS,
    };
    let words =
        "Orbit the scene in a page of its own: it draws by WebGPU, or by WebAssembly where there is no adapter.".to_string();
    let file = folder::beside("splats");
    Ok(SplatPage::new(splats, options)?.map(|page| PageBlock::Beside { file, html: page.html(), words }))
}

/// What the cameras see, as the scene was learned.
fn held_out_views(splats: &Splats, cameras: &[monotile_radiance::MatrixCamera]) -> Result<Vec<Picture>, CommandError> {
    let options = SplatOptions { project: SplatTrainOptions::default().project, ..SplatOptions::default() };
    let draw = |camera| Ok(picture_of(&splats.render(camera, &options)?.picture)?);
    cameras.iter().map(draw).collect()
}
