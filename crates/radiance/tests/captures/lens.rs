//! Lenses against the reference pixels, and their rays back.

use monotile_radiance::{CaptureLens, LensModel, PixelRays};
use serde_json::Value;

use super::shared::{cases, close};

fn numbers(x: &Value) -> Vec<f64> {
    x.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

#[test]
fn pixels_are_the_references_and_rays_lead_back() {
    let Some(folder) = cases("capture") else { return };
    let about: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("lens.json")).unwrap()).unwrap();
    let models = about["models"].as_array().unwrap();
    assert_eq!(models.len(), 18);
    for case in models {
        let name = case["model"].as_str().unwrap();
        let model = LensModel::named(name).unwrap();
        assert_eq!(LensModel::ALL[case["id"].as_u64().unwrap() as usize], model);
        let size = ["width", "height"].map(|side| case[side].as_u64().unwrap() as usize);
        let params = numbers(&case["params"]);
        let lens = CaptureLens::new(model, size, &params).unwrap();
        close(name, &lens.numbers(), &params, 1e-13);
        let pairs = case["directions"].as_array().unwrap().iter().zip(case["pixels"].as_array().unwrap());
        for (direction, pixel) in pairs {
            let (direction, pixel) = (numbers(direction), numbers(pixel));
            let direction: [f64; 3] = direction.try_into().unwrap();
            let found = lens.pixel(direction).unwrap_or_else(|| panic!("{name} does not see {direction:?}"));
            close(name, &found, &pixel, 1e-9);
            let ray = lens.ray(found).unwrap_or_else(|| panic!("{name} has no ray of {found:?}"));
            let length = direction.iter().map(|x| x * x).sum::<f64>().sqrt();
            close(name, &ray, &direction.map(|x| x / length), 1e-9);
        }
    }
}

/// A lens of each model, strong enough that its distortion shows.
fn lenses() -> Vec<CaptureLens> {
    let head = [60.0, 62.0, 33.0, 23.0];
    let one = |k: &[f64]| [&[60.0, 33.0, 23.0][..], k].concat();
    let two = |k: &[f64]| [&head[..], k].concat();
    use LensModel as M;
    [
        (M::SimplePinhole, one(&[])),
        (M::Pinhole, two(&[])),
        (M::SimpleRadial, one(&[-0.2])),
        (M::Radial, one(&[0.2, -0.03])),
        (M::OpenCv, two(&[-0.2, 0.05, 0.002, -0.003])),
        (M::OpenCvFisheye, two(&[0.05, -0.02, 0.003, -0.001])),
        (M::FullOpenCv, two(&[0.1, 0.02, 0.001, -0.002, 0.01, 0.15, 0.01, 0.002])),
        (M::FieldOfView, two(&[0.9])),
        (M::SimpleRadialFisheye, one(&[0.03])),
        (M::RadialFisheye, one(&[0.03, -0.01])),
        (M::ThinPrismFisheye, two(&[0.03, -0.01, 0.002, 0.001, 0.002, -0.001, 0.003, -0.002])),
        (M::RadTanThinPrismFisheye, two(&[0.03, -0.01, 0.002, -0.001, 0.0002, 0.0001, 0.002, 0.001, 0.003, -0.001, 0.002, 0.001])),
        (M::SimpleDivision, one(&[-0.2])),
        (M::Division, two(&[0.1])),
        (M::SimpleFisheye, one(&[])),
        (M::Fisheye, two(&[])),
        (M::Eucm, two(&[0.6, 1.1])),
        (M::Equirectangular, vec![64.0, 48.0]),
    ]
    .into_iter()
    .map(|(model, numbers)| CaptureLens::new(model, [64, 48], &numbers).unwrap())
    .collect()
}

/// Where each of these lenses has the direction (0.4, -0.25, 1), by pycolmap 4.2.1.
const PIXELS: [[f64; 2]; 18] = [
    [57.0, 8.0],
    [57.0, 7.5],
    [55.932, 8.6675],
    [58.0323555, 7.3547778125],
    [55.869757500000006, 8.231672656250002],
    [55.62675326329072, 8.386888517458074],
    [56.678190136401575, 7.704386786907319],
    [57.17331595168844, 7.388066781201221],
    [55.556089618718104, 8.902443988301187],
    [55.54762678480643, 8.90773325949598],
    [55.59035570654805, 8.440505881314962],
    [55.62783011008673, 8.461669119464272],
    [56.01764065542764, 8.613974590357726],
    [57.55917307728504, 7.138867387586746],
    [55.42539754804546, 8.984126532471587],
    [55.42539754804546, 8.51693075022064],
    [55.44227730942208, 8.506029237664904],
    [35.87580613090699, 20.515191929927408],
];

#[test]
fn a_direction_has_its_pixel_in_every_model() {
    for (lens, pixel) in lenses().iter().zip(PIXELS) {
        close(lens.model.name(), &lens.pixel([0.8, -0.5, 2.0]).unwrap(), &pixel, 1e-12);
    }
}

#[test]
fn every_pixel_of_a_picture_has_a_ray_that_leads_back() {
    for lens in lenses() {
        for y in 0..=12 {
            for x in 0..=16 {
                let pixel = [4.0 * f64::from(x), 4.0 * f64::from(y)];
                let Some(ray) = lens.ray(pixel) else { panic!("{lens:?} has no ray of {pixel:?}") };
                close("length", &[ray.iter().map(|x| x * x).sum()], &[1.0], 1e-14);
                // At a panorama's poles every column is the same direction, and its first column is its last.
                if lens.model != LensModel::Equirectangular || (y % 12 != 0 && x % 16 != 0) {
                    close(lens.model.name(), &lens.pixel(ray).unwrap(), &pixel, 1e-9);
                }
            }
        }
        // A lens before a picture of another size sees the same in the same place.
        let half = lens.resized([32, 24]);
        let ray = lens.ray([50.0, 10.0]).unwrap();
        close("half", &half.pixel(ray).unwrap(), &[25.0, 5.0], 1e-9);
        let odd = lens.resized([32, 12]);
        close("odd", &odd.pixel(ray).unwrap(), &[25.0, 2.5], 1e-9);
    }
}

#[test]
fn directions_that_a_lens_does_not_see_have_no_pixel() {
    let lens = |model, numbers: &[f64]| CaptureLens::new(model, [64, 48], numbers).unwrap();
    let pinhole = lens(LensModel::Pinhole, &[60.0, 60.0, 32.0, 24.0]);
    assert_eq!((pinhole.pixel([0.0, 0.0, -1.0]), pinhole.pixel([1.0, 0.0, 0.0])), (None, None));
    // r (1 - 0.2 r²) grows up to r = 1.29; beyond it, a direction would come back into the picture.
    let radial = lens(LensModel::SimpleRadial, &[60.0, 32.0, 24.0, -0.2]);
    assert!(radial.pixel([1.25, 0.0, 1.0]).is_some() && radial.pixel([1.4, 0.0, 1.0]).is_none());
    assert_eq!(radial.ray([32.0 + 60.0 * 0.9, 24.0]), None);
    let fisheye = lens(LensModel::Fisheye, &[20.0, 20.0, 32.0, 24.0]);
    let [x, _] = fisheye.pixel([1.0, 0.0, -1.0]).unwrap();
    close("behind", &[x], &[32.0 + 20.0 * 0.75 * std::f64::consts::PI], 1e-12);
    assert_eq!(fisheye.pixel([0.0, 0.0, -1.0]), None);
}

#[test]
fn numbers_that_are_no_lens_are_refused() {
    let words = |model, size, numbers: &[f64]| CaptureLens::new(model, size, numbers).unwrap_err().to_string();
    let size = [64, 48];
    assert_eq!(words(LensModel::Pinhole, size, &[1.0, 2.0]), "a camera PINHOLE has 4 numbers, got 2");
    assert_eq!(
        words(LensModel::Pinhole, size, &[1.0, 2.0, f64::NAN, 0.0]),
        "a camera PINHOLE has numbers that are finite, got NaN"
    );
    assert_eq!(words(LensModel::SimpleFisheye, size, &[0.0, 2.0, 1.0]), "a camera SIMPLE_FISHEYE has focal lengths above 0, got 0");
    assert_eq!(words(LensModel::Pinhole, [0, 48], &[1.0; 4]), "a camera has a picture of 1 to 1048576 pixels a side, got 0 x 48");
}
